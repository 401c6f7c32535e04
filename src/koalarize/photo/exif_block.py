"""What an EXIF block says of the picture's place and size, put right in its own bytes.

Not here: carrying the block into files (``photo.embed``), other metadata (``photo.metadata``).
Nothing is moved, so that maker notes, which hold absolute offsets, stay readable.
"""

from __future__ import annotations

import struct

from PIL import AvifImagePlugin, Image

from koalarize.photo.metadata import SUBJECTS, orientation_of_xmp
from koalarize.photo.places import Move, moved_subject

__all__ = [
    "block_of",
    "corrected",
    "orientation_of",
    "sized",
    "states_resolution",
    "without_orientation",
]

_HEAD = 8  # bytes: the order, 42, and where the first directory is
_NUMBERS = (b"\0*", b"*\0")  # 42; Pillow takes it in either order
_ORIENTATION = 0x0112
_EXIF_POINTER = 0x8769
_COLOR_SPACE, _SRGB = 0xA001, 1
_SHORT, _LONG = 3, 4  # kinds of fields: 16 and 32 bits
# Their boxes turn the picture, which Pillow's readers bring into EXIF or have done; XMP does not.
_BOXES_TURN = frozenset({"AVIF", "HEIF"})
_MOST_NUMBERS = 5  # one more than say where a subject lies
_RESOLUTIONS, _SIZES = (0x011A, 0x011B), (0xA002, 0xA003)


def orientation_of(image: Image.Image) -> int:
    """Return the orientation, 1 to 8, that EXIF or else XMP states; 1 where it is none of these.

    Of a TIFF it is the one that Pillow turns its pixels by, which leaves some ways to write XMP
    out; AVIF and HEIC files are not turned by XMP.
    """
    exif, xmp = image.getexif(), image.info.get("xmp")
    if image.format in _BOXES_TURN:
        exif, xmp = Image.Exif(), None
        exif.load(image.info.get("exif") or b"")
    found = exif.get(_ORIENTATION)
    if found is None and isinstance(xmp, bytes) and image.format != "TIFF":
        return orientation_of_xmp(xmp)
    return int(found) if found is not None and found in range(1, 9) else 1


def block_of(image: Image.Image) -> bytes | None:
    """Return an image's EXIF block as its file has it.

    Pillow writes that of an AVIF file anew where it states another orientation than the boxes, and
    loses letters and maker notes.
    """
    found = image.info.get("exif")
    if isinstance(image, AvifImagePlugin.AvifImageFile):
        found = image._decoder.get_info()[4]  # pyright: ignore[reportPrivateUsage]
    return found if isinstance(found, bytes) and found else None


def corrected(tiff: bytes, move: Move | None) -> bytes:
    """Return an EXIF block (without its head) with orientation 1, sRGB and no thumbnail.

    Args:
        tiff: the block.
        move: what turning does to the picture: to its subject, and to its sizes and resolutions
            where its sides change places; None if it is upright.

    Raises:
        ValueError: if it has no byte order or no 42, or its first directory lies where that stands.
        struct.error: if it is too short for what it says of itself.
    """
    order, block = _order(tiff), bytearray(tiff)
    (start,) = struct.unpack_from(order + "I", block, 4)
    if start < _HEAD:
        raise ValueError("its first directory lies in its head")
    entries = _entries(block, start, order)
    if _ORIENTATION in entries:
        struct.pack_into(order + "HIHH", block, entries[_ORIENTATION] + 2, 3, 1, 1, 0)
    (count,) = struct.unpack_from(order + "H", block, start)
    struct.pack_into(order + "I", block, start + 2 + 12 * count, 0)
    aside = move is not None and move.aside
    if aside:
        _exchange(block, entries, _RESOLUTIONS)
    if _EXIF_POINTER in entries:
        (inner,) = struct.unpack_from(order + "I", block, entries[_EXIF_POINTER] + 8)
        try:
            places = _entries(block, inner, order)
        except struct.error:  # it points beyond the block, and is left as it is
            return bytes(block)
        if _COLOR_SPACE in places:
            struct.pack_into(order + "HIHH", block, places[_COLOR_SPACE] + 2, 3, 1, _SRGB, 0)
        if aside:
            _exchange(block, places, _SIZES)
        if move is not None:
            _move_subject(block, inner, order, move)
    return bytes(block)


