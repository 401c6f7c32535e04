"""Read a data set of colour pictures into memory: a folder of pictures or Parquet files.

Not here: crops and hints (``batches``).
Broken, tiny and grey pictures are left out and counted by reason, never a crash.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from koalarize import color
from koalarize.errors import DataError

__all__ = ["Pictures", "encoded_pictures", "load_pictures"]

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif"})
MIN_SIDE = 16
_DECODERS = 4
#: What Pillow's decoders raise for damaged files.
_DECODE_ERRORS = (
    *(OSError, ValueError, SyntaxError, TypeError, EOFError, LookupError, ArithmeticError),
    *(AttributeError, struct.error, zlib.error, Image.DecompressionBombError),
)


@dataclass
class Pictures:
    """Colour pictures in memory.

    Attributes:
        arrays: one (H, W, 3) uint8 sRGB array a picture.
        left_out: how many were left out, by reason: ``broken``, ``tiny``, ``grey``.
    """

    arrays: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.arrays)


def load_pictures(
    source: Path,
    *,
    limit: int | None = None,
    max_side: int | None = None,
    min_chroma: float = 0.0,
    progress: Callable[[int], None] | None = None,
) -> Pictures:
    """Load colour pictures.

    Args:
        source: a folder of pictures (searched through), a folder of Parquet files, or one Parquet
            file in the layout of Hugging Face's image sets.
        limit: at most so many pictures, the first ones in order.
        max_side: pictures with a longer short side are brought down to it; None keeps them.
        min_chroma: pictures whose mean chroma (Lab units) is below count as grey.
        progress: called with the number of pictures looked at.

    Raises:
        DataError: if the source is missing or holds no usable picture.
    """
    pictures = Pictures()

    def decode(data: bytes) -> npt.NDArray[np.uint8] | str:
        return _decode(data, max_side, min_chroma)

    with ThreadPoolExecutor(_DECODERS) as pool:
        stream = encoded_pictures(source)
        seen = 0
        while limit is None or len(pictures) < limit:
            wanted = 256 if limit is None else min(256, limit - len(pictures))
            chunk = list(islice(stream, wanted))
            if not chunk:
                break
            for result in pool.map(decode, chunk):
                if isinstance(result, str):
                    pictures.left_out[result] += 1
                else:
                    pictures.arrays.append(result)
            seen += len(chunk)
            if progress is not None:
                progress(seen)
    if not pictures.arrays:
        reasons = ", ".join(f"{count} {reason}" for reason, count in pictures.left_out.items())
        raise DataError(
            f"`{source}` holds no colour picture ({reasons or 'nothing found'}): "
            "give a folder of pictures or of Parquet files"
        )
    return pictures


def encoded_pictures(source: Path) -> Iterator[bytes]:
    """Yield the encoded bytes of every picture of a source, in a fixed order."""
    if not source.exists():
        raise DataError(f"`{source}` does not exist: give a folder of pictures or of Parquet files")
    tables = [source] if source.is_file() else sorted(source.rglob("*.parquet"))
    if source.is_file() and source.suffix != ".parquet":
        raise DataError(f"`{source}` is not a folder or a .parquet file")
    if tables:
        for table in tables:
            yield from _parquet_pictures(table)
        return
    for path in sorted(source.rglob("*")):
        if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file():
            try:
                yield path.read_bytes()
            except OSError:
                yield b""  # counts as broken, as everything that cannot be read


def _parquet_pictures(path: Path) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
        if "image" not in table.schema_arrow.names:
            raise DataError(
                f"`{path}` has the columns {table.schema_arrow.names} but needs `image`: "
                "a struct of `bytes` and `path`"
            )
        for batch in table.iter_batches(batch_size=256, columns=["image"]):
            rows: list[Any] = batch.column("image").to_pylist()
            for row in rows:
                content = row.get("bytes") if isinstance(row, dict) else row
                yield content if isinstance(content, bytes) else b""
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"`{path}` cannot be read as Parquet: {error}") from error


def _decode(data: bytes, max_side: int | None, min_chroma: float) -> npt.NDArray[np.uint8] | str:
    try:
        with Image.open(io.BytesIO(data)) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except _DECODE_ERRORS:
        return "broken"
    short = min(upright.size)
    if short < MIN_SIDE:
        return "tiny"
    if max_side is not None and short > max_side:
        size = [max(1, round(side * max_side / short)) for side in upright.size]
        upright = upright.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    pixels = np.asarray(upright)
    if min_chroma > 0 and _mean_chroma(pixels) < min_chroma:
        return "grey"
    return pixels


def _mean_chroma(pixels: npt.NDArray[np.uint8]) -> float:
    step = max(1, min(pixels.shape[:2]) // 24)
    ab = color.srgb_to_lab(np.ascontiguousarray(pixels[::step, ::step]))[..., 1:]
    return float(np.hypot(ab[..., 0], ab[..., 1]).mean())
