"""A strip of rows: the arithmetic of each pixel, from lightness and the planes of chroma to sRGB.

Not here: where the planes come from (``colorizer.merge``), the same in C (``colorizer.kernel``),
where a change here is made too. Few passes over buffers that stay in the cache. Products of 3 × 3
matrices are written out: BLAS would start its threads for each strip.

All is in the units of CIELAB's curve f: fx = fy + a/500, fz = fy - b/200, and L* = 116 fy - 16.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.color import DELTA
from koalarize.colorizer.tables import (
    CEILING,
    FLOOR,
    GAMUT_HUES,
    GAMUT_LEVELS,
    LIGHT_FROM_XYZ,
    ROOT_STEPS,
    STEPS,
    chroma_table,
    curve_of_grey,
    deep_levels,
    levels,
    luminance_of,
    root_table,
)

__all__ = ["STRIP_PIXELS", "Strip", "curve_of"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

#: Pixels of a strip: enough to be worth some sixty calls of NumPy. Of 2^12 to 2^17 the last was the
#: fastest (12 MP, two cores of a Zen 3 with 512 kB of L2 each, 2026-11-29).
STRIP_PIXELS = 1 << 17


class Strip:
    """The buffers of one thread: made once, they stay in the cache and cost no page faults."""

    def __init__(self, pixels: int) -> None:
        """Make room.

        Args:
            pixels: of the largest strip.
        """
        self._planes = np.empty(4 * pixels, np.float32)
        self._curves = np.empty(3 * pixels, np.float32)
        self._light = np.empty(3 * pixels, np.float32)
        self._spare = np.empty(3 * pixels, np.float32)
        self._darkest = np.full(3 * pixels, DELTA, np.float32)

    def planes(self, rows: int, width: int) -> Float32:
        """Return (4, rows, width): room for the slopes of fx and fz, and their offsets."""
        return self._planes[: 4 * rows * width].reshape(4, rows, width)

    def merge(self, pixels: Array, out: Array) -> None:
        """Colour rows with the planes that ``planes`` has been filled with.

        Args:
            pixels: (r, W) or (r, W, 3), sRGB.
            out: (r, W, 3), or (r, W, 4) of uint8, whose last channel is of no use; overwritten.
        """
        count = pixels.shape[0] * pixels.shape[1]
        planes, curves = _part(self._planes, 4, count), _part(self._curves, 3, count)
        light, spare = _part(self._light, 3, count), _part(self._spare, 3, count)
        curve_of(pixels, curves[1])
        np.multiply(planes[:2], curves[1], out=curves[::2])
        curves[::2] += planes[2:]
        _light_of(curves, light, spare, _part(self._darkest, 3, count))
        linear = _mixed(light, planes[:3], spare)
        if out.dtype == np.uint8:
            steps = spare.view(np.int32)
            np.copyto(steps, linear, casting="unsafe")
            beyond = (steps[0] | steps[1] | steps[2]).view(np.uint32)  # negative ones are large
            if beyond.max() >= STEPS:
                _into_gamut(steps, linear, curves, np.flatnonzero(beyond >= STEPS))
            _pack(steps, out)
        else:
            if linear.min() < FLOOR or linear.max() > CEILING:
                _into_gamut(linear, linear, curves, np.arange(count))
            for channel, plane in enumerate(linear):
                out[..., channel] = _deep(plane, out.dtype).reshape(out.shape[:2])


def _part(buffer: Array, planes: int, count: int) -> Array:
    """Return a contiguous (planes, count) part, so that strips of fewer rows are as fast."""
    return buffer[: planes * count].reshape(planes, count)


def _light_of(f: Float32, out: Float32, spare: Float32, darkest: Float32) -> None:
    """Undo CIELAB's curve: a cube, and below DELTA its own tangent.

    Args:
        f: of any shape, as are all others.
        out: the light; overwritten.
        spare: overwritten.
        darkest: DELTA everywhere: NumPy is faster with it than with a number.
    """
    np.maximum(f, darkest, out=spare)
    np.multiply(spare, spare, out=out)
    out *= spare
    np.subtract(f, spare, out=spare)
    spare *= np.float32(3 * DELTA**2)
    out += spare


def _mixed(light: Float32, out: Float32, spare: Float32) -> Float32:
    """Return in ``out`` linear sRGB (3, N), in steps, of light (3, N); ``spare`` is overwritten."""
    x, y, z = LIGHT_FROM_XYZ.T[..., None]
    np.multiply(light[0], x, out=out)
    out += np.multiply(light[1], y, out=spare)
    out += np.multiply(light[2], z, out=spare)
    return out


def _pack(steps: Int32, out: Array) -> None:
    """Write 8-bit levels (r, W, 4): each pixel as one number, whose bytes are its channels."""
    red, green, blue = _packed_levels()
    packed = out.reshape(-1).view(np.uint32)
    red.take(steps[0], out=packed, mode="clip")
    packed |= green.take(steps[1], mode="clip")
    packed |= blue.take(steps[2], mode="clip")


def _deep(linear: Float32, dtype: np.dtype[Any]) -> Array:
    """Return 16-bit levels or fractions of white of steps of linear light (N), overwritten."""
    np.clip(linear, 0, STEPS, out=linear)
    linear *= np.float32(1 / STEPS)
    if dtype != np.uint16:
        return color.linear_to_srgb(linear)
    np.sqrt(linear, out=linear)
    linear *= np.float32(STEPS - 1)
    linear += np.float32(0.5)
    return deep_levels().take(linear.astype(np.int32), mode="clip")


def _into_gamut(channels: Array, linear: Float32, curves: Float32, suspects: Array) -> None:
    """Reduce the chroma of those of some pixels that are outside sRGB; write what they become.

    Args:
        channels: (3, N), steps of linear light; overwritten where that is needed.
        linear: (3, N), the same before it was rounded.
        curves: (3, N), fx, fy and fz.
        suspects: numbers of the pixels that are looked at.
    """
    red, green, blue = linear.take(suspects, axis=1)
    low = np.minimum(np.minimum(red, green), blue)
    high = np.maximum(np.maximum(red, green), blue)
    outside = suspects[(low < FLOOR) | (high > CEILING)]
    if not len(outside):
        return
    fx, fy, fz = curves.take(outside, axis=1)
    u, v = fx - fy, fz - fy
    a, b = 500 * u, -200 * v
    chroma = np.sqrt(a * a + b * b)
    hue = (_turn(a, b) * np.float32(GAMUT_HUES / 4)).astype(np.int32) % GAMUT_HUES
    level = np.clip((116 * fy - 16) * np.float32((GAMUT_LEVELS - 1) / 100), 0, GAMUT_LEVELS - 1)
    cell = level.astype(np.int32) * GAMUT_HUES + hue
    scale = np.minimum(1, chroma_table().take(cell) / np.maximum(chroma, np.float32(1e-6)))
    inside = np.stack([fy + scale * u, fy, fy + scale * v])
    light, spare = np.empty_like(inside), np.empty_like(inside)
    _light_of(inside, light, spare, np.full_like(inside, DELTA))
    for channel, mapped in zip(channels, _mixed(light, inside, spare), strict=True):
        channel[outside] = mapped


def _turn(a: Float32, b: Float32) -> Float32:
    """Return in [0, 4] how far around (a, b) lies, by the square |a| + |b| = 1, not by a circle.

    Additions and a division: to the bit the same in any language, which arc tangents are not.
    """
    along = a / np.maximum(np.abs(a) + np.abs(b), np.float32(1e-6))
    return np.where(b >= 0, 1 - along, 3 + along)


def curve_of(pixels: Array, out: Float32) -> None:
    """Write CIELAB's fy = (L* + 16) / 116 of rows of pixels into ``out`` (r * W)."""
    if pixels.dtype.kind != "u":
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=-1)
        out[:] = (color.srgb_to_lab(pixels)[..., 0].reshape(-1) + 16) / 116
        return
    most = int(np.iinfo(pixels.dtype).max)
    if pixels.ndim == 2:
        curve_of_grey(most).take(pixels.reshape(-1), out=out, mode="clip")
        return
    luminance = out
    red, green, blue = luminance_of(most)
    red.take(pixels[..., 0].reshape(-1), out=luminance, mode="clip")
    luminance += green.take(pixels[..., 1].reshape(-1), mode="clip")
    luminance += blue.take(pixels[..., 2].reshape(-1), mode="clip")
    # A cube root takes four times as long as two look-ups and a line between them.
    luminance *= np.float32(ROOT_STEPS)
    cell = np.minimum(luminance.astype(np.int32), ROOT_STEPS - 1)
    luminance -= cell.astype(np.float32)
    root = root_table()
    start = root.take(cell)
    luminance *= root[1:].take(cell) - start
    out += start


@lru_cache(maxsize=1)
def _packed_levels() -> npt.NDArray[np.uint32]:
    """Return (3, steps): the level of each step of linear light as a byte of a pixel of 4 bytes.

    That of green stands in the second byte in memory, that of blue in the third.
    """
    packed = np.zeros((3, STEPS, 4), np.uint8)
    for channel in range(3):
        packed[channel, :, channel] = levels()
    return packed.view(np.uint32)[..., 0]
