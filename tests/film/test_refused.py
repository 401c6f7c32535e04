"""What may be asked of a photo but not of a film, or not of one model."""

import dataclasses

import pytest

import film_parts as fp
from fakes import FakeEngine
from koalarize import Colorizer, Steering
from koalarize.errors import OptionError
from koalarize.film.film import color_film
from koalarize.film.names import work_folder
from koalarize.steering.crop import Crop


@pytest.mark.parametrize(
    "steering",
    [
        Steering(faded=True),
        Steering(turn=90),
        Steering(straighten=1.5),
        Steering(negative=True),
        Steering(crop=Crop(0, 0, 10, 10)),
    ],
)
def test_a_film_keeps_its_frames_as_they_are(tmp_path, steering):
    with pytest.raises(OptionError, match="a film keeps its frames as they are"):
        color_film(Colorizer(FakeEngine()), tmp_path / "film.mp4", steering=steering)


def test_what_is_refused_leaves_parts_of_a_stopped_run(tmp_path):
    engine = FakeEngine()
    engine.info = dataclasses.replace(engine.info, fixed_size=64)
    source = fp.write(tmp_path / "film.mp4", fp.moved(2))
    for there in (False, True):
        folder = work_folder(tmp_path / "film.color.mp4")
        if there:
            folder.mkdir()
            (folder / "film.json").write_text('{"key": "of another run"}')
            (folder / "00000000.json").touch()
        with pytest.raises(OptionError, match="leave the size out"):
            color_film(Colorizer(engine), source, steering=Steering(size=100))
        assert (folder / "00000000.json").exists() == folder.exists() == there
