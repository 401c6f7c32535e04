"""Flat bars beside a picture: where they lie in a photo, or in all frames of a film.

Not here: paper around a print and mats (``colorizer.ends``), which frames of a film are looked at
(``film.bars``). Pure.

Bars come in pairs, above and below or left and right, of one tone, and end along straight lines.
What differs from their tone on less than half of a line is writing in them: subtitles, a timecode,
a logo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "BarFinder",
    "Bars",
    "bars_of",
    "filled_in",
    "filled_side",
    "mirrored_over",
    "plain_lines",
]

Array = npt.NDArray[Any]
Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

_ALIKE = 3.0  # L*: what is of a bar's tone, with the noise of tapes and codecs
_STEPS = 2  # a unit of L* is kept in so many
_SAMPLES = 256  # of each line are looked at
_PLAIN = 0.55  # share of a line that is of the bar's tone in every frame,
_USUALLY = 0.8  # and in the mean of all
_PLAIN_ALONE = 0.98  # and of a single picture
_EVEN_ALONE = 0.5  # of a single picture's wider bar the other one is at least
_NOTHING = 0.98  # share of one tone from which a frame decides nothing: a fade, black leader
_EDGE = 0.015  # of a side: within which the picture begins beside a bar,
_BEGINS = 0.5  # on such a share of it
_LEAST = 0.02  # of a side: what a pair of bars takes at least
_MOST = 0.4  # of a side: and each bar at most
_LAYERS = 2  # bars within bars: of the film, and of the copy
_SAME = 0.05  # L*: within which lines are of one value, but for the rounding of a resize
_BLURRED = 2  # cells beside what is filled, which a resize mixed with the photo
_OTHERS = 8  # one frame of so many at most may fill the frame: a title, an insert


@dataclass(frozen=True)
class Bars:
    """How many lines at each side of a picture are flat bars.

    Attributes:
        top: rows.
        bottom: rows.
        left: columns.
        right: columns.
        tone: their L*.
    """

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0
    tone: float = 0.0

    def inside(self, plane: Array) -> Array:
        """Return the part (..., h, w) of a plane (..., H, W) that is not bars; no copy."""
        rows, columns = self.parts(plane.shape[-2], plane.shape[-1])
        return plane[..., rows, columns]

    def parts(self, height: int, width: int) -> tuple[slice, slice]:
        """Return which rows and columns of a picture are not bars."""
        return slice(self.top, height - self.bottom), slice(self.left, width - self.right)


class BarFinder:
    """Finds the bars that the frames of a film have, but for few that fill the frame."""

    def __init__(self) -> None:
        """Begin."""
        self._rows: list[UInt8] = []
        self._columns: list[UInt8] = []
        self._shape = (0, 0)

    def add(self, lightness: Float32) -> None:
        """Take a frame.

        Args:
            lightness: (H, W), L*; of the same size as the frames before.
        """
        height, width = self._shape = lightness.shape
        across, down = -(-width // _SAMPLES), -(-height // _SAMPLES)
        rows, columns = lightness[:, ::across], lightness[::down].T
        kept = [np.rint(lines * np.float32(_STEPS)).astype(np.uint8) for lines in (rows, columns)]
        if _alike(kept[0], float(np.median(kept[0]))).mean() < _NOTHING:
            self._rows.append(kept[0])
            self._columns.append(kept[1])

    def bars(self, *, alone: bool = False) -> Bars | None:
        """Return the bars of the frames; None if they have none, or show nothing.

        Args:
            alone: whether they are a single picture, of which more is asked.
        """
        if not self._rows:
            return None
        planes = [np.stack(self._rows), np.stack(self._columns)]  # (N, lines, samples)
        found = self._common(planes, alone=alone)
        for lines in planes if found is None else ():
            kept = _edged(lines)
            if 0 < np.count_nonzero(~kept) <= len(kept) // _OTHERS:
                found = found or self._common([plane[kept] for plane in planes], alone=alone)
        return found

    def _common(self, planes: list[UInt8], *, alone: bool) -> Bars | None:
        """Return the bars that all of some frames have; None if they have none."""
        sides, tone = [(0, 0), (0, 0)], None
        for axis in (0, 1) * _LAYERS:
            whole, samples = self._shape[axis], planes[axis].shape[2]
            (first, last), other = sides[axis], self._shape[1 - axis]
            step = other / samples
            begin, end = sides[1 - axis]
            part = slice(int(np.ceil(begin / step)), samples - int(np.ceil(end / step)))
            lines = planes[axis][:, first : whole - last, part]
            found = _pair(lines, whole, tone, alone=alone)
            if found is not None:
                before, behind, tone = found
                sides[axis] = (first + before, last + behind)
        widest = max(max(pair) / n for pair, n in zip(sides, self._shape, strict=True))
        if tone is None or widest > _MOST:
            return None
        (top, bottom), (left, right) = sides
        return Bars(top, bottom, left, right, tone / _STEPS)


def bars_of(lightness: Float32) -> Bars | None:
    """Return the bars of a single picture; None if it has none.

    More is asked of it than of the frames of a film: its bars are about equally wide, with nothing
    in them.

    Args:
        lightness: (H, W), L*.
    """
    finder = BarFinder()
    finder.add(lightness)
    return finder.bars(alone=True)


def filled_side(lightness: Float32) -> Bars | None:
    """Return the lines at one side of a damaged picture that decoders fill with one value.

    Of other pictures this is not asked: a sky may be as even, and would end at a line.

    Args:
        lightness: (H, W), L*.
    """
    counts = [_same(lines) for lines in (lightness, lightness[::-1])]
    counts += [_same(lines.T) for lines in (lightness, lightness[:, ::-1])]
    shares = np.array(counts) / np.repeat(lightness.shape, 2)
    side = int(shares.argmax())
    if not _LEAST <= shares[side] < 1:
        return None
    tone = float(lightness[(0, -1, 0, 0)[side], (0, 0, 0, -1)[side]])
    top, bottom, left, right = (
        count if number == side else 0 for number, count in enumerate(counts)
    )
    return Bars(top, bottom, left, right, tone)


def filled_in(lightness: Float32, filled: Bars) -> Bool:
    """Return (h, w) what decoders fill with one value: lines at one side, and what adjoins them.

    The last row of blocks that a damaged file holds is filled partly.

    Args:
        lightness: (h, w), L*.
        filled: what ``filled_side`` found of it.
    """
    turns = _turns(filled)
    off = np.abs(np.rot90(lightness, turns) - np.float32(filled.tone))  # the filled side is above
    found = np.logical_and.accumulate(off <= _SAME, axis=0)
    for _ in range(_BLURRED):
        found[1:] |= found[:-1] & (off[1:] <= _ALIKE)
    return np.rot90(found, -turns)


def mirrored_over(lightness: Float32, filled: Bars) -> Float32:
    """Return (h, w) lightness with the sound lines mirrored over what decoders filled.

    Args:
        lightness: (h, w), L*.
        filled: what ``filled_side`` found of it.
    """
    turns = _turns(filled)
    lines, found = (np.rot90(one, turns) for one in (lightness, filled_in(lightness, filled)))
    count = int(np.count_nonzero(found.any(axis=1)))  # the first lines hold what is filled
    if count == len(lines):
        return lightness
    sound = np.pad(lines[count:], ((count, 0), (0, 0)), mode="symmetric")
    return np.ascontiguousarray(np.rot90(np.where(found, sound, lines), -turns))


def _turns(filled: Bars) -> int:
    """Return by how many quarter turns the filled side comes to lie above."""
    return int(np.argmax((filled.top, filled.right, filled.bottom, filled.left)))


def plain_lines(lightness: Float32, tone: float) -> Bool:
    """Return (lines,) which lines (lines, n) are of a bar's tone but for what is written in it."""
    return np.asarray((np.abs(lightness - np.float32(tone)) <= _ALIKE).mean(axis=1) >= _PLAIN)


