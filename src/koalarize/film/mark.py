"""The mark in a coloured film's file: a line of its comment, for people and for programs.

Not here: the mark of a photo (``photo.provenance``), the journal of a folder (``batch``).
Containers of films have no common place for XMP; a comment all of them hold, but transport streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from koalarize.errors import FilmError
from koalarize.film.facts import open_film
from koalarize.photo.provenance import SOURCE_TYPE, Provenance

__all__ = ["NO_COMMENT", "is_marked", "with_mark"]

#: Endings of containers that hold no comment.
NO_COMMENT = frozenset({".ts", ".m2ts", ".mts"})
_KEY = "comment"
_BEGIN = "Coloured by a program"


def with_mark(tags: Mapping[str, str], made: Provenance) -> dict[str, str]:
    """Return a film's tags with the mark in their comment.

    What the comment says already stays, but for an earlier mark: it is of colours that are gone.

    Args:
        tags: of the container; the comment's key may be in capitals.
        made: what made the colours.
    """
    key = next((key for key in tags if key.lower() == _KEY), _KEY)
    lines = [line for line in tags.get(key, "").splitlines() if not _is_mark(line)]
    weights = f" ({made.weights})" if made.weights else ""
    line = f"{_BEGIN}, {made.software}, with the model {made.model}{weights}: {SOURCE_TYPE}"
    return {**tags, key: "\n".join([*lines, line])}


def is_marked(path: Path) -> bool:
    """Tell whether a file is a film that bears the mark; False where there is none."""
    try:
        with open_film(path) as film:
            tags = film.metadata
            said = next((tags[key] for key in tags if key.lower() == _KEY), "")
    except FilmError:
        return False
    return any(_is_mark(line) for line in said.splitlines())


def _is_mark(line: str) -> bool:
    return line.startswith(_BEGIN) and line.endswith(SOURCE_TYPE)
