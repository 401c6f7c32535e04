"""The journal: which source, settings and bytes made each result, and what failed; in SQLite.

Not here: what follows from it (``standing``). It may be lost: the marks inside results say the same
of all but those without one.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from koalarize.batch.rates import Pace
from koalarize.errors import OptionError, OutputError
from koalarize.film.names import FILM_EXTENSIONS, FILM_RESULTS
from koalarize.photo.files import EXTENSIONS, HEIF_EXTENSIONS, sha256_of

__all__ = ["JOURNAL", "Journal", "Made", "Stamp", "check_journal", "journals_in"]

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
#: Journals of one folder: that of a run that does all, and one a shard.
_ALL = ".koalarize*.sqlite"
_SOME_RESULTS = (
    "SELECT rowid, source, target FROM results WHERE rowid > ? AND size IS NOT NULL "
    "ORDER BY rowid LIMIT 10000"
)
_EVERY_SECONDS = 1.0
_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Stamp:
    """By what a file is known: cheap signs first, the hash of its bytes where they changed.

    Attributes:
        size: bytes.
        time: of the last change, nanoseconds since 1970, modulo 2**64: SQLite holds no more, and
            a clock may be wrong by centuries.
        hash: sha256 of the bytes.
    """

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
        when = (facts.st_mtime_ns + 2**63) % 2**64 - 2**63
        return cls(facts.st_size, when, sha256_of(path) if hashed else None)

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
        self._others: list[Journal] | None = None
        self._announces: bool | None = None
        self._last = "", ""  # a folder, and what its results' names begin with here
        new = not os.path.lexists(path)
        try:
            if readonly:
                self._database = _opened_to_read(path)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._database = _connected(str(path))
            if not (readonly and path.is_file()):
                self._database.executescript(_TABLES)
        except (sqlite3.Error, UnicodeError, OSError) as error:
            why = "a folder has its name" if path.is_dir() else error
            where = "its folder may not be written to: name a folder for the results with -o, or"
            raise _refused(path, error) or OutputError(
                f"the journal `{path}` cannot be made ({error}); {where} another journal with "
                "--journal"
                if new
                else f"the journal `{path}` cannot be opened ({why}): name another with --journal"
            ) from error
        self._readonly = readonly
        self._lock = threading.RLock()
        self._committed = time.monotonic()

    def made(self, target: Path) -> Made | None:
        """Return what is known of a result that was finished."""
        return self._row("results", target)

    def announced(self, target: Path) -> Made | None:
        """Return what is known of a result that was announced, and never noted as finished."""
        if self._announces is None:
            named = "SELECT 1 FROM sqlite_master WHERE name = 'announced'"
            # One of an earlier version has none, and is not to be changed if it is only read.
            self._announces = not self._readonly or bool(self._do(named))
        return self._row("announced", target) if self._announces else None

    def elsewhere(self, target: Path) -> Made | None:
        """Return what the journals of other shards, or of a run without, know of a result."""
        for other in self._of_others():
            with contextlib.suppress(OutputError):
                announced = other.announced(target)
                if announced is not None and announced.result.fits(target, hashed=True):
                    return announced
                if (made := other.made(target)) is not None:
                    return made
        return None

    def _of_others(self) -> list[Journal]:
        if self._others is None:
            self._others = list(self._opened_others()) if self._path.match(_ALL) else []
        return self._others

    def _asked_of_others(self, query: str, values: tuple[object, ...]) -> list[Any]:
        for other in self._of_others():
            with contextlib.suppress(OutputError):  # one that is damaged knows nothing
                if rows := other._do(query, values):
                    return rows
        return []

    def _opened_others(self) -> Iterator[Journal]:
        for path in sorted(self._root.glob(_ALL)):
            if path.name != self._path.name:
                with contextlib.suppress(OutputError):  # one that is damaged knows nothing
                    yield Journal(path, readonly=True)

    def results(self) -> Iterator[tuple[str, Path]]:
        """Yield the picture, as it is called here, and the file of each result that was noted."""
        last = 0  # rows are taken by portions: there may be millions
        while rows := self._do(_SOME_RESULTS, (last,)):
            for _, source, target in rows:
                yield source, self._path.parent / target
            last = rows[-1][0]

    def failed(self, source: str) -> bool:
        """Tell whether a picture failed when it was last tried, by another shard too."""
        query = "SELECT 1 FROM failures WHERE source = ?"
        return bool(self._do(query, (source,)) or self._asked_of_others(query, (source,)))

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

    def rates(self, model: str | None = None, *, films: bool = False) -> Pace | None:
        """Return seconds, bytes of results and files for each byte of pictures, or films, so far.

        Only of a model, if one is named; ``Made.settings`` begins with its name.
        """
        query = (
            "SELECT sum(seconds), sum(size), count(*), sum(source_size) FROM results "
            f"WHERE seconds > 0 AND ({_IS_FILM}) = ? AND substr(settings, 1, length(?)) = ? "
            "HAVING sum(source_size) > 0"
        )
        begins = "" if model is None else f"{model} "
        asked = films, begins, begins
        rows = self._do(query, asked) or self._asked_of_others(query, asked)
        return Pace(*(sum_ / rows[0][3] for sum_ in rows[0][:3])) if rows else None

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
        for other in self._others or ():
            other.close()
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
        # What of a name is no UTF-8 is no text for SQLite.
        plain = [_text(value) if isinstance(value, str) else value for value in values]
        try:
            with self._lock:
                return self._database.execute(query, plain).fetchall()
        except (sqlite3.Error, UnicodeError) as error:  # a damaged one holds any bytes
            raise self._trouble(error) from error

    def _trouble(self, error: sqlite3.Error | UnicodeError) -> OutputError:
        return _refused(self._path, error) or OutputError(
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
        name = os.path.abspath(target)  # noqa: PTH100 (of millions of texts)
        folder, below = self._last
        if os.path.dirname(name) == folder:  # noqa: PTH120
            return _text(below + os.path.basename(name))  # noqa: PTH119
        path = Path(name)
        if path.is_relative_to(self._root):
            path = path.relative_to(self._root)
        above = path.parent.as_posix()
        self._last = str(Path(name).parent), "" if above == "." else above.rstrip("/") + "/"
        return _text(path.as_posix())


def journals_in(folder: Path, name: str) -> list[Path]:
    """Return the journals of a folder that tell of results which a run would have made.

    Args:
        folder: of the results.
        name: of the run's own; that of a run without a shard, which does all, stands for all.
    """
    return sorted(folder.glob(_ALL)) if name == JOURNAL else [folder / name]


def check_journal(path: Path) -> None:
    """Check, before any work is done, that a file can be the journal that a person names.

    Raises:
        OptionError: if it is a folder, is called as a picture or film, or holds something else.
    """
    ending = path.suffix.lower()
    if path.is_dir():
        raise OptionError(f"`--journal` is the folder `{path}` but must be a file: name one in it")
    if ending in (*EXTENSIONS, *HEIF_EXTENSIONS, *FILM_EXTENSIONS):
        raise OptionError(
            f"`--journal` is `{path}` but must not end as a picture or film: name a .sqlite file"
        )
    if not path.is_file():
        return
    try:
        with contextlib.closing(_opened_to_read(path)) as database:
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    except (sqlite3.Error, UnicodeError) as error:
        raise OptionError(
            f"`--journal` is `{path}`, which is no journal ({error}): name another file"
        ) from error
    if names and not names & {"results", "failures"}:
        raise OptionError(
            f"`--journal` is `{path}`, the database of another program: name another file"
        )


def _refused(path: Path, error: Exception) -> OutputError | None:
    """Return the error of a journal that the disk, or its system, does not take; else None."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what SQLite adds to a kind
    if code == sqlite3.SQLITE_FULL:
        return OutputError(
            f"there is no space left for the journal `{path}`, and hardly any for results: make "
            "room, then give the same command again"
        )
    if code == sqlite3.SQLITE_IOERR:
        return OutputError(
            f"the journal `{path}` cannot be read or written ({error}): the disk fails, a share is "
            "away, or `ulimit -f` bounds files; mend that, then give the same command again"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return OutputError(
            f"the journal `{path}` is locked by another program for more than {_WAIT_SECONDS:g} s: "
            "end that, or name another with --journal"
        )
    return None


def _connected(name: str) -> sqlite3.Connection:
    uri = name.startswith("file:")
    return sqlite3.connect(name, timeout=_WAIT_SECONDS, uri=uri, check_same_thread=False)


def _opened_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal without a change to what it tells; a missing one is empty."""
    if not path.is_file():
        return _connected(":memory:")
    name = f"{path.absolute().as_uri()}?mode=ro"
    database = _connected(name)
    try:
        database.execute("SELECT name FROM sqlite_master").fetchall()
    except sqlite3.OperationalError as error:
        database.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        # A run was killed while it wrote; what it had half written is taken back, as by any run.
        with contextlib.closing(_connected(str(path))) as mended:
            mended.execute("SELECT name FROM sqlite_master").fetchall()
        database = _connected(name)
    return database


def _text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
