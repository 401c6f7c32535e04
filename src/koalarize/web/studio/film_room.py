"""Room on the disk for films: what stands there, and what uploads under way have claimed.

Not here: which film goes where there is too little room (``film_store``).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Claim", "standing"]

#: The id of a film in the names of its files.
_ID = re.compile("[0-9a-f]{64}")


@dataclass(eq=False)
class Claim:
    """An upload under way.

    Attributes:
        size: bytes that it will have, as far as is known.
        written: bytes of it that stand on the disk.
    """

    size: int = 0
    written: int = 0


def standing(folder: Path) -> Counter[str]:
    """Return the bytes of each film in a folder, by its id: of itself, its results, parts kept."""
    found: Counter[str] = Counter()
    for path in folder.iterdir():
        key = _ID.search(path.name)
        if key is not None:
            found[key[0]] += _size(path) + sum(map(_size, _inside(path)))
    return found


def _inside(path: Path) -> list[Path]:
    """Return the files in a folder; none of a file, nor of what a colouring removes meanwhile."""
    return [Path(place) / name for place, _, names in os.walk(path) for name in names]


def _size(path: Path) -> int:
    """Return the bytes of a file; a folder has none, nor has what went meanwhile."""
    with suppress(OSError):
        return path.stat().st_size if path.is_file() else 0
    return 0
