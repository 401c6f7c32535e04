"""Result rows: what became of each picture, in Parquet parts below OUTPUT.

Not here: what follows from them (``plan``), looking one up among millions (``index``). With the
manifest they are what a later run goes by.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

from koalarize.batch.cluster.sources import CONTROL
from koalarize.batch.cluster.stores import Store, Version
from koalarize.errors import OutputError

__all__ = ["RESULTS", "Row", "merge_parts", "part_names", "read_parts", "write_part"]

RESULTS = f"{CONTROL}/results"
#: Parts that are fetched side by side.
_AT_ONCE = 16
_MERGED_ROWS = 65_536

Status = Literal["colored", "kept", "other", "failed"]


@dataclass(frozen=True)
class Row:
    """What became of one picture.

    Attributes:
        key: the picture.
        result: the key of its result below OUTPUT, or of the table that holds it.
        status: ``colored``; ``kept``, found to be done already; ``other``, its place is that of
            another picture's result; or ``failed``.
        reason: why, in few words, the same for all of a kind.
        error: one sentence if it failed.
        seconds: of decoding, colouring and encoding.
        notes: what of the picture is not in the result.
        had_color: whether it had colours of its own, which new ones replaced.
        model: the model's name.
        weights: sha256 of its weights.
        settings: sha256 of all that was asked, and of which model.
        source: the picture's version.
        source_sha256: of its bytes.
        made: the result's version.
        made_sha256: of its bytes.
        input: the address of INPUT; empty in rows of earlier versions.
        run: which run it was.
        host: on which machine.
        time: when it was finished, nanoseconds since 1970.
    """

    key: str
    result: str | None
    status: Status
    reason: str = ""
    error: str | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    had_color: bool = False
    model: str = ""
    weights: str | None = None
    settings: str = ""
    source: Version = dataclasses.field(default_factory=Version)
    source_sha256: str | None = None
    made: Version = dataclasses.field(default_factory=Version)
    made_sha256: str | None = None
    input: str = ""
    run: str = ""
    host: str = ""
    time: int = 0

    def to_json(self) -> dict[str, object]:
        """Return the row as it stands in Parquet and travels between processes."""
        plain: dict[str, object] = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self)
        }
        plain["notes"] = list(self.notes)
        for name, version in (("source", self.source), ("made", self.made)):
            del plain[name]
            plain |= {
                f"{name}_size": version.size,
                f"{name}_etag": version.etag,
                f"{name}_mtime": version.time,
            }
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, object]) -> Row:
        """Return the row that ``to_json`` made this of."""
        given = cast("dict[str, Any]", dict(plain))
        for name in ("source", "made"):
            size, etag, time = (given.pop(f"{name}_{part}") for part in ("size", "etag", "mtime"))
            given[name] = Version(size, etag, time)
        given["notes"] = tuple(given["notes"] or ())
        return cls(**given)


def _schema() -> Any:
    import pyarrow as pa

    text, whole = pa.string(), pa.int64()
    return pa.schema(
        [
            *((name, text) for name in ("key", "result", "status", "reason", "error")),
            ("seconds", pa.float64()),
            ("notes", pa.list_(text)),
            ("had_color", pa.bool_()),
            *((name, text) for name in ("model", "weights", "settings")),
            *(("source_size", whole), ("source_etag", text), ("source_mtime", whole)),
            ("source_sha256", text),
            *(("made_size", whole), ("made_etag", text), ("made_mtime", whole)),
            ("made_sha256", text),
            *(("input", text), ("run", text), ("host", text), ("time", whole)),
        ]
    )


def write_part(store: Store, name: str, rows: Iterable[Row]) -> None:
    """Write a part; one of the same name is replaced.

    Raises:
        OSError: if it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([row.to_json() for row in rows], _schema())
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    store.put(f"{RESULTS}/{name}.parquet", buffer.getvalue())


def part_names(store: Store) -> list[str]:
    """Return the names of all parts, sorted; raises OSError."""
    prefix, ending = f"{RESULTS}/", ".parquet"
    keys = (item.key for item in store.children(RESULTS).items)
    return [key.removeprefix(prefix).removesuffix(ending) for key in keys if key.endswith(ending)]


def read_parts(store: Store, names: Iterable[str]) -> Iterator[list[Row]]:
    """Yield the rows of each part; several are fetched at once.

    Raises:
        OutputError: if one is damaged or cannot be read.
    """
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    def fetch(name: str) -> bytes | None:
        try:
            return store.read(f"{RESULTS}/{name}.parquet")
        except FileNotFoundError:  # another run has merged it
            return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        coming = iter(names)
        while some := list(islice(coming, _AT_ONCE)):
            for name, data in zip(some, pool.map(fetch, some), strict=True):
                if data is None:
                    continue
                try:
                    with pq.ParquetFile(io.BytesIO(data)) as file:
                        for batch in file.iter_batches(_MERGED_ROWS // 8):
                            found = cast("list[dict[str, Any]]", batch.to_pylist())
                            yield [Row.from_json(plain) for plain in found]
                except (ArrowException, KeyError, TypeError, ValueError, OSError) as error:
                    raise OutputError(
                        f"`{RESULTS}/{name}.parquet` in `{store.address}` cannot be read "
                        f"({error}): remove it; what it told of is then looked at again"
                    ) from error


def merge_parts(store: Store, names: list[str], merged: str, folder: Path) -> None:
    """Put many small parts into one and remove them.

    Args:
        store: OUTPUT.
        names: of the parts; fewer than two are left as they are.
        merged: the name of the one.
        folder: a local folder for a temporary file.

    Raises:
        OSError: if they cannot be written.
        OutputError: if one cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if len(names) < 2:
        return
    schema = _schema()
    path = folder / "merged.parquet"
    waiting: list[dict[str, object]] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in read_parts(store, names):
            waiting += [row.to_json() for row in rows]
            if len(waiting) >= _MERGED_ROWS:
                writer.write_table(pa.Table.from_pylist(waiting, schema))
                waiting.clear()
        writer.write_table(pa.Table.from_pylist(waiting, schema))
    store.put_file(f"{RESULTS}/{merged}.parquet", path)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(store.remove, [f"{RESULTS}/{name}.parquet" for name in names]))