def _pair(
    lines: UInt8, whole: int, tone: float | None, *, alone: bool
) -> tuple[int, int, float] | None:
    """Return how many lines at both ends are bars, and their tone; None if they are no pair.

    Args:
        lines: (N, lines, samples), L* in steps.
        whole: how many lines the frame has.
        tone: of bars found before, which these share.
        alone: whether it is a single picture.
    """
    if min(lines.shape) < 1 or lines.shape[1] < 4:
        return None
    own = float(np.median(lines[:, [0, -1]]))
    if tone is not None and abs(own - tone) > _ALIKE * _STEPS:
        return None
    alike = _alike(lines, own)
    share = alike.mean(axis=2)
    plain = (share.min(axis=0) >= _PLAIN) & (share.mean(axis=0) >= _USUALLY)
    if alone:
        plain &= share[0] >= _PLAIN_ALONE
    if plain.all():
        return None
    before, behind = int(plain.argmin()), int(plain[::-1].argmin())
    even = min(before, behind) >= _EVEN_ALONE * max(before, behind) or not alone
    if not (min(before, behind) and even and before + behind >= _LEAST * whole):
        return None
    edge = max(2, round(_EDGE * whole))
    unlike = np.logical_not(np.all(alike, axis=0, keepdims=True))[0]
    ends = (unlike[before : before + edge], unlike[::-1][behind : behind + edge])
    straight = all(float(end.any(axis=0).mean()) >= _BEGINS for end in ends)
    return (before, behind, own) if straight else None


def _same(lines: Float32) -> int:
    """Return how many lines (lines, n) from the first on are of the first's one value."""
    same = np.all(np.abs(lines - lines[0, 0]) <= _SAME, axis=1)
    return len(same) if same.all() else int(same.argmin())


def _edged(lines: UInt8) -> Bool:
    """Return (N,) which frames (N, lines, samples) have outer lines of the most usual tone."""
    outer = lines[:, [0, -1]]
    plain = _alike(outer, float(np.median(outer))).mean(axis=2) >= _PLAIN
    return np.asarray(plain.all(axis=1))


def _alike(lines: UInt8, tone: float) -> Bool:
    """Return what is of a tone, both L* in steps."""
    return np.abs(lines.astype(np.float32) - np.float32(tone)) <= _ALIKE * _STEPS
