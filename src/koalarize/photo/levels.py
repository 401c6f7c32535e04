"""Levels whose white is not that of 8 or 16 bits: 32 bits, signed, floating point.

Not here: which files hold such levels (``tiff_pixels``), levels packed by bits (``tiff_segments``).
"""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.errors import PhotoError

__all__ = ["alpha_to_uint16", "wide_to_uint16"]

Array = npt.NDArray[Any]

_LOG = logging.getLogger(__name__)
#: Floats within these are fractions of white: highlights go beyond it, and resizing below black.
_FRACTIONS = (-0.25, 16.0)
_MOST_24 = (1 << 24) - 1  # 32-bit integers beyond it are of all the bits that they have


def wide_to_uint16(values: Array, name: str) -> Array:
    """Bring 32-bit integers, signed integers or floats to uint16.

    They have no agreed white. Floats from -0.25 to 16 are fractions of white, cut to [0, 1]; floats
    and 32-bit integers up to 255 are 8-bit levels; integers up to 65535 are 16-bit ones, and of
    32-bit integers beyond 2^24 their type's greatest is white. Anything else is stretched from its
    darkest to its brightest value. A warning says where levels are cut or stretched, or integers
    taken as 8 bits.

    Args:
        values: of any shape.
        name: what to call the picture in a warning or an error.

    Raises:
        PhotoError: if they are no finite numbers.
    """
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise PhotoError(
            f"{name} has pixels that are not finite numbers: replace them before coloring."
        )
    black, white = 0.0, _white_of(values.dtype, low, high, name)
    if white == 1 and not 0 <= low <= high <= 1:
        _LOG.warning("The levels of %s, %g to %g, are cut to 0 to 1.", name, low, high)
        values = np.clip(values, 0, 1)
    elif low < 0 or high > white:
        _LOG.warning(
            "The range of %s, %g to %g, is stretched from black to white.", name, low, high
        )
        black, white = low, high
    scaled = (values - np.float64(black)) * (65535 / ((white - black) or 1.0)) + 0.5
    return scaled.astype(np.uint16)


def _white_of(dtype: np.dtype[Any], low: float, high: float, name: str) -> float:
    if dtype.kind == "f":
        if _FRACTIONS[0] <= low and high <= _FRACTIONS[1]:
            return 1.0
        return 255.0 if high <= 255 else 65535.0
    most = float(np.iinfo(dtype).max)
    if dtype.itemsize < 4 or (dtype.itemsize == 4 and low >= 0 and high > _MOST_24):
        return most
    if low >= 0 and 0 < high <= 255:
        _LOG.warning("The levels of %s reach %g: they are taken as 8 bits.", name, high)
        return 255.0
    return 65535.0


def alpha_to_uint16(alpha: Array) -> Array:
    """Bring opacities to uint16: floats are fractions, of integers their type's greatest is 1."""
    if alpha.dtype == np.uint16:
        return alpha
    most = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
    shares = np.clip(np.nan_to_num(alpha.astype(np.float64)) / most, 0, 1)
    return np.rint(shares * 65535).astype(np.uint16)
