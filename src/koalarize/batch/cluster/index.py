"""What is known of results, looked up by key: a temporary database, so that millions have room.

Not here: where it comes from (``results``), what follows from it (``plan``).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import PurePosixPath

from koalarize.batch.cluster.notes import Announced
from koalarize.batch.cluster.results import Row
from koalarize.batch.cluster.stores import Item, Version
from koalarize.batch.rates import Pace
from koalarize.batch.spill import temporary_database

__all__ = ["Index", "Known"]

_TABLES = (
    "CREATE TABLE made (slot TEXT PRIMARY KEY, key TEXT, result TEXT, model TEXT, weights TEXT, "
    "settings TEXT, source TEXT, source_hash TEXT, made TEXT, made_hash TEXT, elsewhere INTEGER, "
    "time INTEGER) WITHOUT ROWID",
    "CREATE TABLE last (key TEXT, here INTEGER, failed INTEGER, time INTEGER, "
    "PRIMARY KEY (key, here)) WITHOUT ROWID",
    "CREATE TABLE others (slot TEXT, key TEXT, PRIMARY KEY (slot, key)) WITHOUT ROWID",
    "CREATE TABLE announced (slot TEXT, key TEXT, settings TEXT, source_hash TEXT, made_hash TEXT, "
    "input TEXT, model TEXT, weights TEXT, "
    "PRIMARY KEY (slot, key, settings, source_hash, made_hash, input)) WITHOUT ROWID",
    "CREATE TABLE there (result TEXT PRIMARY KEY, version TEXT) WITHOUT ROWID",
    "CREATE TABLE stale (part TEXT, key TEXT, PRIMARY KEY (part, key)) WITHOUT ROWID",
    "CREATE TABLE met (key TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE tasks (number INTEGER PRIMARY KEY, task TEXT)",
)


@dataclass(frozen=True)
class Known:
    """A result as its row tells.

    Attributes:
        key: the picture it was made of.
        result: its key, or that of the table that holds it.
        model: the name of that which made it.
        weights: what tells them from others.
        settings: as ``settings_hash`` names all that was asked.
        source: the picture's version.
        source_sha256: of the picture's bytes.
        made: the result's version.
        made_sha256: of the result's bytes.
        elsewhere: whether it was made from another INPUT, whose pictures may have the same keys.
    """

    key: str
    result: str
    model: str
    weights: str | None
    settings: str
    source: Version
    source_sha256: str | None
    made: Version
    made_sha256: str | None
    elsewhere: bool


class Index:
    """Rows, objects and tasks of one run; for one thread."""

    def __init__(self, source: str, *, rows_in_tables: bool) -> None:
        """Make an empty one.

        Args:
            source: the address of INPUT, as rows name it.
            rows_in_tables: whether results are rows of tables; each picture then has one place,
                named by its key, and what an earlier table holds of it is stale.
        """
        self._source, self._tables = source, rows_in_tables
        self._database = temporary_database(*_TABLES)
        self._rates: dict[str, tuple[float, int, int, int]] = {}
        self._meets: bool | None = None

    def add_rows(self, rows: Iterable[Row]) -> None:
        """Add rows of results, of any order."""
        with _together(self._database):
            for row in rows:
                self._add(row)

    def _add(self, row: Row) -> None:
        do = self._database.execute
        failed = row.status == "failed"
        if row.status != "other":  # the next of its names is still to be tried
            do(
                "INSERT INTO last VALUES (?, ?, ?, ?) ON CONFLICT (key, here) DO UPDATE SET "
                "failed = excluded.failed, time = excluded.time WHERE excluded.time >= time",
                (row.key, row.input in ("", self._source), failed, row.time),
            )
        if row.result is None or failed:
            return
        slot = row.key if self._tables else row.result
        elsewhere = row.input not in ("", self._source)
        if row.status == "other":
            if elsewhere:
                return
            do("INSERT OR IGNORE INTO others VALUES (?, ?)", (slot, row.key))
            return
        if row.status == "colored" and row.seconds and row.source.size and row.made.size:
            seconds, made, files, source = self._rates.get(row.model, (0.0, 0, 0, 0))
            made, source = made + row.made.size, source + row.source.size
            self._rates[row.model] = seconds + row.seconds, made, files + 1, source
        query = "SELECT result, time FROM made WHERE slot = ?"
        found = do(query, (slot,)).fetchone()
        if found is not None and self._tables and found[0] != row.result:
            old = found[0] if found[1] <= row.time else row.result
            do("INSERT OR IGNORE INTO stale VALUES (?, ?)", (old, row.key))
        if found is None or found[1] <= row.time:
            values = (
                *(slot, row.key, row.result, row.model, row.weights, row.settings),
                *(_text(row.source), row.source_sha256, _text(row.made), row.made_sha256),
                *(elsewhere, row.time),
            )
            marks = ", ".join("?" * len(values))
            do(f"INSERT OR REPLACE INTO made VALUES ({marks})", values)

    def add_objects(self, items: Iterable[Item]) -> None:
        """Add objects that stand in OUTPUT."""
        with _together(self._database):
            self._database.executemany(
                "INSERT OR REPLACE INTO there VALUES (?, ?)",
                ((item.key, _text(item.version)) for item in items),
            )

    def add_announced(self, results: Iterable[Announced]) -> None:
        """Add results without a mark that a run which ended was about to write."""
        self._database.executemany(
            "INSERT OR IGNORE INTO announced VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (astuple(one) for one in results),
        )

    def known(self, slot: str) -> Known | None:
        """Return what the rows tell of a place."""
        row = self._database.execute(
            "SELECT key, result, model, weights, settings, source, source_hash, made, made_hash, "
            "elsewhere FROM made WHERE slot = ?",
            (slot,),
        ).fetchone()
        if row is None:
            return None
        key, result, model, weights, settings, source, of, made, digest, elsewhere = row
        told, versions = (key, result, model, weights, settings), (_version(source), _version(made))
        elsewhere = bool(elsewhere) and not self._tables  # there a key is one row, of any INPUT
        return Known(*told, versions[0], of, versions[1], digest, elsewhere)

    def there(self, result: str) -> Version | None:
        """Return the version of an object in OUTPUT, None if there is none."""
        query = "SELECT version FROM there WHERE result = ?"
        row = self._database.execute(query, (result,)).fetchone()
        return None if row is None else _version(row[0])

    def announced(self, slot: str) -> tuple[Announced, ...]:
        """Return what runs that ended were about to write to a place, without a mark."""
        query = "SELECT * FROM announced WHERE slot = ?"
        return tuple(Announced(*row) for row in self._database.execute(query, (slot,)))

    def is_others(self, slot: str, key: str) -> bool:
        """Tell whether a place is known as that of another picture than this one."""
        query = "SELECT 1 FROM others WHERE slot = ? AND key = ?"
        return self._database.execute(query, (slot, key)).fetchone() is not None

    def failed(self, key: str) -> bool:
        """Tell whether a picture failed when it was last tried.

        One that no row of this INPUT tells of counts as that of another INPUT, which was moved.
        """
        query = "SELECT failed FROM last WHERE key = ? ORDER BY here DESC"
        row = self._database.execute(query, (key,)).fetchone()
        return bool(row and row[0])

    def meet(self, key: str) -> None:
        """Note that a picture is still in INPUT; nothing is noted if no result was known before."""
        if self._meets is None:
            self._meets = self._database.execute("SELECT 1 FROM made").fetchone() is not None
        if self._meets:
            self._database.execute("INSERT OR IGNORE INTO met VALUES (?)", (key,))

    def lost(self) -> Iterator[tuple[str, str]]:
        """Yield key, and object of OUTPUT, of each result whose picture INPUT has no more.

        What lies in a folder that could not be read, which was met in place of its pictures,
        counts as there.
        """
        if not self._meets:
            return
        query = (
            "SELECT key, result FROM made WHERE NOT elsewhere AND result IN "
            "(SELECT result FROM there) AND key NOT IN (SELECT key FROM met) ORDER BY key"
        )
        met = "SELECT 1 FROM met WHERE key = ?"
        for key, result in self._database.cursor().execute(query):
            above = PurePosixPath(key).parents
            if not any(self._database.execute(met, (str(one),)).fetchone() for one in above):
                yield key, result

    def stale(self) -> dict[str, set[str]]:
        """Return the keys that tables hold though a later one does, by table."""
        found: dict[str, set[str]] = {}
        for part, key in self._database.execute("SELECT part, key FROM stale"):
            found.setdefault(part, set()).add(key)
        return found

    def rates(self, model: str) -> Pace | None:
        """Return what pictures took with a model so far."""
        seconds, made, files, source = self._rates.get(model, (0.0, 0, 0, 0))
        return Pace(seconds / source, made / source, files / source) if source else None

    def add_task(self, task: dict[str, object]) -> None:
        """Keep what is to be done, in order."""
        self._database.execute("INSERT INTO tasks (task) VALUES (?)", (json.dumps(task),))

    def tasks(self) -> Iterator[dict[str, object]]:
        """Go through what is to be done."""
        cursor = self._database.cursor()
        for (text,) in cursor.execute("SELECT task FROM tasks ORDER BY number"):
            yield json.loads(text)

    def forget_tasks(self) -> None:
        """Drop all tasks."""
        self._database.execute("DELETE FROM tasks")


@contextmanager
def _together(database: sqlite3.Connection) -> Generator[None]:
    """One transaction, which is quicker than one a row."""
    database.execute("BEGIN")
    try:
        yield
    finally:
        database.execute("COMMIT")


def _text(version: Version) -> str:
    return json.dumps([version.size, version.etag, version.time])


def _version(text: str) -> Version:
    return Version(*json.loads(text))
