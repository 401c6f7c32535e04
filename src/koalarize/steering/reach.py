"""The way from a hint to every other place, which edges of lightness lengthen.

Not here: what a hint does along it (``steering.spread``).

The way is a geodesic distance on a coarse grid (as in the image matting of Bai & Sapiro 2007): a
step costs its length, and more where lightness changes. Bounded so, a hint on a hat leaves the sky
as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType

import numpy as np
import numpy.typing as npt

from koalarize.color import resize

__all__ = ["geodesic", "ways_to"]

Float32 = npt.NDArray[np.float32]

_CELL = 8  # working pixels: side of a cell of the coarse grid
_EDGE = 0.25  # how much each unit of L* between two cells lengthens a step
_MOST_PASSES = 400  # a way never winds more often than this
_DIAGONAL = 2**0.5
_FAR = 1e6
_Part = tuple[EllipsisType, slice, slice]


def ways_to(lightness: Float32, places: Sequence[tuple[int, int]]) -> Float32:
    """Return (N, h, w) the length of the way from each place to every other, in shorter sides.

    Args:
        lightness: (h, w), L* on the working grid.
        places: row and column of N places on that grid, at least one.
    """
    height, width = lightness.shape
    rows, columns = max(1, round(height / _CELL)), max(1, round(width / _CELL))
    coarse = resize(lightness[None], rows, columns)[0]
    cells = [
        (min(int(row * rows / height), rows - 1), min(int(column * columns / width), columns - 1))
        for row, column in places
    ]
    ways = resize(geodesic(coarse, cells) / np.float32(min(rows, columns)), height, width)
    down, across = np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
    for way, (row, column) in zip(ways, places, strict=True):
        way -= way[row, column]  # on the coarse grid a place is not quite at its own
        straight = np.hypot(down[:, None] - row, across - column) / np.float32(min(height, width))
        np.maximum(way, straight, out=way)
    return ways


def geodesic(lightness: Float32, cells: Sequence[tuple[int, int]]) -> Float32:
    """Return (N, h, w) the length of the shortest way from each cell, in steps of one cell.

    A step to one of the eight neighbours costs its length times 1 + 0.25 |difference of L*|.

    Args:
        lightness: (h, w), L*.
        cells: row and column where each way begins.
    """
    height, width = lightness.shape
    ways = np.full((len(cells), height, width), _FAR, np.float32)
    for way, (row, column) in zip(ways, cells, strict=True):
        way[row, column] = 0
    steps = [_step(lightness, down, across) for down, across in ((0, 1), (1, 0), (1, 1), (1, -1))]
    for _ in range(_MOST_PASSES):
        before = ways.copy()
        for here, there, cost in steps:
            np.minimum(ways[there], ways[here] + cost, out=ways[there])
            np.minimum(ways[here], ways[there] + cost, out=ways[here])
        if np.array_equal(before, ways):
            break
    return ways


def _step(lightness: Float32, down: int, across: int) -> tuple[_Part, _Part, Float32]:
    """Return where a step begins, where it ends, and what each costs."""
    height, width = lightness.shape
    left, right = max(0, -across), max(0, across)
    here = (..., slice(0, height - down), slice(left, width - right))
    there = (..., slice(down, height), slice(left + across, width - right + across))
    length = _DIAGONAL if down and across else 1.0
    cost = length * (1 + _EDGE * np.abs(lightness[there] - lightness[here]))
    return here, there, cost.astype(np.float32)
