"""``koalarize cluster``: options, exit codes and what is said."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from cli_parts import FakeColorizer, Terminal, files, one_line_error, picture
from koalarize.cli import main

pytest.importorskip("pyarrow")
HERE = ("--workers", "0")


@pytest.fixture
def box(here: Path, fake: FakeColorizer) -> Path:
    picture("box/a.png")
    picture("box/deep/b.png")
    return here


def test_exit_codes_and_paths(box: Path, capsys):
    assert main(["cluster", "box", "out", *HERE]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        str(box / "out" / name) for name in ("a.color.png", "deep/b.color.png")
    ]
    assert printed.err == ""
    Path("box/bad.jpg").write_bytes(b"no picture")
    assert main(["cluster", "box", "out", *HERE]) == 1
    assert "bad.jpg" in capsys.readouterr().err
    Path("box.zip").touch()
    assert main(["cluster", "box.zip", "out", *HERE]) == 1
    assert "is an archive but must be an address: give `zip://::box.zip`" in one_line_error(
        capsys.readouterr().err
    )
    assert main(["cluster", "none", "out", *HERE]) == 1
    assert "`none` is no folder" in one_line_error(capsys.readouterr().err)


def test_steering_and_files_options_reach_the_pictures(box: Path, fake: FakeColorizer):
    words = ["--vividness", "1.4", "--name", "{stem} (color)", *HERE]
    assert main(["cluster", "box", "out", *words]) == 0
    assert [call["steering"].vividness for call in fake.calls] == [1.4, 1.4]
    assert [name for name in files(box / "out") if "_koala" not in name] == [
        "a (color).png", "deep/b (color).png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hint", "1,1=#ff0000"], "`--hint` is for one picture"),
        (["--crop", "0,0,2,2"], "`--crop` is for one picture"),
        (["--reach", "2"], "`--reach` is for one picture"),
        (["--shard", "9/3"], "`--shard` is `9/3`"),
        (["--name", "plain"], "`--name` is `plain`"),
        (["--gpus", "0.5"], "`--workers 0` works in this process"),
        (["--address", "auto"], "`--workers 0` works in this process"),
        (["--model", "no-such"], "`--model` is `no-such`"),
        (["--plain-bytes"], "`--plain-bytes` is for tables but OUTPUT is `out`"),
    ],
)
def test_wrong_options(box: Path, words: list[str], said: str, capsys):
    assert main(["cluster", "box", "out", *HERE, *words]) == 2
    assert said in one_line_error(capsys.readouterr().err)
    assert not Path("out").exists()


def test_the_help_names_what_can_be_asked(capsys):
    assert main(["cluster", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    words = [line.split()[0] for line in lines if line.startswith(("  -", "   /"))]
    assert {"--no-mark", "--vividness", "--address", "-y,"} <= set(words)
    assert not {"--hint", "--crop", "--reach", "/"} & set(words)
    text = " ".join(" ".join(lines).split())
    assert "auto or HOST:PORT on one of its machines, ray://HOST:10001 from elsewhere" in text


def test_the_extra_that_is_missing_is_named(box: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["cluster", "box", "out"]) == 1
    text = one_line_error(capsys.readouterr().err)
    assert "needs `ray`" in text
    assert 'pip install "koalarize[cluster]"' in text
    assert not Path("out").exists()
    assert main(["cluster", "box", "out", *HERE]) == 0
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["cluster", "box", "out", *HERE]) == 1
    assert "needs `pyarrow`" in one_line_error(capsys.readouterr().err)


def test_results_without_their_pictures_are_counted_and_a_plan_lists_them(box: Path, capsys):
    assert main(["cluster", "box", "out", *HERE]) == 0
    Path("box/a.png").unlink()
    capsys.readouterr()
    assert main(["cluster", "box", "out", *HERE]) == 0
    note = "1 result has no picture any more: the same command with --plan lists it"
    assert capsys.readouterr().err == f"koalarize: note: {note}\n"
    assert main(["cluster", "box", "out", "--plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"its picture is gone: {box / 'out' / 'a.color.png'}" in lines


def test_a_plan_and_a_report(box: Path, capsys):
    assert main(["cluster", "box", "out", "--plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["new: a.png -> a.color.png", "new: deep/b.png -> deep/b.color.png"]
    assert lines[2].startswith("2 to colour (new); about ")
    assert not Path("out").exists()
    assert main(["cluster", "box", "out", "--plan", "--report", "p.jsonl"]) == 0
    assert capsys.readouterr().out.splitlines() == lines
    planned = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    assert planned[1] == {
        "source": "deep/b.png", "output": "deep/b.color.png", "status": "planned", "reason": "new",
    }  # fmt: skip
    assert planned[2]["summary"]["planned"] == {"new": 2}
    terminal = Terminal()
    picture("odd/a\x1b[31m.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        assert main(["cluster", "odd", "out", "--plan"]) == 0
    assert terminal.text().startswith(r"new: a\x1b[31m.png -> a\x1b[31m.color.png")
    assert main(["cluster", "box", "out", "--report", "r.jsonl", *HERE]) == 0
    told = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert [one["status"] for one in told[:2]] == ["colored", "colored"]
    assert told[2]["summary"]["colored"] == {"new": 2}
    capsys.readouterr()
    assert main(["cluster", "box", "out", "--plan"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "already coloured: a.png", "already coloured: deep/b.png", "2 already coloured",
    ]  # fmt: skip
    assert main(["cluster", "box", "out", "--plan", "--overwrite"]) == 0
    assert "\n2 to colour (coloured before); about " in capsys.readouterr().out
    Path("box/bad.png").write_bytes(b"no picture")
    assert main(["cluster", "box", "out", *HERE]) == 1
    assert main(["cluster", "box", "out", "--plan"]) == 0
    assert "\nnew, failed before: bad.png -> bad.color.png\n" in capsys.readouterr().out
    Path("box/bad.png").unlink()
    assert main(["cluster", "box", "out", "--overwrite", "--report", "r.jsonl", *HERE]) == 0
    summary = json.loads(Path("r.jsonl").read_text().splitlines()[-1])["summary"]
    assert summary["colored"] == {"coloured before": 2}


def test_an_output_that_ends_with_parquet_is_a_table(box: Path, capsys):
    assert main(["cluster", "box", "out.parquet", *HERE]) == 0
    assert all(name.endswith(".parquet") for name in files(box / "out.parquet"))
    assert main(["cluster", "out.parquet", "back", *HERE]) == 0
    names = [name for name in files(box / "back") if "_koala" not in name]
    assert names == ["a.color.png", "deep/b.color.png"]
    Path("box/a.png").unlink()
    capsys.readouterr()
    assert main(["cluster", "box", "out.parquet", "--plan"]) == 0
    lost, last = capsys.readouterr().out.splitlines()[-2:]
    assert lost.startswith(f"its picture is gone: row `a.png` of {box / 'out.parquet' / 'part-'}")
    assert last == "1 already coloured; 1 result has no picture any more"


@pytest.mark.parametrize("given", ["in.parquet", "./in.parquet/", "link.parquet"])
def test_tables_are_not_mixed_with_results(box: Path, given: str, capsys):
    Path("link.parquet").symlink_to("in.parquet")
    assert main(["cluster", "box", "in.parquet", *HERE]) == 0
    capsys.readouterr()
    assert main(["cluster", "in.parquet", given, *HERE]) == 2
    assert f"OUTPUT is `{given}` like INPUT" in one_line_error(capsys.readouterr().err)


def test_a_graphics_card_is_asked_for_by_its_provider(box: Path, monkeypatch: pytest.MonkeyPatch):
    from koalarize.batch.cluster import run

    orders = []

    def remember(order, portions, machines):
        orders.append((order, machines))
        return iter(())

    monkeypatch.setattr(run, "do_with_ray", remember)
    assert main(["cluster", "box", "out", "--gpus", "0.25", "--workers", "3"]) == 0
    order, machines = orders[0]
    assert order.model.provider == "CUDAExecutionProvider"
    assert (machines.gpus, machines.workers, machines.address) == (0.25, 3, None)
    assert main(["cluster", "box", "out2"]) == 0
    assert orders[1][0].model.provider == "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (["box", "memory://out"], "`--keep-times` is for folders, but OUTPUT is `memory://out`"),
        (["box", "out.parquet"], "pictures in tables have no times"),
        (["in.parquet", "out"], "pictures in tables have no times"),
    ],
)
def test_where_no_times_are_kept(box: Path, places: list[str], said: str, capsys):
    assert main(["cluster", *places, *HERE, "--keep-times"]) == 2
    assert said in one_line_error(capsys.readouterr().err)


def test_times_are_kept_in_folders(box: Path):
    os.utime(box / "box" / "a.png", (1e9, 1e9))
    assert main(["cluster", "box", "out", *HERE, "--keep-times"]) == 0
    assert (box / "out" / "a.color.png").stat().st_mtime == 1e9


@pytest.mark.parametrize(
    ("places", "word"),
    [
        (["", "out"], "INPUT is empty: name a folder"),
        (["box", ""], "OUTPUT is empty: name a folder"),
        (["box", "out", "--address="], "`--address` is empty"),
    ],
)
def test_an_unset_variable_is_no_folder(box: Path, places: list[str], word: str, capsys):
    """It was the folder in which the command is given."""
    assert main(["cluster", *places, *HERE]) == 2
    assert word in one_line_error(capsys.readouterr().err)
    assert files(box) == ["box/a.png", "box/deep/b.png", "photo.jpg"]


def test_a_plan_calls_no_file_somebody_s_before_it_is_looked_at(box: Path, capsys):
    """A worker that was lost leaves results without rows, which the run will take as done."""
    assert main(["cluster", "box", "out", *HERE]) == 0
    shutil.rmtree("out/_koalarize")
    capsys.readouterr()
    assert main(["cluster", "box", "out", "--plan"]) == 0
    line = "a file is there, to be looked at: a.png -> a.color.png"
    assert capsys.readouterr().out.splitlines()[0] == line
