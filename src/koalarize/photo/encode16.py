"""The files that Pillow cannot write: 16-bit RGB PNG, and compressed TIFF with all of its EXIF.

Not here: reading, and all other files (``photo``). Both writers take bands of rows, which may be
made only then, so memory grows by the compressed file and little more.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.photo.directories import Directory, Field, directory_bytes
from koalarize.photo.metadata import directory_of_exif
from koalarize.photo.png_chunks import chunk
from koalarize.photo.rows import Rows, band_rows, packed_bands

__all__ = ["TIFF_HEAD", "Kept", "encode_png", "tiff_page"]

Array = npt.NDArray[Any]
UInt8 = npt.NDArray[np.uint8]

_LEVEL = 4  # zlib; on noisy 16-bit photos level 6 saves nothing more
_STRIP_BYTES = 1 << 20
_LOG = logging.getLogger(__name__)
#: What a TIFF file begins with whose first page follows at once.
TIFF_HEAD = b"II*\0\x08\0\0\0"
_INCH = 0.0254  # meters


@dataclass(frozen=True)
class Kept:
    """What goes into a file beside its pixels.

    Attributes:
        icc: the profile of the pixels.
        exif: an EXIF block.
        dpi: dots per inch across and down.
        chunks: kind and data of further chunks of a PNG file.
        fields: further fields of a TIFF file.
    """

    icc: bytes
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    fields: Mapping[int, Field] = field(default_factory=dict[int, Field])

    @property
    def size(self) -> int:
        """About how many bytes that is in a TIFF file."""
        further = sum(len(one.data) for one in self.fields.values())
        return len(self.icc) + len(self.exif or b"") + further


def encode_png(
    srgb: Array | Rows, alpha: Array | None, kept: Kept, *, threads: int = 1
) -> list[bytes]:
    """Encode pixels as PNG (ISO/IEC 15948) with the Up filter.

    Args:
        srgb: (H, W, 3) uint8 or uint16.
        alpha: (H, W) of the same dtype, or None.
        kept: what goes along.
        threads: how many make and filter rows; 0 takes one a core.

    Returns:
        The parts of the file, in order.
    """
    height, width = srgb.shape[:2]
    colors = 2 if alpha is None else 6  # RGB, RGBA
    header = struct.pack(">2I5B", width, height, 8 * srgb.dtype.itemsize, colors, 0, 0, 0)
    out = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header)]
    out.append(chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(kept.icc)))
    if kept.dpi:
        out.append(chunk(b"pHYs", struct.pack(">2IB", *(round(v / _INCH) for v in kept.dpi), 1)))
    if kept.exif:
        out.append(chunk(b"eXIf", kept.exif.removeprefix(b"Exif\0\0")))
    out += [chunk(kind, data) for kind, data in kept.chunks]
    out = [b"".join(out)]  # what may hold a seal is one part
    packer = zlib.compressobj(_LEVEL)
    for lines in packed_bands(srgb, alpha, band_rows(width), _filtered, threads):
        if packed := packer.compress(lines.data):
            out.append(chunk(b"IDAT", packed))
    return [*out, chunk(b"IDAT", packer.flush()), chunk(b"IEND", b"")]


def _filtered(rows: Array) -> UInt8:
    """Return rows as PNG has them: each begins with the number of its filter."""
    pixel = rows.shape[2] * rows.itemsize
    raw = rows.astype(rows.dtype.newbyteorder(">"), order="C").reshape(len(rows), -1).view(np.uint8)
    lines = np.empty((len(raw), raw.shape[1] + 1), np.uint8)
    lines[:, 0] = 2  # Up: each byte less the byte above it
    np.subtract(raw[1:], raw[:-1], out=lines[1:, 1:])
    lines[0, 0] = 1  # Sub: less that of the pixel on its left; what is above is another band's
    lines[0, 1 : 1 + pixel] = raw[0, :pixel]
    np.subtract(raw[0, pixel:], raw[0, :-pixel], out=lines[0, 1 + pixel :])
    return lines


def tiff_page(
    srgb: Array | Rows,
    alpha: Array | None,
    kept: Kept,
    at: int,
    *,
    last: bool = True,
    threads: int = 1,
) -> list[bytes]:
    """Encode a page of a TIFF file: its directory, which begins it, and its strips.

    Strips are compressed by deflate with predictor 2 (differences between neighbors).

    Args:
        srgb: (H, W, 3) uint8 or uint16.
        alpha: (H, W) of the same dtype, or None.
        kept: what goes along.
        at: where the page will stand in the file; an even number.
        last: whether no page will follow at its end.
        threads: how many make and pack strips; 0 takes one a core.

    Returns:
        The parts of the page, in order.

    Raises:
        ValueError: if the file would need more than the 4 GiB that TIFF can address.
    """
    height, width = srgb.shape[:2]
    samples, itemsize = 3 if alpha is None else 4, srgb.dtype.itemsize
    strip = max(1, _STRIP_BYTES // (width * samples * itemsize))

    def pack(band: Array) -> list[bytes]:
        return [_packed(band[top : top + strip]) for top in range(0, len(band), strip)]

    bands = packed_bands(srgb, alpha, band_rows(width, strip), pack, threads)
    strips = [packed for band in bands for packed in band]
    counts = [len(packed) for packed in strips]
    starts = [int(v) for v in np.cumsum([0, *counts[:-1]])]
    if at + sum(counts) + (1 << 20) + kept.size > 0xFFFFFFFF:
        raise ValueError("more than 4 GiB")

    described = _described(kept.exif)
    fields = {**described.fields, **kept.fields}
    fields[256], fields[257] = _long(width), _long(height)
    fields[258] = _short(*(8 * itemsize,) * samples)
    fields[259], fields[262], fields[277] = _short(8), _short(2), _short(samples)  # deflate, RGB
    fields[274] = _short(1)
    fields[273], fields[279] = _long(*starts), _long(*counts)
    fields[278] = _long(strip)
    fields[284], fields[317] = _short(1), _short(2)
    if alpha is not None:
        fields[338] = _short(2)  # unassociated alpha
    if kept.dpi:
        fields[282], fields[283] = _rational(kept.dpi[0]), _rational(kept.dpi[1])
        fields[296] = _short(2)
    fields[34675] = Field(7, len(kept.icc), kept.icc)
    page = Directory(fields, described.below)
    size = len(directory_bytes(page, at))
    size += size % 2
    fields[273] = _long(*(start + at + size for start in starts))
    end = at + size + sum(counts)
    odd = end % 2
    head = directory_bytes(page, at, 0 if last else end + odd).ljust(size, b"\0")
    return [head, *strips, b"\0" * odd]


def _packed(rows: Array) -> bytes:
    """Return a strip of a TIFF file: differences between neighbors, compressed."""
    lines = rows.astype(rows.dtype.newbyteorder("<"), order="C")
    lines[:, 1:] -= rows[:, :-1]  # wraps around, as the predictor asks
    return zlib.compress(lines.data, _LEVEL)


def _described(exif: bytes | None) -> Directory:
    try:
        return directory_of_exif(exif) if exif else Directory()
    except ValueError as error:
        _LOG.warning("The EXIF data is damaged (%s) and is left out.", error)
        return Directory()


def _short(*values: int) -> Field:
    return Field(3, len(values), struct.pack(f"<{len(values)}H", *values))


def _long(*values: int) -> Field:
    return Field(4, len(values), struct.pack(f"<{len(values)}I", *values))


def _rational(value: float) -> Field:
    shown = Fraction(value).limit_denominator(1000)
    return Field(5, 1, struct.pack("<II", shown.numerator, shown.denominator))
