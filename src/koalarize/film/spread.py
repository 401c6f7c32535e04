"""A look over a whole film before hours of work: its shots, and a few frames in colour.

Not here: the film itself (``film.film``).
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.stream import VideoStream
from PIL import Image

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OptionError
from koalarize.film.bars import bars_of_film, colored_still, part_shown
from koalarize.film.encode import Encoder, coding_of
from koalarize.film.facts import Facts, is_colored, open_film
from koalarize.film.names import of_span
from koalarize.film.options import PLAIN_FILM, FilmOptions
from koalarize.film.paint import Painter
from koalarize.film.read import Reading, no_frame
from koalarize.film.shot_list import Shot, read_shots
from koalarize.film.shots import CutFinder, thumbnail
from koalarize.film.shown import shown_colors, shown_grey
from koalarize.photo.files import shortened
from koalarize.photo.photo import Photo
from koalarize.steering.palette import Palette
from koalarize.steering.steering import Steering

__all__ = ["colored_among", "find_shots", "pooled_palette", "preview", "preview_path"]

_THUMB = (72, 128)  # cells down and across, enough to find cuts
_POOLED = 16  # frames whose palette is that of the film
_POOLED_SIDE = 512  # pixels: longer side at which they are looked at
_ROUNDED = 6e-4  # seconds: a list is written to the millisecond
_SHEET = 1600  # pixels across a sheet of frames


def find_shots(
    facts: Facts, options: FilmOptions, progress: Callable[[int], None] | None = None
) -> list[tuple[float, float]]:
    """Return from and to of each shot of a film, seconds.

    Args:
        facts: of the film.
        options: what of it.
        progress: called after each frame with their number.

    Raises:
        FilmError: if nothing of it is wanted.
    """
    reading, finder = Reading(facts), CutFinder()
    coding = coding_of(facts, options)
    looker = Encoder(coding)
    painter = Painter.of(coding, bars_of_film(facts))
    times: list[float] = []
    cuts: list[bool] = []
    end = 0
    for frame in reading.between(options.start, options.stop):
        times.append(float(frame.pts * facts.time_base))
        end = frame.pts + (frame.duration or reading.step)
        cuts += finder.push(thumbnail(painter.lightness(looker.luma(frame)[1], *_THUMB)))
        if progress is not None:
            progress(len(times))
    cuts += finder.finish()
    if not times:
        raise no_frame(facts)
    starts = [time for time, cut in zip(times, cuts, strict=True) if cut]
    return list(zip(starts, [*starts[1:], float(end * facts.time_base)], strict=True))


def colored_among(facts: Facts, shots: Sequence[tuple[float, float]]) -> frozenset[int]:
    """Return the numbers, from 0, of shots whose middle frame has colours of its own.

    Args:
        facts: of the film.
        shots: from and to of each, seconds.
    """
    starts = [start - _ROUNDED for start, _ in shots]
    found: set[int] = set()
    for frame in _frames_at(facts, [(start + stop) / 2 for start, stop in shots]):
        if is_colored(frame):
            seconds = float((frame.pts or 0) * facts.time_base)
            found.add(max(0, bisect.bisect_right(starts, seconds) - 1))
    return frozenset(found)


def preview_path(film: Path, options: FilmOptions = PLAIN_FILM) -> Path:
    """Return where a film's preview goes: ``film.mp4`` -> ``film.preview.jpg``.

    Args:
        film: the film.
        options: what of it; a sheet of a part has a name that says which.
    """
    rest = f"{of_span(options.start, options.stop)}.preview.jpg"
    return film.with_name(shortened(film.stem, rest) + rest)


def preview(
    colorizer: Colorizer, facts: Facts, steering: Steering, options: FilmOptions, count: int
) -> Photo:
    """Colour frames spread evenly over a film, on one sheet.

    Args:
        colorizer: colours pictures.
        facts: of the film.
        steering: what is asked of the colours.
        options: what of the film, and its list of shots if it has one.
        count: how many frames.

    Raises:
        FilmError: if nothing of it is wanted.
        OptionError: if the list cannot be used, or has what is followed from frame to frame.
    """
    shots = [] if options.shots is None else _still(read_shots(options.shots), options.shots)
    if options.one_palette and steering.reference is None:
        pooled = pooled_palette(colorizer, facts, steering, options)
        steering = dataclasses.replace(steering, reference=pooled)
    starts = [shot.start - _ROUNDED for shot in shots]
    made: list[npt.NDArray[np.uint8]] = []
    for seconds, frame in _timed(facts, options, count):
        place = max(0, bisect.bisect_right(starts, seconds) - 1)
        if shots and shots[place].keeps_color:
            made.append(shown_colors(facts, frame))
            continue
        asked = shots[place].steering(steering) if shots else steering
        made.append(colored_still(colorizer, facts, shown_grey(facts, frame), asked))
    return Photo(_sheet(made), format="JPEG")


def _still(shots: list[Shot], path: Path) -> list[Shot]:
    """Return shots of which a frame alone shows the colours.

    Raises:
        OptionError: naming the first that has something to be followed through it.
    """
    for number, shot in enumerate(shots, 1):
        what = "hints" if shot.hints else "frames" if shot.frames else None
        if what is not None:
            raise OptionError(
                f"shot {number} of `{path}` has `{what}`, which are followed from frame to frame, "
                "but `--preview` looks at frames alone: colour a part with --from and --to"
            )
    return shots


def pooled_palette(
    colorizer: Colorizer, facts: Facts, steering: Steering, options: FilmOptions
) -> Palette:
    """Return the palette of a whole film: of frames spread over it, each coloured alone.

    Args:
        colorizer: colours pictures.
        facts: of the film.
        steering: what is asked of the colours.
        options: what of the film.

    Raises:
        FilmError: if nothing of it is wanted.
        OptionError: if the model has no use for a palette.
    """
    found: list[npt.NDArray[np.float32]] = []
    bars = bars_of_film(facts)
    for frame in _spread(facts, options, _POOLED):
        small = Image.fromarray(frame[part_shown(facts, bars, *frame.shape)])
        small.thumbnail((_POOLED_SIDE, _POOLED_SIDE))
        srgb = colorizer.photo(Photo(np.asarray(small)), steering).photo.pixels
        found.append(color.srgb_to_lab(srgb).reshape(-1, 3))
    lab = np.concatenate(found)
    return Palette.of(lab, name=facts.path.name, sha256=hashlib.sha256(lab.tobytes()).hexdigest())


def _spread(facts: Facts, options: FilmOptions, count: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the frames of ``_timed`` without their times, grey and as players show them."""
    return (shown_grey(facts, frame) for _, frame in _timed(facts, options, count))


