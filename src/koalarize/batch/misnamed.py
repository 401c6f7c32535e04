"""Which file is meant by a name that leads nowhere: lists and other systems spoil names.

Not here: what is said where nothing is near (``photo.sources``).
"""

from __future__ import annotations

import os
import re
import unicodedata
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path

__all__ = ["bare", "meant"]

#: What lists leave around names: ends of lines of Windows, spaces, quotes, a byte-order mark.
_AROUND = re.compile(r"^[\s'\"\ufeff\u201c\u201d]+|[\s'\"\u201c\u201d]+$")
#: Names of a folder that are looked at.
_MOST_NAMES = 50_000


def bare(name: str) -> str:
    """Return a name without what lists leave around it."""
    return _AROUND.sub("", name)


def meant(path: Path) -> str | None:
    """Return a sentence on the file that a name which leads nowhere may mean, if there is one."""
    with suppress(OSError, ValueError):
        if path.is_symlink():  # its own name is the nearest, and right
            return f"`{path}` is a link that leads to no file: bring that back or name another."
        if near := _of_a_list(str(path)) or _spelled_otherwise(path):
            other, advice = near
            return f"`{path}` does not exist, but `{other}` does: {advice}."
    return None


def _of_a_list(name: str) -> tuple[str, str] | None:
    """Return a file that a name means but for what lists and shells make of it, and advice."""
    alone = bare(name)
    if alone != name and alone and os.path.lexists(alone):
        if name.endswith(("'", '"')):
            return alone, "take the quotes off the names of a list"
        if name.endswith("\r"):
            return alone, "take the ends of lines of Windows off a list (`tr -d '\\r' < list`)"
        return alone, "take off what stands around the name"
    home = os.path.expanduser(name)  # noqa: PTH111
    if home != name and os.path.lexists(home):
        return home, "a shell replaces ~ only outside of quotes"
    slashed = name.replace("\\", "/")
    if os.sep == "/" and slashed != name and os.path.lexists(slashed):
        return slashed, "part folders by / here"
    return None


def _spelled_otherwise(path: Path) -> tuple[str, str] | None:
    """Return a file of the same folder whose name is nearly the same, and advice."""
    names = _names_in(str(path.parent))
    if (name := names.get(_folded(path.name))) is not None:
        if _composed(name) == _composed(path.name):
            return str(path.with_name(name)), "their accents are coded differently; name that"
        return str(path.with_name(name)), "capital letters count here"
    if path.suffix and (name := names.get(_folded(path.stem) + "/")) is not None:
        return str(path.with_name(name)), "check the ending"
    return None


@lru_cache(maxsize=2)  # a list may hold thousands of such names
def _names_in(folder: str) -> dict[str, str]:
    """Return names of a folder by what is the same in all spellings; without endings too."""
    found: dict[str, str] = {}
    with os.scandir(folder) as entries:
        for entry in islice(entries, _MOST_NAMES):
            found[_folded(entry.name)] = entry.name
            found[_folded(Path(entry.name).stem) + "/"] = entry.name
    return found


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(name).casefold()
