"""What the studio keeps of photos: made once, however many want it at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from koalarize.web.studio.cache import Cache


def test_what_several_want_at_once_is_made_once():
    cache, made, begun, go = Cache[int](2), [], threading.Event(), threading.Event()

    def make() -> int:
        begun.set()
        go.wait(10)
        made.append(1)
        return len(made)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "key", make)
        begun.wait(10)
        second = pool.submit(cache.get, "key", make)
        assert cache.get("other", lambda: 7) == 7  # others do not wait
        go.set()
        assert (first.result(10), second.result(10)) == (1, 1)


def test_what_could_not_be_made_is_tried_again():
    cache = Cache[int](2)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: 1 // 0)
    assert cache.get("key", lambda: 3) == 3
