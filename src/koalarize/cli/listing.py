"""The names that `--files-from` reads: a list that other programs wrote, as `find` and editors do.

Not here: which of the files are coloured, and where their results go (``batch``).
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from koalarize.errors import OptionError
from koalarize.film.names import FILM_EXTENSIONS
from koalarize.photo.files import EXTENSIONS, HEIF_EXTENSIONS

__all__ = ["listed_names", "read_list"]

_STDIN = "-"
#: What PowerShell and Windows' own editors begin a list with that they write as UTF-16.
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def listed_names(path: str | None, inputs: Sequence[str] | None, *, null: bool) -> list[str]:
    """Return the names of the list that a command line names.

    Args:
        path: of the list; None if none is named.
        inputs: what else is named.
        null: as ``read_list`` takes it.

    Raises:
        OptionError: if there is none, something else is named too, or it is no list.
    """
    if path is None:
        raise OptionError("`--null` is for a list of names: add --files-from")
    if inputs:
        raise OptionError(
            f"`--files-from` names the pictures but `{inputs[0]}` is named too: put it in the list"
        )
    return read_list(path, null=null)


def read_list(path: str, *, null: bool = False) -> list[str]:
    """Return the names of a list, in its order; empty lines name nothing.

    Args:
        path: a file, or ``-`` for stdin.
        null: whether a NUL ends each name, rather than a line.

    Raises:
        OptionError: if it cannot be read, is no list, or its names end otherwise.
    """
    data = _bytes_of(path)
    if data.startswith(_WIDE):
        try:
            data = data.decode("utf-16").encode("utf-8")
        except UnicodeError as error:
            raise OptionError(
                f"`--files-from` is `{path}`, which begins as UTF-16 but is none: save it as UTF-8"
            ) from error
    data = data.removeprefix(codecs.BOM_UTF8)
    if not null and b"\0" in data:
        raise OptionError(
            f"`--files-from` is `{path}`, which holds NUL: add --null for the names of `find "
            "-print0`, or name a list of names, one a line"
        )
    if null and b"\0" not in data and b"\n" in data.strip():
        raise OptionError(
            f"`--files-from` is `{path}`, whose names end with lines: leave --null out"
        )
    ends = data.split(b"\0") if null else (line.removesuffix(b"\r") for line in data.split(b"\n"))
    return [os.fsdecode(name) for name in ends if name]


def _bytes_of(path: str) -> bytes:
    if path == _STDIN:
        if sys.stdin is None:  # it was closed before the program began
            raise OptionError("`--files-from` is `-` but stdin is closed: name a file")
        return sys.stdin.buffer.read()
    if Path(path).suffix.lower() in (*EXTENSIONS, *HEIF_EXTENSIONS, *FILM_EXTENSIONS):
        raise OptionError(
            f"`--files-from` is `{path}` but must be a list of names: leave --files-from out to "
            "colour it"
        )
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise OptionError(
            f"`--files-from` is `{path}`, which cannot be read ({reason}): name a list of names, "
            "one a line, or - for stdin"
        ) from error
