"""Large JPEG files, packed band by band on several threads: the same bytes on however many.

Not here: how a JPEG file is packed, other formats and small files (``encode8``).

A band is what stands between two restart markers (ITU-T T.81, B.2.4.4): there the code of the
pixels begins from nothing, so that bands are encoded by themselves and laid one after another.
A decoder must know restart markers, and the pixels are those of one piece.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy.typing as npt
from PIL import Image

from koalarize.photo.embed import Held
from koalarize.photo.encode8 import (
    Packing,
    encode_by_pillow,
    jpeg_options,
    kept_in,
    pillow_image,
    saved,
)
from koalarize.photo.jpeg_segments import segment_places
from koalarize.photo.rows import Rows, packed_bands, rows_of
from koalarize.photo.white import over_white

__all__ = ["encode_jpeg", "encode_shallow", "in_bands"]

Array = npt.NDArray[Any]

#: Pixels from which a JPEG file is packed in bands.
_LARGE = 1 << 20
#: Pixels of a band: at 12 MP 1.61, 1.54, 1.49, 1.53 and 1.59 times Pillow's time with 2^17 to 2^21
#: (benchmarks/photo.py --runs 7 --megapixels 12, 2026-11-30).
_BAND = 1 << 19
_BLOCK = 8  # pixels: the side of what is transformed together
_MOST_BLOCKS = 65535  # of a band: the number has 16 bits
_MOST_ROWS = 65500  # libjpeg's, which says so itself if a file would have more
_SIZE, _INTERVAL, _RESTART = 0xC0, 0xDD, 0xD0
_SOS, _END = b"\xff\xda", b"\xff\xd9"


def in_bands(height: int, width: int) -> bool:
    """Tell whether a JPEG file of this size is packed in bands."""
    return height * width >= _LARGE and max(height, width) <= _MOST_ROWS


def encode_shallow(
    srgb: Array | Rows, alpha: Array | None, kind: str, held: Held, packing: Packing, threads: int
) -> list[bytes]:
    """Encode a picture with 8 bits a channel: a large JPEG in bands, all else in one piece.

    Args:
        srgb: (H, W, 3), uint8.
        alpha: (H, W) uint8, or None.
        kind: Pillow's name of the format.
        held: what goes along.
        packing: of the picture's own file.
        threads: how many share the work, where it is done in bands; 0 takes one a core.

    Raises:
        OSError, ValueError, struct.error: if the format cannot hold the picture.
    """
    height, width = srgb.shape[:2]
    if kind == "JPEG" and in_bands(height, width):
        return encode_jpeg(srgb, alpha, held, packing, threads=threads)
    return [encode_by_pillow(rows_of(srgb, 0, height), alpha, kind, held, packing)]


def encode_jpeg(
    srgb: Array | Rows, alpha: Array | None, held: Held, packing: Packing, *, threads: int = 1
) -> list[bytes]:
    """Encode a picture, whose rows may be made while they are packed.

    Args:
        srgb: (H, W, 3), uint8.
        alpha: (H, W) uint8, or None: the picture is laid over white.
        held: what goes along.
        packing: of the picture's own file.
        threads: how many share the work; 0 takes one a core.

    Returns:
        The parts of the file.

    Raises:
        OSError, ValueError: if what goes along does not fit into the format.
    """
    height, width = srgb.shape[:2]
    options = jpeg_options(packing)
    across = -(-width // _BLOCK)
    down = max(1, min(_BAND // (_BLOCK * width), _MOST_BLOCKS // across))  # blocks of a band
    whole = saved(Image.new("RGB", (width, 1)), "JPEG", {**options, **kept_in("JPEG", held)})
    head = _of_height(_head(whole), height)
    start = head.rindex(_SOS)
    restart = struct.pack(">BBHH", 0xFF, _INTERVAL, 4, across * down)

    def pack(band: Array) -> bytes:
        image = pillow_image(band[..., :3], None if alpha is None else band[..., 3])
        if alpha is not None:
            image = over_white(image)
        data = saved(image, "JPEG", options)
        return data[len(_head(data)) : -len(_END)]

    parts = [head[:start], restart, head[start:]]
    for number, packed in enumerate(packed_bands(srgb, alpha, _BLOCK * down, pack, threads)):
        if number:
            parts.append(bytes([0xFF, _RESTART + (number - 1) % 8]))
        parts.append(packed)
    return [*parts, _END]


def _head(data: bytes) -> bytes:
    """Return what stands before the code of the pixels."""
    *_, (_, at, size) = segment_places(io.BytesIO(data))
    start = at + size  # of the last segment, which says how the code begins
    assert data[start : start + 2] == _SOS
    (length,) = struct.unpack_from(">H", data, start + 2)
    return data[: start + 2 + length]


def _of_height(head: bytes, height: int) -> bytes:
    """Return the head of a file of another height."""
    places = {marker: at for marker, at, _ in segment_places(io.BytesIO(head))}
    at = places[_SIZE] + 1  # after the depth
    return head[:at] + struct.pack(">H", height) + head[at + 2 :]
