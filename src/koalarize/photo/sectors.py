"""Sectors of a JPEG file that a disk or a download has lost, and that hold zeros instead.

Not here: files that end too early (``mend``). A decoder goes on behind a hole, with other pixels at
other places, and says nothing of it.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from koalarize.photo.jpeg_segments import segment_places

__all__ = ["lost_bytes"]

_SECTOR = 512  # bytes: what disks, cards and downloads lose is multiples of it
_BLOCK = 2048 * _SECTOR
_END = b"\xff\xd9"


def lost_bytes(stream: BinaryIO) -> int:
    """Return how many bytes of a JPEG file's pixels are lost; of the first hole only.

    A hole begins with a sector, and ends with one or with the file: zeros that belong to the code
    of a plain surface do so once in 260,000 times.
    """
    begin = 2
    for _, at, size in segment_places(stream):
        begin = at + size
    lost: int | None = None  # the first byte of zeros
    at = -(-begin // _SECTOR) * _SECTOR
    stream.seek(at)
    while block := stream.read(_BLOCK):
        whole = block + bytes(-len(block) % _SECTOR)
        sectors = np.frombuffer(whole, np.uint64).reshape(-1, _SECTOR // 8)
        empty = np.equal(sectors.max(axis=1), 0)
        for sector in np.flatnonzero(np.diff(empty, prepend=lost is not None)):
            place = at + int(sector) * _SECTOR
            if lost is not None and _is_bounded(stream, lost, place):
                return place - lost if _is_of_pixels(stream, begin, lost) else 0
            lost = place if empty[sector] else None
        at += len(block)
        stream.seek(at)
    if lost is not None and _is_bounded(stream, lost, at) and _is_of_pixels(stream, begin, lost):
        return at - lost
    return 0


def _is_bounded(stream: BinaryIO, first: int, last: int) -> bool:
    """Tell whether no zeros stand beside those from ``first`` to ``last``."""
    stream.seek(first - 1)
    around = stream.read(1)
    stream.seek(last)
    return 0 not in around + stream.read(1)  # which is nothing at the file's end


def _is_of_pixels(stream: BinaryIO, begin: int, first: int) -> bool:
    """Tell whether the code of pixels, which begins at ``begin``, has not ended at ``first``."""
    stream.seek(begin)
    return _END not in stream.read(first - begin)
