"""From a stream to its pictures: which reader takes which file, and files that end too early.

Not here: Pillow's modes (``read``), one opened picture (``decode``), TIFF files (``tiff_decode``).
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import struct
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from koalarize.errors import PhotoError
from koalarize.photo.decode import Beside, Decoded, Limits, check_size, decode_image
from koalarize.photo.frames import MpoPart, is_lossless_webp, later_frames, mpo_parts
from koalarize.photo.jpeg_segments import is_jpeg, jpeg_metadata
from koalarize.photo.mend import completed, has_all_its_pixels, with_end
from koalarize.photo.png_chunks import is_png, png_parts
from koalarize.photo.read import DECODE_ERRORS, damaged, open_image
from koalarize.photo.samples import is_deep_png, is_unusual_pnm, png_samples, pnm_samples
from koalarize.photo.tiff_decode import decode_tiff
from koalarize.photo.tiff_pixels import is_tiff

__all__ = ["decode_pictures", "decode_stream"]

_END_OF_GIF = b"\x3b"


def decode_stream(stream: BinaryIO, name: str, limits: Limits) -> Decoded:
    """Decode one picture of a file: the one that ``limits.page`` names.

    Raises:
        PhotoError: if it is damaged, too large, not a picture or not there.
    """
    if not limits.page:
        return _mended(stream, name, limits)
    pictures = decode_pictures(stream, name, limits)
    try:
        return next(itertools.islice(pictures, limits.page, None))
    except StopIteration:
        pages = _mended(stream, name, dataclasses.replace(limits, page=0)).pages
        raise PhotoError(
            f"{name} has {pages} pages: there is no page {limits.page + 1}, counted from 1."
        ) from None


def decode_pictures(stream: BinaryIO, name: str, limits: Limits) -> Iterator[Decoded]:
    """Yield the pictures of a file: TIFF pages, frames of an animation, those of an MPO file.

    With ``limits.tolerant`` an animation that is cut short ends before ``Decoded.pages`` are there.

    Raises:
        PhotoError: if one is damaged, too large or not a picture.
    """
    first = _mended(stream, name, dataclasses.replace(limits, page=0))
    yield first
    if first.pages == 1:
        return
    if first.format == "TIFF":
        for number in range(1, first.pages):
            page = dataclasses.replace(limits, page=number)
            yield _mended(stream, _of_page(number, first, name), page)
    elif first.format == "MPO":
        parts, _ = _parts_of(stream)
        for number, part in enumerate(parts[1:], 1):
            shown = _mended(part.stream(stream), _of_page(number, first, name), limits)
            yield _as_part(shown, parts, part)
    else:
        yield from _later(stream, name, limits, first)


def _of_page(number: int, first: Decoded, name: str) -> str:
    return f"{first.called} {number + 1} of {name}"


def _later(stream: BinaryIO, name: str, limits: Limits, first: Decoded) -> Iterator[Decoded]:
    """Yield the frames of an animation behind the first one."""
    with open_image(_bare(stream), name) as image:
        frames = later_frames(image)
        for number in range(1, first.pages):
            label = _of_page(number, first, name)
            try:
                shown = decode_image(next(frames), label, limits, own=False)
            except (PhotoError, *DECODE_ERRORS, StopIteration) as error:
                if limits.tolerant and not isinstance(error.__cause__, MemoryError):
                    return
                if isinstance(error, PhotoError):
                    raise
                raise PhotoError(damaged(label, error)) from error
            yield dataclasses.replace(
                shown, format=first.format, metadata=first.metadata, pages=first.pages
            )


def _mended(stream: BinaryIO, name: str, limits: Limits) -> Decoded:
    """Decode a picture, also one that only lacks its end."""
    try:
        return _decode_whole(stream, name, limits)
    except PhotoError as error:
        if not isinstance(error.__cause__, DECODE_ERRORS):
            raise
        try:
            shown = _completed(stream, name, limits)
        except MemoryError as short:
            raise PhotoError(
                f"{name} is cut short, and does not fit in memory to be completed: close other "
                "programs, or make it smaller."
            ) from short
        if shown is None:
            raise
        return shown


def _decode_whole(stream: BinaryIO, name: str, limits: Limits) -> Decoded:
    stream.seek(0)
    head = stream.read(1024)
    beside = Beside()
    parts: list[MpoPart] = []
    if is_tiff(head):
        return decode_tiff(stream, name, limits)
    if is_png(head):
        found = png_parts(stream)
        stream = found.stream
        deep = partial(png_samples, stream) if is_deep_png(head) else None
        beside = Beside(found.metadata, found.exif, found.icc, found.notes, deep)
    elif is_jpeg(head):
        metadata, notes = jpeg_metadata(stream)
        parts, more = _parts_of(stream)
        beside = Beside(metadata, notes=(*notes, *more))
    elif head.startswith(b"GIF8") and not _ends_as_gif(stream):
        beside = Beside(notes=("the mark of its end is missing",))
    elif is_unusual_pnm(head):
        beside = Beside(samples=partial(pnm_samples, stream))
    elif head[:4] == b"RIFF":
        beside = Beside(lossless=is_lossless_webp(stream))
    with open_image(stream, name) as image:
        if beside.samples is not None and getattr(image, "n_frames", 1) > 1:
            note = "16 bits of an animation are read as 8"
            beside = dataclasses.replace(beside, samples=None, notes=(*beside.notes, note))
        shown = decode_image(image, name, limits, beside, own=True)
    return _as_part(shown, parts, parts[0]) if parts else shown


def _parts_of(stream: BinaryIO) -> tuple[list[MpoPart], tuple[str, ...]]:
    """Return the pictures of a JPEG file, if they are several, and notes on those left out."""
    try:
        parts, others = mpo_parts(stream)
    except (ValueError, struct.error):
        return [], ("its list of further pictures is damaged and left out",)
    note = "a further picture in it (a preview or a map of brightness) is left out"
    return parts, (note,) * (others > 0)


def _as_part(shown: Decoded, parts: list[MpoPart], part: MpoPart) -> Decoded:
    several = len(parts) > 1
    kind = "MPO" if several else "JPEG"
    frame = part.frame if several else None
    return dataclasses.replace(shown, format=kind, pages=len(parts), frame=frame)


def _ends_as_gif(stream: BinaryIO) -> bool:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - 16))
    return _END_OF_GIF in stream.read(16)


def _completed(stream: BinaryIO, name: str, limits: Limits) -> Decoded | None:
    """Decode a file that ends too early; None if it cannot, or may not, be completed."""
    stream.seek(0)
    if is_jpeg(stream.read(4)):
        stream.seek(0)
        shown = _endless_jpeg(stream.read(), name, limits)
        if shown is not None:
            return shown
    if not limits.tolerant:  # before it is read whole
        return None
    try:
        size = _size_of(stream, name, limits)
        check_size(size, name, limits.max_pixels)
        shown = _decode_whole(io.BytesIO(completed(stream, size)), name, limits)
    except (PhotoError, *DECODE_ERRORS) as error:
        if isinstance(error.__cause__, MemoryError):
            raise MemoryError from error
        return None
    note = "it is cut short: what is missing of it is filled up"
    return dataclasses.replace(shown, notes=(*shown.notes, note))


def _size_of(stream: BinaryIO, name: str, limits: Limits) -> tuple[int, int]:
    with open_image(_bare(stream), name) as image:
        if limits.page and image.format == "TIFF":
            image.seek(limits.page)
        return image.size


def _endless_jpeg(data: bytes, name: str, limits: Limits) -> Decoded | None:
    """Decode a JPEG file that lacks nothing but the mark of its end; None if it is none."""
    if data.rstrip(b"\0").endswith(b"\xff\xd9"):
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
