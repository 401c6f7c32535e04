"""Lists of names on the command line: what a line names, where its result goes, what goes on."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest

from cli_parts import files, one_line_error, picture, stdin
from koalarize.cli import main
from koalarize.cli.listing import read_list
from koalarize.errors import OptionError


@pytest.fixture
def box(here: Path) -> Path:
    for name in ("box/a/1.png", "box/b/1.png", "box/b/x[1].png"):
        picture(name)
    return here


def list_of(*names: str) -> str:
    Path("list").write_text("".join(f"{name}\n" for name in names))
    return "list"


def test_results_of_a_list_keep_the_folders_of_their_names(box: Path, fake):
    absolute = (box / "box/b/1.png").as_posix()
    names = list_of("box/a/1.png", "box/b/../b/x[1].png", absolute)
    assert main(["--files-from", names, "-o", "out"]) == 0
    below = Path(absolute).relative_to(Path(absolute).anchor).with_name("1.color.png").as_posix()
    assert files(box / "out") == sorted(["box/a/1.color.png", "box/b/x[1].color.png", below])


def test_a_list_goes_on_where_it_was(box: Path, fake):
    for _ in range(2):
        assert main(["--files-from", list_of("box/a/1.png", "box/b"), "-o", "out"]) == 0
    assert len(fake.calls) == 3
    assert not list((box / "box").rglob("*.sqlite"))


def test_a_list_without_output_has_no_journal_and_goes_on_by_marks(box: Path, fake):
    for _ in range(2):
        assert main(["--files-from", list_of("box/a/1.png", "box/b/1.png")]) == 0
    assert len(fake.calls) == 2
    assert not list(box.rglob("*.sqlite"))
    assert main(["--files-from", "list", "--retry-failed"]) == 2


def test_earlier_results_in_a_list_are_passed_over(box: Path, fake):
    assert main(["box/a/1.png", "-o", "1.color.png"]) == 0
    names = list_of("box/a/1.png", "box/a/1.color.png", "1.color.png")
    for _ in range(2):
        assert main(["--files-from", names, "--report", "r.jsonl"]) == 0
    assert len(fake.calls) == 2
    summary = json.loads(Path("r.jsonl").read_text().splitlines()[-1])["summary"]
    assert summary["earlier_results"] == 2


def test_a_line_is_no_pattern_and_what_it_misses_is_told(box: Path, fake, capsys):
    assert main(["--files-from", list_of("box/*/1.png", "box/a/1.PNG"), "-o", "out"]) == 1
    said = capsys.readouterr().err
    assert "box/*/1.png: does not exist" in said
    assert "`box/a/1.png` does: capital letters count here" in said
    assert fake.calls == []


def test_another_file_under_a_name_of_ours_is_replaced_if_a_person_says_so(box: Path, fake):
    picture("box/a/1-c.png", 3)
    command = ["--files-from", list_of("box/a/1.png"), "--name", "{stem}-c"]
    assert main(command) == 1
    assert main([*command, "--overwrite"]) == 0


def test_films_in_a_list_are_counted_and_left_alone(box: Path, fake, capsys):
    Path("box/f.mp4").write_bytes(b"")
    assert main(["--files-from", list_of("box/a/1.png", "box/f.mp4"), "-o", "out"]) == 0
    assert "1 film left alone: --films colours it" in capsys.readouterr().err


def test_an_empty_list_is_no_failure(box: Path, fake, capsys):
    assert main(["--files-from", list_of(), "-o", "out"]) == 0
    assert "the list names nothing to colour" in capsys.readouterr().err


def test_a_list_comes_through_a_pipe(box: Path, fake, monkeypatch: pytest.MonkeyPatch):
    stdin(monkeypatch, b"box/a/1.png\0box/b/1.png\0")
    assert main(["--files-from", "-", "--null", "-o", "out"]) == 0
    assert len(fake.calls) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"a\r\nb c\r\n\r\n",
        codecs.BOM_UTF8 + b"a\nb c",
        codecs.BOM_UTF16_LE + "a\r\nb c\r\n".encode("utf-16-le"),
    ],
)
def test_lists_of_windows_are_read(here: Path, data: bytes):
    Path("list").write_bytes(data)
    assert read_list("list") == ["a", "b c"]


def test_a_name_with_an_end_of_line_needs_null(here: Path):
    Path("list").write_bytes(b"a\r\n\0b\0")
    assert read_list("list", null=True) == ["a\r\n", "b"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--null"], "add --files-from"),
        (["--files-from", "list", "a.png"], "put it in the list"),
        (["--files-from", "list", "--watch", "1"], "leave one out"),
        (["--files-from", "gone"], "cannot be read (No such file"),
        (["--files-from", "a\0b"], "cannot be read (embedded null byte)"),
        (["--files-from", "a.png"], "must be a list of names"),
        (["--files-from", "nul"], "add --null"),
        (["--files-from", "list", "--null"], "leave --null out"),
    ],
)
def test_what_is_no_list_is_refused(here: Path, fake, capsys, words: list[str], told: str):
    Path("list").write_bytes(b"a.png\nb.png\n")
    Path("nul").write_bytes(b"a.png\0b.png\0")
    assert main(words) == 2
    assert told in one_line_error(capsys.readouterr().err)


def test_a_list_from_a_stdin_that_is_closed_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(OptionError, match="stdin is closed: name a file"):
        read_list("-")


def test_a_list_that_only_begins_as_utf_16_is_refused(here: Path):
    Path("list").write_bytes(codecs.BOM_UTF16_LE + b"\0\xdc\0")
    with pytest.raises(OptionError, match="save it as UTF-8"):
        read_list("list")
