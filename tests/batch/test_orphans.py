"""Results whose pictures are gone: which count, and which are left unsaid."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from koalarize.batch import journal as journals
from koalarize.batch.journal import Journal, Made, Stamp
from koalarize.batch.orphans import orphans
from koalarize.batch.plan import BatchOptions
from koalarize.batch.shard import Shard
from koalarize.batch.standing import journal_name


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures that are there, and a folder for results, in the folder of work."""
    monkeypatch.chdir(tmp_path)
    Path("box").mkdir()
    Path("out").mkdir()
    return tmp_path


def made(name: str, target: str, journal: str = "out/.koalarize.sqlite", *, there: bool) -> None:
    """Note a result and write it; of its picture only if it is there."""
    if there:
        Path(name).touch()
    Path(target).touch()
    book = Journal(Path(journal))
    facts = Stamp(1, 1)
    book.finish(Path(target), Made(journal_name(Path(name)), "", facts, facts))
    book.close()


def lost(*inputs: str, options: BatchOptions | None = None) -> list[str]:
    options = options or BatchOptions(output=Path("out"))
    return [str(one.output) for one in orphans(inputs, options)]


def test_a_result_whose_picture_is_there_is_none(box: Path):
    made("box/a.jpg", "out/a.color.jpg", there=True)
    made("box/b.jpg", "out/b.color.jpg", there=False)
    assert lost("box") == [str(Path("out/b.color.jpg"))]


def test_a_result_that_is_gone_too_is_none(box: Path):
    made("box/b.jpg", "out/b.color.jpg", there=False)
    Path("out/b.color.jpg").unlink()
    assert lost("box") == []


def test_pictures_of_other_folders_do_not_count(box: Path):
    made("box/b.jpg", "out/b.color.jpg", there=False)
    made("boxes/c.jpg", "out/c.color.jpg", there=False)
    Path("other").mkdir()
    assert lost("other") == []
    assert lost("box") == [str(Path("out/b.color.jpg"))]


def test_a_folder_of_pictures_that_is_gone_has_lost_them_all(box: Path):
    made("box/1950/b.jpg", "out/b.color.jpg", there=False)
    assert lost("box") == [str(Path("out/b.color.jpg"))]


def test_a_folder_that_cannot_be_listed_has_lost_nothing(
    box: Path, monkeypatch: pytest.MonkeyPatch
):
    def locked(folder: str) -> list[str]:
        raise PermissionError(folder)

    made("box/b.jpg", "out/b.color.jpg", there=False)
    monkeypatch.setattr(os, "listdir", locked)
    assert lost("box") == []


def test_a_name_that_is_listed_under_another_spelling_is_there(
    box: Path, monkeypatch: pytest.MonkeyPatch
):
    def otherwise(folder: str) -> list[str]:
        return ["A.JPG"] if folder else []

    made("box/a.jpg", "out/a.color.jpg", there=True)
    monkeypatch.setattr(os, "listdir", otherwise)
    assert lost("box") == []


def test_a_folder_is_listed_once_and_rows_come_by_portions(
    box: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in "abcde":
        made(f"box/{name}.jpg", f"out/{name}.color.jpg", there=True)
    made("box/f.jpg", "out/f.color.jpg", there=False)
    looks: list[str] = []
    names = os.listdir

    def noted(folder: str) -> list[str]:
        looks.append(folder)
        return names(folder)

    monkeypatch.setattr(os, "listdir", noted)
    portion = journals._SOME_RESULTS.replace("10000", "2")
    monkeypatch.setattr(journals, "_SOME_RESULTS", portion)
    assert lost("box") == [str(Path("out/f.color.jpg"))]
    assert len([look for look in looks if look]) == 1


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_utf8_is_found(box: Path):
    for name in (os.fsdecode(b"box/\xe9.jpg"), os.fsdecode(b"box/\xe9/a.jpg")):
        try:
            Path(name).parent.mkdir(exist_ok=True)
            made(name, f"out/{len(name)}.color.jpg", there=True)
        except OSError:
            pytest.skip("this file system takes no such name")
    assert lost("box") == []


def test_each_shard_looks_into_its_own_journal(box: Path):
    options = BatchOptions(output=Path("out"), shard=Shard(1, 2))
    made("box/b.jpg", "out/b.color.jpg", "out/.koalarize-1-of-2.sqlite", there=False)
    made("box/c.jpg", "out/c.color.jpg", "out/.koalarize-2-of-2.sqlite", there=False)
    assert lost("box", options=options) == [str(Path("out/b.color.jpg"))]


def test_a_run_without_a_shard_looks_into_the_journals_of_all(box: Path):
    made("box/b.jpg", "out/b.color.jpg", "out/.koalarize-1-of-2.sqlite", there=False)
    made("box/c.jpg", "out/c.color.jpg", "out/.koalarize-2-of-2.sqlite", there=False)
    made("box/c.jpg", "out/c.color.jpg", there=False)
    assert sorted(lost("box")) == [str(Path(f"out/{name}.color.jpg")) for name in "bc"]


def test_without_an_output_the_journal_lies_in_the_searched_folder(box: Path):
    made("box/b.jpg", "box/b.color.jpg", "box/.koalarize.sqlite", there=False)
    assert lost("box", options=BatchOptions()) == [str(Path("box/b.color.jpg"))]


def test_a_journal_that_is_named_is_looked_into(box: Path):
    made("box/b.jpg", "out/b.color.jpg", "mine.sqlite", there=False)
    options = BatchOptions(output=Path("out"), journal=Path("mine.sqlite"))
    assert lost("box", options=options) == [str(Path("out/b.color.jpg"))]
