"""Samples that Pillow has no mode for, and their way to sRGB pixels of 8 or 16 bits.

Not here: TIFF's samples (``tiff_pixels``). A 16-bit PNG is decoded by Pillow all the same: its
bytes are asked for, first the high and then the low ones.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from koalarize.photo.gather import Gathered, band_tops
from koalarize.photo.lab import lab_to_pixels
from koalarize.photo.levels import alpha_to_uint16, wide_to_uint16
from koalarize.photo.matrix_profiles import wide_colors_to_srgb
from koalarize.photo.png_chunks import SIGNATURE, chunk
from koalarize.photo.profiles import through_profile
from koalarize.photo.read import is_neutral_throughout, pixels_of

__all__ = [
    "SPARE",
    "Samples",
    "Space",
    "is_deep_png",
    "is_unusual_pnm",
    "png_samples",
    "pnm_samples",
    "srgb_of_samples",
]

Array = npt.NDArray[Any]

#: What samples mean: levels of grey or RGB, those of which 0 is white, CMYK, and Lab with a* and b*
#: that are signed, or begin at a number of their own as in ICC profiles.
Space = Literal["srgb", "inverted", "cmyk", "lab", "icclab"]

#: What is said of a channel that is neither a color nor the alpha.
SPARE = "a channel beside the colors and the alpha is left out"
_TABLE = "16 bits of color are read as 8, since its profile is a table"
_RGB, _GREY_ALPHA, _RGBA = 2, 4, 6  # color types of PNG
_HEADER = slice(16, 29)  # where the data of a PNG file's first chunk stand
_FIRST = 33  # and where it ends
_PNM_HEAD = 1024
_BETWEEN = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(
    rb"P([56])" + _BETWEEN + rb"(\d{1,7})" + _BETWEEN + rb"(\d{1,7})" + _BETWEEN + rb"(\d{1,5})\s"
)


@dataclass(frozen=True)
class Samples:
    """Samples of a picture: (H, W) or (H, W, 3 or 4) of its own dtype, and its alpha.

    Attributes:
        values: grey, RGB, CMYK or Lab.
        alpha: (H, W) of the same dtype, or None.
        space: what the values mean.
        notes: what of the file they lack, a phrase each.
    """

    values: Array
    alpha: Array | None
    space: Space = "srgb"
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
    head = stream.read(_FIRST)
    kind = head[25]
    if kind == _GREY_ALPHA:  # its rows are, byte by byte, those of 8-bit RGBA
        header = head[_HEADER][:8] + bytes([8, _RGBA]) + head[_HEADER][10:]
        data = SIGNATURE + chunk(b"IHDR", header) + stream.read()
        with _opened(io.BytesIO(data)) as image:
            image.load()
            found = Gathered(image.height, image.width)
            for top, band in _bands_of(image):
                both = band.view(">u2").astype(np.uint16)
                found.put(top, both[..., 0], both[..., 1])
        return Samples(found.values, found.alpha)
    mode = "RGB" if kind == _RGB else "RGBA"
    with _loaded(stream, f"{mode};16B") as image:
        found = Gathered(image.height, image.width)
        for top, band in _bands_of(image):
            high = band.astype(np.uint16) << 8
            found.put(top, high[..., :3], high[..., 3] if kind == _RGBA else None)
    with _loaded(stream, f"{mode};16L") as image:  # the little end, in a file of big ones
        clear = image.info.get("transparency")
        for top, band in _bands_of(image):
            found.change(top, band[..., :3], np.bitwise_or)
            if found.alpha is not None:
                found.alpha[top : top + len(band)] |= band[..., 3]
    if kind == _RGB and isinstance(clear, tuple):  # one color that is fully transparent
        return Samples(found.values, _unlike(found.values, np.array(clear, np.uint16)))
    return Samples(found.values, found.alpha)


def _unlike(values: Array, clear: Array) -> Array:
    """Return an alpha (H, W) that is 0 where values have one color."""
    alpha = np.empty(values.shape[:2], np.uint16)
    tops = band_tops(len(values), values.shape[1])
    for top in tops:
        rows = slice(top, top + tops.step)
        band = values[rows] if values.ndim == 3 else values[rows, :, None]
        alpha[rows] = np.where((band != clear).any(-1), 65535, 0)
    return alpha


def is_unusual_pnm(head: bytes) -> bool:
    """Tell whether a file begins as a PGM or PPM that Pillow halves, or reads number by number.

    The first are colors of more than 8 bits; the second take it a second and more a megapixel, and
    are all whose white is neither 255 nor 65535.
    """
    found = _PNM.match(head)
    if found is None:
        return False
    white = int(found[4])
    return (0 < white < 65535 and white != 255) or (white == 65535 and found[1] == b"6")


def pnm_samples(stream: BinaryIO) -> Samples:
    """Decode a PGM or PPM file for which ``is_unusual_pnm`` is true.

    Raises:
        ValueError: if it is cut short.
    """
    stream.seek(0)
    head = _PNM.match(stream.read(_PNM_HEAD))
    assert head is not None
    kind, width, height, white = (int(number) for number in head.groups())
    stream.seek(head.end())
    shape = (height, width, 3) if kind == 6 else (height, width)
    levels = np.dtype(np.uint8 if white < 256 else ">u2")
    size = math.prod(shape) * levels.itemsize
    data = stream.read(size)
    if len(data) < size:
        raise ValueError("image file is truncated")
    found = np.frombuffer(data, levels).reshape(shape)
    most = 255 if white < 256 else 65535
    scaled = np.minimum((np.arange(most + 1) * most + white // 2) // white, most)
    scaled = scaled.astype(levels.newbyteorder("="))
    values = np.empty(shape, scaled.dtype)
    tops = band_tops(height, width)
    for top in tops:
        values[top : top + tops.step] = scaled[found[top : top + tops.step]]
    return Samples(values, None)


def _opened(stream: BinaryIO) -> Image.Image:
    stream.seek(0)
    return PngImagePlugin.PngImageFile(stream, "")


@contextmanager
def _loaded(stream: BinaryIO, raw_mode: str) -> Generator[Image.Image]:
    """Decode a PNG file with other bytes of its samples than Pillow would take; then free it."""
    png = cast(PngImagePlugin.PngImageFile, _opened(stream))
    png.tile = [tile._replace(args=raw_mode) for tile in png.tile]
    png.load()
    yield png
    Image.Image.close(png)


def _bands_of(image: Image.Image) -> Iterator[tuple[int, Array]]:
    """Yield where each band of rows begins, and its (r, W, channels)."""
    tops = band_tops(image.height, image.width)
    for top in tops:
        bottom = min(top + tops.step, image.height)
        yield top, np.asarray(image.crop((0, top, image.width, bottom)))


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
    if samples.space in ("lab", "icclab"):
        values, icc = lab_to_pixels(values, name, icc=samples.space == "icclab"), None
        deep = alpha is not None and values.dtype != np.uint8
        alpha = alpha_to_uint16(alpha) if alpha is not None and deep else alpha
    elif values.dtype.kind != "u" or values.dtype.itemsize > 2:
        values, told = wide_to_uint16(values, name)
        notes += told
        alpha = None if alpha is None else alpha_to_uint16(alpha)
    if samples.space == "inverted":
        values = np.subtract(65535, values, dtype=np.uint16)
    if samples.space == "cmyk":
        image = Image.frombytes("CMYK", values.shape[1::-1], _eight_bits(values).tobytes())
        if icc:
            image.info["icc_profile"] = icc
        if values.dtype != np.uint8:
            notes += ("16 bits of CMYK are read as 8",)
        values, _, told = pixels_of(image, name)
        notes += told
        alpha = None if alpha is None else _eight_bits(alpha)
        icc = None
    if values.ndim == 3 and is_neutral_throughout(values):
        values = np.ascontiguousarray(values[..., 0])
    if icc:
        if values.ndim == 3 and values.dtype != np.uint8:
            values, shrunk, told = _deep_through_profile(values, icc)
            notes += told + (_TABLE,) * shrunk
            alpha = _eight_bits(alpha) if alpha is not None and shrunk else alpha
        else:
            values, told = through_profile(values, icc)
            notes += told
    return Samples(values, alpha, notes=notes)


def _deep_through_profile(values: Array, icc: bytes) -> tuple[Array, bool, tuple[str, ...]]:
    """Convert 16-bit colors, and tell whether that cost their lower bits; with notes."""
    wide = wide_colors_to_srgb(values, icc)
    if wide is not None:
        return wide, False, ()
    before = _eight_bits(values)
    after, notes = through_profile(before.copy(), icc)
    shrunk = not np.array_equal(before, after)
    return after if shrunk else values, shrunk, notes


def _eight_bits(values: Array) -> Array:
    if values.dtype == np.uint8:
        return values
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
