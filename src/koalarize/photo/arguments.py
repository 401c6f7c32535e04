"""What people give in Python beside a picture, checked for its type.

Not here: the picture itself (``sources``), what may be asked of its colours (``steering.fields``).
"""

from __future__ import annotations

import numbers
import os
from pathlib import Path

from koalarize.errors import KoalarizeError, OutputError, PhotoError

__all__ = ["check_count", "check_srgb", "check_switch", "path_of"]


def path_of(name: str, given: object, error: type[KoalarizeError], step: str) -> Path:
    """Return a path that was given as a text or as one.

    Raises:
        KoalarizeError: the given kind of it, with the next step, if it is no path.
    """
    text = os.fspath(given) if isinstance(given, (str, os.PathLike)) else given
    if isinstance(text, str):
        return Path(text)
    found = type(given).__name__
    raise error(f"`{name}` is of type {found} but must be a path, as text or Path: {step}.")


def check_count(name: str, given: object, least: int, step: str) -> None:
    """Check that a whole number was given, which is not too small.

    Raises:
        PhotoError: if not.
    """
    if isinstance(given, bool) or not isinstance(given, numbers.Integral):
        raise PhotoError(f"`{name}` is {given!r} but must be a whole number: {step}.")
    if int(given) < least:
        raise PhotoError(f"`{name}` is {given} but must be {least} or more: {step}.")


def check_switch(name: str, given: object) -> None:
    """Check that a truth value was given.

    Raises:
        PhotoError: if not.
    """
    if not isinstance(given, bool):
        raise PhotoError(f"`{name}` is {given!r} but must be true or false: give True or False.")


def check_srgb(srgb: object, shape: tuple[int, int, int]) -> None:
    """Check that coloured pixels are those of a photo, in an array or as ``Rows``.

    Raises:
        OutputError: if not.
    """
    found, dtype = getattr(srgb, "shape", None), getattr(srgb, "dtype", None)
    if found == shape and getattr(dtype, "kind", None) in ("u", "f"):
        return
    what = f"of type {type(srgb).__name__}" if dtype is None else f"{dtype} of shape {found}"
    raise OutputError(
        f"`srgb` is {what} but must be uint8, uint16 or floating point of shape {shape}: "
        "give the coloured pixels of this photo."
    )
