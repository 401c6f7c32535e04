"""Runs that end before they note their results: those are known, and a person's files are kept."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from test_whose import DONE, picture, run, told

from fakes import Reddener
from koalarize.batch.find import find_pictures
from koalarize.batch.journal import JOURNAL, Journal, Made, Stamp
from koalarize.batch.plan import BatchOptions, Planner
from koalarize.batch.run import asked_of, plan_many
from koalarize.errors import OutputError, PhotoError
from koalarize.photo.files import part_of
from koalarize.steering.steering import PLAIN, Steering

UNMARKED = Steering(mark=False)


class Stopping(Reddener):
    """Ends before it colours, by an error or as a process ends."""

    def __init__(self, by: type[BaseException] = PhotoError) -> None:
        super().__init__()
        self.by = by

    def file(self, *given, **named):
        raise self.by("stopped")


def stop(red: Reddener, *inputs: Path, steering=UNMARKED, **options) -> None:
    """Run what ends as a process does, or by an error of each picture."""
    with contextlib.suppress(KeyboardInterrupt):
        outcomes = run(red, *inputs, steering=steering, **options)
        assert {outcome.status for outcome in outcomes} == {"failed"}


@pytest.fixture(params=[PhotoError, KeyboardInterrupt])
def stopping(request) -> Stopping:
    return Stopping(request.param)


@pytest.mark.parametrize(("name", "mark"), [("a.bmp", True), ("a.png", False)])
def test_a_file_of_a_person_is_kept_after_a_run_that_made_none(tmp_path, stopping, name, mark):
    source = picture(tmp_path / "box" / name)
    steering = Steering(mark=mark)
    stop(stopping, source.parent, steering=steering)
    own = picture(source.with_name(f"a.color{source.suffix}"), 3)
    before = own.read_bytes()
    assert told(run(Reddener(), source.parent, steering=steering)) == [("failed", "not ours")]
    assert own.read_bytes() == before


def test_a_foreign_file_is_kept_after_an_overwriting_run_that_made_none(tmp_path, stopping):
    source = picture(tmp_path / "box" / "a.bmp")
    own = picture(source.with_name("a.color.bmp"), 3)
    stop(stopping, source.parent, overwrite=True)
    before = own.read_bytes()
    assert told(run(Reddener(), source.parent)) == [("failed", "not ours")]
    assert own.read_bytes() == before


def test_a_changed_result_is_known_after_a_run_that_made_none(tmp_path, stopping):
    box = picture(tmp_path / "box" / "a.bmp").parent
    run(Reddener(), box)
    stop(stopping, box, steering=Steering(mark=False, vividness=2))
    assert told(run(Reddener(), box)) == [DONE]
    picture(box / "a.color.bmp", 9)
    assert told(run(Reddener(), box)) == [("failed", "changed by somebody")]


@pytest.mark.parametrize("several", [False, True])
def test_a_result_that_was_not_noted_any_more_is_known(tmp_path, monkeypatch, several):
    """The process ends between the result and its note."""
    box = picture(tmp_path / "box" / "a.bmp").parent
    if several:
        picture(box / "b.bmp", 7)

    def never(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as ending, pytest.raises(KeyboardInterrupt):
        ending.setattr("koalarize.batch.run._noted", never)
        run(Reddener(), box)
    red = Reddener()
    for _ in range(2):
        assert told(run(red, box)) == [DONE] * (1 + several)
    assert red.made == []
    picture(box / "a.color.bmp", 9)
    assert told(run(red, box))[0] == ("failed", "changed by somebody")


def test_a_file_in_place_of_a_result_that_was_not_noted_is_kept(tmp_path, monkeypatch):
    box = picture(tmp_path / "box" / "a.bmp").parent

    def never(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as ending, pytest.raises(KeyboardInterrupt):
        ending.setattr("koalarize.batch.run._noted", never)
        run(Reddener(), box)
    picture(box / "a.color.bmp", 9)
    assert told(run(Reddener(), box)) == [("failed", "not ours")]


def test_a_result_without_a_mark_appears_whole_and_leaves_nothing(tmp_path):
    box = picture(tmp_path / "box" / "a.bmp").parent
    run(Reddener(), box, keep_times=True)
    assert sorted(path.name for path in box.iterdir()) == [JOURNAL, "a.bmp", "a.color.bmp"]
    assert (box / "a.color.bmp").stat().st_mtime_ns == (box / "a.bmp").stat().st_mtime_ns
    stop(Stopping(), box, steering=Steering(mark=False, vividness=2))
    assert len(list(box.iterdir())) == 3


def test_what_appears_meanwhile_is_kept(tmp_path):
    """A person's file that comes while its picture is coloured."""
    box = picture(tmp_path / "box" / "a.bmp").parent

    class Slow(Reddener):
        def file(self, *given, **named):
            made = super().file(*given, **named)
            picture(box / "a.color.bmp", 9)
            return made

    (outcome,) = run(Slow(), box)
    assert (outcome.status, outcome.reason) == ("failed", "cannot be written")
    assert f"`{box / 'a.color.bmp'}` exists already" in (outcome.error or "")
    with Image.open(box / "a.color.bmp") as image:
        assert image.getpixel((0, 0)) == 9


