"""The pictures of an evaluation, one after the other: never more in memory than are in work.

Not here: what a data set may be and how a picture is decoded (``lab.datasets``), what is measured.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from koalarize.errors import DataError
from koalarize.lab.datasets.sources import (
    Fit,
    Pictures,
    check_found,
    decode_picture,
    encoded_pictures,
    named_pictures,
)

__all__ = ["MIN_SIDE", "LookedAt", "UsablePictures"]

UInt8 = npt.NDArray[np.uint8]

#: Below, the metrics' networks have no pixel left after pooling.
MIN_SIDE = 32
_LEAST = 2  # FID needs a covariance
_AHEAD = 4  # pictures that are decoded while one is in work


@dataclass(frozen=True)
class LookedAt:
    """How far a source has been gone through.

    Attributes:
        names: of the pictures given.
        left_out: how many were not, by reason.
        small: of these, those that a limit counts.
        sha256: over the encoded bytes of all.
    """

    names: list[str]
    left_out: dict[str, int]
    small: int
    sha256: str


class UsablePictures:
    """The pictures of a source that every metric can look at, (H, W, 3) uint8 sRGB in order.

    They are decoded as they are asked for, and can be gone through once. What was left out and the
    hash are known when they have been.

    Args:
        data: a folder of pictures or of Parquet files, or one Parquet file.
        short_side: pictures with a longer short side are brought down to it, pixels; smaller ones
            are never enlarged.
        limit: at most this many pictures, the first ones in order.
        fit: brings pictures to their size instead.
        least: how many there must be.

    Raises:
        DataError: if the source is missing or empty, or one of its files cannot be read.

    Attributes:
        left_out: how many were left out up to here, by reason.
        names: of those that were given up to here.
    """

    def __init__(
        self,
        data: Path,
        short_side: int,
        limit: int | None,
        *,
        fit: Fit | None = None,
        least: int = _LEAST,
    ) -> None:
        self._data, self._short_side, self._fit = data, short_side, fit
        self._limit, self._least = limit, least
        self.left_out: Counter[str] = Counter()
        self._digest = hashlib.sha256()
        self.names: list[str] = []
        self._small = 0  # of those that the limit counts
        self._ended = False
        self._encoded = named_pictures(data)
        # All are read once before the work, though not decoded: a damaged file is said at once.
        self._found = sum(1 for _ in islice(encoded_pictures(data), limit))
        if not self._found:
            check_found(Pictures(), data)

    def __len__(self) -> int:
        """Return how many there are; until they have been gone through, at most how many."""
        if self._ended:
            return len(self.names)
        if (
            self._limit is not None and self._found == self._limit
        ):  # others, behind them, take the place of what is left out
            return self._limit - self._small
        return self._found - sum(self.left_out.values())

    @property
    def sha256(self) -> str:
        """The hash over the encoded bytes of those that were looked at up to here, in order."""
        return self._digest.hexdigest()

    @property
    def looked_at(self) -> LookedAt:
        """How far they have been gone through."""
        return LookedAt(list(self.names), dict(self.left_out), self._small, self.sha256)

    def go_on(self, earlier: LookedAt, *, kept: Path) -> None:
        """Pass over, before the first is asked for, what an earlier evaluation has looked at.

        Args:
            earlier: how far it came.
            kept: the file that says so, for the message.

        Raises:
            DataError: if the first of these are other pictures.
        """
        count = len(earlier.names) + sum(earlier.left_out.values())
        for _, data in islice(self._encoded, count):
            self._digest.update(data)
        if self.sha256 != earlier.sha256:
            raise DataError(
                f"the first {count} pictures of `{self._data}` are not those that `{kept}` was "
                "made of: give the same pictures, or delete it to begin again"
            )
        self.names = list(earlier.names)
        self.left_out.update(earlier.left_out)
        self._small = earlier.small

    def __iter__(self) -> Iterator[UInt8]:
        """Yield each picture.

        Raises:
            DataError: at the end, if there were too few.
        """
        taken = len(self.names) + self._small  # of the limit
        with ThreadPoolExecutor(_AHEAD) as pool:
            waiting: deque[tuple[str, bytes, Future[UInt8 | str]]] = deque()
            while self._limit is None or taken < self._limit:
                wanted = _AHEAD if self._limit is None else min(_AHEAD, self._limit - taken)
                for name, data in islice(self._encoded, wanted - len(waiting)):
                    waiting.append((name, data, pool.submit(self._decode, data)))
                if not waiting:
                    break
                name, data, result = waiting.popleft()
                self._digest.update(data)
                pixels = result.result()
                if isinstance(pixels, str):
                    self.left_out[pixels] += 1
                    continue
                taken += 1
                if min(pixels.shape[:2]) < MIN_SIDE:
                    self.left_out["tiny"] += 1
                    self._small += 1
                    continue
                self.names.append(name)
                yield pixels
        self._check()

    def _decode(self, data: bytes) -> UInt8 | str:
        return decode_picture(data, max_side=self._short_side, fit=self._fit)

    def _check(self) -> None:
        self._ended = True
        if len(self) >= self._least:
            return
        if not len(self):
            check_found(Pictures(left_out=self.left_out), self._data)
        raise DataError(
            f"`{self._data}` has {len(self)} usable of at least {MIN_SIDE} px a side, but "
            f"at least {self._least} are needed: give more pictures, or larger ones"
        )
