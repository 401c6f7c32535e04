"""Planes of float32 on a grid: resized, averaged over a window.

Not here: pixels of photos (``photo.photo``), conversions (``color.convert``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["Float32", "box_mean", "resize"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

_RADIUS = 4  # of the window of ``box_mean``, working pixels


def resize(planes: Float32, height: int, width: int) -> Float32:
    """Resize (C, h, w) float32 bilinearly, with antialiasing where it shrinks."""
    return np.stack(
        [
            np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
            for plane in np.ascontiguousarray(planes, np.float32)
        ]
    )


def box_mean(plane: Array) -> Float32:
    """Return (h, w) the mean over a square window of 9 x 9, cut off at the borders."""
    for axis in (0, 1):
        length = plane.shape[axis]
        total = np.cumsum(plane, axis=axis, dtype=np.float64)
        total = np.concatenate([np.zeros_like(total.take([0], axis)), total], axis=axis)
        places = np.arange(length)
        low, high = np.maximum(places - _RADIUS, 0), np.minimum(places + _RADIUS + 1, length)
        count = (high - low).reshape((-1, 1) if axis == 0 else (1, -1))
        plane = ((total.take(high, axis) - total.take(low, axis)) / count).astype(np.float32)
    return plane
