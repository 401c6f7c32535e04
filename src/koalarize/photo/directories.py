"""TIFF directories as bytes: which of them is the picture, and fields copied as they are.

Not here: pixels (``tiff_pixels``), what the fields mean (``metadata``). EXIF blocks are TIFF files
without pixels, so both come through here; nothing is decoded that need not be.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

__all__ = [
    "EXIF",
    "GPS",
    "INTEROP",
    "Directory",
    "Field",
    "TiffReader",
    "directory_bytes",
    "ends_within_directory",
]

#: Tags of the directories that belong to a picture's description.
EXIF, GPS, INTEROP = 34665, 34853, 40965
_DESCRIPTION = 270

# Field types (TIFF 6.0, page 15, and BigTIFF): bytes that a byte order turns, and bytes of a value.
_SWAPPED = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_SIZES = {1: 1, 2: 1, 6: 1, 7: 1, **_SWAPPED, 5: 8, 10: 8}
_UNSIGNED = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_USER_COMMENT, _UNICODE = 37510, b"UNICODE\0"
_MOST_DIRECTORIES = 10_000
_MOST_FIELDS = 4096
#: Of all directories of a file together, each as often as it is read: directories may overlap.
_MOST_FIELDS_IN_ALL = 1 << 18


@dataclass(frozen=True)
class Field:
    """One field: its type, how many values, and their bytes in little-endian order."""

    kind: int
    count: int
    data: bytes

    @property
    def numbers(self) -> tuple[int, ...]:
        """The values, if they are whole numbers; none otherwise."""
        code = _UNSIGNED.get(self.kind)
        return struct.unpack(f"<{self.count}{code}", self.data) if code else ()


@dataclass(frozen=True)
class Directory:
    """The fields of one directory by tag, and the directories that fields point to."""

    fields: Mapping[int, Field] = field(default_factory=dict[int, Field])
    below: Mapping[int, Directory] = field(default_factory=dict[int, "Directory"])

    def number(self, tag: int, default: int) -> int:
        """Return the first value of a field of whole numbers."""
        found = self.fields.get(tag)
        return found.numbers[0] if found is not None and found.numbers else default


class TiffReader:
    """Reads directories of a TIFF or BigTIFF file, or of an EXIF block without its head."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the header.

        Raises:
            ValueError: if it is none of a TIFF file.
        """
        self._stream = stream
        self._fields = 0
        self._end = stream.seek(0, io.SEEK_END)
        head = self._bytes(0, 8)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        if not self.order:
            raise ValueError("no byte order")
        self.big = struct.unpack(self.order + "H", head[2:4])[0] == 43
        self.word = "Q" if self.big else "I"
        self.place_of_first = 8 if self.big else 4
        self.first = self._number(self.word, self.place_of_first)

    def _bytes(self, at: int, size: int) -> bytes:
        if at + size > self._end:  # before so much is asked for
            raise ValueError("a field lies beyond the end")
        self._stream.seek(at)
        return self._stream.read(size)

    def _number(self, code: str, at: int) -> int:
        return struct.unpack(self.order + code, self._bytes(at, struct.calcsize(code)))[0]

    def directory(self, at: int, leave: Iterable[int] = ()) -> tuple[Directory, int]:
        """Read a directory without those below it; fields beyond the file's end are left out.

        Args:
            at: its offset.
            leave: tags whose values are not read.

        Returns:
            The directory, and the offset of the next one or 0.
        """
        code, width = ("Q", 20) if self.big else ("H", 12)
        count = self._number(code, at)
        if count > _MOST_FIELDS:
            raise ValueError(f"{count} fields in one directory")
        self._fields += count
        if self._fields > _MOST_FIELDS_IN_ALL:
            raise ValueError(f"more than {_MOST_FIELDS_IN_ALL} fields")
        start = at + struct.calcsize(code)
        fields: dict[int, Field] = {}
        for entry in range(start, start + width * count, width):
            tag, kind = struct.unpack(self.order + "HH", self._bytes(entry, 4))
            if tag == _DESCRIPTION and tag in fields:
                continue  # tifffile writes one of its own behind a person's
            if tag not in leave and kind in _SIZES:
                try:
                    fields[tag] = self._of_words(tag, self._field(entry, kind))
                except (ValueError, OverflowError, OSError, MemoryError):
                    continue
        try:
            following = self._number(self.word, start + width * count)
        except ValueError:  # some EXIF blocks end here
            following = 0
        return Directory(fields), following

    def _field(self, entry: int, kind: int) -> Field:
        count = self._number(self.word, entry + 4)
        size = count * _SIZES[kind]
        room = struct.calcsize(self.word)
        at = entry + 4 + room
        if size > room:
            at = self._number(self.word, at)
        data = self._bytes(at, size)
        if self.order == ">" and kind in _SWAPPED:
            data = np.frombuffer(data, f">u{_SWAPPED[kind]}").byteswap().tobytes()
        return Field(kind, count, data)

    def _of_words(self, tag: int, found: Field) -> Field:
        """Return a field as it is; a comment in UTF-16 in the order that results are written in."""
        if tag != _USER_COMMENT or self.order == "<" or not found.data.startswith(_UNICODE):
            return found
        words = bytearray(found.data[len(_UNICODE) :])
        pairs = len(words) // 2 * 2
        words[0:pairs:2], words[1:pairs:2] = words[1:pairs:2], words[0:pairs:2]
        return Field(found.kind, found.count, _UNICODE + bytes(words))

    def chain(self) -> list[int]:
        """Return the offsets of the directories that follow each other from the first."""
        offsets: list[int] = []
        at = self.first
        while at and at not in offsets and len(offsets) < _MOST_DIRECTORIES:
            try:
                code, width = ("Q", 20) if self.big else ("H", 12)
                end = at + struct.calcsize(code) + width * self._number(code, at)
                following = self._number(self.word, end)
            except ValueError:
                following = 0
            offsets.append(at)
            at = following
        return offsets

    def ends_within(self, at: int) -> bool:
        """Tell whether the file ends before the end of the directory at an offset."""
        code, width = ("Q", 20) if self.big else ("H", 12)
        try:
            end = at + struct.calcsize(code) + width * self._number(code, at)
        except ValueError:
            return True
        return end > self._end

    def described(self, at: int, leave: Iterable[int] = ()) -> Directory:
        """Read a directory with those below it that describe the picture (EXIF, GPS)."""
        directory, _ = self.directory(at, leave)
        below: dict[int, Directory] = {}
        for tag in (EXIF, GPS, INTEROP):
            offset = directory.number(tag, 0)
            if offset and offset != at:
                try:
                    below[tag] = self.described(offset, (EXIF, GPS) if tag == EXIF else _POINTERS)
                except ValueError:
                    continue
        kept = {tag: value for tag, value in directory.fields.items() if tag not in _POINTERS}
        return Directory(kept, below)


_POINTERS = (EXIF, GPS, INTEROP)


def ends_within_directory(stream: BinaryIO) -> int | None:
    """Return which directory of a TIFF file it is cut within, from 0 on; None if within none.

    Many programs write that behind the pixels.
    """
    try:
        reader = TiffReader(stream)
    except (ValueError, struct.error):  # not even its head is there
        return 0
    chain = reader.chain() or [reader.first]
    return next((number for number, at in enumerate(chain) if reader.ends_within(at)), None)


def directory_bytes(directory: Directory, at: int, following: int = 0) -> bytes:
    """Write a directory, its values and the directories below it, little-endian.

    Args:
        directory: what to write.
        at: its offset in the file; an even number.
        following: the offset of the next directory.
    """
    fields = dict(directory.fields)
    count = len(fields) + len(directory.below)
    end = at + 2 + 12 * count + 4
    body = b""
    for tag, inner in directory.below.items():
        fields[tag] = Field(4, 1, struct.pack("<I", end + len(body)))
        body += directory_bytes(inner, end + len(body))
    entries = struct.pack("<H", count)
    for tag, value in sorted(fields.items()):
        data = value.data
        if len(data) > 4:
            data = struct.pack("<I", end + len(body))
            body += value.data + b"\0" * (len(value.data) % 2)
        entries += struct.pack("<HHI", tag, value.kind, value.count) + data.ljust(4, b"\0")
    return entries + struct.pack("<I", following) + body
