"""The plain border of a scan: where a photo's lightness begins and ends, where its mat lies.

Not here: what is stretched between them (``colorizer.prepare``, ``colorizer.answers``). A faded
print on the white paper of its border, or on a scanner's black ground, reaches from black to white
as a whole; the photo in it does not. A mat shows nothing that has a colour, and a network takes a
grey one for a sky.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from koalarize import color

__all__ = ["Stretch", "mat_of", "stretch_of"]

Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
_Plane = TypeVar("_Plane", Bool, Float32)
#: What L* is lessened by and then multiplied with, to reach from 0 to 100.
Stretch = tuple[float, float]

# 2026-12-01, 4,500 training photos, the shipped weights: 55 of them are stretched otherwise by more
# than 2 %; their ab is off by 12.75 Lab units (root mean square), by 12.87 with the border counted.
# A script that was not kept.
_MOST_STRETCH = 4.0  # what is nearly blank is not stretched into noise
_ALIKE = 3.0  # L*: a line of a border is of one tone, to so much,
_PLAIN = 0.95  # on such a share of it
_MOST_BORDER = 0.25  # of each side may be border
_LAYERS = 2  # such as a scanner's ground, and the paper of a print on it
_EDGE = 0.015  # of a side: a print does not lie quite straight
# 2026-12-02, 3,600 photos of the validation and training sets: 44 have a mat by these, which are
# frames, wide or thin, as far as thumbnails show; 6 have a colour. A script that was not kept.
_MOST_MAT = 0.4  # of each side may be mat
_PAPER = 80.0  # L* from which a mat is paper, which may be torn, taped or written on:
_TORN = 0.75  # such a share of a line is of its tone, and of a photo's own edges of another;
# one more of the 1,000 photos of the validation set has a mat by these, a pale green frame
_UNLIKE = 0.5  # such a share of a photo's own edges is of another tone than the mat
_BEYOND = (5.0, 15.0)  # L* from which, and up to which, a border's tone counts less and less


def stretch_of(lightness: Float32, ends: tuple[float, float]) -> Stretch:
    """Return what makes a photo's lightness reach from black to white.

    Args:
        lightness: (h, w), or (N,) of a photo whose borders do not count, L*.
        ends: percentiles that become black and white.
    """
    low, high = (float(end) for end in np.percentile(lightness, ends))
    if lightness.ndim == 2 and (photo := _without_border(lightness)) is not None:
        black, white = np.percentile(photo, ends)
        beyond = np.array([black - low, high - white], np.float32)
        beyond *= color.smoothstep(beyond, *_BEYOND)  # smoothly, for films
        low, high = low + float(beyond[0]), high - float(beyond[1])
    scale = min(100 / max(high - low, 1e-3), _MOST_STRETCH)
    return (low + high) / 2 - 50 / scale, scale


def _without_border(lightness: Float32) -> Float32 | None:
    """Return the part of a scan (h, w) inside its plain border; None if it has none."""
    inside, sides = lightness, set[int]()
    for turn in range(4 * _LAYERS):  # the top, and each other side once it is the top
        rows = _border_of(inside)
        sides |= {turn % 4} if rows else set()
        inside = np.rot90(inside[rows:])
    return inside if len(sides) > 1 else None  # one is as often the ground or the sky


def _border_of(lightness: Float32) -> int:
    """Return how many rows at the top are of the first one's tone, or where that ends."""
    rows = lightness[: int(_MOST_BORDER * len(lightness))]
    if not rows.size:
        return 0
    tone = np.median(rows[0])
    plain = (np.abs(rows - tone) <= _ALIKE).mean(axis=1) >= _PLAIN
    count = len(plain) if plain.all() else int(plain.argmin())
    count = min(count + round(_EDGE * len(lightness)), len(lightness) - 1)
    return count if abs(float(np.median(lightness[count]) - tone)) >= _BEYOND[0] else 0


def mat_of(lightness: Float32) -> Bool | None:
    """Return where the mat around a photo lies; None if it has none.

    A mat is a plain border at all four sides that ends along straight lines: the ground on which a
    thing was photographed ends where the thing does, and is none. There may be one in another.

    Args:
        lightness: (h, w), L*.
    """
    down, across = (round(_EDGE * side) for side in lightness.shape)
    mat = np.ones(lightness.shape, np.bool_)
    inside, rest, photo = lightness, mat, None
    for _ in range(_LAYERS):
        ring = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
        tone = np.median(ring)
        alike = np.abs(inside - tone) <= _ALIKE
        kinds = ((_PLAIN, _UNLIKE), (_TORN, _TORN))[: 2 if tone > _PAPER else 1]
        found = (_sides_of(alike, *kind, (down, down, across, across)) for kind in kinds)
        if (one := next(filter(None, found), None)) is None:
            break
        sides, beyond = one
        photo = _cut(rest, sides)
        inside, rest = _cut(inside, beyond), _cut(rest, beyond)
    if photo is None:
        return None
    photo[...] = False
    return mat


def _sides_of(
    alike: Bool, least: float, unlike: float, edges: tuple[int, int, int, int]
) -> tuple[list[int], list[int]] | None:
    """Return how wide a mat is at each side, and with its edge; None if it is none.

    Args:
        alike: (h, w), what is of its tone.
        least: such a share of each of its lines is.
        unlike: such a share of each edge of the photo inside is not.
        edges: how wide one is at each side.
    """
    turned = (alike, alike[::-1], alike.T, alike.T[::-1])
    sides = [_plain_lines(lines, least) for lines in turned]
    beyond = [side + edge for side, edge in zip(sides, edges, strict=True)]
    within = _cut(alike, beyond)
    if not (min(sides) and within.size):
        return None
    inner = (within[0], within[-1], within[:, 0], within[:, -1])
    is_photo = all(1 - float(edge.mean()) >= unlike for edge in inner)
    return (sides, beyond) if is_photo else None


def _plain_lines(alike: Bool, least: float) -> int:
    """Return how many lines at the top are of one tone."""
    plain = alike[: int(_MOST_MAT * len(alike))].mean(axis=1) >= least
    return len(plain) if plain.all() else int(plain.argmin())


def _cut(plane: _Plane, sides: list[int]) -> _Plane:
    """Return what is left without so many lines at the top, the bottom, the left and the right."""
    top, bottom, left, right = sides
    height, width = plane.shape
    return plane[top : max(top, height - bottom), left : max(left, width - right)]
