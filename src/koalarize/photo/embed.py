"""Which metadata each format holds: what goes along, and the names of what cannot.

Not here: reading it (``metadata``, ``png_chunks``, ``jpeg_segments``).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from koalarize.photo.exif_block import states_resolution
from koalarize.photo.jpeg_segments import XMP_ROOM, segments_of
from koalarize.photo.metadata import Metadata
from koalarize.photo.png_chunks import XMP_KEYWORD

__all__ = ["JPEG_EXIF_ROOM", "Held", "left_out", "listed", "png_texts", "segments_of"]

JPEG_EXIF_ROOM = 65533
_TEXT = b"iTXt"
_HOLD_XMP = frozenset({"JPEG", "PNG", "TIFF", "WEBP", "AVIF"})
_HOLD_IPTC = frozenset({"JPEG", "PNG", "TIFF"})
_HOLD_COMMENTS = frozenset({"JPEG", "PNG", "GIF"})
_HOLD_DPI = frozenset({"JPEG", "PNG", "TIFF", "BMP"})


@dataclass(frozen=True)
class Held:
    """What a photo holds beside its pixels."""

    exif: bytes | None
    dpi: tuple[float, float] | None
    metadata: Metadata


def left_out(held: Held, kind: str) -> tuple[str, ...]:
    """Return the names of what a format cannot hold.

    Args:
        held: what a photo has.
        kind: Pillow's name of the format.
    """
    metadata = held.metadata
    xmp_fits = kind in _HOLD_XMP and not (kind == "JPEG" and len(metadata.xmp or b"") > XMP_ROOM)
    exif_room = {"JPEG": JPEG_EXIF_ROOM, "BMP": 0, "GIF": 0}.get(kind)
    exif_fits = exif_room is None or len(held.exif or b"") <= exif_room
    in_exif = exif_fits and states_resolution(held.exif)
    names = (
        ("EXIF", held.exif and not exif_fits),
        ("XMP", metadata.xmp and not xmp_fits),
        ("extended XMP", metadata.more_xmp and kind != "JPEG"),
        ("IPTC", metadata.photoshop and kind not in _HOLD_IPTC),
        ("comment", metadata.comments and kind not in _HOLD_COMMENTS),
        ("PNG text", metadata.texts and kind != "PNG"),
        ("JPEG segments", metadata.segments and kind != "JPEG"),
        ("resolution", held.dpi and kind not in _HOLD_DPI and not in_exif),
    )
    return tuple(name for name, lost in names if lost)


def listed(names: tuple[str, ...]) -> str:
    """Return names as a sentence lists them: with commas, and "and" before the last."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def png_texts(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Return kind and data of the chunks that hold the metadata in a PNG file."""
    chunks: list[tuple[bytes, bytes]] = []
    if metadata.xmp:
        chunks.append((_TEXT, XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp))
    if metadata.photoshop:
        digits = metadata.photoshop.hex().encode()
        lines = b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
        text = b"\niptc\n%8d\n%s\n" % (len(metadata.photoshop), lines)
        chunks.append((b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text)))
    for comment in metadata.comments:
        chunks.append(_comment(comment))
    return chunks + list(metadata.texts)


def _comment(comment: bytes) -> tuple[bytes, bytes]:
    try:
        comment.decode("utf-8")
    except ValueError:
        return b"tEXt", b"Comment\0" + comment.replace(b"\0", b" ")
    return _TEXT, b"Comment\0\0\0\0\0" + comment.replace(b"\0", b" ")
