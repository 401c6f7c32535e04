"""What may be asked of a photo but not of a film, or not of one model."""

import dataclasses
import json
import os

import numpy as np
import pytest

import film_parts as fp
from fakes import FakeEngine
from koalarize import Colorizer, Steering
from koalarize.errors import FilmError, OptionError, OutputError
from koalarize.film.facts import open_film
from koalarize.film.film import color_film
from koalarize.film.names import work_folder
from koalarize.film.options import FilmOptions
from koalarize.steering.crop import Crop
from koalarize.steering.palette import Palette


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


@pytest.mark.parametrize("what", ["hints", "reference"])
def test_a_list_that_the_model_cannot_follow_is_refused_before_the_first_frame(tmp_path, what):
    source = fp.write(tmp_path / "film.mp4", fp.moved(4))
    path = tmp_path / "film.shots.json"
    palette = Palette.of(np.zeros((1, 3), np.float32), name="a", sha256="0" * 64)
    asked = {
        "hints": [{"x": 5, "y": 5, "color": "#ff0000"}],
        "reference": palette.to_json(),
    }
    second = {"from": 0.08, "to": 0.16, what: asked[what]}
    path.write_text(json.dumps({"shots": [{"from": 0, "to": 0.08}, second]}))
    colorizer = Colorizer(FakeEngine(accepts_hints=False))
    done = []
    with pytest.raises(OptionError, match="shot 2 of the list: the model `fake`"):
        color_film(colorizer, source, options=FilmOptions(shots=path), progress=done.append)
    assert not done
    assert not work_folder(tmp_path / "film.color.mp4").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_no_film(tmp_path):
    os.mkfifo(tmp_path / "film.mp4")
    with pytest.raises(FilmError, match="is a pipe or a device but must be a file"):
        open_film(tmp_path / "film.mp4")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_never_replaced(tmp_path):
    source = fp.write(tmp_path / "film.mp4", fp.moved(2))
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(OutputError, match="is a pipe or a device but must be a file"):
        color_film(Colorizer(FakeEngine()), source, tmp_path / "pipe.mp4", overwrite=True)


def test_a_container_that_holds_no_codec_of_ours_is_not_offered(tmp_path):
    source = fp.write(tmp_path / "film.mp4", fp.moved(2))
    with pytest.raises(OutputError, match=r"no film that is written: use one of [^w]*$"):
        color_film(Colorizer(FakeEngine()), source, tmp_path / "a.webm")


def test_a_recording_that_broke_off_before_its_table_is_called_so(tmp_path):
    source = fp.write(tmp_path / "film.mp4", fp.moved(2))
    data = source.read_bytes()
    whole, begin = data[: data.index(b"moov") - 4], data.index(b"mdat")
    for left in (whole, whole[: begin - 4] + bytes(4) + whole[begin:]):  # 0: as while recording
        source.write_bytes(left)
        with pytest.raises(FilmError, match="breaks off before the table of its frames"):
            open_film(source)
    source.write_bytes(b"no film at all, but text")
    with pytest.raises(FilmError, match="cannot be read as a film"):
        open_film(source)
