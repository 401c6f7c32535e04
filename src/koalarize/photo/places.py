"""Where things of a picture lie once it is turned, cut or straightened.

Not here: what marks them: XMP (``regions``) and EXIF (``exif_block``), or the pixels themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Box", "Move", "moved_subject", "turning"]

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
_POINT, _CIRCLE, _RECTANGLE = 2, 3, 4  # how many numbers say where EXIF's subject lies


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


@dataclass(frozen=True)
class Move:
    """What becomes of places when a picture is turned, cut or straightened; no pixel is resized.

    Attributes:
        place: says where a box lies afterwards; None if nowhere.
        before: width and height that the picture had, pixels.
        after: width and height that it has.
        aside: whether its sides have changed places.
    """

    place: Callable[[Box], Box | None]
    before: tuple[int, int]
    after: tuple[int, int]
    aside: bool = False

    def length(self, share: float) -> float:
        """Return a length, a fraction of the width before, as one of the width after."""
        return share * self.before[0] / self.after[0]


def turning(orientation: int, size: tuple[int, int]) -> Move | None:
    """Return what turning a picture upright does; None if it is.

    Args:
        orientation: what it has, as EXIF counts.
        size: its width and height before.
    """
    turn = _TURNS.get(orientation)
    if turn is None:
        return None
    aside = orientation >= 5

    def place(box: Box) -> Box:
        sides = (box.height, box.width) if aside else (box.width, box.height)
        return Box(*turn(box.x, box.y), *sides)

    return Move(place, size, (size[1], size[0]) if aside else size, aside)


def moved_subject(numbers: Sequence[int], move: Move) -> tuple[int, ...] | None:
    """Return where EXIF's subject lies afterwards; None if nowhere, or it says nothing known.

    Args:
        numbers: the middle of it, pixels, and its diameter, or its width and height, or nothing
            (Exif 3.0, 4.6.6, SubjectArea).
        move: what has become of the picture.
    """
    if not _POINT <= len(numbers) <= _RECTANGLE:
        return None
    (wide, tall), (width, height) = move.before, move.after
    sides = numbers[2:] if len(numbers) == _RECTANGLE else (0, 0)
    box = Box(numbers[0] / wide, numbers[1] / tall, sides[0] / wide, sides[1] / tall).inside()
    box = box and move.place(box)
    if box is None:
        return None
    found = (box.x * width, box.y * height, box.width * width, box.height * height)
    diameter = numbers[2:] if len(numbers) == _CIRCLE else ()
    kept = _RECTANGLE if len(numbers) == _RECTANGLE else _POINT
    return (*(round(number) for number in found[:kept]), *diameter)
