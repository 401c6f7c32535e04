"""Tar shards as WebDataset writes them (or any tar of pictures), read with the standard library.

Not here: folders and Parquet (``sources``), decoding.
A damaged shard gives what it holds and one unreadable picture; it never stops a run.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from koalarize.errors import DataError

__all__ = ["PICTURE_SUFFIXES", "SHARD_SUFFIXES", "expand_braces", "is_hidden", "shard_pictures"]

#: Endings that are taken for pictures.
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}
)
#: Endings of shards.
SHARD_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_END = bytes(tarfile.BLOCKSIZE)
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_SHARDS = 1_000_000
#: What reading a damaged tar or its compression raises.
_TAR_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is not meant for people: ``.x``, ``._x.jpg``, ``__MACOSX``."""
    return name.startswith(".") or name == "__MACOSX"


def expand_braces(pattern: str) -> list[str]:
    """Expand numeric ranges as WebDataset writes them: ``a-{08..10}.tar`` is three names.

    A name without a range is returned as it is.

    Raises:
        DataError: if a range runs backwards or gives more than a million names.
    """
    match = _RANGE.search(pattern)
    if match is None:
        return [pattern]
    first, last = match.groups()
    if not 0 <= int(last) - int(first) < _MOST_SHARDS:
        raise DataError(
            f"`{match.group()}` in `{pattern}` must rise and give at most a million shards: "
            "as in photos-{000..015}.tar"
        )
    width = len(first) if first.startswith("0") or len(first) == len(last) else 0
    names = [
        f"{pattern[: match.start()]}{number:0{width}d}{rest}"
        for number in range(int(first), int(last) + 1)
        for rest in expand_braces(pattern[match.end() :])
    ]
    return names


def shard_pictures(path: Path, most_bytes: int) -> Iterator[tuple[str, bytes, int | None]]:
    """Yield name, encoded bytes and start of every picture of a tar file, in the file's order.

    The start is where the bytes begin in the file if it is not compressed.

    A sample of WebDataset is the members that share a name up to its first dot. Where it holds
    ``key.jpg`` (or another picture's ending right after the key), its ``key.mask.png`` and the
    like are passed over; where it does not, every member with a picture's ending is a picture.

    Args:
        path: a ``.tar``, also compressed.
        most_bytes: larger members count as unreadable.

    Yields:
        Unreadable ones with empty bytes: a member that cannot be read, and once the rest of a
        shard that is truncated or damaged.
    """
    try:
        with tarfile.open(path, "r:*") as tar:
            members, whole = _members(tar)
            counted = False
            for member in _pictures_of(members):
                data = _member_bytes(tar, member, most_bytes)
                counted = not data and member is members[-1]
                yield member.name, data, member.offset_data
            # A truncated shard's last member and its missing rest are one and the same loss.
            if not whole and not counted:
                yield "(the rest)", b"", None
    except _TAR_ERRORS:
        yield "(the shard)", b"", None


def _members(tar: tarfile.TarFile) -> tuple[list[tarfile.TarInfo], bool]:
    """Return the regular files of a tar, and whether it ends as a tar must."""
    found: list[tarfile.TarInfo] = []
    try:
        while (member := tar.next()) is not None:
            if member.isreg() and not any(map(is_hidden, PurePosixPath(member.name).parts)):
                found.append(member)
            kept: Any = tar  # whose list of all members would grow with the shard
            kept.members.clear()
        stream = tar.fileobj
        assert stream is not None
        stream.seek(tar.offset)
        return found, stream.read(tarfile.BLOCKSIZE) == _END
    except _TAR_ERRORS:
        return found, False


def _pictures_of(members: list[tarfile.TarInfo]) -> list[tarfile.TarInfo]:
    pictures = [(member, *_key(member.name)) for member in members]
    plain = {key for _, key, ending in pictures if ending in PICTURE_SUFFIXES}
    return [
        member
        for member, key, ending in pictures
        if ending in PICTURE_SUFFIXES
        or (key not in plain and PurePosixPath(ending).suffix in PICTURE_SUFFIXES)
    ]


def _key(name: str) -> tuple[str, str]:
    """Split ``a/b.mask.png`` into the sample's key ``a/b`` and the ending ``.mask.png``."""
    folder, slash, base = name.rpartition("/")
    stem, dot, ending = base.partition(".")
    return f"{folder}{slash}{stem}", f"{dot}{ending}".lower()


def _member_bytes(tar: tarfile.TarFile, member: tarfile.TarInfo, most_bytes: int) -> bytes:
    if member.size > most_bytes:
        return b""
    try:
        stream = tar.extractfile(member)
        data = stream.read() if stream is not None else b""
    except _TAR_ERRORS:
        return b""
    return data if len(data) == member.size else b""
