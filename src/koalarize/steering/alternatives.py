"""What else a network could have meant: likely colours at a spot, other colourings of a picture.

Not here: running networks (``engines``), asking them again with what is found (``colorizer``).
Pure: distributions over ab bins in, colours and hint points out; the same in, the same out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.color import Bins

__all__ = [
    "Anchor",
    "Mode",
    "Suggestion",
    "alternative_anchors",
    "modes",
    "probabilities",
    "suggest",
]

Float32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]


_REACH = 15.0  # Lab units: bins so near to a mode's are the same colour
_LEAST = 0.004  # probability below which a mode is noise
_LOOK_ALIKE = 6.0  # Lab units between two suggestions, as they look at the spot
_REGIONS = 8
_POINTS = 5  # anchors of a region
_DRAWS = 160
_APART = 20.0  # Lab units between the modes of a region
# What counts as an alternative, stricter first; the next is tried where too few are found: the
# least probability of a region's other mode as a share of its first, and the least difference of
# two colourings, mean over the picture, Lab units.
_RULES = ((0.25, 4.0), (0.15, 2.5), (0.1, 1.5))
_ENOUGH = 3
_SAME = 0.94  # affinity of two regions' distributions from which they are one thing
_CALM = 0.85  # of a mode's chroma: a whole region is rarely as vivid as its most telling places
_SEED = 20_120


@dataclass(frozen=True)
class Mode:
    """A colour that a distribution holds likely.

    Attributes:
        a: a*, Lab units.
        b: b*, Lab units.
        probability: share of the distribution that lies at this colour.
    """

    a: float
    b: float
    probability: float


@dataclass(frozen=True)
class Suggestion:
    """A likely colour at a spot, as it looks there.

    Attributes:
        color: ``#rrggbb`` at the spot's lightness, inside sRGB.
        a: a* of that colour, Lab units.
        b: b*.
        probability: how likely the network holds it, 0..1.
    """

    color: str
    a: float
    b: float
    probability: float


@dataclass(frozen=True)
class Anchor:
    """A point that an alternative holds to a colour.

    Attributes:
        row: of the network's grid.
        column: of it.
        ab: Lab units.
    """

    row: int
    column: int
    ab: tuple[float, float]


def probabilities(logits: Float32) -> Float32:
    """Return (Q, ...) probabilities of (Q, ...) logits."""
    shifted = np.exp(logits - logits.max(axis=0))
    return shifted / shifted.sum(axis=0)


def modes(
    likely: Float32, bins: Bins, count: int, *, least: float = _LEAST, apart: float = _REACH
) -> list[Mode]:
    """Find the distinct colours of one distribution, most probable first.

    Non-maximum suppression: the bin with the most probability around it takes all within reach.

    Args:
        likely: (Q,) probabilities of the bins.
        bins: those of the network.
        count: at most this many.
        least: probability that a mode must have, except the first.
        apart: Lab units that two modes must lie apart.
    """
    near = _neighbours(bins)
    left = np.array(likely, np.float64)
    found: list[Mode] = []
    while len(found) < count:
        around = near @ left
        top = int(np.argmax(around * (left > 0)))
        taken = near[top] * left
        share = float(taken.sum())
        if share <= 0 or (found and share < least):
            break
        a, b = (taken @ bins.centres / share).tolist()
        left[near[top] > 0] = 0
        if all((a - mode.a) ** 2 + (b - mode.b) ** 2 >= apart**2 for mode in found):
            found.append(Mode(a, b, share))
    return found


def suggest(likely: Float32, bins: Bins, lightness: float, count: int) -> list[Suggestion]:
    """Turn one distribution into colours at a lightness, distinct to the eye.

    Args:
        likely: (Q,) probabilities of the bins.
        bins: those of the network.
        lightness: L* of the spot.
        count: at most this many.
    """
    found: list[Suggestion] = []
    for mode in modes(likely, bins, 4 * count):
        lab = color.map_to_gamut(np.array([[lightness, mode.a, mode.b]], np.float32))
        a, b = float(lab[0, 1]), float(lab[0, 2])
        if any((a - s.a) ** 2 + (b - s.b) ** 2 < _LOOK_ALIKE**2 for s in found):
            continue
        text = color.srgb_to_hex(color.lab_to_srgb(lab, dtype=np.uint8)[0])
        found.append(Suggestion(text, a, b, mode.probability))
        if len(found) == count:
            break
    return found


def alternative_anchors(
    logits: Float32, bins: Bins, lightness: Float32, count: int, *, temperature: float = 1.0
) -> list[list[Anchor]]:
    """Find other plausible colourings of a picture: for each the points that bring it about.

    The picture is cut into a few regions that the network sees alike; whole colourings, one colour
    a region, are drawn from its distributions; kept are those that differ most from the network's
    own and from each other, weighed by how plausible they are. Given the anchors as hints, the
    network spreads each colour itself, so that a colouring is of one piece.

    Args:
        logits: (Q, h, w) of the picture without hints.
        bins: those of the network.
        lightness: (h, w), L* of the same grid.
        count: at most this many.
        temperature: of the annealed mean that shows which places are alike.

    Returns:
        At most ``count`` lists of anchors, best first; fewer where nothing else is plausible.
    """
    likely = probabilities(logits)  # (Q, h, w)
    ab = bins.decode(logits, temperature=temperature)
    flat = likely.reshape(len(likely), -1)
    labels = _joined(_regions(ab, lightness), flat)
    regions = [np.flatnonzero(labels == k) for k in range(int(labels.max()) + 1)]
    found = [
        modes(flat[:, cells].mean(axis=1), bins, 4, least=0.01, apart=_APART) for cells in regions
    ]
    sizes = np.array([len(cells) for cells in regions]) / labels.size
    choices, picked = found, np.zeros((0, len(found)), np.intp)
    for share, different in _RULES:
        choices = [
            [mode for mode in region if mode.probability >= share * region[0].probability]
            for region in found
        ]
        picked = _diverse(choices, sizes, count, different)
        if len(picked) >= min(count, _ENOUGH):
            break
    points = [_points(cells, labels.shape) for cells in regions]
    colourings: list[list[Anchor]] = []
    for draw in picked:
        anchors: list[Anchor] = []
        for region, number in enumerate(draw):
            if len(choices[region]) < 2:
                continue
            mode = choices[region][number]
            wanted = (_CALM * mode.a, _CALM * mode.b)
            anchors += [Anchor(row, column, wanted) for row, column in points[region]]
        colourings.append(anchors)
    return colourings


def _joined(labels: Ints, likely: Float32) -> Ints:
    """Join regions that could have the same colours: they are parts of one thing, or alike."""
    means = np.stack([likely[:, labels.reshape(-1) == k].mean(1) for k in range(labels.max() + 1)])
    affinity = np.sqrt(means) @ np.sqrt(means).T  # Bhattacharyya's
    parent = list(range(len(means)))
    for k in range(len(means)):
        for other in range(k):
            if affinity[k, other] > _SAME and parent[k] == k:
                parent[k] = parent[other]
    _, joined = np.unique(np.array(parent)[labels.reshape(-1)], return_inverse=True)
    return joined.reshape(labels.shape)


def _diverse(
    choices: Sequence[Sequence[Mode]],
    sizes: npt.NDArray[np.float64],
    count: int,
    different: float,
) -> Ints:
    """Draw colourings and keep at most ``count`` that are far apart; (n, regions) mode numbers."""
    rng = np.random.default_rng(_SEED)
    draws = np.zeros((_DRAWS, len(choices)), np.intp)
    ab = np.zeros((_DRAWS, len(choices), 2))
    log = np.zeros(_DRAWS)
    for region, found in enumerate(choices):
        chance = np.array([mode.probability for mode in found])
        draws[1:, region] = rng.choice(len(found), _DRAWS - 1, p=chance / chance.sum())
        ab[:, region] = np.array([(mode.a, mode.b) for mode in found])[draws[:, region]]
        relative = np.log([mode.probability / found[0].probability for mode in found])
        log += sizes[region] * relative[draws[:, region]]
    nearest = _distance(ab, ab[0], sizes)
    kept: list[int] = []
    for _ in range(count):
        worth = np.minimum(nearest, 25.0) * np.exp(log)
        worth[nearest < different] = 0
        best = int(np.argmax(worth))
        if worth[best] <= 0:
            break
        kept.append(best)
        nearest = np.minimum(nearest, _distance(ab, ab[best], sizes))
    return draws[kept]


def _distance(
    ab: npt.NDArray[np.float64], other: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.linalg.norm(ab - other, axis=-1) @ sizes


def _regions(ab: Float32, lightness: Float32) -> Ints:
    """Cut a grid into places that look alike: k-means of colour, lightness and place; (h, w)."""
    height, width = lightness.shape
    rows, columns = np.mgrid[:height, :width]
    side = max(height, width)
    features = np.stack([ab[0] / 12, ab[1] / 12, lightness / 18, rows / side, columns / side])
    features = features.reshape(5, -1).T.astype(np.float64)  # (N, 5)
    centres = features.mean(0, keepdims=True)
    nearest = ((features - centres) ** 2).sum(1)
    for _ in range(min(_REGIONS, len(features)) - 1):  # the farthest place begins a new region
        centres = np.concatenate([centres, features[[int(np.argmax(nearest))]]])
        nearest = np.minimum(nearest, ((features - centres[-1]) ** 2).sum(1))
    labels = np.zeros(len(features), np.intp)
    for _ in range(12):
        squared = ((features[:, None] - centres) ** 2).sum(-1)
        labels = squared.argmin(1)
        for k in range(len(centres)):
            if (labels == k).any():
                centres[k] = features[labels == k].mean(0)
    _, labels = np.unique(labels, return_inverse=True)
    return labels.reshape(height, width)


def _points(cells: Ints, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Choose cells (row, column) that lie deep in a region and far from each other."""
    inside = np.zeros((shape[0] + 2, shape[1] + 2), np.int32)
    mask = np.zeros(shape, np.int32)
    mask.reshape(-1)[cells] = 1
    depth = mask.copy()
    while mask.any():  # a cell's depth: how often it survives the loss of the border
        inside[1:-1, 1:-1] = mask
        around = [inside[:-2, 1:-1], inside[2:, 1:-1], inside[1:-1, :-2], inside[1:-1, 2:]]
        mask = mask * np.minimum.reduce(around)
        depth += mask
    places = np.stack(np.unravel_index(cells, shape), 1).astype(np.float64)
    deep = np.sqrt(depth.reshape(-1)[cells])
    apart = np.full(len(cells), float(max(shape)))
    chosen: list[tuple[int, int]] = []
    for _ in range(min(_POINTS, len(cells))):
        best = int(np.argmax(apart * deep))
        chosen.append((int(places[best, 0]), int(places[best, 1])))
        apart = np.minimum(apart, np.linalg.norm(places - places[best], axis=1))
    return chosen


@lru_cache(maxsize=2)
def _neighbours(bins: Bins) -> npt.NDArray[np.float64]:
    """Return (Q, Q): 1 where two bins are within reach of each other."""
    return (bins.distances <= _REACH).astype(np.float64)
