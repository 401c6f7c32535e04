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
from typing import Any, BinaryIO, cast

from PIL import Image

from koalarize.errors import PhotoError
from koalarize.photo.boxes import (
    DEEP,
    avif_colors,
    avif_window,
    has_credentials,
    is_avif,
    is_deep_avif,
    is_jp2,
    jp2_parts,
)
from koalarize.photo.decode import (
    Beside,
    Decoded,
    Limits,
    check_size,
    decode_image,
    give_back,
)
from koalarize.photo.embedded_profiles import profile_of_bmp, profile_of_gif
from koalarize.photo.frames import (
    MpoPart,
    is_lossless_webp,
    later_frames,
    mpo_parts,
    webp_chunks,
)
from koalarize.photo.jpeg_segments import (
    FILM,
    has_more_behind,
    is_jpeg,
    jpeg_metadata,
    lists_more,
)
from koalarize.photo.matrix_profiles import color_profile_of
from koalarize.photo.mend import (
    DAMAGED,
    FILLED,
    completed,
    damaged,
    has_all_its_pixels,
    with_end,
)
from koalarize.photo.metadata import CREDENTIALS, EXIF_HEAD, Metadata, iptc_resource
from koalarize.photo.png_chunks import has_sound_pixels, is_png, png_parts
from koalarize.photo.psd import as_of_8_bits, merged_of, merged_samples
from koalarize.photo.read import DECODE_ERRORS, open_image
from koalarize.photo.samples import is_deep_png, is_unusual_pnm, png_samples, pnm_samples
from koalarize.photo.sectors import lacks_pixels, lost_bytes
from koalarize.photo.tiff_decode import decode_tiff
from koalarize.photo.tiff_pixels import is_tiff, pages_of

__all__ = ["decode_pictures", "decode_stream"]

