"""The curve of sRGB (IEC 61966-2-1): from levels to the light they stand for, and back.

Not here: clipping, tables, Lab (``color.convert``). All curves of sRGB on NumPy arrays
are this one.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["light_to_srgb", "srgb_to_light"]

Floats = TypeVar("Floats", bound=np.floating[Any])


def srgb_to_light(srgb: npt.NDArray[Floats]) -> npt.NDArray[Floats]:
    """Return the light of levels from 0 to 1 and more, in their own precision."""
    power = np.power(np.maximum((srgb + 0.055) / 1.055, 0), 2.4, dtype=srgb.dtype)
    return np.where(srgb <= 0.04045, srgb / 12.92, power).astype(srgb.dtype, copy=False)


def light_to_srgb(light: npt.NDArray[Floats]) -> npt.NDArray[Floats]:
    """Return the levels of light from 0 to 1 and more, in its own precision."""
    power = np.power(np.maximum(light, 0), 1 / 2.4, dtype=light.dtype)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * power - 0.055)
    return curve.astype(light.dtype, copy=False)
