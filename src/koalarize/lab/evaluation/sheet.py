"""A showcase as one PNG: a row a picture, headings above the columns, names below the rows.

Not here: the colouring (``showcase``), the page with sliders (``page``).
"""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from koalarize.errors import OptionError
from koalarize.lab.evaluation.showcase import Showcase
from koalarize.lab.outputs import MARK

__all__ = ["MOST_PIXELS", "to_png"]

#: A larger grid is refused: few programs open it.
MOST_PIXELS = 200_000_000

_MARGIN, _GAP = 16, 8
_HEADING_SIZE, _NAME_SIZE = 16, 12
_HEADING_HEIGHT, _NAME_HEIGHT = 28, 22
_NARROWEST = 96  # so that a heading has room above narrow pictures
_PAPER, _TEXT, _MUTED = "#ffffff", "#1a1a1a", "#555555"


def to_png(showcase: Showcase) -> bytes:
    """Draw a showcase.

    Raises:
        OptionError: if the grid would have more than ``MOST_PIXELS``.
    """
    columns = len(showcase.headings)
    present = [[image for image in row.images if image is not None] for row in showcase.rows]
    widths = [
        max(_NARROWEST, *(image.width for row in showcase.rows if (image := row.images[i])), 0)
        for i in range(columns)
    ]
    heights = [max(image.height for image in images) for images in present]
    width = 2 * _MARGIN + sum(widths) + _GAP * (columns - 1)
    height = 2 * _MARGIN + _HEADING_HEIGHT + sum(heights) + (_NAME_HEIGHT + _GAP) * len(heights)
    if width * height > MOST_PIXELS:
        raise OptionError(
            f"the grid would be {width} x {height} pixels but at most {MOST_PIXELS:,} are drawn: "
            "lower `--count` or `--size`"
        )
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    lefts = [_MARGIN + sum(widths[:i]) + _GAP * i for i in range(columns)]
    heading_font = ImageFont.load_default(size=_HEADING_SIZE)
    name_font = ImageFont.load_default(size=_NAME_SIZE)
    for left, wide, heading in zip(lefts, widths, showcase.headings, strict=True):
        draw.text((left, _MARGIN), _cut(draw, heading, heading_font, wide), _TEXT, heading_font)
    top = _MARGIN + _HEADING_HEIGHT
    for row, high in zip(showcase.rows, heights, strict=True):
        for left, image in zip(lefts, row.images, strict=True):
            if image is None:
                draw.text((left, top), "no colours of its own", _MUTED, name_font)
            else:
                sheet.paste(image, (left, top))
        name = _cut(draw, row.name, name_font, width - 2 * _MARGIN)
        draw.text((_MARGIN, top + high + 4), name, _MUTED, name_font)
        top += high + _NAME_HEIGHT + _GAP
    stream, notes = io.BytesIO(), PngInfo()
    notes.add_text("Software", MARK)
    sheet.save(stream, "PNG", pnginfo=notes)
    return stream.getvalue()


def _cut(draw: ImageDraw.ImageDraw, text: str, font: Any, width: int) -> str:
    """Shorten a text in its middle until it fits; both ends of a file's name say something."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    if draw.textlength(text, font) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        cut = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
        if draw.textlength(cut, font) <= width:
            return cut
    return "…"
