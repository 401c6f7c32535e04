"""What may be asked of a photo but not of a film."""

import pytest

from fakes import FakeEngine
from koalarize import Colorizer, Steering
from koalarize.errors import OptionError
from koalarize.film.film import color_film
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
