"""From a stream to upright pixels with everything worth keeping: which reader takes which file.

Not here: Pillow's modes (``read``), TIFF files that Pillow lacks (``tiff_pixels``), what a person
sees of it (``photo``).
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.errors import PhotoError
from koalarize.photo.directories import Directory, TiffReader
from koalarize.photo.metadata import dpi_of_tiff, exif_of_tiff
from koalarize.photo.profiles import pixels_to_srgb
from koalarize.photo.read import (
    DECODE_ERRORS,
    damaged,
    dpi_of,
    exif_of,
    is_neutral_throughout,
    open_image,
    pixels_of,
    upright,
    wide_to_uint16,
)
from koalarize.photo.tiff_pixels import Samples, is_tiff, pages_of, pillow_lacks, read_samples

__all__ = ["Decoded", "decode_image", "decode_stream"]

Array = npt.NDArray[Any]

_CMYK = 5


@dataclass(frozen=True)
class Decoded:
    """An upright picture, as ``Photo`` holds it, and notes on what its file kept back."""

    pixels: Array
    alpha: Array | None
    format: str
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


def decode_stream(stream: BinaryIO, name: str, max_pixels: int) -> Decoded:
    """Decode the picture of a file.

    Raises:
        PhotoError: if it is damaged, too large or not a picture.
    """
    stream.seek(0)
    if is_tiff(stream.read(4)):
        return _decode_tiff(stream, name, max_pixels)
    with open_image(stream, name) as image:
        return decode_image(image, name, max_pixels, own=True)


def decode_image(image: Image.Image, name: str, max_pixels: int, *, own: bool) -> Decoded:
    """Decode an image that Pillow has opened.

    Args:
        image: the image.
        name: what to call it in an error.
        max_pixels: pictures with more are refused before they are decoded.
        own: whether the image may be closed.

    Raises:
        PhotoError: if it is damaged or too large.
    """
    _check_size(image.size, name, max_pixels)
    kind = image.format or "PNG"
    try:
        dpi = dpi_of(image)
        _load(image)
        exif, orientation = exif_of(image, name)
        pixels, alpha = pixels_of(image, name)
    except MemoryError as error:
        raise _too_large(image.size, name) from error
    except DECODE_ERRORS as error:
        raise PhotoError(damaged(name, error)) from error
    if own:
        image.close()  # frees Pillow's copy before ours is turned
    return _turned(Decoded(pixels, alpha, kind, exif, dpi), orientation)


def _load(image: Image.Image) -> None:
    """Decode a picture whose size has been checked already, past Pillow's own limit on TIFF."""
    size = getattr(image, "_tile_size", None)
    if size is not None and getattr(image, "_im", 0) is None:
        image.im = Image.core.new(image.mode, size)
    image.load()


def _turned(decoded: Decoded, orientation: int) -> Decoded:
    alpha, dpi = decoded.alpha, decoded.dpi
    if dpi and orientation >= 5:
        dpi = (dpi[1], dpi[0])
    return Decoded(
        upright(decoded.pixels, orientation),
        None if alpha is None else upright(alpha, orientation),
        decoded.format,
        decoded.exif,
        dpi,
        decoded.notes,
    )


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if not (width > 0 and height > 0):
        raise PhotoError(f"{name} is {width} × {height} pixels: a picture needs at least one.")
    if width * height > max_pixels:
        raise PhotoError(
            f"{name} has {width} × {height} = {width * height:,} pixels but at most "
            f"{max_pixels:,} are read: make it smaller, or raise `max_pixels`."
        )


def _too_large(size: tuple[int, int], name: str) -> PhotoError:
    return PhotoError(
        f"{name} ({size[0]} × {size[1]} pixels) does not fit in memory: make it smaller."
    )


def _decode_tiff(stream: BinaryIO, name: str, max_pixels: int) -> Decoded:
    """Decode the first page of a TIFF that is no reduced copy of another one."""
    pages = pages_of(stream, name)
    if pages is None:  # whatever it is, Pillow says what is wrong with it
        with open_image(stream, name) as image:
            return decode_image(image, name, max_pixels, own=True)
    fields = _fields_of(stream, pages.first)
    if pillow_lacks(pages.directory):
        size = (pages.directory.number(256, 0), pages.directory.number(257, 0))
        _check_size(size, name, max_pixels)
        try:
            samples = read_samples(stream, pages.first, name)
            decoded = _plain(samples, fields, name)
        except MemoryError as error:
            raise _too_large(size, name) from error
        except DECODE_ERRORS as error:
            raise PhotoError(damaged(name, error)) from error
        orientation = fields.number(274, 1)
        orientation = orientation if 1 <= orientation <= 8 else 1
        decoded = _turned(decoded, orientation)
    else:
        with open_image(_at_page(stream, pages.first), name) as image:
            decoded = decode_image(image, name, max_pixels, own=True)
    exif = exif_of_tiff(fields)
    return Decoded(decoded.pixels, decoded.alpha, decoded.format, exif, decoded.dpi, decoded.notes)


def _fields_of(stream: BinaryIO, at: int) -> Directory:
    try:
        return TiffReader(stream).described(at, _TILES)
    except (ValueError, struct.error):
        return Directory()


#: Where strips and tiles lie: long, and of no use to another file.
_TILES = (273, 279, 324, 325)


def _at_page(stream: BinaryIO, at: int) -> BinaryIO:
    """Return a TIFF file whose first page is the one at an offset."""
    reader = TiffReader(stream)
    stream.seek(0)
    if reader.first == at:
        return stream
    data = bytearray(stream.read())
    struct.pack_into(reader.order + ("Q" if reader.big else "I"), data, 8 if reader.big else 4, at)
    return io.BytesIO(data)


def _plain(samples: Samples, fields: Directory, name: str) -> Decoded:
    """Bring samples of any depth to sRGB pixels of 8 or 16 bits."""
    values, alpha, notes = samples.values, samples.alpha, samples.notes
    icc = fields.fields[34675].data if 34675 in fields.fields else None
    if values.dtype.kind != "u" or values.dtype.itemsize > 2:
        values = wide_to_uint16(values, name)
        alpha = None if alpha is None else wide_to_uint16(alpha, name)
    if samples.photometric == _CMYK:
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
            notes += ("16 bits of color are read as 8, since its profile is not sRGB",) * shrunk
            alpha = _eight_bits(alpha) if alpha is not None and shrunk else alpha
        else:
            values = pixels_to_srgb(values, icc, name)
    return Decoded(values, alpha, "TIFF", dpi=dpi_of_tiff(fields), notes=notes)


def _through_profile(values: Array, icc: bytes, name: str) -> tuple[Array, bool]:
    """Convert 16-bit colors, and tell whether that cost their lower bits."""
    before = _eight_bits(values)
    after = pixels_to_srgb(before.copy(), icc, name)
    return (values, False) if np.array_equal(before, after) else (after, True)


def _eight_bits(values: Array) -> Array:
    if values.dtype == np.uint8:
        return values
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
