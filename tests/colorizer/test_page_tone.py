"""The tone of a page: how even it is, how grainy, how it may change from side to side."""

from __future__ import annotations

import numpy as np
import pytest

from koalarize.colorizer.prints import SIDE, has_page, prints_of

SHAPE = (SIDE, 512)
RING = 8  # rows that are looked at on each side: 2 % of the shorter one


def page(tone=60.0, tilt=0.0, grain=0.5, shape=SHAPE):
    """Return L* of a page without prints, darker on the left by the tilt."""
    noise = np.random.default_rng(0).normal(0, grain, shape)
    return (tone + np.linspace(-tilt / 2, tilt / 2, shape[1]) + noise).astype(np.float32)


def with_prints(lightness, tones=(20.0, 30.0)):
    """Return it with two prints, of one tone each."""
    lightness = lightness.copy()
    for number, tone in enumerate(tones):
        left = 40 + 230 * number
        lightness[60:320, left : left + 190] = tone
    return lightness


@pytest.mark.parametrize(("tilt", "expected"), [(22.0, True), (27.5, False)])
def test_a_page_s_tone_changes_by_so_much_at_most(tilt, expected):
    for turned in (page(tilt=tilt), page(tilt=tilt).T, page(tilt=-tilt)):
        assert has_page(turned) == expected


def test_edges_without_a_tone_of_their_own_are_no_page():
    """Half is black, half is light: between them lies their mean, which nothing is of."""
    lightness = page(grain=0.0, shape=(200, 200))
    lightness[:100], lightness[100:] = 0.0, 70.0
    assert not has_page(lightness)


def test_a_side_that_is_half_something_else_is_no_page_s():
    lightness = page()
    lightness[:, :RING][: SIDE // 3] = 10.0
    assert has_page(lightness)
    lightness[:, :RING][: SIDE // 2] = 10.0
    assert not has_page(lightness)


def test_all_sides_together_are_a_page_s_by_four_fifths():
    lightness = page()
    for side in (lightness[:RING], lightness[-RING:], lightness.T[:RING], lightness.T[-RING:]):
        side[:, 20 : 20 + int(0.15 * side.shape[1])] = 10.0
    assert has_page(lightness)
    for side in (lightness[:RING], lightness[-RING:], lightness.T[:RING], lightness.T[-RING:]):
        side[:, 20 : 20 + int(0.3 * side.shape[1])] = 10.0
    assert not has_page(lightness)


def test_a_grainy_page_is_one_page():
    found = prints_of(with_prints(page(grain=3.5)))
    assert found is not None
    assert found.boxes == ((40, 60, 230, 320), (270, 60, 460, 320))


def test_prints_that_are_nearly_of_an_even_page_s_tone_are_found():
    found = prints_of(with_prints(page(grain=0.5), tones=(52.0, 68.0)))
    assert found is not None
    assert len(found.boxes) == 2
