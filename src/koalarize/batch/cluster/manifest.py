"""The manifest: a Parquet table of everything that is to be coloured, made before any work.

Not here: what of it needs work (``plan``). It is written and read in batches, so that millions of
entries never stand in memory together.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from koalarize.batch.cluster.sources import Entry
from koalarize.batch.cluster.stores import Version

__all__ = ["read_manifest", "write_manifest"]

#: Entries that are in memory at once: some hundreds of bytes each.
_BATCH = 8192


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("key", pa.string()),
            ("size", pa.int64()),
            ("etag", pa.string()),
            ("mtime", pa.int64()),
            ("name", pa.string()),
            ("table", pa.string()),
            ("row_group", pa.int32()),
            ("row", pa.int32()),
            ("problem", pa.string()),
            ("reason", pa.string()),
        ]
    )


def write_manifest(entries: Iterable[Entry], path: Path) -> int:
    """Write a manifest to a local file and return how many entries it has.

    Raises:
        DataError: if the entries cannot be listed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    coming = iter(entries)
    schema = _schema()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(itertools.islice(coming, _BATCH)):
            rows = [_row(entry) for entry in batch]
            writer.write_table(pa.Table.from_pylist(rows, schema))
            count += len(batch)
    return count


def read_manifest(path: Path) -> Iterator[Entry]:
    """Go through the entries of a manifest."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH):
            for row in cast("list[dict[str, Any]]", batch.to_pylist()):
                version = Version(row["size"], row["etag"], row["mtime"])
                yield Entry(
                    *(row["key"], version, row["name"], row["table"]),
                    group=row["row_group"],
                    row=row["row"],
                    problem=row["problem"],
                    reason=row["reason"],
                )


def _row(entry: Entry) -> dict[str, object]:
    version = entry.version
    return {
        "key": entry.key,
        "size": version.size,
        "etag": version.etag,
        "mtime": version.time,
        "name": entry.name,
        "table": entry.table,
        "row_group": entry.group,
        "row": entry.row,
        "problem": entry.problem,
        "reason": entry.reason,
    }
