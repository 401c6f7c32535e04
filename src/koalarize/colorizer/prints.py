"""Prints on a page: an album's, or what lay on a scanner together, each a photo of its own.

Not here: a single print's paper and mat (``colorizer.ends``), how prints are coloured
(``colorizer.plan``). Pure.

The page is what reaches the picture's edges and is of one tone there, which may change evenly from
side to side. Prints are what is large on it and has straight sides. A network that is shown all of
them at once takes them for one scene, and the page for a wall or a sky.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["SIDE", "Prints", "has_page", "prints_of"]

Array = npt.NDArray[Any]
Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
#: Left, top, right and bottom.
Box = tuple[int, int, int, int]

#: Shorter side of the picture that prints are looked for in, pixels.
SIDE = 384
_RING = 0.02  # of the shorter side: what counts as a picture's edge,
_SIDE_PLAIN = 0.6  # of which such a share is page at each side,
_PLAIN = 0.8  # and at all of them
_LEAST_ALIKE, _MOST_ALIKE = 5.0, 14.0  # L*: within which a page is of its tone, by its grain
_MOST_TILT = 25.0  # L* by which a page's tone may change from one side to the other
_LEAST = 0.08  # of the shorter side: a print's shorter side at least
_MOST = 40  # prints: a contact sheet's
_LEAST_ALONE, _LEAST_AREA = 0.06, 0.2  # of the picture: what one print takes, and several at least,
_MOST_OTHER = 0.4  # and what is large and no print, of all that is large
_FILLED = 0.88  # of its box a print fills, if it lies a little askew,
_HOLLOW = 0.6  # or if something in it is of the page's tone, and then
_STRAIGHT = (0.02, 0.5)  # so near to each side of its box it reaches, on such a share of the side
# Chosen with ``scripts/measure_pages.py`` (docs/log.md, 2026-12-03).
_RIM = 2  # pixels: so far inside its edges a print is looked at
_GROUND, _THING = 1, 2  # pixels: half as wide is what is too narrow for a page, or is writing


@dataclass(frozen=True)
class Prints:
    """Prints on a page.

    Attributes:
        boxes: of each, pixels of the picture that was looked at.
        numbers: (h, w), which of the prints lies at a place, counted from 0; -1 where none does.
        other: (h, w) float32, 1 where something large lies that is no print, 0 elsewhere.
    """

    boxes: tuple[Box, ...]
    numbers: npt.NDArray[np.int16]
    other: Float32

    def share(self, number: int) -> Float32:
        """Return (h, w) float32, 1 where a print lies in its box, 0 elsewhere."""
        left, top, right, bottom = self.boxes[number]
        return (self.numbers[top:bottom, left:right] == number).astype(np.float32)

    def scaled(self, height: int, width: int, *, inner: bool = False) -> tuple[Box, ...]:
        """Return the boxes in a picture of another size, whole pixels, none empty.

        Args:
            height: of that picture.
            width: of that picture.
            inner: whether they are to hold nothing of the page, but not all of the print's edge.
        """
        down, across = height / self.numbers.shape[0], width / self.numbers.shape[1]
        less = _RIM if inner else 0
        found: list[Box] = []
        for left, top, right, bottom in self.boxes:
            first, above = int((left + less) * across), int((top + less) * down)
            last, below = round((right - less) * across), round((bottom - less) * down)
            found.append((first, above, max(last, first + 1), max(below, above + 1)))
        return tuple(found)


def has_page(lightness: Float32) -> bool:
    """Whether a picture's edges are of one tone, as a page's are; quick.

    Args:
        lightness: (h, w), L*, at any size.
    """
    return _page_of(lightness) is not None


def prints_of(lightness: Float32) -> Prints | None:
    """Return the prints on a page; None of pictures that are none, or have no print.

    Args:
        lightness: (h, w), L*; its shorter side should be ``SIDE``.
    """
    page = _page_of(lightness)
    if page is None:
        return None
    ground = _labels(_opened(page, _GROUND))
    edges = np.concatenate([ground[0], ground[-1], ground[:, 0], ground[:, -1]])
    things = _labels(_opened(~np.isin(ground, edges[edges > 0]), _THING))
    least = _LEAST * min(lightness.shape)
    large = np.flatnonzero(np.bincount(things.ravel()) >= _HOLLOW * least * least)
    boxes: list[Box] = []
    numbers = np.full(lightness.shape, -1, np.int16)
    other = np.zeros(lightness.shape, np.float32)
    for number in large[large > 0]:
        thing = things == number
        box = _box_of(thing)
        if min(box[2] - box[0], box[3] - box[1]) < least:
            continue
        shape = _print_of(thing, box)
        if shape is None:
            other[thing] = 1
        else:
            numbers[shape] = len(boxes)
            boxes.append(box)
    other[numbers >= 0] = 0
    much, rest = float((numbers >= 0).mean()), float(other.mean())
    one = len(boxes) == 1  # the print of one scan, or a photo in a frame
    is_page = much >= (_LEAST_ALONE if one else _LEAST_AREA)
    is_page &= rest <= (0 if one else _MOST_OTHER * (much + rest))
    if not (is_page and 1 <= len(boxes) <= _MOST):
        return None
    return Prints(tuple(boxes), numbers, other)


def _page_of(lightness: Float32) -> Bool | None:
    """Return (h, w) what is of the tone of a picture's edges; None if they have no one tone."""
    height, width = lightness.shape
    wide = max(1, round(_RING * min(height, width)))
    if min(height, width) < 8 * wide:
        return None
    down, across = np.arange(height) / height - 0.5, np.arange(width) / width - 0.5
    rows, columns = (np.r_[:wide, n - wide : n] for n in (height, width))
    tone = np.concatenate([lightness[rows].ravel(), lightness[:, columns].ravel()])
    alike = np.abs(tone - np.median(tone)) <= _MOST_ALIKE
    slopes = np.ones((3, len(tone)))
    np.concatenate([np.repeat(down[rows], width), np.repeat(down, len(columns))], out=slopes[1])
    np.concatenate([np.tile(across, len(rows)), np.tile(across[columns], height)], out=slopes[2])
    fitted, spread = np.zeros(3), 0.0
    for _ in range(3):
        if alike.mean() < _SIDE_PLAIN:
            return None
        known = slopes[:, alike]
        fitted = np.linalg.solve(known @ known.T, known @ tone[alike])
        off = np.abs(tone - fitted @ slopes)
        spread = 1.4826 * float(np.median(off))  # of a normal distribution its standard deviation
        alike = off <= max(3.0, 3 * spread)
    if np.abs(fitted[1:]).max() > _MOST_TILT:
        return None
    expected = fitted[0] + fitted[1] * down[:, None] + fitted[2] * across
    within = min(max(_LEAST_ALIKE, 4 * spread + 2), _MOST_ALIKE)
    page = np.abs(lightness - expected) <= within
    sides = [page[:wide], page[-wide:], page[:, :wide], page[:, -wide:]]
    plain = [float(side.mean()) for side in sides]
    around = sum(side.sum() for side in sides) / sum(side.size for side in sides)
    return page if min(plain) >= _SIDE_PLAIN and around >= _PLAIN else None


