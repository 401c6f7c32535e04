"""Animated pictures (GIF, WebP, APNG, AVIF) with colours as steady as those of films.

Not here: their frames and times, read and written (``photo.pages``), films (``film.film``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.colorizer.colorizer import Colored, Colorizer, Making
from koalarize.colorizer.grid import working_size
from koalarize.colorizer.merge import guide, merge
from koalarize.colorizer.plan import planned
from koalarize.colorizer.prepare import framed, frames_prepared
from koalarize.film.flow import see
from koalarize.film.options import PLAIN_FILM
from koalarize.film.shots import LOOK_AHEAD, CutFinder, thumbnail
from koalarize.film.steady import Settled, Steady, dimmed
from koalarize.photo.files import check_output, sha256_of, write_bytes
from koalarize.photo.pages import encode_pages, format_for_all, notes_of_pages
from koalarize.photo.photo import Photo
from koalarize.photo.provenance import sealed_parts
from koalarize.steering.steering import Steering

__all__ = ["color_animation", "steady_frames"]

Float32 = npt.NDArray[np.float32]


def color_animation(
    colorizer: Colorizer,
    source: Path,
    target: Path,
    steering: Steering,
    *,
    overwrite: bool = False,
    tolerant: bool = False,
) -> Colored | None:
    """Colour an animation into another one, steadily.

    Args:
        colorizer: colours pictures.
        source: the picture; it is never replaced.
        target: the file to write.
        steering: what is asked of the colours.
        overwrite: replace ``target`` if it exists.
        tolerant: colour a picture that is cut short as far as it goes.

    Returns:
        None if it is no animation, if ``target`` holds none, or if something is asked that belongs
        to one picture: such files are coloured picture by picture.

    Raises:
        PhotoError: if the picture cannot be read.
        OutputError: if the result cannot be written.
        OptionError: if the model cannot do what is asked.
    """
    if steering.hints or steering.keep_color or steering.alternative:
        return None
    check_output(target, source=source, overwrite=overwrite)
    with closing(Photo.each(source, tolerant=tolerant)) as pictures:
        first = next(pictures)
        kind = format_for_all(first, target.suffix)
        if kind is None or first.frame is None or first.format == "MPO":
            return None
        notes = [first.notes_as(kind, pages=first.pages)]

        def frames() -> Iterator[Photo]:
            yield first
            for photo in pictures:
                notes.append(photo.notes_as(kind, pages=first.pages))
                yield photo

        making = Making(sha256_of(source))
        steady = steady_frames(colorizer, frames_prepared(frames(), steering), steering)
        made = (colorizer.marked(framed(one, steering), steering, making) for one in steady)
        data = sealed_parts(*encode_pages(((one, one.pixels) for one in made), kind))
    found = notes_of_pages(notes, first.called)
    if len(notes) < first.pages:
        missing = f"{first.called}s from {len(notes) + 1} to {first.pages}"
        found = (*found, f"it is cut short: {missing} are missing")
    return Colored(first, path=write_bytes(data, target, overwrite=overwrite), notes=found)


def steady_frames(
    colorizer: Colorizer,
    frames: Iterator[Photo],
    steering: Steering,
    *,
    steadiness: float = PLAIN_FILM.steadiness,
) -> Iterator[Photo]:
    """Colour the frames of a moving picture; each comes a few frames after it was taken.

    Args:
        colorizer: colours pictures.
        frames: of one size, in the order of showing.
        steering: what is asked of the colours.
        steadiness: 0 colours each frame alone, 1 holds colours longest.

    Yields:
        The frames with new pixels and everything else as it was.

    Raises:
        OptionError: if the model cannot do what is asked.
    """
    finder, steady = CutFinder(), Steady(_asker(colorizer, steering), steadiness)
    waiting: list[tuple[Photo, Float32]] = []  # of which it is not known whether they begin a shot
    unsettled: dict[int, Photo] = {}
    number = 0

    def take(cut: bool) -> Iterator[Photo]:
        nonlocal number
        photo, lightness = waiting.pop(0)
        unsettled[number] = photo
        yield from paint(steady.push(number, see(lightness), cut=cut and number > 0))
        number += 1

    def paint(settled: list[Settled]) -> Iterator[Photo]:
        for one in settled:
            photo = unsettled.pop(one.number)
            ab = dimmed(one.ab, one.seen.lightness)
            guidance = guide(ab, one.seen.lightness)
            yield dataclasses.replace(photo, pixels=merge(photo.pixels, guidance))

    size: tuple[int, int] | None = None
    for photo in frames:
        if size is None:
            size = working_size(photo.height, photo.width, steering.size, colorizer.info)
        lightness = _lightness(photo, *size)
        waiting.append((photo, lightness))
        for cut in finder.push(thumbnail(lightness)):
            yield from take(cut)
        assert len(waiting) <= LOOK_AHEAD
    for cut in finder.finish():
        yield from take(cut)
    yield from paint(steady.finish())


def _asker(colorizer: Colorizer, steering: Steering) -> Callable[[int, Float32], Float32]:
    levels = np.arange(1 << 16, dtype=np.uint16)
    known = color.grey_to_lightness(levels)

    def ask(number: int, lightness: Float32) -> Float32:
        del number
        grey = np.interp(lightness, known, levels).astype(np.uint16)
        fixed = colorizer.info.fixed_size is not None
        ab = planned(
            colorizer.look(Photo(grey), size=None if fixed else min(lightness.shape), prints=False),
            steering,
        )
        same = ab.shape[1:] == lightness.shape
        return ab if same else color.resize(ab, *lightness.shape)

    return ask


def _lightness(photo: Photo, height: int, width: int) -> Float32:
    """Return (height, width) L* of a frame on a small grid."""
    plane = Image.fromarray(photo.lightness())
    return np.asarray(plane.resize((width, height), Image.Resampling.BOX), np.float32)
