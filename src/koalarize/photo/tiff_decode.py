"""A page of a TIFF file as upright pixels with everything worth keeping.

Not here: which pages there are, and samples that Pillow lacks (``tiff_pixels``).
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from typing import BinaryIO

from koalarize.errors import PhotoError
from koalarize.photo.decode import Beside, Decoded, Limits, check_size, decode_image, turned
from koalarize.photo.directories import Directory, TiffReader, ends_within_directory
from koalarize.photo.exif_block import orientation_of
from koalarize.photo.mend import damaged
from koalarize.photo.metadata import (
    CREDENTIALS,
    CREDENTIALS_FIELD,
    dpi_of_tiff,
    exif_of_tiff,
    metadata_of_tiff,
    orientation_of_tiff,
    true_of_result,
)
from koalarize.photo.read import DECODE_ERRORS, open_image, too_large
from koalarize.photo.samples import SPARE, srgb_of_samples
from koalarize.photo.sources import overlaid
from koalarize.photo.tiff_pixels import (
    UNPACKERS,
    Pages,
    has_spare_channel,
    is_unpacked_here,
    pages_of,
    pillow_lacks,
    read_samples,
)
from koalarize.photo.tiff_strips import DEFLATE, check_streams

__all__ = ["decode_tiff"]


def decode_tiff(stream: BinaryIO, name: str, limits: Limits) -> Decoded:
    """Decode a page of a TIFF; reduced copies of another one do not count.

    Raises:
        PhotoError: if it is damaged, too large, of a kind that is not read, or not there.
    """
    pages, cut_off = pages_of(stream, name), ()
    if pages is None and (number := ends_within_directory(stream)) is not None:
        picture = f"page {number + 1}" if number else "its picture"
        cut = ValueError(f"it ends before what says where {picture} lies")
        if not (number and limits.tolerant):
            raise PhotoError(damaged(name, cut, partly=number > 0))
        pages, cut_off = pages_of(stream, name, number), (f"it is cut short before {picture}",)
    if pages is None:  # whatever it is, Pillow says what is wrong with it
        with open_image(stream, name) as image:
            return decode_image(image, name, limits, own=True)
    if limits.page >= len(pages.offsets):
        raise PhotoError(
            f"{name} has {len(pages.offsets)} pages: there is no page {limits.page + 1}."
        )
    at = pages.offsets[limits.page]
    page = pages.directories[limits.page]
    fields, told = true_of_result(_fields_of(stream, at))
    orientation = orientation_of_tiff(fields)
    size = (page.number(256, 0), page.number(257, 0))
    try:
        check_size(size, name, limits.max_pixels)
        ours = pillow_lacks(page) or _is_misread(stream, at, page)
        read_by_pillow = None if ours else _of_pillow(stream, pages, name, limits)
        if read_by_pillow is None:
            read = read_samples(stream, at, name, size, tolerant=limits.tolerant)
            samples = srgb_of_samples(read, _profile_of(fields), name)
            dpi = dpi_of_tiff(fields)
            decoded = Decoded(samples.values, samples.alpha, "TIFF", dpi=dpi, notes=samples.notes)
            decoded = turned(decoded, orientation)
        else:
            decoded, by_pillow = read_by_pillow
            if by_pillow != 1 or _ORIENTATION in fields.fields:
                orientation = by_pillow
            else:  # Pillow does not know all ways to write it in XMP
                decoded = turned(decoded, orientation)
            if has_spare_channel(page, alpha=decoded.alpha is not None):
                decoded = dataclasses.replace(decoded, notes=(*decoded.notes, SPARE))
    except MemoryError as error:
        raise too_large(size, name) from error
    except DECODE_ERRORS as error:
        raise PhotoError(damaged(name, error, partly=not limits.tolerant)) from error
    except PhotoError as error:
        packer = _LACKED.get(page.number(259, 1))
        by_pillow = not pillow_lacks(page)
        known = isinstance(error.__cause__, (*DECODE_ERRORS, type(None)))
        if packer is None or not (by_pillow and known):
            raise
        raise PhotoError(
            f"{name} is a TIFF packed by {packer}, which cannot be unpacked here: "
            "save it with LZW, deflate or no compression."
        ) from error
    signed = (CREDENTIALS,) * (CREDENTIALS_FIELD in fields.fields)
    slices = fields.number(_DEPTH, 1)
    told += (f"of a volume of {slices} slices one is read: the others are left out",) * (slices > 1)
    return dataclasses.replace(
        decoded,
        exif=exif_of_tiff(fields, orientation, size),
        metadata=metadata_of_tiff(fields).carried().upright(orientation, size),
        notes=(*decoded.notes, *cut_off, *told, *signed, *(_MASKED,) * pages.masked),
        pages=len(pages.offsets),
    )


def _of_pillow(
    stream: BinaryIO, pages: Pages, name: str, limits: Limits
) -> tuple[Decoded, int] | None:
    """Return what Pillow reads of a page, and the orientation by which it was turned.

    libtiff gives nothing of a damaged strip, which may be the whole picture: None asks for what
    ``read_samples`` can read of it.

    Raises:
        PhotoError: if it is damaged.
        zlib.error: if it is damaged, and libtiff would not say so.
    """
    at, page = pages.offsets[limits.page], pages.directories[limits.page]
    try:
        if page.number(259, 1) in DEFLATE:
            _check_deflated(stream, at, page)
        with open_image(_at_page(stream, at), name) as image:
            orientation = orientation_of(image)
            beside = Beside(pages=len(pages.offsets))
            return decode_image(image, name, limits, beside, own=True), orientation
    except (PhotoError, zlib.error) as error:
        known = isinstance(error, zlib.error) or isinstance(error.__cause__, DECODE_ERRORS)
        if limits.tolerant and known and is_unpacked_here(page):
            return None
        raise


def _is_misread(stream: BinaryIO, at: int, page: Directory) -> bool:
    """Tell whether Pillow takes a page's file for another kind, or what is left out for pixels."""
    reader = TiffReader(stream)
    if reader.big and reader.order == ">":
        return True
    if page.number(259, 1) not in UNPACKERS:
        return False
    fields = reader.directory(at)[0].fields
    return any(0 in fields[starts].numbers for starts in (273, 324) if starts in fields)


