"""How far hints reach: ways against Dijkstra's, shares that fall, and what stays as it was."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from fakes import FakeEngine
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.steering.hints import Hint, HintPlace
from koalarize.steering.reach import geodesic, ways_to
from koalarize.steering.spread import ADDED, ANSWERED, OWN, spread
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


def test_a_colour_that_is_kept_leaves_alone_what_is_far_from_it(scene):
    tape = np.repeat(scene[..., None], 3, axis=-1)
    tape[5:35, 5:35] = (200, 150, 60)
    colorizer = Colorizer(Obeying(ab=(0.0, 10.0)), threads=1)
    plain, kept = colorizer(tape), colorizer(tape, keep_color=True)
    assert np.array_equal(kept[8:32, 8:32], tape[8:32, 8:32])
    assert mean_ab(kept, THERE) == pytest.approx(mean_ab(plain, THERE), abs=1)
    beside = np.s_[10:30, 40:48]
    assert np.linalg.norm(mean_ab(kept, beside) - mean_ab(plain, beside)) > 2


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


def share(fall, way, unlike, away):
    """Return a share as ``Fall`` defines it."""
    fallen = fall.way * way + fall.lightness * unlike + fall.ab * away
    return (1 + np.exp(-fall.high)) / (1 + np.exp(fallen - fall.high))


def smooth(share):
    share = min(1, max(0, share))
    return share * share * (3 - 2 * share)


def drawn(fall, brief):
    """Return a fall as it is for a hint that a bright thing's colour contradicts so much."""
    high, way = fall.high + brief * (4 - fall.high), fall.way + brief * (8 - fall.way)
    return fall._replace(high=high, way=way)


def spread_plainly(plain, hinted, lightness, places, gain, doubt):
    """Return what ``spread`` says, in doubles and as its text says it, without regard to time."""
    plain, hinted, lightness = (np.float64(plane) for plane in (plain, hinted, lightness))
    cells = [place.cell for place in places]
    raw = np.float64(ways_to(np.float32(lightness), cells))
    apart = np.array([[way[cell] for cell in cells] for way in raw])
    weights = 1 / np.exp(-apart / 0.4).sum(0)
    ways, wides = [], []
    for way, place in zip(raw, places, strict=True):
        stretched = 0.5 / (place.reach or 0.5)
        ways.append(np.maximum(way - place.radius / min(plain.shape[1:]), 0) * max(1, stretched))
        wides.append(ways[-1] * min(1, stretched) ** 2)
    support = sum(one * np.exp(-wide / 1.6) for one, wide in zip(weights, wides, strict=True))
    shared = 1 - np.exp(-np.maximum(support - 1, 0))
    hinted = hinted * (1 - (1 - max(1, doubt) ** -0.85) * shared)
    answered = share(ANSWERED, np.min(wides, axis=0), 0, 0)
    ab = plain + (answered + (1 - answered) * shared) * (hinted - plain)
    rules, added, owned, own = [], 0, 0, 0
    for way, place in zip(ways, places, strict=True):
        there = hinted[:, place.row, place.column, None, None]
        differ = np.abs(lightness - lightness[place.cell]), np.hypot(*(hinted - there)) * gain
        wanted = np.array(place.ab)[:, None, None] / gain
        contrary = smooth((np.hypot(*(wanted - there)).item() * gain - 30) / 30)
        brief = contrary * smooth((lightness[place.cell] - 70) / 20)
        far = np.maximum(way, way**2)  # by the square beyond one shorter side
        alike = share(drawn(ADDED, brief), far, *differ)
        rules.append(alike / (way**2 + 0.01**2))
        added = added + rules[-1] * alike * (wanted - there)
        owned = owned + rules[-1] * share(drawn(OWN, brief), far, *differ)
        own = own + rules[-1] * share(drawn(OWN, brief), far, *differ) * wanted
    ruled = np.maximum(sum(rules), 1e-6)
    return (ab + added / ruled) * (1 - owned / ruled) + own / ruled


def test_hints_spread_as_their_three_shares_say():
    rng = np.random.default_rng(5)
    lightness = np.kron(rng.uniform(20, 90, (4, 6)), np.ones((12, 12))).astype(np.float32)
    plain, hinted = rng.normal(0, 20, (2, 2, *lightness.shape)).astype(np.float32)
    places = [
        HintPlace(5, 9, (40.0, 10.0)),
        HintPlace(30, 12, (-20.0, 30.0), radius=4),
        HintPlace(33, 60, (0.0, -50.0), reach=0.2),
        HintPlace(8, 50, (10.0, 60.0), radius=2, reach=2),
    ]
    lightness[24:36, 12:24] = 82  # around the second hint
    for count in (1, 4):
        found = spread(plain, hinted, lightness, places[:count], gain=1.3, doubt=1.6)
        wanted = spread_plainly(plain, hinted, lightness, places[:count], 1.3, 1.6)
        assert np.abs(found - wanted).max() < 1e-3


def test_a_red_hint_on_a_white_shirt_leaves_a_far_white_wall():
    lightness = np.full((96, 144), 72, np.float32)  # a room in between
    lightness[24:72, 8:48] = 90
    lightness[:, 100:] = 88
    none, red = np.zeros((2, 96, 144), np.float32), HintPlace(50, 28, (60.0, 40.0))
    found = np.hypot(*spread(none, none, lightness, [red]))
    assert found[32:64, 16:40].min() > 0.9 * np.hypot(60, 40)
    assert found[:, 104:].max() < 0.05 * np.hypot(60, 40)
    pale = np.hypot(*spread(none, none, lightness, [HintPlace(50, 28, (6.0, 4.0))]))
    assert pale[50, 110] > 0.1 * np.hypot(6, 4)  # a colour that is likely goes on
