"""Whether a film's file ends before the film does, by what its container says of its own length.

Not here: places that cannot be decoded (``film.read``). Readers of containers take the end of a
file for the end of the film; a copy that broke off would be a shorter film without a word.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from av.container import InputContainer
from av.video.stream import VideoStream

__all__ = ["is_cut_short"]

_LAST = 64  # frames of a table that are looked at: the last are not always the last in the file
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067  # elements of Matroska
_UNKNOWN = 0xFFFFFFFF  # what AVI says of its length while it is being written


def is_cut_short(path: Path, container: InputContainer, stream: VideoStream) -> bool:
    """Tell whether a film's file is shorter than it says: MP4, MOV, Matroska, WebM or AVI.

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
        return any(entries[number].pos + entries[number].size > size for number in last)
    with path.open("rb") as file:
        if "matroska" in form:
            return _matroska_end(file) > size
        return "avi" in form and _avi_end(file, size) > size


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
