"""Strips, tiles and palettes of a TIFF file that tifffile leaves to another library: to levels.

Not here: where they stand and how they are packed (``tiff_pixels``).
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from koalarize.photo.libtiff import gathered, of_pixels

if TYPE_CHECKING:
    from tifffile import TiffPage

__all__ = [
    "line_bytes",
    "palette_of",
    "place_of",
    "samples_of_bits",
    "unpacked_by_libtiff",
    "without_float_predictor",
]

Array = npt.NDArray[Any]

_BAND = 1 << 18  # samples


def line_bytes(samples: int, bits: int) -> int:
    """Return the bytes of a row, which begins at a byte whatever the bits of its samples."""
    return -(-samples * bits // 8)


def palette_of(page: TiffPage) -> Array:
    """Return (256 or 65536, 3) the colours that the levels of a page of 8 or 16 bits number.

    Raises:
        ValueError: if there are too few.
    """
    bits = page.bitspersample
    if page.colormap is None or page.colormap.shape != (3, 1 << bits) or bits not in (8, 16):
        raise ValueError("its palette is missing or cut short")
    colors = page.colormap.T if bits == 16 else page.colormap.T >> 8
    return np.ascontiguousarray(colors, np.uint16 if bits == 16 else np.uint8)


def place_of(page: TiffPage, index: int) -> tuple[int, int, int, int, int]:
    """Return where a strip or tile of tifffile's page stands: plane, top, left, rows, columns."""
    tall, wide = page.rowsperstrip, page.imagewidth
    if page.is_tiled:
        tall, wide = page.tilelength, page.tilewidth
    down, across = -(-page.imagelength // tall), -(-page.imagewidth // wide)
    plane, inside = divmod(index, down * across)
    top, left = inside // across * tall, inside % across * wide
    rows = tall if page.is_tiled else min(tall, page.imagelength - top)
    return plane, top, left, rows, wide


def samples_of_bits(data: bytes, bits: int, rows: int, samples: int, order: str) -> Array:
    """Return samples of 1 to 32 bits that stand one behind the other, as full-scale levels.

    Args:
        data: the rows, each of which begins at a byte.
        bits: of a sample; its first bit is the highest.
        rows: of the part.
        samples: of a row.
        order: of the bytes of samples of 24 bits, ``<`` or ``>``.

    Returns:
        (rows, samples), uint8 for up to 8 bits, else uint16.

    Raises:
        ValueError: if there are fewer bytes.
    """
    line = line_bytes(samples, bits)
    if len(data) < rows * line:
        raise ValueError("image file is truncated")
    lines = np.frombuffer(data, np.uint8, rows * line).reshape(rows, line)
    levels = np.empty((rows, samples), np.uint8 if bits <= 8 else np.uint16)
    white, most = (1 << bits) - 1, int(np.iinfo(levels.dtype).max)
    step = max(1, _BAND // samples)
    for top in range(0, rows, step):
        part = lines[top : top + step]
        if bits == 24 and order == "<":
            part = part.reshape(len(part), -1, 3)[..., ::-1].reshape(len(part), -1)
        each = np.unpackbits(part, axis=1)[:, : samples * bits].reshape(len(part), samples, bits)
        wide = np.zeros((len(part), samples, 32), np.uint8)
        wide[..., 32 - bits :] = each
        values = np.packbits(wide, axis=2).view(">u4")[..., 0].astype(np.uint64)
        levels[top : top + step] = (values * most + white // 2) // white
    return levels


def without_float_predictor(data: bytes, shape: tuple[int, int, int], size: int) -> Array:
    """Undo the predictor of floats (Adobe, TIFF Technical Note 3).

    Its bytes are differences to the pixel before, and stand apart by how much they weigh.

    Args:
        data: the part.
        shape: its rows, columns and samples a pixel.
        size: bytes of a sample: 2, 4 or 8.

    Returns:
        Floats of that shape.

    Raises:
        ValueError: if there are fewer bytes.
    """
    rows, columns, samples = shape
    line = columns * samples * size
    if len(data) < rows * line:
        raise ValueError("image file is truncated")
    steps = np.frombuffer(data, np.uint8, rows * line).reshape(rows, -1, samples)
    weights = np.add.accumulate(steps, axis=1, dtype=np.uint8).reshape(rows, size, -1)
    whole = np.ascontiguousarray(weights.swapaxes(1, 2)).view(f">f{size}")
    return whole.reshape(shape).astype(f"f{size}")


def unpacked_by_libtiff(
    data: bytes, compression: int, size: int, *, tolerant: bool = False
) -> bytes:
    """Unpack a strip by libtiff: as the one row of an 8-bit TIFF file made around it.

    Args:
        data: the strip.
        compression: its number in TIFF.
        size: its bytes once it is unpacked.
        tolerant: return what there is of a damaged one: at least a byte fewer.

    Raises:
        ValueError: if it is damaged.
        OSError: if libtiff gives nothing of it.
    """
    try:
        return _unpacked(data, compression, size)
    except (ValueError, OSError):
        if not tolerant:
            raise
    sound, damaged = 0, size  # of a strip that is asked for too much libtiff gives nothing
    while damaged - sound > 1:
        middle = (sound + damaged) // 2
        try:
            _unpacked(data, compression, middle)
            sound = middle
        except (ValueError, OSError):
            damaged = middle
    return _unpacked(data, compression, sound) if sound else b""


def _unpacked(data: bytes, compression: int, size: int) -> bytes:
    entries = ((256, size), (257, 1), (258, 8), (259, compression), (262, 1), (273, 0))
    entries += ((277, 1), (278, 1), (279, len(data)))
    start = 8 + 2 + 12 * len(entries) + 4
    body = struct.pack("<H", len(entries))
    for tag, value in entries:
        body += struct.pack("<HHII", tag, 4, 1, start if tag == 273 else value)
    whole = b"II*\0" + struct.pack("<I", 8) + body + b"\0" * 4 + data
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(whole), "")
    image.im = Image.core.new("L", (size, 1))  # ours to decide how large a strip may be
    with gathered() as said:
        unpacked = image.tobytes()
    if (decoder := of_pixels(said)) is not None:
        raise ValueError(f"{decoder} finds bad data")
    return unpacked
