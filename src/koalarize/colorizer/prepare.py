"""What steering does to the photo itself: before it is looked at, and once it is coloured.

Not here: colours (``colorizer.plan``), pixels turned (``photo.geometry``, ``photo.straighten``).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.color import grey_to_lightness
from koalarize.photo.geometry import cropped, turned
from koalarize.photo.negative import inverted
from koalarize.photo.photo import Photo
from koalarize.photo.straighten import straightened
from koalarize.steering.steering import PLAIN, Steering

__all__ = ["framed", "placement", "preparation", "prepared"]

Array = npt.NDArray[Any]

_ENDS = (0.2, 99.8)  # percentiles of L* that become black and white
_MOST_STRETCH = 4.0  # what is nearly blank is not stretched into noise
_SAMPLE = 1 << 20  # pixels that the ends are found in


def prepared(photo: Photo, steering: Steering, *, threads: int = 0) -> Photo:
    """Return the photo that is coloured: inverted, upright and level, restored if it is faded."""
    photo = turned(inverted(photo) if steering.negative else photo, steering.turn)
    photo = straightened(photo, steering.straighten, threads=threads)
    return restored(photo) if steering.faded else photo


def preparation(steering: Steering) -> Steering:
    """Return of what is asked only that which ``prepared`` does."""
    asked = {name: getattr(steering, name) for name in ("negative", "turn", "straighten", "faded")}
    return dataclasses.replace(PLAIN, **asked)


def placement(steering: Steering) -> Steering:
    """Return of what is asked only that which says where things of the photo lie."""
    return dataclasses.replace(PLAIN, turn=steering.turn, straighten=steering.straighten)


def framed(photo: Photo, steering: Steering) -> Photo:
    """Return the part of a coloured photo that is wanted.

    Raises:
        OptionError: if the crop reaches beyond the photo.
    """
    if steering.crop is None:
        return photo
    return cropped(photo, steering.crop.box(photo.width, photo.height))


def restored(photo: Photo) -> Photo:
    """Return a photo whose levels are stretched until its lightness reaches from black to white."""
    step = max(1, round((photo.height * photo.width / _SAMPLE) ** 0.5))
    sample = dataclasses.replace(
        photo, pixels=np.ascontiguousarray(photo.pixels[::step, ::step]), alpha=None
    )
    low, high = np.percentile(sample.lightness(), _ENDS)
    scale = min(100 / max(float(high - low), 1e-3), _MOST_STRETCH)
    middle = (low + high) / 2
    pixels = photo.pixels
    whole = pixels.dtype.kind == "u"
    levels = np.arange(np.iinfo(pixels.dtype if whole else np.uint16).max + 1)
    levels = levels.astype(pixels.dtype if whole else np.uint16)
    lightness = grey_to_lightness(levels).astype(np.float64)
    wanted = np.clip(50 + (lightness - middle) * scale, 0, 100)
    found = np.interp(wanted, lightness, levels)
    if whole:
        stretched: Array = np.rint(found).astype(pixels.dtype)[pixels]
    else:
        stretched = np.interp(pixels, levels / levels[-1], found / levels[-1])
    return dataclasses.replace(photo, pixels=stretched.astype(pixels.dtype, copy=False))