_FURTHER = "a further picture in it (a preview or a map of brightness) is left out"
_CUT_OFF = "it is cut short: a further picture that it lists is missing"
_BEHIND = "what stands behind its picture in the file is left out"
_BMP = b"BM"
_USUAL_DEPTH, _MOST_DEPTH = 8, 32  # bytes a pixel
_SGI_DEPTH = 3  # where the head says how many bytes a sample has
_GIF, _END_OF_GIF = b"GIF8", b"\x3b"
_XMP_IN_GIF, _BEHIND_XMP = b"\x21\xff\x0bXMP DataXMP", b"\x01\xff\xfe"


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
    bare, beside = _apart(stream)
    with open_image(bare, name) as image:
        give_back(image, beside)
        frames = later_frames(image)
        for number in range(1, first.pages):
            label = _of_page(number, first, name)
            try:
                frame, said = next(frames), Beside()
                if frame.format == "HEIF":  # of each picture something of its own is said
                    said = _of_heif(frame, stream)
                    give_back(frame, said)
                shown = decode_image(frame, label, limits, said, own=False)
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
    parts: list[MpoPart] = []
    if is_tiff(head):
        return decode_tiff(stream, name, limits)
    stream, beside = _apart(stream)
    unsound = is_png(head) and not has_sound_pixels(stream)
    if unsound and not limits.tolerant:
        raise PhotoError(damaged(name, OSError("the checksum of its pixels is wrong")))
    if is_deep_png(head):
        beside = dataclasses.replace(beside, samples=partial(png_samples, stream))
    elif is_jpeg(head):
        metadata, notes = jpeg_metadata(stream)
        if lost := lost_bytes(stream):
            if not limits.tolerant:
                raise PhotoError(damaged(name, OSError(f"{lost:,} bytes of its pixels are lost")))
            notes = (*notes, DAMAGED)
        parts, more = _parts_of(stream)
        if not parts and not more and lists_more(stream, metadata.xmp):
            more = (_FURTHER,)
        if not parts and not more and FILM not in notes and has_more_behind(stream):
            more = (_BEHIND,)
        beside = Beside(metadata, notes=(*notes, *more))
    elif is_unusual_pnm(head):
        beside = Beside(samples=partial(pnm_samples, stream))
    elif head[:4] == b"RIFF":
        signed = (CREDENTIALS,) * (b"C2PA" in webp_chunks(stream))
        beside = Beside(notes=signed, lossless=is_lossless_webp(stream))
    merged = merged_of(stream)
    if merged is not None and stream.seek(0, io.SEEK_END) <= merged.at:
        cut = ValueError("it ends before its picture begins")
        raise PhotoError(damaged(name, cut, partly=False))
    with open_image(stream if merged is None else as_of_8_bits(stream), name) as image:
        if image.format == "PSD":
            beside = _of_psd(image, name)
            if merged is not None:
                profiled = bool(image.info.get("icc_profile"))
                tolerant = limits.tolerant
                samples = partial(
                    merged_samples, stream, merged, profiled=profiled, tolerant=tolerant
                )
                beside = dataclasses.replace(beside, samples=samples)
        elif image.format == "HEIF":
            beside = _of_heif(image, stream)
        elif image.format == "FITS" and image.mode != "L":
            raise PhotoError(f"{name} is a FITS file of more than 8 bits: save it as TIFF.")
        elif image.format == "AVIF" and getattr(image, "n_frames", 1) == 1:
            beside = dataclasses.replace(beside, window=avif_window(stream, image.size))
        elif image.format == "SGI" and head[_SGI_DEPTH] > 1:
            beside = dataclasses.replace(beside, notes=(*beside.notes, DEEP))
        if image.format == "PNG" and beside.samples and getattr(image, "n_frames", 1) > 1:
            note = "16 bits of an animation are read as 8"
            beside = dataclasses.replace(beside, samples=None, notes=(*beside.notes, note))
        shown = decode_image(image, name, limits, beside, own=True)
    if unsound and DAMAGED not in shown.notes:
        shown = dataclasses.replace(shown, notes=(*shown.notes, DAMAGED))
    sound = is_jpeg(head) and DAMAGED not in shown.notes
    if sound and lacks_pixels(stream, shown.pixels):
        if not limits.tolerant:
            raise PhotoError(damaged(name, OSError("its data end before its picture does")))
        shown = dataclasses.replace(shown, notes=(*shown.notes, FILLED))
    return _as_part(shown, parts, parts[0]) if parts else shown


def _parts_of(stream: BinaryIO) -> tuple[list[MpoPart], tuple[str, ...]]:
    """Return the pictures of a JPEG file, if they are several, and notes on those left out."""
    try:
        parts, others, cut = mpo_parts(stream)
    except (ValueError, struct.error):
        return [], ("its list of further pictures is damaged and left out",)
    return parts, (_FURTHER,) * (others > 0) + (_CUT_OFF,) * cut


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
        size, depth = _extent_of(stream, name, limits)
        check_size(size, name, limits.max_pixels)
        shown = _decode_whole(io.BytesIO(completed(stream, size, depth)), name, limits)
    except (PhotoError, *DECODE_ERRORS) as error:
        if isinstance(error.__cause__, MemoryError):
            raise MemoryError from error
        return None
    if shown.pixels.min() == shown.pixels.max():  # nothing of it is there
        return None
    # By what it is filled up with, it may look damaged.
    notes = tuple(one for one in shown.notes if one not in (DAMAGED, FILLED))
    return dataclasses.replace(shown, notes=(*notes, FILLED))


def _head_of(stream: BinaryIO) -> bytes:
    stream.seek(0)
    return stream.read(64)


