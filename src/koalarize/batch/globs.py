"""What a glob names: as ``glob`` does, but each folder once, and none of other programs' copies.

Not here: which of the files are pictures (``find``).
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from koalarize.batch.passed_over import is_passed_over

__all__ = ["depth", "matches"]


def matches(pattern: str) -> Iterator[str]:
    """Yield what a pattern names, as ``glob.iglob`` does, but in each folder once.

    ``glob`` follows links that lead up again and again: with two of them it never ends.
    """
    parts = Path(pattern).parts
    if "**" not in parts:
        yield from glob.iglob(pattern)  # noqa: PTH207
        return
    at = parts.index("**")
    above = str(Path(*parts[:at])) if at else ""
    rest = parts[at + 1 :]
    while rest[:1] == ("**",):
        rest = rest[1:]
    for folder in _folders(glob.iglob(above) if glob.has_magic(above) else [above]):  # noqa: PTH207
        yield from matches(os.path.join(glob.escape(folder), *(rest or ["*"])))  # noqa: PTH118


def _folders(tops: Iterable[str]) -> Iterator[str]:
    """Yield folders and all below them, shallow ones first, none a second time through a link."""
    visited: set[str] = set()
    level = sorted(tops)
    while level:
        below: list[str] = []
        for folder in level:
            real = os.path.realpath(folder)
            if real in visited:
                continue
            visited.add(real)
            yield folder
            try:
                with os.scandir(folder or ".") as entries:
                    inside = [entry.name for entry in entries if _is_folder(entry)]
            except OSError:
                continue  # as glob passes over what it cannot read
            below += [
                os.path.join(folder, name)  # noqa: PTH118
                for name in sorted(inside)
                if not is_passed_over(name, os.path.basename(folder))  # noqa: PTH119
            ]
        level = below


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether it is a folder; a link into a locked one hides none beside it."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def depth(match: str) -> tuple[int, str]:
    """Sort key that puts a file's shortest name first, before those through linked folders."""
    return len(Path(match).parts), match
