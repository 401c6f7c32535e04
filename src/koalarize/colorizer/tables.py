"""Tables and constants of the arithmetic of a pixel, which NumPy and the compiled kernel share.

Not here: the arithmetic (``colorizer.strip``), conversions of a few colours (``color.convert``).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.color import DELTA, DELTA_OFFSET, LINEAR_FROM_XYZ, XYZ_FROM_LINEAR

__all__ = [
    "CEILING",
    "FLOOR",
    "GAMUT_HUES",
    "GAMUT_LEVELS",
    "LIGHT_FROM_XYZ",
    "ROOT_STEPS",
    "STEPS",
    "chroma_table",
    "curve_of_grey",
    "deep_levels",
    "levels",
    "luminance_of",
    "root_table",
]

Float32 = npt.NDArray[np.float32]

#: Of linear light: a twentieth of an 8-bit level where sRGB's curve is steepest.
STEPS = 1 << 16
FLOOR, CEILING = -1e-4 * STEPS, (1 + 1e-4) * STEPS  # as ``color.in_gamut`` has it
LIGHT_FROM_XYZ = LINEAR_FROM_XYZ * np.float32(STEPS)
GAMUT_LEVELS = 128  # lightnesses of the gamut table
GAMUT_HUES = 240  # around a square, not a circle: see ``_turn``
ROOT_STEPS = 1 << 13  # of luminance: between them L* is at most 0.0002 off


@lru_cache(maxsize=2)
def curve_of_grey(most: int) -> Float32:
    """Return fy of each grey level up to ``most``."""
    grey = np.arange(most + 1, dtype=np.uint8 if most == 255 else np.uint16)
    return ((color.grey_to_lightness(grey) + 16) / 116).astype(np.float32)


@lru_cache(maxsize=2)
def luminance_of(most: int) -> Float32:
    """Return (3, levels): what each level of each channel adds to the luminance, white being 1."""
    linear = color.srgb_to_light(np.arange(most + 1) / most)
    return XYZ_FROM_LINEAR[1][:, None] * linear.astype(np.float32)


@lru_cache(maxsize=1)
def root_table() -> Float32:
    """Return (ROOT_STEPS + 1,) fy of luminances from 0 to 1."""
    luminance = np.arange(ROOT_STEPS + 1) / ROOT_STEPS
    line = luminance / (3 * DELTA**2) + DELTA_OFFSET
    return np.where(luminance > DELTA**3, np.cbrt(luminance), line).astype(np.float32)


@lru_cache(maxsize=1)
def levels() -> npt.NDArray[np.uint8]:
    """Return (STEPS,) the 8-bit level of each step of linear light, taken at its middle."""
    return np.rint(color.light_to_srgb((np.arange(STEPS) + 0.5) / STEPS) * 255).astype(np.uint8)


@lru_cache(maxsize=1)
def deep_levels() -> npt.NDArray[np.uint16]:
    """Return the 16-bit level of each step of the square root of linear light.

    Roots keep dark levels apart: no level is more than one off.
    """
    roots = np.arange(STEPS) / (STEPS - 1)
    return np.rint(color.light_to_srgb(roots**2) * 65535).astype(np.uint16)


@lru_cache(maxsize=1)
def chroma_table() -> Float32:
    """Return (levels, hues) the largest chroma inside sRGB anywhere in each cell."""
    lightness = np.linspace(0, 100, GAMUT_LEVELS, dtype=np.float32)
    turn = np.arange(GAMUT_HUES) * (4 / GAMUT_HUES)
    along = np.abs(turn - 2) - 1  # a / (|a| + |b|)
    hue = np.arctan2(np.where(turn <= 2, 1, -1) * (1 - np.abs(along)), along).astype(np.float32)
    lab = np.empty((GAMUT_LEVELS, GAMUT_HUES, 3), np.float32)
    lab[..., 0] = lightness[:, None]
    lab[..., 1] = 150 * np.cos(hue)
    lab[..., 2] = 150 * np.sin(hue)
    most = 150 * color.gamut_scale(lab.reshape(-1, 3)).reshape(lab.shape[:2])
    # The least of a cell's corners, so that no colour between them is left outside.
    most = np.minimum(most, np.roll(most, -1, axis=1))
    most[:-1] = np.minimum(most[:-1], most[1:])
    return most
