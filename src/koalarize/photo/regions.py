"""Regions that XMP marks in a picture, such as faces, which move when it is turned or cut.

Not here: what else XMP says of places and sizes (``metadata``). Programs that write regions count
them in the picture as it is stored, before its orientation is applied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Box", "Move", "moved_regions", "turned_regions"]

_NUMBER = rb"([+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)"
_EQUALS = rb"(?:\s*=\s*[\"']|>)\s*"
# The Metadata Working Group's (Guidelines for Handling Image Metadata 2.0, 5.9): an area's middle,
# width and height; Microsoft's (people tagging): left, top, width and height; IPTC's (Photo
# Metadata 2019.1, image region): left, top, width and height, or the points of a polygon or the
# middle of a circle; Camera Raw's crop: its sides. Fractions all.
_AREA = re.compile(rb"<mwg-rs:Area(?=[\s>])")
_BOUNDARY = re.compile(rb"<Iptc4xmpExt:RegionBoundary(?=[\s>])")
_DIMENSIONS = re.compile(rb"<mwg-rs:AppliedToDimensions(?=[\s>])")
_DIMENSION_SIDES = tuple(re.compile(rb"stDim:%c" % side + _EQUALS + _NUMBER) for side in b"wh")
_IN_PIXELS = re.compile(rb"Iptc4xmpExt:rbUnit" + _EQUALS + b"pixel")
_RECTANGLE = re.compile(rb"MPReg:Rectangle" + _EQUALS + rb"\s*,\s*".join([_NUMBER] * 4))
_SIDES = tuple(re.compile(rb"stArea:%c" % side + _EQUALS + _NUMBER) for side in b"xywh")
_IPTC_SIDES = tuple(re.compile(rb"Iptc4xmpExt:rb%c" % side + _EQUALS + _NUMBER) for side in b"XYWH")
_CROP = tuple(
    re.compile(rb"crs:Crop" + side + _EQUALS + _NUMBER)
    for side in (b"Left", b"Top", b"Right", b"Bottom")
)
_CROP_ANGLE = re.compile(rb"crs:CropAngle" + _EQUALS + _NUMBER)
_CROP_FIELDS = re.compile(
    rb"(?<!\s)\s+crs:(?:Has)?Crop\w*\s*=\s*(?:\"[^\"]*\"|'[^']*')"
    rb"|<(crs:(?:Has)?Crop\w*)>[^<]*</\1>\s*"
)
_ITEM = re.compile(rb"<(/?)rdf:li\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")
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


@dataclass(frozen=True)
class Box:
    """A part of a picture, as fractions of its width and height; a point has no sides.

    Attributes:
        x: of its middle.
        y: of its middle.
        width: of it.
        height: of it.
    """

    x: float
    y: float
    width: float = 0.0
    height: float = 0.0

    def inside(self) -> Box | None:
        """Return what of it lies in the picture; None if nothing does."""
        left, right = max(self.x - self.width / 2, 0), min(self.x + self.width / 2, 1)
        top, bottom = max(self.y - self.height / 2, 0), min(self.y + self.height / 2, 1)
        outside = left > right or top > bottom
        if outside or (self.width and left == right) or (self.height and top == bottom):
            return None
        return Box((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)


#: Where a box lies in the picture that is made of the one it was marked in; None: nowhere.
Move = Callable[[Box], "Box | None"]
_Edit = tuple[int, int, bytes]  # start and end of bytes, and what stands there from now on
_Found = Sequence[re.Match[bytes] | None]


def turned_regions(xmp: bytes, orientation: int) -> bytes:
    """Return XMP whose regions and crop are true of the upright picture; those in pixels stay.

    Args:
        xmp: the packet.
        orientation: what the picture's was, 1 to 8.
    """
    turn = _TURNS.get(orientation)
    if turn is None:
        return xmp

    def move(box: Box) -> Box:
        sides = (box.height, box.width) if orientation >= 5 else (box.width, box.height)
        return Box(*turn(box.x, box.y), *sides)

    return _with_crop_turned(_moved(xmp, move), move)


def moved_regions(xmp: bytes, move: Move, width: int, height: int) -> bytes:
    """Return XMP whose regions are true of a part of the picture; those in pixels stay.

    Camera Raw's crop, which would be one of another part, goes.

    Args:
        xmp: the packet.
        move: says where each region lies now; one that lies nowhere goes.
        width: of the part, pixels.
        height: of it.
    """
    edits: list[_Edit] = []
    for start, end in _parts(xmp, _DIMENSIONS, b"</mwg-rs:AppliedToDimensions>"):
        found = [side.search(xmp, start, end) for side in _DIMENSION_SIDES]
        edits += _changes(found, (width, height))
    return _moved(_CROP_FIELDS.sub(b"", _edited(xmp, edits)), move)


def _moved(xmp: bytes, move: Move) -> bytes:
    edits: list[_Edit] = []
    gone: list[int] = []
    for start, changes in _regions(xmp, move):
        if changes is None:
            gone.append(start)
        else:
            edits += changes
    spans = _items_around(xmp, gone) if gone else set[tuple[int, int]]()
    return _edited(xmp, [*edits, *((start, end, b"") for start, end in spans)])


def _regions(xmp: bytes, move: Move) -> Iterator[tuple[int, list[_Edit] | None]]:
    """Yield where each region stands, and what changes there; None for one that goes."""
    for start, end in _parts(xmp, _AREA, b"</mwg-rs:Area>"):
        found = [side.search(xmp, start, end) for side in _SIDES]
        x, y, width, height = (float(one[1]) if one else 0.0 for one in found)
        if found[0] and found[1] and max(x, y) <= 1:
            box = move(Box(x, y, width, height))
            sides = box and (box.x, box.y, box.width, box.height)
            yield start, sides and _changes(found, sides)
    for start, end in _parts(xmp, _BOUNDARY, b"</Iptc4xmpExt:RegionBoundary>"):
        if _IN_PIXELS.search(xmp, start, end) is None:
            yield start, _moved_boundary(xmp, start, end, move)
    for one in _RECTANGLE.finditer(xmp):
        sides = _moved_corner(move, *map(float, one.groups()))
        text = b", ".join(map(_written, sides or ()))
        yield one.start(), sides and [(one.start(1), one.end(4), text)]


def _moved_boundary(xmp: bytes, start: int, end: int, move: Move) -> list[_Edit] | None:
    """Return what changes in IPTC's boundary of a region; None if it leaves the picture."""
    across, down, wide, tall = (list(side.finditer(xmp, start, end)) for side in _IPTC_SIDES)
    if wide and tall and across and down:
        found = (across[0], down[0], wide[0], tall[0])
        sides = _moved_corner(move, *(float(one[1]) for one in found))
        return sides and _changes(found, sides)
    points = [move(Box(float(x[1]), float(y[1]))) for x, y in zip(across, down, strict=False)]
    inside = [point for point in points if point is not None]
    if len(inside) < len(points):  # a circle whose middle, a polygon of which a corner is outside
        return None
    return _changes(across, [one.x for one in inside]) + _changes(down, [one.y for one in inside])


