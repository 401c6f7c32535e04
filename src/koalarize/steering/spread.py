"""What hints do to the colours around them: three effects, each with a share that falls.

Not here: the ways between places (``steering.reach``), what can be asked (``steering.steering``).

1. The network's answer to the hints takes the place of its plain answer. Where several hints that
   are no neighbours tell of a place, even from afar, it does so more than the nearest alone says,
   and with less chroma: it is surer than the plain answer, and needs less of the gain that makes up
   for doubt.
2. What that answer still lacks at a hint is added, most where it looks like the hinted place.
3. What is then there gives way to the colour of the hint itself.

Each share is 1 at the hint. It falls with the way to it; for the second and third also with the
differences of lightness and of the colours the network answered, and beyond one shorter side by the
square of the way. How fast was fitted by ``scripts/fit_spread.py`` on photos of the training data,
with hints of the true colour, of others and in any segment, so that both the hinted thing and the
rest come out near to what they should be. Bright
things are all alike in lightness and have little colour: where a hint makes one of them what the
network thinks improbable, as a shirt red, its second and third share end at the thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from koalarize.color import smoothstep
from koalarize.steering.hints import HintPlace
from koalarize.steering.reach import ways_to
from koalarize.steering.small import smallness

__all__ = ["ADDED", "ANSWERED", "OWN", "Fall", "answered_share", "reach_at", "spread"]

Float32 = npt.NDArray[np.float32]

#: The reach for which the constants below were fitted; another stretches or shortens the ways.
_REACH = 0.5
#: Way, in shorter sides, within which the nearest of several hints rules alone.
_ALONE = 0.01
# How hints that are apart support the answer to them, at a place that none of them is near. Chosen
# on 50 photos with 1 to 50 hints of true colours (docs/log.md); with one hint nothing changes.
_SUPPORT = np.float32(1.6)  # way, in shorter sides, by which what a hint supports falls to 1 / e
_NEIGHBOURS = np.float32(0.4)  # the same of how far two hints count as one
_CERTAIN = 0.85  # power of the gain for doubt that the answer loses where support is complete
# What becomes of the reach on a small thing: a tenth, yet no less than a person may ask for.
_LEAST_SHARE, _LEAST = 0.1, 0.05
_LARGEST = np.float32(80)  # exponents above 88 overflow in float32


class Fall(NamedTuple):
    """How a share falls: s(high - way w - lightness |dL*| - ab |dab|) / s(high), s logistic.

    Attributes:
        high: how long the share stays near 1 before it falls.
        way: for each shorter side of the way to the hint.
        lightness: for each unit of L* between the place and the hinted one.
        ab: for each Lab unit between the network's answers there.
    """

    high: float
    way: float
    lightness: float = 0.0
    ab: float = 0.0

    def share(
        self, way: Float32, lightness: Float32 | float = 0, ab: Float32 | float = 0
    ) -> Float32:
        """Return the share, in [0, 1], at differences from the hinted place."""
        beyond = np.multiply(way, np.float32(self.way))
        for slope, difference in ((self.lightness, lightness), (self.ab, ab)):
            if slope:
                beyond += np.float32(slope) * difference
        beyond -= np.float32(self.high)
        np.exp(np.minimum(beyond, _LARGEST, out=beyond), out=beyond)
        beyond += 1
        return np.divide(np.float32(1 + np.exp(-self.high)), beyond, out=beyond)

    def toward(self, other: Fall, share: float) -> Fall:
        """Return it with ``high`` and ``way`` moved towards those of another."""
        high = self.high + share * (other.high - self.high)
        return self._replace(high=high, way=self.way + share * (other.way - self.way))


#: Of the network's answer to the hints.
ANSWERED = Fall(0.19, 4.09)
#: Of what it lacks at the hint.
ADDED = Fall(1.55, 1.51, 0.0362, 0.0643)
#: Of the hint's own colour.
OWN = Fall(0.92, 1.39, 0.0906, 0.0323)
# What these two become for a contrary hint on a bright thing. Chosen with ``measure_steering.py``'s
# 40 photos of validation, 56 red hints on the brightest place of a photo, and 70 true ones on
# bright places, 2026-12-02 (docs/log.md).
_BRIEF = Fall(4.0, 8.0)
_BRIGHT = (70.0, 90.0)  # L* from which it begins to count, and from which wholly
_CONTRARY = (30.0, 60.0)  # the same of what the network's answer lacks at the hint, Lab units


def spread(
    plain: Float32,
    hinted: Float32,
    lightness: Float32,
    places: Sequence[HintPlace],
    *,
    reach: float = _REACH,
    gain: float = 1.0,
    doubt: float = 1.0,
) -> Float32:
    """Return ab (2, h, w) with hints obeyed where they are, and less and less away from them.

    Args:
        plain: (2, h, w) as the network answers without the hints, Lab units.
        hinted: (2, h, w) as it answers them.
        lightness: (h, w), L* of the same grid.
        places: of the hints on it, at least one.
        reach: of hints without one of their own, a share of the shorter side. Ways count as they
            are at 0.5 and more below it. Above it they count less for the answer, by the square,
            so that 3 is the whole photo; the hint's own colour never goes farther than at 0.5,
            since there the network knows better.
        gain: factor that the chroma is multiplied by later; hints are meant for after it.
        doubt: the factor that makes up for what the network leaves out where it is in doubt, see
            ``ModelInfo.doubt_gain``; 1 where there is none.
    """
    side = np.float32(min(lightness.shape))
    ways = ways_to(lightness, [place.cell for place in places])
    weights = _weights(ways, places)
    nearest = np.full_like(lightness, np.inf)
    support = np.zeros_like(lightness)
    for way, place, weight in zip(ways, places, weights, strict=True):
        stretched = _REACH / (place.reach or reach_at(lightness, place.cell, reach))
        if place.radius:
            way -= np.float32(place.radius) / side
            np.maximum(way, 0, out=way)
        if stretched > 1:
            way *= np.float32(stretched)
        wide = way * np.float32(min(1, stretched) ** 2)
        np.minimum(nearest, wide, out=nearest)
        wide /= -_SUPPORT
        np.exp(wide, out=wide)
        wide *= weight
        support += wide
    shared = -np.expm1(-np.maximum(support - 1, 0))
    hinted = hinted * (1 - np.float32(1 - max(1.0, doubt) ** -_CERTAIN) * shared)
    answered = ANSWERED.share(nearest)
    answered += (1 - answered) * shared
    added = np.zeros_like(plain)
    own = np.zeros_like(plain)
    owned = np.zeros_like(lightness)
    ruled = np.zeros_like(lightness)
    for way, place in zip(ways, places, strict=True):
        row, column = place.cell
        unlike = np.abs(lightness - lightness[row, column])
        away = _apart(hinted, hinted[:, row, column], gain)
        wanted = np.array(place.ab, np.float32) / np.float32(gain)
        lacking = wanted - hinted[:, row, column]
        brief = _brief(lightness[place.cell], lacking, gain)
        far = np.maximum(way, way * way)
        alike = ADDED.toward(_BRIEF, brief).share(far, unlike, away)
        share = OWN.toward(_BRIEF, brief).share(far, unlike, away)
        way *= way
        way += np.float32(_ALONE**2)
        rule = np.divide(alike, way, out=way)
        ruled += rule
        share *= rule
        owned += share
        rule *= alike
        for plane in (0, 1):
            added[plane] += rule * lacking[plane]
            own[plane] += share * wanted[plane]
    np.maximum(ruled, np.float32(1e-6), out=ruled)
    ab = plain + answered * (hinted - plain) + added / ruled
    return (ab * (1 - owned / ruled) + own / ruled).astype(np.float32)


def reach_at(lightness: Float32, cell: tuple[int, int], reach: float) -> float:
    """Return the reach of a hint without one of its own: less where its thing is small.

    Args:
        lightness: (h, w), L* on the working grid.
        cell: row and column of the hint on it.
        reach: of hints, a share of the shorter side.
    """
    least = max(reach * _LEAST_SHARE, min(reach, _LEAST))
    return max(least, reach * (least / reach) ** smallness(lightness, cell))


def answered_share(lightness: Float32, places: Sequence[tuple[int, int]]) -> Float32:
    """Return (h, w) in 0..1: how far the answer to what is known at places takes the plain one's.

    Args:
        lightness: (h, w), L* on the working grid.
        places: row and column of some on it, at least one.
    """
    return ANSWERED.share(ways_to(lightness, places).min(axis=0))


def _brief(lightness: np.float32, lacking: Float32, gain: float) -> float:
    """Return how far a hint's colour ends at its thing: it is bright, and not thought so."""
    contrary = smoothstep(np.asarray(np.hypot(*lacking) * gain, np.float32), *_CONTRARY)
    return float(smoothstep(np.asarray(lightness), *_BRIGHT) * contrary)


def _apart(ab: Float32, of: Float32, gain: float) -> Float32:
    """Return (h, w) how far colours (2, h, w) are from one, times a gain; Lab units."""
    a, b = (plane - np.float32(value) for plane, value in zip(ab, of, strict=True))
    a *= a
    b *= b
    a += b
    np.sqrt(a, out=a)
    a *= np.float32(gain)
    return a


def _weights(ways: Float32, places: Sequence[HintPlace]) -> Float32:
    """Return how much each hint counts, (n,): those that are neighbours share what one counts."""
    rows, columns = np.array([place.cell for place in places]).T
    return (1 / np.exp(-ways[:, rows, columns] / _NEIGHBOURS).sum(axis=0)).astype(np.float32)
