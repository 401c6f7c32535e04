"""How films are kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from koalarize.web.studio import film_work
from koalarize.web.studio.film_store import FilmStore
from koalarize.web.studio.settings import Settings


@pytest.fixture(autouse=True)
def looked(monkeypatch):
    """The films that were looked at; no bytes need be those of a film."""
    found = []
    monkeypatch.setattr(film_work, "facts_of", lambda partial, name, file: None)
    monkeypatch.setattr(film_work, "look", lambda film, most: found.append(film))
    return found


@pytest.fixture
def opened(tmp_path):
    stores = []

    def opening(**limits):
        stores.append(FilmStore(tmp_path, Settings(**limits)))
        return stores[-1]

    yield opening
    for store in stores:
        store.close()


def test_a_film_that_comes_twice_at_once_is_one(opened, tmp_path, monkeypatch, looked):
    store, both = opened(), threading.Barrier(2, timeout=10)
    monkeypatch.setattr(film_work, "facts_of", lambda partial, name, file: both.wait())

    def sent(number):
        partial = store.partial(f"{number}")
        partial.write_bytes(b"film")
        try:
            return store.add(partial, "a" * 64, f"oma{number}.mp4")
        finally:
            partial.unlink(missing_ok=True)

    with ThreadPoolExecutor(2) as pool:
        (one, new), (other, also) = pool.map(sent, range(2))
    assert one is other
    assert sorted((new, also)) == [False, True]
    store._looking.shutdown()
    assert looked == [one]
    assert [path.name for path in tmp_path.iterdir()] == [f"{'a' * 64}.mp4"]
