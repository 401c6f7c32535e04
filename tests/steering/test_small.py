"""A hint on a small thing, as an eye, stays at it; one in a texture or on a large one does not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from koalarize.steering.hints import HintPlace
from koalarize.steering.small import smallness
from koalarize.steering.spread import spread

MIDDLE = (100, 120)


def face(spots=((100, 120, 4.0),), *, around=70.0, inside=25.0, seed=None):
    """Draw dark spots (row, column, radius), their edges blurred, on an even ground."""
    rows, columns = np.mgrid[:200, :256].astype(np.float32)
    lightness = np.full((200, 256), around, np.float32)
    for row, column, radius in spots:
        share = np.clip(radius + 1 - np.hypot(rows - row, columns - column), 0, 1)
        lightness += share * (inside - lightness)
    if seed is not None:
        lightness += np.random.default_rng(seed).normal(0, 2, lightness.shape)
    return lightness.astype(np.float32)


def checks():
    rows, columns = np.mgrid[:200, :256]
    return np.where((rows // 4 + columns // 4) % 2, 75, 25).astype(np.float32)


def gradual():
    """A highlight that fades away slowly, as on a cheek."""
    rows, columns = np.mgrid[:200, :256].astype(np.float32)
    away = np.hypot(rows - MIDDLE[0], columns - MIDDLE[1])
    return 60 + 30 * np.exp(-((away / 12) ** 2))


class TestSmallness:
    @pytest.mark.parametrize("seed", [None, 1, 2])
    def test_a_spot_on_an_even_ground_is_small(self, seed):
        assert smallness(face(seed=seed), MIDDLE) > 0.8

    def test_so_is_a_bright_one(self):
        assert smallness(face(around=30, inside=80), MIDDLE) > 0.8

    @pytest.mark.parametrize(
        "lightness",
        [face([(100, 120, 30.0)]), face([]), gradual(), checks(), face([(100, 256, 140.0)])],
        ids=["a large thing", "nothing", "a soft highlight", "a texture", "beside an edge"],
    )
    def test_nothing_else_is(self, lightness):
        assert smallness(lightness, MIDDLE) == 0

    def test_a_long_thing_is_not(self):
        lightness = face([])
        lightness[:, 118:123] = 25
        assert smallness(lightness, MIDDLE) == 0

    @pytest.mark.parametrize("cell", [(0, 0), (199, 255), (0, 128)])
    def test_places_at_the_border_have_fewer_neighbours(self, cell):
        assert smallness(face([]), cell) == 0
        assert smallness(face([(*cell, 3.0)]), cell) > 0.8

    def test_the_tiniest_grid(self):
        assert smallness(np.zeros((1, 1), np.float32), (0, 0)) == 0


class TestReach:
    """What a blue hint does to a brown face when it is set on an eye."""

    PLACE = HintPlace(*MIDDLE, ab=(10.0, -60.0))

    def changed(self, lightness, place=PLACE, **options):
        plain = np.broadcast_to(np.float32([12, 20])[:, None, None], (2, *lightness.shape))
        hinted = np.broadcast_to(np.float32([5, -40])[:, None, None], (2, *lightness.shape))
        return np.hypot(*(spread(plain, hinted, lightness, [place], **options) - plain))

    def test_a_hint_on_a_small_thing_stays_at_it(self):
        on_eye, on_skin = self.changed(face()), self.changed(face([]))
        assert on_eye[MIDDLE] > 60
        beside = MIDDLE[0], MIDDLE[1] + 25
        assert on_eye[beside] < 10 < 25 < on_skin[beside]

    def test_a_reach_of_its_own_is_kept(self):
        own = dataclasses.replace(self.PLACE, reach=0.5)
        beside = MIDDLE[0], MIDDLE[1] + 25
        assert self.changed(face(), own)[beside] > self.changed(face())[beside] + 10

    def test_a_larger_reach_reaches_farther_from_small_things_too(self):
        beside = MIDDLE[0], MIDDLE[1] + 25
        assert self.changed(face(), reach=3.0)[beside] > self.changed(face())[beside] + 10
