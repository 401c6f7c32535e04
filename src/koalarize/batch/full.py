"""A full disk ends a run at once: each later picture would fail alike.

Not here: how much room a plan takes (``forecast``), what else a picture may meet (``run``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from koalarize.errors import NO_ROOM, OutputError

__all__ = ["full_disk"]


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


def _no_room(target: object) -> OutputError:
    return OutputError(
        f"there is no space left for `{target}`: make room, then give the same command again; "
        "what was finished before is kept"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
