"""Chroma at full size: from the network's grid to every pixel, guided by lightness, and merged.

Not here: networks, files. The lightness of a photo passes through untouched: where a colour leaves
the sRGB gamut its chroma is reduced at constant L* and hue, never clipped per channel.

The guided filter (He, Sun, Tang 2013; the fast form of He, Sun 2015) says that near each point
ab = slope * L + offset. Both are found on the working grid and brought to full size bilinearly, so
colours stop where lightness does at two multiply-adds a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.color import box_mean, resize
from koalarize.colorizer import kernel
from koalarize.colorizer.strip import STRIP_PIXELS, Strip

__all__ = ["Guidance", "Merger", "guide", "merge", "upsampled"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

_EPSILON = 20.0  # variance of L* below which a window counts as flat


@dataclass(frozen=True)
class Guidance:
    """How chroma follows lightness: a = slope_a * L + offset_a, and the same for b.

    Attributes:
        planes: (4, h, w) float32: slope_a, offset_a, slope_b, offset_b, for L* and Lab units.
        nearest: whether a pixel takes them from the one place it lies in, not between four.
    """

    planes: Float32
    nearest: bool = False

    def scaled(self, gain: float) -> Guidance:
        """Return it with the chroma multiplied; hue stays."""
        return Guidance(self.planes * np.float32(gain), self.nearest)


def guide(ab: Float32, lightness: Float32) -> Guidance:
    """Fit how chroma follows lightness around each point of a grid.

    Args:
        ab: (2, h, w), Lab units.
        lightness: (h, w), L* of the same grid.
    """
    lightness = np.asarray(lightness, np.float32)
    means = box_mean(np.stack([lightness, lightness * lightness, *ab, *(ab * lightness)]))
    mean_l, mean_ab = means[0], means[2:4]
    slope = (means[4:] - mean_ab * mean_l) / (means[1] - mean_l * mean_l + np.float32(_EPSILON))
    planes = np.stack([slope, mean_ab - slope * mean_l], axis=1)  # (2, 2, h, w)
    planes = box_mean(planes.reshape(4, *lightness.shape))
    return Guidance(planes)


def upsampled(ab: Float32, way: Literal["nearest", "bilinear"]) -> Guidance:
    """Bring ab to full size without regard to lightness, as other people's programs do.

    Args:
        ab: (2, h, w), Lab units.
        way: how.
    """
    planes = np.zeros((4, *ab.shape[1:]), np.float32)
    planes[1], planes[3] = ab
    return Guidance(planes, way == "nearest")


class Merger:
    """A photo and its guidance: merges any rows, the same whichever are asked for together.

    Attributes:
        across: (4, h, W) float32, the guidance as the kernel takes it, at the photo's width.
        between: the two rows of it that each of the photo's rows lies between, and their shares.
        shape: of the whole answer.
        dtype: of its pixels.
    """

    def __init__(
        self, pixels: Array, guidance: Guidance, area: tuple[int, int, int, int] | None = None
    ) -> None:
        """Get ready.

        Args:
            pixels: (H, W) or (H, W, 3), sRGB; uint8, uint16, or float in [0, 1].
            guidance: of the whole photo, on a grid of any size.
            area: left, top, right and bottom of the part that is wanted, pixels inside the photo;
                it comes out as it would in the whole. Everything by default.
        """
        height, width = pixels.shape[:2]
        left, top, right, bottom = area or (0, 0, width, height)
        self._pixels = pixels[top:bottom, left:right]
        self.across = _across(guidance, width)[..., left:right]
        places = _places(height, self.across.shape[1], nearest=guidance.nearest)[top:bottom]
        self.between = _Between.of(places, self.across.shape[1])
        self.shape = (bottom - top, right - left, 3)
        self.dtype = pixels.dtype if pixels.dtype.kind == "u" else np.dtype(np.float32)

    def rows(self, top: int, bottom: int, *, threads: int = 1) -> Array:
        """Merge the rows from ``top`` to before ``bottom``, as ``merge`` does."""
        width = self.shape[1]
        out = np.empty((bottom - top, width, 4 if self.dtype == np.uint8 else 3), self.dtype)
        pixels, between = self._pixels[top:bottom], self.between.part(slice(top, bottom))
        step = max(1, STRIP_PIXELS // width)

        def compiled(start: int, stop: int) -> None:
            part = slice(start, stop)
            at = between.part(part)
            kernel.merge_rows(pixels[part], self.across, at.upper, at.lower, at.weights, out[part])

        def interpreted(start: int, stop: int) -> None:
            strip = Strip(step * width)
            for first in range(start, stop, step):
                part = slice(first, min(first + step, stop))
                _fill(strip.planes(part.stop - first, width), self.across, between.part(part))
                strip.merge(pixels[part], out[part])

        work = compiled if kernel.available() and kernel.takes(pixels) else interpreted
        strips = -(-len(out) // step)
        color.by_rows(work, len(out), step * max(8, strips // 16), threads)
        return out[..., :3]


def merge(
    pixels: Array,
    guidance: Guidance,
    *,
    threads: int = 0,
    area: tuple[int, int, int, int] | None = None,
) -> Array:
    """Colour a photo: its own lightness, the chroma that follows from it.

    Args:
        pixels: as ``Merger`` takes it.
        guidance: of the whole photo, on a grid of any size.
        threads: how many threads share the work; 0 takes one a core.
        area: the part that is wanted; everything by default.

    Returns:
        (H, W, 3) sRGB of the dtype of ``pixels``, of the area's size; float is float32. Pixels of
        uint8 lie four bytes apart, as Pillow keeps them, so that none is moved to be encoded.
    """
    merger = Merger(pixels, guidance, area)
    return merger.rows(0, merger.shape[0], threads=threads)


def _across(guidance: Guidance, width: int) -> Float32:
    """Return (4, h, width): slopes of fx and fz, and their offsets, in units of the curve.

    On the few rows of the grid this costs nothing, and down is then row by row.
    """
    slope_a, offset_a, slope_b, offset_b = guidance.planes
    # fx = fy + a/500, fz = fy - b/200, and L = 116 fy - 16.
    planes = np.stack(
        [
            1 + slope_a * (116 / 500),
            1 - slope_b * (116 / 200),
            (offset_a - 16 * slope_a) / 500,
            (16 * slope_b - offset_b) / 200,
        ]
    )
    if guidance.nearest:
        return planes[..., np.arange(width) * planes.shape[2] // width]
    return _widened(planes, width)


def _widened(planes: Float32, width: int) -> Float32:
    """Bring (4, h, w) to another width, bilinearly, with antialiasing where it shrinks."""
    grid_width = planes.shape[2]
    if width < grid_width:
        return resize(planes, planes.shape[1], width)
    between = _Between.of(_places(width, grid_width, nearest=False), grid_width)
    left, right, weights = between.upper, between.lower, between.weights
    if kernel.available():
        return kernel.widen(planes, left, right, weights)
    out = np.empty((*planes.shape[:2], width), np.float32)
    for at, plane in enumerate(planes):
        start = plane.take(left, axis=1)
        out[at] = plane.take(right, axis=1)
        out[at] -= start
        out[at] *= weights
        out[at] += start
    return out


def _places(length: int, grid_length: int, *, nearest: bool) -> npt.NDArray[np.float64]:
    """Return (length,) where on the grid each row of the photo lies, in rows of the grid.

    Pixel centres are half a pixel in, on both grids; rows beyond the outer centres repeat them.
    Columns lie as rows do.
    """
    if nearest:
        return (np.arange(length) * grid_length // length).astype(np.float64)
    places = (np.arange(length) + 0.5) * grid_length / length - 0.5
    return np.clip(places, 0, grid_length - 1)


@dataclass(frozen=True)
class _Between:
    """Where rows of the photo lie among the rows of the grid; or columns among its columns.

    Attributes:
        upper: (r,) the row of the grid above.
        lower: (r,) the row below.
        weights: (r,) float32, the share of the lower one.
    """

    upper: npt.NDArray[np.int64]
    lower: npt.NDArray[np.int64]
    weights: Float32

    @classmethod
    def of(cls, places: npt.NDArray[np.float64], grid_height: int) -> _Between:
        """Take places (r,) in rows of the grid apart."""
        upper = np.minimum(places.astype(np.int64), max(0, grid_height - 2))
        return cls(upper, np.minimum(upper + 1, grid_height - 1), (places - upper).astype("f4"))

    def part(self, rows: slice) -> _Between:
        """Return some of the rows."""
        return _Between(self.upper[rows], self.lower[rows], self.weights[rows])


def _fill(planes: Float32, across: Float32, between: _Between) -> None:
    """Write rows that lie between those of (4, h, W) into (4, r, W)."""
    starts = np.flatnonzero(np.diff(between.upper, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(between.upper)], strict=True):
        above, below = across[:, between.upper[start]], across[:, between.lower[start]]
        part = planes[:, start:stop]
        np.multiply(between.weights[start:stop, None], (below - above)[:, None], out=part)
        part += above[:, None]
