"""ICC profiles in GIF and BMP files, which Pillow looks past.

Not here: what profiles mean (``profiles``), those of JPEG 2000 (``boxes``).
"""

from __future__ import annotations

import struct
from typing import BinaryIO

__all__ = ["profile_of_bmp", "profile_of_gif"]

_IN_GIF = b"\x21\xff\x0bICCRGBG1012"  # ICC.1:2022, B.5
_HEAD_OF_BMP = 14
_SIZE_OF_V5, _EMBEDDED = 124, b"DEBM"  # "MBED", little end first


def profile_of_gif(data: bytes) -> bytes | None:
    """Return the profile that an extension of a GIF file holds in blocks of up to 255 bytes.

    Args:
        data: the file.
    """
    at = data.find(_IN_GIF) + len(_IN_GIF)
    parts: list[bytes] = []
    while len(_IN_GIF) <= at < len(data) and data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts) or None


def profile_of_bmp(stream: BinaryIO) -> bytes | None:
    """Return the profile that a BMP file of version 5 holds behind its pixels."""
    stream.seek(_HEAD_OF_BMP)
    head = stream.read(_SIZE_OF_V5)
    if len(head) < _SIZE_OF_V5 or head[56:60] != _EMBEDDED:
        return None
    kind, at, size = struct.unpack_from("<I108x2I", head)
    if kind != _SIZE_OF_V5:
        return None
    stream.seek(_HEAD_OF_BMP + at)
    return stream.read(size) or None
