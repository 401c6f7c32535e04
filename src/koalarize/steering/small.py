"""How far a hinted place is a small thing of its own: an eye, a button, a badge.

Not here: what hints do (``steering.spread``), the ways between places (``steering.reach``), whose
cells are larger than such things.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from koalarize.color import smoothstep

__all__ = ["smallness"]

Float32 = npt.NDArray[np.float32]

# Chosen on the eyes of a portrait and 1,500 random places of 60 photos of validation, of which
# 0.4 % count as small (docs/log.md). Lengths are shares of the shorter side.
_WINDOW = 0.1  # looked at on each side of the place
_STEP = 9.0  # most L* between neighbours that belong together
_ALIKE = 14.0  # L* within which a place is like the hinted one; a thing may differ by twice that
_EXTENT = (0.03, 0.05)  # of the thing: up to which it is small, and from which it is not
_NEAR = 0.07  # how far around it places are compared
_OTHERS = (0.15, 0.28)  # share of them that are alike: up to which it stands alone, and from which
_LEAST_WINDOW = 4  # cells
_MARGIN = 2  # cells around the thing in which its edge is blurred


def smallness(lightness: Float32, cell: tuple[int, int]) -> float:
    """Return how far a place is a small thing that stands out from all around it, in [0, 1].

    The thing is what is connected with the place without an edge. In a texture, where other places
    like it are near, no place is one.

    Args:
        lightness: (h, w), L* on the working grid.
        cell: row and column of the place.
    """
    side = min(lightness.shape)
    reach = max(_LEAST_WINDOW, round(_WINDOW * side))
    top, left = (max(0, at - reach) for at in cell)
    seen = lightness[top : cell[0] + reach + 1, left : cell[1] + reach + 1]
    row, column = cell[0] - top, cell[1] - left
    around = slice(max(0, row - 1), row + 2), slice(max(0, column - 1), column + 2)
    unlike = np.abs(seen - np.median(seen[around]))
    thing = np.zeros(seen.shape, bool)
    thing[around] = True
    may = thing | (unlike < 2 * _ALIKE)
    down = np.abs(np.diff(seen, axis=0)) <= _STEP
    across = np.abs(np.diff(seen, axis=1)) <= _STEP
    size = 0
    while size < (size := int(thing.sum())):
        thing = _grown(thing, down, across) & may
    rows, columns = np.indices(seen.shape)
    away = np.hypot(rows - row, columns - column) / side
    beyond = thing
    for _ in range(_MARGIN):
        beyond = _grown(beyond, np.True_, np.True_)
    near = (away < _NEAR) & ~beyond
    others = (unlike < _ALIKE)[near].mean() if near.any() else 1.0
    large = smoothstep(np.asarray(away[thing].max(), np.float32), *_EXTENT)
    common = smoothstep(np.asarray(others, np.float32), *_OTHERS)
    return float((1 - large) * (1 - common))


def _grown(
    thing: npt.NDArray[np.bool_],
    down: npt.NDArray[np.bool_] | np.bool_,
    across: npt.NDArray[np.bool_] | np.bool_,
) -> npt.NDArray[np.bool_]:
    """Return a set of cells with those neighbours to which a step is allowed."""
    grown = thing.copy()
    grown[1:] |= thing[:-1] & down
    grown[:-1] |= thing[1:] & down
    grown[:, 1:] |= thing[:, :-1] & across
    grown[:, :-1] |= thing[:, 1:] & across
    return grown
