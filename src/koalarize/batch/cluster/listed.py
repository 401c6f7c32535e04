"""Which pictures of INPUT a list names: by their keys, or by paths and addresses that hold them.

Not here: reading a list (``cli.listing``), what INPUT holds (``sources``). INPUT is searched all
the same: a store is asked once for a thousand names, and a key is a picture by the same rules.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path

from koalarize.batch.cluster.sources import Entry
from koalarize.batch.cluster.stores import Version
from koalarize.batch.find import is_own

__all__ = ["listed"]


def listed(entries: Iterable[Entry], names: Iterable[str], place: str) -> Iterator[Entry]:
    """Yield the pictures that a list names, then what it names and INPUT does not hold.

    Args:
        entries: all of INPUT.
        names: a key below INPUT or a folder of keys each; a path or an address of one will do too.
        place: the address of INPUT in one spelling.
    """
    wanted: dict[str, list[str]] = {}
    missing: dict[str, None] = {}
    for name in names:
        missing[name] = None
        for key in _keys(name, place):
            wanted.setdefault(key, []).append(name)
    for entry in entries:
        if found := _found(entry.key, wanted):
            for name in found:
                missing.pop(name, None)
            yield entry
    for name in missing:
        if not is_own(Path(name)):  # as in lists of files, earlier results are passed over
            problem = f"INPUT `{place}` holds no such picture: a list names keys below it"
            yield Entry(_text(name), Version(), _text(name), problem=problem)


def _keys(name: str, place: str) -> Iterator[str]:
    """Yield what a name may be called below INPUT, which a shell may name by its own paths."""
    name = _text(name)
    yield posixpath.normpath(name)
    for whole in (name, os.path.abspath(name)):  # noqa: PTH100 (of many texts)
        if f"{whole}/".startswith(place):
            yield posixpath.normpath(f"./{f'{whole}/'.removeprefix(place)}")


def _found(key: str, wanted: dict[str, list[str]]) -> list[str]:
    """Return which of the names are a key's own, or of a folder that holds it."""
    parts = key.split("/")
    above = ("/".join(parts[:count]) for count in range(1, len(parts)))
    return [name for one in (".", *above, key) for name in wanted.get(one, ())]


def _text(name: str) -> str:
    """Return a name as manifests hold it: what of it is no UTF-8 is escaped."""
    return name.encode("utf-8", "backslashreplace").decode()