def test_an_error_names_the_result_and_not_where_it_is_made(tmp_path):
    class Full(Reddener):
        def file(self, source, target=None, *given, **named):
            raise OutputError(f"`{target}` cannot be written (no space): choose another folder")

    box = picture(tmp_path / "box" / "a.bmp").parent
    (outcome,) = run(Full(), box)
    assert (outcome.error or "").startswith(f"`{box / 'a.color.bmp'}` cannot be written")


def test_a_journal_of_an_earlier_version_is_read(tmp_path):
    """It has no table of announced results, and names what was begun without its bytes."""
    source = picture(tmp_path / "box" / "a.bmp")
    run(Reddener(), source.parent)
    with sqlite3.connect(source.with_name(JOURNAL)) as database:
        database.execute("DROP TABLE announced")
    readonly = Journal(source.with_name(JOURNAL), readonly=True)
    assert readonly.announced(source.with_name("a.color.bmp")) is None
    readonly.close()
    options = BatchOptions()
    planner = Planner(options, asked_of(Reddener(), PLAIN, options), plan_only=True)  # type: ignore[arg-type]
    ((_, planned),) = plan_many(find_pictures([source.parent]), planner)
    assert planned.reason == "already coloured"  # type: ignore[union-attr]
    with sqlite3.connect(source.with_name(JOURNAL)) as database:
        database.execute("UPDATE results SET size = NULL, time = NULL, hash = NULL")
    assert told(run(Reddener(), source.parent)) == [("failed", "not ours")]


def test_a_full_disk_is_named_as_such(tmp_path):
    """Another journal would not help, as the sentence for a damaged one says."""
    journal = Journal(tmp_path / JOURNAL)
    (pages,) = journal._database.execute("PRAGMA page_count").fetchone()
    journal._database.execute(f"PRAGMA max_page_count = {pages}")
    source = picture(tmp_path / "a.bmp")
    with pytest.raises(OutputError, match=r"^there is no space left for the journal .*: make room"):
        for number in range(2000):
            journal.fail(f"{number} {source}", "not done", "x" * 500)


def test_what_a_killed_run_left_in_its_own_folder_is_swept(tmp_path):
    box = picture(tmp_path / "box" / "a.bmp").parent
    old, new = box / ".koalarize-0011223344556677.parts", box / ".koalarize-8811223344556677.parts"
    for folder in (old, new):
        folder.mkdir()
        (folder / "x.color.bmp").write_bytes(b"half")
    os.utime(old, (1, 1))
    run(Reddener(), box)
    assert not old.exists()
    assert new.exists()
    with subprocess.Popen(["true"]) as process:
        process.wait()
    ended, lives = (box / f"{part_of(one)}00.parts" for one in (process.pid, os.getpid()))
    ended.mkdir()
    lives.mkdir()
    run(Reddener(), box)
    assert not ended.exists()
    assert lives.exists()


def test_a_journal_that_a_killed_run_was_writing_can_be_read(tmp_path):
    """SQLite takes back what was half written, for which the file must be opened to be written."""
    place, folder = tmp_path / JOURNAL, tmp_path / "killed"
    made = Made("a" * 900, "asked", Stamp(1, 1), Stamp(1, 1))
    with closing(Journal(place)) as journal:
        journal.finish(tmp_path / "0", made)
        journal.commit()
        journal._database.execute("PRAGMA cache_size = 2")
        for number in range(200):
            journal.finish(tmp_path / str(number), dataclasses.replace(made, settings="other"))
        folder.mkdir()
        for path in tmp_path.glob(f"{JOURNAL}*"):
            shutil.copy(path, folder)
    with closing(Journal(folder / JOURNAL, readonly=True)) as journal:
        assert journal.made(folder / "0") == made


def test_what_refuses_a_journal_is_named(tmp_path, monkeypatch):
    """Another folder would help against neither, as the sentence for a locked folder says."""
    with closing(Journal(tmp_path / JOURNAL)) as held:
        held._database.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr("koalarize.batch.journal._WAIT_SECONDS", 0.01)
        with pytest.raises(OutputError, match="is locked by another program for more than"):
            Journal(tmp_path / JOURNAL)
    opened = sqlite3.connect

    def failing(*given, **named):
        opened(*given, **named).close()
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
        raise error

    monkeypatch.setattr("sqlite3.connect", failing)
    with pytest.raises(OutputError, match=r"read or written \(disk I/O error\): .* `ulimit -f`"):
        Journal(tmp_path / "new.sqlite")


def test_a_journal_that_cannot_be_used_is_asked_once(tmp_path, monkeypatch):
    """One that is locked lets wait for a minute; each of many pictures had waited for it."""
    asked: list[Path] = []

    def refuse(path, **how):
        asked.append(path)
        raise OutputError("locked")

    monkeypatch.setattr("koalarize.batch.plan.Journal", refuse)
    boxes = [tmp_path / "one", tmp_path / "two"]
    for box in boxes:
        for name in ("a.png", "b.png", "c.png"):
            picture(box / name)
    assert told(run(Reddener(), *boxes)) == [("failed", "cannot be written")] * 6
    assert asked == [box / JOURNAL for box in boxes]
