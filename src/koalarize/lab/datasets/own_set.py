"""Pictures of a data set of one's own: a function ``MODULE:NAME`` that yields them.

Not here: folders and files (``sources``), sets of the hub (``hub``), how a name is found
(``lab.own``).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from koalarize.errors import DataError
from koalarize.lab.own import check_call, find_own, is_own, own_faults

__all__ = ["check_own_set", "is_own_set", "own_pictures"]


def is_own_set(source: Path) -> bool:
    """Tell whether a source is named ``MODULE:NAME``; a file or folder of that name comes first."""
    return is_own(str(source)) and not source.exists()


def check_own_set(source: Path) -> None:
    """Check that there is such a function, without a call.

    Raises:
        OptionError: if its module cannot be imported, or it needs arguments.
        DataError: if it is none.
    """
    found: Any = find_own(str(source), "data")
    if not callable(found):
        raise DataError(
            f"`{source}` is of type {type(found).__name__} but must be a function that yields "
            "names and pictures"
        )
    check_call(found, str(source), {}, "data")


def own_pictures(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and encoded bytes of every picture that a function of one's own yields.

    It yields pairs of a name and a picture: encoded bytes, a picture of Pillow's, or an array
    (H, W, 3) of uint8 sRGB. It must yield the same at each call, in the same order.

    Raises:
        OptionError: if it cannot be imported or called.
        DataError: if it yields anything else.
    """
    check_own_set(source)
    called: Any = find_own(str(source), "data")
    with own_faults(str(source), "data", DataError):
        rows: Any = called()
    if not isinstance(rows, Iterable):
        raise DataError(
            f"`{source}` returned {rows!r} but must yield pairs of a name and a picture"
        )
    for row in _each(rows, source):
        if not (isinstance(row, tuple) and len(row) == 2 and isinstance(row[0], str)):
            raise DataError(
                f"`{source}` yielded something of type {type(row).__name__} but must yield pairs "
                "of a name (text) and a picture"
            )
        yield row[0], _encoded(row[1], row[0], source)


def _each(rows: Iterable[object], source: Path) -> Iterator[object]:
    each = iter(rows)
    while True:
        with own_faults(str(source), "data", DataError):
            try:
                row = next(each)
            except StopIteration:
                return
        yield row


def _encoded(picture: object, name: str, source: Path) -> bytes:
    if isinstance(picture, (bytes, bytearray)):
        return bytes(picture)
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise DataError(
                f"`{source}` yielded `{name}` as {picture.dtype} of shape {picture.shape} but an "
                "array must be uint8 of shape (H, W, 3): bring it to 0..255, RGB"
            )
        picture = Image.fromarray(picture)
    if not isinstance(picture, Image.Image):
        raise DataError(
            f"`{source}` yielded `{name}` as {type(picture).__name__} but a picture must be "
            "encoded bytes, a PIL image or a NumPy array"
        )
    data = io.BytesIO()
    picture.save(data, "PNG", compress_level=1)
    return data.getvalue()
