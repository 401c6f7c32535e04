"""Chroma at full size: from the network's grid to every pixel, guided by lightness, and merged.

Not here: networks, files. The lightness of a photo passes through untouched: where a colour leaves
the sRGB gamut its chroma is reduced at constant L* and hue, never clipped per channel.

The guided filter (He, Sun, Tang 2013; the fast form of He, Sun 2015) says that near each point
ab = slope * L + offset. Both are found on the working grid and brought to full size bilinearly, so
colours stop where lightness does at two multiply-adds a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.color import DELTA, LINEAR_FROM_XYZ, box_mean, resize

__all__ = ["Guidance", "guide", "merge", "upsampled"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

_EPSILON = 20.0  # variance of L* below which a window counts as flat
_CHUNK_PIXELS = 1 << 16  # few enough for the cache, enough to be worth a thread's turn
_LINEAR_STEPS = (
    1 << 16
)  # of linear light: a twentieth of an 8-bit level where the curve is steepest
_GAMUT_LEVELS = 128  # lightnesses of the gamut table
_GAMUT_HUES = 180
_TOLERANCE = 1e-4 * _LINEAR_STEPS  # as ``color.in_gamut`` has it
_LINEAR_FROM_XYZ_STEPS = LINEAR_FROM_XYZ * np.float32(_LINEAR_STEPS)


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
    mean_l = box_mean(lightness)
    variance = box_mean(lightness * lightness) - mean_l * mean_l
    planes = np.empty((4, *lightness.shape), np.float32)
    for i in range(2):
        mean = box_mean(ab[i])
        slope = (box_mean(ab[i] * lightness) - mean * mean_l) / (variance + _EPSILON)
        planes[2 * i] = box_mean(slope)
        planes[2 * i + 1] = box_mean(mean - slope * mean_l)
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


def merge(
    pixels: Array,
    guidance: Guidance,
    *,
    threads: int = 0,
    area: tuple[int, int, int, int] | None = None,
) -> Array:
    """Colour a photo: its own lightness, the chroma that follows from it.

    Args:
        pixels: (H, W) or (H, W, 3), sRGB; uint8, uint16, or float in [0, 1].
        guidance: of the whole photo, on a grid of any size.
        threads: how many threads share the work; 0 takes one a core.
        area: left, top, right and bottom of the part that is wanted, pixels inside the photo; it
            comes out as it would in the whole. Everything by default.

    Returns:
        (H, W, 3) sRGB of the dtype of ``pixels``, of the area's size; float is float32.
    """
    full_height, full_width = pixels.shape[:2]
    left, top, right, bottom = area or (0, 0, full_width, full_height)
    pixels = pixels[top:bottom, left:right]
    height, width = pixels.shape[:2]
    dtype = pixels.dtype if pixels.dtype.kind == "u" else np.dtype(np.float32)
    out = np.empty((height, width, 3), dtype)
    # In the units of CIELAB's curve: fx = fy + a/500, fz = fy - b/200, and L = 116 fy - 16.
    slope_a, offset_a, slope_b, offset_b = guidance.planes
    planes = np.stack(
        [
            slope_a * (116 / 500) + 1,
            (offset_a - 16 * slope_a) / 500,
            1 - slope_b * (116 / 200),
            (16 * slope_b - offset_b) / 200,
        ]
    )
    # Across first: on the few rows of the grid this costs nothing, and down is then row by row.
    if guidance.nearest:
        across = planes[..., np.arange(left, right) * planes.shape[2] // full_width]
    else:
        across = resize(planes, planes.shape[1], full_width)[..., left:right]
    rows = max(1, _CHUNK_PIXELS // width)
    nearest = guidance.nearest
    chunks = list(_row_chunks(full_height, across.shape[1], rows, (top, bottom), nearest=nearest))

    def work(first: int, last: int) -> None:
        space = _Workspace(rows, width)
        for start, stop, upper, weights in chunks[first:last]:
            above, below = across[:, upper], across[:, min(upper + 1, across.shape[1] - 1)]
            local = space.local[:, : stop - start]
            np.multiply(weights[:, None], (below - above)[:, None], out=local)
            local += above[:, None]
            part = slice(start - top, stop - top)
            _merge_rows(pixels[part], space, out[part])

    color.by_rows(work, len(chunks), max(8, len(chunks) // 16), threads)
    return out


class _Workspace:
    """The buffers of one thread: made once, they stay in the cache and cost no page faults."""

    def __init__(self, rows: int, width: int) -> None:
        pixels = rows * width
        self.local = np.empty((4, rows, width), np.float32)
        self._curves = np.empty((3, pixels), np.float32)
        self._light = np.empty((3, pixels), np.float32)
        self._cube = np.empty((3, pixels), np.float32)
        self._steps = np.empty((3, pixels), np.uint16)
        self._levels = np.empty((3, pixels), np.uint8)

    def part(self, pixels: int) -> tuple[Float32, Float32, Float32, Array, Array]:
        """Return (3, pixels) of each buffer: curves, light, cube, steps, levels."""
        return (
            _first(self._curves, pixels),
            _first(self._light, pixels),
            _first(self._cube, pixels),
            _first(self._steps, pixels),
            _first(self._levels, pixels),
        )


def _first(buffer: Array, pixels: int) -> Array:
    """Return a contiguous (3, pixels) part, so that the lookups stay fast on fewer rows too."""
    return buffer.reshape(-1)[: 3 * pixels].reshape(3, pixels)


def _row_chunks(
    height: int, grid_height: int, most: int, wanted: tuple[int, int], *, nearest: bool
) -> Iterator[tuple[int, int, int, Float32]]:
    """Yield (start, stop, upper grid row, weights of the lower one) for rows between two grid rows.

    Only the wanted rows, from the first to before the second, are in what comes.

    Pixel centres are half a pixel in, on both grids; rows beyond the outer centres repeat them.
    """
    places = (np.arange(height) + 0.5) * grid_height / height - 0.5
    places = np.clip(places, 0, grid_height - 1)
    if nearest:
        places = np.arange(height) * grid_height // height
    upper = np.minimum(places.astype(np.int64), max(0, grid_height - 2))
    weights = (places - upper).astype(np.float32)
    starts = np.flatnonzero(np.diff(upper, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], height], strict=True):
        last = min(int(stop), wanted[1])
        for top in range(max(int(start), wanted[0]), last, most):
            bottom = min(top + most, last)
            yield int(top), bottom, int(upper[start]), weights[top:bottom]


def _merge_rows(pixels: Array, space: _Workspace, out: Array) -> None:
    """Colour rows (r, W) or (r, W, 3) with ``space.local`` into ``out`` (r, W, 3)."""
    rows, width = pixels.shape[:2]
    curves, light, cube, steps, levels = space.part(rows * width)
    slope_x, offset_x, slope_z, offset_z = space.local[:, :rows].reshape(4, -1)
    fx, fy, fz = curves
    _curve_of(pixels, fy)
    np.multiply(fy, slope_x, out=fx)
    fx += offset_x
    np.multiply(fy, slope_z, out=fz)
    fz += offset_z
    _light_of(curves, light, cube)
    linear = np.matmul(_LINEAR_FROM_XYZ_STEPS, light, out=cube)  # (3, r * W), 0.._LINEAR_STEPS
    if linear.min() < -_TOLERANCE or linear.max() > _LINEAR_STEPS + _TOLERANCE:
        low, high = linear.min(axis=0), linear.max(axis=0)
        outside = np.flatnonzero((low < -_TOLERANCE) | (high > _LINEAR_STEPS + _TOLERANCE))
        linear[:, outside] = _mapped(curves[:, outside])
    if out.dtype == np.uint8:
        np.clip(linear, 0, _LINEAR_STEPS - 1, out=linear)
        np.copyto(steps, linear, casting="unsafe")
        np.take(_level_table(), steps, out=levels, mode="clip")
    else:
        levels = color.linear_to_srgb(linear / _LINEAR_STEPS)
        if out.dtype == np.uint16:
            levels = (levels * np.float32(65535) + np.float32(0.5)).astype(np.uint16)
    for channel in range(3):
        out[..., channel] = levels[channel].reshape(rows, width)


def _mapped(curves: Float32) -> Float32:
    """Return linear sRGB steps (3, N) of colours outside the gamut, their chroma reduced."""
    fx, fy, fz = curves
    u, v = fx - fy, fz - fy
    chroma = np.hypot(500 * u, 200 * v)
    hue = np.arctan2(-200 * v, 500 * u) * np.float32(_GAMUT_HUES / (2 * np.pi)) + _GAMUT_HUES
    level = np.clip((116 * fy - 16) * np.float32((_GAMUT_LEVELS - 1) / 100), 0, _GAMUT_LEVELS - 1)
    row, column = level.astype(np.int32), hue.astype(np.int32) % _GAMUT_HUES
    scale = np.minimum(1, _chroma_table()[row, column] / np.maximum(chroma, np.float32(1e-6)))
    inside = np.stack([fy + scale * u, fy, fy + scale * v])
    light = np.empty_like(inside)
    _light_of(inside, light, np.empty_like(inside))
    return _LINEAR_FROM_XYZ_STEPS @ light


def _curve_of(pixels: Array, out: Float32) -> None:
    """Write CIELAB's fy = (L* + 16) / 116 of rows of pixels into ``out`` (r * W)."""
    if pixels.ndim == 2 and pixels.dtype.kind == "u":
        table = _curve_table(int(np.iinfo(pixels.dtype).max))
        np.take(table, pixels.reshape(-1), out=out, mode="clip")
        return
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    out[:] = (color.srgb_to_lab(pixels)[..., 0].reshape(-1) + 16) / 116


