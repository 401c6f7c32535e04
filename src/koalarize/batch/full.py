"""What a system has no more of: a full disk ends a run at once, since each later picture fails.

Not here: how much room a plan takes (``forecast``), what else a picture may meet (``run``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from koalarize.errors import NO_ROOM, OutputError

__all__ = ["full_disk", "no_thread"]


def full_disk(error: Exception, target: object) -> OutputError | None:
    """Return the error that ends a run, if one comes of a full disk or quota; else None.

    Args:
        error: what was raised.
        target: the result that found no room.
    """
    for cause in _causes(error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # without what SQLite adds to a kind
        if isinstance(cause, sqlite3.Error) and code == sqlite3.SQLITE_FULL:
            return error if isinstance(error, OutputError) else _no_room(target)
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            return _no_room(target)
    return None


def no_thread(error: BaseException) -> str | None:
    """Return what is said where the system starts no more threads; None of another error."""
    if not isinstance(error, RuntimeError) or "start new thread" not in str(error):
        return None
    return (
        "no thread can be started: memory is short, or processes are (`ulimit -v` and `ulimit -u` "
        "say how many there may be); close other programs, or lower --workers"
    )


def _no_room(target: object) -> OutputError:
    return OutputError(
        f"there is no space left for `{target}`: make room, then give the same command again; "
        "what was finished before is kept"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
