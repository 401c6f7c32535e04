"""What a command of the laboratory reads, or has not written itself, it never writes over."""

from __future__ import annotations

import pytest
from PIL import Image

from koalarize.cli import main
from koalarize.cli.lab.options import check_written_over
from koalarize.lab.evaluation.page import to_html
from koalarize.lab.evaluation.sheet import to_png
from koalarize.lab.evaluation.showcase import Showcase, ShowcaseRow

FILES = ("p/a.png", "m.onnx", "m.contract.json", "s-1.tar", "h.svg", "s.json", "o.png", "t.json")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    for name in FILES:
        (tmp_path / name).write_bytes(b'{"format": "koalarize-turing-1", precious')
    (tmp_path / "link.json").hardlink_to(tmp_path / "s.json")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "showcase p/a.png -o p/a.png",
        "showcase p -o p/a.png",
        "fade --data p -o p/a.png",
        "evaluate m.onnx --data p -o m.onnx",
        "evaluate m.onnx --data p --per-picture m.onnx",
        "evaluate koala,m.onnx:2 --data p -o m.contract.json",
        "probe koala --data s-{0..1}.tar -o s-1.tar",
        "probe m.onnx --data p -o m.onnx",
        "plot h.svg -o h.svg",
        "turing p --no-browser -o turing.json",
        "turing p --no-browser --model m.onnx -o m.onnx",
        "turing --report s.json -o link.json",
    ],
)
def test_inputs_are_not_written_over(here, words, capsys):
    assert main(["lab", *words.split()]) == 2
    assert_kept(here, capsys, "choose another --output")


def assert_kept(here, capsys, said):
    """No file has changed, and one line says why."""
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert all((here / name).read_bytes().endswith(b"precious") for name in FILES)


@pytest.mark.parametrize(
    "words",
    [
        "evaluate koala --data p -o t.json",
        "evaluate koala --data p --per-picture t.json",
        "probe koala --data p -o o.png",
        "turing p --no-browser -o t.json",
        "turing --report s.json -o t.json",
        "fade --data p -o o.png",
        "plot p -o o.png",
        "showcase p -o o.png",
    ],
)
def test_what_the_laboratory_did_not_write_is_not_written_over(here, words, capsys):
    assert main(["lab", *words.split()]) == 1
    said = "is no report or figure of `koalarize lab`, which alone are replaced"
    assert_kept(here, capsys, said)


def test_an_earlier_result_may_be_replaced(here):
    row = ShowcaseRow("a", [Image.new("RGB", (8, 8))])
    (here / "page.html").write_bytes(to_html(Showcase(["grey"], [row])))
    (here / "sheet.png").write_bytes(to_png(Showcase(["grey"], [row])))
    for name, text in (("e", '{\n  "format": "koalarize-evaluation-1",'), ("empty", "")):
        (here / name).write_text(text)
    for name in ("page.html", "sheet.png", "e", "empty"):
        check_written_over(here / name, data=[here / "p"], models=["m.onnx"])
    check_written_over(here / "p" / "new.png", data=[here / "p"])
