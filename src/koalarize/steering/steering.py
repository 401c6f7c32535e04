"""Steering: everything a person may ask of a colouring, and what is done to ab for it.

Not here: the palette of a reference (``palette``), other colourings (``alternatives``), the order
in which it all happens (``colorizer``). One ``Steering`` serves command line, page and sessions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from koalarize.errors import OptionError
from koalarize.steering.alternatives import MOST_ALTERNATIVES
from koalarize.steering.hints import Hint
from koalarize.steering.palette import Palette

__all__ = ["Steering", "hinted_share", "honoured", "warmed"]

Float32 = npt.NDArray[np.float32]

#: What full warmth adds to (a*, b*) of a coloured place, Lab units: towards candle light.
_WARM = (5.0, 18.0)
_GREY_SHARE = 0.2  # of that shift, for a place without colour
_COLOURED = 14.0  # chroma from which a place takes nearly the whole shift
_SPREAD = 0.25  # of the shorter side: how far what a hint lacks is added to what looks like it
_LEAST_REACH = 7.0  # working pixels: less would be smoothed away where chroma is fitted to L*
_ALIKE_AB = 10.0  # Lab units: places within it of the hinted one share its correction
_ALIKE_L = 12.0
_SURE = 0.4  # of the shorter side: how far a hint makes the network's colours sure,
_SURE_AB = 20.0  # at places coloured like it
_BELONGS = 0.3  # of the shorter side: how far from a hint its thing reaches


@dataclass(frozen=True)
class Steering:
    """What a person asks of a colouring; every default means "as the network sees it".

    Attributes:
        vividness: factor on the chroma; hue stays. 0 gives grey.
        warmth: -1 (cold) to 1 (warm), like the white balance of a camera; grey stays nearly grey.
        hints: colours asked for at points of the upright photo.
        size: shorter side at which the network looks, pixels; the model's own by default.
        alternative: number of another plausible colouring; 0 is the network's own.
        reference: the palette of a picture whose colours to take.
        best: whether the network also sees the mirrored photo and the two answers are averaged;
            calmer and steadier, for twice the network's time.
        keep_color: whether places of the photo that have a colour keep it, and the network colours
            the rest to go with them; vividness and warmth then leave them alone too. The even tone
            of a sepia print is no colour in this sense.
    """

    vividness: float = 1.0
    warmth: float = 0.0
    hints: tuple[Hint, ...] = ()
    size: int | None = None
    alternative: int = 0
    reference: Palette | None = None
    best: bool = False
    keep_color: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.vividness) and self.vividness >= 0):
            raise OptionError(
                f"`vividness` is {self.vividness} but must be 0 or more: 1 is as predicted"
            )
        if not (math.isfinite(self.warmth) and -1 <= self.warmth <= 1):
            raise OptionError(
                f"`warmth` is {self.warmth} but must be from -1 (cold) to 1 (warm); 0 is neutral"
            )
        if self.size is not None and self.size < 1:
            raise OptionError(
                f"`size` is {self.size} but must be at least 1, and best the model's own"
            )
        if not 0 <= self.alternative <= MOST_ALTERNATIVES:
            raise OptionError(
                f"`alternative` is {self.alternative} but must be 0 (the network's own) to "
                f"{MOST_ALTERNATIVES}"
            )


def warmed(ab: Float32, warmth: float, gain: float = 1.0) -> Float32:
    """Shift colours towards warm (above 0) or cold (below), as a white balance does.

    Args:
        ab: (2, h, w), Lab units.
        warmth: -1..1.
        gain: by what the chroma will be multiplied later; the shift is meant for after it.
    """
    if warmth == 0:
        return ab
    chroma = np.hypot(ab[0], ab[1]) * np.float32(gain)
    share = _GREY_SHARE + (1 - _GREY_SHARE) * (1 - np.exp(-chroma / np.float32(_COLOURED)))
    shift = np.array(_WARM, np.float32)[:, None, None] * np.float32(warmth / gain)
    return ab + shift * share.astype(np.float32)


def honoured(
    ab: Float32,
    l: Float32,  # noqa: E741
    hints: Sequence[Hint],
    *,
    width: int,
    height: int,
    gain: float = 1.0,
) -> Float32:
    """Make hinted places exactly the colour asked for, and what belongs to them nearly so.

    A network answers a hint only roughly. What is still missing at a hint is added there and, less
    and less, to places near it that look alike and were coloured alike. Around hints the model's
    gain is taken back, too.

    Args:
        ab: (2, h, w) as the network answered the hints, Lab units.
        l: (h, w), L* of the same grid.
        hints: of a photo of ``width`` x ``height`` pixels.
        width: of the photo.
        height: of it.
        gain: by what the chroma will be multiplied later.
    """
    rows, columns = l.shape
    side = min(rows, columns)
    down = np.arange(rows, dtype=np.float32)[:, None]
    across = np.arange(columns, dtype=np.float32)[None]
    places = [
        (min(int(h.y * rows / height), rows - 1), min(int(h.x * columns / width), columns - 1))
        for h in hints
    ]
    likeness: list[Float32] = []
    unsure = np.ones((rows, columns), np.float32)
    for hint, (row, column) in zip(hints, places, strict=True):
        reach = max(_SPREAD * side, _LEAST_REACH, (hint.radius or 0.0) * rows / height)
        squared = (down - row) ** 2 + (across - column) ** 2
        unlike = ((ab - ab[:, row, column, None, None]) ** 2).sum(0)
        away = squared / np.float32(2 * reach**2) + unlike / np.float32(2 * _ALIKE_AB**2)
        away += (l - l[row, column]) ** 2 / np.float32(2 * _ALIKE_L**2)
        likeness.append(np.exp(-away))
        away = squared / np.float32(2 * (_SURE * side) ** 2) + unlike / np.float32(2 * _SURE_AB**2)
        unsure *= 1 - np.exp(-away)
    # The gain makes up for colours that are a mean of many likely ones; a hint has left few.
    ab = ab * (1 - (1 - unsure) * np.float32(1 - 1 / gain))
    total = np.zeros((2, rows, columns), np.float32)
    weight = np.zeros((rows, columns), np.float32)
    near = np.zeros((rows, columns), np.float32)
    for hint, (row, column), alike in zip(hints, places, likeness, strict=True):
        missing = np.array(hint.ab, np.float32) / np.float32(gain) - ab[:, row, column]
        # Squared, a hint rules alone where it is the nearest one.
        squared = alike * alike
        total += missing[:, None, None] * squared
        weight += squared
        np.maximum(near, alike, out=near)
    return (ab + total / np.maximum(weight, np.float32(1e-6)) * near).astype(np.float32)


def hinted_share(ab: Float32, hints: Sequence[Hint], *, width: int, height: int) -> Float32:
    """Return (h, w) in 0..1: how far a place belongs to what a person has given a colour.

    That is what lies near a hint and was coloured as the hinted place was.

    Args:
        ab: (2, h, w) as the network answered the hints, of the photo without padding.
        hints: those it was given.
        width: of the photo, pixels.
        height: of it.
    """
    rows, columns = ab.shape[1:]
    share = np.zeros((rows, columns), np.float32)
    down = np.arange(rows, dtype=np.float32)[:, None]
    across = np.arange(columns, dtype=np.float32)[None]
    reach = _BELONGS * min(rows, columns)
    for hint in hints:
        row = min(int(hint.y * rows / height), rows - 1)
        column = min(int(hint.x * columns / width), columns - 1)
        unlike = ((ab - ab[:, row, column, None, None]) ** 2).sum(0) / (2 * _ALIKE_AB**2)
        unlike += ((down - row) ** 2 + (across - column) ** 2) / np.float32(2 * reach**2)
        share = np.maximum(share, np.exp(-unlike).astype(np.float32))
    return share
