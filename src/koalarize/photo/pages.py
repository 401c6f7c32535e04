"""Files of several pictures: TIFF pages, animations and MPO files, written whole or not at all.

Not here: one picture (``photo``), how the files are put together (``containers``, ``encode16``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.errors import OutputError
from koalarize.photo.containers import JOINERS, Encoded
from koalarize.photo.encode16 import TIFF_HEAD
from koalarize.photo.frames import Frame
from koalarize.photo.metadata import Metadata
from koalarize.photo.photo import Photo, output_format

__all__ = ["encode_pages", "format_for_all", "notes_of_pages"]

Array = npt.NDArray[Any]


def format_for_all(photo: Photo, format: str | None = None) -> str | None:
    """Return Pillow's name of the format that all pictures of a photo's file are written in.

    Args:
        photo: the first of them.
        format: as ``Photo.encode`` takes it.

    Returns:
        None if there is only one, or if the format takes only the first.

    Raises:
        OutputError: if the format is not written.
    """
    kind = output_format(format, photo, moving=photo.frame is not None)
    if photo.pages == 1:
        return None
    if kind == "JPEG":
        held = photo.format == "MPO"
    else:
        moving = photo.frame is not None and photo.format != "MPO"
        held = kind == "TIFF" or (moving and kind in JOINERS)
    return kind if held else None


def encode_pages(
    pages: Iterable[tuple[Photo, Array]], kind: str, *, threads: int = 1
) -> list[bytes]:
    """Encode photos with their colored pixels as one file.

    Args:
        pages: one at a time is held, beside what has been packed.
        kind: what ``format_for_all`` gave.
        threads: how many share the work, where the format lets them; 0 takes one a core.

    Returns:
        The parts of the file, in order.

    Raises:
        OutputError: as ``Photo.encode`` says, and if a TIFF file would need more than 4 GiB.
    """
    parts = [TIFF_HEAD]
    pictures: list[Encoded] = []
    at = len(TIFF_HEAD)
    for number, (photo, srgb) in enumerate(pages, 1):
        if kind != "TIFF":
            pictures.append(_encoded(photo, srgb, kind, first=number == 1))
            continue
        try:
            page = photo.tiff_page(srgb, at, last=number == photo.pages, threads=threads)
        except ValueError as error:
            raise OutputError(
                f"the {photo.pages} pages cannot be written in one file ({error}): choose another "
                "format, which takes the first page."
            ) from error
        parts += page
        at += sum(map(len, page))
    return [JOINERS[kind](pictures)] if pictures else parts


def _encoded(photo: Photo, srgb: Array, kind: str, *, first: bool) -> Encoded:
    """Encode a picture for an animation or an MPO file."""
    frame = photo.frame or Frame()
    if kind != "JPEG":  # of a moving picture all frames have one depth, and either all have alpha
        srgb = _as_8_bits(srgb)
        alpha = None if photo.alpha is None else _as_8_bits(photo.alpha)
        if kind == "PNG" and alpha is None and photo.format != "PNG":
            alpha = np.full(srgb.shape[:2], 255, np.uint8)
        photo = dataclasses.replace(photo, alpha=alpha)
        if not first:  # what the file says stands with its first frame
            photo = dataclasses.replace(photo, exif=None, dpi=None, metadata=Metadata())
    return Encoded(photo.encode(srgb, format=kind), frame, (photo.width, photo.height))


def _as_8_bits(levels: Array) -> Array:
    return levels if levels.dtype == np.uint8 else ((levels + np.uint32(128)) // 257).astype("u1")


def notes_of_pages(notes: Sequence[tuple[str, ...]], called: str) -> tuple[str, ...]:
    """Return the notes of several pictures, each with the numbers of those it is true of.

    Args:
        notes: of each picture in turn.
        called: what a picture is called there, such as "page".
    """
    found: dict[str, list[int]] = {}
    for number, own in enumerate(notes, 1):
        for note in own:
            found.setdefault(note, []).append(number)
    return tuple(f"{called}{_listed(numbers)}: {note}" for note, numbers in found.items())


def _listed(numbers: list[int]) -> str:
    """Return numbers in words, such as " 2" or "s 1 to 4, 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in runs)
    return ("s " if len(numbers) > 1 else " ") + shown
