"""What steering does to the photo itself: before it is looked at, and once it is coloured.

Not here: colours (``colorizer.plan``), pixels turned (``photo.geometry``, ``photo.straighten``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.color import grey_to_lightness
from koalarize.colorizer.ends import Stretch, stretch_of
from koalarize.photo.geometry import cropped, turned
from koalarize.photo.negative import inverted
from koalarize.photo.photo import Photo
from koalarize.photo.straighten import straightened, straightened_size
from koalarize.steering.steering import PLAIN, Steering

__all__ = [
    "framed",
    "frames_prepared",
    "placed_size",
    "placement",
    "preparation",
    "prepared",
    "unprepared",
]

Array = npt.NDArray[Any]

_ENDS = (0.2, 99.8)  # percentiles of L* that become black and white
_SAMPLE = 1 << 20  # pixels that the ends are found in
_PREPARED = ("negative", "turn", "straighten", "faded")


def prepared(photo: Photo, steering: Steering, *, threads: int = 0) -> Photo:
    """Return the photo that is coloured: inverted, upright and level, restored if it is faded."""
    photo = turned(inverted(photo) if steering.negative else photo, steering.turn)
    photo = straightened(photo, steering.straighten, threads=threads)
    return restored(photo, _stretch_of(photo)) if steering.faded else photo


def frames_prepared(
    frames: Iterator[Photo], steering: Steering, *, threads: int = 0
) -> Iterator[Photo]:
    """Yield the frames of an animation as ``prepared`` does, all restored alike: none flickers."""
    like: Stretch | None = None
    level = dataclasses.replace(steering, faded=False)
    for frame in frames:
        photo = prepared(frame, level, threads=threads)
        if steering.faded:
            like = like or _stretch_of(photo)
            photo = restored(photo, like)
        yield photo


def unprepared(steering: Steering) -> Steering:
    """Return of what is asked that which ``prepared`` has not done."""
    done = {name: getattr(PLAIN, name) for name in _PREPARED}
    return dataclasses.replace(steering, **done)


def preparation(steering: Steering) -> Steering:
    """Return of what is asked only that which ``prepared`` does."""
    asked = {name: getattr(steering, name) for name in _PREPARED}
    return dataclasses.replace(PLAIN, **asked)


def placement(steering: Steering) -> Steering:
    """Return of what is asked only that which says where things of the photo lie."""
    return dataclasses.replace(PLAIN, turn=steering.turn, straighten=steering.straighten)


def placed_size(steering: Steering, size: tuple[int, int]) -> tuple[int, int]:
    """Return the width and height in which places are given: turned and straightened, pixels.

    Args:
        steering: what is asked.
        size: width and height of the photo as it came, pixels.
    """
    width, height = size if steering.turn % 180 == 0 else size[::-1]
    return straightened_size(width, height, steering.straighten)


def framed(photo: Photo, steering: Steering) -> Photo:
    """Return the part of a coloured photo that is wanted.

    Raises:
        OptionError: if the crop reaches beyond the photo.
    """
    if steering.crop is None:
        return photo
    return cropped(photo, steering.crop.box(photo.width, photo.height))


def _stretch_of(photo: Photo) -> Stretch:
    """Return what makes a photo's lightness reach from black to white; of what can be seen."""
    step = max(1, round((photo.height * photo.width / _SAMPLE) ** 0.5))
    pixels = np.ascontiguousarray(photo.pixels[::step, ::step])
    lightness = dataclasses.replace(photo, pixels=pixels, alpha=None).lightness()
    if photo.alpha is None:
        return stretch_of(lightness, _ENDS)
    seen = photo.alpha[::step, ::step] > 0
    return stretch_of(lightness[seen] if seen.any() else lightness, _ENDS)


def restored(photo: Photo, stretch: Stretch) -> Photo:
    """Return a photo whose levels are stretched, as its lightness is to be."""
    low, scale = stretch
    pixels = photo.pixels
    whole = pixels.dtype.kind == "u"
    levels = np.arange(np.iinfo(pixels.dtype if whole else np.uint16).max + 1)
    levels = levels.astype(pixels.dtype if whole else np.uint16)
    lightness = grey_to_lightness(levels).astype(np.float64)
    wanted = np.clip((lightness - low) * scale, 0, 100)
    found = np.interp(wanted, lightness, levels)
    if whole:
        stretched: Array = np.rint(found).astype(pixels.dtype)[pixels]
    else:
        stretched = np.interp(pixels, levels / levels[-1], found / levels[-1])
    return dataclasses.replace(photo, pixels=stretched.astype(pixels.dtype, copy=False))
