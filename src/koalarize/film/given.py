"""What people give in Python beside a film's colours, checked for its type.

Not here: what may be asked of the colours (``steering.steering``), of the coding
(``film.options``).
"""

from __future__ import annotations

from pathlib import Path

from koalarize.colorizer.given import target_of
from koalarize.errors import FilmError, OptionError
from koalarize.film.options import FilmOptions
from koalarize.photo.arguments import path_of

__all__ = ["film_of", "options_of", "target_given"]


def film_of(given: object) -> Path:
    """Return the path of a film.

    Raises:
        FilmError: if it is none.
    """
    return path_of("source", given, FilmError, "name the film")


def target_given(given: object) -> Path | None:
    """Return the path of the file to write; None for the usual one.

    Raises:
        OutputError: if it is none.
    """
    return None if given is None else target_of(given, Path())


def options_of(given: object) -> FilmOptions:
    """Return how a film is to be made.

    Raises:
        OptionError: if it does not say that.
    """
    if isinstance(given, FilmOptions):
        return given
    raise OptionError(
        f"`options` is of type {type(given).__name__} but must be of type FilmOptions: write "
        "FilmOptions(crf=20), for example"
    )
