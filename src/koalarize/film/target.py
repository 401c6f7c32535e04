"""Which file a film becomes, and whether it may be written there.

Not here: names (``film.names``), what a container holds (``film.container``).
"""

from __future__ import annotations

from pathlib import Path

from koalarize.errors import OutputError
from koalarize.film.container import FORMATS, Held, held_by
from koalarize.film.encode import Coding
from koalarize.film.names import film_path, of_span
from koalarize.photo.files import check_place

__all__ = ["check_target", "target_of"]


def target_of(coding: Coding, target: Path | None) -> tuple[Path, Held]:
    """Return the file to write, and what its container holds: the film's own, or Matroska.

    Args:
        coding: of the film.
        target: the file that a person names; None for one beside the film.

    Raises:
        OutputError: if ``target`` cannot hold it.
    """
    source, options = coding.facts.path, coding.options
    if target is not None:
        ending = target.suffix.lower()
        if ending not in FORMATS:
            raise OutputError(
                f"`{target}` ends with `{ending}`, which is no film that is written: "
                f"use one of {', '.join(FORMATS)}"
            )
        held = held_by(ending, coding)
        if not held.fits:
            raise OutputError(f"`{target}` cannot hold pictures coded as {options.codec}: use .mkv")
        return target, held
    suffix = f"{of_span(options.start, options.stop)}.color"
    path = film_path(source, suffix=suffix)
    held = held_by(path.suffix.lower(), coding)
    other = film_path(source, ".mkv", suffix=suffix)
    if path == other or (held.fits and not held.lost):
        return path, held
    wider = held_by(".mkv", coding)
    if not held.fits or len(wider.lost) < len(held.lost):
        return other, wider
    return path, held


def check_target(path: Path, source: Path, *, overwrite: bool) -> None:
    """Check that a film may be written where it is asked for.

    Raises:
        OutputError: if it may not: the folder, the original, or something that is there.
    """
    check_place(path)
    if not path.exists():
        return
    if not path.is_file():
        raise OutputError(
            f"`{path}` is a pipe or a device but must be a file, which is written whole or not at "
            "all: name a file"
        )
    if path.samefile(source):
        raise OutputError(
            f"`{path}` is the original and is never written over: choose another name."
        )
    if not overwrite:
        raise OutputError(f"`{path}` exists already: choose another name, or add --overwrite.")
