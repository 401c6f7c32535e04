"""Where the encoded bytes of a picture lie: in a file, or in memory.

Not here: decoding (``sources``), which pictures a run keeps (``kept``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Blocks", "Encoded", "Place"]

_BLOCK = 1 << 26


class Encoded(Protocol):
    """Encoded bytes that can be read more than once."""

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            OSError: if their file is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a file.

    Attributes:
        path: the file.
        start: of its first byte.
        size: bytes; None for the rest of the file.
    """

    path: Path
    start: int = 0
    size: int | None = None

    def read(self) -> bytes:
        """Return the bytes."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start)
            return file.read(-1 if self.size is None else self.size)


class Blocks:
    """Bytes in memory, in large blocks.

    A worker process shares the blocks of its parent. Single ``bytes`` would be copied piece by
    piece, since Python counts its references to an object beside the object's own bytes.
    """

    def __init__(self) -> None:
        self._open = bytearray()

    def add(self, data: bytes) -> Encoded:
        """Take bytes in, and return where they lie."""
        if self._open and len(self._open) + len(data) > _BLOCK:
            self._open = bytearray()
        start = len(self._open)
        self._open += data
        return _Held(self._open, start, len(data))


@dataclass(frozen=True, slots=True)
class _Held:
    block: bytearray
    start: int
    size: int

    def read(self) -> bytes:
        return bytes(self.block[self.start : self.start + self.size])
