"""Folders on the command line: plans, reports, names, shards, what is named at the end."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cli_parts import Terminal, files, one_line_error, picture
from koalarize.batch.find import Job
from koalarize.batch.journal import Journal
from koalarize.cli import main
from koalarize.cli.model_choice import ModelChoice
from koalarize.colorizer.reference import palette_of
from koalarize.errors import OutputError
from koalarize.photo.files import output_path
from koalarize.photo.photo import Photo


@pytest.fixture
def box(here: Path) -> Path:
    picture("box/a.jpg")
    picture("box/1950/b.png")
    return here


def test_results_below_the_input_are_not_colored_again(box: Path, fake):
    for _ in range(2):
        assert main(["box", "-o", "box/out"]) == 0
    assert len(fake.calls) == 2
    assert files(box / "box" / "out") == ["1950/b.color.png", "a.color.jpg"]


def test_a_folder_of_results_alone_says_so(box: Path, fake, capsys):
    assert main(["box", "-o", "out"]) == 0
    assert main(["out"]) == 1
    assert "only earlier results" in capsys.readouterr().err


def test_a_plan_changes_nothing(box: Path, fake, capsys):
    before = sorted(box.rglob("*"))
    assert main(["box", "-o", "out", "--plan"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == f"new: {Path('box/a.jpg')} -> {Path('out/a.color.jpg')}"
    assert out.splitlines()[-1].startswith("2 to colour (new); about 1 s and ")
    assert sorted(box.rglob("*")) == before
    assert fake.calls == []


def test_a_plan_knows_what_is_done_and_what_is_kept(box: Path, fake, capsys):
    assert main(["box"]) == 0
    picture("box/a.color.jpg", 3)
    Path("box/c.png").write_bytes(b"no picture")
    assert main(["box"]) == 1
    picture("box/c.png")
    capsys.readouterr()
    assert main(["box", "--plan"]) == 1
    out = capsys.readouterr().out
    assert f"new, failed before: {Path('box/c.png')} -> " in out
    assert " 1 to colour (new, failed before), 1 already coloured; about " in out
    assert "failed, changed by somebody: " in out
    assert "already coloured: " in out
    assert out.endswith("by the journal\n")
    assert len(fake.calls) == 2
    assert main(["box/1950/b.png", "gone.jpg", "--plan"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"coloured before: {Path('box/1950/b.png')} -> ")
    assert "\nfailed, no readable picture: gone.jpg: `gone.jpg` does not exist: check" in out
    assert "\n1 to colour (coloured before), 1 failed (no readable picture); about " in out


def test_a_plan_has_the_lines_of_a_report(box: Path, fake, capsys):
    picture("other/a.jpg", 9)
    Path("box/c.xcf").write_text("other")
    words = ["box", "other", "gone.jpg", "-o", "out", "--plan"]
    assert main([*words, "--report", "r.jsonl"]) == 1
    with_report = capsys.readouterr().out
    assert main(words) == 1
    assert capsys.readouterr().out == with_report
    *lines, last = map(json.loads, Path("r.jsonl").read_text().splitlines())
    assert lines[0] == {
        "source": str(Path("box/a.jpg")),
        "output": str(Path("out/a.color.jpg")),
        "status": "planned",
        "reason": "new",
    }
    assert [line["status"] for line in lines] == ["planned", "planned", "planned", "failed"]
    assert "a.color-2.jpg" in lines[2]["notes"][0]
    assert "does not exist" in lines[3]["error"]
    whole = last["summary"]
    assert whole["planned"] == {"new": 3}
    assert whole["failed"] == {"no readable picture": 1}
    assert (whole["skipped"], whole["orphaned"], whole["not_read"]) == ({}, {}, {".xcf": 1})
    assert isinstance(whole["seconds"], float)
    assert whole["bytes"] > 0
    assert fake.calls == []


def test_results_without_their_pictures_are_counted_and_a_plan_lists_them(box: Path, fake, capsys):
    assert main(["box", "-o", "out"]) == 0
    assert "no picture any more" not in capsys.readouterr().err
    Path("box/1950/b.png").unlink()
    assert main(["box", "-o", "out"]) == 0
    note = "note: 1 result has no picture any more: the same command with --plan lists it\n"
    assert capsys.readouterr().err.endswith(note)
    assert main(["box", "-o", "out", "--plan", "--report", "r.jsonl"]) == 0
    *_, line, last = capsys.readouterr().out.splitlines()
    assert line == f"its picture is gone: {Path('out/1950/b.color.png')}"
    assert last == "1 already coloured; 1 result has no picture any more"
    *_, lost, whole = map(json.loads, Path("r.jsonl").read_text().splitlines())
    assert (lost["status"], lost["output"]) == ("orphaned", str(Path("out/1950/b.color.png")))
    assert whole["summary"]["orphaned"] == {"its picture is gone": 1}


def test_results_of_earlier_versions_are_counted_with_what_renews_them(box: Path, fake, capsys):
    for name in ("a.jpg", "1950/b.png"):  # marked by their profile alone, as 0.4 did
        photo = Photo.read(Path("box") / name)
        photo.write(np.dstack([photo.pixels] * 3), output_path(Path("box") / name))
    for words in (["box"], ["box", "--plan"]):
        assert main(words) == 0
        note = "2 results stay as an earlier version made them: --overwrite colours them again"
        assert note in capsys.readouterr().err
    assert fake.calls == []


def test_results_of_other_weights_are_counted(box: Path, fake, capsys, monkeypatch):
    assert main(["box"]) == 0
    plain = fake.provenance
    monkeypatch.setattr(fake, "provenance", lambda *how: replace(plain(*how), weights="other"))
    assert main(["box"]) == 0
    said = "2 results were made again: another model, or other weights of this one, had made them"
    left = "--keep-earlier leaves such results"
    assert capsys.readouterr().err == f"koalarize: note: {said}; {left}\n"


def test_results_of_other_options_stay_with_keep_earlier(box: Path, fake, capsys):
    assert main(["box"]) == 0
    before = {path: path.read_bytes() for path in box.rglob("*.color.*")}
    capsys.readouterr()
    bold = ["box", "--vividness", "2"]
    assert main([*bold, "--plan"]) == 0
    said = "2 results would be made again: other options had made them; --keep-earlier leaves such"
    assert said in capsys.readouterr().err
    fake.calls.clear()
    assert main([*bold, "--keep-earlier"]) == 0
    said = "2 results stay as other options had made them: without --keep-earlier they are made"
    assert said in capsys.readouterr().err
    assert fake.calls == []
    assert {path: path.read_bytes() for path in box.rglob("*.color.*")} == before
    assert main(bold) == 0
    assert len(fake.calls) == 2


@pytest.mark.parametrize("option", ["--overwrite", "--compare"])
def test_keep_earlier_is_refused_beside_what_makes_results_again(box: Path, fake, capsys, option):
    assert main(["box", "--keep-earlier", option]) == 2
    assert f"`{option}` makes" in one_line_error(capsys.readouterr().err)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that takes nothing")
def test_a_report_that_finds_no_room_is_named(box: Path, fake, capsys):
    assert main(["box", "--report", "/dev/full"]) == 1
    said = "the report `/dev/full` cannot be written (No space left on device): check"
    assert said in one_line_error(capsys.readouterr().err)


def test_a_report_has_each_picture_when_it_is_done(box: Path, fake, monkeypatch):
    seen: list[int] = []

    def look(outcome: object) -> None:
        seen.append(len(Path("r.jsonl").read_text().splitlines()))

    monkeypatch.setattr("koalarize.cli.report.print_path", look)
    assert main(["box", "--report", "r.jsonl"]) == 0
    assert seen == [1, 2]


def test_the_report_is_a_line_a_picture_and_one_for_all(box: Path, fake):
    Path("box/0.jpg").write_text("no picture")
    Path("box/c.xcf").write_text("other")
    assert main(["box", "--report", "r.jsonl"]) == 1
    assert main(["box/a.jpg"]) == 0
    *lines, last = map(json.loads, Path("r.jsonl").read_text().splitlines())
    assert [Path(line["source"]).name for line in lines] == ["0.jpg", "a.jpg", "b.png"]
    assert [line["status"] for line in lines] == ["failed", "colored", "colored"]
    assert "damaged" in lines[0]["error"]
    began, ended = (datetime.fromisoformat(last["summary"].pop(at)) for at in ("began", "ended"))
    assert began <= ended <= datetime.now(UTC) < began + timedelta(minutes=10)
    assert last["summary"] == {
        "colored": {"new": 2},
        "skipped": {},
        "failed": {"no readable picture": 1},
        "not_read": {".xcf": 1},
        "earlier_results": 0,
    }


def test_the_end_says_how_many_and_why(box: Path, fake, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["box"]) == 0
    picture("box/a.color.jpg", 3)
    picture("box/c.png")
    assert main(["box"]) == 1
    assert terminal.text().splitlines()[-1] == (
        "1 coloured, 1 already coloured, 1 failed: changed by somebody"
    )
    assert "a.color.jpg` was changed by somebody" in capsys.readouterr().err


def test_second_names_are_listed(box: Path, fake, capsys):
    picture("other/a.jpg", 9)
    assert main(["box", "other", "-o", "out"]) == 0
    err = capsys.readouterr().err
    assert "note: a.jpg: its result is `a.color-2.jpg`, since `a.color.jpg` is that of" in err


def test_results_may_be_called_otherwise(box: Path, fake):
    for _ in range(2):
        assert main(["box", "--name", "{stem} (color)"]) == 0
    assert files(box / "box") == ["1950/b (color).png", "1950/b.png", "a (color).jpg", "a.jpg"]
    assert len(fake.calls) == 2


@pytest.mark.parametrize(
    "name", ["x", "{stem}", "{stem}/x", "{stem}{n}", "{stem}{stem}", "{}", "{stem}" + 300 * "0"]
)
def test_names_that_cannot_be(box: Path, fake, capsys, name: str):
    assert main(["box", "--name", name]) == 2
    assert "--name" in one_line_error(capsys.readouterr().err)


def test_shards_workers_and_times_are_asked_for(box: Path, fake):
    for part in ("1/2", "2/2"):
        words = ["--shard", part, "--workers", "1", "--keep-times"]
        assert main(["box", "-o", "out", *words]) == 0
    assert files(box / "out") == ["1950/b.color.png", "a.color.jpg"]
    assert len(fake.calls) == 2
    assert Path("out/a.color.jpg").stat().st_mtime_ns == Path("box/a.jpg").stat().st_mtime_ns


def test_what_failed_is_tried_again(box: Path, fake):
    Path("box/0.jpg").write_text("no picture")
    assert main(["box"]) == 1
    picture("box/0.jpg")
    picture("box/9.jpg")
    assert main(["box", "--retry-failed"]) == 0
    assert not Path("box/9.color.jpg").exists()
    assert Path("box/0.color.jpg").exists()


def test_blas_has_one_thread_where_pictures_are_colored(here: Path):
    code = (
        "import os; os.environ.pop('OPENBLAS_NUM_THREADS', None);"
        "from koalarize.cli import main; main(['--version']);"
        "raise SystemExit(os.environ.get('OPENBLAS_NUM_THREADS') != '1')"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_watch_takes_what_arrives_in_its_first_run(box: Path, fake, monkeypatch):
    class EnoughError(Exception):
        pass

    def arrive(outcomes, *args, **more):
        for outcome in outcomes:
            followed.append(outcome.source.name)
        picture("box/late.png")
        if "late.png" in followed:
            raise EnoughError
        return 0

    followed: list[str] = []
    monkeypatch.setattr("koalarize.cli.folders.follow", arrive)
    with pytest.raises(EnoughError):
        main(["box", "--watch", "0.05"])
    assert followed == ["a.jpg", "b.png", "late.png"]


def test_a_watch_takes_what_arrives_while_the_model_loads(box: Path, fake, monkeypatch):
    def looking(search, seconds, before, again):
        late = {str(job.source) for job in search()} - before.keys()
        seen.extend(Path(name).name for name in late)
        return iter(())

    seen: list[str] = []
    load = ModelChoice.load
    monkeypatch.setattr("koalarize.cli.folders.watch", looking)
    monkeypatch.setattr(
        ModelChoice, "load", lambda self, **how: picture("box/late.png") and load(self, **how)
    )
    assert main(["box", "--watch", "1"]) == 0
    assert seen == ["late.png"]


def test_a_watched_picture_keeps_the_file_it_goes_to(box: Path, fake, monkeypatch):
    def once(search, seconds, before, again):
        yield list(search())

    monkeypatch.setattr("koalarize.cli.folders.watch", once)
    words = ["box/a.jpg", "-o", "new.jpg", "--overwrite", "--watch", "1"]
    assert main(words) == 0
    assert len(fake.calls) == 2
    assert files(box / "box") == ["1950/b.png", "a.jpg"]
    assert (box / "new.jpg").exists()


def test_results_are_no_part_of_a_series(box: Path, fake, monkeypatch):
    def palette(colorizer, jobs, steering):
        looked.append([job.source.name for job in jobs])
        return palette_of(picture("orange.png"))

    looked: list[list[str]] = []
    monkeypatch.setattr("koalarize.batch.series.palette_of_series", palette)
    picture("box/c.bmp")  # whose result only the journal knows
    for _ in range(2):
        assert main(["--series", "box", "--name", "{stem} (color)", "--no-mark"]) == 0
    assert looked[0] == looked[1]


def test_a_watch_adds_to_its_report(box: Path, fake, monkeypatch):
    later = [Job(box / "box" / "late.png", box / "box")]

    def once(search, seconds, before, again):
        assert sorted(Path(name).name for name in before) == ["a.jpg", "b.png"]
        picture("box/late.png")
        yield later

    monkeypatch.setattr("koalarize.cli.folders.watch", once)
    assert main(["box", "--watch", "1", "--report", "r.jsonl"]) == 0
    lines = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    sources = [Path(line["source"]).name for line in lines if "source" in line]
    assert sources == ["a.jpg", "b.png", "late.png"]


def test_a_watch_knows_what_failed_by_no_fault_of_its_own(box: Path, fake, monkeypatch):
    waits: list[str] = []

    def looking(search, seconds, before, again):
        waits.extend(again._waits)
        return iter(())

    Path("out/1950").parent.mkdir()
    Path("out/1950").write_text("in the way of the folder")
    monkeypatch.setattr("koalarize.cli.folders.watch", looking)
    assert main(["box", "-o", "out", "--watch", "1"]) == 1
    assert [Path(name).name for name in waits] == ["b.png"]


def test_a_watch_of_an_empty_folder_waits(here: Path, fake, monkeypatch, capsys):
    """It was told as an error, and as a failure in the report."""
    monkeypatch.setattr("koalarize.cli.folders.watch", lambda *_: ())
    Path("inbox").mkdir()
    assert main(["inbox", "-o", "out", "--watch", "1", "--report", "r.jsonl"]) == 0
    assert capsys.readouterr().err == "koalarize: note: `inbox` holds no picture yet\n"
    assert '"failed": {}' in Path("r.jsonl").read_text()
    assert main(["inbox", "-o", "out"]) == 1


def test_a_journal_without_room_ends_no_watch(box: Path, fake, monkeypatch, capsys):
    """As on a disk that was full for an hour of the night."""

    def looking(search, seconds, before, again):
        assert before == {}  # all are judged once more
        yield list(search())
        assert sorted(Path(name).name for name in again._waits) == ["a.jpg", "b.png"]
        monkeypatch.setattr(Journal, "finish", finish)
        yield list(search())
        assert again._waits == {}

    def full(self, *given):
        raise OutputError("there is no space left")

    finish = Journal.finish
    monkeypatch.setattr(Journal, "finish", full)
    monkeypatch.setattr("koalarize.cli.folders.watch", looking)
    assert main(["box", "-o", "out", "--watch", "1"]) == 0
    assert capsys.readouterr().err.count("no space left; the watch goes on\n") == 2
    assert files(box / "out") == ["1950/b.color.png", "a.color.jpg"]
    monkeypatch.setattr(Journal, "finish", full)
    assert main(["box", "-o", "new"]) == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["box", "--plan", "--watch", "1"], "`--watch` has no place"),
        (["box", "--layer", "--compare"], "`--compare`"),
        (["box", "--watch", "inf"], "must be at most 86400"),
        (["box/a.jpg", "--retry-failed"], "`--retry-failed` needs a journal"),
        (["box/a.jpg", "--name", "{stem}_c", "-o", "q.png"], "both name the result"),
        (["box", "--series", ""], "`--series` is empty"),
        (["--series", ""], "`--series` is empty"),
        (["box", "-o", ""], "`-o` is empty: give it a value"),
        (["box", "--journal="], "`--journal` is empty"),
        (["--report=", "box", "--best"], "`--report` is empty"),
        (["--best", "", "box"], "a file name is empty"),
        (["box/a.jpg", "--hint", "1,1=#ff0000", "--watch", "1"], "`--hint` is for one picture"),
        (["box/a.jpg", "--crop", "0,0,4,4", "--watch", "1"], "`--crop` is for one picture"),
        (["box/a.jpg", "--report", "box/b.png"], "must not end as a picture"),
        (["box/a.jpg", "--report", "notes.txt"], "holds something that is no report"),
        (["box/a.jpg", "--report", "-"], "`--report` is `-` but must be a file"),
        (["box", "--journal", "box"], "`--journal` is the folder `box`"),
        (["box", "--journal", "new.jpg"], "must not end as a picture"),
        (["box", "--journal", "notes.txt"], "which is no journal"),
        (["box", "--journal", "album.db"], "the database of another program"),
        (["box", "--crf", "20"], "`--crf` is for films"),
        (["box", "--list-shots"], "`--list-shots` is for films"),
        (["film.mp4", "--plan", "--list-shots"], "`--list-shots` are two jobs"),
        (["film.mp4", "--workers", "2"], "`--workers` is for pictures"),
        (["film.mp4", "--report", "r"], "`--report` is for pictures"),
        (["film.mp4", "--tolerant"], "`--tolerant` is for pictures"),
        (["film.mp4", "--list-shots", "--preview", "3"], "`--preview` are two jobs"),
        (["-", "--keep-times"], "`--keep-times` goes with files"),
    ],
)
def test_what_has_no_place_is_refused(box: Path, fake, capsys, words: list[str], named: str):
    Path("notes.txt").write_text("to do")
    with closing(sqlite3.connect("album.db")) as album:
        album.execute("CREATE TABLE photos (name TEXT)")
    before = [path.read_bytes() for path in sorted(box.rglob("*.*"))]
    assert main(words) == 2
    assert named in one_line_error(capsys.readouterr().err)
    assert fake.calls == []
    assert [path.read_bytes() for path in sorted(box.rglob("*.*"))] == before


def test_a_report_is_written_again(box: Path, fake):
    for _ in range(2):
        assert main(["box", "--report", "r.jsonl"]) == 0
    assert len(Path("r.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("words", [["--version"], ["box/a.jpg", "--overwrite"]])
def test_a_closed_stdout_is_no_error(box: Path, fake, monkeypatch, words: list[str]):
    monkeypatch.setattr("sys.stdout", None)
    assert main(words) == 0
