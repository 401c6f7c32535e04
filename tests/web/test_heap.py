"""Memory that the studio does not need: it goes back to the system."""

import os
import sys
import time
from pathlib import Path

import pytest

from koalarize.web.studio import app, heap
from rest import API, client, picture, studio_of


def resident() -> int:
    """Bytes of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be asked")
def test_freed_memory_goes_back():
    trim = getattr(heap.ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        pytest.skip("this C library has no `malloc_trim`")
    things = [bytes([1]) * 100_000 for _ in range(1000)]
    last = things[-1]  # pins the end of the heap, so that nothing leaves by itself
    del things
    before = resident()
    heap.give_back()
    assert before - resident() > 50_000_000
    assert len(last) == 100_000


def test_unused_photos_leave_memory_by_the_clock_and_can_be_used_again(monkeypatch):
    given = []
    monkeypatch.setattr(app, "give_back", lambda: given.append(True))
    with client(idle=0.1) as opened:
        photo = opened.post(f"{API}/photos", content=picture()).json()["id"]
        store = studio_of(opened.app).photos
        until = time.monotonic() + 10
        while (store._opened or not given) and time.monotonic() < until:
            time.sleep(0.01)
        assert not store._opened
        assert given
        assert opened.post(f"{API}/photos/{photo}/preview", json={"side": 64}).status_code == 200
