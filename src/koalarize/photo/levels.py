"""Levels whose white is not that of 8 or 16 bits: 32 bits, signed, floating point.

Not here: which files hold such levels (``tiff_pixels``), levels packed by bits (``tiff_segments``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.errors import PhotoError

__all__ = ["alpha_to_uint16", "wide_to_uint16"]

Array = npt.NDArray[Any]

#: Floats within these are fractions of white: highlights go beyond it, and resizing below black.
_FRACTIONS = (-0.25, 16.0)
_MOST_24 = (1 << 24) - 1  # 32-bit integers beyond it are of all the bits that they have


def wide_to_uint16(values: Array, name: str) -> tuple[Array, tuple[str, ...]]:
    """Bring 32-bit integers, signed integers or floats to uint16, and note what that changes.

    They have no agreed white. Floats from -0.25 to 16 are fractions of white, cut to [0, 1]; floats
    and 32-bit integers up to 255 are 8-bit levels; integers up to 65535 are 16-bit ones, and of
    32-bit integers beyond 2^24 their type's greatest is white. Anything else is stretched from its
    darkest to its brightest value. A note says where levels are cut or stretched, or integers taken
    as 8 bits.

    Args:
        values: of any shape.
        name: what to call the picture in an error.

    Raises:
        PhotoError: if they are no finite numbers.
    """
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise PhotoError(
            f"{name} has pixels that are not finite numbers: replace them before colouring."
        )
    (white, notes), black = _white_of(values.dtype, low, high), 0.0
    if white == 1 and not 0 <= low <= high <= 1:
        notes = (f"its levels, {low:g} to {high:g}, are cut to 0 to 1",)
        values = np.clip(values, 0, 1)
    elif low < 0 or high > white:
        notes = (f"its levels, {low:g} to {high:g}, are stretched from black to white",)
        black, white = low, high
    scaled = (values - np.float64(black)) * (65535 / ((white - black) or 1.0)) + 0.5
    return scaled.astype(np.uint16), notes


def _white_of(dtype: np.dtype[Any], low: float, high: float) -> tuple[float, tuple[str, ...]]:
    if dtype.kind == "f":
        if _FRACTIONS[0] <= low and high <= _FRACTIONS[1]:
            return 1.0, ()
        return (255.0 if high <= 255 else 65535.0), ()
    most = float(np.iinfo(dtype).max)
    if dtype.itemsize < 4 or (dtype.itemsize == 4 and low >= 0 and high > _MOST_24):
        return most, ()
    if low >= 0 and 0 < high <= 255:
        return 255.0, (f"its levels reach {high:g}: they are taken as 8 bits",)
    return 65535.0, ()


def alpha_to_uint16(alpha: Array) -> Array:
    """Bring opacities to uint16: floats are fractions, of integers their type's greatest is 1."""
    if alpha.dtype == np.uint16:
        return alpha
    most = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
    shares = np.clip(np.nan_to_num(alpha.astype(np.float64)) / most, 0, 1)
    return np.rint(shares * 65535).astype(np.uint16)
