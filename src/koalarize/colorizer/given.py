"""What people give in Python, of any kind, and what is made of it before a picture is coloured.

Not here: arrays and files (``photo.read``), what may be asked (``steering.steering``).
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from PIL import Image

from koalarize.colorizer.reference import Reference, palette_of
from koalarize.engines.engine import Engine
from koalarize.errors import ModelError, OptionError, OutputError, PhotoError
from koalarize.photo.arguments import path_of
from koalarize.photo.embed import listed
from koalarize.photo.photo import Photo
from koalarize.photo.sources import seekable
from koalarize.steering.fields import Bounds, check
from koalarize.steering.steering import Steering

__all__ = [
    "bytes_of",
    "check_arguments",
    "checked",
    "engine_of",
    "further",
    "source_of",
    "steering_of",
    "target_of",
    "tell",
]

_LOG = logging.getLogger("koalarize.colorizer.colorizer")
_Kind = TypeVar("_Kind", Photo, Steering, bytes)
_STEPS: dict[type[object], tuple[str, str]] = {
    Photo: ("photo", "make one by Photo.read, or call the Colorizer, which takes more kinds"),
    Steering: ("steering", "make one by Steering(vividness=1.2), or give fields by their names"),
    bytes: ("picture", "use `file` for a path, and the Colorizer itself for other kinds"),
}
#: What may be said of a call that is no field of ``Steering``.
_ARGUMENTS = {
    "threads": Bounds(int, 0, 4096),
    "most_chroma": Bounds(float),
    "faithful": Bounds(bool),
    "overwrite": Bounds(bool),
    "tolerant": Bounds(bool),
    "layer": Bounds(bool),
}
_OTHER_WORDS_FOR_TARGET = ("output", "out", "output_path", "path", "save", "destination")


def check_arguments(**given: object) -> None:
    """Check what is said of a call beside its picture and its steering.

    Raises:
        OptionError: if a value is of a wrong type, or not allowed.
    """
    for name, value in given.items():
        check(f"`{name}`", value, _ARGUMENTS[name])


def checked(given: object, kind: type[_Kind]) -> _Kind:
    """Return what was given, which must be of a kind.

    Raises:
        OptionError: if it is not; PhotoError if it is no picture of that kind.
    """
    if isinstance(given, kind):
        return given
    name, step = _STEPS[kind]
    error = OptionError if kind is Steering else PhotoError
    found = type(given).__name__
    raise error(f"`{name}` is of type {found} but must be of type {kind.__name__}: {step}.")


def source_of(given: object) -> Path:
    """Return the path of a picture's file.

    Raises:
        PhotoError: if it is none.
    """
    step = "use `data` for a file's bytes, and the Colorizer itself for other kinds"
    return path_of("source", given, PhotoError, step)


def target_of(given: object, usual: Path) -> Path:
    """Return the path of the file to write, the usual one where None is given.

    Raises:
        OutputError: if it is none.
    """
    step = "name the file to write, or leave it out"
    return usual if given is None else path_of("target", given, OutputError, step)


def engine_of(given: Engine) -> Engine:
    """Return what runs a network.

    Raises:
        ModelError: if it is none.
    """
    if hasattr(given, "info") and hasattr(given, "run"):
        return given
    found = type(given).__name__
    raise ModelError(
        f"`engine` is of type {found} but must be of type Engine: load a model by "
        'Colorizer.load("koala").'
    )


def bytes_of(picture: bytes | BinaryIO) -> bytes:
    """Return a file's bytes.

    Raises:
        PhotoError: if they cannot be read.
    """
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return bytes(picture)
    stream = seekable(picture)
    stream.seek(0)
    return stream.read()


def further(image: Image.Image, photo: Photo) -> tuple[str, ...]:
    """Return a note on the frames or pages of a PIL image that are not in its result.

    Only its first says so: who has sought another one knows of them. They are not counted, since
    Pillow would go through all of them for that and drop what was drawn on the image.
    """
    if image.tell() or not (photo.frame or getattr(image, "is_animated", False)):
        return ()
    return (f"{photo.called} 1 of several: the others are left out, give the file's path for all",)


def tell(name: str, notes: tuple[str, ...]) -> None:
    """Log what of a picture is not in its result."""
    for note in notes:
        _LOG.warning("%s: %s", name, note)


def steering_of(steering: Steering, changes: Mapping[str, object]) -> Steering:
    """Return steering with what is set beside it; a reference may be a picture.

    Raises:
        OptionError: if it is none, a field is unknown or given twice, or its value not allowed.
        PhotoError: if the reference cannot be read.
    """
    given = dict(changes)
    for name in given:
        if places := _takers(name):
            raise OptionError(f"`{name}` is nothing that can be asked of a colouring: {places}")
    if "reference" in given:
        given["reference"] = palette_of(cast("Reference | None", given["reference"]))
    return checked(steering, Steering).changed(given)


def _takers(name: str) -> str:
    """Return which calls take something that is no field of ``Steering``; empty if none does."""
    from koalarize.colorizer.colorizer import Colorizer

    if name in _OTHER_WORDS_FOR_TARGET:
        return "`Colorizer.file` takes the file to write, as `target`"
    calls = (Colorizer.file, Colorizer.data, Colorizer.load, Photo.read)
    beside = {
        call: set(inspect.signature(call).parameters) - {"self", "steering"} for call in calls
    }
    found = tuple(f"`{call.__qualname__}`" for call, names in beside.items() if name in names)
    return f"{listed(found)} {'takes' if len(found) == 1 else 'take'} it" if found else ""
