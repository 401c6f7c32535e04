"""Negatives: how they become positives, and how those of color film are told.

Not here: TIFF's WhiteIsZero, which is no negative (``read``).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from koalarize.color import srgb_to_lab
from koalarize.photo.photo import Photo

__all__ = ["inverted", "looks_like_color_negative"]

# The mask of color film is orange, and nothing on the film is lighter than the mask. A toned
# print has paper that is nearly white.
_MASK = (9.0, 22.0)  # a* and b* of the lightest parts, at least
_LIGHTEST = 78.0  # L*, at most
_SIDE = 128  # pixels that are looked at across


def inverted(photo: Photo) -> Photo:
    """Return a photo whose levels are turned about: black is white."""
    pixels = photo.pixels
    white = 1.0 if pixels.dtype.kind == "f" else int(np.iinfo(pixels.dtype).max)
    return dataclasses.replace(photo, pixels=np.subtract(white, pixels, dtype=pixels.dtype))


def looks_like_color_negative(photo: Photo) -> bool:
    """Tell whether a photo has the orange mask of color film in its lightest parts.

    A negative without color cannot be told from a photo (docs/log.md, 2026-11-29).
    """
    if photo.is_grey:
        return False
    step = max(1, max(photo.height, photo.width) // _SIDE)
    lab = srgb_to_lab(photo.pixels[::step, ::step]).reshape(-1, 3)
    light = lab[lab[:, 0] >= np.percentile(lab[:, 0], 90)]
    lightness, a, b = np.median(light, axis=0)
    return bool(a > _MASK[0] and b > _MASK[1] and lightness < _LIGHTEST)
