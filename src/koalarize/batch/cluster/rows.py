"""Rows of Parquet tables as pictures to colour.

Not here: files (``sources``), tables that results go to (``tables``).
"""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, cast

from koalarize.batch.cluster.sources import Entry
from koalarize.batch.cluster.stores import Item, Store
from koalarize.errors import DataError
from koalarize.photo.files import extension_of, read_extensions, written_format

__all__ = ["Columns", "Tables", "is_table"]

#: Rows whose bytes are held at once.
_ROWS = 16


@dataclass(frozen=True)
class Columns:
    """Which columns of tables hold what.

    Attributes:
        image: the picture: bytes, or Hugging Face's struct of ``bytes`` and ``path``.
        key: what a picture is called; None takes ``key`` where there is such a column, else the
            ``path`` of the struct, else the table's name and the row's number.
    """

    image: str = "image"
    key: str | None = None


def is_table(address: str) -> bool:
    """Tell whether an address is that of a Parquet table, or of a folder of one."""
    if "://" in address:  # what follows a question mark says how the store is reached
        address = address.partition("?")[0]
    return address.rstrip("/").lower().endswith((".parquet", ".pq"))


@dataclass
class Tables:
    """Rows of Parquet files.

    Attributes:
        store: what the files lie in.
        columns: which columns hold what.
        only: the only file, if one is named rather than a folder.
        skipped: keys of folders that are not searched, as OUTPUT below INPUT.
        unread: as ``Source`` says.
        results: likewise.
    """

    store: Store
    columns: Columns = dataclasses.field(default_factory=Columns)
    only: str | None = None
    skipped: frozenset[str] = frozenset()
    unread: Counter[str] = dataclasses.field(default_factory=Counter[str])
    results: int = 0

    @property
    def place(self) -> str:
        """The address in one spelling; that of a single table ends with its name."""
        return f"{self.store.place}{self.only or ''}"

    def entries(self) -> Iterator[Entry]:
        """Go through all rows, table by table; only keys are read where they tell the kind."""
        holds = "no table: a table's name ends with .parquet"
        for item in self._tables(""):
            holds = "" if not holds else "no row in its tables: name others"
            try:
                for entry in self._rows(item):
                    holds = ""
                    yield entry
            except OSError as error:
                raise DataError(f"`{item.key}` cannot be read: {error}") from error
        if holds:
            raise DataError(f"`{self.store.address}` holds {holds}")

    def pictures(self, entries: Sequence[Entry]) -> Iterator[bytes | OSError]:
        """Yield the bytes of each, or why it cannot be read."""
        todo = list(entries)
        while todo:
            table, group = todo[0].table or "", todo[0].group
            same = [entry for entry in todo if (entry.table or "", entry.group) == (table, group)]
            if [entry.row for entry in same] != sorted({entry.row for entry in same}):
                same = same[:1]
            elif same != todo[: len(same)]:
                same = todo[:1]
            todo = todo[len(same) :]
            yield from self._some(table, group, [entry.row for entry in same])

    def _some(self, table: str, group: int, rows: list[int]) -> Iterator[bytes | OSError]:
        """Yield pictures of one row group, whose numbers ascend."""
        import pyarrow.parquet as pq
        from pyarrow import ArrowException

        given = 0
        try:
            with self.store.stream(table) as stream:
                file = pq.ParquetFile(stream)
                column = self.columns.image
                first = 0
                for batch in file.iter_batches(_ROWS, [group], [column]):
                    while given < len(rows) and rows[given] < first + len(batch):
                        content = cast(Any, batch.column(column)[rows[given] - first]).as_py()
                        given += 1
                        yield _bytes_in(content) or OSError("its row holds no bytes")
                    first += len(batch)
                    if given == len(rows):
                        return
            raise OSError(f"`{table}` has fewer rows than it had")
        except (ArrowException, ValueError, KeyError, TypeError, OSError) as error:
            for _ in rows[given:]:
                yield OSError(f"`{table}` cannot be read: {error}")

    def _tables(self, folder: str) -> Iterator[Item]:
        if self.only is not None:
            item = self.store.info(self.only)
            if item is None:
                raise DataError(f"`{self.only}` is not in `{self.store.address}`: check its name")
            yield item
            return
        children = self.store.children(folder)
        for item in children.items:
            if is_table(item.key) and not item.key.rpartition("/")[2].startswith((".", "_")):
                yield item
        for below in children.folders:
            hidden = below.rpartition("/")[2].startswith((".", "_"))
            if not (hidden or below in self.skipped):
                yield from self._tables(below)

    def _rows(self, item: Item) -> Iterator[Entry]:
        import pyarrow.parquet as pq
        from pyarrow import ArrowException

        try:
            with self.store.stream(item.key) as stream:
                file = pq.ParquetFile(stream)
                wanted = self._key_column(item.key, file.schema_arrow)
                for group in range(file.metadata.num_row_groups):
                    if wanted is None:
                        count = cast(int, file.metadata.row_group(group).num_rows)
                        found: Iterator[str | None] = (None for _ in range(count))
                    else:
                        found = _texts(file.iter_batches(4096, [group], [wanted]), wanted)
                    yield from self._entries(item, file, group, found)
        except (ArrowException, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"`{item.key}` cannot be read as Parquet: {error}") from error

    def _entries(
        self, item: Item, file: Any, group: int, keys: Iterator[str | None]
    ) -> Iterator[Entry]:
        endings = read_extensions()
        sniffed: Iterator[bytes] | None = None
        place = -1
        for row, own in enumerate(keys):
            key = own or f"{PurePosixPath(item.key).with_suffix('')}/{group:04}-{row:06}"
            name, problem = _placed(key)
            if problem is None and PurePosixPath(name).suffix.lower() not in endings:
                if sniffed is None:
                    sniffed = _all_bytes(file, group, self.columns.image)
                data = b""
                while place < row:
                    found = next(sniffed, None)
                    if found is None:
                        raise ValueError("its columns have different lengths")
                    data, place = found, place + 1
                name += _ending_of(data)
            # A table is rewritten as a whole, so its version is that of each row.
            yield Entry(key, item.version, name, item.key, group, row, problem)

    def _key_column(self, table: str, schema: Any) -> str | None:
        """Return the column that names pictures: a name, or a part of one after a dot."""
        names = cast("list[str]", schema.names)
        image, key = self.columns.image, self.columns.key
        if image not in names:
            raise DataError(
                f"`{table}` has the columns {', '.join(names)} but needs `{image}`, the pictures: "
                "name theirs with --image-column"
            )
        if key is not None and key not in names:
            raise DataError(
                f"`{table}` has the columns {', '.join(names)} but no `{key}`: "
                "name that of the keys with --key-column"
            )
        kind = schema.field(image).type
        if not _is_picture(kind):
            raise DataError(
                f"`{table}` has {kind} in its column `{image}` but needs bytes there, or a struct "
                "of bytes and path: name the column of the pictures with --image-column"
            )
        if key is None and "key" in names:
            key = "key"
        if key is not None:
            if schema.field(key).type.num_fields:
                raise DataError(
                    f"`{table}` has {schema.field(key).type} in its column `{key}` but needs texts "
                    "or numbers there: name that of the keys with --key-column"
                )
            return key
        parts = [kind.field(number).name for number in range(kind.num_fields)]
        return f"{image}.path" if "path" in parts else None


