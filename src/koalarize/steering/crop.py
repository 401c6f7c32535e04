"""The part of a photo that a person wants to have.

Not here: cutting it out (``photo.geometry``), when that happens (``colorizer.prepare``).
"""

import re
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from koalarize.errors import OptionError
from koalarize.steering.fields import Help, check_all
from koalarize.steering.hints import MOST_PIXELS

__all__ = ["Crop"]

_TEXT = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*")


@dataclass(frozen=True)
class Crop:
    """A part of the photo, as it stands after it was turned.

    Attributes:
        x: pixels from the left edge.
        y: pixels from the top edge.
        width: of the part, pixels.
        height: of the part, pixels.
    """

    x: Annotated[int, Ge(0), Le(MOST_PIXELS), Help("Pixels from the left of the turned photo.")]
    y: Annotated[int, Ge(0), Le(MOST_PIXELS), Help("Pixels from its top.")]
    width: Annotated[int, Ge(1), Le(MOST_PIXELS), Help("Of the part, pixels.")]
    height: Annotated[int, Ge(1), Le(MOST_PIXELS), Help("Of the part, pixels.")]

    def __post_init__(self) -> None:
        check_all(self, "the crop's ")

    @classmethod
    def parse(cls, text: str) -> "Crop":
        """Read ``X,Y,WIDTH,HEIGHT``.

        Raises:
            OptionError: if the text has another form.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise OptionError(
                f"the crop `{text}` must be X,Y,WIDTH,HEIGHT in whole pixels, as in `20,10,640,480`"
            )
        x, y, width, height = (int(number) for number in match.groups())
        return cls(x, y, width, height)

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom in a photo of this size.

        Raises:
            OptionError: if it reaches beyond the photo.
        """
        right, bottom = self.x + self.width, self.y + self.height
        if right > width or bottom > height:
            raise OptionError(
                f"the crop {self.x},{self.y},{self.width},{self.height} reaches beyond the photo, "
                f"which is {width} x {height} pixels: make it smaller"
            )
        return self.x, self.y, right, bottom
