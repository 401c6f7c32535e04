"""From a stream to upright pixels with everything worth keeping: which reader takes which file.

Not here: Pillow's modes (``read``), TIFF files that Pillow lacks (``tiff_pixels``), what a person
sees of it (``photo``).
"""

from __future__ import annotations

import dataclasses
import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

import numpy.typing as npt
from PIL import Image

from koalarize.errors import PhotoError
from koalarize.photo.directories import Directory, TiffReader
from koalarize.photo.jpeg_segments import is_jpeg, jpeg_metadata
from koalarize.photo.mend import completed, has_all_its_pixels, with_end
from koalarize.photo.metadata import Metadata, dpi_of_tiff, exif_of_tiff, metadata_of_tiff
from koalarize.photo.png_chunks import is_png, png_parts
from koalarize.photo.read import (
    DECODE_ERRORS,
    damaged,
    dpi_of,
    exif_of,
    open_image,
    pixels_of,
    upright,
)
from koalarize.photo.samples import Samples, is_deep_png, png_samples, srgb_of_samples
from koalarize.photo.tiff_pixels import is_tiff, pages_of, pillow_lacks, read_samples

__all__ = ["Decoded", "Limits", "decode_image", "decode_stream"]

Array = npt.NDArray[Any]

#: Formats of which a file may hold several pictures, and what they are called there.
_SEVERAL = {"GIF": "frame", "PNG": "frame", "WEBP": "frame", "AVIF": "frame", "MPO": "picture"}


@dataclass(frozen=True)
class Limits:
    """What is read at all.

    Attributes:
        max_pixels: pictures with more are refused before they are decoded.
        tolerant: read a picture that is cut short as far as it goes.
        page: which page of a TIFF file is read, from 0.
    """

    max_pixels: int
    tolerant: bool = False
    page: int = 0


@dataclass(frozen=True)
class Beside:
    """What stands in a file beside the picture that Pillow is given.

    Attributes:
        metadata: XMP and the like.
        exif: an EXIF block that Pillow does not see.
        icc: a profile that Pillow does not see.
        notes: what has been left out of the file.
        samples: gives the samples where Pillow would drop half of their bits.
    """

    metadata: Metadata = field(default_factory=Metadata)
    exif: bytes | None = None
    icc: bytes | None = None
    notes: tuple[str, ...] = ()
    samples: Callable[[], Samples] | None = None


@dataclass(frozen=True)
class Decoded:
    """An upright picture, as ``Photo`` holds it, and notes on what its file kept back."""

    pixels: Array
    alpha: Array | None
    format: str
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()
    pages: int = 1


def decode_stream(stream: BinaryIO, name: str, limits: Limits) -> Decoded:
    """Decode the picture of a file.

    Raises:
        PhotoError: if it is damaged, too large or not a picture.
    """
    try:
        return _decode_whole(stream, name, limits)
    except PhotoError as error:
        if not isinstance(error.__cause__, DECODE_ERRORS):
            raise
        mended = _mended(stream, name, limits)
        if mended is None:
            raise
        return mended


def _decode_whole(stream: BinaryIO, name: str, limits: Limits) -> Decoded:
    stream.seek(0)
    head = stream.read(32)
    beside = Beside()
    if is_tiff(head):
        return _decode_tiff(stream, name, limits)
    if is_png(head):
        parts = png_parts(stream)
        stream = parts.stream
        deep = partial(png_samples, stream) if is_deep_png(head) else None
        beside = Beside(parts.metadata, parts.exif, parts.icc, parts.notes, deep)
    elif is_jpeg(head):
        metadata, notes = jpeg_metadata(stream)
        beside = Beside(metadata, notes=notes)
    with open_image(stream, name) as image:
        return decode_image(image, name, limits, beside, own=True)


def _mended(stream: BinaryIO, name: str, limits: Limits) -> Decoded | None:
    """Decode a file that ends too early; None if it cannot, or may not, be completed."""
    stream.seek(0)
    data = stream.read()
    shown = _endless_jpeg(data, name, limits)
    if shown is not None or not limits.tolerant:
        return shown
    try:
        with open_image(_bare(stream), name) as image:
            size = image.size
        _check_size(size, name, limits.max_pixels)
        shown = _decode_whole(io.BytesIO(completed(stream, size)), name, limits)
    except (PhotoError, *DECODE_ERRORS):
        return None
    note = "it is cut short: what is missing of it is filled up"
    return dataclasses.replace(shown, notes=(*shown.notes, note))


def _endless_jpeg(data: bytes, name: str, limits: Limits) -> Decoded | None:
    """Decode a JPEG file that lacks nothing but the mark of its end; None if it is none."""
    if not is_jpeg(data) or data.rstrip(b"\0").endswith(b"\xff\xd9"):
        return None

    def decode(data: bytes) -> Decoded:
        return _decode_whole(io.BytesIO(data), name, limits)

    try:
        shown = decode(with_end(data))
        if not has_all_its_pixels(data, shown.pixels, lambda data: decode(data).pixels):
            return None
    except PhotoError:
        return None
    note = "the mark of its end is missing; all its pixels are there"
    return dataclasses.replace(shown, notes=(*shown.notes, note))


def _bare(stream: BinaryIO) -> BinaryIO:
    stream.seek(0)
    return png_parts(stream).stream if is_png(stream.read(16)) else stream


