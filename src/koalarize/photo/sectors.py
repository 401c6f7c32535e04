"""What a JPEG file lacks of its pixels without its decoder saying so: lost sectors, missing rows.

Not here: files without the mark of their end (``mend``). A decoder goes on behind a hole of zeros,
with other pixels at other places, and fills up with one colour what is missing before the mark.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import JpegImagePlugin

from koalarize.photo.jpeg_segments import segment_places

__all__ = ["lacks_pixels", "lost_bytes"]

Array = npt.NDArray[Any]

_SECTOR = 512  # bytes: what disks, cards and downloads lose is multiples of it
_BLOCK = 2048 * _SECTOR
_END = b"\xff\xd9"
_BLOCK_SIDE = 8  # pixels
_HUFFMAN = frozenset({0xC0, 0xC1, 0xC2})  # frames; zeros at the end of others may be left out
_FILLING = b"\x55\xaa\x3c" * 86  # stands for pixels, whatever the tables of the code


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


def lacks_pixels(stream: BinaryIO, pixels: Array) -> bool:
    """Tell whether the code of a JPEG file's pixels ends before its picture does.

    Programs that recover photos put the mark of the end behind what they have found.

    Args:
        stream: the file.
        pixels: (H, W) or (H, W, 3), what its decoder gave, perhaps turned.
    """
    side = slice(None, _BLOCK_SIDE), slice(-_BLOCK_SIDE, None)
    corners = (pixels[down, across] for down in side for across in side)
    if all((one != one[0, 0]).any() for one in corners):  # what is filled up is of one colour
        return False
    begin, frame = 2, 0
    for marker, at, size in segment_places(stream):
        begin, frame = at + size, marker if marker in _HUFFMAN else frame
    stream.seek(0)
    data = stream.read()
    end = data.find(_END, begin)
    if not frame or end < 0:
        return False
    try:
        filled = _outline(data[:end] + _FILLING + data[end:])
    except OSError:  # what is read as pixels may be none
        return True
    return not np.array_equal(_outline(data), filled)


def _outline(data: bytes) -> Array:
    """Return the pixels of a JPEG file at an eighth of its size, which takes little time."""
    with JpegImagePlugin.JpegImageFile(io.BytesIO(data)) as image:
        width, height = (max(1, side // _BLOCK_SIDE) for side in image.size)
        image.draft(None, (width, height))
        return np.asarray(image)


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
