"""Many pictures of one cause: some are named, the others counted, and a report names each."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from koalarize.batch.plan import Outcome
from koalarize.cli import causes
from koalarize.cli.causes import Causes
from koalarize.cli.report import follow


def failed(name: str, error: str = "`{}` is damaged (byte 7): fetch it again.") -> Outcome:
    return Outcome(Path("box", name), None, "failed", error.format(Path("box", name)))


def outcomes(count: int) -> Generator[Outcome]:
    for number in range(count):
        yield failed(f"{number}.jpg", f"`{{}}` is damaged (byte {number}): fetch it again.")
    yield failed("x.jpg", "`{}` is too small.")


def test_many_failures_of_one_cause_are_said_once_with_a_count(capsys, tmp_path):
    report = tmp_path / "r.jsonl"
    assert follow(outcomes(5000), None, report) == 1
    path = Path("box", "0.jpg")
    assert capsys.readouterr().err.splitlines() == [
        f"{path}: is damaged (byte 0): fetch it again.",
        f"{path.with_stem('1')}: is damaged (byte 1): fetch it again.",
        f"{path.with_stem('2')}: is damaged (byte 2): fetch it again.",
        f"koalarize: note: 4997 more failed like 2.jpg: `{report}` names each",
        f"{path.with_stem('x')}: is too small.",
    ]
    *lines, _ = map(json.loads, report.read_text().splitlines())
    assert len(lines) == 5001


def test_a_few_failures_of_one_cause_are_named_each(capsys):
    assert follow(outcomes(10), None) == 1
    assert len(capsys.readouterr().err.splitlines()) == 11


def test_many_notes_of_one_kind_are_said_once_with_a_count(capsys):
    def colored() -> Generator[Outcome]:
        for number in range(40):
            yield Outcome(Path(f"{number}.tif"), Path("o.jpg"), "colored", notes=("16 bits",))

    assert follow(colored(), None) == 0
    *_, last = capsys.readouterr().err.splitlines()
    asked = "add --report FILE, which names each"
    assert last == f"koalarize: note: 37 more have the note of 2.tif: {asked}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("`{}` is damaged.", "`{}` is empty."),
        ("cannot be read: no such file", "cannot be read: permission denied"),
    ],
)
def test_other_words_are_another_cause(one: str, other: str):
    told = Causes()
    for number in range(12):
        told.add(failed(f"{number}.jpg"), one.format(f"box/{number}.jpg"))
    told.add(failed("b.jpg"), other.format("box/b.jpg"))
    assert [more for _, more in told] == [0, 0, 9, 0]


def test_causes_are_bounded(monkeypatch):
    monkeypatch.setattr(causes, "_MOST_CAUSES", 2)
    told = Causes()
    for words in ("one", "two", "three", "one"):
        told.add(failed("a.jpg"), words)
    assert (told.left, len(list(told))) == (1, 3)


@pytest.mark.parametrize(
    ("others", "told"), [(0, "the picture has"), (1, "a.png has"), (2, "a.png has")]
)
def test_the_only_picture_with_colors_among_others_is_named(capsys, others: int, told: str):
    def colored() -> Generator[Outcome]:
        yield Outcome(Path("box", "a.png"), Path("a.color.png"), "colored", had_color=True)
        for number in range(others):
            yield Outcome(Path(f"{number}.png"), Path(f"{number}.color.png"), "colored")

    assert follow(colored(), None) == 0
    assert f"koalarize: note: {told} colours already, which new" in capsys.readouterr().err
