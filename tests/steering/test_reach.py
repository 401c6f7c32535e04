"""How far hints reach: ways against Dijkstra's, shares that fall, and what stays as it was."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from fakes import FakeEngine
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.steering.hints import Hint
from koalarize.steering.reach import geodesic, ways_to
from koalarize.steering.spread import ANSWERED
from koalarize.steering.steering import Steering


def dijkstra(lightness, start):
    """Return the shortest ways from a cell, as ``geodesic`` defines them, by another algorithm."""
    ways = np.full(lightness.shape, np.inf)
    ways[start] = 0
    queue = [(0.0, start)]
    while queue:
        way, (row, column) = heapq.heappop(queue)
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                there = (row + down, column + across)
                if min(there) < 0 or there[0] >= ways.shape[0] or there[1] >= ways.shape[1]:
                    continue
                change = abs(float(lightness[there]) - float(lightness[row, column]))
                longer = way + np.hypot(down, across) * (1 + 0.25 * change)
                if longer < ways[there] - 1e-9:
                    ways[there] = longer
                    heapq.heappush(queue, (longer, there))
    return ways


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (12, 17), (24, 5)])
def test_ways_are_the_shortest(shape):
    lightness = np.random.default_rng(0).uniform(0, 100, shape).astype(np.float32)
    cells = [(0, 0), (shape[0] - 1, shape[1] // 2)]
    for found, cell in zip(geodesic(lightness, cells), cells, strict=True):
        assert found == pytest.approx(dijkstra(lightness, cell), rel=1e-4)


def test_an_edge_of_lightness_lengthens_the_way():
    lightness = np.full((96, 128), 50, np.float32)
    lightness[:, 64:] = 90
    (way,) = ways_to(lightness, [(48, 40)])
    assert way[48, 40] == pytest.approx(0, abs=1e-6)
    assert way[48, 8] == pytest.approx(32 / 96, abs=0.05)  # in shorter sides
    assert way[48, 72] > 2 * way[48, 8]  # as far on either side, an edge on one


def mean_ab(srgb, part):
    return color.srgb_to_lab(srgb)[part][..., 1:].mean((0, 1))


class Obeying(FakeEngine):
    """Paints the whole photo as the last hint says: a hint out of bounds."""

    def one(self, lightness, hints):
        prediction = super().one(lightness, hints)
        if hints is not None and hints[2].any():
            row, column = np.argwhere(hints[2] > 0)[-1]
            prediction.ab[:] = hints[:2, row, column, None, None]
        return prediction


@pytest.fixture
def scene():
    coarse = np.random.default_rng(3).integers(30, 226, (6, 9), dtype=np.uint8)
    return np.kron(coarse, np.ones((20, 20), np.uint8))


HERE, THERE = np.s_[8:16, 8:16], np.s_[100:, 150:]


def test_a_hint_leaves_alone_what_it_does_not_reach(scene):
    colorizer = Colorizer(Obeying(ab=(0.0, 10.0)), threads=1)
    hint = Hint(10, 10, "#c03020")
    plain, hinted = colorizer(scene), colorizer(scene, hints=[hint])
    assert mean_ab(hinted, THERE) == pytest.approx(mean_ab(plain, THERE), abs=1)
    assert np.linalg.norm(mean_ab(hinted, HERE) - mean_ab(plain, HERE)) > 10
    everywhere = colorizer(scene, hints=[hint], reach=3)
    assert np.linalg.norm(mean_ab(everywhere, THERE) - mean_ab(plain, THERE)) > 8


def test_the_reach_of_a_hint_goes_before_that_of_the_steering(scene):
    colorizer = Colorizer(Obeying(ab=(0.0, 10.0)), threads=1)
    own = colorizer(scene, Steering(hints=(Hint(10, 10, "#c03020", reach=3),), reach=0.1))
    wide = colorizer(scene, Steering(hints=(Hint(10, 10, "#c03020"),), reach=3))
    assert np.array_equal(own, wide)


def test_out_of_reach_a_blank_picture_stays_calm():
    blank = np.full((96, 128), 128, np.uint8)
    blank[::2, ::2] = 129
    colorizer = Colorizer(FakeEngine(ab=(30.0, 30.0), size=96), threads=1)
    out = colorizer(blank, hints=[Hint(8, 8, "#c03020")], reach=0.1)
    assert np.abs(mean_ab(out, np.s_[60:, 90:])).max() < 3


def test_a_place_far_beyond_reach_has_no_share_and_no_warning():
    far = np.array([0, 1, 1e4], np.float32)
    none = np.zeros_like(far)
    with np.errstate(all="raise", under="ignore"):
        share = ANSWERED.share(far, none, none)
    assert share[0] == pytest.approx(1)
    assert share[0] > share[1] > share[2] >= 0
    assert share[2] < 1e-30
