"""What a picture is read from: a file that is opened, or one that somebody has open.

Not here: what is in it (``streams``).
"""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISCHR, S_ISFIFO, S_ISSOCK
from typing import BinaryIO, cast

from koalarize.errors import PhotoError

__all__ = ["checked", "head_apart", "not_there", "opened", "overlaid", "seekable"]

_ADDRESS = re.compile(r"(?:https?|ftp|s3|gs|file):/")
_NUMBERED = re.compile(r"%0?\d*d")


def seekable(given: object) -> BinaryIO:
    """Return a binary file that can be read from the start; a pipe is read whole.

    So is what has no more than ``read``, and a mapped file (``mmap``), which is no whole file.

    Raises:
        PhotoError: if it cannot be read, or is open as text.
    """
    if not hasattr(given, "read"):
        raise PhotoError(
            f"the picture is of type {type(given).__name__} but must be a path, bytes, a binary "
            "file, a PIL image or a NumPy array: convert it first."
        )
    stream = cast("BinaryIO", given)
    try:
        can_seek = hasattr(stream, "seekable") and stream.seekable()
        if can_seek and isinstance(cast(object, stream.read(0)), bytes):
            return stream
        data = stream.read()
    except (OSError, AttributeError, ValueError) as error:
        if isinstance(error, io.UnsupportedOperation):
            step = "is open for writing only: open it with `rb`."
            raise PhotoError(f"the given file {step}") from error
        raise PhotoError(f"the given file cannot be read ({error}): open it again.") from error
    if not isinstance(cast(object, data), bytes):
        raise PhotoError("the given file is open as text but must be binary: open it with `rb`.")
    return io.BytesIO(data)


@contextmanager
def opened(path: Path) -> Generator[BinaryIO]:
    """Open a picture's file.

    Raises:
        PhotoError: if it cannot be read, also later.
    """
    try:
        with checked(path).open("rb") as stream:
            yield stream
    except OSError as error:
        raise PhotoError(_unreadable(path, error)) from error


def checked(path: Path) -> Path:
    """Return a path that may be that of a file.

    Raises:
        PhotoError: if it holds a NUL, or is a pipe or a device, which may never end.
    """
    if "\0" in str(path):
        raise PhotoError(f"`{str(path)!r}` holds a NUL, which no file's name does: check it.")
    try:
        mode = path.stat().st_mode
    except OSError:
        return path  # what is wrong is said when it is opened
    if S_ISFIFO(mode) or S_ISCHR(mode) or S_ISSOCK(mode):
        raise PhotoError(
            f"`{path}` is a pipe or a device but must be a file: pipe it in with `-` as its name."
        )
    return path


def not_there(path: Path) -> str:
    """Return what to say of a file that does not exist."""
    if _ADDRESS.match(str(path)):
        return f"`{path}` is an address, from which nothing is fetched: save the picture first."
    if _NUMBERED.search(path.name):
        return (
            f"`{path}` is a pattern of numbered frames but must be a file: make a film of them by "
            f"`ffmpeg -framerate 24 -i {path} -c:v ffv1 film.mkv`, and colour that."
        )
    return f"`{path}` does not exist: check its name and folder."


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return not_there(path)
    if error.errno == errno.ENAMETOOLONG:
        return f"`{path}` is too long for a file's name: check it."
    if path.is_dir():
        return f"`{path}` is a folder but must be a picture: name a file in it."
    return f"`{path}` cannot be opened ({error.strerror or error}): check its permissions."


def overlaid(stream: BinaryIO, at: int, data: bytes) -> BinaryIO:
    """Return a file with other bytes at a place; nothing is copied."""
    return cast("BinaryIO", _Overlaid(stream, at, data))


class _Overlaid(io.RawIOBase):
    def __init__(self, stream: BinaryIO, start: int, data: bytes) -> None:
        self._stream, self._start, self._data = stream, start, data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset += self._at
        elif whence == os.SEEK_END:
            offset += self._stream.seek(0, os.SEEK_END)
        self._at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        self._stream.seek(self._at)
        data = self._stream.read(size)
        first, last = self._start - self._at, self._start + len(self._data) - self._at
        if first < len(data) and last > 0:
            changed = bytearray(data)
            for place in range(max(first, 0), min(last, len(data))):
                changed[place] = self._data[place - first]
            data = bytes(changed)
        self._at += len(data)
        return data

    def fileno(self) -> int:
        """Of the file itself: libtiff is told the page's offset."""
        return self._stream.fileno()


def head_apart(stream: BinaryIO) -> BinaryIO:
    """Return a file whose first bytes come alone.

    Pillow's reader of WebP compares the size that stands in them with a limit of its own.
    """
    return cast("BinaryIO", _HeadApart(stream))


class _HeadApart(io.RawIOBase):
    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._begun = stream, False

    def read(self, size: int = -1) -> bytes:
        begun, self._begun = self._begun, True
        return self._stream.read(size if begun else min(size, 16))
