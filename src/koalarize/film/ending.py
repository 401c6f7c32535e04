"""Whether a film's file ends before the film does, by what its container says of its own length.

Not here: places that cannot be decoded (``film.read``). Readers of containers take the end of a
file for the end of the film; a copy that broke off would be a shorter film without a word.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from av.container import InputContainer
from av.video.stream import VideoStream

__all__ = ["is_cut_short", "lacks_table"]

_LAST = 64  # frames of a table that are looked at: the last are not always the last in the file
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067  # elements of Matroska
_UNKNOWN = 0xFFFFFFFF  # what AVI says of its length while it is being written
_BOXES = (b"moov", b"moof", b"mdat")  # of MP4; what else stands at its end may be no box at all
_HEAD = 1 << 16  # bytes at whose place FLV and ASF say how long they are
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # its File Properties Object
_FLV_SIZE = b"\0\x08filesize\0"  # a name and the kind of number behind it, in AMF


def is_cut_short(path: Path, container: InputContainer, stream: VideoStream) -> bool:
    """Tell whether a film's file is shorter than it says: MP4, MOV, Matroska, AVI, FLV or ASF.

    Args:
        path: of the film.
        container: the film, open.
        stream: the pictures.

    Returns:
        False where the container does not say how long it is, as transport streams do not.
    """
    form = container.format.name.split(",")
    size = path.stat().st_size
    if "mp4" in form:
        entries = stream.index_entries
        last = range(max(0, len(entries) - _LAST), len(entries))
        if any(entries[number].pos + entries[number].size > size for number in last):
            return True
    with path.open("rb") as file:
        if "mp4" in form:
            return _mp4_end(file, size) > size
        if "matroska" in form:
            return _matroska_end(file) > size
        if "avi" in form:
            return _avi_end(file, size) > size
        head = file.read(_HEAD)
    return ("flv" in form and _flv_end(head) > size) or ("asf" in form and _asf_end(head) > size)


def lacks_table(path: Path) -> bool:
    """Tell whether an MP4 or MOV file has no table of its frames, which is written at the end.

    Without it no frame can be found: cameras that lost their power leave such files, and copies
    that broke off.
    """
    with path.open("rb") as file:
        kinds = [kind for kind, _ in _boxes(file, path.stat().st_size)]
    return b"mdat" in kinds and not {b"moov", b"moof"} & set(kinds)


def _mp4_end(file: BinaryIO, size: int) -> int:
    """Return where the last box of an MP4 file ends, bytes: one in fragments has no table."""
    return max((end for kind, end in _boxes(file, size) if kind in _BOXES), default=0)


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield the kind of each box of an MP4 file, and where it ends, bytes."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4]), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16])
        if length == 0:  # to the end of the file, as while recording
            yield kind, size
        if length < 8:
            break
        at += length
        yield kind, at


def _flv_end(head: bytes) -> int:
    """Return how long an FLV file says it is, bytes; 0 where it does not say."""
    number = head.partition(_FLV_SIZE)[2][:8]
    said = struct.unpack(">d", number)[0] if len(number) == 8 else 0.0
    return int(said) if math.isfinite(said) else 0


def _asf_end(head: bytes) -> int:
    """Return how long an ASF file says it is, bytes; 0 where it does not say, as in a broadcast."""
    facts = head.partition(_ASF_FILE)[2]
    live = facts[72:73] and facts[72] & 1
    return 0 if live else int.from_bytes(facts[24:32], "little")


def _matroska_end(file: BinaryIO) -> int:
    """Return where the segment of a Matroska file ends, bytes; 0 where it does not say."""
    if int.from_bytes(file.read(4)) != _EBML:
        return 0
    file.seek(_length(file) or 0, os.SEEK_CUR)
    if int.from_bytes(file.read(4)) != _SEGMENT:
        return 0
    length = _length(file)
    return 0 if length is None else file.tell() + length


def _length(file: BinaryIO) -> int | None:
    """Read the length of an element of Matroska; None where it is open, as while recording."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    value = int.from_bytes(first + file.read(more)) & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value


def _avi_end(file: BinaryIO, size: int) -> int:
    """Return where the last part of an AVI file ends, bytes; 0 where it does not say."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or length in (0, _UNKNOWN):
            break
        end += 8 + length + length % 2
    return end
