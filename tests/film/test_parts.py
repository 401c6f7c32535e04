"""Parts of a film after a power cut: what is whole is known, what is not is made again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_resume import color, film, short_parts, stop_at

import film_parts as fp
from koalarize.film.names import work_folder

__all__ = ["short_parts"]


def parts_of(source: Path, ending: str) -> list[Path]:
    return sorted(work_folder(source.with_name("film.color.mp4")).glob(f"*{ending}"))


@pytest.mark.parametrize("left", ["nothing", "no bytes", "half", "other bytes"])
def test_a_part_without_what_its_shot_carries_on_is_made_again(tmp_path, short_parts, left):
    whole = color(film(tmp_path / "a"))
    source = film(tmp_path / "b")
    stop_at(source, 38)
    state = parts_of(source, ".npz")[-1]
    assert state.stem == parts_of(source, ".json")[-2].stem  # `film.json` is the last
    data = state.read_bytes()
    if left == "nothing":
        state.unlink()
    else:
        changed = {"no bytes": b"", "half": data[: len(data) // 2], "other bytes": b"x" * 99}
        state.write_bytes(changed[left])
    again = color(source)
    assert 0 < again.resumed < 38
    fp.assert_same_film(again.path, whole.path)


def test_all_files_of_a_part_are_brought_to_the_disk(tmp_path, short_parts, monkeypatch):
    source = film(tmp_path)
    brought: set[int] = set()
    fsync = os.fsync

    def noting(file):
        brought.add(os.fstat(file).st_ino)
        fsync(file)

    monkeypatch.setattr(os, "fsync", noting)
    stop_at(source, 38)
    names = parts_of(source, ".json") + parts_of(source, ".npz") + parts_of(source, ".packets")
    done = {path.stem for path in parts_of(source, ".json")}
    assert any(path.suffix == ".npz" for path in names)
    kept = [path for path in names if path.stem in done]
    assert [path.name for path in kept if path.stat().st_ino not in brought] == []
