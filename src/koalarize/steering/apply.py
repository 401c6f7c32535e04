"""What steering does to ab: white balance, and the places that belong to a hint.

Not here: what can be asked (``steering.steering``), what hints do (``steering.spread``), the order
in which it happens (``colorizer.plan``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from koalarize.steering.hints import HintPlace

__all__ = ["balanced", "hinted_share"]

Float32 = npt.NDArray[np.float32]

#: What full warmth adds to (a*, b*) of a coloured place, Lab units: towards candle light.
_WARM = (5.0, 18.0)
#: What full tint adds: towards magenta, across warmth.
_MAGENTA = (16.0, -4.5)
_GREY_SHARE = 0.2  # of that shift, for a place without colour
_COLOURED = 14.0  # chroma from which a place takes nearly the whole shift
_ALIKE_AB = 10.0  # Lab units: places within it of the hinted one share its correction
_BELONGS = 0.3  # of the shorter side: how far from a hint its thing reaches


def balanced(ab: Float32, warmth: float, tint: float = 0.0, gain: float = 1.0) -> Float32:
    """Shift colours towards warm or cold and towards magenta or green, as a white balance does.

    Args:
        ab: (2, h, w), Lab units.
        warmth: -1 (cold) to 1 (warm).
        tint: -1 (green) to 1 (magenta).
        gain: factor that the chroma is multiplied by later; the shift is meant for after it.
    """
    if warmth == 0 and tint == 0:
        return ab
    chroma = np.hypot(ab[0], ab[1]) * np.float32(gain)
    share = _GREY_SHARE + (1 - _GREY_SHARE) * (1 - np.exp(-chroma / np.float32(_COLOURED)))
    shift = np.array(_WARM, np.float32)[:, None, None] * np.float32(warmth / gain)
    shift += np.array(_MAGENTA, np.float32)[:, None, None] * np.float32(tint / gain)
    return ab + shift * share.astype(np.float32)


def hinted_share(ab: Float32, places: Sequence[HintPlace]) -> Float32:
    """Return (h, w) in 0..1: how far a place belongs to what a person has given a colour.

    That is what lies near a hint and was coloured as the hinted place was.

    Args:
        ab: (2, h, w) as the network answered the hints, of the photo without padding.
        places: of the hints on that grid.
    """
    rows, columns = ab.shape[1:]
    share = np.zeros((rows, columns), np.float32)
    down = np.arange(rows, dtype=np.float32)[:, None]
    across = np.arange(columns, dtype=np.float32)[None]
    reach = _BELONGS * min(rows, columns)
    for row, column in (place.cell for place in places):
        unlike = ((ab - ab[:, row, column, None, None]) ** 2).sum(0) / (2 * _ALIKE_AB**2)
        unlike += ((down - row) ** 2 + (across - column) ** 2) / np.float32(2 * reach**2)
        share = np.maximum(share, np.exp(-unlike).astype(np.float32))
    return share
