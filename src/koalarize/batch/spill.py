"""Sets and claims of paths that may grow to millions: they spill to a temporary database.

Not here: what is remembered between runs (``journal``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from koalarize.errors import OutputError

__all__ = ["MOST_NAMES", "Claims", "Seen", "temporary_database"]

Place = TypeVar("Place")

#: More pictures than this never want one name.
MOST_NAMES = 10_000

#: Kept in memory of each database, KiB; the rest goes to a temporary file.
_CACHE_KIB = 8192


class _Temporary(sqlite3.Connection):
    """A database whose errors, as of a full disk, are those of a person."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            return super().execute(sql, parameters)
        except sqlite3.OperationalError as error:
            raise _no_room(error) from error

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        try:
            return super().executemany(sql, parameters)
        except sqlite3.OperationalError as error:
            raise _no_room(error) from error


def _no_room(error: sqlite3.OperationalError) -> OutputError:
    return OutputError(
        f"the names of so large an archive find no room in a temporary file ({error}): make some "
        "where temporary files are, or name another folder by SQLITE_TMPDIR"
    )


def temporary_database(*tables: str) -> sqlite3.Connection:
    """Return a database that ends with this process.

    Args:
        *tables: the statements that make its tables.

    It raises OutputError where it finds no room.
    """
    database = sqlite3.connect(
        "", isolation_level=None, check_same_thread=False, factory=_Temporary
    )
    database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    for table in tables:
        database.execute(table)
    return database


class Seen:
    """A set of texts that is only added to."""

    def __init__(self) -> None:
        self._database = temporary_database(
            "CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID"
        )

    def add(self, key: str) -> bool:
        """Add a text; return whether it is new."""
        text = key.encode("utf-8", "surrogatepass")
        done = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (text,))
        return done.rowcount == 1


class Claims:
    """Who claimed a name first, of a run."""

    def __init__(self) -> None:
        self._database = temporary_database(
            "CREATE TABLE claims (key TEXT PRIMARY KEY, owner TEXT) WITHOUT ROWID"
        )

    def claim(self, key: str, owner: str) -> str:
        """Claim a name unless it is taken; return whose it is now."""
        name, who = (text.encode("utf-8", "surrogatepass") for text in (key, owner))
        done = self._database.execute("INSERT OR IGNORE INTO claims VALUES (?, ?)", (name, who))
        if done.rowcount == 1:
            return owner
        (found,) = self._database.execute("SELECT owner FROM claims WHERE key = ?", (name,))
        return bytes(found[0]).decode("utf-8", "surrogatepass")

    def names(
        self, owner: str, named: Callable[[int], tuple[Place, str]], start: int = 1
    ) -> Generator[tuple[int, Place, str]]:
        """Claim one name after the other that nobody else has claimed, for an owner.

        Each is given back when the next is asked for; the one that is taken stays claimed.

        Args:
            owner: who asks.
            named: returns the place that a number stands for, and its key here.
            start: the first number.

        Yields:
            The number, the place, and the owner of the first of those that were passed over, or "".
        """
        taken = ""
        for number in range(start, MOST_NAMES):
            place, key = named(number)
            holder = self.claim(key, owner)
            if holder != owner:
                taken = taken or holder
                continue
            yield number, place, taken
            self._release(key)

    def _release(self, key: str) -> None:
        name = key.encode("utf-8", "surrogatepass")
        self._database.execute("DELETE FROM claims WHERE key = ?", (name,))
