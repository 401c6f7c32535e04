"""Boxes of JPEG 2000 and AVIF files: what they say of the picture, and whether it is deep.

Not here: pixels (``read``), and what the metadata mean (``metadata``). Pillow looks past these
boxes, and brings colors of more than 8 bits to 8.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from koalarize.photo.metadata import EXIF_HEAD, Metadata, iptc_resource

__all__ = [
    "DEEP",
    "Jp2Parts",
    "Window",
    "avif_colors",
    "avif_window",
    "has_credentials",
    "is_avif",
    "is_deep_avif",
    "is_jp2",
    "jp2_parts",
]

#: What is said of a picture whose colors Pillow brings to 8 bits.
DEEP = "more than 8 bits a channel are read as 8"
_JP2, _CODE = b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"
# What a `uuid` box begins with: Adobe's XMP specification, part 3; exiftool, Jpeg2000.pm.
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_IPTC = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_EXIF = b"JpgTiffExif->JP2"
_PROFILES = (2, 3)  # methods of a color box: a profile of few kinds, of any (ITU-T T.800, I.5.3.3)
_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_MOST_BOXES = 1 << 16
#: Left, top, right and bottom of what is shown of a picture, pixels before it is turned.
Window = tuple[int, int, int, int]
_HEAD = 1 << 16  # bytes: an AVIF file's properties stand at its beginning


@dataclass(frozen=True)
class Jp2Parts:
    """What a JPEG 2000 file holds beside its pixels.

    Attributes:
        metadata: XMP and IPTC.
        exif: its EXIF block.
        icc: its profile.
        notes: what is lost of it, a phrase each.
    """

    metadata: Metadata
    exif: bytes | None
    icc: bytes | None
    notes: tuple[str, ...]


def is_jp2(head: bytes) -> bool:
    """Tell whether a file begins as a JPEG 2000."""
    return head.startswith((_JP2, _CODE))


def jp2_parts(stream: BinaryIO) -> Jp2Parts:
    """Return what a JPEG 2000 file holds beside its pixels."""
    found: dict[bytes, bytes] = {}
    notes: dict[str, None] = {}
    icc: bytes | None = None
    for kind, at, size in _boxes(stream):
        stream.seek(at)
        name = stream.read(16) if kind == b"uuid" else kind
        if name in (_XMP, _IPTC, _EXIF):
            found.setdefault(name, stream.read(size - 16))
        elif kind in (b"uuid", b"xml "):
            notes["what its boxes hold beside XMP, EXIF and IPTC is left out"] = None
        elif kind == b"jp2h":
            icc = icc or _profile_in(stream, at, size)
        elif kind == b"jp2c" and _is_deep(stream, at):
            notes[DEEP] = None
    iptc, exif = found.get(_IPTC), found.get(_EXIF)
    metadata = Metadata(found.get(_XMP), photoshop=iptc_resource(iptc) if iptc else None)
    exif = EXIF_HEAD + exif.removeprefix(EXIF_HEAD) if exif else None
    return Jp2Parts(metadata, exif, icc, tuple(notes))


def _profile_in(stream: BinaryIO, at: int, size: int) -> bytes | None:
    """Return the profile that a JPEG 2000 file's header states; its first color box counts."""
    for kind, start, length in _boxes(stream, at, at + size):
        if kind == b"colr":
            stream.seek(start)
            method, *_ = stream.read(3) or b"\0"
            return stream.read(length - 3) if method in _PROFILES and length > 3 else None
    return None


