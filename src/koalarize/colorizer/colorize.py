"""Colour one picture in one call.

Not here: the way there (``colorizer.colorizer``), which is loaded once for many pictures.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO, cast, overload

import numpy.typing as npt
from PIL import Image

from koalarize.colorizer.colorizer import Colorizer, Picture
from koalarize.colorizer.given import steering_of
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN

__all__ = ["colorize"]

Array = npt.NDArray[Any]


@overload
def colorize(
    picture: str | os.PathLike[str], *, model: str | Path = "koala", **changes: object
) -> Path: ...
@overload
def colorize(
    picture: bytes | BinaryIO, *, model: str | Path = "koala", **changes: object
) -> bytes: ...
@overload
def colorize(
    picture: Image.Image, *, model: str | Path = "koala", **changes: object
) -> Image.Image: ...
@overload
def colorize(picture: Array, *, model: str | Path = "koala", **changes: object) -> Array: ...
@overload
def colorize(picture: Photo, *, model: str | Path = "koala", **changes: object) -> Photo: ...
def colorize(
    picture: Picture, *, model: str | Path = "koala", **changes: object
) -> Path | bytes | Image.Image | Array | Photo:
    """Colour one picture; for many, load a ``Colorizer`` once.

    Args:
        picture: path, bytes, binary file, PIL image, array or ``Photo``.
        model: a name of ``koalarize models``, or the path of an exported .onnx file.
        **changes: fields of ``Steering``, as ``vividness=1.2``.

    Returns:
        What ``Colorizer.__call__`` returns: for a path the path of the coloured file.

    Raises:
        KoalarizeError: as ``Colorizer.load`` and ``Colorizer.__call__`` say.
    """
    steering = steering_of(PLAIN, changes)
    return Colorizer.load(model)(cast(Photo, picture), steering)  # any kind will do
