"""Hints that tell the truth: what somebody who knows a picture's colours would ask for.

Not here: what is made of them (``showcase``, ``probe``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.steering.hints import Hint

__all__ = ["revealed_hints"]

_PATCH = 3  # pixels on each side of a hint whose mean colour it takes


def revealed_hints(pixels: npt.NDArray[np.uint8], count: int, *, seed: int) -> list[Hint]:
    """Pick points of a colour picture and tell the mean colours of small patches around them.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        count: how many points; more of them begin with those of fewer.
        seed: of their places.

    Returns:
        Hints at the middles of pixels, evenly random over the picture.
    """
    height, width = pixels.shape[:2]
    hints: list[Hint] = []
    for across, down in np.random.default_rng(seed).random((count, 2)):
        column, row = int(across * width), int(down * height)
        rows = slice(max(0, row - _PATCH), row + _PATCH + 1)
        columns = slice(max(0, column - _PATCH), column + _PATCH + 1)
        mean = color.srgb_to_lab(np.ascontiguousarray(pixels[rows, columns])).mean(axis=(0, 1))
        text = color.srgb_to_hex(color.lab_to_srgb(mean[None], dtype=np.uint8)[0])
        hints.append(Hint(column + 0.5, row + 0.5, text, _PATCH + 0.5))
    return hints
