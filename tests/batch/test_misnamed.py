"""Names that lead nowhere: what lists and other systems make of them is said, with the file."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from koalarize.batch import misnamed
from koalarize.batch.misnamed import meant
from koalarize.cli import main


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("box").mkdir()
    for name in ("a b.jpg", unicodedata.normalize("NFC", "Börse.jpg"), "scan.tif"):
        Path("box", name).touch()
    misnamed._names_in.cache_clear()
    return tmp_path


@pytest.mark.skipif(os.name == "nt", reason="names of other systems")
@pytest.mark.parametrize(
    ("name", "file", "advice"),
    [
        ("box/a b.jpg\r", "box/a b.jpg", "take the ends of lines of Windows off a list"),
        ('"box/a b.jpg"', "box/a b.jpg", "take the quotes off"),
        ("'box/a b.jpg'", "box/a b.jpg", "take the quotes off"),
        ("\ufeffbox/a b.jpg", "box/a b.jpg", "take off what stands around"),
        ("box/a b.jpg ", "box/a b.jpg", "take off what stands around"),
        ("~/box/a b.jpg", "{home}/box/a b.jpg", "a shell replaces ~ only outside of quotes"),
        ("box\\a b.jpg", "box/a b.jpg", "part folders by /"),
        ("box/A B.JPG", "box/a b.jpg", "capital letters count here"),
        ("box/scan.jpg", "box/scan.tif", "check the ending"),
        (unicodedata.normalize("NFD", "box/Börse.jpg"), "box/Börse.jpg", "their accents"),
    ],
)
def test_the_file_that_a_spoilt_name_means_is_said(box: Path, name: str, file: str, advice: str):
    said = meant(Path(name))
    assert said is not None
    assert said.startswith(f"`{name}` does not exist, but `{file.format(home=box)}` does: {advice}")


@pytest.mark.parametrize("name", ["box/other.jpg", "none/a b.jpg", "\r", "a\0b", "x" * 5000])
def test_a_name_that_means_nothing_says_nothing(box: Path, name: str):
    assert meant(Path(name)) is None


def test_a_link_that_leads_nowhere_is_called_one(box: Path):
    """Its own name was offered, as one whose accents are coded differently."""
    for name, to in (("dead.jpg", "gone.jpg"), ("round.jpg", "round.jpg")):
        Path("box", name).symlink_to(to)
        said = meant(Path("box", name)) or ""
        assert said.startswith(f"`{Path('box', name)}` is a link that leads to no file: bring")


def test_a_folder_is_listed_once_for_a_list_of_names(box: Path, monkeypatch):
    listed: list[str] = []
    scandir = os.scandir

    def counted(folder: str) -> object:
        listed.append(folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", counted)
    for number in range(100):
        meant(Path("box", f"{number}.jpg"))
    assert listed == ["box"]


@pytest.mark.skipif(os.name == "nt", reason="names of other systems")
def test_a_run_says_which_file_may_be_meant(box: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["box/scan.tiff"]) == 1
    assert "`box/scan.tif` does: check the ending" in capsys.readouterr().err
