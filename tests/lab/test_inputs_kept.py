"""What a command of the laboratory reads is never what it writes over."""

from __future__ import annotations

import pytest

from koalarize.cli import main
from koalarize.cli.lab.options import check_no_input

FILES = ("p/a.png", "m.onnx", "m.contract.json", "s-1.tar", "h.svg", "s.json")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    for name in FILES:
        (tmp_path / name).write_bytes(b"precious")
    (tmp_path / "link.json").hardlink_to(tmp_path / "s.json")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "showcase p/a.png -o p/a.png",
        "showcase p -o p/a.png",
        "fade --data p -o p/a.png",
        "evaluate m.onnx --data p -o m.onnx",
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
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "choose another --output" in error
    assert all((here / name).read_bytes() == b"precious" for name in FILES)


def test_an_earlier_report_may_be_replaced(here):
    check_no_input(here / "s.json", data=[here / "p"], models=["m.onnx"])
    check_no_input(here / "p" / "new.png", data=[here / "p"])
