"""Regions that XMP marks in a picture, such as faces, turned with it.

Not here: what else XMP says of places and sizes (``metadata``). Programs that write regions count
them in the picture as it is stored, before its orientation is applied.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["turned_regions"]

# The Metadata Working Group's (Guidelines for Handling Image Metadata 2.0, 5.9): an area's middle,
# width and height; and Microsoft's (people tagging): left, top, width and height. Fractions both.
_AREA = b"<mwg-rs:Area"
_NUMBER = rb"(\d*\.?\d+(?:[eE][+-]?\d+)?)"
_SIDES = tuple(
    re.compile(rb"(stArea:%c(?:\s*=\s*[\"']|>)\s*)" % side + _NUMBER) for side in b"xywh"
)
_RECTANGLE = re.compile(
    rb"(MPReg:Rectangle(?:\s*=\s*[\"']|>)\s*)" + rb"\s*,\s*".join([_NUMBER] * 4)
)
#: Where a place goes when a picture of an orientation is turned upright.
_TURNS: dict[int, Callable[[float, float], tuple[float, float]]] = {
    2: lambda x, y: (1 - x, y),
    3: lambda x, y: (1 - x, 1 - y),
    4: lambda x, y: (x, 1 - y),
    5: lambda x, y: (y, x),
    6: lambda x, y: (1 - y, x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (y, 1 - x),
}


def turned_regions(xmp: bytes, orientation: int) -> bytes:
    """Return XMP whose regions are true of the upright picture; those in pixels stay.

    Args:
        xmp: the packet.
        orientation: what the picture's was, 1 to 8.
    """
    turn = _TURNS.get(orientation)
    if turn is None:
        return xmp
    first, *rest = xmp.split(_AREA)
    xmp = _AREA.join([first, *(_turned_area(part, turn, orientation >= 5) for part in rest)])

    def rectangle(found: re.Match[bytes]) -> bytes:
        left, top, width, height = (float(number) for number in found.groups()[1:])
        x, y = turn(left + width / 2, top + height / 2)
        if orientation >= 5:
            width, height = height, width
        sides = (x - width / 2, y - height / 2, width, height)
        return found[1] + b", ".join(map(_written, sides))

    return _RECTANGLE.sub(rectangle, xmp)


def _turned_area(
    part: bytes, turn: Callable[[float, float], tuple[float, float]], aside: bool
) -> bytes:
    """Return what follows the beginning of an area, up to the next one, with its sides turned."""
    found = [side.search(part) for side in _SIDES]
    across, down, width, height = (float(one[2]) if one else None for one in found)
    if across is None or down is None or max(across, down) > 1:
        return part
    x, y = turn(across, down)
    sides = (x, y, height, width) if aside else (x, y, width, height)
    for side, value in zip(_SIDES, sides, strict=True):
        if value is not None:
            part = side.sub(rb"\g<1>" + _written(value), part, count=1)
    return part


def _written(value: float) -> bytes:
    return b"%.9g" % max(value, 0.0)