def _extent_of(stream: BinaryIO, name: str, limits: Limits) -> tuple[tuple[int, int], int]:
    """Return width and height of a picture, and how many bytes a pixel may take in its file."""
    pages = pages_of(stream, name) if is_tiff(_head_of(stream)) else None
    if pages is not None:
        page = pages.directories[limits.page]
        bits = page.fields[258].numbers if 258 in page.fields else (1,)
        size = (page.number(256, 0), page.number(257, 0))
        depth = page.number(277, 1) * max(bits, default=1) // 8
        return size, min(max(_USUAL_DEPTH, depth), _MOST_DEPTH)
    merged = merged_of(stream)
    if merged is not None:  # what is packed may be a little longer than it is unpacked
        height, width = merged.size
        return (width, height), min(merged.channels * merged.bits // 8 + 1, _MOST_DEPTH)
    with open_image(_apart(stream)[0], name) as image:
        return image.size, _USUAL_DEPTH


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


def _apart(stream: BinaryIO) -> tuple[BinaryIO, Beside]:
    """Return the file that Pillow is given, and what of it Pillow does not see."""
    head = _head_of(stream)
    if is_png(head):
        found = png_parts(stream)
        return found.stream, Beside(found.metadata, found.exif, found.icc, found.notes)
    if head.startswith(_GIF):
        notes: tuple[str, ...] = () if _ends_as_gif(stream) else ("the mark of its end is missing",)
        stream.seek(0)
        data = stream.read()
        return stream, Beside(Metadata(_xmp_of_gif(data)), icc=profile_of_gif(data), notes=notes)
    if head.startswith(_BMP):
        return stream, Beside(icc=profile_of_bmp(stream))
    if is_jp2(head):
        parts = jp2_parts(stream)
        return stream, Beside(parts.metadata, parts.exif, parts.icc, parts.notes)
    if is_avif(head):
        return stream, _of_avif(stream)
    return stream, Beside()


def _of_avif(stream: BinaryIO) -> Beside:
    """Return what an AVIF file's boxes say of the levels, where it has no profile."""
    icc, notes = color_profile_of(*avif_colors(stream), grey=False)
    signed = (CREDENTIALS,) * has_credentials(stream)
    return Beside(icc=icc, notes=(*notes, *(DEEP,) * is_deep_avif(stream), *signed))


def _of_heif(image: Image.Image, stream: BinaryIO) -> Beside:
    """Return what pillow-heif says of a HEIC file beside the picture that it gives."""
    said = image.info
    deep = said.get("bit_depth", 8) > 8 and not image.mode.startswith("I;16")
    further = bool(said.get("depth_images") or said.get("aux"))
    colors: dict[str, int] = said.get("nclx_profile") or {}
    code = (colors.get("color_primaries", 1), colors.get("transfer_characteristics", 13))
    icc, notes = (None, ()) if "icc_profile" in said else color_profile_of(*code, grey=False)
    signed = (CREDENTIALS,) * has_credentials(stream)
    return Beside(icc=icc, notes=(*notes, *(DEEP,) * deep, *(_FURTHER,) * further, *signed))


def _of_psd(image: Image.Image, name: str) -> Beside:
    """Return what Photoshop's resources say of the picture in a PSD file."""
    held: dict[int, bytes] = {number: data for number, _, data in cast("Any", image).resources}
    if held.get(1057, b"")[4:5] == b"\0":  # version, and whether there is a merged picture
        raise PhotoError(
            f"{name} holds layers only, without the picture that they make: save it with "
            "Photoshop's option `Maximize compatibility`, or as TIFF or PNG."
        )
    resolution, exif, iptc = held.get(1005, b""), held.get(1058), held.get(1028)
    if len(resolution) >= 12:  # fixed-point numbers of dots per inch, and units to show them in
        image.info["dpi"] = tuple(n / 65536 for n in struct.unpack(">I4xI", resolution[:12]))
    metadata = Metadata(held.get(1060), photoshop=iptc_resource(iptc) if iptc else None)
    return Beside(metadata, EXIF_HEAD + exif if exif else None)


def _xmp_of_gif(data: bytes) -> bytes | None:
    """Return the XMP of a GIF file, which stands in it in one piece (XMP part 3, 1.1.2)."""
    _, _, rest = data.partition(_XMP_IN_GIF)
    return rest.partition(_BEHIND_XMP)[0] or None