def without_orientation(exif: bytes) -> bytes | None:
    """Return an EXIF block that states no orientation; None if it states nothing else.

    Pillow writes the EXIF data of an AVIF file anew where they state one, and loses letters.
    """
    head = len(exif) - len(exif.removeprefix(b"Exif\0\0"))
    try:
        order, block = _order(exif[head:]), bytearray(exif[head:])
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        entries = _entries(block, start, order)
    except (ValueError, struct.error):  # it is damaged, and left as it is
        return exif
    if _ORIENTATION not in entries:
        return exif
    if count == 1:
        return None
    _drop(block, start, order, entries[_ORIENTATION])
    return exif[:head] + bytes(block)


def states_resolution(exif: bytes | None) -> bool:
    """Tell whether an EXIF block states dots per inch or centimeter."""
    tiff = (exif or b"").removeprefix(b"Exif\0\0")
    try:
        order = _order(tiff)
        places = _entries(bytearray(tiff), struct.unpack_from(order + "I", tiff, 4)[0], order)
    except (ValueError, struct.error):
        return False
    return all(tag in places for tag in _RESOLUTIONS)


def sized(tiff: bytes, move: Move) -> bytes:
    """Return an EXIF block (without its head) that is true of a part, where it states sizes.

    Args:
        tiff: the block.
        move: what has become of the picture.
    """
    order, block = _order(tiff), bytearray(tiff)
    entries = _entries(block, struct.unpack_from(order + "I", block, 4)[0], order)
    if _EXIF_POINTER not in entries:
        return tiff
    (inner,) = struct.unpack_from(order + "I", block, entries[_EXIF_POINTER] + 8)
    try:
        places = _entries(block, inner, order)
    except struct.error:  # it points beyond the block, and is left as it is
        return tiff
    for tag, pixels in zip(_SIZES, move.after, strict=True):
        if tag in places:
            struct.pack_into(order + "HII", block, places[tag] + 2, _LONG, 1, pixels)
    _move_subject(block, inner, order, move)
    return bytes(block)


def _order(tiff: bytes) -> str:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        raise ValueError("no byte order")
    if tiff[2:4] not in _NUMBERS:
        raise ValueError("no 42 behind its byte order")
    return order


def _entries(block: bytearray, start: int, order: str) -> dict[int, int]:
    """Return where each field of a directory stands, by tag."""
    (count,) = struct.unpack_from(order + "H", block, start)
    places = range(start + 2, start + 2 + 12 * count, 12)
    return {struct.unpack_from(order + "H", block, at)[0]: at for at in reversed(places)}


def _move_subject(block: bytearray, start: int, order: str, move: Move) -> None:
    """Put right in a directory where the subject lies; a field that says nothing true goes."""
    for tag in SUBJECTS:
        at = _entries(block, start, order).get(tag)
        if at is None:
            continue
        kind, count = struct.unpack_from(order + "HI", block, at + 2)
        numbers = f"{order}{min(count, _MOST_NUMBERS)}H"
        place = at + 8 if count <= 2 else struct.unpack_from(order + "I", block, at + 8)[0]
        known = kind == _SHORT and place + struct.calcsize(numbers) <= len(block)
        given = struct.unpack_from(numbers, block, place) if known else ()
        moved = moved_subject(given, move)
        if moved is None:
            _drop(block, start, order, at)
        else:
            struct.pack_into(numbers, block, place, *moved)


def _drop(block: bytearray, start: int, order: str, at: int) -> None:
    """Take a field out of a directory; what stands behind it keeps its place."""
    (count,) = struct.unpack_from(order + "H", block, start)
    end = start + 2 + 12 * count + 4
    block[at:end] = block[at + 12 : end] + bytes(12)
    struct.pack_into(order + "H", block, start, count - 1)


def _exchange(block: bytearray, entries: dict[int, int], pair: tuple[int, int]) -> None:
    """Exchange types and values of two fields, where both are there."""
    if pair[0] in entries and pair[1] in entries:
        one, other = (slice(entries[tag] + 2, entries[tag] + 12) for tag in pair)
        block[one], block[other] = block[other], block[one]
