"""All pictures of a file, coloured one after another: pages, frames, a stereo pair.

Not here: how one is coloured (``colorizer``), how they are read and written (``photo.pages``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from koalarize.colorizer.layer import color_layer
from koalarize.colorizer.prepare import frames_prepared, unprepared
from koalarize.errors import OptionError
from koalarize.photo.embed import listed
from koalarize.photo.encode8 import WITHOUT_ALPHA
from koalarize.photo.encode_jpeg import in_bands
from koalarize.photo.negative import looks_like_color_negative
from koalarize.photo.pages import encode_pages, format_for_all, notes_of_pages
from koalarize.photo.photo import Photo, output_format
from koalarize.steering.palette import Palette
from koalarize.steering.steering import Steering

if TYPE_CHECKING:
    from koalarize.colorizer.colorizer import Colored

__all__ = ["IN_STRIPS", "encode_each", "in_strips"]

Array = npt.NDArray[Any]

#: After these a photo is another than its file, which an editor opens.
_MOVES = ("negative", "turn", "straighten", "crop")
_EMPTY = "the layer is empty: nothing in the picture is coloured"
_GREY = (
    "it stays grey, since it shows nothing that could have a colour (a page, a drawing, plain "
    "shading): hints colour it"
)
_KEPT = "--keep-color (in Python keep_color=True) keeps what its mask leaves"
_INVERT = "--negative (in Python negative=True) inverts it first"
#: Pixels from which a PNG or TIFF file is coloured in strips while it is written.
IN_STRIPS = 1 << 25


def encode_each(
    pictures: Iterator[Photo],
    color: Callable[[Photo, Steering], Colored],
    steering: Steering,
    format: str | None,
    lead: Callable[[Photo], Palette] | None = None,
    *,
    layer: bool = False,
    threads: int = 0,
) -> tuple[list[bytes], Colored]:
    """Colour the pictures of a file and encode them as one file again.

    A format that cannot hold them all gets the first one, and a note says so.

    Args:
        pictures: from ``Photo.each``.
        color: colours one.
        steering: what is asked; hints go with the first picture only.
        format: as ``Photo.encode`` takes it.
        lead: takes the palette of the first picture, which then leads all frames of an animation
            or a stereo pair, so that things keep their colours; None where palettes do not lead.
        layer: encode only the colours, transparent where there are none.
        threads: how many share the encoding, where the format lets them; 0 takes one a core.

    Returns:
        The parts of the file, and the first picture coloured, with the notes on all.

    Raises:
        PhotoError: if one cannot be read.
        OutputError: if the file cannot be made.
        OptionError: if the model cannot do what is asked, or a layer is to be a file without
            transparency.
    """
    first, asked = next(pictures), steering
    if steering.faded and first.frame is not None:
        frames = frames_prepared(chain([first], pictures), steering, threads=threads)
        pictures, steering = frames, unprepared(steering)
        first = next(pictures)
    if layer and (kind := output_format(format, first)) in WITHOUT_ALPHA:
        raise OptionError(
            f"the layer is transparent where there is no colour, which {kind} cannot hold: "
            "name a .png, .tif or .webp file"
        )
    if layer and (moved := tuple(f"--{name}" for name in _MOVES if getattr(asked, name))):
        note = f"the layer fits the photo after {listed(moved)}, not the file as it is"
        first = dataclasses.replace(first, notes=(*first.notes, note))
    if (not asked.negative or asked.keep_color) and looks_like_color_negative(first):
        step = _KEPT if asked.negative else _INVERT
        note = f"it looks like a colour negative: {step}"
        first = dataclasses.replace(first, notes=(*first.notes, note))
    colored = color(first, steering)
    kind = format_for_all(first, format)
    if kind is None:
        notes = first.notes_as(format)
        shown, srgb = _shown(colored.base, first, layer)
        notes = (*notes, *_emptiness(colored.stays_grey, layer and _is_empty(shown)))
        parts = shown.encode_parts(colored.rows or srgb, format=format, threads=threads)
        return parts, dataclasses.replace(colored, notes=notes)
    if first.frame is not None and lead is not None and steering.reference is None:
        steering = dataclasses.replace(steering, reference=lead(colored.base))
        colored = color(first, steering)
    unhinted = dataclasses.replace(steering, hints=())
    notes_of_each = [first.notes_as(kind, pages=first.pages)]
    had_colors, grey, empty = colored.had_colors, colored.stays_grey, layer

    def pages() -> Iterator[tuple[Photo, Array]]:
        nonlocal had_colors, grey, empty
        shown, srgb = _shown(colored.base, first, layer)
        empty = empty and _is_empty(shown)
        yield shown, srgb
        for photo in pictures:
            notes_of_each.append(photo.notes_as(kind, pages=first.pages))
            where = f"{first.called} {len(notes_of_each)} of {first.pages}"
            later = _named(where, color, photo, unhinted)
            had_colors |= later.had_colors
            grey &= later.stays_grey
            shown, srgb = _shown(later.base, photo, layer)
            empty = empty and _is_empty(shown)
            yield shown, srgb

    parts = encode_pages(pages(), kind, threads=threads)
    notes = (*notes_of_pages(notes_of_each, first.called), *_emptiness(grey, empty))
    if steering.hints:
        notes = (f"hints act on {first.called} 1 only", *notes)
    if len(notes_of_each) < first.pages:
        missing = f"{first.called}s from {len(notes_of_each) + 1} to {first.pages}"
        notes = (*notes, f"it is cut short: {missing} are missing")
    return parts, dataclasses.replace(colored, notes=notes, had_colors=had_colors, stays_grey=grey)


def _named(
    where: str, color: Callable[[Photo, Steering], Colored], photo: Photo, steering: Steering
) -> Colored:
    """Colour a page; what does not fit it, as a crop that fitted the first, says which it is."""
    try:
        return color(photo, steering)
    except OptionError as error:
        raise OptionError(f"{where}: {error}") from error


def _shown(colored: Photo, before: Photo, layer: bool) -> tuple[Photo, Array]:
    if not layer:
        return colored, colored.pixels
    return color_layer(colored, over_grey=before.is_grey)


def _is_empty(layer: Photo) -> bool:
    """Tell whether nothing is seen of a layer."""
    return layer.alpha is not None and not layer.alpha.any()


def _emptiness(grey: bool, empty: bool) -> tuple[str, ...]:
    """Return a note on a picture without any colour: one that shows nothing, or as it was asked."""
    return (_GREY,) if grey else (_EMPTY,) if empty else ()


def in_strips(photo: Photo, steering: Steering, format: str | None) -> bool:
    """Tell whether a photo is coloured while it is written, since all of it would be large."""
    if photo.pages != 1 or steering.crop is not None:
        return False
    kind = output_format(format, photo)
    large = photo.width * photo.height > IN_STRIPS
    return (
        large if kind in ("PNG", "TIFF") else kind == "JPEG" and in_bands(photo.height, photo.width)
    )
