"""How films are kept: room for them and for what is made of them, one that comes twice."""

from __future__ import annotations

import errno
import shutil
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import pytest

from koalarize.errors import OutputError
from koalarize.web.studio import film_work
from koalarize.web.studio.film_store import FilmStore, Render
from koalarize.web.studio.problems import Problem
from koalarize.web.studio.settings import Settings

Usage = namedtuple("Usage", "free")


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
        stores.append(FilmStore(tmp_path, Settings(**limits), lambda: None))
        return stores[-1]

    yield opening
    for store in stores:
        store.close()


def keep(store, number, size):
    partial = store.partial(f"{number}")
    partial.write_bytes(bytes(size))
    return store.add(partial, f"{number:064x}", "oma.mp4")[0]


def kept(store):
    return sorted(int(key, 16) for key in store._films)


class TestRoom:
    """`disk` bounds all that stands there: films, what is made of them, and what is coming."""

    def test_films_alone(self, opened):
        store = opened(disk=1000)
        for number in range(1, 5):
            keep(store, number, 400)
        assert kept(store) == [3, 4]

    def test_results_and_kept_parts_count(self, opened, tmp_path):
        store = opened(disk=1000)
        keep(store, 1, 200)
        one = keep(store, 2, 200)
        (tmp_path / f"{one.id}.color.mp4").write_bytes(bytes(300))
        store.sweep()
        assert kept(store) == [1, 2]
        parts = tmp_path / f".{one.id}.color.mp4.koalarize" / "parts"
        parts.mkdir(parents=True)
        (parts / "0").write_bytes(bytes(301))
        store.sweep()
        assert kept(store) == [2]
        keep(store, 3, 200)
        assert kept(store) == [3]
        assert [path.name for path in tmp_path.iterdir()] == [f"{3:064x}.mp4"]

    def test_a_colouring_that_ends_makes_room(self, opened, tmp_path):
        store = opened(disk=1000)
        keep(store, 1, 400)
        film = keep(store, 2, 400)
        target = tmp_path / f"{film.id}.color.mp4"
        store.begin(film, lambda render: target.write_bytes(bytes(400)) and (), target)
        store._rendering.shutdown()
        assert kept(store) == [2]

    def test_uploads_under_way_count(self, opened):
        store = opened(disk=1000)
        with store.room(600), pytest.raises(Problem, match="wait until") as said, store.room(600):
            pass
        assert said.value.status == 507
        with store.room(0) as unannounced, store.room(600):
            store.grow(unannounced, 400)
            with pytest.raises(Problem, match="wait until"):
                store.grow(unannounced, 401)
        with store.room(1000):
            pass
        with store.room(2000):
            pass  # one alone is taken, as one alone stays

    def test_what_has_come_of_an_upload_counts(self, opened):
        store = opened(disk=1000)
        keep(store, 1, 400)
        keep(store, 2, 400)
        with store.room(600) as claim:
            store.sweep()
            assert kept(store) == [1, 2]  # a mere announcement drops nothing
            store.grow(claim, 300)
            assert kept(store) == [2]

    def test_films_that_are_coloured_count(self, opened, tmp_path):
        store = opened(disk=1000)
        film = keep(store, 1, 700)
        film.render = Render(tmp_path / "target")
        with pytest.raises(Problem, match="wait until"), store.room(400):
            pass
        film.render.state = "done"
        with store.room(400):
            pass

    def test_what_is_still_to_come_needs_free_space(self, opened, monkeypatch):
        store, free = opened(), [1000]
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(free[0]))
        with pytest.raises(Problem, match="the disk has no room"), store.room(501):
            pass
        with store.room(400) as claim:
            with pytest.raises(Problem, match="the disk has no room"), store.room(200):
                pass
            free[0] -= 400
            store.grow(claim, 400)  # what is written is no longer free, and no longer to come
            with store.room(100):
                pass

    def test_one_film_is_bounded(self, opened):
        store = opened(max_film=1000)
        with pytest.raises(Problem, match="1,000 bytes"), store.room(1001):
            pass
        with store.room(0) as claim, pytest.raises(Problem, match="1,000 bytes"):
            store.grow(claim, 1001)


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


def test_a_film_whose_file_was_cleared_away_can_be_sent_again(opened, looked):
    store = opened()
    film = keep(store, 1, 9)
    film.file.unlink()
    again = keep(store, 1, 9)
    assert again is not film
    assert again.file.exists()
    store._looking.shutdown()
    assert looked == [film, again]


def test_the_page_says_what_could_not_be_read_as_the_command_does(tmp_path, monkeypatch):
    """One damaged frame was `0.5 to 0.5 s`."""
    from types import SimpleNamespace

    from koalarize.film.result import FilmResult
    from koalarize.web.studio import film_work

    made = FilmResult(tmp_path, 9, damaged=((0.5, 0.54),), notes=("no sound",))
    monkeypatch.setattr("koalarize.film.film.color_film", lambda *_, **__: made)
    film = SimpleNamespace(file=tmp_path / "a.mp4", id="a")
    render = SimpleNamespace(target=tmp_path / "a.color.mp4")
    notes = film_work.colored(film, None, b"[]", 0.5, render)  # type: ignore[arg-type]
    assert notes == ("no sound", made.damage)
    assert notes[1].startswith("0:00:00.500 to 0:00:00.540 is damaged")
    made = FilmResult(tmp_path, 9, notes=("no sound",))
    assert film_work.colored(film, None, b"[]", 0.5, render) == ("no sound",)  # type: ignore[arg-type]


def caused(error):
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk has no room"),
        (caused(OutputError("choose another folder")), "the disk has no room"),
        (ZeroDivisionError(), "please report it"),
    ],
)
def test_what_ends_a_colouring_is_told_and_a_bug_is_logged(opened, caplog, error, said):
    store = opened()
    film = keep(store, 1, 100)

    def work(render):
        raise error

    render = store.begin(film, work, film.file)
    store._rendering.shutdown()
    assert render.state == "failed"
    assert said in render.problem
    assert ("ZeroDivisionError" in caplog.text) == isinstance(error, ZeroDivisionError)
