"""A photo straightened: turned by a few degrees and cut to the largest upright part inside.

Not here: quarter turns and crops (``photo.geometry``), what a person asks for
(``steering.steering``). The studio's page has its own copy of where places go, in
``static/js/straighten.js``, which a test holds to this one.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.color.rows import by_rows
from koalarize.photo.geometry import with_size
from koalarize.photo.photo import Photo
from koalarize.photo.places import Box, Move

__all__ = ["straightened", "straightened_size"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

_ROWS = 64  # turned at once, so that they stay in the cache


def straightened_size(width: int, height: int, degrees: float) -> tuple[int, int]:
    """Return width and height of the largest upright rectangle inside a turned one, pixels.

    Args:
        width: of the photo, pixels.
        height: of it, pixels.
        degrees: from -45 to 45.
    """
    sin, cos = abs(math.sin(math.radians(degrees))), math.cos(math.radians(degrees))
    long, short = max(width, height), min(width, height)
    if short <= 2 * sin * cos * long:  # two corners lie on the long sides, the others inside
        across, down = short / 2 / max(sin, 1e-9), short / 2 / cos
        if width < height:
            across, down = down, across
    else:
        stretch = cos * cos - sin * sin
        across = (width * cos - height * sin) / stretch
        down = (height * cos - width * sin) / stretch
    return max(1, math.floor(across + 1e-6)), max(1, math.floor(down + 1e-6))


def straightened(photo: Photo, degrees: float, *, threads: int = 0) -> Photo:
    """Return a photo turned clockwise about its middle and cut to the largest upright part.

    Every level is made once, of the sixteen around its place, by a cubic that reproduces
    parabolas (Keys 1981, a = -1/2); it keeps to the range of levels.

    Args:
        photo: the photo.
        degrees: from -45 to 45; negative is counterclockwise.
        threads: how many threads may be used; 0 takes one a core.
    """
    if degrees == 0:
        return photo
    width, height = size = straightened_size(photo.width, photo.height, degrees)
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))

    def place(region: Box) -> Box | None:
        """Turn a region's middle; it stays upright."""
        x, y = (region.x - 0.5) * photo.width, (region.y - 0.5) * photo.height
        across, down = region.width * photo.width, region.height * photo.height
        left, top = (cos * x - sin * y) / width, (sin * x + cos * y) / height
        return Box(left + 0.5, top + 0.5, across / width, down / height).inside()

    alpha = photo.alpha
    return dataclasses.replace(
        with_size(photo, Move(place, (photo.width, photo.height), size)),
        pixels=_turned(photo.pixels, size, degrees, threads),
        alpha=None if alpha is None else _turned(alpha, size, degrees, threads),
    )


def _turned(pixels: Array, size: tuple[int, int], degrees: float, threads: int) -> Array:
    """Return (h, w) or (h, w, C) levels of the part of this size around the middle, turned."""
    width, height = size
    tall, wide = pixels.shape[:2]
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    planes = [pixels] if pixels.ndim == 2 else [pixels[..., one] for one in range(pixels.shape[2])]
    flat = [np.ascontiguousarray(plane).ravel() for plane in planes]
    turned: Array = np.empty((height, width, len(planes)), pixels.dtype)
    across = np.arange(width) + 0.5 - width / 2

    def work(start: int, stop: int) -> None:
        down = (np.arange(start, stop) + 0.5 - height / 2)[:, None]
        x = cos * across + sin * down + (wide / 2 - 0.5)
        y = cos * down - sin * across + (tall / 2 - 0.5)
        columns, row_shares = _taps(x, wide)
        rows, column_shares = _taps(y, tall)
        for plane, levels in enumerate(flat):
            total = np.zeros(x.shape, np.float32)
            for row, share in zip(rows, column_shares, strict=True):
                line = np.zeros(x.shape, np.float32)
                base = row * wide
                for column, part in zip(columns, row_shares, strict=True):
                    line += levels.take(base + column) * part
                total += line * share
            turned[start:stop, :, plane] = _levels(total, pixels.dtype)

    by_rows(work, height, _ROWS, threads)
    return turned[..., 0] if pixels.ndim == 2 else turned


def _taps(places: npt.NDArray[np.float64], count: int) -> tuple[list[Array], Float32]:
    """Return the four neighbours of each place, inside of the picture, and their shares."""
    first = np.floor(places)
    t = (places - first).astype(np.float32)
    shares = [
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    ]
    index = first.astype(np.intp)
    taps = [np.clip(index + offset, 0, count - 1) for offset in (-1, 0, 1, 2)]
    return taps, np.asarray(shares, np.float32)


def _levels(values: Float32, dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "f":
        return np.clip(values, 0, 1).astype(dtype)
    return np.clip(np.rint(values), 0, np.iinfo(dtype).max).astype(dtype)
