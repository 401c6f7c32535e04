"""Samples that Pillow has no mode for, and their way to sRGB pixels of 8 or 16 bits.

Not here: TIFF's samples (``tiff_pixels``). A 16-bit PNG is decoded by Pillow all the same: its
bytes are asked for, first the high and then the low ones.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from koalarize.photo.matrix_profiles import wide_colors_to_srgb
from koalarize.photo.png_chunks import SIGNATURE, chunk
from koalarize.photo.profiles import pixels_to_srgb
from koalarize.photo.read import is_neutral_throughout, pixels_of, wide_to_uint16

__all__ = [
    "Samples",
    "is_deep_png",
    "is_deep_ppm",
    "png_samples",
    "ppm_samples",
    "srgb_of_samples",
]

Array = npt.NDArray[Any]

_RGB, _GREY_ALPHA, _RGBA = 2, 4, 6  # color types of PNG
_HEADER = slice(16, 29)  # where the data of a PNG file's first chunk stand
_FIRST = 33  # and where it ends
_PPM_HEAD = 1024
_BETWEEN = rb"(?:\s|#[^\n]*\n)+"
_PPM = re.compile(
    rb"P6" + _BETWEEN + rb"(\d{1,7})" + _BETWEEN + rb"(\d{1,7})" + _BETWEEN + rb"(\d{1,5})\s"
)


@dataclass(frozen=True)
class Samples:
    """Samples of a picture: (H, W) or (H, W, 3 or 4) of its own dtype, and its alpha.

    Attributes:
        values: grey, RGB or CMYK.
        alpha: (H, W) of the same dtype, or None.
        cmyk: whether the values are CMYK.
        notes: what of the file they lack, a phrase each.
    """

    values: Array
    alpha: Array | None
    cmyk: bool = False
    notes: tuple[str, ...] = ()


def is_deep_png(head: bytes) -> bool:
    """Tell whether a file is a PNG of 16 bits that Pillow brings to 8.

    Args:
        head: its first 26 bytes or more.
    """
    deep = head[24:25] == b"\x10" and head[25:26] != b""
    return head.startswith(SIGNATURE) and deep and head[25] in (_RGB, _GREY_ALPHA, _RGBA)


def png_samples(stream: BinaryIO) -> Samples:
    """Decode a PNG file for which ``is_deep_png`` is true."""
    stream.seek(0)
    data = stream.read()
    kind = data[25]
    if kind == _GREY_ALPHA:  # its rows are, byte by byte, those of 8-bit RGBA
        header = data[_HEADER][:8] + bytes([8, _RGBA]) + data[_HEADER][10:]
        with _opened(SIGNATURE + chunk(b"IHDR", header) + data[_FIRST:]) as image:
            image.load()
            both = np.asarray(image).view(">u2").astype(np.uint16)
        return Samples(np.ascontiguousarray(both[..., 0]), np.ascontiguousarray(both[..., 1]))
    mode = "RGB" if kind == _RGB else "RGBA"
    values = _bytes_of(data, f"{mode};16B").astype(np.uint16) << 8
    values |= _bytes_of(data, f"{mode};16L")  # the little end, in a file of big ones
    if kind == _RGBA:
        return Samples(np.ascontiguousarray(values[..., :3]), np.ascontiguousarray(values[..., 3]))
    with _opened(data) as image:
        clear = image.info.get("transparency")
    alpha = None
    if isinstance(clear, tuple):  # one color that is fully transparent
        shown = (values != np.array(clear, np.uint16)).any(-1)
        alpha = np.where(shown, 65535, 0).astype(np.uint16)
    return Samples(values, alpha)


def is_deep_ppm(head: bytes) -> bool:
    """Tell whether a file begins as a PPM of colors of more than 8 bits, which Pillow halves."""
    found = _PPM.match(head)
    return found is not None and 255 < int(found[3]) < 65536


def ppm_samples(stream: BinaryIO) -> Samples:
    """Decode a PPM file for which ``is_deep_ppm`` is true.

    Raises:
        ValueError: if it is cut short.
    """
    stream.seek(0)
    found = _PPM.match(stream.read(_PPM_HEAD))
    assert found is not None
    width, height, most = (int(number) for number in found.groups())
    stream.seek(found.end())
    data = stream.read(6 * width * height)
    if len(data) < 6 * width * height:
        raise ValueError("image file is truncated")
    levels = np.frombuffer(data, ">u2").reshape(height, width, 3)
    if most < 65535:
        scaled = levels.astype(np.uint32) * 65535 // most
        return Samples(np.minimum(scaled, 65535).astype(np.uint16), None)
    return Samples(levels.astype(np.uint16), None)


def _opened(data: bytes) -> Image.Image:
    return PngImagePlugin.PngImageFile(io.BytesIO(data), "")


def _bytes_of(data: bytes, raw_mode: str) -> Array:
    with _opened(data) as image:
        png = cast(PngImagePlugin.PngImageFile, image)
        png.tile = [tile._replace(args=raw_mode) for tile in png.tile]
        png.load()
        return np.asarray(png)


def srgb_of_samples(samples: Samples, icc: bytes | None, name: str) -> Samples:
    """Bring samples of any depth to sRGB pixels of 8 or 16 bits; (H, W) if they are grey.

    Args:
        samples: of any dtype.
        icc: their profile.
        name: what to call the picture in an error.

    Raises:
        PhotoError: if they are no finite numbers.
    """
    values, alpha, notes = samples.values, samples.alpha, samples.notes
    if values.dtype.kind != "u" or values.dtype.itemsize > 2:
        values = wide_to_uint16(values, name)
        alpha = None if alpha is None else wide_to_uint16(alpha, name)
    if samples.cmyk:
        image = Image.frombytes("CMYK", values.shape[1::-1], _eight_bits(values).tobytes())
        if icc:
            image.info["icc_profile"] = icc
        if values.dtype != np.uint8:
            notes += ("16 bits of CMYK are read as 8",)
        values, _ = pixels_of(image, name)
        alpha = None if alpha is None else _eight_bits(alpha)
        icc = None
    if values.ndim == 3 and is_neutral_throughout(values):
        values = np.ascontiguousarray(values[..., 0])
    if icc:
        if values.ndim == 3 and values.dtype != np.uint8:
            values, shrunk = _through_profile(values, icc, name)
            notes += ("16 bits of color are read as 8, since its profile is a table",) * shrunk
            alpha = _eight_bits(alpha) if alpha is not None and shrunk else alpha
        else:
            values = pixels_to_srgb(values, icc, name)
    return Samples(values, alpha, notes=notes)


def _through_profile(values: Array, icc: bytes, name: str) -> tuple[Array, bool]:
    """Convert 16-bit colors, and tell whether that cost their lower bits."""
    wide = wide_colors_to_srgb(values, icc)
    if wide is not None:
        return wide, False
    before = _eight_bits(values)
    after = pixels_to_srgb(before.copy(), icc, name)
    return (values, False) if np.array_equal(before, after) else (after, True)


def _eight_bits(values: Array) -> Array:
    if values.dtype == np.uint8:
        return values
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
