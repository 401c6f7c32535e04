"""A few things that were made, kept while they are used; each is made once.

Not here: what they are and how much memory they hold (``photo_store``).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Cache"]

_T = TypeVar("_T")


class Cache(Generic[_T]):
    """The few things used last; safe from several threads."""

    def __init__(self, most: int) -> None:
        """Make one that keeps so many."""
        self._most = most
        self._things: OrderedDict[Hashable, _T] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def things(self) -> list[_T]:
        """What it keeps now."""
        with self._lock:
            return list(self._things.values())

    def shed(self) -> bool:
        """Drop the thing used longest ago; return whether there was one."""
        with self._lock:
            if self._things:
                self._things.popitem(last=False)
                return True
            return False

    def get(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return what is kept under a key, or make it; who wants it meanwhile waits for it."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            try:
                with self._lock:
                    found = [self._things[key]] if key in self._things else []
                made = found[0] if found else make()
                with self._lock:
                    self._things[key] = made
                    self._things.move_to_end(key)
                    while len(self._things) > self._most:
                        self._things.popitem(last=False)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return made
