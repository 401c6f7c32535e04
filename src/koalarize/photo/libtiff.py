"""What libtiff, by which Pillow decodes TIFF files, says of them: gathered instead of printed.

Not here: the pixels (``decode``, ``tiff_pixels``). libtiff writes its errors to stderr past Python,
and gives some pictures that it could not decode as if all were well: what it said tells them.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from PIL import Image

__all__ = ["gathered", "is_whole", "of_pixels"]

_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
#: How libtiff's decoders call themselves; others speak of fields, which are not the picture.
_DECODERS = re.compile(r"Decode|JPEGLib")
_READING = re.compile("TIFFFill|TIFFReadRaw|TIFFRawStrip")


class _Heard(threading.local):
    by: list[str] | None = None


class _Before:
    """What heard libtiff before; None while nothing has been put in its place."""

    handler: Any = None
    tried = False
    lock = threading.Lock()


_HEARD = _Heard()


@_HANDLER
def _hear(module: bytes | None, text: bytes | None, values: int | None) -> None:
    """Take an error of libtiff: who speaks, a text with places for values, and these."""
    if _HEARD.by is not None:
        _HEARD.by.append((module or b"libtiff").decode("ascii", "replace"))
    elif _Before.handler is not None:
        _Before.handler(module, text, values)


@contextmanager
def gathered() -> Generator[list[str]]:
    """Gather which parts of libtiff report errors in this thread; nothing where it is not found.

    Pillow's builds for Windows hide it in themselves: there it goes on printing.
    """
    _listen()
    outer = _HEARD.by
    said: list[str] = []
    _HEARD.by = said
    try:
        yield said
    finally:
        _HEARD.by = outer


def of_pixels(said: list[str]) -> str | None:
    """Return which decoder of pixels was first to report an error; None if none did."""
    return next((name for name in said if _DECODERS.search(name)), None)


def is_whole(said: list[str]) -> bool:
    """Tell whether errors were reported, and none of them of data that are not there."""
    return bool(said) and not any(_READING.match(name) for name in said)


def _listen() -> None:
    """Hear libtiff's errors from now on; once."""
    with _Before.lock:
        if _Before.tried:
            return
        _Before.tried = True
        try:
            install = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
        except (OSError, AttributeError, TypeError):
            return
        install.restype = ctypes.c_void_p
        install.argtypes = [_HANDLER]
        before = install(_hear)
        _Before.handler = _HANDLER(before) if before else None
