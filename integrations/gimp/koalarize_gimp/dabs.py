"""Dabs of paint on a transparent layer, as hints of the `koalarize` command.

Not here: where the layer's bytes come from (``koalarize_gimp``).
The standard library alone; runs of pixels, not pixels, so that large layers take seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["MOST_HINTS", "Dab", "DabsError", "find_dabs", "hints_of"]

#: As many as the command takes (`koalarize.steering.steering.MOST_HINTS`).
MOST_HINTS = 200
_PAINTED = re.compile(rb"[\x80-\xff]+")  # at least half opaque: a soft brush's rim is no dab
#: Stray pixels of hundreds of thousands of dabs are a photo, not paint: no use in counting on.
_MOST_DABS = 20_000


class DabsError(Exception):
    """What a person is told of a layer that holds no usable dabs."""


@dataclass
class Dab:
    """Connected paint.

    Attributes:
        runs: its pixels as (row, first column, column behind the last).
        sums: of its red, green and blue levels.
    """

    runs: list[tuple[int, int, int]] = field(default_factory=list)
    sums: tuple[int, int, int] = (0, 0, 0)

    @property
    def pixels(self) -> int:
        """How many pixels it has."""
        return sum(end - start for _, start, end in self.runs)

    @property
    def color(self) -> str:
        """Its mean colour, ``#rrggbb``."""
        return "#" + "".join(f"{round(total / self.pixels):02x}" for total in self.sums)

    @property
    def place(self) -> tuple[int, int]:
        """Its mean (column, row), or the pixel of it that is nearest to that."""
        count = self.pixels
        row = sum(y * (end - start) for y, start, end in self.runs) / count
        column = sum((start + end - 1) / 2 * (end - start) for _, start, end in self.runs) / count
        nearest = [(min(max(round(column), start), end - 1), y) for y, start, end in self.runs]
        return min(nearest, key=lambda at: (at[0] - column) ** 2 + (at[1] - row) ** 2)


def find_dabs(rows: Iterable[bytes]) -> list[Dab]:
    """Return the dabs of a layer; pixels that touch, also by a corner, are one dab.

    Args:
        rows: from the top, each with red, green, blue and alpha of every pixel, 8 bits.

    Raises:
        DabsError: if there are so many that this can be no layer of dabs.
    """
    dabs: dict[int, Dab] = {}
    above: list[tuple[int, int, int]] = []  # first column, column behind the last, dab
    for y, row in enumerate(rows):
        here: list[tuple[int, int, int]] = []
        for match in _PAINTED.finditer(row[3::4]):
            start, end = match.span()
            touched = {name for first, last, name in above if first <= end and last >= start}
            name = min(touched, default=y * (len(row) // 4) + start)
            dab = dabs.setdefault(name, Dab())
            for other in touched - {name}:
                merged = dabs.pop(other)
                dab.runs += merged.runs
                dab.sums = _added(dab.sums, merged.sums)
                above = [(a, b, name if c == other else c) for a, b, c in above]
                here = [(a, b, name if c == other else c) for a, b, c in here]
            dab.runs.append((y, start, end))
            piece = row[4 * start : 4 * end]
            dab.sums = _added(dab.sums, (sum(piece[0::4]), sum(piece[1::4]), sum(piece[2::4])))
            here.append((start, end, name))
        above = here
        if len(dabs) > _MOST_DABS:
            raise DabsError(_too_many(f"more than {_MOST_DABS}"))
    return list(dabs.values())


def hints_of(
    dabs: Iterable[Dab], shift: tuple[int, int], size: tuple[int, int]
) -> tuple[list[str], int]:
    """Return the hints of dabs, and how many dabs lie outside the photo.

    Args:
        dabs: of the layer of hints.
        shift: columns and rows from the photo's corner to that layer's.
        size: of the photo, columns and rows.

    Raises:
        DabsError: if more than ``MOST_HINTS`` lie inside.
    """
    hints: list[str] = []
    outside = 0
    for dab in dabs:
        x, y = (at + by for at, by in zip(dab.place, shift, strict=True))
        if 0 <= x < size[0] and 0 <= y < size[1]:
            hints.append(f"{x},{y}={dab.color}")
        else:
            outside += 1
    if len(hints) > MOST_HINTS:
        raise DabsError(_too_many(str(len(hints))))
    return hints, outside


def _added(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _too_many(count: str) -> str:
    return (
        f"the layer `hints` has {count} dabs but must have at most {MOST_HINTS}: "
        "erase some, or paint on an empty transparent layer"
    )
