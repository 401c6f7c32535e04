"""Pictures of a run: decoded in memory as far as allowed, the others decoded when asked for.

Not here: what a source may be and how a picture is decoded (``sources``), what is noted of a
source for later runs (``verdicts``).
A picture is the same array either way, so what a run may keep in memory changes no result.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from koalarize.errors import DataError
from koalarize.lab.datasets.places import Blocks, Encoded
from koalarize.lab.datasets.sources import (
    Pictures,
    check_found,
    decode_picture,
    located_pictures,
)
from koalarize.lab.datasets.verdicts import Verdicts, note, noted

__all__ = ["Chosen", "Kept", "Reading", "keep_pictures"]

log = logging.getLogger(__name__)

UInt8 = npt.NDArray[np.uint8]

_DECODERS = 4
_CHUNK = 256
_SAID_EVERY = 20_000  # pictures, which take a minute


@dataclass(frozen=True)
class Reading:
    """Which pictures of a source are kept, and how.

    Attributes:
        limit: at most this many, the first ones in order.
        max_side: a longer short side is brought down to it; None keeps them.
        min_chroma: pictures whose mean chroma (Lab units) is below count as grey.
        memory: bytes of pixels that stay decoded.
    """

    limit: int | None = None
    max_side: int | None = None
    min_chroma: float = 0.0
    memory: int = 0

    def decode(self, data: bytes) -> UInt8 | str:
        """Decode a picture, or say why it is left out."""
        return decode_picture(data, max_side=self.max_side, min_chroma=self.min_chroma)

    @property
    def rules(self) -> dict[str, object]:
        """What decides which pictures are usable."""
        return {"limit": self.limit, "max_side": self.max_side, "min_chroma": self.min_chroma}


class Kept(Sequence[UInt8]):
    """Pictures (H, W, 3), the first of them decoded for good, the others at each access.

    Args:
        reading: how they are decoded.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.pixels = 0  # bytes of the decoded ones
        self.full = False
        self._entries: list[UInt8 | Encoded] = []

    def add(self, pixels: UInt8 | None, encoded: Encoded) -> None:
        """Take in a picture as it was read, and decoded while there is room for it."""
        self.full = self.full or pixels is None or self.pixels + pixels.nbytes > self.reading.memory
        if pixels is None or self.full:
            self._entries.append(encoded)
        else:
            self.pixels += pixels.nbytes
            self._entries.append(pixels)

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, place: int) -> UInt8: ...
    @overload
    def __getitem__(self, place: slice) -> Chosen: ...
    def __getitem__(self, place: int | slice) -> UInt8 | Chosen:
        """Return one picture, or a part of them.

        Raises:
            DataError: if its file has changed since it was counted.
        """
        if isinstance(place, slice):
            return Chosen(self, range(len(self))[place])
        entry = self._entries[place]
        if isinstance(entry, np.ndarray):
            return entry
        try:
            result = self.reading.decode(entry.read())
        except OSError as error:
            raise DataError(
                f"picture {place} of the run cannot be read any more ({error}): "
                "put the data back, then continue with --resume"
            ) from error
        if isinstance(result, str):
            raise DataError(
                f"picture {place} of the run is {result} now but was not at the start: its file "
                "has changed; put it back, then continue with --resume"
            )
        return result


class Chosen(Sequence[UInt8]):
    """Some pictures of a sequence, in an order of their own; nothing is copied."""

    def __init__(self, pictures: Sequence[UInt8], numbers: Sequence[int]) -> None:
        self._pictures = pictures
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> UInt8: ...
    @overload
    def __getitem__(self, place: slice) -> Chosen: ...
    def __getitem__(self, place: int | slice) -> UInt8 | Chosen:
        """Return one picture, or a part of them."""
        if isinstance(place, slice):
            return Chosen(self._pictures, self._numbers[place])
        return self._pictures[self._numbers[place]]


def keep_pictures(source: Path, reading: Reading) -> Pictures:
    """Look at every picture of a source once, and keep the usable ones for a run.

    What stays encoded is read again from its file where it lies there plainly: a picture file, a
    member of an uncompressed tar shard, a row of an uncompressed Parquet file. Encoded bytes from
    other places stay in memory. Which pictures are usable is noted: a later run over the same bytes
    reads them all, but decodes hardly more than what stays decoded.

    Args:
        source: as for ``named_pictures``.
        reading: which pictures are kept, and how.

    Raises:
        DataError: if the source is missing or holds no usable picture.
    """
    known = noted(source, reading.rules)
    if known is not None:
        pictures, found = _looked_at(source, reading, known)
        if found.sha256 == known.sha256 and len(pictures):
            return pictures
        log.info("`%s` has changed since a run looked at it: all is decoded again", source)
    pictures, found = _looked_at(source, reading, None)
    check_found(pictures, source)
    note(source, reading.rules, found)
    return pictures


def _looked_at(source: Path, reading: Reading, known: Verdicts | None) -> tuple[Pictures, Verdicts]:
    """Return the usable pictures of a source, and what was found of all.

    Args:
        source: as for ``named_pictures``.
        reading: which pictures are kept, and how.
        known: what is believed of those beyond the memory, without decoding them.
    """
    kept, blocks = Kept(reading), Blocks()
    reasons: dict[int, str] = {}
    digest = hashlib.sha256()
    limit, seen = reading.limit, 0
    with ThreadPoolExecutor(_DECODERS) as pool:
        stream = located_pictures(source)
        while limit is None or len(kept) < limit:
            wanted = _CHUNK if limit is None else min(_CHUNK, limit - len(kept))
            chunk = list(islice(stream, wanted))
            if not chunk:
                break
            results: Iterable[UInt8 | str | None]
            if known is not None and kept.full:
                results = [known.left_out.get(number) for number in range(seen, seen + len(chunk))]
            else:
                results = pool.map(reading.decode, [one.data for one in chunk])
            for one, result in zip(chunk, results, strict=True):
                digest.update(one.data)
                if isinstance(result, str):
                    reasons[seen] = result
                else:
                    kept.add(result, one.place or blocks.add(one.data))
                seen += 1
                if seen % _SAID_EVERY == 0 and known is None:
                    log.info("%d pictures of `%s` looked at", seen, source)
    found = Verdicts(digest.hexdigest(), reasons)
    return Pictures(kept, Counter(reasons.values()), found.sha256), found
