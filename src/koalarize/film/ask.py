"""What the network says of a frame: one small picture, upright and with square pixels.

Not here: how a photo is coloured (``colorizer``), which frames are asked about (``film.steady``).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.grid import working_size
from koalarize.colorizer.plan import planned
from koalarize.film.facts import Facts
from koalarize.photo.photo import Photo
from koalarize.steering.hints import Hint
from koalarize.steering.steering import Steering

__all__ = ["Asker", "small_size"]

Float32 = npt.NDArray[np.float32]


def small_size(facts: Facts, colorizer: Colorizer, steering: Steering) -> tuple[int, int]:
    """Return height and width of the small grid of a film, on which its pixels are square.

    Raises:
        OptionError: if the model is bound to another size.
    """
    width = max(1, round(facts.width * (facts.aspect or 1)))
    return working_size(facts.height, width, steering.size, colorizer.info)


class Asker:
    """Asks one network about frames of one film."""

    def __init__(self, colorizer: Colorizer, facts: Facts) -> None:
        """Make ready.

        Args:
            colorizer: colours pictures.
            facts: of the film.
        """
        self._colorizer = colorizer
        self._facts = facts
        self._levels = np.arange(1 << 16, dtype=np.float64)
        self._lightness = color.grey_to_lightness(np.arange(1 << 16, dtype=np.uint16))

    def ask(self, lightness: Float32, steering: Steering) -> Float32:
        """Return (2, h, w) ab, Lab units, of a frame.

        Args:
            lightness: (h, w) L* on the small grid.
            steering: what is asked; its hints are at pixels of the film as it is coded.

        Raises:
            OptionError: if the model cannot do what is asked.
        """
        height, width = lightness.shape
        grey = np.interp(lightness, self._lightness, self._levels).astype(np.uint16)
        upright = self._facts.upright(grey)
        fixed = self._colorizer.info.fixed_size is not None
        look = self._colorizer.look(
            Photo(upright), size=None if fixed else min(height, width), prints=False
        )
        hints = tuple(self._placed(hint, (height, width)) for hint in steering.hints)
        ab = self._facts.coded(planned(look, dataclasses.replace(steering, hints=hints)))
        return ab if ab.shape[1:] == (height, width) else color.resize(ab, height, width)

    def _placed(self, hint: Hint, size: tuple[int, int]) -> Hint:
        """Return a hint of the film at its place on the small upright picture."""
        rows, columns = self._facts.height, self._facts.width
        height, width = size
        x, y = hint.x * width / columns, hint.y * height / rows
        for _ in range(
            self._facts.turns
        ):  # a quarter turn to the left: the right edge comes to the top
            x, y, height, width = y, width - x, width, height
        x = width - x if self._facts.mirrored else x
        radius = None if hint.radius is None else hint.radius * size[0] / rows
        x, y = min(x, width - 1e-3), min(y, height - 1e-3)
        return dataclasses.replace(hint, x=max(0.0, x), y=max(0.0, y), radius=radius)
