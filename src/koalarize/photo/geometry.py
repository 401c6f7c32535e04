"""A photo turned by quarters, or a part of it, with what its metadata say of place and size.

Not here: what a person asks for (``steering.crop``), EXIF's orientation (``photo.decode``).
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable

import numpy as np

from koalarize.photo.exif_block import corrected, sized
from koalarize.photo.metadata import EXIF_HEAD
from koalarize.photo.photo import Photo
from koalarize.photo.places import Box, Move, turning
from koalarize.photo.read import upright

__all__ = ["cropped", "turned", "with_size"]

#: EXIF's numbers for pictures that must be turned by so many degrees clockwise.
_ORIENTATIONS = {0: 1, 90: 6, 180: 3, 270: 8}


def turned(photo: Photo, degrees: int) -> Photo:
    """Return a photo turned clockwise.

    Args:
        photo: the photo.
        degrees: 0, 90, 180 or 270.
    """
    orientation = _ORIENTATIONS[degrees]
    size = (photo.width, photo.height)
    move, dpi = turning(orientation, size), photo.dpi
    if move is None:
        return photo
    return dataclasses.replace(
        photo,
        pixels=upright(photo.pixels, orientation),
        alpha=None if photo.alpha is None else upright(photo.alpha, orientation),
        dpi=(dpi[1], dpi[0]) if dpi and move.aside else dpi,
        exif=_changed(photo.exif, lambda block: corrected(block, move)),
        metadata=photo.metadata.upright(orientation, size),
    )


def cropped(photo: Photo, box: tuple[int, int, int, int]) -> Photo:
    """Return a part of a photo.

    Args:
        photo: the photo.
        box: left, top, right and bottom, pixels, inside of it.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top

    def place(region: Box) -> Box | None:
        x, y = region.x * photo.width - left, region.y * photo.height - top
        across, down = region.width * photo.width, region.height * photo.height
        return Box(x / width, y / height, across / width, down / height).inside()

    part = (slice(top, bottom), slice(left, right))
    return dataclasses.replace(
        with_size(photo, Move(place, (photo.width, photo.height), (width, height))),
        pixels=np.ascontiguousarray(photo.pixels[part]),
        alpha=None if photo.alpha is None else np.ascontiguousarray(photo.alpha[part]),
    )


def with_size(photo: Photo, move: Move) -> Photo:
    """Return a photo whose metadata are true of a part of it; its pixels are yet to be made.

    Args:
        photo: the photo.
        move: what becomes of it.
    """
    return dataclasses.replace(
        photo,
        exif=_changed(photo.exif, lambda block: sized(block, move)),
        metadata=photo.metadata.part(move),
    )


def _changed(exif: bytes | None, change: Callable[[bytes], bytes]) -> bytes | None:
    """Return an EXIF block changed; one that is damaged stays as it is."""
    if exif is None:
        return None
    try:
        return EXIF_HEAD + change(exif.removeprefix(EXIF_HEAD))
    except (ValueError, struct.error):
        return exif
