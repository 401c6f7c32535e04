"""Parquet files in the layout of Hugging Face's image sets: a column ``image`` with ``bytes``.

Not here: folders and tar shards (``sources``, ``shards``), decoding.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from koalarize.errors import DataError

__all__ = ["parquet_pictures"]


def parquet_pictures(path: Path) -> Iterator[tuple[str, bytes, int | None]]:
    """Yield name, encoded bytes and start of every picture of a Parquet file, in order.

    The start is where the bytes lie in the file, None where it is compressed.

    Raises:
        DataError: if the file is damaged or has no column ``image``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        table = pq.ParquetFile(path)
        if "image" not in table.schema_arrow.names:
            raise DataError(
                f"`{path}` has the columns {table.schema_arrow.names} but needs `image`: "
                "a struct of `bytes` and `path`"
            )
        with path.open("rb") as file:
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with whole:
            for group in range(table.metadata.num_row_groups):
                at, end = _plain_chunk(table.metadata.row_group(group)) or (0, 0)
                for data, own_name in _rows(table.iter_batches(256, [group], ["image"])):
                    number += 1
                    # Values lie in the order of the rows, with their lengths between them.
                    start = whole.find(data, at, end) if data and end else -1
                    at = start + len(data) if start >= 0 else at
                    yield own_name or f"row {number}", data, start if start >= 0 else None
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"`{path}` cannot be read as Parquet: {error}") from error


def _rows(batches: Iterator[Any]) -> Iterator[tuple[bytes, str | None]]:
    """Yield bytes and own name of each row; what holds no bytes is empty."""
    for batch in batches:
        rows: list[Any] = batch.column("image").to_pylist()
        for row in rows:
            content = row.get("bytes") if isinstance(row, dict) else row
            own_name = row.get("path") if isinstance(row, dict) else None
            yield content if isinstance(content, bytes) else b"", own_name


def _plain_chunk(group: Any) -> tuple[int, int] | None:
    """Return where the bytes of the images of a row group begin and end; None if compressed."""
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema in ("image", "image.bytes"):
            if column.compression != "UNCOMPRESSED":
                return None
            start = column.data_page_offset
            if column.has_dictionary_page:
                start = min(start, column.dictionary_page_offset)
            return start, start + column.total_compressed_size
    return None
