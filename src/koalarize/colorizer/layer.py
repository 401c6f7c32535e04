"""The colours of a photo alone, as a layer to lay over the original in an image editor.

Not here: how the colours are found (``colorizer``).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.photo.files import FORMATS, output_path
from koalarize.photo.photo import Photo

__all__ = ["color_layer", "layer_path"]

Array = npt.NDArray[Any]

_SEEN = (0.5, 2.0)  # chroma from which a place is seen, is opaque; grey is left to the original
_ROWS = 256


def color_layer(photo: Photo, *, over_grey: bool) -> tuple[Photo, Array]:
    """Return a coloured photo with alpha that shows only what is coloured, and its pixels.

    In the editor's colour mode the original gives the lightness; in its normal mode the layer
    looks as the coloured photo does.

    Args:
        photo: the coloured photo.
        over_grey: whether the original is grey. Toning and colours of one that is not are covered
            by all of the layer.
    """
    srgb = photo.pixels
    if not over_grey:
        return photo, srgb
    floating = srgb.dtype.kind == "f"
    most = 1.0 if floating else float(np.iinfo(srgb.dtype).max)
    alpha: Array = np.empty(srgb.shape[:2], srgb.dtype)
    for top in range(0, len(srgb), _ROWS):
        rows = slice(top, top + _ROWS)
        lab = color.srgb_to_lab(srgb[rows])
        chroma = np.hypot(lab[..., 1], lab[..., 2])
        seen = np.clip((chroma - _SEEN[0]) / np.float32(_SEEN[1] - _SEEN[0]), 0, 1) * most
        if photo.alpha is not None:
            seen *= photo.alpha[rows] / np.float32(most)
        alpha[rows] = seen if floating else np.rint(seen)
    return dataclasses.replace(photo, alpha=alpha), srgb


def layer_path(source: Path, *, suffix: str = ".layer") -> Path:
    """Return where the layer of a picture goes: ``photo.jpg`` -> ``photo.layer.png``.

    A TIFF picture's layer is a TIFF file.
    """
    path = output_path(source, suffix=suffix)
    kind = FORMATS.get(source.suffix.lower())
    return path if kind == "TIFF" else path.with_suffix(".png")
