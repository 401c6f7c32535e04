"""The palette of a reference picture.

Not here: what a palette is and how it leads a network (``steering.palette``).
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.errors import PhotoError
from koalarize.photo.files import sha256_of
from koalarize.photo.photo import Photo
from koalarize.steering.palette import Palette

__all__ = ["Reference", "notes_on", "palette_from_photo", "palette_of", "read_reference"]

_LOG = logging.getLogger(__name__)

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
#: What a palette can be taken from.
Reference = str | os.PathLike[str] | bytes | Image.Image | Array | Photo | Palette

_SIDE = 160  # longer side at which a reference is looked at, pixels


def palette_of(reference: Reference | None) -> Palette | None:
    """Return the palette of a reference: a picture, or a ``Palette`` as it is.

    What its colours lack is logged as a warning.

    Raises:
        PhotoError: if the picture cannot be read.
    """
    if reference is None or isinstance(reference, Palette):
        return reference
    palette, notes = read_reference(reference)
    for note in notes:
        _LOG.warning("%s", note)
    return palette


def read_reference(
    reference: str | os.PathLike[str] | bytes | Image.Image | Array | Photo,
) -> tuple[Palette, tuple[str, ...]]:
    """Return the palette of a picture, and what to say of its colours, a sentence each.

    Raises:
        PhotoError: if the picture cannot be read, or nothing of it is seen.
    """
    photo = reference if isinstance(reference, Photo) else Photo.read(reference)
    if photo.alpha is not None and not photo.alpha.any():
        raise PhotoError(
            "the reference is transparent all over, so it shows no colours: give another picture."
        )
    if isinstance(reference, (str, os.PathLike)):
        path = Path(reference)
        palette = palette_from_photo(photo, name=path.name, sha256=sha256_of(path))
    else:
        palette = palette_from_photo(photo)
    return palette, notes_on(photo, palette)


def notes_on(photo: Photo, palette: Palette) -> tuple[str, ...]:
    """Return what to say of the colours of a reference, a sentence each.

    Args:
        photo: the picture.
        palette: its own.
    """
    called = f"the reference `{palette.name}`" if palette.name else "the reference"
    notes = [f"{called}: {note}" for note in photo.notes if _is_of_colors(note)]
    if photo.pages > 1:
        notes.append(f"{called}: only {photo.called} 1 of {photo.pages} is looked at")
    if palette.is_grey:
        notes.append(f"{called} has next to no colours: it asks for grey")
    return tuple(notes)


def _is_of_colors(note: str) -> bool:
    """Tell whether a note on a photo is one on its colours, not on what stands beside them."""
    return not note.endswith("left out") or "profile" in note


def palette_from_photo(photo: Photo, *, name: str = "", sha256: str | None = None) -> Palette:
    """Take the palette of a photo.

    Args:
        photo: the reference; a grey one asks for grey.
        name: for people.
        sha256: of the file it came from; by default that of its pixels.
    """
    digest = sha256 or hashlib.sha256(np.ascontiguousarray(photo.pixels).tobytes()).hexdigest()
    return Palette.of(_small_lab(photo), name=name, sha256=digest)


def _small_lab(photo: Photo) -> Float32:
    """Return (N, 3) Lab of a picture shrunk to a small one; what is transparent is left out."""
    step = max(1, max(photo.height, photo.width) // (2 * _SIDE))
    pixels = photo.pixels[::step, ::step]
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    srgb = color.lab_to_srgb(color.srgb_to_lab(pixels), dtype=np.uint8)
    scale = min(1.0, _SIDE / max(srgb.shape[:2]))
    size = [max(1, round(side * scale)) for side in (srgb.shape[1], srgb.shape[0])]
    small = np.asarray(Image.fromarray(srgb).resize(size, Image.Resampling.BOX))
    lab = color.srgb_to_lab(small).reshape(-1, 3)
    if photo.alpha is None:
        return lab
    alpha = photo.alpha[::step, ::step].astype(np.float32)
    clear = np.asarray(Image.fromarray(alpha).resize(size, Image.Resampling.BOX))
    seen = clear.reshape(-1) > 0.5 * float(clear.max())
    return lab[seen] if seen.any() else lab
