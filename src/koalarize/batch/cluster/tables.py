"""Results as Parquet tables: a part a portion, and parts freed of rows that later ones hold.

Not here: tables that pictures come from (``sources``), rows of what became of them (``results``).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from koalarize.batch.cluster.stores import Store

__all__ = ["TableWriter", "tidy"]

#: Bytes of pictures that are in memory before they are written to a row group.
_GROUP = 64 << 20


class TableWriter:
    """Writes pictures into one local Parquet file, row group by row group."""

    def __init__(self, path: Path, kind: Literal["", "struct", "bytes"]) -> None:
        """Get ready.

        Args:
            path: the file.
            kind: whether the column ``image`` is Hugging Face's struct or plain bytes.
        """
        self._path, self._struct = path, kind != "bytes"
        self._rows: list[dict[str, object]] = []
        self._held = 0
        self._writer: Any = None

    def add(self, key: str, name: str, data: bytes) -> None:
        """Add a picture; raises OSError."""
        image = {"bytes": data, "path": name} if self._struct else data
        self._rows.append({"key": key, "image": image})
        self._held += len(data)
        if self._held >= _GROUP:
            self._flush()

    def close(self) -> Path | None:
        """Finish the file and return it; None if no picture was added."""
        self._flush()
        if self._writer is None:
            return None
        self._writer.close()
        return self._path

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self._rows:
            return
        struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        image = struct if self._struct else pa.binary()
        schema = pa.schema([("key", pa.string()), ("image", image)])
        if self._writer is None:
            # Pictures are packed already.
            self._writer = pq.ParquetWriter(self._path, schema, compression="none")
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema))
        self._rows, self._held = [], 0


def tidy(store: Store, stale: Mapping[str, set[str]]) -> None:
    """Take out of tables the rows that later tables hold, and remove tables of nothing else.

    Args:
        store: OUTPUT.
        stale: the keys to take out, by table.

    Raises:
        OSError: if a table cannot be read or written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, keys in stale.items():
        if store.info(name) is None:
            continue
        with store.stream(name) as stream, pq.ParquetFile(stream) as file:
            held = cast("list[str]", file.read(["key"]).column("key").to_pylist())
            if not keys & set(held):
                continue
            buffer = io.BytesIO()
            kept = 0
            with pq.ParquetWriter(buffer, file.schema_arrow, compression="none") as writer:
                for batch in file.iter_batches(16):
                    left = batch.filter(pa.array([str(key) not in keys for key in batch["key"]]))
                    kept += len(left)
                    if len(left):
                        writer.write_batch(left)
        if kept:
            store.put(name, buffer.getvalue())
        else:
            store.remove(name)
