"""Whether a picture could not be read since memory is short: some decoders call that damage.

Not here: what is said of it (``decode``).
"""

from __future__ import annotations

import numpy as np

__all__ = ["is_short", "webp_size"]

#: Bytes a pixel that decoders need which call too little memory damage, and ours beside: measured
#: by `ulimit -v` on pictures of 108 megapixels (libwebp 19, dav1d 11, OpenJPEG 20, progressive
#: JPEG 5; 2026-11-29), rounded up.
_NEEDED = {"WEBP": 20, "AVIF": 12, "HEIF": 12, "JPEG2000": 21, "JPEG": 6, "MPO": 6}
_USUAL = 5
#: With fewer pixels no decoder comes near the end of memory before all else does.
_SMALL = 1 << 20


def is_short(kind: str, size: tuple[int, int], error: BaseException) -> bool:
    """Tell whether a picture that could not be decoded would not fit in memory.

    Args:
        kind: Pillow's name of its format.
        size: its width and height.
        error: what its decoder said.
    """
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return True
    pixels = size[0] * size[1]
    if pixels < _SMALL:
        return False
    try:
        np.empty(pixels * _NEEDED.get(kind, _USUAL), np.uint8)  # room only; nothing is written
    except MemoryError:
        return True
    return False


def webp_size(head: bytes) -> tuple[int, int] | None:
    """Return width and height that the first 30 bytes of a WebP file state; None if they do not."""
    kind, data = head[12:16], head[20:30]
    if len(data) < 10:
        return None
    if kind == b"VP8X":
        return _number(data[4:7], 24) + 1, _number(data[7:10], 24) + 1
    if kind == b"VP8L":
        return _number(data[1:3], 14) + 1, (_number(data[1:5], 32) >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return _number(data[6:8], 14), _number(data[8:10], 14)
    return None


def _number(data: bytes, bits: int) -> int:
    return int.from_bytes(data, "little") & ((1 << bits) - 1)
