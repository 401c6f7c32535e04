"""The journal: which source, settings and bytes made each result, and what failed; in SQLite.

Not here: what follows from it (``standing``). It may be lost: the marks inside results say the same
of all but those without one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from koalarize.errors import OutputError
from koalarize.film.names import FILM_RESULTS
from koalarize.photo.files import sha256_of

__all__ = ["JOURNAL", "Journal", "Made", "Stamp"]

#: Its name in the folder of the results.
JOURNAL = ".koalarize.sqlite"
_COLUMNS = """
    target TEXT PRIMARY KEY, source TEXT NOT NULL, source_size INTEGER, source_time INTEGER,
    source_hash TEXT, settings TEXT NOT NULL, size INTEGER, time INTEGER, hash TEXT, seconds REAL"""
_TABLES = f"""
CREATE TABLE IF NOT EXISTS results ({_COLUMNS});
CREATE TABLE IF NOT EXISTS announced ({_COLUMNS});
CREATE TABLE IF NOT EXISTS failures (source TEXT PRIMARY KEY, reason TEXT, error TEXT);
"""
#: Of a result: that it is a film.
_IS_FILM = " OR ".join(f"target LIKE '%{ending}'" for ending in sorted(FILM_RESULTS))
_EVERY_SECONDS = 1.0
_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Stamp:
    """By what a file is known: cheap signs first, the hash of its bytes where they changed."""

    size: int
    time: int
    hash: str | None = None

    @classmethod
    def of(cls, path: Path, *, hashed: bool = False) -> Stamp:
        """Return a file's stamp.

        Raises:
            OSError: if it cannot be read.
        """
        facts = path.stat()
        return cls(facts.st_size, facts.st_mtime_ns, sha256_of(path) if hashed else None)

    def fits(self, path: Path, *, hashed: bool = False) -> bool:
        """Tell whether a file still has the bytes it had.

        Args:
            path: the file.
            hashed: whether equal size and time are not enough, as of a file that may be another.
        """
        try:
            now = Stamp.of(path)
            if not hashed and (now.size, now.time) == (self.size, self.time):
                return True
            return now.size == self.size and sha256_of(path) == self.hash
        except OSError:
            return False


@dataclass(frozen=True)
class Made:
    """A result as the journal knows it.

    Attributes:
        source: the picture's path.
        settings: what was asked, of which model, as text.
        of: the picture's stamp.
        result: the result's stamp.
        seconds: that it took.
    """

    source: str
    settings: str
    of: Stamp
    result: Stamp
    seconds: float = 0.0


class Journal:
    """What one folder's results were made of; safe to call from several threads."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """Open a journal; it is made where there is none.

        Args:
            path: its file.
            readonly: change nothing; a missing one is empty.

        Raises:
            OutputError: if it cannot be opened or is none.
        """
        self._path = path
        self._root = path.absolute().parent
        name = str(path)
        if readonly:
            name = f"{path.absolute().as_uri()}?mode=ro" if path.is_file() else ":memory:"
        try:
            if not readonly:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                name, timeout=_WAIT_SECONDS, uri=name.startswith("file:"), check_same_thread=False
            )
            if name == ":memory:" or not readonly:
                self._database.executescript(_TABLES)
        except (sqlite3.Error, UnicodeError, OSError) as error:
            raise OutputError(
                f"the journal `{path}` cannot be opened ({error}): name another with --journal"
            ) from error
        self._readonly = readonly
        self._lock = threading.RLock()
        self._committed = time.monotonic()

    def made(self, target: Path) -> Made | None:
        """Return what is known of a result that was finished."""
        return self._row("results", target)

    def announced(self, target: Path) -> Made | None:
        """Return what is known of a result that was announced, and never noted as finished."""
        named = "SELECT 1 FROM sqlite_master WHERE name = 'announced'"
        if self._readonly and not self._do(named):  # of an earlier version, and not to be changed
            return None
        return self._row("announced", target)

    def failed(self, source: str) -> bool:
        """Tell whether a picture failed when it was last tried."""
        return bool(self._do("SELECT 1 FROM failures WHERE source = ?", (source,)))

    def announce(self, target: Path, made: Made) -> None:
        """Note, durably, the bytes that are about to get a result's name.

        A run that is killed before it notes them as finished is then told from a person who has put
        a file there. What is known of an earlier result stays until ``finish``.
        """
        self._put("announced", target, made)
        self.commit()

    def finish(self, target: Path, made: Made) -> None:
        """Note a result that is whole and on the disk."""
        if self._readonly:
            return
        self._put("results", target, made)
        self._do("DELETE FROM announced WHERE target = ?", (self._key(target),))
        self._do("DELETE FROM failures WHERE source = ?", (made.source,))
        self._commit_now_and_then()

    def fail(self, source: str, reason: str, error: str) -> None:
        """Note that a picture failed."""
        if self._readonly:
            return
        row = (source, reason, error)
        self._do("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", row)
        self._commit_now_and_then()

    def rates(self, *, films: bool = False) -> tuple[float, float] | None:
        """Return seconds, and bytes of results, for each byte of pictures, or of films, so far."""
        (row,) = self._do(
            "SELECT sum(seconds), sum(size), sum(source_size) FROM results "
            f"WHERE seconds > 0 AND ({_IS_FILM}) = ?",
            (films,),
        )
        return (row[0] / row[2], row[1] / row[2]) if row[2] else None

    def commit(self) -> None:
        """Bring all to the disk."""
        try:
            with self._lock:
                self._database.commit()
        except sqlite3.Error as error:
            raise self._trouble(error) from error
        self._committed = time.monotonic()

    def close(self) -> None:
        """Bring all to the disk and close the file."""
        try:
            self._database.commit()
            self._database.close()
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def _row(self, table: str, target: Path) -> Made | None:
        rows = self._do(
            "SELECT source, settings, source_size, source_time, source_hash, size, time, hash, "
            f"seconds FROM {table} WHERE target = ?",
            (self._key(target),),
        )
        if not rows or rows[0][5] is None:  # earlier versions noted what they began without bytes
            return None
        row = rows[0]
        return Made(row[0], row[1], Stamp(*row[2:5]), Stamp(*row[5:8]), row[8] or 0.0)

    def _do(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._database.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeError) as error:  # a damaged one holds any bytes
            raise self._trouble(error) from error

    def _trouble(self, error: sqlite3.Error | UnicodeError) -> OutputError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return OutputError(
                f"there is no space left for the journal `{self._path}`, and hardly any for "
                "results: make room, then give the same command again"
            )
        return OutputError(
            f"the journal `{self._path}` cannot be used ({error}): name another with --journal"
        )

    def _put(self, table: str, target: Path, made: Made) -> None:
        result = made.result
        row = (
            *(self._key(target), made.source, made.of.size, made.of.time, made.of.hash),
            made.settings,
            *(result.size, result.time, result.hash),
            made.seconds,
        )
        self._do(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _commit_now_and_then(self) -> None:
        if time.monotonic() - self._committed > _EVERY_SECONDS:
            self.commit()

    def _key(self, target: Path) -> str:
        """Return a result's name below the journal's folder, so that the folder may move."""
        path = Path(os.path.abspath(target))  # noqa: PTH100
        if path.is_relative_to(self._root):
            path = path.relative_to(self._root)
        return path.as_posix().encode("utf-8", "backslashreplace").decode()
