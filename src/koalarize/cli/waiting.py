"""Standard streams that take no more at once are waited for; the pipe itself is left as it is.

Not here: what is written (``report``, ``stream``). Some programs hand over pipes that take no more
where they are full. How a pipe takes bytes is the same for all that share it, so that nothing is
changed of it.
"""

from __future__ import annotations

import io
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["wait_for_readers"]


class _Waiting(io.FileIO):
    """A file that is waited for where it takes nothing at once."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of the bytes, at least one."""
        while (written := super().write(data)) is None and len(memoryview(data)):
            select.select([], [self], [])
        return written or 0


def wait_for_readers() -> None:
    """Let a full stdout and stderr be waited for."""
    sys.stdout = _waiting(sys.stdout)
    sys.stderr = _waiting(sys.stderr)


def _waiting(stream: TextIO) -> TextIO:
    """Return a stream that waits; the same one where it waits already."""
    with suppress(OSError, ValueError, AttributeError):  # it is closed, or none of the system's
        number = stream.fileno()
        if sys.platform != "win32" and not os.get_blocking(number):
            stream.flush()
            raw = _Waiting(number, "wb", closefd=False)
            return io.TextIOWrapper(
                io.BufferedWriter(raw),
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=True,
            )
    return stream
