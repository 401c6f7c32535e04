"""A photo's chroma as it was planned, and how it is put onto the photo.

Not here: how it is planned (``colorizer.plan``), full size (``colorizer.merge``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.colorizer.merge import Guidance, Merger
from koalarize.steering.own_colors import Kept

__all__ = ["Chroma", "Painting"]

Array = npt.NDArray[Any]


class Painting:
    """A photo whose rows are coloured when they are asked for; safe from several threads.

    Attributes:
        shape: rows, columns and 3.
        dtype: of its pixels.
    """

    def __init__(
        self, pixels: Array, chroma: Chroma, area: tuple[int, int, int, int] | None
    ) -> None:
        """Get ready; people call ``Chroma.painting``."""
        height, width = pixels.shape[:2]
        left, top, right, bottom = area or (0, 0, width, height)
        self._merger = Merger(pixels, chroma.guidance, area)
        self._pixels = pixels[top:bottom, left:right]
        self._kept = chroma.kept if pixels.ndim == 3 else None
        self._place = (left, top, width, height)
        self.shape = self._merger.shape
        self.dtype = self._merger.dtype

    def rows(self, top: int, bottom: int, *, threads: int = 1) -> Array:
        """Return the rows from ``top`` to before ``bottom``, coloured, as ``merge`` says."""
        out = self._merger.rows(top, bottom, threads=threads)
        if self._kept is not None:
            left, above, *whole = self._place
            place = (left, above + top, *whole)
            self._kept.restore(self._pixels[top:bottom], out, place=place, threads=threads)
        return out


@dataclass(frozen=True)
class Chroma:
    """How a photo is coloured.

    Attributes:
        guidance: how chroma follows lightness, on a grid that shows the whole photo.
        kept: which colours of the photo's own stay as they are; None replaces them all.
    """

    guidance: Guidance
    kept: Kept | None = None

    @property
    def is_none(self) -> bool:
        """Whether nothing of the photo gets or keeps a colour."""
        return self.kept is None and not self.guidance.planes.any()

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
        painting = self.painting(pixels, area=area)
        return painting.rows(0, painting.shape[0], threads=threads)

    def painting(self, pixels: Array, *, area: tuple[int, int, int, int] | None = None) -> Painting:
        """Return what colours any rows of a photo when they are asked for.

        Args:
            pixels: as ``paint`` takes it.
            area: as ``paint`` takes it.
        """
        return Painting(pixels, self, area)

    def at(self, across: float, down: float, lightness: float) -> npt.NDArray[np.float32]:
        """Return (3,) the Lab colour at a place of the photo.

        Args:
            across: share of the photo's width, in [0, 1).
            down: share of its height, in [0, 1).
            lightness: L* there.
        """
        planes = self.guidance.planes
        row, column = int(down * planes.shape[1]), int(across * planes.shape[2])
        slope_a, offset_a, slope_b, offset_b = planes[:, row, column]
        lab = [lightness, slope_a * lightness + offset_a, slope_b * lightness + offset_b]
        return np.array(lab, np.float32)
