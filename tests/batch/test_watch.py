"""Watching: a file is taken once it has stopped changing, and again when it changes."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from koalarize.batch.find import Search
from koalarize.batch.plan import Outcome
from koalarize.batch.watch import Again, signs_of, watch


def test_new_files_are_taken_when_they_are_stable(tmp_path: Path):
    Image.new("L", (4, 3)).save(tmp_path / "old.png")
    steps = iter(
        [
            lambda: Image.new("L", (4, 3)).save(tmp_path / "new.png"),
            lambda: os.utime(tmp_path / "new.png", (1, 1)),  # somebody still writes it
            lambda: None,
            lambda: os.utime(tmp_path / "old.png", (2, 2)),
            lambda: None,
        ]
    )
    before = signs_of(Search([tmp_path]))
    found = watch(
        lambda: Search([tmp_path]), 1, before, Again(), wait=lambda seconds: next(steps)()
    )
    assert [job.source.name for job in next(found)] == ["new.png"]
    assert [job.source.name for job in next(found)] == ["old.png"]
    assert next(steps, None) is None


def test_a_file_that_came_while_the_first_ones_were_coloured_is_new(tmp_path: Path):
    before = signs_of(Search([tmp_path]))
    Image.new("L", (4, 3)).save(tmp_path / "meanwhile.png")
    found = watch(lambda: Search([tmp_path]), 1, before, Again(), wait=lambda seconds: None)
    assert [job.source.name for job in next(found)] == ["meanwhile.png"]


def failed(source: Path, reason: str = "cannot be written") -> Outcome:
    return Outcome(source, None, "failed", "there is no space left", reason=reason)


def test_a_picture_that_failed_for_want_of_room_is_tried_again_ever_more_seldom(tmp_path: Path):
    picture = tmp_path / "a.png"
    Image.new("L", (4, 3)).save(picture)
    now = [0.0]

    def wait(seconds: float) -> None:
        now[0] += seconds
        assert now[0] < 20_000, "it is not tried again"

    again = Again(lambda: now[0])
    again.note(failed(picture))  # in the first run
    looks = watch(lambda: Search([tmp_path]), 10, signs_of(Search([tmp_path])), again, wait=wait)
    tried = []
    for _ in range(9):
        assert [job.source for job in next(looks)] == [picture]
        tried.append(now[0])
        again.note(failed(picture))
    gaps = [after - before for before, after in zip([0.0, *tried], tried, strict=False)]
    assert gaps == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    again.note(Outcome(picture, picture, "colored"))
    assert not again.is_due(str(picture))


def test_a_picture_that_is_bad_itself_waits_until_it_changes(tmp_path: Path):
    now = [0.0]
    again = Again(lambda: now[0])
    again.note(failed(tmp_path / "full.png"))
    for reason in ("no readable picture", "changed by somebody", "not ours"):
        again.note(failed(tmp_path / f"{reason}.png", reason))
    now[0] = 1e6
    due = [path for path in again._waits if again.is_due(path)]
    assert due == [str(tmp_path / "full.png")]
