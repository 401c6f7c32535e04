"""What has one hue becomes another: how far it goes, what it leaves alone, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import ClassifyingEngine
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OptionError
from koalarize.photo.photo import Photo
from koalarize.steering.hints import Hint
from koalarize.steering.recolor import Recolor, recolored
from koalarize.steering.steering import Steering

BLUE, BROWN, RED, GREEN = "#3050c0", "#6f4a2c", "#c03020", "#309030"


def ab_of(*texts):
    srgb = np.array([[color.hex_to_srgb(text) for text in texts]])
    return np.moveaxis(color.srgb_to_lab(srgb)[..., 1:], -1, 0).astype(np.float32)


def test_nothing_asked_is_nothing():
    ab = ab_of(BLUE)
    assert recolored(ab, ()) is ab


def test_blue_becomes_brown_and_all_else_stays():
    ab = ab_of(BLUE, RED, GREEN, "#808080")
    out = recolored(ab, [Recolor(BLUE, BROWN)])
    assert out[:, 0, 0] == pytest.approx(ab_of(BROWN)[:, 0, 0], abs=0.01)
    assert out[:, :, 1:] == pytest.approx(ab[:, :, 1:], abs=0.01)


def test_pale_blue_counts_and_shades_stay_apart():
    pale, deep = ab_of(BLUE) * np.float32(0.4), ab_of(BLUE)
    out = recolored(np.concatenate([pale, deep], axis=2), [Recolor(BLUE, BROWN)])
    chroma = np.hypot(*out[:, 0])
    assert chroma[0] == pytest.approx(0.4 * chroma[1], rel=0.01)
    wanted = np.hypot(*ab_of(BROWN)[:, 0, 0])
    assert 0.5 * chroma.sum() == pytest.approx(wanted, rel=0.02)


def test_two_exchange_their_places():
    ab = ab_of(BLUE, RED)
    out = recolored(ab, [Recolor(BLUE, RED), Recolor(RED, BLUE)])
    assert out[:, 0, 0] == pytest.approx(ab[:, 0, 1], abs=0.01)
    assert out[:, 0, 1] == pytest.approx(ab[:, 0, 0], abs=0.01)


def test_a_chroma_that_is_multiplied_later_is_divided_now():
    out = recolored(ab_of(BLUE) / np.float32(2), [Recolor(BLUE, BROWN)], 2.0)
    assert 2 * out[:, 0, 0] == pytest.approx(ab_of(BROWN)[:, 0, 0], abs=0.01)


def test_to_grey():
    out = recolored(ab_of(BLUE, RED), [Recolor(BLUE, "#777777")])
    assert np.abs(out[:, 0, 0]).max() < 0.1
    assert out[:, 0, 1] == pytest.approx(ab_of(RED)[:, 0, 0], abs=0.01)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [("blue", BROWN, "`was`"), (BLUE, "#12", "`becomes`"), ("#808080", BROWN, "a grey")],
)
def test_what_is_refused(was, becomes, said):
    with pytest.raises(OptionError, match=said):
        Recolor(was, becomes)


@pytest.mark.parametrize("text", [BLUE, "", "=", f"{BLUE}={BROWN}={RED}", f"{BLUE}->{BROWN}"])
def test_texts_that_are_refused(text):
    with pytest.raises(OptionError):
        Recolor.parse(text)
    assert Recolor.parse(f" {BLUE} = {BROWN} ") == Recolor(BLUE, BROWN)


class TestInAPhoto:
    """The right half is green as the stand-in sees it."""

    grain = np.random.default_rng(0).integers(0, 12, (96, 128))
    photo = Photo((np.where(np.arange(128) < 64, 90, 140) + grain).astype(np.uint8))

    def colored(self, **asked):
        out = Colorizer(ClassifyingEngine()).photo(self.photo, Steering(**asked)).photo.pixels
        return color.srgb_to_lab(out)

    def test_the_photo_is_recoloured_and_its_lightness_stays(self):
        plain = self.colored()
        out = self.colored(recolors=[Recolor(GREEN, BLUE)])
        assert plain[48, 120, 2] > 10
        assert out[48, 120, 2] < -10
        assert out[48, 5, 1:] == pytest.approx(plain[48, 5, 1:], abs=2)
        assert np.abs(out[..., 0] - plain[..., 0]).max() < 1

    def test_hints_go_before(self):
        hint = Hint(110, 48, GREEN)
        out = self.colored(recolors=[Recolor(GREEN, BLUE)], hints=[hint])
        assert out[48, 110, 1] < -10
        assert out[48, 110, 2] > 10

    def test_what_a_far_hint_answers_is_recoloured_too(self):
        hint = Hint(10, 48, RED)
        out = self.colored(recolors=[Recolor(GREEN, BLUE)], hints=[hint], reach=3.0)
        assert out[48, 120, 2] < -10
