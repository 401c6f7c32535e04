"""A look over a whole film before hours of work: its shots, and a few frames in colour.

Not here: the film itself (``film.film``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import FilmError
from koalarize.film.encode import Encoder, coding_of
from koalarize.film.levels import Levels
from koalarize.film.options import FilmOptions
from koalarize.film.paint import Painter
from koalarize.film.read import Facts, Reading
from koalarize.film.shots import CutFinder, thumbnail
from koalarize.photo.photo import Photo
from koalarize.steering.steering import Steering

__all__ = ["find_shots", "preview", "preview_path"]

_THUMB = (72, 128)  # cells down and across, enough to find cuts
_SHEET = 1600  # pixels across a sheet of frames


def find_shots(facts: Facts, options: FilmOptions) -> list[tuple[float, float]]:
    """Return from and to of each shot of a film, seconds.

    Args:
        facts: of the film.
        options: what of it.

    Raises:
        FilmError: if nothing of it is wanted.
    """
    reading, finder = Reading(facts), CutFinder()
    coding = coding_of(facts, options)
    looker = Encoder(coding)
    levels = Levels.of(
        coding.target.depth, full=coding.full_range, matrix=coding.matrix, height=facts.height
    )
    painter = Painter(levels, (2, 2), interlaced=False)
    times: list[float] = []
    cuts: list[bool] = []
    end = 0
    for frame in reading.between(options.start, options.stop):
        times.append(float(frame.pts * facts.time_base))
        end = frame.pts + (frame.duration or reading.step)
        cuts += finder.push(thumbnail(painter.lightness(looker.luma(frame)[1], *_THUMB)))
    cuts += finder.finish()
    if not times:
        raise FilmError(f"`{facts.path}` has no frame in what is asked for: check --from and --to")
    starts = [time for time, cut in zip(times, cuts, strict=True) if cut]
    return list(zip(starts, [*starts[1:], float(end * facts.time_base)], strict=True))


def preview_path(film: Path) -> Path:
    """Return where a film's preview goes: ``film.mp4`` -> ``film.preview.jpg``."""
    return film.with_name(f"{film.stem}.preview.jpg")


def preview(
    colorizer: Colorizer, facts: Facts, steering: Steering, options: FilmOptions, count: int
) -> Photo:
    """Colour frames spread evenly over a film, on one sheet.

    Args:
        colorizer: colours pictures.
        facts: of the film.
        steering: what is asked of the colours.
        options: what of the film.
        count: how many frames.

    Raises:
        FilmError: if nothing of it is wanted.
    """
    first = options.start or float(facts.start * facts.time_base)
    last = min(options.stop or 1e9, first + facts.seconds if facts.seconds else 1e9)
    wanted = [first + (last - first) * (n + 0.5) / count for n in range(count)]
    made: list[npt.NDArray[np.uint8]] = []
    for frame in Reading(facts).between(options.start, options.stop):
        if len(made) == count:
            break
        if float(frame.pts * facts.time_base) < wanted[len(made)] and facts.seconds:
            continue
        shown = frame.picture.to_ndarray(format="gray")
        upright = np.ascontiguousarray(np.rot90(shown, round(facts.rotation / 90) % 4))
        made.append(colorizer.photo(Photo(upright), steering).photo.pixels)
    if not made:
        raise FilmError(f"`{facts.path}` has no frame in what is asked for: check --from and --to")
    return Photo(_sheet(made), format="JPEG")


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
