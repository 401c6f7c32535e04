"""A series: pictures of the same things, led by one palette so that things keep their colours.

Not here: what a palette is (``steering.palette``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from koalarize.batch.find import Job
from koalarize.color import srgb_to_lab
from koalarize.errors import OptionError, PhotoError
from koalarize.photo.photo import Photo
from koalarize.steering.palette import Palette
from koalarize.steering.steering import PLAIN, Steering

if TYPE_CHECKING:
    from koalarize.colorizer.colorizer import Colorizer

__all__ = ["palette_of_series"]

Array = npt.NDArray[Any]

_MOST_PICTURES = 24  # more would change the palette little
_SIDE = 512  # pixels at which each is coloured


def palette_of_series(
    colorizer: Colorizer, jobs: Sequence[Job], steering: Steering = PLAIN
) -> Palette:
    """Return the palette that the pictures of a series have in common, as the network sees them.

    Args:
        colorizer: colours them, up to 24 spread evenly over the series, made small.
        jobs: from ``find_pictures``; those that cannot be read are passed over.
        steering: what is asked of every picture.

    Raises:
        OptionError: if none of them can be read, or palettes do not lead this model.
    """
    if colorizer.info.output != "logits":
        raise OptionError(
            f"`--series` needs a model that palettes lead but `{colorizer.info.name}` is none: "
            "use another, as `koala`"
        )
    sources = [job.source for job in jobs if job.problem is None]
    count = min(len(sources), _MOST_PICTURES)
    chosen = [sources[number * len(sources) // count] for number in range(count)]
    found: list[npt.NDArray[np.float32]] = []
    for source in chosen:
        try:
            photo = _small(Photo.read(source))
        except PhotoError:
            continue
        colored = colorizer.photo(photo, steering).photo.pixels
        found.append(srgb_to_lab(colored[::4, ::4]).reshape(-1, 3))
    if not found:
        raise OptionError("`--series` holds no picture that can be read: name another folder")
    lab = np.concatenate(found)
    return Palette.of(lab, name="series", sha256=hashlib.sha256(lab.tobytes()).hexdigest())


def _small(photo: Photo) -> Photo:
    """Return every so many pixels of a photo, 8 bits; the network looks at no more."""
    step = max(1, min(photo.height, photo.width) // _SIDE)
    pixels = photo.pixels[::step, ::step]
    if pixels.dtype != np.uint8:
        pixels = (pixels.astype(np.uint32) // 257).astype(np.uint8)
    return Photo(np.ascontiguousarray(pixels))
