"""ICC profiles: what a picture's own profile means in sRGB, and the sRGB profile to hand out.

Not here: the sRGB and CIELAB formulas (``color``), files (``photo``). A profile that is damaged or
that belongs to another kind of picture is ignored, and a note says so.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = [
    "has_our_profile",
    "srgb_profile",
    "strip_to_srgb",
    "through_profile",
]

Array = npt.NDArray[Any]

_CHUNK_PIXELS = 1 << 18
_FIXED_DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # so that equal pictures are equal files
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """Return the ICC profile of sRGB, the same bytes on every day."""
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + _FIXED_DATE + profile[36:]


def has_our_profile(path: Path) -> bool:
    """Tell whether a picture's file holds the very profile that results get, date and all."""
    try:
        with Image.open(path) as image:
            return image.info.get("icc_profile") == srgb_profile()
    except (OSError, ValueError, SyntaxError):
        return False


def through_profile(pixels: Array, icc: bytes) -> tuple[Array, tuple[str, ...]]:
    """Convert pixels from the space of an ICC profile to sRGB.

    Args:
        pixels: (H, W) uint8 or uint16, or (H, W, 3) uint8, which is changed in place.
        icc: the profile, of a grey or an RGB space.

    Returns:
        Pixels of the same shape and dtype; as they were if the profile says sRGB to within one
        8-bit level, or if it cannot be used, which is noted.
    """
    try:
        if pixels.ndim == 2:
            curve = _grey_curve(icc, pixels.dtype)
            return pixels if curve is None else curve[pixels], ()
        return _color_to_srgb(pixels, icc), ()
    except _errors() as error:
        return pixels, (_ignored(error),)


def strip_to_srgb(
    icc: bytes | None,
) -> tuple[Callable[[Image.Image], Image.Image], tuple[str, ...]]:
    """Return the function that turns a part of a CMYK picture into an sRGB one, and notes.

    Without a usable profile CMYK is converted by Pillow's plain formula.
    """
    try:
        if icc:
            return partial(_apply, _transform(_open(icc), _srgb(), "CMYK", "RGB")), ()
    except _errors() as error:
        return _plain, (_ignored(error),)
    return _plain, ()


def _color_to_srgb(pixels: Array, icc: bytes) -> Array:
    transform = _transform(_open(icc), _srgb(), "RGB", "RGB")
    steps = np.linspace(0, 255, 6).astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(6, 36, 3)
    moved = np.asarray(_apply(transform, Image.fromarray(lattice)))
    if np.abs(moved.astype(np.int16) - lattice).max() <= 1:
        return pixels
    rows = max(1, _CHUNK_PIXELS // pixels.shape[1])
    for top in range(0, len(pixels), rows):
        part = pixels[top : top + rows]
        part[:] = np.asarray(_apply(transform, Image.fromarray(part)))
    return pixels


def _grey_curve(icc: bytes, dtype: np.dtype[Any]) -> Array | None:
    """Return the table from the profile's grey levels to sRGB's, or None if they are the same."""
    profile = _open(icc)
    levels = int(np.iinfo(dtype).max)
    ramp = np.arange(levels + 1).astype(dtype)
    if profile.profile.xcolor_space.strip() == "GRAY":
        mode = "L" if levels == 255 else "I;16"
        transform = _transform(profile, _open(_grey_srgb_profile()), mode, mode, exact=True)
        image = Image.frombytes(
            mode, (256, len(ramp) // 256), ramp.astype(f"<u{dtype.itemsize}").tobytes()
        )
        curve = np.asarray(_apply(transform, image)).ravel()
    else:  # a neutral picture that carries the profile of an RGB space
        transform = _transform(profile, _srgb(), "RGB", "RGB", exact=True)
        neutral = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)
        coarse = np.asarray(_apply(transform, Image.fromarray(neutral)))[0].mean(-1)
        scale = levels / 255
        curve = np.interp(ramp, np.arange(256) * scale, coarse * scale).round()
    if np.abs(curve.astype(np.int64) - ramp).max() <= levels // 255:
        return None
    return curve.astype(dtype)


@lru_cache(maxsize=1)
def _grey_srgb_profile() -> bytes:
    """Build the ICC profile (version 4) of a grey space with the curve of sRGB.

    Pillow has none, and Little CMS writes 16-bit grey only into a grey space.
    """

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))

    def text(words: str) -> bytes:
        utf16 = words.encode("utf-16-be")
        return b"mluc" + struct.pack(">3I4s2I", 0, 1, 12, b"enUS", len(utf16), 28) + utf16

    white = fixed(0.9642, 1.0, 0.8249)  # D50, the white of ICC's connection space
    tags = {
        b"desc": text("Grey with the sRGB curve"),
        b"cprt": text("Public domain"),
        b"wtpt": b"XYZ \0\0\0\0" + white,
        b"kTRC": b"para" + struct.pack(">IHH", 0, 3, 0) + fixed(*_SRGB_CURVE),
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(value))
        body += value + b"\0" * (-len(value) % 4)
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x04400000, b"mntr", b"GRAY", b"XYZ ")
    header += _FIXED_DATE + b"acsp" + b"\0" * 28 + white
    return header.ljust(128, b"\0") + table + body


def _open(icc: bytes) -> Any:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(io.BytesIO(icc))


def _srgb() -> Any:
    return _open(srgb_profile())


def _transform(
    source: Any, target: Any, source_mode: str, target_mode: str, *, exact: bool = False
) -> Any:
    from PIL import ImageCms

    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if exact:  # Little CMS is faster with a straight line for the darkest 2 % of every curve
        flags |= ImageCms.Flags.NOOPTIMIZE
    return ImageCms.buildTransform(
        source,
        target,
        source_mode,
        target_mode,
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags,
    )


def _plain(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def _apply(transform: Any, image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    moved = ImageCms.applyTransform(image, transform)
    assert moved is not None  # None comes only with inPlace
    return moved


def _errors() -> tuple[type[Exception], ...]:
    from PIL import ImageCms

    return (ImageCms.PyCMSError, OSError, ValueError, TypeError)


def _ignored(error: Exception) -> str:
    return f"its colour profile cannot be used ({error}): its pixels are taken as sRGB"
