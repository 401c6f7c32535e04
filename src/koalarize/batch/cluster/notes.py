"""A portion in work leaves notes in OUTPUT: what it is about to write, and at which picture it is.

Not here: the work (``worker``). Whoever begins the portion again reads them: results that bear no
mark are known as its own by their bytes, and a picture that ends its worker each time is found out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from koalarize.batch.cluster.sources import CONTROL
from koalarize.batch.cluster.stores import Store

__all__ = ["Announced", "Notes", "left_behind"]

_FOLDER = f"{CONTROL}/begun"
#: Workers that a picture may end, once the portion notes every picture, before it is passed over.
_MOST_ENDED = 2


@dataclass(frozen=True)
class Announced:
    """The bytes of a result without a mark, noted just before they get their name.

    Attributes:
        slot: the result's key.
        key: the picture's.
        settings: what was asked.
        source_sha256: of the picture's bytes.
        made_sha256: of the result's bytes.
        input: the address of INPUT; empty in notes of earlier versions, as the following are.
        model: the model's name.
        weights: what tells them from others.
    """

    slot: str
    key: str
    settings: str
    source_sha256: str
    made_sha256: str
    input: str = ""
    model: str = ""
    weights: str | None = None


@dataclass
class Notes:
    """Notes of one portion.

    Attributes:
        store: OUTPUT.
        name: the portion's.
        attempt: how often it was begun, now included.
        announced: the results without a mark that this attempt or an earlier one was about to
            write.
        current: the picture in work, once the portion is begun again.
        ended: how many workers each picture has ended.
    """

    store: Store
    name: str
    attempt: int = 1
    announced: list[Announced] = field(default_factory=list[Announced])
    current: str | None = None
    ended: dict[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def begin(cls, store: Store, name: str) -> Notes:
        """Read what an earlier attempt has left, and note that there is one more.

        Args:
            store: OUTPUT.
            name: the portion's.

        Raises:
            OSError: if OUTPUT cannot be written to.
        """
        notes = cls(store, name)
        key = notes._key
        if store.info(key) is not None:
            left = _read(store, key)
            notes.attempt = cast(int, left["attempt"]) + 1
            notes.ended = cast("dict[str, int]", left["ended"])
            notes.announced = _announced(left)
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

    def announce(self, result: Announced) -> None:
        """Note, durably, the bytes that are about to get a result's name.

        A worker that is lost before its rows are written is then told from a person who has put a
        file there. What was announced before stays, for it may stand there still.

        Raises:
            OSError: if OUTPUT cannot be written to.
        """
        self.announced.append(result)
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
            "announced": [asdict(result) for result in self.announced],
        }
        self.store.put(self._key, json.dumps(said).encode())


def _read(store: Store, key: str) -> dict[str, Any]:
    return json.loads(store.read(key))


def _announced(left: dict[str, Any]) -> list[Announced]:
    """Return what a note announces; earlier versions named results without their bytes."""
    return [Announced(**result) for result in left.get("announced", [])]


def left_behind(store: Store) -> Iterator[tuple[str, list[Announced]]]:
    """Yield the key of each note of portions that nobody ended, and the results it announces."""
    for item in store.children(_FOLDER).items:
        try:
            announced = _announced(_read(store, item.key))
        except (FileNotFoundError, ValueError, AttributeError, TypeError):
            continue  # ended meanwhile, or no note
        yield item.key, announced
