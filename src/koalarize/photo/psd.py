"""The merged picture of a Photoshop document, of 1 to 32 bits, with the channels beside its colors.

Not here: what its resources say (``streams``). Pillow reads no 16 bits and no floats, takes white
for black in a bitmap, and a picture with more channels than colors from the wrong place (Adobe
Photoshop File Formats, 2019).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from koalarize.color import light_to_srgb
from koalarize.photo.mend import DAMAGED
from koalarize.photo.samples import SPARE, Samples, Space
from koalarize.photo.sources import overlaid
from koalarize.photo.tiff_segments import unpacked_by_libtiff

__all__ = ["Merged", "as_of_8_bits", "merged_of", "merged_samples"]

Array = npt.NDArray[Any]

_HEAD = b"8BPS\0\1"
_BITS_AT = 22  # where the head says how many bits a sample has
_RAW, _RLE, _PACK_BITS = 0, 1, 32773
#: Of Photoshop's kinds of pictures: how many channels are its colors, and what they mean.
_KINDS: dict[int, tuple[int, Space]] = {
    0: (1, "srgb"),
    1: (1, "srgb"),
    3: (3, "srgb"),
    4: (4, "cmyk"),
    8: (1, "srgb"),
    9: (3, "lab"),
}
_DEPTHS = {0: (1,), 1: (8, 16, 32), 3: (8, 16, 32)}  # bits by kind; of all others 8 and 16
_TRANSPARENT = (b"Mtrn", b"Mt16")  # blocks that say so where the layers do not
_MOST_BLOCKS = 1000
#: How many bytes a run takes and gives, by the byte that says its length.
_TAKES = np.array([*range(2, 130), 1, *[2] * 127])
_GIVES = np.array([*range(1, 129), 0, *range(128, 1, -1)])


@dataclass(frozen=True)
class Merged:
    """Where the merged picture stands, and what it is.

    Attributes:
        size: height and width, pixels.
        channels: how many there are.
        bits: of a sample: 1, 8, 16, or 32, which are floats.
        colors: how many channels are its colors.
        space: what they mean.
        alpha: whether the channel behind them is its transparency.
        packing: how it is packed, by Photoshop's number.
        at: where its bytes begin.
    """

    size: tuple[int, int]
    channels: int
    bits: int
    colors: int
    space: Space
    alpha: bool
    packing: int
    at: int


def merged_of(stream: BinaryIO) -> Merged | None:
    """Find the merged picture; None if Pillow shall read it, or say what is wrong with it."""
    stream.seek(0)
    head = stream.read(26)
    if len(head) < 26 or not head.startswith(_HEAD):
        return None
    channels, height, width, bits, mode = struct.unpack(">HIIHH", head[12:])
    colors, space = _KINDS.get(mode, (0, "srgb"))
    known = bits in _DEPTHS.get(mode, (8, 16)) and 0 < colors <= channels <= 56
    if not (known and height and width):
        return None
    at = 26
    for _ in ("its colors", "its resources"):
        at += 4 + _number(stream, at, 4)
    end = at + 4 + _number(stream, at, 4)  # of its layers
    clear = channels > colors and _is_transparent(stream, at + 4, end)
    packing = _number(stream, end, 2)
    if packing not in (_RAW, _RLE):
        return None
    return Merged((height, width), channels, bits, colors, space, clear, packing, end + 2)


def _number(stream: BinaryIO, at: int, size: int) -> int:
    stream.seek(at)
    return int.from_bytes(stream.read(size), "big")


def _is_transparent(stream: BinaryIO, at: int, end: int) -> bool:
    """Tell whether the first channel behind the colors is the transparency of the picture."""
    if at == end:
        return False
    size = _number(stream, at, 4)
    if size and _number(stream, at + 4, 2) >> 15:  # a negative number of layers says so
        return True
    at += 4 + size
    at += 4 + _number(stream, at, 4)
    for _ in range(_MOST_BLOCKS):
        stream.seek(at)
        head = stream.read(12)
        if at + 12 > end or head[:4] not in (b"8BIM", b"8B64"):
            return False
        if head[4:8] in _TRANSPARENT:
            return True
        size = int.from_bytes(head[8:], "big")
        at += 12 + size + -size % 4
    return False


def as_of_8_bits(stream: BinaryIO) -> BinaryIO:
    """Return a document whose head, which Pillow reads, says that it has 8 bits."""
    return overlaid(stream, _BITS_AT, b"\0\x08")


def merged_samples(
    stream: BinaryIO, merged: Merged, *, profiled: bool, tolerant: bool = False
) -> Samples:
    """Decode the merged picture.

    Args:
        stream: the file.
        merged: of ``merged_of``.
        profiled: whether a profile says what its levels mean; floats without one are light.
        tolerant: read what there is of damaged rows; ``notes`` say so.

    Raises:
        ValueError: if it is cut short or damaged.
    """
    height, width = merged.size
    wanted = min(merged.colors + merged.alpha, merged.channels)
    line = -(-width * merged.bits // 8)
    stream.seek(merged.at)
    counts, sound = np.full((merged.channels, height), line, np.int64), True
    if merged.packing == _RLE:
        lines = _read(stream, 2 * merged.channels * height)
        counts[:] = np.frombuffer(lines, ">u2").reshape(merged.channels, height)
    dtype = np.dtype({1: "u1", 8: "u1", 16: ">u2", 32: ">f4"}[merged.bits])
    native = dtype.newbyteorder("=")
    values: Array = np.empty((height, width, merged.colors), native)
    alpha: Array | None = None
    for number, rows in enumerate(counts[:wanted]):
        data = _read(stream, int(rows.sum()))
        if merged.packing == _RLE:
            data, whole = _unpacked(data, rows, line, tolerant)
            sound = sound and whole
        plane = np.frombuffer(data, dtype).reshape(height, -1)
        if merged.bits == 1:  # 1 is black
            plane = (1 - np.unpackbits(plane, axis=1)[:, :width]) * np.uint8(255)
        if number < merged.colors:
            values[..., number] = plane
        else:
            alpha = plane.astype(native)
    if merged.space == "cmyk":  # which is stored as what is left of white
        np.invert(values, out=values)
    elif merged.space == "lab":
        values[..., 1:] ^= 1 << (merged.bits - 1)  # a* and b* begin at half of what there is
    elif merged.bits == 32 and not profiled:
        values = light_to_srgb(values)
    notes = (SPARE,) * (merged.channels > wanted) + (DAMAGED,) * (not sound)
    return Samples(values.squeeze(2) if merged.colors == 1 else values, alpha, merged.space, notes)


def _unpacked(packed: bytes, rows: Array, line: int, tolerant: bool) -> tuple[bytes, bool]:
    """Unpack a channel, and tell whether all of it could be; of damaged rows the end is zeros.

    Args:
        packed: its rows.
        rows: how many bytes each has.
        line: how many it has unpacked.
        tolerant: read what there is of it.

    Raises:
        ValueError, OSError: if it is damaged.
    """
    try:
        _check_runs(packed, rows, line)
        return unpacked_by_libtiff(packed, _PACK_BITS, len(rows) * line), True
    except (ValueError, OSError):
        if not tolerant:
            raise
    ends = np.cumsum(rows)
    parts = (packed[end - size : end] for end, size in zip(ends, rows, strict=True))
    unpacked = (unpacked_by_libtiff(one, _PACK_BITS, line, tolerant=True) for one in parts)
    return b"".join(one.ljust(line, b"\0") for one in unpacked), False


def _check_runs(packed: bytes, rows: Array, line: int) -> None:
    """Check that the runs of each row fill it: a wrong length would move all that follows.

    All rows are gone through at a time, a run a step.

    Args:
        packed: as ``_unpacked`` takes it.
        rows: as ``_unpacked`` takes it.
        line: as ``_unpacked`` takes it.

    Raises:
        ValueError: if one has more or fewer pixels than the picture.
    """
    data = np.frombuffer(packed, np.uint8)
    ends = np.cumsum(rows)
    at, left = ends - rows, np.full(len(rows), line, np.int64)
    while len(at):
        unfinished = at < ends
        if not unfinished.all():
            if np.any(at > ends) or np.any(left[~unfinished]):
                raise ValueError("its runs do not fill its rows")
            at, ends, left = at[unfinished], ends[unfinished], left[unfinished]
        lengths = data[at]
        at = at + _TAKES[lengths]
        left = left - _GIVES[lengths]


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise ValueError("image file is truncated")
    return data
