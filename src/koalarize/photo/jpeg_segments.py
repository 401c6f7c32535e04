"""The segments of a JPEG file before its pixels, as bytes; and back.

Not here: pixels (``read``), EXIF and profiles, which Pillow reads and writes.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

from koalarize.photo.metadata import CREDENTIALS, EXIF_HEAD, Metadata

__all__ = [
    "FILM",
    "XMP_ROOM",
    "has_more_behind",
    "is_jpeg",
    "jpeg_metadata",
    "lists_more",
    "segment_places",
    "segments_of",
]

#: What is said of a motion photo.
FILM = "the film behind its picture is left out"
_COMMENT, _APP0, _APP1, _APP2, _APP11, _APP13, _APP14 = 0xFE, 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE
_PIXELS, _END = 0xDA, b"\xff\xd9"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_ROOM = 65533
#: The most bytes of XMP that a JPEG file holds in one piece.
XMP_ROOM = _ROOM - len(_XMP)
# A film behind the end (Android's motion photo; Samsung puts a name between).
_FILM = re.compile(rb"\0\0\0[\x10-\x40]ftyp")
_LENGTH = re.compile(rb":Length(?:=[\"']|>)(\d{1,12})\b")  # in Google's list of what stands there
_PADDING = 8  # fewer bytes behind the end are none that say anything
_MORE_HEAD = len(_MORE_XMP) + 32 + 8
#: Written by Pillow or about this file only: JFIF, profile and several pictures, colors.
_LEFT = frozenset({_APP0, _APP2, _APP11, _APP14})


def is_jpeg(head: bytes) -> bool:
    """Tell whether a file begins as a JPEG."""
    return head.startswith(b"\xff\xd8\xff")


def jpeg_metadata(stream: BinaryIO) -> tuple[Metadata, tuple[str, ...]]:
    """Return what a JPEG file's segments hold, and notes on what they keep back."""
    xmp: bytes | None = None
    more: dict[int, bytes] = {}
    photoshop = b""
    comments: list[bytes] = []
    others: list[tuple[int, bytes]] = []
    notes: tuple[str, ...] = ()
    for marker, data in _segments(stream):
        if marker == _APP1:
            if data.startswith(_XMP):
                xmp = xmp or data.removeprefix(_XMP)
            elif data.startswith(_MORE_XMP) and len(data) >= _MORE_HEAD:
                (start,) = struct.unpack(">I", data[_MORE_HEAD - 4 : _MORE_HEAD])
                more[start] = data[_MORE_HEAD:]
            elif not data.startswith((EXIF_HEAD, _MORE_XMP)):  # a thermal camera's, and the like
                others.append((marker, data))
        elif marker == _APP13 and data.startswith(_PHOTOSHOP):
            photoshop += data.removeprefix(_PHOTOSHOP)
        elif marker == _COMMENT:
            comments.append(data)
        elif marker == _APP11:
            notes = (CREDENTIALS,)
        elif marker not in _LEFT:
            others.append((marker, data))
    if _has_film(stream):
        notes = (*notes, FILM)
    joined = b"".join(more[start] for start in sorted(more))
    metadata = Metadata(
        xmp, joined or None, photoshop or None, tuple(comments), segments=tuple(others)
    )
    return metadata, notes


def lists_more(stream: BinaryIO, xmp: bytes | None) -> bool:
    """Tell whether there is a picture behind the end where XMP's list of what stands there says."""
    lengths = [int(length) for length in _LENGTH.findall(xmp or b"")]
    at = stream.seek(0, io.SEEK_END) - sum(lengths)
    if not lengths or at < len(_END):
        return False
    stream.seek(at)
    return is_jpeg(stream.read(3))


def has_more_behind(stream: BinaryIO) -> bool:
    """Tell whether anything but padding stands behind the end of the picture."""
    start = 2
    for _, at, size in segment_places(stream):
        start = at + size
    stream.seek(start)
    data = stream.read()
    end = data.find(_END)  # which the code of pixels cannot hold
    return end >= 0 and len(data[end + len(_END) :].strip(b"\0\xff\r\n ")) >= _PADDING


def _ends_with_picture(stream: BinaryIO) -> bool:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - 64))
    return stream.read().rstrip(b"\0").endswith(_END)


def _has_film(stream: BinaryIO) -> bool:
    if _ends_with_picture(stream):
        return False
    stream.seek(0)
    data = stream.read()
    starts = (found.start() for found in _FILM.finditer(data))
    return any(_END in data[max(0, start - 64) : start] for start in starts)


def _segments(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield marker and data of comments and application segments up to the pixels."""
    for marker, at, size in segment_places(stream):
        if marker == _COMMENT or 0xE0 <= marker <= 0xEF:
            stream.seek(at)
            yield marker, stream.read(size)


def segment_places(stream: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and size of the data of each segment before the pixels."""
    at = 2
    while True:
        stream.seek(at)
        head = stream.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return
        marker, size = head[1], struct.unpack(">H", head[2:])[0]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == _PIXELS or size < 2:
            return
        yield marker, at + 4, size - 2
        at += 2 + size


def segments_of(metadata: Metadata) -> bytes:
    """Return the segments of all that a JPEG file can hold of the metadata."""
    parts: list[bytes] = []
    if metadata.xmp and len(metadata.xmp) <= XMP_ROOM:
        parts.append(_segment(_APP1, _XMP + metadata.xmp))
    if metadata.more_xmp:
        more = metadata.more_xmp
        name = hashlib.md5(more, usedforsecurity=False).hexdigest().upper().encode()
        step = _ROOM - _MORE_HEAD
        for start in range(0, len(more), step):
            head = _MORE_XMP + name + struct.pack(">II", len(more), start)
            parts.append(_segment(_APP1, head + more[start : start + step]))
    if metadata.photoshop:
        step = _ROOM - len(_PHOTOSHOP)
        for start in range(0, len(metadata.photoshop), step):
            parts.append(_segment(_APP13, _PHOTOSHOP + metadata.photoshop[start : start + step]))
    parts += [_segment(marker, data) for marker, data in metadata.segments]
    parts += [_segment(_COMMENT, comment[:_ROOM]) for comment in metadata.comments]
    return b"".join(parts)


def _segment(marker: int, data: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data
