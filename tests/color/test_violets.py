"""Dark violets are paled, unless a hint asks for their hue."""

import numpy as np
import pytest

from koalarize.color import asked_hues, paled


def polar(hue, chroma=20.0):
    hue = np.radians(hue)
    return np.array([chroma * np.cos(hue), chroma * np.sin(hue)], np.float32)


def factor(hue, lightness, **more):
    ab = polar(hue)[None, :, None, None]
    found = paled(ab, np.full((1, 1, 1), lightness, np.float32), **more)
    left = found[0, :, 0, 0] @ polar(hue) / 20**2
    np.testing.assert_allclose(found[0, :, 0, 0], left * polar(hue), atol=1e-3)  # the hue stays
    return left


@pytest.mark.parametrize(
    ("hue", "lightness", "left"),
    [
        (318, 10, 0.3),
        (318, 45, 0.3),
        (318, 60, 0.65),
        (318, 75, 1),
        (318, 95, 1),
        (290.5, 10, 0.65),
        (345.5, 10, 0.65),
        (262, 10, 1),  # blue
        (14, 10, 1),  # red
        (60, 10, 1),
        (138, 10, 1),
    ],
)
def test_dark_violets_are_paled_and_nothing_else(hue, lightness, left):
    assert factor(hue, lightness) == pytest.approx(left, abs=0.01)


def test_the_share_can_be_another():
    assert factor(318, 20, share=0.5) == pytest.approx(0.5, abs=0.01)
    assert factor(318, 20, share=0) == pytest.approx(1)


def test_finer_lightness_counts_by_its_mean_in_each_cell():
    ab = np.broadcast_to(polar(318)[None, :, None, None], (1, 2, 4, 4))
    lightness = np.zeros((1, 32, 32), np.float32)
    lightness[:, :, 16:] = 100
    found = np.hypot(*paled(ab, lightness)[0]) / 20
    np.testing.assert_allclose(found[:, [0, 3]], [[0.3, 1]] * 4, atol=0.01)


def test_a_violet_that_a_hint_asks_for_stays():
    hints = np.zeros((1, 3, 8, 8), np.float32)
    hints[0, :, 2, 2] = *polar(330), 1
    assert factor(318, 20, hints=hints) == pytest.approx(1, abs=0.01)
    hints[0, :, 2, 2] = *polar(60), 1
    assert factor(318, 20, hints=hints) == pytest.approx(0.3, abs=0.01)


def test_colours_of_a_hints_hue_are_asked_for():
    hints = np.zeros((3, 4, 4), np.float32)
    hints[:, 0, 0] = *polar(350, 30), 1
    hints[:, 3, 3] = 2, 0, 1  # grey asks for no hue
    hints[:2, 1, 1] = polar(90, 30)  # no hint
    ab = np.stack([polar(hue) for hue in (350, 8, 22.5, 40, 90, 180)], -1)[:, None]
    share = asked_hues(ab, hints)[0]
    np.testing.assert_allclose(share, [1, 1, 0.5, 0, 0, 0], atol=0.02)
