"""What a picture's file says beside its pixels, carried as bytes.

Not here: how directories are laid out (``directories``), profiles (``profiles``).
"""

from __future__ import annotations

import io
import math
import struct

from koalarize.photo.directories import EXIF, Directory, TiffReader, directory_bytes

__all__ = ["EXIF_HEAD", "TIFF_LAYOUT", "directory_of_exif", "dpi_of_tiff", "exif_of_tiff"]

EXIF_HEAD = b"Exif\0\0"
_XMP, _IPTC, _PHOTOSHOP, _ICC, _LAYERS = 700, 33723, 34377, 34675, 37724
#: TIFF tags that describe the file itself, not the picture: never copied into another file.
TIFF_LAYOUT = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281}
    | {282, 283, 284, 288, 289, 290, 291, 292, 293, 296, 297, 317, 320, 321, 322, 323, 324, 325}
    | {330, 332, 333, 334, 336, 338, 339, 340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519}
    | {520, 521, 529, 530, 531, 532, 559, _XMP, _IPTC, _PHOTOSHOP, _ICC, _LAYERS}
    | set(range(50706, 50828))  # a digital negative's own: they would make a DNG of the copy
)
_PIXELS_ACROSS, _PIXELS_DOWN = 40962, 40963
_PER_CENTIMETER = 3


def exif_of_tiff(fields: Directory) -> bytes | None:
    """Return the EXIF block that says what a TIFF file's fields say of the picture.

    The orientation is left out, since pixels come upright.
    """
    kept = {tag: value for tag, value in fields.fields.items() if tag not in TIFF_LAYOUT}
    below = {tag: inner for tag, inner in fields.below.items() if inner.fields}
    if not kept and not below:
        return None
    if fields.number(274, 1) >= 5 and EXIF in below:
        below[EXIF] = _swapped(below[EXIF], _PIXELS_ACROSS, _PIXELS_DOWN)
    return EXIF_HEAD + b"II*\0\x08\0\0\0" + directory_bytes(Directory(kept, below), 8)


def directory_of_exif(exif: bytes) -> Directory:
    """Return the fields of an EXIF block that another TIFF file can take.

    Raises:
        ValueError: if the block is damaged.
    """
    reader = TiffReader(io.BytesIO(exif.removeprefix(EXIF_HEAD)))
    found = reader.described(reader.first)
    kept = {tag: value for tag, value in found.fields.items() if tag not in TIFF_LAYOUT}
    return Directory(kept, {tag: inner for tag, inner in found.below.items() if inner.fields})


def dpi_of_tiff(fields: Directory) -> tuple[float, float] | None:
    """Return the dots per inch, if a TIFF file's fields state sensible ones."""
    unit = fields.number(296, 2)
    both: list[float] = []
    for tag in (282, 283):
        value = fields.fields.get(tag)
        if value is None or value.kind != 5 or unit not in (2, _PER_CENTIMETER):
            return None
        above, under = struct.unpack("<II", value.data[:8])
        both.append(above / under * (2.54 if unit == _PER_CENTIMETER else 1) if under else 0)
    if not all(math.isfinite(v) and 1 < v < 1e6 for v in both):
        return None
    return both[0], both[1]


def _swapped(directory: Directory, one: int, other: int) -> Directory:
    fields = dict(directory.fields)
    first, second = fields.pop(one, None), fields.pop(other, None)
    if second is not None:
        fields[one] = second
    if first is not None:
        fields[other] = first
    return Directory(fields, directory.below)