def _light_of(f: Float32, out: Float32, cube: Float32) -> None:
    """Undo CIELAB's curve: a cube, and below DELTA its own tangent. ``cube`` is overwritten."""
    np.maximum(f, np.float32(DELTA), out=cube)
    np.multiply(cube, cube, out=out)
    out *= cube
    np.subtract(f, cube, out=cube)
    cube *= np.float32(3 * DELTA**2)
    out += cube


@lru_cache(maxsize=2)
def _curve_table(levels: int) -> Float32:
    grey = np.arange(levels + 1, dtype=np.uint8 if levels == 255 else np.uint16)
    return ((color.grey_to_lightness(grey) + 16) / 116).astype(np.float32)


@lru_cache(maxsize=1)
def _level_table() -> npt.NDArray[np.uint8]:
    """Return the 8-bit sRGB level of each step of linear light, taken at the step's middle."""
    light = (np.arange(_LINEAR_STEPS) + 0.5) / _LINEAR_STEPS
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(srgb * 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _chroma_table() -> Float32:
    """Return (levels, hues) the largest chroma inside sRGB anywhere in each cell."""
    lightness = np.linspace(0, 100, _GAMUT_LEVELS, dtype=np.float32)
    hue = np.arange(_GAMUT_HUES, dtype=np.float32) * np.float32(2 * np.pi / _GAMUT_HUES)
    lab = np.empty((_GAMUT_LEVELS, _GAMUT_HUES, 3), np.float32)
    lab[..., 0] = lightness[:, None]
    lab[..., 1] = 150 * np.cos(hue)
    lab[..., 2] = 150 * np.sin(hue)
    most = 150 * color.gamut_scale(lab.reshape(-1, 3)).reshape(lab.shape[:2])
    # The least of a cell's corners, so that no colour between them is left outside.
    most = np.minimum(most, np.roll(most, -1, axis=1))
    most[:-1] = np.minimum(most[:-1], most[1:])
    return most
