"""The working grid: where a place of the photo lies on it, and how it is padded for a network.

Not here: pixels (``photo.photo``), what a network answers (``colorizer.answers``). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.engines.engine import ModelInfo
from koalarize.errors import OptionError
from koalarize.steering.hints import Hint, HintPlace, check_inside

__all__ = ["Grid", "working_size"]

Float32 = npt.NDArray[np.float32]

#: The working grid of a panorama has at most this many squares of the working size.
_MOST_SQUARES = 8
#: And at most so many once it is padded, which only thin pictures reach.
_MOST_SQUARES_PADDED = 12


@dataclass(frozen=True)
class Grid:
    """A grid that shows a whole photo, and the larger one that a network is shown.

    Attributes:
        photo: height and width of the photo, pixels.
        shape: height and width of the working grid, working pixels.
        padded: height and width of what the network is shown: the same with a border at the lower
            right.
    """

    photo: tuple[int, int]
    shape: tuple[int, int]
    padded: tuple[int, int]

    @classmethod
    def of(cls, photo: tuple[int, int], size: int | None, info: ModelInfo) -> Grid:
        """Make the grid of a photo.

        Args:
            photo: its height and width, pixels.
            size: shorter side of the grid; the model's own by default.
            info: the model.

        Raises:
            OptionError: if the model is bound to another size.
        """
        shape = working_size(*photo, size, info)
        return cls(photo, shape, info.padded(*shape))

    def cell(self, x: float, y: float, shape: tuple[int, int] | None = None) -> tuple[int, int]:
        """Return row and column of a point of the photo on a grid that shows the whole photo.

        Args:
            x: pixels from the left of the photo.
            y: pixels from its top.
            shape: of that grid; the working grid by default.

        Raises:
            OptionError: if the point is outside the photo.
        """
        height, width = self.photo
        check_inside("the point", x, y, width=width, height=height)
        rows, columns = shape or self.shape
        row, column = int(y * rows / height), int(x * columns / width)
        return min(row, rows - 1), min(column, columns - 1)

    def places(
        self, hints: Sequence[Hint], shape: tuple[int, int] | None = None
    ) -> list[HintPlace]:
        """Return where hints lie on a grid that shows the whole photo, as ``cell`` does."""
        rows, columns = shape or self.shape
        height, width = self.photo
        found: list[HintPlace] = []
        for hint in hints:
            check_inside("the hint at", hint.x, hint.y, width=width, height=height)
            row, column = self.cell(hint.x, hint.y, (rows, columns))
            radius = (hint.radius or 0.0) * rows / height
            found.append(HintPlace(row, column, hint.ab, radius, hint.reach))
        return found

    def pad(self, planes: Float32) -> Float32:
        """Pad the last two axes to what the network takes, by reflection at the lower right.

        A reflection shorter than what is missing is repeated; an axis of one pixel repeats it.
        """
        *_, height, width = planes.shape
        rows, columns = self.padded
        before = [(0, 0)] * (planes.ndim - 2)
        return np.pad(planes, [*before, (0, rows - height), (0, columns - width)], mode="reflect")

    def shown(self, cells: tuple[int, int], covered: tuple[int, int]) -> tuple[int, int]:
        """Return how many rows and columns of cells show the photo rather than padding.

        Args:
            cells: rows and columns of a network's grid.
            covered: height and width of what that grid covers, working pixels.
        """
        rows, columns = (
            max(1, round(count * side / all_))
            for count, side, all_ in zip(cells, self.shape, covered, strict=True)
        )
        return rows, columns

    def cut(self, cells: Float32) -> Float32:
        """Bring what covers the padded photo (C, r, c) to a grid that covers just the photo.

        The new grid has whole cells and the same middle as the photo, so that it can be mirrored;
        its values are linear between those of the cells, and the same where nothing is cut in two.
        """
        for axis in (1, 2):
            count, padded, side = cells.shape[axis], self.padded[axis - 1], self.shape[axis - 1]
            covered, new = side * count / padded, -(-side * count // padded)
            places = (np.arange(new) + 0.5) * covered / new - 0.5
            cells = color.along(cells, places, axis)
        return cells


def working_size(height: int, width: int, size: int | None, info: ModelInfo) -> tuple[int, int]:
    """Bring the shorter side to ``size``, less for long panoramas; the aspect ratio is kept.

    A model bound to one size gets the longer side: its square must hold the whole photo. What is
    shown as a model's authors do is squashed to a square.

    Raises:
        OptionError: if the model is bound to another size.
    """
    if info.way is not None:
        if size not in (None, info.way.side):
            raise OptionError(
                f"`size` is {size} but the authors of `{info.name}` show it squares of "
                f"{info.way.side}: leave the size out, or leave out `--faithful`"
            )
        return info.way.side, info.way.side
    if info.fixed_size is not None:
        if size not in (None, info.fixed_size):
            raise OptionError(
                f"`size` is {size} but the model `{info.name}` only works at {info.fixed_size}: "
                "leave the size out, or use a model that takes any, as `koala`"
            )
        scale = info.fixed_size / max(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))
    size = size or info.size
    scale = size / min(height, width)
    squares = (height * scale) * (width * scale) / size**2
    if squares > _MOST_SQUARES:
        scale *= (_MOST_SQUARES / squares) ** 0.5
    return _bounded(max(1, round(height * scale)), max(1, round(width * scale)), size, info)


def _bounded(height: int, width: int, size: int, info: ModelInfo) -> tuple[int, int]:
    """Shorten the longer side of a thin picture, which padding would make much larger."""
    rows, columns = info.padded(height, width)
    most = _MOST_SQUARES_PADDED * math.prod(info.padded(size, size))
    if rows * columns <= most:
        return height, width
    longest = max(1, most // min(rows, columns))
    return min(height, longest), min(width, longest)
