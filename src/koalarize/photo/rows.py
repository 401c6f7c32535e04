"""Colored pixels that an encoder takes row by row: an array, or made when they are asked for.

Not here: what makes them (``colorizer.chroma``), what a file looks like (``encode16``).
Bands are made and packed side by side on a few threads, and only a few of them are held at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from koalarize.color import thread_count

__all__ = ["Rows", "at_depth", "band_rows", "packed_bands", "rows_of", "to_depth"]

Array = npt.NDArray[Any]
_Packed = TypeVar("_Packed")

_BAND_PIXELS = 1 << 21  # enough that what each band costs beside its pixels does not count


class Rows(Protocol):
    """Colored pixels (H, W, 3) that are made when they are asked for; safe from several threads."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and 3."""
        ...

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """uint8, uint16 or float32."""
        ...

    def rows(self, top: int, bottom: int, *, threads: int = 1) -> Array:
        """Return (bottom - top, W, 3), the same whichever rows are asked for together."""
        ...


def rows_of(srgb: Array | Rows, top: int, bottom: int) -> Array:
    """Return some rows of colored pixels."""
    return srgb[top:bottom] if isinstance(srgb, np.ndarray) else srgb.rows(top, bottom)


def band_rows(width: int, multiple: int = 1) -> int:
    """Return how many rows a band has: a multiple of a number."""
    return multiple * max(1, _BAND_PIXELS // (width * multiple))


def packed_bands(
    srgb: Array | Rows,
    alpha: Array | None,
    step: int,
    pack: Callable[[Array], _Packed],
    threads: int,
) -> Iterator[_Packed]:
    """Yield, in order, what becomes of each band of rows.

    Args:
        srgb: (H, W, 3).
        alpha: (H, W), which becomes a fourth channel, or None.
        step: rows of a band; the last one may have fewer.
        pack: packs one, (r, W, 3) or (r, W, 4).
        threads: how many share the work; 0 takes one a core.
    """

    def work(top: int) -> _Packed:
        bottom = min(top + step, srgb.shape[0])
        part = rows_of(srgb, top, bottom)
        if alpha is not None:
            part = np.dstack([part, alpha[top:bottom]])
        return pack(part)

    tops = range(0, srgb.shape[0], step)
    threads = min(thread_count(threads), len(tops))
    if threads == 1:
        yield from map(work, tops)
        return
    pending: deque[Future[_Packed]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for top in tops:
                pending.append(pool.submit(work, top))
                if len(pending) > threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def to_depth(values: Array, dtype: type[np.uint8] | type[np.uint16]) -> Array:
    """Round levels to another depth: full scale stays full scale."""
    if values.dtype == dtype:
        return values
    levels = np.iinfo(dtype).max
    if values.dtype.kind == "f":
        return (np.clip(values, 0, 1) * np.float32(levels) + np.float32(0.5)).astype(dtype)
    given = np.iinfo(values.dtype).max
    table = (np.arange(given + 1, dtype=np.int64) * levels + given // 2) // given
    return table.astype(dtype)[values]


def at_depth(srgb: Array | Rows, dtype: type[np.uint8] | type[np.uint16]) -> Array | Rows:
    """Return colored pixels at another depth; rows that are still to be made will be of it."""
    if isinstance(srgb, np.ndarray):
        return to_depth(srgb, dtype)
    return srgb if srgb.dtype == dtype else _AtDepth(srgb, dtype)


class _AtDepth:
    """Rows of another depth."""

    def __init__(self, srgb: Rows, dtype: type[np.uint8] | type[np.uint16]) -> None:
        self._srgb, self._depth = srgb, dtype
        self.shape, self.dtype = srgb.shape, np.dtype(dtype)

    def rows(self, top: int, bottom: int, *, threads: int = 1) -> Array:
        return to_depth(self._srgb.rows(top, bottom, threads=threads), self._depth)