def _print_of(thing: Bool, box: Box) -> Bool | None:
    """Return (h, w) what of a picture is a print; None if a thing on a page has not its shape."""
    left, top, right, bottom = box
    part = thing[top:bottom, left:right]
    filled, near = float(part.mean()), round(_STRAIGHT[0] * min(part.shape))
    sides = (part, part[::-1], part.T, part.T[::-1])
    straight = all(side[: near + 1].any(axis=0).mean() >= _STRAIGHT[1] for side in sides)
    if straight and filled >= _HOLLOW:
        shape = np.zeros_like(thing)
        shape[top:bottom, left:right] = True
        return shape
    return thing if filled >= _FILLED else None


def _box_of(thing: Bool) -> Box:
    """Return the box around a thing (h, w)."""
    rows, columns = np.flatnonzero(thing.any(axis=1)), np.flatnonzero(thing.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _opened(places: Bool, radius: int) -> Bool:
    """Return places (h, w) without what is narrower than a square; outside all is as at the edge.

    Args:
        places: where something is.
        radius: half the square's side less a half, pixels.
    """
    return _grown(~_grown(~places, radius), radius)


def _grown(places: Bool, radius: int) -> Bool:
    """Return places (h, w) with those up to so many pixels away across, down, or both."""
    for _ in range(radius):
        wide = places.copy()
        wide[1:] |= places[:-1]
        wide[:-1] |= places[1:]
        places = wide.copy()
        places[:, 1:] |= wide[:, :-1]
        places[:, :-1] |= wide[:, 1:]
    return places


def _labels(places: Bool) -> npt.NDArray[np.int64]:
    """Return (h, w) the number from 1 on of the connected part a place is in; 0 elsewhere.

    Places that share a corner are connected.
    """
    parents = [0]

    def first(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    labels = np.zeros(places.shape, np.int64)
    above: list[tuple[int, int, int]] = []
    for row, line in enumerate(places):
        ends = np.flatnonzero(np.diff(line.astype(np.int8), prepend=0, append=0))
        runs: list[tuple[int, int, int]] = []
        for start, stop in ends.reshape(-1, 2).tolist():
            touched = {
                first(number) for left, right, number in above if left <= stop and start <= right
            }
            if touched:
                number = min(touched)
                for one in touched:
                    parents[one] = number
            else:
                number = len(parents)
                parents.append(number)
            runs.append((start, stop, number))
            labels[row, start:stop] = number
        above = runs
    roots = np.array([first(number) for number in range(len(parents))])
    return np.unique(roots, return_inverse=True)[1][labels]
