"""Whether the disk will hold a film: told early, and not for a grainy beginning."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import film_parts as fp
from koalarize.errors import OutputError
from koalarize.film.coder import Coder
from koalarize.film.facts import read_facts
from koalarize.film.options import FilmOptions
from koalarize.film.parts import Coded, Part
from koalarize.film.read import Reading
from koalarize.film.store import Store


@pytest.mark.parametrize(
    ("made", "done", "read", "sure", "whole"),
    [
        (1000, 10, 0.0, 0.5, 100_000),  # nothing says how much of the file was read
        (1000, 10, 0.02, 0.5, 50_000),  # a grainy beginning, which took more of the file
        (1000, 10, 0.005, 0.5, 100_000),
        (1000, 100, 0.1, 1.0, 10_000),
    ],
)
def test_a_grainy_beginning_does_not_speak_for_the_film(made, done, read, sure, whole):
    checked = []
    store = SimpleNamespace(check_room=lambda *of, **how: checked.append((of, how)))
    coding = SimpleNamespace(frames=1000, options=FilmOptions())
    coder = Coder(cast(Any, coding), cast(Any, None), cast(Any, store), None)
    coder.keep(Part("", 0, done, 0, False, "", (Coded(0, 1, True, made),)))
    coder.check_room(read)
    assert checked == [((made, pytest.approx(whole)), {"sure": sure})]


def test_a_disk_that_may_be_full_is_not_called_so_at_once(tmp_path, monkeypatch):
    store = Store(tmp_path, "key")
    monkeypatch.setattr(
        "koalarize.film.store.shutil.disk_usage", lambda _: SimpleNamespace(free=1000)
    )
    store.check_room(100, 600, sure=0.5)
    with pytest.raises(OutputError, match="will need about"):
        store.check_room(100, 600)
    store.release()


def test_how_much_of_a_film_has_been_read_is_known(tmp_path):
    """A grainy beginning takes more of the file than of the time."""
    rng = np.random.default_rng(1)
    grainy = [rng.integers(0, 255, (48, 64)).astype(np.uint8) for _ in range(10)]
    plain = [np.full((48, 64), 90, np.uint8)] * 40
    options = {"g": "5", "bf": "0"}
    reading = Reading(read_facts(fp.write(tmp_path / "a.mkv", grainy + plain, options=options)))
    frames = reading.frames()
    assert reading.share == 0
    [next(frames) for _ in range(14)]
    assert 0.5 < reading.share < 1
    list(frames)
    assert reading.share > 0.8


def test_room_is_checked_for_a_part_of_a_film_by_its_own_frames():
    """How much of the whole file has been read says nothing of a part."""
    checked = []
    store = SimpleNamespace(check_room=lambda *of, **_: checked.append(of))
    coding = SimpleNamespace(frames=100, options=FilmOptions(start=70))
    coder = Coder(cast(Any, coding), cast(Any, None), cast(Any, store), None)
    coder.keep(Part("", 0, 10, 0, False, "", (Coded(0, 1, True, 1000),)))
    coder.check_room(0.9)
    assert checked == [(1000, 10_000)]