def _is_picture(kind: Any) -> bool:
    """Tell whether a column of this type holds encoded pictures; one of nulls alone may."""
    from pyarrow import types

    if types.is_struct(kind):
        return any(field.name == "bytes" and _is_picture(field.type) for field in kind)
    if types.is_dictionary(kind):
        kind = kind.value_type
    of_bytes = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_null)
    return any(fits(kind) for fits in (*of_bytes, types.is_fixed_size_binary))


def _texts(batches: Iterator[Any], column: str) -> Iterator[str | None]:
    first, _, part = column.partition(".")
    for batch in batches:
        whole = column in batch.schema.names
        for value in batch.column(column if whole else first).to_pylist():
            found = value if whole else (value or {}).get(part)
            if isinstance(found, bytes):  # as older programs write texts
                found = found.decode("utf-8", "backslashreplace")
            yield None if found is None else str(found)


def _all_bytes(file: Any, group: int, column: str) -> Iterator[bytes]:
    for batch in file.iter_batches(_ROWS, [group], [column]):
        for value in batch.column(column):
            yield _bytes_in(value.as_py())


def _bytes_in(content: object) -> bytes:
    """Return the encoded picture that a row holds; what holds none is empty."""
    if isinstance(content, dict):
        content = cast("dict[str, object]", content).get("bytes")
    return content if isinstance(content, bytes) else b""


def _placed(key: str) -> tuple[str, str | None]:
    """Return the relative place that a key names, and what is wrong with it."""
    parts = PurePosixPath(key.replace("\\", "/")).parts
    inside = [part for part in parts if part != "/" and not part.endswith(":")]
    if not inside or ".." in inside or "\0" in key:
        return "none", f"its key is `{key}` but must name a place inside OUTPUT, without `..`"
    return "/".join(inside), None


def _ending_of(data: bytes) -> str:
    """Return the usual ending of a picture's own format; nothing if it is no picture."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return extension_of(written_format(image.format or "", moving=True))
    except Exception:  # noqa: BLE001  # whatever Pillow raises: colouring will say why
        return ".png"
