"""The errors a person can meet; nothing else of ours is imported here.

A ``KoalarizeError`` is always about what was asked or given, never about a bug of ours. Its text is
one sentence with the wrong thing, its value, the rule and the next step.

    KoalarizeError
    ├── PhotoError        a picture that cannot be read
    ├── FilmError         a film that cannot be read
    ├── OutputError       a result that cannot be written
    ├── OptionError       a value that is not allowed (a hint, a size, a recipe's key)
    ├── ModelError        a model that is unknown, damaged or of another kind
    ├── DataError         a data set that cannot be used
    └── DependencyError   a part of koalarize that is not installed
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

__all__ = [
    "NO_ROOM",
    "DataError",
    "DependencyError",
    "FilmError",
    "KoalarizeError",
    "ModelError",
    "OptionError",
    "OutputError",
    "PhotoError",
    "did_you_mean",
]

#: The system's numbers of a full disk, and of a full share of it.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class KoalarizeError(Exception):
    """Base of every error that koalarize raises for a person's mistake."""

    exit_code: int = 1


class PhotoError(KoalarizeError):
    """A picture that cannot be read: missing, empty, truncated, too large, or not a picture."""


class FilmError(KoalarizeError):
    """A film that cannot be read: missing, empty, encrypted, of no known kind, or no film."""


class OutputError(KoalarizeError):
    """A result that cannot be written, or that would overwrite an original."""


class OptionError(KoalarizeError):
    """A value that is not allowed; the command line ends with exit code 2."""

    exit_code = 2


class ModelError(KoalarizeError):
    """A model that is unknown, damaged, or does not fit what is asked of it."""


class DataError(KoalarizeError):
    """A data set that is missing, empty or not in a known layout."""


class DependencyError(KoalarizeError):
    """An optional part of koalarize that is not installed."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``", did you mean `x`?"`` for the nearest known word, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean `{near[0]}`?" if near else ""
