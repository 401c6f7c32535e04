"""Colour hints from a person, and the planes a network takes them as.

Not here: how a network spreads them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le

from koalarize.errors import OptionError
from koalarize.steering.fields import EXACT, Help, check_all

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "HEX_COLOR",
    "MOST_PIXELS",
    "Hint",
    "HintPlace",
    "Reach",
    "ab_of_hex",
    "check_hex",
    "check_inside",
    "hint_planes",
]

#: How a colour that a person gives is written.
HEX_COLOR = r"^#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})$"
_TEXT = re.compile(r"\s*([^,=\s]+)\s*,\s*([^,=\s]+)\s*(?:,\s*([^,=\s]+)\s*)?=\s*(\S+)\s*")
#: No photo is wider or taller, pixels.
MOST_PIXELS = 1_000_000
_DEFAULT_RADIUS = 0.012  # of the shorter side: two pixels at the usual working sizes


#: How far a hint reaches, as a share of the shorter side.
Reach = Annotated[float, Ge(0.05), Le(3)]


@dataclass(frozen=True)
class Hint:
    """A colour that a person asks for at a point of the photo.

    Attributes:
        x: pixels from the left edge of the upright photo.
        y: pixels from its top edge.
        color: ``#rrggbb`` or ``#rgb``; its hue and chroma are used, the photo keeps its lightness.
        radius: of the circle it covers, pixels of the photo; None takes 1.2 % of its shorter side.
        reach: how far it reaches, as a share of the shorter side; None takes that of the steering.
    """

    x: Annotated[float, Ge(0), Le(MOST_PIXELS), Help("Pixels from the left of the upright photo.")]
    y: Annotated[float, Ge(0), Le(MOST_PIXELS), Help("Pixels from its top.")]
    color: Annotated[
        str, Help("`#rrggbb` or `#rgb`; the photo keeps its lightness.", pattern=HEX_COLOR)
    ]
    radius: Annotated[
        Annotated[float, Ge(0), Le(MOST_PIXELS)] | None,
        Help("Of the circle it covers, pixels; 1.2 % of the shorter side by default."),
    ] = None
    reach: Annotated[
        Reach | None, Help("How far it reaches, a share of the shorter side; else as the steering.")
    ] = None

    def __post_init__(self) -> None:
        check_hex("the hint's colour", self.color)
        check_all(self, "the hint's ")

    @classmethod
    def parse(cls, text: str) -> "Hint":
        """Read ``X,Y=#RRGGBB`` or ``X,Y,RADIUS=#RRGGBB``.

        Raises:
            OptionError: if the text has another form.
        """
        match = _TEXT.fullmatch(text)
        try:
            if match is None:
                raise ValueError(text)
            x, y, radius, color = match.groups()
            return cls(float(x), float(y), color, float(radius) if radius else None)
        except ValueError as error:
            raise OptionError(
                f"the hint `{text}` must be X,Y=#RRGGBB or X,Y,RADIUS=#RRGGBB, "
                "as in `120,300=#c03020`"
            ) from error

    @property
    def ab(self) -> tuple[float, float]:
        """The hint's (a*, b*), Lab units."""
        return ab_of_hex(self.color)


@dataclass(frozen=True)
class HintPlace:
    """Where a hint lies on a grid that shows the whole photo.

    Attributes:
        row: of the cell it lies in.
        column: of that cell.
        ab: the colour asked for, Lab units.
        radius: of the circle it covers, cells; 0 where none was given.
        reach: how far it reaches, as a share of the shorter side; None takes that of the steering.
    """

    row: int
    column: int
    ab: tuple[float, float]
    radius: float = 0.0
    reach: float | None = None

    @property
    def cell(self) -> tuple[int, int]:
        """Row and column."""
        return self.row, self.column


def check_hex(what: str, color: object) -> None:
    """Check that a colour that a person gives matches ``HEX_COLOR``.

    Args:
        what: to call it, as in "the hint's colour".
        color: what is given.

    Raises:
        OptionError: if it does not, or is no text.
    """
    if not isinstance(color, str):
        raise OptionError(
            f"{what} is of type {type(color).__name__} but must be a text, as '#c03020'"
        )
    if not re.fullmatch(HEX_COLOR, color):
        raise OptionError(f"{what} is `{color}` but must be #rrggbb, as in `#c03020`")


def ab_of_hex(color: str) -> tuple[float, float]:
    """Return (a*, b*) of a colour that matches ``HEX_COLOR``, Lab units."""
    from koalarize.color import hex_to_srgb, srgb_to_lab

    lab = srgb_to_lab(hex_to_srgb(color)[None])[0]
    return float(lab[1]), float(lab[2])


def check_inside(what: str, x: float, y: float, *, width: int, height: int) -> None:
    """Check that a point lies inside the photo.

    Args:
        what: to call it, as in "the hint at".
        x: pixels from the left.
        y: pixels from the top.
        width: of the photo, pixels.
        height: of it.

    Raises:
        OptionError: if it does not.
    """
    if not (0 <= x < width and 0 <= y < height):
        raise OptionError(
            f"{what} {x:{EXACT}},{y:{EXACT}} lies outside the photo, which is {width} x {height} "
            f"pixels: give x from 0 to {width - 1} and y from 0 to {height - 1}"
        )


def hint_planes(
    hints: Sequence[Hint], *, photo: tuple[int, int], grid: tuple[int, int]
) -> "npt.NDArray[np.float32]":
    """Draw hints onto the planes (a, b, mask) of a working grid.

    Args:
        hints: a later one covers an earlier one.
        photo: its height and width, pixels.
        grid: height and width of the working grid, which shows the whole photo.

    Returns:
        (3, height, width) float32: a* and b* in Lab units, 0 where there is no hint.

    Raises:
        OptionError: if a hint lies outside the photo.
    """
    import numpy as np

    (height, width), (grid_height, grid_width) = photo, grid
    planes = np.zeros((3, grid_height, grid_width), np.float32)
    rows = (np.arange(grid_height) + 0.5) * height / grid_height
    columns = (np.arange(grid_width) + 0.5) * width / grid_width
    for hint in hints:
        check_inside("the hint at", hint.x, hint.y, width=width, height=height)
        radius = hint.radius
        if radius is None:
            radius = _DEFAULT_RADIUS * min(width, height)
        near = np.hypot(rows[:, None] - hint.y, columns[None, :] - hint.x) <= radius
        # However small, a hint covers the cell it lies in.
        near[int(hint.y * grid_height / height), int(hint.x * grid_width / width)] = True
        planes[0, near], planes[1, near] = hint.ab
        planes[2, near] = 1
    return planes
