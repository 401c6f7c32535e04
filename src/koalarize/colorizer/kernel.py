"""The compiled half of ``colorizer.strip``: the same arithmetic, the same bytes, in less time.

Not here: the arithmetic (``colorizer/merge_rows.c``), its tables (``colorizer.tables``). The
library is compiled when the package is built (``build_kernel.py`` beside ``pyproject.toml``) and
called through ctypes, which gives the interpreter lock back. Where it is missing, or with
KOALARIZE_KERNEL=off, NumPy does the same; with KOALARIZE_KERNEL=plain it does without AVX2.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.color import DELTA
from koalarize.colorizer import tables

__all__ = ["SOURCE", "SUFFIX", "available", "merge_rows", "takes", "widen"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

SOURCE = Path(__file__).with_name("merge_rows.c")
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_POINTER, _STEP, _NUMBER = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int32


class _Tables(ctypes.Structure):
    """``struct koalarize_tables``."""

    _fields_ = (
        *((name, _POINTER) for name in ("grey", "luminance", "root", "levels", "deep")),
        *((name, _POINTER) for name in ("chroma", "mix")),
        *((name, ctypes.c_float) for name in ("darkest", "tangent", "floor", "ceiling")),
        *((name, _NUMBER) for name in ("steps", "root_steps", "gamut_levels", "gamut_hues")),
    )


class _Rows(ctypes.Structure):
    """``struct koalarize_rows``."""

    _fields_ = (
        ("pixels", _POINTER),
        *((name, _STEP) for name in ("pixel_row", "pixel_step")),
        *((name, _NUMBER) for name in ("bytes", "channels")),
        ("across", _POINTER),
        *((name, _STEP) for name in ("across_plane", "across_row")),
        *((name, _POINTER) for name in ("upper", "lower", "weights", "out")),
        ("out_row", _STEP),
        *((name, _NUMBER) for name in ("rows", "width")),
    )


def available() -> bool:
    """Tell whether the library is there, built from these sources, and not switched off."""
    return os.environ.get("KOALARIZE_KERNEL") != "off" and _library() is not None


def takes(pixels: Array) -> bool:
    """Tell whether the library merges pixels of this kind: unsigned of 8 or 16 bits, native."""
    return pixels.dtype.isnative and str(pixels.dtype) in ("uint8", "uint16")


def merge_rows(
    pixels: Array, across: Float32, upper: Rows, lower: Rows, weights: Float32, out: Array
) -> None:
    """Colour rows, as ``Strip.merge`` does, to the byte.

    Args:
        pixels: (r, W) or (r, W, 3), sRGB, of a kind that the library takes.
        across: (4, h, W): slopes of fx and fz, and their offsets.
        upper: (r,) for each row of pixels the row of ``across`` above it.
        lower: (r,) the row below it.
        weights: (r,) the share of the lower one.
        out: (r, W, 4) of uint8, or (r, W, 3) of uint16; overwritten.

    Raises:
        ValueError: if the library is not there or an array is of another shape.
    """
    library = _library()
    rows, width = out.shape[:2]
    last = {1: 4, 2: 3}[out.itemsize]
    fits = pixels.shape[:2] == (rows, width) and pixels.shape[2:] in ((), (3,))
    fits = fits and across.shape[::2] == (4, width) and pixels.dtype == out.dtype
    fits = fits and len(upper) == len(lower) == len(weights) == rows and out.shape[2:] == (last,)
    fits = fits and out.flags.c_contiguous and out.flags.writeable
    for chosen in (upper, lower):
        fits = fits and bool(((chosen >= 0) & (chosen < across.shape[1])).all())
    if library is None or not fits or not takes(pixels):
        raise ValueError("the arrays do not fit each other, or the library is not there")
    pixels = _apart(pixels)
    if across.strides[2] != across.itemsize:
        across = np.ascontiguousarray(across)
    upper, lower = np.ascontiguousarray(upper), np.ascontiguousarray(lower)
    weights = np.ascontiguousarray(weights, np.float32)
    job = _Rows(
        pixels.ctypes.data, pixels.strides[0], pixels.strides[1],
        pixels.itemsize, 1 if pixels.ndim == 2 else 3,
        across.ctypes.data, across.strides[0] // 4, across.strides[1] // 4,
        upper.ctypes.data, lower.ctypes.data, weights.ctypes.data,
        out.ctypes.data, out.strides[0], rows, width,
    )  # fmt: skip
    known, _kept = _known(int(np.iinfo(pixels.dtype).max))
    wide = os.environ.get("KOALARIZE_KERNEL") != "plain"
    library.koalarize_merge_rows(ctypes.byref(known), ctypes.byref(job), ctypes.c_int(wide))


def widen(planes: Float32, left: Rows, right: Rows, weights: Float32) -> Float32:
    """Interpolate along the last axis: weights * (planes[right] - planes[left]) + planes[left].

    Args:
        planes: (C, h, w).
        left: (W,) places on the last axis.
        right: (W,) places on the last axis.
        weights: (W,) the share of the right one.

    Returns:
        (C, h, W).

    Raises:
        ValueError: if the library is not there or an array is of another shape.
    """
    library, width = _library(), planes.shape[2]
    fits = left.shape == right.shape == weights.shape == (len(left),)
    for chosen in (left, right):
        fits = fits and bool(((chosen >= 0) & (chosen < width)).all())
    if library is None or not fits:
        raise ValueError("the arrays do not fit each other, or the library is not there")
    planes = np.ascontiguousarray(planes, np.float32)
    places = [np.ascontiguousarray(chosen, np.int64) for chosen in (left, right)]
    weights = np.ascontiguousarray(weights, np.float32)
    out = np.empty((*planes.shape[:2], len(left)), np.float32)
    library.koalarize_widen(
        _POINTER(planes.ctypes.data), ctypes.c_int64(planes.shape[0] * planes.shape[1]),
        ctypes.c_int64(width), *(_POINTER(chosen.ctypes.data) for chosen in (*places, weights)),
        _POINTER(out.ctypes.data), ctypes.c_int64(len(left)),
    )  # fmt: skip
    return out


def _apart(pixels: Array) -> Array:
    """Return pixels whose samples lie side by side and on addresses of their own size."""
    aligned = all(step % pixels.itemsize == 0 for step in (pixels.ctypes.data, *pixels.strides))
    together = pixels.ndim == 2 or pixels.strides[2] == pixels.itemsize
    return pixels if aligned and together else np.ascontiguousarray(pixels)


@lru_cache(maxsize=2)
def _known(most: int) -> tuple[_Tables, list[Array]]:
    """Return the tables for levels up to ``most``, and the arrays they point into."""
    arrays: list[Array] = [
        tables.curve_of_grey(most), np.ascontiguousarray(tables.luminance_of(most)),
        tables.root_table(), tables.levels(), tables.deep_levels(),
        np.ascontiguousarray(tables.chroma_table()), np.ascontiguousarray(tables.LIGHT_FROM_XYZ),
    ]  # fmt: skip
    numbers = (DELTA, 3 * DELTA**2, tables.FLOOR, tables.CEILING)
    counts = (tables.STEPS, tables.ROOT_STEPS, tables.GAMUT_LEVELS, tables.GAMUT_HUES)
    return _Tables(*(array.ctypes.data for array in arrays), *numbers, *counts), arrays


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    """Load the library, if it is there and was built from ``SOURCE`` as it is now."""
    path = SOURCE.with_suffix(SUFFIX)
    if sys.byteorder != "little" or not path.is_file():
        return None
    try:
        library = ctypes.CDLL(str(path))
        library.koalarize_source.restype = ctypes.c_char_p
        built_from = library.koalarize_source()
        library.koalarize_merge_rows.restype = None
        library.koalarize_widen.restype = None
    except (OSError, AttributeError):  # of another kind of machine, or another library
        return None
    source = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    return library if source.startswith(built_from.decode()) else None
