"""Watching: a file is taken once it has stopped changing, and again when it changes."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from koalarize.batch.find import Search
from koalarize.batch.watch import watch


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
    found = watch(lambda: Search([tmp_path]), 1, wait=lambda seconds: next(steps)())
    assert [job.source.name for job in next(found)] == ["new.png"]
    assert [job.source.name for job in next(found)] == ["old.png"]
    assert next(steps, None) is None
