"""Results of other options, models and weights: what is said of them, and ``--keep-earlier``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cli_parts import one_line_error, picture
from koalarize.cli import main

CLUSTER = ["cluster", "box", "out", "--workers", "0"]
COMMANDS = [["box", "-o", "out"], CLUSTER]
BOLD = ["--vividness", "2"]
OPTIONS, MODEL = "other options", "another model, or other weights of this one,"


@pytest.fixture
def box(here: Path, fake) -> Path:
    picture("box/a.png")
    picture("box/b.bmp")
    return here


@pytest.fixture
def other_weights(fake, monkeypatch: pytest.MonkeyPatch):
    plain = fake.provenance

    def change() -> None:
        monkeypatch.setattr(fake, "provenance", lambda *how: replace(plain(*how), weights="other"))

    return change


def changed(command: list[str], maker: str, other_weights) -> list[str]:
    """Colour by other options or weights first; return the command that asks otherwise."""
    if command is CLUSTER:
        pytest.importorskip("pyarrow")
    assert main(command) == 0
    if maker == MODEL:
        other_weights()
    return command if maker == MODEL else [*command, *BOLD]


@pytest.mark.parametrize("maker", [OPTIONS, MODEL])
@pytest.mark.parametrize("command", COMMANDS)
def test_results_that_are_made_again_are_counted(
    box: Path, fake, capsys, command: list[str], maker: str, other_weights
):
    command = changed(command, maker, other_weights)
    end = f"made again: {maker} had made them; --keep-earlier leaves such results\n"
    capsys.readouterr()
    assert main([*command, "--plan"]) == 0
    assert capsys.readouterr().err == f"koalarize: note: 2 results would be {end}"
    assert main(command) == 0
    assert capsys.readouterr().err == f"koalarize: note: 2 results were {end}"
    assert len(fake.calls) == 4
    assert main(command) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("maker", [OPTIONS, MODEL])
@pytest.mark.parametrize("command", COMMANDS)
def test_keep_earlier_leaves_results_and_counts_them(
    box: Path, fake, capsys, command: list[str], maker: str, other_weights
):
    command = changed(command, maker, other_weights)
    picture("box/c.png")
    reason = "other model or weights" if maker == MODEL else "other settings"
    said = f"2 results stay as {maker} had made them: without --keep-earlier they are made again"
    for plan in (["--plan"], []):
        capsys.readouterr()
        assert main([*command, "--keep-earlier", "--report", "r.jsonl", *plan]) == 0
        assert capsys.readouterr().err == f"koalarize: note: {said}\n"
        summary = json.loads(Path("r.jsonl").read_text().splitlines()[-1])["summary"]
        assert summary["skipped"] == {reason: 2}
    assert len(fake.calls) == 3
    assert main(command) == 0  # they are known as what they are
    assert len(fake.calls) == 5


@pytest.mark.parametrize("lost", ["rows", "times"])
def test_cluster_knows_what_a_result_is_that_it_kept(box: Path, fake, lost: str):
    """The worker looks at the bytes, and its row names those who made the result."""
    pq = pytest.importorskip("pyarrow.parquet")
    assert main([*CLUSTER, *BOLD]) == 0
    Path("box/b.bmp").unlink()
    if lost == "rows":
        for path in Path("out/_koalarize/results").iterdir():
            path.unlink()
    else:
        Path("box/a.png").touch()
    assert main([*CLUSTER, "--keep-earlier"]) == 0
    rows = pq.read_table("out/_koalarize/results").to_pylist()
    of_a = sorted((row for row in rows if row["key"] == "a.png"), key=lambda row: row["time"])
    assert of_a[-1]["reason"] == "other settings"
    assert main([*CLUSTER, *BOLD]) == 0
    assert len(fake.calls) == 2
    assert main(CLUSTER) == 0
    assert len(fake.calls) == 3


def test_keep_earlier_leaves_the_result_of_a_named_picture(box: Path, fake):
    assert main(["box/a.png"]) == 0
    assert main(["box/a.png", *BOLD, "--keep-earlier"]) == 0
    assert len(fake.calls) == 1


def test_cluster_refuses_overwrite_beside_keep_earlier(box: Path, capsys):
    pytest.importorskip("pyarrow")
    assert main([*CLUSTER, "--keep-earlier", "--overwrite"]) == 2
    assert "leave one out" in one_line_error(capsys.readouterr().err)


@pytest.mark.parametrize("command", [*COMMANDS, ["box/a.png", "box/b.bmp", "-o", "out"]])
def test_nothing_is_said_of_results_that_were_asked_to_be_made_again(
    box: Path, fake, capsys, command: list[str]
):
    """--keep-earlier was offered beside --overwrite, which it is refused beside."""
    again = [*changed(command, OPTIONS, None), *(["--overwrite"] * (command in COMMANDS))]
    capsys.readouterr()
    assert main([*again, "--plan"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "\n2 to colour (coloured before); about" in printed.out
    assert main([*again, "--report", "r.jsonl"]) == 0
    assert capsys.readouterr().err == ""
    summary = json.loads(Path("r.jsonl").read_text().splitlines()[-1])["summary"]
    assert summary["colored"] == {"coloured before": 2}
