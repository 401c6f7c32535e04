"""The files that Pillow cannot write: 16-bit RGB PNG, and compressed TIFF with all of its EXIF.

Not here: reading, and all other files (``photo``). Both writers work in chunks of rows, so memory
grows by the compressed file and little more.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["encode_png16", "encode_tiff"]

Array = npt.NDArray[Any]
UInt16 = npt.NDArray[np.uint16]

_LEVEL = 4  # zlib; on noisy 16-bit photos level 6 saves nothing more
_CHUNK_BYTES = 1 << 20
_INCH = 0.0254  # meters

# TIFF tags that describe the file itself, not the picture: never copied from EXIF.
_TIFF_LAYOUT = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317}
    | {320, 322, 323, 324, 325, 330, 338, 339, 513, 514, 529, 530, 531, 532, 34675}
)


def encode_png16(
    srgb: UInt16,
    *,
    alpha: UInt16 | None = None,
    icc: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Encode (H, W, 3) uint16, and (H, W) alpha, as PNG (ISO/IEC 15948) with the Up filter."""
    height, width = srgb.shape[:2]
    kind = 2 if alpha is None else 6  # RGB, RGBA
    out = [
        b"\x89PNG\r\n\x1a\n",
        _chunk(b"IHDR", struct.pack(">2I5B", width, height, 16, kind, 0, 0, 0)),
    ]
    if icc:
        out.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    if dpi:
        out.append(_chunk(b"pHYs", struct.pack(">2IB", *(round(v / _INCH) for v in dpi), 1)))
    if exif:
        out.append(_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    packer = zlib.compressobj(_LEVEL)
    above = np.zeros((1, width * (3 if alpha is None else 4) * 2), np.uint8)
    for rows in _row_chunks(srgb, alpha):
        raw = rows.astype(">u2").reshape(len(rows), -1).view(np.uint8)
        lines = np.empty((len(raw), raw.shape[1] + 1), np.uint8)
        lines[:, 0] = 2  # Up: each byte less the byte above it
        np.subtract(raw, np.concatenate([above, raw[:-1]]), out=lines[:, 1:])
        above = raw[-1:]
        if packed := packer.compress(lines.data):
            out.append(_chunk(b"IDAT", packed))
    out += [_chunk(b"IDAT", packer.flush()), _chunk(b"IEND", b"")]
    return b"".join(out)


def encode_tiff(
    srgb: Array,
    *,
    alpha: Array | None = None,
    icc: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Encode (H, W, 3) uint8 or uint16, and (H, W) alpha of the same dtype, as TIFF 6.0.

    Strips are compressed by deflate with predictor 2 (differences between neighbors).

    Raises:
        ValueError: if the file would need more than the 4 GiB that TIFF can address.
    """
    from PIL import TiffImagePlugin, TiffTags

    height, width = srgb.shape[:2]
    samples = 3 if alpha is None else 4
    strips: list[bytes] = []
    for rows in _row_chunks(srgb, alpha):
        lines = rows.astype(rows.dtype.newbyteorder("<"))
        lines[:, 1:] -= rows[:, :-1]  # wraps around, as the predictor asks
        strips.append(zlib.compress(lines.data, _LEVEL))
    counts = [len(strip) for strip in strips]
    starts = [int(v) for v in np.cumsum([0, *counts[:-1]])]
    if sum(counts) + (1 << 20) + len(icc or b"") + len(exif or b"") > 0xFFFFFFFF:
        raise ValueError("more than 4 GiB")

    ifd = TiffImagePlugin.ImageFileDirectory_v2()
    _copy_exif(ifd, exif)
    ifd[256], ifd[257] = width, height
    ifd[258] = (8 * srgb.itemsize,) * samples
    ifd[259], ifd[262], ifd[277] = 8, 2, samples  # Adobe deflate, RGB
    ifd[274] = 1
    ifd.tagtype[273] = ifd.tagtype[279] = TiffTags.LONG
    ifd[273], ifd[279] = tuple(starts), tuple(counts)  # Pillow adds the end of the directory
    ifd[278] = _rows_per_chunk(width * samples * srgb.itemsize)
    ifd[284], ifd[317] = 1, 2
    if alpha is not None:
        ifd[338] = 2  # unassociated alpha
    if dpi:
        ifd[282], ifd[283], ifd[296] = *dpi, 2
    if icc:
        ifd.tagtype[34675] = TiffTags.UNDEFINED
        ifd[34675] = icc
    return b"".join([b"II*\0\x08\0\0\0", ifd.tobytes(8), *strips])


def _copy_exif(ifd: Any, exif: bytes | None) -> None:
    from PIL import ExifTags, Image

    if not exif:
        return
    tags = Image.Exif()
    tags.load(exif)
    for tag, value in tags.items():
        if tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            ifd[tag] = tags.get_ifd(tag)
        elif tag not in _TIFF_LAYOUT:
            ifd[tag] = value


def _rows_per_chunk(row_bytes: int) -> int:
    return max(1, _CHUNK_BYTES // row_bytes)


def _row_chunks(srgb: Array, alpha: Array | None) -> Iterator[Array]:
    height, width = srgb.shape[:2]
    step = _rows_per_chunk(width * (3 if alpha is None else 4) * srgb.itemsize)
    for top in range(0, height, step):
        part = srgb[top : top + step]
        yield part if alpha is None else np.dstack([part, alpha[top : top + step]])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
