"""Finding pictures: what is passed over is counted, what is linked is found once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from koalarize.batch.find import Job, find_all, find_pictures
from koalarize.photo import files
from koalarize.photo.photo import Photo

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 3), 128).save(path, "PNG")
    return path


def names(jobs: list[Job]) -> list[str]:
    return [job.relative.as_posix() for job in jobs]


def test_files_of_other_kinds_are_counted(tmp_path: Path):
    for name in ("a.png", "b.heic", "c.HEIC", "sub/d.xcf", "README", ".hidden", "a.color.png"):
        picture(tmp_path / name)
    found = find_all([tmp_path, tmp_path / "*"])
    assert names(found.jobs) == ["a.png"]
    assert found.unread == {".heic": 2, ".xcf": 1, "": 1}


def test_heic_is_found_where_the_extra_is_installed(tmp_path: Path, monkeypatch):
    picture(tmp_path / "b.heic")
    monkeypatch.setattr(files.importlib.util, "find_spec", lambda name: name == "pillow_heif")
    assert names(find_pictures([tmp_path])) == ["b.heic"]


@pytest.mark.parametrize("name", ["layers.psd", "old.pcx", "moving.apng"])
def test_kinds_that_pillow_reads_are_found(tmp_path: Path, name: str):
    picture(tmp_path / name)
    assert names(find_pictures([tmp_path])) == [name]


@pytest.mark.parametrize("how", ["folder", "glob"])
def test_a_photo_called_like_a_result_is_a_photo(tmp_path: Path, how: str):
    picture(tmp_path / "anna.color.png")
    picture(tmp_path / "bert.png")
    picture(tmp_path / "bert.color.png")
    picture(tmp_path / "bert.compare.png")
    given = tmp_path if how == "folder" else tmp_path / "*.png"
    assert names(find_pictures([given])) == ["anna.color.png", "bert.png"]


def test_the_original_of_a_result_may_be_of_another_format(tmp_path: Path):
    picture(tmp_path / "a.gif")
    picture(tmp_path / "a.color.png")
    assert names(find_pictures([tmp_path])) == ["a.gif"]


@pytest.mark.parametrize("folder", ["@eaDir", "#recycle", "$RECYCLE.BIN"])
def test_folders_of_other_programs_are_passed_over(tmp_path: Path, folder: str):
    picture(tmp_path / folder / "a.png")
    picture(tmp_path / "b.png")
    assert names(find_pictures([tmp_path])) == ["b.png"]
    assert names(find_pictures([tmp_path / "**" / "*.png"])) == ["b.png"]


@POSIX
def test_linked_folders_are_searched_once(tmp_path: Path):
    box = tmp_path / "box"
    picture(tmp_path / "elsewhere" / "a.png")
    picture(box / "sub" / "b.png")
    (box / "linked").symlink_to(tmp_path / "elsewhere")
    (box / "sub" / "up").symlink_to(box)
    (box / "sub" / "again").symlink_to(tmp_path / "elsewhere")
    assert names(find_pictures([box])) == ["linked/a.png", "sub/b.png"]
    assert names(find_pictures([box / "**" / "*.png"])) == ["linked/a.png", "sub/b.png"]


@POSIX
@pytest.mark.parametrize("how", ["folder", "glob"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, how: str):
    os.mkfifo(tmp_path / "x.jpg")
    picture(tmp_path / "b.png")
    given = tmp_path if how == "folder" else tmp_path / "*"
    assert names(find_pictures([given])) == ["b.png"]


def result(path: Path) -> Path:
    """A file as koalarize writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return Photo(np.zeros((3, 4, 3), np.uint8)).write(np.zeros((3, 4, 3), np.uint8), path)


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
def test_results_below_the_input_are_no_pictures(tmp_path: Path, kind: str):
    picture(tmp_path / "a.png")
    result(tmp_path / "out" / f"a.color.{kind}")
    picture(tmp_path / "out" / f"anna.color.{kind}")
    assert names(find_pictures([tmp_path])) == ["a.png", f"out/anna.color.{kind}"]


def test_a_folder_of_results_says_so(tmp_path: Path):
    result(tmp_path / "a.color.png")
    (job,) = find_pictures([tmp_path])
    assert "only earlier results" in (job.problem or "")
