"""The way from a hint to every other place, which edges of lightness lengthen.

Not here: what a hint does along it (``steering.spread``).

The way is a geodesic distance on a coarse grid (as in the image matting of Bai & Sapiro 2007): a
step costs its length, and more where lightness changes. Bounded so, a hint on a hat leaves the sky
as it was.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    side = np.float32(min(height, width))
    down, across = np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
    straight = np.empty((height, width), np.float32)
    for way, (row, column) in zip(ways, places, strict=True):
        way -= way[row, column]  # on the coarse grid a place is not quite at its own
        # A root of squares takes a fifth of the time of NumPy's hypot.
        squares = ((down - row) / side) ** 2, ((across - column) / side) ** 2
        np.sqrt(np.add.outer(*squares, out=straight), out=straight)
        np.maximum(way, straight, out=way)
    return ways


def geodesic(lightness: Float32, cells: Sequence[tuple[int, int]]) -> Float32:
    """Return (N, h, w) the length of the shortest way from each cell, in steps of one cell.

    A step to one of the eight neighbours costs its length times 1 + 0.25 |difference of L*|.
    Sweeps down, up, right and left find them, each of all ways at once (Zhao 2005).

    Args:
        lightness: (h, w), L*.
        cells: row and column where each way begins.
    """
    height, width = lightness.shape
    ways = np.full((height, width, len(cells)), _FAR, np.float32)
    for number, (row, column) in enumerate(cells):
        ways[row, column, number] = 0
    across, downward = _costs(lightness, 0, 1), _costs(lightness, 1, 0)
    falling, rising = _costs(lightness, 1, 1), _costs(lightness, 1, -1)
    for _ in range(_MOST_PASSES):
        before = ways.copy()
        for row in range(1, height):
            _step(ways[row - 1], ways[row], downward[row - 1])
            _step(ways[row - 1, :-1], ways[row, 1:], falling[row - 1])
            _step(ways[row - 1, 1:], ways[row, :-1], rising[row - 1])
        for row in range(height - 1, 0, -1):
            _step(ways[row], ways[row - 1], downward[row - 1])
            _step(ways[row, 1:], ways[row - 1, :-1], falling[row - 1])
            _step(ways[row, :-1], ways[row - 1, 1:], rising[row - 1])
        for column in range(1, width):
            _step(ways[:, column - 1], ways[:, column], across[:, column - 1])
        for column in range(width - 1, 0, -1):
            _step(ways[:, column], ways[:, column - 1], across[:, column - 1])
        if np.array_equal(before, ways):
            break
    return np.moveaxis(ways, -1, 0)


def _step(here: Float32, there: Float32, cost: Float32) -> None:
    """Shorten the ways to cells ``there`` that lead through those ``here``, (cells, N)."""
    np.minimum(there, here + cost, out=there)


def _costs(lightness: Float32, down: int, across: int) -> Float32:
    """Return (h, w, 1) what each step down and across, or back, costs."""
    height, width = lightness.shape
    left, right = max(0, -across), max(0, across)
    here = lightness[: height - down, left : width - right]
    there = lightness[down:, left + across : width - right + across]
    length = _DIAGONAL if down and across else 1.0
    return (length * (1 + _EDGE * np.abs(there - here))).astype(np.float32)[..., None]
