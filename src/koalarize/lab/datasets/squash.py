"""Bring whole pictures to a square, whatever their shape, as both articles do.

Not here: crops (``batches``). What people colour is never squashed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["squash_area", "squash_bilinear"]


def squash_bilinear(image: Image.Image, side: int) -> Image.Image:
    """Return a picture as a square of ``side`` pixels, bilinearly and with antialiasing.

    What ``torchvision.transforms.Resize((side, side))`` makes of a PIL picture (the first article).
    """
    return image.resize((side, side), Image.Resampling.BILINEAR)


def squash_area(image: Image.Image, side: int) -> Image.Image:
    """Return a picture as a square of ``side`` pixels, each the mean of the area that it covers.

    What ``cv2.resize(..., interpolation=cv2.INTER_AREA)`` makes (the second article): pixels that
    an area covers in part count in part. As there, a picture of which a side is shorter than
    ``side`` is brought to the square bilinearly, by weights that the areas' edges give.
    """
    pixels = np.asarray(image).astype(np.float32)
    enlarges = min(image.size) < side
    for axis in (0, 1):
        wide = np.moveaxis(pixels, axis, 0)  # (n, ...)
        rows = _between(wide, side) if enlarges else _means(wide, side)
        pixels = np.moveaxis(rows, 0, axis)
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


def _means(rows: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """Return (side, ...) means of n/side rows each, of (n, ...); n is ``side`` at least."""
    number, *shape = rows.shape
    rows = rows.reshape(number, -1)
    out = np.empty((side, rows.shape[1]), np.float32)
    for place in range(side):
        # In whole numbers, of which a row is `side`: its share of the area is exact.
        begin, end = place * number, (place + 1) * number
        first, last = begin // side, -(-end // side)
        edges = np.clip(np.arange(first, last + 1) * side, begin, end)
        shares = (np.diff(edges) / number).astype(np.float32)
        out[place] = shares @ rows[first:last]
    return out.reshape(side, *shape)


def _between(rows: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """Return (side, ...) of (n, ...), each between two rows as OpenCV enlarges by area."""
    number = len(rows)
    place = np.arange(side)
    upper = place * number // side
    # How much of the area from one place to the next lies beyond the upper row.
    beyond = (place + 1) - (upper + 1) * (side / number)
    share = np.where(beyond <= 0, 0, beyond - np.floor(beyond)).astype(np.float32)
    share = np.where(upper >= number - 1, np.float32(0), share)
    share = share.reshape(-1, *(1 for _ in rows.shape[1:]))
    lower = np.minimum(upper + 1, number - 1)
    return rows[upper] * (1 - share) + rows[lower] * share
