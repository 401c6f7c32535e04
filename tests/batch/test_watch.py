"""Watching: a file is taken once it has stopped changing, and again when it changes."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from koalarize.batch.find import Search
from koalarize.batch.watch import signs_of, watch


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
    found = watch(lambda: Search([tmp_path]), 1, before, wait=lambda seconds: next(steps)())
    assert [job.source.name for job in next(found)] == ["new.png"]
    assert [job.source.name for job in next(found)] == ["old.png"]
    assert next(steps, None) is None


def test_a_file_that_came_while_the_first_ones_were_coloured_is_new(tmp_path: Path):
    before = signs_of(Search([tmp_path]))
    Image.new("L", (4, 3)).save(tmp_path / "meanwhile.png")
    found = watch(lambda: Search([tmp_path]), 1, before, wait=lambda seconds: None)
    assert [job.source.name for job in next(found)] == ["meanwhile.png"]