def decode_image(
    image: Image.Image, name: str, limits: Limits, beside: Beside | None = None, *, own: bool
) -> Decoded:
    """Decode an image that Pillow has opened.

    Args:
        image: the image.
        name: what to call it in an error.
        limits: what is read at all.
        beside: what its file holds that Pillow has not been given.
        own: whether the image may be changed and closed.

    Raises:
        PhotoError: if it is damaged or too large.
    """
    _check_size(image.size, name, limits.max_pixels)
    beside = beside or Beside()
    kind = image.format or "PNG"
    if own:
        _give_back(image, beside)
    metadata = _of_pillow(image, beside.metadata)
    try:
        dpi = dpi_of(image)
        notes = (*beside.notes, *(_note_of_frames(image) if own else ()))
        if beside.samples is None:
            _load(image)
            samples = Samples(*pixels_of(image, name))
        else:
            samples = srgb_of_samples(beside.samples(), image.info.get("icc_profile"), name)
        exif, orientation = exif_of(image, name)
    except MemoryError as error:
        raise _too_large(image.size, name) from error
    except DECODE_ERRORS as error:
        raise PhotoError(damaged(name, error)) from error
    if own:
        image.close()  # frees Pillow's copy before ours is turned
    notes = (*notes, *samples.notes)
    decoded = Decoded(samples.values, samples.alpha, kind, exif, dpi, metadata, notes)
    return _turned(decoded, orientation)


def _note_of_frames(image: Image.Image) -> tuple[str, ...]:
    """Say how many pictures a file holds that gives one."""
    if image.format not in _SEVERAL:
        return ()
    frames = getattr(image, "n_frames", 1)
    return (f"{_SEVERAL[image.format]} 1 of {frames}: the others are left out",) * (frames > 1)


def _give_back(image: Image.Image, beside: Beside) -> None:
    """Show Pillow what it needs of that which was taken out of the file."""
    for key, value in (
        ("exif", beside.exif),
        ("icc_profile", beside.icc),
        ("xmp", beside.metadata.xmp),
    ):
        if value is not None:
            image.info[key] = value


def _of_pillow(image: Image.Image, metadata: Metadata) -> Metadata:
    """Return the metadata with what only Pillow reads: XMP of WebP and AVIF, comments of GIF."""
    xmp, comment = image.info.get("xmp"), image.info.get("comment")
    if metadata.xmp is None and isinstance(xmp, bytes) and xmp:
        metadata = dataclasses.replace(metadata, xmp=xmp)
    if not metadata.comments and isinstance(comment, bytes) and comment:
        metadata = dataclasses.replace(metadata, comments=(comment,))
    return metadata


def _load(image: Image.Image) -> None:
    """Decode a picture whose size has been checked already, past Pillow's own limit on TIFF."""
    size = getattr(image, "_tile_size", None)
    if size is not None and getattr(image, "_im", 0) is None:
        image.im = Image.core.new(image.mode, size)
    image.load()


def _turned(decoded: Decoded, orientation: int) -> Decoded:
    """Turn a picture and what is said of it upright."""
    alpha, dpi = decoded.alpha, decoded.dpi
    if dpi and orientation >= 5:
        dpi = (dpi[1], dpi[0])
    return dataclasses.replace(
        decoded,
        pixels=upright(decoded.pixels, orientation),
        alpha=None if alpha is None else upright(alpha, orientation),
        dpi=dpi,
        metadata=decoded.metadata.upright(orientation),
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


def _decode_tiff(stream: BinaryIO, name: str, limits: Limits) -> Decoded:
    """Decode a page of a TIFF; reduced copies of another one do not count."""
    pages = pages_of(stream, name)
    if pages is None:  # whatever it is, Pillow says what is wrong with it
        with open_image(stream, name) as image:
            return decode_image(image, name, limits, own=True)
    if limits.page >= len(pages.offsets):
        raise PhotoError(f"{name} has {len(pages.offsets)} pages: there is no page {limits.page}.")
    at = pages.offsets[limits.page]
    page = pages.directories[limits.page]
    fields = _fields_of(stream, at)
    orientation = fields.number(274, 1)
    orientation = orientation if 1 <= orientation <= 8 else 1
    if pillow_lacks(page):
        size = (page.number(256, 0), page.number(257, 0))
        _check_size(size, name, limits.max_pixels)
        try:
            samples = srgb_of_samples(read_samples(stream, at, name), _profile_of(fields), name)
            dpi = dpi_of_tiff(fields)
            decoded = Decoded(samples.values, samples.alpha, "TIFF", dpi=dpi, notes=samples.notes)
            decoded = _turned(decoded, orientation)
        except MemoryError as error:
            raise _too_large(size, name) from error
        except DECODE_ERRORS as error:
            raise PhotoError(damaged(name, error)) from error
    else:
        with open_image(_at_page(stream, at), name) as image:
            decoded = decode_image(image, name, limits, own=True)
    return dataclasses.replace(
        decoded,
        exif=exif_of_tiff(fields),
        metadata=metadata_of_tiff(fields).upright(orientation),
        pages=len(pages.offsets),
    )


def _fields_of(stream: BinaryIO, at: int) -> Directory:
    try:
        return TiffReader(stream).described(at, _TILES)
    except (ValueError, struct.error):
        return Directory()


def _profile_of(fields: Directory) -> bytes | None:
    return fields.fields[34675].data if 34675 in fields.fields else None


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
