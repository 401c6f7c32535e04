"""A portion in work leaves notes in OUTPUT: what it means to write, and at which picture it is.

Not here: the work (``worker``). Whoever begins the portion again reads them: results that bear no
mark are known as its own, and a picture that ends its worker each time is found out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from koalarize.batch.cluster.sources import CONTROL
from koalarize.batch.cluster.stores import Store

__all__ = ["Notes", "left_behind"]

_FOLDER = f"{CONTROL}/begun"
#: Workers that a picture may end, once the portion notes every picture, before it is passed over.
_MOST_ENDED = 2


@dataclass
class Notes:
    """Notes of one portion.

    Attributes:
        store: OUTPUT.
        name: the portion's.
        attempt: how often it was begun, now included.
        unmarked: the results without a mark that an earlier attempt meant to write.
        current: the picture in work, once the portion is begun again.
        ended: how many workers each picture has ended.
    """

    store: Store
    name: str
    attempt: int = 1
    unmarked: frozenset[str] = frozenset()
    current: str | None = None
    ended: dict[str, int] = field(default_factory=dict[str, int])
    _slots: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @classmethod
    def begin(cls, store: Store, name: str, unmarked: list[tuple[str, str]]) -> Notes:
        """Read what an earlier attempt has left, and note that there is one more.

        Args:
            store: OUTPUT.
            name: the portion's.
            unmarked: each result without a mark that is going to be written, with its picture.

        Raises:
            OSError: if OUTPUT cannot be written to.
        """
        notes = cls(store, name, _slots=unmarked)
        key = notes._key
        if store.info(key) is not None:
            left = _read(store, key)
            notes.attempt = cast(int, left["attempt"]) + 1
            notes.ended = cast("dict[str, int]", left["ended"])
            notes.unmarked = frozenset(slot for slot, _ in left["unmarked"])
            if (last := cast("str | None", left["current"])) is not None:
                notes.ended[last] = notes.ended.get(last, 0) + 1
        notes._write()
        return notes

    def has_ended_workers(self, key: str) -> bool:
        """Tell whether a picture is passed over."""
        return self.ended.get(key, 0) >= _MOST_ENDED

    def enter(self, key: str) -> None:
        """Note that a picture is in work; the first attempt goes without, which is cheaper."""
        if self.attempt > 1:
            self.current = key
            self._write()

    def end(self) -> None:
        """Remove the notes, since all is written."""
        self.store.remove(self._key)

    @property
    def _key(self) -> str:
        return f"{_FOLDER}/{self.name}.json"

    def _write(self) -> None:
        said = {
            "attempt": self.attempt,
            "current": self.current,
            "ended": self.ended,
            "unmarked": self._slots,
        }
        self.store.put(self._key, json.dumps(said).encode())


def _read(store: Store, key: str) -> dict[str, Any]:
    return json.loads(store.read(key))


def left_behind(store: Store) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the key of each note of portions that nobody ended, and the results it names."""
    for item in store.children(_FOLDER).items:
        try:
            pairs = cast("Iterable[list[str]]", _read(store, item.key)["unmarked"])
        except (FileNotFoundError, ValueError, KeyError):  # ended meanwhile, or no note
            continue
        yield item.key, [(pair[0], pair[1]) for pair in pairs]
