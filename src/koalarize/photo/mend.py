"""Files cut short: what is said of them, told apart from those that only lack their end, completed.

Not here: ordinary reading (``decode``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.photo.png_chunks import inflated_as_far_as_it_goes, is_png

__all__ = [
    "DAMAGED",
    "FILLED",
    "PARTLY",
    "WHOLE_ONLY",
    "completed",
    "damaged",
    "has_all_its_pixels",
    "with_end",
]

#: Said of a picture that is read as far as it goes.
DAMAGED = "its data are damaged: what cannot be read of it is black, grey or noise"
#: Said of a picture that is cut short and read as far as it goes.
FILLED = "it is cut short: what is missing of it is filled up"
#: What else can be done with a picture that is damaged, where what there is of it can be read.
PARTLY = ", or colour what there is of it: `koalarize FILE --tolerant`, in Python `tolerant=True`"
#: Formats whose decoders give nothing of a picture that is cut short.
WHOLE_ONLY = frozenset({"AVIF", "HEIF", "ICNS", "ICO", "JPEG2000", "WEBP", "XBM", "XPM"})

_SCAN = 0xDA
_NO_FRAMES = frozenset({0xC4, 0xC8, 0xCC})
_MARKERS = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # neither within a scan's data
_END = b"\xff\xd9"
_GIF, _GIF_EXTENSION, _GIF_PICTURE = b"GIF8", 0x21, 0x2C
_PNM_HEAD = re.compile(rb"P(?:1(?:(?:\s|#.*\n)+\d+){2}|[23](?:(?:\s|#.*\n)+(\d+)){3})(?=\s)")
_BMP, _RUNS_OF_BMP = b"BM", (1, 2)  # packed by runs, of 8 and of 4 bits
# Different pixels come of these where a decoder asks for more than is there.
_FILLINGS = (b"\x00" * 256, b"\x55\xaa\x3c" * 86, b"\xd2\x69\x1b\xfe" * 64)

Pixels = npt.NDArray[np.uint8]
Made = TypeVar("Made")


def damaged(name: str, error: BaseException, *, partly: bool = True) -> str:
    """Return the sentence for a picture whose decoding failed.

    Args:
        name: what to call it.
        error: what its decoder said.
        partly: whether to say that what there is of it can be read, which was not tried yet.
    """
    why = str(error).strip().rstrip(".") or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):  # a few readers ask Pillow's own limit
        return f"{name} is larger than its format is read ({why}): make it smaller, or use TIFF."
    step = PARTLY if partly else ""
    return f"{name} is damaged or cut short ({why}): copy it again from where it came from{step}."


def with_end(data: bytes, filling: bytes = b"") -> bytes:
    """Return a JPEG file with the mark of its end, and other bytes before it."""
    return data.removesuffix(b"\xff") + filling + _END


def has_all_its_pixels(data: bytes, shown: Pixels, decode: Callable[[bytes], Pixels]) -> bool:
    """Tell whether a JPEG file without an end lacks nothing else.

    Whatever stands in place of missing data would show in the pixels; a file that is cut between
    two scans decodes whatever follows, so the scans are counted too.

    Args:
        data: the file.
        shown: the pixels of ``with_end(data)``.
        decode: what gives the pixels of a file.
    """
    if not has_all_its_scans(data):
        return False
    return all(np.array_equal(shown, decode(with_end(data, fill))) for fill in _FILLINGS)


def has_all_its_scans(data: bytes) -> bool:
    """Tell whether the scans of a JPEG file bring all coefficients of all components.

    A file whose structure cannot be followed counts as complete.
    """
    missing: dict[int, set[int]] = {}
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF or data[at + 1] == 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + size]
        at += 2 + size
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES and len(body) >= 6:
            missing = {kind: set(range(64)) for kind in body[6::3]}
        elif marker == _SCAN and len(body) >= 4:
            last = 1 + 2 * body[0]
            first_of_band, end_of_band, steps = (*body[last : last + 3], 0, 63, 0)[:3]
            if not steps & 0x0F:  # no bits of these coefficients are left for later scans
                for kind in body[1:last:2]:
                    missing.get(kind, set()).difference_update(
                        range(first_of_band, end_of_band + 1)
                    )
            found = _MARKERS.search(data, at)
            at = found.start() if found is not None else len(data)
    return not any(missing.values())


def completed(stream: BinaryIO, size: tuple[int, int], depth: int) -> bytes:
    """Return a file that is cut short with something in place of what is missing.

    Args:
        stream: the file.
        size: width and height of the picture.
        depth: bytes that a pixel may take.

    Raises:
        ValueError: if not even its header is there.
    """
    stream.seek(0)
    data = stream.read()
    if data.startswith(b"\xff\xd8"):
        *_, last = _MARKERS.finditer(data)
        begun = last.group()[1] != _SCAN  # tables of a scan whose pixels are all missing
        return with_end(data[: last.start()] if begun else data)
    if is_png(data[:8]):
        return inflated_as_far_as_it_goes(data)
    if data.startswith(_GIF):
        return _completed_gif(data, size)
    if head := _PNM_HEAD.match(data):
        digits = _sound_digits(data[head.end() :], head[1])
        return head[0] + digits + b" 0" * (3 * size[0] * size[1])
    if data.startswith(_BMP) and int.from_bytes(data[30:34], "little") in _RUNS_OF_BMP:
        line = b"\xff\0" * -(-size[0] // 255) + b"\0\0"  # runs of its first color, and their end
        return data[: _end_of_runs(data)] + line * (size[1] + 1)
    return data + bytes(depth * size[0] * size[1])  # uncompressed pixels end with black


def _end_of_runs(data: bytes) -> int:
    """Return where the runs of a packed BMP file end: at the mark of it, or where it is cut."""
    per_byte = data[30]  # pixels: of 8 bits 1, of 4 bits 2, as the number of the packing
    at = int.from_bytes(data[10:14], "little")
    while at + 2 <= len(data):
        count, kind = data[at], data[at + 1]
        size = 2
        if not count and kind == 1:
            break
        if not count and kind == 2:
            size = 4
        elif not count and kind:  # single pixels, filled up to a word
            size = 2 + -(-kind // per_byte)
            size += size % 2
        if at + size > len(data):
            break
        at += size
    return at


def _sound_digits(data: bytes, white: bytes | None) -> bytes:
    """Return the levels of a PNM file of digits, with 0 for what is none of them.

    Args:
        data: the file behind its head.
        white: its highest level; None of a bitmap, whose digits may stand side by side.
    """
    data = re.sub(rb"#.*", b"", data)
    if white is None:
        return re.sub(rb"[^01\s]", b"0", data)
    most, longest = int(white), len(white.lstrip(b"0"))
    return b" " + b" ".join(
        level if level.isdigit() and len(level) <= longest and int(level) <= most else b"0"
        for level in data.split()
    )


def _completed_gif(data: bytes, size: tuple[int, int]) -> bytes:
    """Return a GIF file that is cut within its first picture, with its first colour for the rest.

    The data of a picture are blocks of up to 255 bytes, each behind its length (GIF89a, 15). A code
    of zeros is one pixel of the first colour, and takes up to 12 bits.
    """
    at = _first_of_gif(data)
    while at < len(data) and data[at]:
        at += 1 + data[at]
    blocks = -(-2 * size[0] * size[1] // 255)
    return data[:at].ljust(at, b"\0") + (b"\xff" + bytes(255)) * blocks + b"\0\x3b"


def _first_of_gif(data: bytes) -> int:
    """Return where the blocks of the first picture of a GIF file begin."""
    at = 13 + _palette_of_gif(data[10])
    while data[at] == _GIF_EXTENSION:
        at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    if data[at] != _GIF_PICTURE:
        raise ValueError("its first picture is not found")
    return at + 10 + _palette_of_gif(data[at + 9]) + 1


def _palette_of_gif(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