def _timed(facts: Facts, options: FilmOptions, count: int) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield seconds and frames, spread over what is wanted of a film.

    Raises:
        FilmError: if there is none.
    """
    start = float(facts.start * facts.time_base)
    first = max(start, options.start or 0.0)
    last = min(options.stop or 1e9, start + facts.seconds if facts.seconds else first + count)
    none = True
    for frame in _frames_at(
        facts, [first + (last - first) * (n + 0.5) / count for n in range(count)]
    ):
        seconds = float((frame.pts or 0) * facts.time_base)
        if seconds < first - 1e-6 or (options.stop is not None and seconds >= options.stop):
            continue
        none = False
        yield seconds, frame
    if none:
        raise no_frame(facts)


def _sheet(frames: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Put frames onto one sheet, row by row."""
    across = min(len(frames), max(1, round(len(frames) ** 0.5)))
    width = min(frames[0].shape[1], max(1, _SHEET // across))
    height = max(1, round(frames[0].shape[0] * width / frames[0].shape[1]))
    down = -(-len(frames) // across)
    sheet = Image.new("RGB", (across * width, down * height))
    for number, frame in enumerate(frames):
        small = Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (number % across * width, number // across * height))
    return np.asarray(sheet)


def _frames_at(facts: Facts, seconds: Sequence[float]) -> Iterator[av.VideoFrame]:
    """Yield the frames shown at some times, without reading what lies between.

    Args:
        facts: of the film.
        seconds: rising.
    """
    with open_film(facts.path) as container:
        stream = container.streams[facts.stream]
        assert isinstance(stream, VideoStream)
        for wanted in seconds:
            ticks = round(Fraction(wanted) / facts.time_base)
            with contextlib.suppress(FFmpegError):
                container.seek(ticks, stream=stream)
                last: av.VideoFrame | None = None
                for frame in container.decode(stream):
                    if frame.pts is not None and frame.pts > ticks and last is not None:
                        break
                    last = frame
                    if frame.pts is not None and frame.pts >= ticks:
                        break
                if last is not None:
                    yield last
