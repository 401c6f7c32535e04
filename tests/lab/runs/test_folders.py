"""The folder of a run that names none: one in ``runs``, on every system."""

from __future__ import annotations

from pathlib import Path

import pytest

from koalarize.errors import OptionError
from koalarize.lab.runs.folders import run_folder
from koalarize.lab.training.train import train


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        *((name, "with a letter or a number") for name in ("", ".", "..", "...", " ", ". .")),
        *((name, r"without `/`") for name in ("a/b", "a/", "/a", "../a", "a\\b", "C:a", "C:\\")),
        *((name, "without line breaks") for name in ("a\nb", "a\0b", "a\x1b[2J", "a\u202eb")),
        *((name, "without a blank at either end") for name in (" a", "a ", "a.", "a. ")),
        *((name, "of at most 200 bytes") for name in ("n" * 201, "ü" * 101)),
    ],
)
def test_a_name_that_is_no_folder_in_runs_is_refused(name, rule):
    with pytest.raises(OptionError, match=rf"^`name` is .* folder in `runs`, {rule}.* -o FOLDER$"):
        run_folder(name)


def test_of_a_long_name_the_beginning_is_told():
    with pytest.raises(OptionError) as told:
        run_folder("n" * 5000)
    assert "'" + "n" * 60 + "…'" in str(told.value)
    assert len(str(told.value)) < 250


@pytest.mark.parametrize("name", ["koala", "a.b", "~me", "my run (2)", "Zoë", "n" * 200, "..a"])
def test_other_names_are_folders(name):
    assert run_folder(name) == Path("runs") / name


def test_a_training_asks_for_it_unless_a_folder_is_named(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: ..\ndata: {train: nowhere}\n", encoding="utf-8")
    with pytest.raises(OptionError, match=r"^`name` is '\.\.' but must be the name of a folder"):
        train(path)
    with pytest.raises(Exception, match="nowhere"):
        train(path, output=tmp_path / "run")
