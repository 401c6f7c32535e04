"""Regions that XMP marks in a picture, such as faces, which move when it is turned or cut.

Not here: where they go (``places``), what else XMP says of sizes (``metadata``). Programs that
write regions count them in the picture as it is stored, before its orientation is applied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from koalarize.photo.places import Box, Move, moved_subject

__all__ = ["moved_regions", "turned_regions"]

_NUMBER = rb"([+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)"
_EQUALS = rb"(?:\s*=\s*[\"']|>)\s*"
# The Metadata Working Group's (Guidelines for Handling Image Metadata 2.0, 5.9): an area's middle,
# width and height; Microsoft's (people tagging): left, top, width and height; IPTC's (Photo
# Metadata 2019.1, image region): left, top, width and height, or the points of a polygon or the
# middle of a circle and its radius, of the width; Camera Raw's crop: its sides. Fractions all, but
# that IPTC's may be pixels.
_AREA = re.compile(rb"<mwg-rs:Area(?=[\s>])")
_BOUNDARY = re.compile(rb"<Iptc4xmpExt:RegionBoundary(?=[\s>])")
_DIMENSIONS = re.compile(rb"<mwg-rs:AppliedToDimensions(?=[\s>])")
_DIMENSION_SIDES = tuple(re.compile(rb"stDim:%c" % side + _EQUALS + _NUMBER) for side in b"wh")
_IN_PIXELS = re.compile(rb"Iptc4xmpExt:rbUnit" + _EQUALS + b"pixel")
_RECTANGLE = re.compile(rb"MPReg:Rectangle" + _EQUALS + rb"\s*,\s*".join([_NUMBER] * 4))
_SIDES = tuple(re.compile(rb"stArea:%c" % side + _EQUALS + _NUMBER) for side in b"xywh")
_RADIUS = re.compile(rb"Iptc4xmpExt:rbRx" + _EQUALS + _NUMBER)
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
# The same as EXIF's fields of these names (XMP part 2, 8.3): its middle, pixels, and its size.
_SUBJECT = re.compile(rb"<exif:(Subject(?:Area|Location))>[^&]{0,400}?</exif:\1>\s*")
_WHOLE = re.compile(rb"<rdf:li>\s*(\d{1,9})\s*</rdf:li>")
_ITEM = re.compile(rb"<(/?)rdf:li\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")
_Edit = tuple[int, int, bytes]  # start and end of bytes, and what stands there from now on
_Found = Sequence[re.Match[bytes] | None]


def turned_regions(xmp: bytes, move: Move) -> bytes:
    """Return XMP whose regions and crop are true of the upright picture.

    Args:
        xmp: the packet.
        move: what turning has done to the picture.
    """
    return _with_crop_turned(_moved(xmp, move), move)


def moved_regions(xmp: bytes, move: Move) -> bytes:
    """Return XMP whose regions are true of a part of the picture.

    Camera Raw's crop, which would be one of another part, goes.

    Args:
        xmp: the packet.
        move: what has become of the picture; a region that lies nowhere now goes.
    """
    edits: list[_Edit] = []
    for start, end in _parts(xmp, _DIMENSIONS, b"</mwg-rs:AppliedToDimensions>"):
        found = [side.search(xmp, start, end) for side in _DIMENSION_SIDES]
        edits += _changes(found, move.after)
    return _moved(_CROP_FIELDS.sub(b"", _edited(xmp, edits)), move)


def _moved(xmp: bytes, move: Move) -> bytes:
    edits: list[_Edit] = []
    gone: list[int] = []
    for start, changes in _regions(xmp, move):
        if changes is None:
            gone.append(start)
        else:
            edits += changes
    for one in _SUBJECT.finditer(xmp):
        numbers = list(_WHOLE.finditer(xmp, *one.span()))
        subject = moved_subject([int(number[1]) for number in numbers], move)
        edits += [(*one.span(), b"")] if subject is None else _changes(numbers, subject)
    spans = _items_around(xmp, gone) if gone else set[tuple[int, int]]()
    return _edited(xmp, [*edits, *((start, end, b"") for start, end in spans)])


def _regions(xmp: bytes, move: Move) -> Iterator[tuple[int, list[_Edit] | None]]:
    """Yield where each region stands, and what changes there; None for one that goes."""
    for start, end in _parts(xmp, _AREA, b"</mwg-rs:Area>"):
        found = [side.search(xmp, start, end) for side in _SIDES]
        x, y, width, height = (float(one[1]) if one else 0.0 for one in found)
        if found[0] and found[1] and max(x, y) <= 1:
            box = move.place(Box(x, y, width, height))
            sides = box and (box.x, box.y, box.width, box.height)
            yield start, sides and _changes(found, sides)
    for start, end in _parts(xmp, _BOUNDARY, b"</Iptc4xmpExt:RegionBoundary>"):
        yield start, _moved_boundary(xmp, (start, end), move)
    for one in _RECTANGLE.finditer(xmp):
        sides = _moved_corner(move, *map(float, one.groups()))
        text = b", ".join(map(_written, sides or ()))
        yield one.start(), sides and [(one.start(1), one.end(4), text)]


def _moved_boundary(xmp: bytes, span: tuple[int, int], move: Move) -> list[_Edit] | None:
    """Return what changes in IPTC's boundary of a region; None if it leaves the picture."""
    in_pixels = _IN_PIXELS.search(xmp, *span) is not None
    (before_x, before_y), (after_x, after_y) = (
        (move.before, move.after) if in_pixels else ((1, 1), (1, 1))
    )
    across, down, wide, tall = (list(side.finditer(xmp, *span)) for side in _IPTC_SIDES)
    if wide and tall and across and down:
        found = (across[0], down[0], wide[0], tall[0])
        x, y, width, height = (float(one[1]) for one in found)
        corner = (x / before_x, y / before_y, width / before_x, height / before_y)
        sides = _moved_corner(move, *corner)
        if sides is None:
            return None
        x, y, width, height = sides
        return _changes(found, (x * after_x, y * after_y, width * after_x, height * after_y))
    corners = zip(across, down, strict=False)
    points = [move.place(Box(float(x[1]) / before_x, float(y[1]) / before_y)) for x, y in corners]
    inside = [point for point in points if point is not None]
    if len(inside) < len(points):  # a circle whose middle, a polygon of which a corner is outside
        return None
    radius = _RADIUS.search(xmp, *span)
    reach = [] if radius is None or in_pixels else [move.length(float(radius[1]))]
    moved = _changes(across, [point.x * after_x for point in inside])
    moved += _changes(down, [point.y * after_y for point in inside])
    return moved + _changes([radius], reach)


def _moved_corner(
    move: Move, left: float, top: float, width: float, height: float
) -> tuple[float, float, float, float] | None:
    """Return left, top, width and height of a box that has moved."""
    box = move.place(Box(left + width / 2, top + height / 2, width, height))
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
