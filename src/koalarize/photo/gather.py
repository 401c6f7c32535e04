"""Samples put together from bands of rows, so that a picture is never held twice while it is read.

Not here: where the bands come from (``tiff_pixels``, ``samples``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Gathered", "band_tops"]

Array = npt.NDArray[Any]

_BAND_PIXELS = 1 << 18


def band_tops(height: int, width: int) -> range:
    """Return where bands of rows begin that are small beside any large picture."""
    return range(0, height, max(1, _BAND_PIXELS // width))


class Gathered:
    """Grey, RGB or CMYK and alpha, of which RGB takes a third until the first coloured pixel.

    Attributes:
        values: (H, W) or (H, W, channels), as ``Samples`` has them.
        alpha: (H, W), or None.
    """

    def __init__(self, height: int, width: int) -> None:
        """Get ready; room is made by the first band, whose dtype counts."""
        self._shape = (height, width)
        self._values: Array | None = None
        self.alpha: Array | None = None

    @property
    def values(self) -> Array:
        """The samples."""
        assert self._values is not None
        return self._values

    def put(self, top: int, band: Array, alpha: Array | None = None) -> None:
        """Put rows in their place.

        Args:
            top: of the band.
            band: (r, W) or (r, W, channels).
            alpha: (r, W), or None.
        """
        rows = slice(top, top + len(band))
        grey = band.ndim == 3 and band.shape[2] == 3 and _is_neutral(band)
        if self._values is None:
            kept = () if band.ndim == 2 or grey else band.shape[2:]
            self._values = np.zeros((*self._shape, *kept), band.dtype)
        if self._values.ndim == 2 and band.ndim == 3 and not grey:
            colored = np.zeros((*self._shape, 3), band.dtype)
            colored[:top] = self._values[:top, :, None]
            self._values = colored
        self._values[rows] = band[..., 0] if band.ndim > self._values.ndim else band
        if alpha is not None:
            if self.alpha is None:
                self.alpha = np.zeros(self._shape, alpha.dtype)
            self.alpha[rows] = alpha

    def change(self, top: int, band: Array, join: Callable[[Array, Array], Array]) -> None:
        """Join rows with those that stand in their place.

        Args:
            top: of the band.
            band: as ``put`` takes it.
            join: makes the new rows of the old ones and the band.
        """
        old = self.values[top : top + len(band)]
        if old.ndim < band.ndim:
            old = np.broadcast_to(old[..., None], band.shape)
        joined = join(old, band)
        if self.values.ndim == 2 and joined.ndim == 3 and not _is_neutral(joined):
            self._values = np.repeat(self.values[..., None], 3, axis=2)
        self.values[top : top + len(band)] = joined[..., 0] if self.values.ndim == 2 else joined


def _is_neutral(srgb: Array) -> bool:
    first = srgb[..., 0]
    return bool(np.array_equal(first, srgb[..., 1]) and np.array_equal(first, srgb[..., 2]))