def _check_deflated(stream: BinaryIO, at: int, page: Directory) -> None:
    """Check the strips or tiles of a page.

    Raises:
        zlib.error: if one is damaged.
    """
    if page.number(266, 1) != 1:
        return
    reader = TiffReader(stream)
    found = reader.directory(at)[0].fields
    for starts, sizes in ((273, 279), (324, 325)):
        if starts in found and sizes in found:
            places = zip(found[starts].numbers, found[sizes].numbers, strict=False)
            bits = found[258].numbers if 258 in found else (1,)
            pixels = page.number(256, 0) * page.number(257, 0)
            check_streams(stream, places, pixels * page.number(277, 1) * max(bits) // 8)


def _fields_of(stream: BinaryIO, at: int) -> Directory:
    try:
        return TiffReader(stream).described(at, _LONG_FIELDS)
    except (ValueError, struct.error):
        return Directory()


def _profile_of(fields: Directory) -> bytes | None:
    return fields.fields[34675].data if 34675 in fields.fields else None


_ORIENTATION = 274
_DEPTH = 32997  # slices of a volume, which one directory holds
_MASKED = "its mask of transparency is left out"
#: Packers that Pillow or its libtiff lacks: it calls such a file damaged, or names a number.
_LACKED = {
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
#: Where strips and tiles lie, and Photoshop's layers: long, and of no use to another file.
_LONG_FIELDS = (273, 279, 324, 325, 37724)


def _at_page(stream: BinaryIO, at: int) -> BinaryIO:
    """Return a TIFF file whose first page is the one at an offset."""
    reader = TiffReader(stream)
    stream.seek(0)
    if reader.first == at:
        return stream
    return overlaid(stream, reader.place_of_first, struct.pack(reader.order + reader.word, at))
