"""A comparison: the grey picture and the coloured one beside it, in one file.

Not here: colouring (``batch.run``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from koalarize.color import lab_to_srgb, srgb_to_lab
from koalarize.photo.files import output_path
from koalarize.photo.metadata import Metadata
from koalarize.photo.photo import Photo
from koalarize.photo.provenance import unsealed

__all__ = ["compare_path", "write_comparison"]

#: Rows converted at once for a comparison.
_ROWS = 256
_PANORAMA = 2  # times as wide as high


def compare_path(result: Path) -> Path:
    """Return where the comparison of a result goes: ``name.color.jpg`` -> ``name.compare.jpg``."""
    stem = result.stem[: -len(".color")] if result.stem.endswith(".color") else result.stem
    return output_path(result.with_name(stem + result.suffix), suffix=".compare")


def write_comparison(result: Path, target: Path) -> None:
    """Write the result's own lightness and the result, in the result's format.

    They stand side by side, of a panorama one above the other.
    """
    photo = Photo.read(result)
    pixels = photo.pixels if photo.pixels.ndim == 3 else np.dstack([photo.pixels] * 3)
    height, width = pixels.shape[:2]
    below = width > _PANORAMA * height
    gap = max(2, (height if below else width) // 50)
    down, across = (height + gap, 0) if below else (0, width + gap)
    white = np.iinfo(pixels.dtype).max
    sheet = np.full((height + down, width + across, 3), white, pixels.dtype)
    sheet[down:, across:] = pixels
    for start in range(0, height, _ROWS):
        rows = slice(start, min(start + _ROWS, height))
        lab = srgb_to_lab(pixels[rows])
        lab[..., 1:] = 0
        sheet[rows, :width] = lab_to_srgb(lab, dtype=pixels.dtype)
    alpha = photo.alpha
    if alpha is not None:
        both = np.zeros(sheet.shape[:2], alpha.dtype)
        both[:height, :width] = both[down:, across:] = alpha
        alpha = both
    xmp = photo.metadata.xmp
    metadata = Metadata(None if xmp is None else unsealed(xmp))
    made = Photo(sheet, alpha, photo.format, dpi=photo.dpi, metadata=metadata)
    made.write(sheet, target, overwrite=True)
