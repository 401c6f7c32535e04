"""Pixels that a file holds as CIELAB, brought to sRGB: lightness is kept as the file says it.

Not here: the formulas (``color``), which files hold such pixels (``tiff_pixels``, ``read``).
Files mean the white of print (D50), sRGB that of screens (D65): white stays white, so that L*, a*
and b* are taken over as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.color import lab_to_srgb, map_to_gamut
from koalarize.errors import PhotoError

__all__ = ["lab_to_pixels"]

Array = npt.NDArray[Any]

_BAND_PIXELS = 1 << 18


def lab_to_pixels(values: Array, name: str, *, icc: bool = False) -> Array:
    """Return sRGB pixels of Lab as files hold it; chroma beyond sRGB is reduced.

    Args:
        values: (H, W, 3): L* unsigned, its greatest number is 100; a* and b* signed, in units (8
            bits) or 256ths of one (16 bits); or floats, L*, a* and b* themselves.
        name: what to call the picture in an error.
        icc: whether a* and b* begin at 128 instead, and an L* of 100 is 65280 in 16 bits
            (ICC.1:2001-04, 6.3.4).

    Returns:
        (H, W, 3), uint8 for 8 bits, else uint16.

    Raises:
        PhotoError: if they are of more bits, or no finite numbers.
    """
    if values.dtype.kind != "f" and values.dtype.itemsize > 2:
        raise PhotoError(
            f"{name} holds Lab of {8 * values.dtype.itemsize} bits, which is not read: save it "
            "with 16 bits, or as RGB."
        )
    if values.ndim == 2:  # L*, a* and b* are one number everywhere
        values = np.broadcast_to(values[..., None], (*values.shape, 3))
    depth = np.uint8 if values.dtype.itemsize == 1 else np.uint16
    pixels: Array = np.empty(values.shape, depth)
    rows = max(1, _BAND_PIXELS // values.shape[1])
    for top in range(0, len(values), rows):
        lab = _lab_of(values[top : top + rows], icc)
        if not np.isfinite(lab).all():
            raise PhotoError(
                f"{name} has pixels that are not finite numbers: replace them before colouring."
            )
        srgb = lab_to_srgb(map_to_gamut(lab), dtype=depth)
        neutral = (lab[..., 1:] == 0).all(-1)
        srgb[neutral] = srgb[neutral][:, 1:2]  # rounding may part its channels
        pixels[top : top + rows] = srgb
    return pixels


def _lab_of(values: Array, icc: bool) -> npt.NDArray[np.float32]:
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    bits = 8 * values.dtype.itemsize
    lab = np.empty(values.shape, np.float32)
    unit = 1 << (bits - 8)
    if icc:
        white = 255 * unit
        lab[..., 1:] = values[..., 1:].astype(np.float32) / unit - 128
    else:
        white = (1 << bits) - 1
        signed = np.ascontiguousarray(values[..., 1:]).view(f"i{values.dtype.itemsize}")
        lab[..., 1:] = signed.astype(np.float32) / unit
    whole = np.ascontiguousarray(values[..., 0]).view(f"u{values.dtype.itemsize}")
    lab[..., 0] = whole.astype(np.float32) * np.float32(100 / white)
    return lab
