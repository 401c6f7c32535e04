"""CIELAB science in NumPy: conversions, gamut, colorfulness.

Not here: the ab bins of classifying networks (``color.bins``), pictures as files (``photo.photo``).
Everything that needs sRGB <-> Lab, at training, inference or evaluation, calls this module.

Lab is CIELAB with the D65 white point and the 2 degree observer: L* in [0, 100], a* and b* in Lab
units. Matrix and white point are those of scikit-image, so both agree to 1e-3 Delta E.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.color.curve import light_to_srgb, srgb_to_light
from koalarize.color.rows import by_rows

__all__ = [
    "DELTA",
    "DELTA_OFFSET",
    "LINEAR_FROM_XYZ",
    "XYZ_FROM_LINEAR",
    "colorfulness",
    "gamut_scale",
    "grey_to_lightness",
    "hex_to_srgb",
    "in_gamut",
    "lab_to_hex",
    "lab_to_linear",
    "lab_to_srgb",
    "linear_to_srgb",
    "map_to_gamut",
    "mean_chroma",
    "srgb_to_hex",
    "srgb_to_lab",
    "srgb_to_linear",
]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

#: Where CIELAB's curve turns from a line into a cube root (CIE 15:2004).
DELTA = 6 / 29
#: Where that line crosses zero.
DELTA_OFFSET = 4 / 29

_XYZ_FROM_LINEAR_SRGB = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE_D65 = np.array([0.95047, 1.0, 1.08883])

#: Linear sRGB -> XYZ relative to white, and back; multiply column vectors.
XYZ_FROM_LINEAR: Float32 = (_XYZ_FROM_LINEAR_SRGB / _WHITE_D65[:, None]).astype(np.float32)
LINEAR_FROM_XYZ: Float32 = np.linalg.inv(_XYZ_FROM_LINEAR_SRGB / _WHITE_D65[:, None]).astype(
    np.float32
)

_CHUNK_PIXELS = 1 << 14  # small enough that the dozen temporaries of a chunk stay in the L2 cache
_GAMUT_STEPS = 12  # bisection steps: chroma is found to 1/4096 of its value


def srgb_to_lab(srgb: Array, *, threads: int = 1) -> Float32:
    """Convert sRGB pixels to CIELAB.

    Args:
        srgb: (..., 3), uint8, uint16, or floating point in [0, 1].
        threads: how many threads share the work; 0 takes one a core.

    Returns:
        (..., 3) float32: L* in [0, 100], a* and b* in Lab units.

    Raises:
        ValueError: if the last axis is not 3 or the dtype is none of the above.
    """
    pixels = _pixels(srgb, "srgb")
    if pixels.dtype.kind == "f":
        table = None
    elif str(pixels.dtype) in ("uint8", "uint16"):
        table = _linear_table(np.iinfo(pixels.dtype).max)
    else:
        raise ValueError(f"`srgb` has dtype {pixels.dtype} but must be uint8, uint16 or float")

    def convert(source: Array, target: Array) -> None:
        linear = [
            table[source[:, i]] if table is not None else srgb_to_linear(source[:, i])
            for i in range(3)
        ]
        fx, fy, fz = (
            _cie_curve(row[0] * linear[0] + row[1] * linear[1] + row[2] * linear[2])
            for row in XYZ_FROM_LINEAR
        )
        target[:, 0] = 116 * fy - 16
        target[:, 1] = 500 * (fx - fy)
        target[:, 2] = 200 * (fy - fz)

    return _by_chunks(convert, pixels, np.dtype(np.float32), threads).reshape(srgb.shape)


def lab_to_srgb(lab: Array, *, dtype: npt.DTypeLike = np.float32, threads: int = 1) -> Array:
    """Convert CIELAB pixels to sRGB.

    Values outside the sRGB gamut are clipped per channel, which changes lightness and hue: call
    ``map_to_gamut`` first where that matters.

    Args:
        lab: (..., 3), L* in [0, 100], a* and b* in Lab units.
        dtype: float32 gives [0, 1]; uint8 and uint16 are rounded to the nearest level.
        threads: how many threads share the work; 0 takes one a core.

    Returns:
        (..., 3) of the given dtype.
    """
    pixels = _pixels(lab, "lab")
    out_dtype: np.dtype[Any] = np.dtype(dtype)
    if str(out_dtype) not in ("float32", "uint8", "uint16"):
        raise ValueError(f"`dtype` is {out_dtype} but must be float32, uint8 or uint16")

    def convert(source: Array, target: Array) -> None:
        srgb = linear_to_srgb(lab_to_linear(source))
        if out_dtype == np.float32:
            target[:] = srgb
        else:
            levels = np.iinfo(out_dtype).max
            target[:] = (srgb * np.float32(levels) + np.float32(0.5)).astype(out_dtype)

    return _by_chunks(convert, pixels, out_dtype, threads).reshape(lab.shape)


def lab_to_linear(lab: Array) -> Float32:
    """Convert CIELAB (..., 3) to linear sRGB (..., 3); outside [0, 1] is out of gamut."""
    lab = np.asarray(lab, np.float32)
    fy = (lab[..., 0] + 16) / 116
    xyz = [_cie_curve_inverse(f) for f in (fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200)]
    out = np.empty(lab.shape, np.float32)
    for i, row in enumerate(LINEAR_FROM_XYZ):
        out[..., i] = row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2]
    return out


def srgb_to_linear(srgb: Array) -> Float32:
    """Undo the sRGB transfer curve (IEC 61966-2-1) of values in [0, 1]."""
    return srgb_to_light(np.asarray(srgb, np.float32))


def linear_to_srgb(linear: Array) -> Float32:
    """Apply the sRGB transfer curve (IEC 61966-2-1); values are clipped to [0, 1]."""
    return light_to_srgb(np.clip(np.asarray(linear, np.float32), 0, 1))


def grey_to_lightness(grey: Array) -> Float32:
    """Return L* in [0, 100] of grey sRGB levels (any shape, uint8 or uint16), by table."""
    if str(grey.dtype) not in ("uint8", "uint16"):
        raise ValueError(f"`grey` has dtype {grey.dtype} but must be uint8 or uint16")
    return _lightness_table(int(np.iinfo(grey.dtype).max))[grey]


def in_gamut(lab: Array, *, tolerance: float = 1e-4) -> npt.NDArray[np.bool_]:
    """Tell which CIELAB colours (..., 3) sRGB can show.

    Args:
        lab: (..., 3), L* in [0, 100], a* and b* in Lab units.
        tolerance: how far a linear channel may leave [0, 1]; the default is far below one 8-bit
            level and keeps white and black, which rounding puts a hair outside, inside.
    """
    linear = lab_to_linear(lab)
    return np.all((linear >= -tolerance) & (linear <= 1 + tolerance), axis=-1)


def map_to_gamut(lab: Array) -> Float32:
    """Bring CIELAB colours (..., 3) into sRGB by reducing chroma at constant L* and hue.

    Colours inside the gamut are returned as they are. L* is clipped to [0, 100].
    """
    out = np.array(lab, np.float32)
    out[..., 0] = np.clip(out[..., 0], 0, 100)
    outside = ~in_gamut(out)
    if outside.any():
        out[outside, 1:] *= gamut_scale(out[outside])[:, None]
    return out


def gamut_scale(lab: Array) -> Float32:
    """Return (N,) the largest factor <= 1 on the chroma of ``lab`` (N, 3) that stays in sRGB.

    Found by bisection: at constant L* and hue the in-gamut chromas form an interval from 0.
    """
    low = np.zeros(len(lab), np.float32)
    high = np.ones(len(lab), np.float32)
    probe = np.array(lab, np.float32)
    for _ in range(_GAMUT_STEPS):
        middle = (low + high) / 2
        probe[:, 1:] = lab[:, 1:] * middle[:, None]
        inside = in_gamut(probe)
        low = np.where(inside, middle, low)
        high = np.where(inside, high, middle)
    return low


def hex_to_srgb(text: str) -> npt.NDArray[np.uint8]:
    """Return (3,) levels of ``#rrggbb`` or ``#rgb``, with or without the ``#``.

    Raises:
        ValueError: if it is neither.
    """
    digits = text.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    if len(digits) != 6:
        raise ValueError(f"`{text}` must be #rrggbb, as in `#c03020`")
    return np.array([int(digits[at : at + 2], 16) for at in (0, 2, 4)], np.uint8)


def srgb_to_hex(srgb: npt.NDArray[np.uint8]) -> str:
    """Return ``#rrggbb`` of (3,) levels."""
    return "#" + "".join(f"{level:02x}" for level in srgb.tolist())


