"""A list names which pictures of INPUT are coloured: by keys, folders, paths or addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster_parts import StoppingReddener, order, picture, results, told

from koalarize.batch.cluster.actors import Machines
from koalarize.batch.cluster.listed import listed
from koalarize.batch.cluster.run import Archive
from koalarize.batch.cluster.sources import Entry
from koalarize.batch.cluster.stores import Version
from koalarize.cli import main

PLACE = "s3://bucket/scans/"
KEYS = ["a.png", "b.png", "1950/c.png", "1950/deep/d.png", "caf\\udce9.png"]


def named(*names: str, place: str = PLACE) -> list[str]:
    entries = [Entry(key, Version(), key) for key in KEYS]
    return [entry.key for entry in listed(entries, names, place)]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("a.png", ["a.png"]),
        ("./1950//c.png", ["1950/c.png"]),
        ("1950", ["1950/c.png", "1950/deep/d.png"]),
        ("1950/deep/", ["1950/deep/d.png"]),
        (f"{PLACE}b.png", ["b.png"]),
        (PLACE, KEYS),
        (PLACE.rstrip("/"), KEYS),
        ("caf\udce9.png", ["caf\\udce9.png"]),
    ],
)
def test_a_name_is_a_key_a_folder_or_an_address(name: str, keys: list[str]):
    assert named(name) == keys


def test_a_name_may_be_a_path_of_where_the_command_is_given(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = f"{tmp_path}/box/"
    assert named("box/1950/c.png", f"{tmp_path}/box/a.png", place=place) == ["a.png", "1950/c.png"]


def test_names_that_lead_nowhere_are_told_and_none_is_taken_twice():
    entries = [Entry(key, Version(), key) for key in KEYS]
    found = list(listed(entries, ["a.png", "./a.png", "z.png", "a.color.png"], PLACE))
    assert [entry.key for entry in found] == ["a.png", "z.png"]
    assert found[0].problem is None
    assert f"INPUT `{PLACE}` holds no such picture" in (found[1].problem or "")


def test_only_what_is_listed_is_coloured_and_the_rest_is_no_orphan(
    tmp_path: Path, red: StoppingReddener
):
    box, out = tmp_path / "box", tmp_path / "out"
    for name in ("a.png", "b.png", "1950/c.png"):
        picture(box / name)
    (box / "notes.txt").write_text("x")

    def run(*names: str) -> Archive:
        archive = Archive(order(red, box, out), names=names)
        outcomes = list(archive.color(Machines(workers=0)))
        assert {status for status, _ in told(outcomes)} <= {"colored", "skipped"}
        return archive

    run("a.png", "1950")
    assert results(out) == ["1950/c.color.png", "a.color.png"]
    archive = run("b.png")
    assert list(archive.orphans()) == []
    assert not archive.unread
    assert results(out) == ["1950/c.color.png", "a.color.png", "b.color.png"]


def test_the_command_takes_a_list(tmp_path: Path, red: StoppingReddener, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        picture(tmp_path / "box" / f"{name}.png")
    Path("list").write_bytes(b"a.png\0box/c.png\0")
    asked = ["cluster", "box", "out", "--workers", "0"]
    assert main([*asked, "--files-from", "list", "--null"]) == 0
    assert results(tmp_path / "out") == ["a.color.png", "c.color.png"]
    assert main([*asked, "--null"]) == 2
    Path("list").write_text("")
    assert main([*asked, "--files-from", "list"]) == 0
    assert "the list names nothing" in capsys.readouterr().err
