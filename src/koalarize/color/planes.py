"""Planes of float32 on a grid: resized, averaged over a window, turned into shares.

Not here: pixels of photos (``photo.photo``), conversions (``color.convert``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["Float32", "along", "box_mean", "resize", "smoothstep"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

_RADIUS = 4  # of the window of ``box_mean``, working pixels; a power of two


def resize(planes: Float32, height: int, width: int) -> Float32:
    """Resize (C, h, w) float32 bilinearly, with antialiasing where it shrinks."""
    return np.stack(
        [
            np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
            for plane in np.ascontiguousarray(planes, np.float32)
        ]
    )


def along(planes: Float32, places: npt.NDArray[np.floating], axis: int) -> Float32:
    """Return the values at fractional places along an axis, linear between those at whole ones.

    Args:
        planes: float32 of any shape.
        places: (n,); those outside get the value at the end.
        axis: which gets the length n.
    """
    last = planes.shape[axis] - 1
    inside = np.clip(places, 0, last)
    lower = inside.astype(np.int64)
    shape = (-1, *(1,) * (planes.ndim - axis % planes.ndim - 1))
    weights = (inside - lower).astype(np.float32).reshape(shape)
    below, found = planes.take(lower, axis), planes.take(np.minimum(lower + 1, last), axis)
    found -= below
    found *= weights
    return np.add(found, below, out=found)


def smoothstep(values: Float32, low: float, high: float) -> Float32:
    """Return shares that rise smoothly from 0 at ``low`` and below to 1 at ``high`` and above."""
    share = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def box_mean(planes: Array) -> Float32:
    """Return (..., h, w) the mean over a square window of 9 x 9, cut off at the borders."""
    total = _window_sum(_window_sum(np.asarray(planes, np.float32), -1), -2)
    across, down = (_window_sizes(length) for length in total.shape[:-3:-1])
    return np.multiply(total, 1 / (down[:, None] * across), out=total)


def _window_sum(planes: Float32, axis: int) -> Float32:
    """Return the sums over 2 * _RADIUS + 1 places along an axis: of pairs, of their pairs, ..."""
    length = planes.shape[axis]
    shape = list(planes.shape)
    shape[axis] += 2 * _RADIUS
    total = np.zeros(shape, np.float32)
    last = (slice(None),) * (-axis - 1)
    total[(..., slice(_RADIUS, _RADIUS + length), *last)] = planes
    end = total[(..., slice(2 * _RADIUS, None), *last)]
    reach = 1
    while reach < 2 * _RADIUS:
        total = total[(..., slice(None, -reach), *last)] + total[(..., slice(reach, None), *last)]
        reach *= 2
    return total[(..., slice(length), *last)] + end


def _window_sizes(length: int) -> Float32:
    """Return (length,) how many places of an axis each window holds."""
    return _window_sum(np.ones(length, np.float32), -1)
