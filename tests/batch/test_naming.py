"""What results are called: templates, numbers, and names that file systems have no room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from koalarize.batch.find import Job
from koalarize.batch.naming import Naming


def name_of(source: str, template: str, number: int = 1, *, layer: bool = False) -> str:
    path = Path("box", source)
    return Naming(Path("out"), template, layer).target(Job(path, path), number).name


@pytest.mark.parametrize(
    ("source", "number", "name"),
    [
        ("a.jpg", 1, "old a (c).jpg"),
        ("a.b.tif", 2, "old a.b (c)-2.tif"),
        ("J. Smith 1923", 1, "old J. Smith 1923 (c).png"),
        ("f.mp4", 2, "old f (c)-2.mp4"),
    ],
)
def test_a_template_holds_the_stem_where_it_says(source: str, number: int, name: str):
    assert name_of(source, "old {stem} (c)", number) == name


@pytest.mark.parametrize("source", ["x" * 250 + ".jpg", "é" * 125 + ".tif", "x" * 250 + ".mp4"])
@pytest.mark.parametrize("template", ["p" * 190 + "{stem}", "a {stem} (c)", "{stem}" + "s" * 190])
@pytest.mark.parametrize("layer", [False, True])
def test_a_name_that_is_too_long_with_its_template_is_cut(source: str, template: str, layer: bool):
    """What stood before the stem was not counted: the result found no place."""
    before, _, after = template.partition("{stem}")
    for number in (1, 12):
        name = name_of(source, template, number, layer=layer)
        stem, _, rest = name.removeprefix(before).partition("~")
        assert 200 < len(name.encode()) <= 255
        assert source.startswith(stem)
        assert rest[8:].startswith(after)


@pytest.mark.parametrize("folds", [True, False])
def test_a_plan_knows_without_a_file_of_its_own_how_a_folder_spells(
    tmp_path: Path, monkeypatch, folds: bool
):
    """It named one result for `A` and `a` where a run makes two."""
    folder = tmp_path / "Box"
    folder.mkdir()
    (folder / "1.jpg").touch()
    if folds:
        there = {str(path).casefold() for path in (folder, folder / "1.jpg")}
        monkeypatch.setattr("os.path.lexists", lambda path: str(path).casefold() in there)
        monkeypatch.setattr(Path, "samefile", lambda self, other: True)
    naming = Naming(folder, probes=False)
    same = naming.key(folder / "A.jpg") == naming.key(folder / "a.jpg")
    assert same is folds
    assert [path.name for path in folder.iterdir()] == ["1.jpg"]
