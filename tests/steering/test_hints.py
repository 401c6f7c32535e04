import numpy as np
import pytest

from koalarize.errors import OptionError
from koalarize.steering.hints import Hint, hint_planes


def planes(*hints, width=200, height=100, grid_width=40, grid_height=20):
    return hint_planes(hints, photo=(height, width), grid=(grid_height, grid_width))


def test_parse():
    assert Hint.parse("120,300=#c03020") == Hint(120, 300, "#c03020")
    assert Hint.parse(" 1.5 , 2 , 7 = #fff ") == Hint(1.5, 2, "#fff", 7)


@pytest.mark.parametrize(
    "text", ["", "1,2", "1=#fff", "1,2=red", "a,b=#ffffff", "1,2,3,4=#ffffff", "-1,2=#ffffff"]
)
def test_malformed(text):
    with pytest.raises(OptionError, match="hint"):
        Hint.parse(text)


def test_not_a_number():
    with pytest.raises(OptionError, match="must be from 0"):
        Hint(float("nan"), 1, "#fff")


def test_color():
    assert Hint(0, 0, "#808080").ab == pytest.approx((0, 0), abs=0.01)
    # skimage.color.rgb2lab([[[1.0, 0, 0]]]) -> 53.24, 80.09, 67.20
    assert Hint(0, 0, "#f00").ab == pytest.approx((80.09, 67.20), abs=0.02)


def test_planes():
    drawn = planes(Hint(100, 50, "#ff0000", 15))
    assert drawn.shape == (3, 20, 40)
    mask = drawn[2] == 1
    assert mask[10, 20]
    assert mask.sum() == pytest.approx(np.pi * 15**2 / 25, rel=0.2)
    assert np.all(drawn[:2, ~mask] == 0)
    assert np.allclose(drawn[0, mask], 80.09, atol=0.02)


def test_the_smallest_hint_covers_a_cell():
    assert planes(Hint(199.9, 99.9, "#0f0", 0))[2, 19, 39] == 1
    assert planes(Hint(0, 0, "#0f0"))[2, 0, 0] == 1


def test_a_later_hint_wins():
    drawn = planes(Hint(50, 50, "#f00", 20), Hint(50, 50, "#00f", 5))
    assert drawn[1, 10, 10] < 0 < drawn[1, 10, 13]


def test_an_error_shows_the_number_that_is_wrong_and_no_rounded_one():
    with pytest.raises(OptionError, match=r"is 1000000\.5 but must be from 0 to 1000000$"):
        Hint(1_000_000.5, 5, "#f00")
    with pytest.raises(OptionError, match=r"123456\.75,5 lies outside"):
        planes(Hint(123_456.75, 5, "#f00"))


def test_outside_the_photo():
    with pytest.raises(OptionError, match=r"200 x 100 pixels: .* 0 to 199 and y from 0 to 99$"):
        planes(Hint(200, 5, "#f00"))
