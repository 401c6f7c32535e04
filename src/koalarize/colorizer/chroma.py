"""A photo's chroma as it was planned, and how it is put onto the photo.

Not here: how it is planned (``colorizer.plan``), full size (``colorizer.merge``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.colorizer.merge import Guidance, merge
from koalarize.steering.own_colors import Kept

__all__ = ["Chroma"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Chroma:
    """How a photo is coloured.

    Attributes:
        guidance: how chroma follows lightness, on the working grid.
        kept: which colours of the photo's own stay as they are; None replaces them all.
    """

    guidance: Guidance
    kept: Kept | None = None

    def paint(
        self,
        pixels: Array,
        *,
        threads: int = 0,
        area: tuple[int, int, int, int] | None = None,
    ) -> Array:
        """Colour a photo, or the same photo at another size.

        Args:
            pixels: (H, W) or (H, W, 3), sRGB; uint8, uint16, or float in [0, 1].
            threads: how many threads share the work; 0 takes one a core.
            area: left, top, right and bottom of the part that is wanted, pixels; it comes out as it
                would in the whole. Everything by default.

        Returns:
            (H, W, 3) sRGB of the dtype of ``pixels``, of the area's size; float is float32.
        """
        out = merge(pixels, self.guidance, threads=threads, area=area)
        if self.kept is None or pixels.ndim != 3:
            return out
        height, width = pixels.shape[:2]
        left, top, right, bottom = area or (0, 0, width, height)
        part = pixels[top:bottom, left:right]
        self.kept.restore(part, out, place=(left, top, width, height), threads=threads)
        return out

    def at(self, row: int, column: int, lightness: float) -> npt.NDArray[np.float32]:
        """Return (3,) the Lab colour at a place of the working grid."""
        slope_a, offset_a, slope_b, offset_b = self.guidance.planes[:, row, column]
        lab = [lightness, slope_a * lightness + offset_a, slope_b * lightness + offset_b]
        return np.array(lab, np.float32)