def _moved_corner(
    move: Move, left: float, top: float, width: float, height: float
) -> tuple[float, float, float, float] | None:
    """Return left, top, width and height of a box that has moved."""
    box = move(Box(left + width / 2, top + height / 2, width, height))
    return box and (box.x - box.width / 2, box.y - box.height / 2, box.width, box.height)


def _with_crop_turned(xmp: bytes, move: Move) -> bytes:
    """Return XMP whose crop by Camera Raw is turned too; one with an angle goes."""
    found = [side.search(xmp) for side in _CROP]
    angle = _CROP_ANGLE.search(xmp)
    if any(one is None for one in found):
        return xmp
    left, top, right, bottom = (float(one[1]) if one else 0.0 for one in found)
    sides = _moved_corner(move, left, top, right - left, bottom - top)
    if sides is None or (angle is not None and float(angle[1]) != 0):
        return _CROP_FIELDS.sub(b"", xmp)
    x, y, width, height = sides
    return _edited(xmp, _changes(found, (x, y, x + width, y + height)))


def _parts(xmp: bytes, begins: re.Pattern[bytes], ends: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of the elements of a name."""
    starts = [one.start() for one in begins.finditer(xmp)]
    for start, following in pairwise([*starts, len(xmp)]):
        close = xmp.find(ends, start, following)
        yield start, following if close < 0 else close


def _items_around(xmp: bytes, places: list[int]) -> set[tuple[int, int]]:
    """Return start and end of the innermost item of a list around each place; some are in none."""
    found: set[tuple[int, int]] = set()
    waiting: list[tuple[int, bool]] = []  # where an item begins, and whether a place is its own
    rest = sorted(places, reverse=True)
    for tag in _ITEM.finditer(xmp):
        while rest and rest[-1] < tag.start():
            rest.pop()
            if waiting:
                waiting[-1] = (waiting[-1][0], True)
        held = bool(rest) and rest[-1] < tag.end()
        if tag[0].endswith(b"/>"):
            found |= {tag.span()} if held else set()
        elif not tag[1]:
            waiting.append((tag.start(), held))
        elif waiting:
            start, own = waiting.pop()
            found |= {(start, tag.end())} if own else set()
        while rest and rest[-1] < tag.end():
            rest.pop()
    return found


def _changes(found: _Found, values: Sequence[float]) -> list[_Edit]:
    """Return what puts values in the place of numbers that were found."""
    both = zip(found, values, strict=False)
    return [(one.start(1), one.end(1), _written(value)) for one, value in both if one is not None]


def _edited(xmp: bytes, edits: list[_Edit]) -> bytes:
    """Return XMP with its edits made; what lies in one that goes wholly goes with it."""
    parts: list[bytes] = []
    at = 0
    for start, end, text in sorted(edits):
        if start >= at:
            parts += [xmp[at:start], text]
            at = end
    return b"".join([*parts, xmp[at:]])


def _written(value: float) -> bytes:
    return b"%.9g" % max(value, 0.0)
