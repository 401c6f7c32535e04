"""Steering: everything a person may ask of a colouring, and what is done to ab for it.

Not here: the palette of a reference (``palette``), other colourings (``likely``), the order in
which it all happens (``colorizer``). One ``Steering`` serves command line, page and sessions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from koalarize.errors import OptionError
from koalarize.hints import Hint
from koalarize.likely import MOST_ALTERNATIVES
from koalarize.palette import Palette

__all__ = ["Steering", "hinted_share", "honoured", "warmed"]

Float32 = npt.NDArray[np.float32]

#: What full warmth adds to (a*, b*) of a coloured place, Lab units: towards candle light.
_WARM = (5.0, 18.0)
_GREY_SHARE = 0.2  # of that shift, for a place without colour
_COLOURED = 14.0  # chroma from which a place takes nearly the whole shift
_SPREAD = 0.05  # of the shorter side: how far a hint's own correction reaches, at least
_LEAST_REACH = 7.0  # working pixels: less would be smoothed away where chroma is fitted to L*
_ALIKE_AB = 14.0  # Lab units: places within it of the hinted one share its correction
_ALIKE_L = 15.0
_BELONGS = 0.3  # of the shorter side: how far from a hint its thing reaches
_FAR = 3.0  # spreads beyond which a correction is nothing


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
    and less, to places near it that look alike and were coloured alike.

    Args:
        ab: (2, h, w) as the network answered the hints, Lab units.
        l: (h, w), L* of the same grid.
        hints: of a photo of ``width`` x ``height`` pixels.
        width: of the photo.
        height: of it.
        gain: by what the chroma will be multiplied later.
    """
    rows, columns = l.shape
    places = [
        (min(int(h.y * rows / height), rows - 1), min(int(h.x * columns / width), columns - 1))
        for h in hints
    ]
    total = np.zeros((2, rows, columns), np.float32)
    weight = np.zeros((rows, columns), np.float32)
    near = np.zeros((rows, columns), np.float32)
    for hint, (row, column) in zip(hints, places, strict=True):
        reach = max(
            _SPREAD * min(rows, columns), _LEAST_REACH, (hint.radius or 0.0) * rows / height
        )
        margin = math.ceil(_FAR * reach)
        part = (
            slice(max(0, row - margin), row + margin + 1),
            slice(max(0, column - margin), column + margin + 1),
        )
        down = np.arange(rows, dtype=np.float32)[part[0], None] - row
        across = np.arange(columns, dtype=np.float32)[None, part[1]] - column
        squared = (down**2 + across**2) / np.float32(2 * reach**2)
        here = ab[(slice(None), *part)]
        unlike = ((here - ab[:, row, column, None, None]) ** 2).sum(0) / (2 * _ALIKE_AB**2)
        unlike += (l[part] - l[row, column]) ** 2 / np.float32(2 * _ALIKE_L**2)
        alike = np.exp(-squared - unlike)
        missing = np.array(hint.ab, np.float32) / np.float32(gain) - ab[:, row, column]
        # Squared, a hint rules alone where it is the nearest one.
        total[(slice(None), *part)] += missing[:, None, None] * alike**2
        weight[part] += alike**2
        near[part] = np.maximum(near[part], alike)
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
