"""Which files are films, and what their coloured versions are called.

Not here: reading films (``film.read``). Loads nothing slow, since the command line asks it of every
file that it is given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from koalarize.errors import OptionError
from koalarize.photo.files import shortened

__all__ = [
    "FILM_EXTENSIONS",
    "FILM_RESULTS",
    "film_path",
    "films_among",
    "is_film",
    "may_move",
    "of_span",
    "without_span",
    "work_folder",
]

#: Extensions that are taken for films.
FILM_EXTENSIONS = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".ts",
        ".m2ts",
        ".mts",
        ".mpg",
        ".mpeg",
        ".vob",
        ".wmv",
        ".asf",
        ".flv",
        ".f4v",
        ".3gp",
        ".3g2",
        ".ogv",
        ".dv",
        ".mxf",
        ".rm",
        ".divx",
        ".y4m",
        ".nut",
        ".mj2",
        ".m2t",
        ".trp",
        ".mod",
        ".tod",
        ".qt",
        ".m1v",
        ".m2v",
        ".mpe",
        ".h264",
        ".264",
        ".h265",
        ".265",
        ".hevc",
    ]
)
#: Extensions of pictures that may hold an animation.
_ANIMATIONS = frozenset({".gif", ".webp", ".png", ".apng", ".avif"})
#: Containers that are written as they come; every other one becomes Matroska.
FILM_RESULTS = frozenset({".mp4", ".m4v", ".mov", ".mkv"})
_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))
#: What a name says of a part of a film.
_SPAN = re.compile(r"\.(?:from-[\dhm.]+s(?:-to-[\dhm.]+s)?|to-[\dhm.]+s)$")


def is_film(path: str | os.PathLike[str]) -> bool:
    """Tell whether a name is that of a film; whether it is one shows when it is opened."""
    return Path(path).suffix.lower() in FILM_EXTENSIONS


def may_move(path: Path) -> bool:
    """Tell whether a picture holds several frames, as far as its file says without decoding.

    One that cannot be opened holds none: whoever colours it says why.
    """
    if path.suffix.lower() not in _ANIMATIONS:
        return False
    from PIL import Image

    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except Exception:  # noqa: BLE001  # whatever Pillow raises of a damaged file
        return False


def films_among(inputs: Sequence[str], output: str | None) -> list[str]:
    """Return which of the named files are films: animations too where a film is to be written.

    Args:
        inputs: files, folders and globs.
        output: the file or folder to write.

    Raises:
        OptionError: if ``output`` is a film and an input is neither film nor animation.
    """
    films = [given for given in inputs if is_film(given) and not Path(given).is_dir()]
    if films or output is None or not is_film(output) or output.endswith(_SEPARATORS):
        return films
    if Path(output).is_dir():
        return films
    for given in inputs:
        path = Path(given)
        if path.is_file() and may_move(path):
            continue
        if path.is_file():
            what, step = "a single picture", "give the result the ending of a picture"
        else:
            what = "a folder" if path.is_dir() else "no file"
            step = "name a film; docs/films.md shows how to make one of numbered pictures"
        raise OptionError(f"`--output` is the film `{output}` but `{given}` is {what}: {step}")
    return list(inputs)


def film_path(
    source: str | os.PathLike[str], container: str | None = None, *, suffix: str = ".color"
) -> Path:
    """Return where the coloured version of a film goes: ``film.mp4`` -> ``film.color.mp4``.

    A name that would be too long for a file system is cut.

    Args:
        source: the film.
        container: the ending to give it; its own, or ``.mkv`` where its own is not written.
        suffix: what stands before the ending.
    """
    path = Path(source)
    own = path.suffix if path.suffix.lower() in FILM_RESULTS else ".mkv"
    rest = f"{suffix}{container or own}"
    return path.with_name(shortened(path.stem, rest) + rest)


def of_span(start: float | None, stop: float | None) -> str:
    """Return what a name says of a part of a film: ``.from-1m10s-to-1m20s``; nothing of a whole.

    Args:
        start: seconds of its first frame; None from the beginning.
        stop: seconds before which it ends; None to the end.
    """
    ends = [("from", start), ("to", stop)]
    said = "-".join(f"{word}-{_time(seconds)}" for word, seconds in ends if seconds is not None)
    return f".{said}" if said else ""


def without_span(stem: str) -> str:
    """Return a name without what ``of_span`` put at its end."""
    return _SPAN.sub("", stem)


def _time(seconds: float) -> str:
    minutes, thousandths = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    rest = f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{hours}h" * bool(hours) + f"{minutes}m" * bool(hours or minutes) + f"{rest}s"


def work_folder(target: Path) -> Path:
    """Return where the parts of a film are kept while it is being made."""
    ending = ".koalarize"
    return target.with_name(f".{shortened(target.name, '.' + ending)}{ending}")