def lab_to_hex(lab: Array) -> str:
    """Return ``#rrggbb`` of a Lab colour (3,), brought into sRGB by its chroma."""
    return srgb_to_hex(lab_to_srgb(map_to_gamut(lab[None]), dtype=np.uint8)[0])


def colorfulness(srgb: Array) -> float:
    """Measure how colourful a picture is (Hasler & Süsstrunk 2003, metric M3).

    Args:
        srgb: (..., 3), uint8, or floating point in [0, 1].

    Returns:
        sigma + 0.3 mu of the signed opponent channels on the 0..255 scale: 0 for grey, about 33 for
        a moderately colourful picture, above 80 for an extremely colourful one.
    """
    scale = 1.0 if srgb.dtype == np.uint8 else 255.0
    r, g, b = (np.asarray(srgb[..., i], np.float32) * np.float32(scale) for i in range(3))
    rg = r - g
    yb = (r + g) / 2 - b
    spread = np.hypot(rg.std(dtype=np.float64), yb.std(dtype=np.float64))
    return float(spread + 0.3 * np.hypot(rg.mean(dtype=np.float64), yb.mean(dtype=np.float64)))


def mean_chroma(srgb: Array) -> float:
    """Return the mean chroma (Lab units) of (H, W, 3) sRGB, on a grid of some 24 × 24 points.

    A picture with three equal channels has 0; a toned or slightly tinted one a few units. What is
    too little depends on what the colours are for: each caller has its own bound.
    """
    step = max(1, min(srgb.shape[:2]) // 24)
    ab = srgb_to_lab(np.ascontiguousarray(srgb[::step, ::step]))[..., 1:]
    return float(np.hypot(ab[..., 0], ab[..., 1]).mean())


def _by_chunks(
    convert: Callable[[Array, Array], None], pixels: Array, dtype: np.dtype[Any], threads: int
) -> Array:
    out = np.empty(pixels.shape, dtype)

    def work(start: int, stop: int) -> None:
        convert(pixels[start:stop], out[start:stop])

    by_rows(work, len(pixels), _CHUNK_PIXELS, threads)
    return out


def _pixels(array: Array, name: str) -> Array:
    if array.ndim < 1 or array.shape[-1] != 3:
        raise ValueError(f"`{name}` has shape {array.shape} but its last axis must be 3")
    return array.reshape(-1, 3)


def _cie_curve(t: Float32) -> Float32:
    return np.where(
        t > DELTA**3, np.cbrt(t), t * np.float32(1 / (3 * DELTA**2)) + np.float32(DELTA_OFFSET)
    )


def _cie_curve_inverse(f: Array) -> Float32:
    # Below DELTA the curve goes on as its own tangent, so one clamped cube and a line do for both.
    clamped = np.maximum(f, np.float32(DELTA))
    return clamped * clamped * clamped + np.float32(3 * DELTA**2) * (f - clamped)


@lru_cache(maxsize=2)
def _linear_table(levels: int) -> Float32:
    return srgb_to_light(np.arange(levels + 1, dtype=np.float64) / levels).astype(np.float32)


@lru_cache(maxsize=2)
def _lightness_table(levels: int) -> Float32:
    linear = _linear_table(levels).astype(np.float64)
    luminance = linear * float(_XYZ_FROM_LINEAR_SRGB[1].sum())
    curve = np.where(
        luminance > DELTA**3, np.cbrt(luminance), luminance / (3 * DELTA**2) + DELTA_OFFSET
    )
    return (116 * curve - 16).astype(np.float32)
