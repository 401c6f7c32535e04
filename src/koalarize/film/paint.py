"""Chroma at full size: from ab on a small grid to a frame's Cb and Cr, along its own luma.

Not here: which ab (``film.steady``), the numbers of a film (``film.levels``), the same for photos
(``colorizer.merge``). Luma is read and never written.

As for photos, ab is fitted around each point of the grid as a line in L* (the fast guided filter),
and slope and offset are brought to full size, so that colours stop where lightness does.
"""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from koalarize.colorizer.bars import Bars, plain_lines
from koalarize.film.encode import Coding
from koalarize.film.levels import AB_STEPS, Levels, ab_index

__all__ = ["Painter"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

_WINDOW = (9, 9)  # cells of the guided filter's window, as for photos
_EPSILON = 20.0  # variance of L* below which a window counts as flat, as for photos
_LAST = np.float32(AB_STEPS - 1 - 1e-3)


class Painter:
    """Makes the chroma of frames of one film."""

    def __init__(
        self,
        levels: Levels,
        size: tuple[int, int],
        *,
        interlaced: bool,
        bars: Bars | None = None,
    ) -> None:
        """Make the tables of a film.

        Args:
            levels: what its numbers mean.
            size: height and width of its chroma planes.
            interlaced: whether rows belong to two fields in turn, which are coloured each alone.
            bars: of its frames: the small grid shows what is between them, and they stay grey.
        """
        self._bars = bars
        self._levels = levels
        self._height, self._width = size
        self._fields = 2 if interlaced and self._height > 1 else 1
        self._lightness = levels.lightness()
        self._rows = levels.shade_rows()
        self._table = levels.chroma_table()

    @classmethod
    def of(cls, coding: Coding, bars: Bars | None = None) -> Painter:
        """Make the tables of a film as it will be coded.

        Args:
            coding: of the film.
            bars: of its frames.
        """
        facts, target = coding.facts, coding.target
        levels = Levels.of(
            target.depth,
            full=coding.full_range,
            matrix=coding.matrix,
            height=facts.height,
            transfer=facts.transfer,
            primaries=facts.primaries,
        )
        size = (-(-facts.height // target.down), -(-facts.width // target.across))
        return cls(levels, size, interlaced=facts.interlaced, bars=bars)

    def lightness(self, luma: Array, height: int, width: int) -> Float32:
        """Return (height, width) L* of a frame, without bars, on a small grid.

        Args:
            luma: (H, W), the film's numbers.
            height: cells.
            width: cells.
        """
        if self._bars is not None:
            luma = self._bars.inside(luma)
        while luma.shape[0] >= 2 * height and luma.shape[1] >= 2 * width:
            half = (luma.shape[1] // 2, luma.shape[0] // 2)
            even = luma[: 2 * half[1], : 2 * half[0]]
            luma = cast(Array, cv2.resize(even, half, interpolation=cv2.INTER_AREA))
        shrinks = luma.shape[0] >= height and luma.shape[1] >= width
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        small = cv2.resize(luma, (width, height), interpolation=way)
        return self._lightness[np.minimum(small, len(self._lightness) - 1)]

    def chroma(self, luma: Array, ab: Float32, lightness: Float32) -> tuple[Array, Array]:
        """Return Cb and Cr of a frame, (height, width) each, as the film's numbers.

        Args:
            luma: (H, W), the film's numbers.
            ab: (2, h, w), Lab units, on the small grid.
            lightness: (h, w), L* on it.
        """
        top, bottom, left, right = sides = self._sides(luma.shape)
        size = (self._width - left - right, self._height - top - bottom)
        planes = cast(Float32, cv2.resize(_lines(ab, lightness), size))
        if any(sides):
            planes = cast(Float32, cv2.copyMakeBorder(planes, *sides, cv2.BORDER_REPLICATE))
        at = np.minimum(self._luma_of_chroma(luma), len(self._lightness) - 1)
        shown = self._lightness[at]
        down = planes[..., 0] * shown
        down += planes[..., 1]
        np.clip(down, 0, _LAST, out=down)
        down += self._rows[at]
        across = planes[..., 2] * shown
        across += planes[..., 3]
        np.clip(across, 0, _LAST, out=across)
        pair = cast(Float32, cv2.remap(self._table, across, down, cv2.INTER_LINEAR))
        most = np.float32(2**self._levels.depth - 1)
        pair = np.minimum(pair + np.float32(0.5), most).astype(self._levels.dtype)
        if self._bars is not None:
            self._grey_bars(pair, luma, sides, self._bars.tone)
        return pair[..., 0], pair[..., 1]

    def _sides(self, frame: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Return how many lines of chroma lie in the bars alone: top, bottom, left, right.

        Args:
            frame: height and width of luma.
        """
        if self._bars is None:
            return 0, 0, 0, 0
        bars, fields = self._bars, self._fields
        down = -(-frame[0] // self._height) * fields
        across = -(-frame[1] // self._width)
        rows = (bars.top // down * fields, bars.bottom // down * fields)
        return *rows, bars.left // across, bars.right // across

    def _grey_bars(
        self, pair: Array, luma: Array, sides: tuple[int, int, int, int], tone: float
    ) -> None:
        """Make bars grey where they are bars: a scene may fill the frame that others do not.

        Args:
            pair: (height, width, 2) Cb and Cr, which change.
            luma: (H, W), the film's numbers.
            sides: lines of chroma in the bars.
            tone: L* of the bars.
        """
        top, bottom, left, right = sides
        rows = slice(top, self._height - bottom)
        across = -(-luma.shape[1] // self._width)
        above = luma[self._rows_of_chroma(luma.shape[0])]
        turned = pair[rows].swapaxes(0, 1), above[rows, ::across].T
        for (planes, lines), first, last in (((pair, above), top, bottom), (turned, left, right)):
            for part in (slice(0, first), slice(len(lines) - last, None)):
                shown = self._lightness[np.minimum(lines[part], len(self._lightness) - 1)]
                planes[part][plain_lines(shown, tone)] = self._levels.neutral

    def _rows_of_chroma(self, height: int) -> npt.NDArray[np.intp]:
        """Return (height of chroma,) the first row of luma that each row of chroma belongs to."""
        down = -(-height // self._height)
        rows = np.arange(self._height)
        if self._fields == 1:
            return rows * down
        return np.minimum(rows // 2 * (2 * down) + rows % 2, height - 1)

    def _luma_of_chroma(self, luma: Array) -> Array:
        """Return (height, width) luma where the chroma samples are, field by field."""
        size = (self._width, self._height)
        if luma.shape == (self._height, self._width):
            return luma
        if self._fields == 1:
            return cast(Array, cv2.resize(luma, size, interpolation=cv2.INTER_AREA))
        out = np.empty((self._height, self._width), luma.dtype)
        for first in range(2):
            rows = luma[first::2]
            count = len(range(first, self._height, 2))
            field = cv2.resize(rows, (self._width, count), interpolation=cv2.INTER_AREA)
            out[first::2] = field
        return out


def _lines(ab: Float32, lightness: Float32) -> Float32:
    """Return (h, w, 4): slope and offset of a* and b* in L*, as places in the table of chroma."""

    def mean(plane: Array) -> Float32:
        return cast(Float32, cv2.blur(plane, _WINDOW, borderType=cv2.BORDER_REFLECT))

    mean_l = mean(lightness)
    variance = np.maximum(mean(lightness * lightness) - mean_l * mean_l, 0)
    out = np.empty((*lightness.shape, 4), np.float32)
    for i in range(2):
        index = ab_index(ab[i])
        middle = mean(index)
        slope = (mean(index * lightness) - middle * mean_l) / (variance + np.float32(_EPSILON))
        out[..., 2 * i] = mean(slope)
        out[..., 2 * i + 1] = mean(middle - slope * mean_l)
    return out
