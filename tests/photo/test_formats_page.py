"""docs/formats.md: what each format that is written holds, drawn from what comes back.

``python tests/photo/test_formats_page.py`` draws the table again.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from koalarize.photo.files import FORMATS
from koalarize.photo.metadata import Metadata
from koalarize.photo.photo import Photo
from photo_parts import some_exif

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
MARK = "<!-- formats -->\n"
COLUMNS = (
    "16 bits",
    "alpha",
    "profile",
    "resolution",
    "EXIF",
    "XMP",
    "IPTC",
    "comment",
    "PNG text",
)
IPTC = b"8BIM\x04\x04\0\0\0\0\0\x0c\x1c\x02\x78\x00\x07wedding"


def full_photo() -> Photo:
    levels = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50) * 32 + 1
    return Photo(
        levels,
        alpha=levels[::-1].copy(),
        exif=some_exif(),
        dpi=(300.0, 200.0),
        metadata=Metadata(
            b"<x:xmpmeta/>",
            photoshop=IPTC,
            comments=(b"a comment",),
            texts=((b"tEXt", b"Title\0words"),),
        ),
    )


def held(kind: str) -> tuple[bool, ...]:
    """What comes back of a photo that has everything, in the order of the columns."""
    photo = full_photo()
    encoded = photo.encode(np.dstack([photo.pixels] * 3), format=kind)
    back = Photo.read(encoded)
    return (
        back.pixels.dtype == np.uint16,
        back.alpha is not None,
        "icc_profile" in Image.open(io.BytesIO(encoded)).info,
        back.dpi is not None,
        back.exif is not None and b"A maker" in back.exif,
        back.metadata.xmp == photo.metadata.xmp,
        back.metadata.iptc == photo.metadata.iptc,
        b"a comment" in encoded,
        photo.metadata.texts[0] in back.metadata.texts,
    )


def table() -> str:
    """Draw the table."""
    lines = [("format", *COLUMNS), ("---",) * (1 + len(COLUMNS))]
    for kind in dict.fromkeys(FORMATS.values()):
        lines.append((kind, *("yes" if one else "–" for one in held(kind))))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def test_the_page_is_what_comes_back():
    assert MARK + table() in PAGE.read_text(encoding="utf-8")


def test_what_does_not_come_back_is_named():
    words = {"PNG text", "comment", "IPTC", "XMP", "EXIF", "resolution"}
    for kind in dict.fromkeys(FORMATS.values()):
        lost = {name for name, one in zip(COLUMNS, held(kind), strict=True) if not one}
        assert set(full_photo().left_out(kind)) == lost & words


if __name__ == "__main__":
    _before, _mark, _rest = PAGE.read_text(encoding="utf-8").partition(MARK)
    _rest = _rest[_rest.index("\nWhat a format") :]
    PAGE.write_text(f"{_before}{MARK}{table()}{_rest}", encoding="utf-8")
