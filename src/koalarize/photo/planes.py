"""What pixels and alpha a ``Photo`` may have.

Not here: arrays as people have them, of more kinds (``read``), planes on a grid (``color.planes``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.errors import PhotoError

__all__ = ["check_mask", "check_planes", "described"]

Array = npt.NDArray[Any]


def check_planes(pixels: object, alpha: object) -> None:
    """Check what a photo is made of.

    Raises:
        PhotoError: if the pixels are none, or the alpha is not of their size.
    """
    if not isinstance(pixels, np.ndarray):
        raise PhotoError(
            f"`pixels` is of type {type(pixels).__name__} but must be an array: "
            "read the picture by Photo.read."
        )
    check_mask(pixels, "pixels")
    check_mask(alpha, "alpha")
    shape: tuple[int, ...] = pixels.shape
    is_plane = len(shape) in (2, 3) and shape[2:] in ((), (3,)) and 0 not in shape
    if not (is_plane and (pixels.dtype.kind == "f" or pixels.dtype in (np.uint8, np.uint16))):
        raise PhotoError(
            f"`pixels` is {pixels.dtype} of shape {shape} but must be uint8, uint16 or floating "
            "point of shape (H, W) or (H, W, 3): bring it to that, or use Photo.read, which takes "
            "more kinds."
        )
    if alpha is not None and getattr(alpha, "shape", None) != shape[:2]:
        raise PhotoError(
            f"`alpha` has shape {getattr(alpha, 'shape', None)} but must have that of the pixels, "
            f"{shape[:2]}: bring it to their size."
        )


def check_mask(array: object, name: str) -> None:
    """Check that an array masks nothing: what is hidden so would be coloured as if it were seen.

    Raises:
        PhotoError: if it does.
    """
    count = int(np.ma.getmaskarray(array).sum()) if isinstance(array, np.ma.MaskedArray) else 0
    if count:
        raise PhotoError(
            f"`{name}` has {count:,} masked values but must have none: fill them with "
            "`array.filled(0)`, and give alpha as a further channel to hide them."
        )


def described(pixels: Array, alpha: Array | None) -> str:
    """Return what a photo is made of, in a few words."""
    kind = "grey" if pixels.ndim == 2 else "colour"
    clear = "" if alpha is None else " with alpha"
    return f"{pixels.shape[1]} × {pixels.shape[0]} {pixels.dtype} {kind}{clear}"
