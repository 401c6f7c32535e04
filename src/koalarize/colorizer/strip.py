"""A strip of rows: the arithmetic of each pixel, from lightness and the planes of chroma to sRGB.

Not here: where the planes come from (``colorizer.merge``). Few passes over buffers that stay in the
cache. Products of 3 × 3 matrices are written out: BLAS would start its threads for each strip.

All is in the units of CIELAB's curve f: fx = fy + a/500, fz = fy - b/200, and L* = 116 fy - 16.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.color import DELTA, LINEAR_FROM_XYZ, XYZ_FROM_LINEAR

__all__ = ["STRIP_PIXELS", "Strip"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

#: Pixels of a strip: enough to be worth some sixty calls of NumPy. Of 2^12 to 2^17 the last was the
#: fastest (12 MP, two cores of a Zen 3 with 512 kB of L2 each, 2026-11-29).
STRIP_PIXELS = 1 << 17
#: Of linear light: a twentieth of an 8-bit level where sRGB's curve is steepest.
_STEPS = 1 << 16
_TOLERANCE = 1e-4 * _STEPS  # as ``color.in_gamut`` has it
_LIGHT_FROM_XYZ = LINEAR_FROM_XYZ * np.float32(_STEPS)
_GAMUT_LEVELS = 128  # lightnesses of the gamut table
_GAMUT_HUES = 180


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
        _curve_of(pixels, curves[1])
        np.multiply(planes[:2], curves[1], out=curves[::2])
        curves[::2] += planes[2:]
        _light_of(curves, light, spare, _part(self._darkest, 3, count))
        linear = _mixed(light, planes[:3], spare)
        if out.dtype == np.uint8:
            steps = spare.view(np.int32)
            np.copyto(steps, linear, casting="unsafe")
            beyond = (steps[0] | steps[1] | steps[2]).view(np.uint32)  # negative ones are large
            if beyond.max() >= _STEPS:
                _into_gamut(steps, linear, curves, np.flatnonzero(beyond >= _STEPS))
            _pack(steps, out)
        else:
            if linear.min() < -_TOLERANCE or linear.max() > _STEPS + _TOLERANCE:
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
    x, y, z = _LIGHT_FROM_XYZ.T[..., None]
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
    np.clip(linear, 0, _STEPS, out=linear)
    linear *= np.float32(1 / _STEPS)
    if dtype != np.uint16:
        return color.linear_to_srgb(linear)
    np.sqrt(linear, out=linear)
    linear *= np.float32(_STEPS - 1)
    linear += np.float32(0.5)
    return _deep_levels().take(linear.astype(np.int32), mode="clip")


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
    outside = suspects[(low < -_TOLERANCE) | (high > _STEPS + _TOLERANCE)]
    if not len(outside):
        return
    fx, fy, fz = curves.take(outside, axis=1)
    u, v = fx - fy, fz - fy
    a, b = 500 * u, -200 * v
    chroma = np.sqrt(a * a + b * b)
    hue = np.arctan2(b, a) * np.float32(_GAMUT_HUES / (2 * np.pi)) + np.float32(_GAMUT_HUES)
    level = np.clip((116 * fy - 16) * np.float32((_GAMUT_LEVELS - 1) / 100), 0, _GAMUT_LEVELS - 1)
    cell = level.astype(np.int32) * _GAMUT_HUES + hue.astype(np.int32) % _GAMUT_HUES
    scale = np.minimum(1, _chroma_table().take(cell) / np.maximum(chroma, np.float32(1e-6)))
    inside = np.stack([fy + scale * u, fy, fy + scale * v])
    light, spare = np.empty_like(inside), np.empty_like(inside)
    _light_of(inside, light, spare, np.full_like(inside, DELTA))
    for channel, mapped in zip(channels, _mixed(light, inside, spare), strict=True):
        channel[outside] = mapped


def _curve_of(pixels: Array, out: Float32) -> None:
    """Write CIELAB's fy = (L* + 16) / 116 of rows of pixels into ``out`` (r * W)."""
    if pixels.dtype.kind != "u":
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=-1)
        out[:] = (color.srgb_to_lab(pixels)[..., 0].reshape(-1) + 16) / 116
        return
    most = int(np.iinfo(pixels.dtype).max)
    if pixels.ndim == 2:
        _curve_of_grey(most).take(pixels.reshape(-1), out=out, mode="clip")
        return
    luminance = out
    red, green, blue = _luminance_of(most)
    red.take(pixels[..., 0].reshape(-1), out=luminance, mode="clip")
    luminance += green.take(pixels[..., 1].reshape(-1), mode="clip")
    luminance += blue.take(pixels[..., 2].reshape(-1), mode="clip")
    # A cube root, by logarithms four times as fast, and below DELTA**3 its own tangent.
    root = np.maximum(luminance, np.float32(DELTA**3))
    luminance -= root
    luminance *= np.float32(1 / (3 * DELTA**2))
    np.log(root, out=root)
    root *= np.float32(1 / 3)
    out += np.exp(root, out=root)


@lru_cache(maxsize=2)
def _curve_of_grey(most: int) -> Float32:
    """Return fy of each grey level up to ``most``."""
    grey = np.arange(most + 1, dtype=np.uint8 if most == 255 else np.uint16)
    return ((color.grey_to_lightness(grey) + 16) / 116).astype(np.float32)


@lru_cache(maxsize=2)
def _luminance_of(most: int) -> Float32:
    """Return (3, levels): what each level of each channel adds to the luminance, white being 1."""
    linear = color.srgb_to_linear(np.arange(most + 1) / most)
    return XYZ_FROM_LINEAR[1][:, None] * linear


@lru_cache(maxsize=1)
def _packed_levels() -> npt.NDArray[np.uint32]:
    """Return (3, steps): the 8-bit level of each step of linear light, taken at its middle.

    That of green stands in the second byte in memory, that of blue in the third.
    """
    levels = np.rint(_srgb_of((np.arange(_STEPS) + 0.5) / _STEPS) * 255).astype(np.uint8)
    packed = np.zeros((3, _STEPS, 4), np.uint8)
    for channel in range(3):
        packed[channel, :, channel] = levels
    return packed.view(np.uint32)[..., 0]


@lru_cache(maxsize=1)
def _deep_levels() -> npt.NDArray[np.uint16]:
    """Return the 16-bit level of each step of the square root of linear light.

    Roots keep dark levels apart: no level is more than one off.
    """
    return np.rint(_srgb_of((np.arange(_STEPS) / (_STEPS - 1)) ** 2) * 65535).astype(np.uint16)


def _srgb_of(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


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