def _boxes(
    stream: BinaryIO, at: int = 0, end: int | None = None
) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and size of the data of each box; a bare picture is one of its own.

    Args:
        stream: the file.
        at: where the first box stands.
        end: behind the last one; by default of the file.
    """
    if end is None:
        end = stream.seek(0, io.SEEK_END)
    stream.seek(at)
    if at == 0 and stream.read(4) == _CODE:
        yield b"jp2c", 0, end
        return
    for _ in range(_MOST_BOXES):
        stream.seek(at)
        head = stream.read(min(16, max(0, end - at)))
        if len(head) < 8:
            return
        size, kind = struct.unpack(">I4s", head[:8])
        start = at + 8
        if size == 1 and len(head) == 16:
            size, start = int.from_bytes(head[8:], "big"), at + 16
        stop = min(at + size, end) if size else end
        if stop < start:
            return
        yield kind, start, stop - start
        at = stop


def _is_deep(stream: BinaryIO, at: int) -> bool:
    """Tell whether color or alpha of JPEG 2000 has more than 8 bits (ITU-T T.800, A.5.1)."""
    stream.seek(at)
    head = stream.read(43)
    return len(head) == 43 and head[40:42] > b"\0\1" and (head[42] & 0x7F) >= 8


def has_credentials(stream: BinaryIO) -> bool:
    """Tell whether an AVIF or HEIC file holds content credentials (C2PA 2.1, A.5)."""
    for kind, at, _ in _boxes(stream):
        stream.seek(at)
        if kind == b"uuid" and stream.read(16) == _C2PA:
            return True
    return False


def is_avif(head: bytes) -> bool:
    """Tell whether a file begins as an AVIF, by its own brand or by those it is compatible with.

    Args:
        head: its first 64 bytes or so.
    """
    brands = head[8 : int.from_bytes(head[:4], "big")]
    return head[4:8] == b"ftyp" and (b"avif" in brands or b"avis" in brands)


def is_deep_avif(stream: BinaryIO) -> bool:
    """Tell whether an AVIF file has more than 8 bits (AV1-ISOBMFF, 2.3)."""
    stream.seek(0)
    setup = stream.read(_HEAD).partition(b"av1C")[2]
    return len(setup) > 2 and bool(setup[2] & 0x40)


def avif_colors(stream: BinaryIO) -> tuple[int, int]:
    """Return which colors and which transfer an AVIF file states, by the numbers of ITU-T H.273.

    Those of sRGB if it states none, or holds a profile, which goes before them (HEIF, 6.5.5).
    """
    stream.seek(0)
    head = stream.read(_HEAD)
    code = head.partition(b"colrnclx")[2]
    if len(code) < 4 or b"colrprof" in head or b"colrrICC" in head:
        return 1, 13
    primaries, transfer = struct.unpack_from(">2H", code)
    return primaries, transfer


def avif_window(stream: BinaryIO, size: tuple[int, int]) -> Window | None:
    """Return what an AVIF file's clean aperture shows of its picture (ISO/IEC 14496-12, 12.1.4).

    libavif, and so Pillow, leaves it to its caller; browsers and libheif obey it.

    Args:
        stream: the file.
        size: width and height of the picture, pixels.

    Returns:
        None if it has none, or one that is not inside of the picture.
    """
    numbers = _aperture_of(stream)
    if numbers is None or not all(numbers[1::2]):
        return None
    wide, high, across, down = (n / d for n, d in zip(numbers[::2], numbers[1::2], strict=True))
    width, height = round(wide), round(high)
    left = round(across + (size[0] - wide) / 2)
    top = round(down + (size[1] - high) / 2)
    window = (left, top, left + width, top + height)
    inside = 0 <= left < window[2] <= size[0] and 0 <= top < window[3] <= size[1]
    return window if inside and (width, height) != size else None


def _aperture_of(stream: BinaryIO) -> tuple[int, ...] | None:
    """Return the eight numbers of the clean aperture of a file's primary picture."""
    stream.seek(0)
    data = stream.read(_HEAD)
    head = io.BytesIO(data)
    held: dict[bytes, tuple[int, int]] = {}
    for outer, skip in ((b"", 0), (b"meta", 4), (b"iprp", 0)):
        at, size = held.get(outer, (0, 0 if outer else len(data)))
        held |= {kind: (place, most) for kind, place, most in _boxes(head, at + skip, at + size)}
    try:
        (first, _), (at, size), (begin, length) = (held[k] for k in (b"pitm", b"ipma", b"ipco"))
        primary = int.from_bytes(data[first + 4 : first + (8 if data[first] else 6)], "big")
        chosen = _properties_of(primary, data[at : at + size])
        for number, (kind, place, _) in enumerate(_boxes(head, begin, begin + length), 1):
            if kind == b"clap" and number in chosen:
                return struct.unpack_from(">IIIIiIiI", data, place)
    except (LookupError, struct.error):  # damaged, or without these boxes
        pass
    return None


def _properties_of(item: int, table: bytes) -> set[int]:
    """Return the numbers of a picture's properties (``ipma``; HEIF, 9.3.1), from 1."""
    found: set[int] = set()
    name, step = (4 if table[0] else 2), (2 if table[3] & 1 else 1)
    at = 8
    for _ in range(min(int.from_bytes(table[4:8], "big"), _MOST_BOXES)):
        number, count = int.from_bytes(table[at : at + name], "big"), table[at + name]
        at += name + 1
        if number == item:
            mask = (1 << (8 * step - 1)) - 1  # the first bit says whether it must be obeyed
            places = range(at, at + count * step, step)
            found |= {int.from_bytes(table[one : one + step], "big") & mask for one in places}
        at += count * step
    return found
