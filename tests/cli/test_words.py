"""What the command line must not mix up or leave unsaid, seen in files and on stderr."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import FakeEngine
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer

#: Where the picture below is red of its own.
SPOT = (slice(20, 40), slice(20, 50))


def tinted() -> Image.Image:
    """A grey picture with a part that somebody has coloured red."""
    coarse = np.random.default_rng(3).integers(60, 200, (6, 9), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(coarse).resize((96, 64), Image.Resampling.BICUBIC))
    pixels = np.repeat(grey[..., None], 3, axis=-1).astype(np.float64)
    pixels[10:50, 10:60] *= (1.0, 0.45, 0.4)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The network that every model is, here: it answers green and notes its runs."""
    engine = FakeEngine((-30.0, 30.0))
    colorizer = Colorizer(engine)

    def load(
        model: str | Path = "koala",
        *,
        threads: int = 0,
        faithful: bool = False,
        most_chroma: float = 20.0,
    ) -> Colorizer:
        del model, threads, faithful, most_chroma
        return colorizer

    monkeypatch.setattr(Colorizer, "load", staticmethod(load))
    return engine


def is_red(image: Image.Image) -> bool:
    red, green, _ = np.asarray(image.convert("RGB"))[SPOT].reshape(-1, 3).mean(0)
    return bool(red > green)


@pytest.mark.parametrize("there", [False, True])
def test_the_word_help_is_that_of_the_program_unless_a_file_is_called_so(
    engine, tmp_path, monkeypatch, capsys, there
):
    del engine
    monkeypatch.chdir(tmp_path)
    if there:
        tinted().save(tmp_path / "help", "PNG")
    assert main(["help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("help.color.png" if there else "Usage: koalarize")


@pytest.mark.parametrize("words", [[], ["cluster"], ["models", "download"]])
def test_help_shows_no_types_of_python_and_bounds_in_words(words, capsys):
    assert main([*words, "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for foreign in ("<=", "x>=", "<str>", "list[", "{", "[required]"):
        assert foreign not in out.replace("{stem}", "")
    assert words or ("[1 to 256]" in out and "[0.05 to 86400]" in out)
    assert words != ["cluster"] or "[at least 0]" in out


def test_best_looks_twice_and_keeps_no_colours(engine, tmp_path):
    tinted().save(tmp_path / "a.png")
    assert main([str(tmp_path / "a.png"), "--best"]) == 0
    assert len(engine.seen) == 2
    assert not is_red(Image.open(tmp_path / "a.color.png"))


def test_keep_color_keeps_colours_and_looks_without_them_and_with_them(engine, tmp_path):
    tinted().save(tmp_path / "a.png")
    assert main([str(tmp_path / "a.png"), "--keep-color"]) == 0
    assert [hints is not None for _, hints in engine.seen] == [False, True]
    assert is_red(Image.open(tmp_path / "a.color.png"))


def test_a_report_tells_which_pictures_had_colours_that_were_replaced(engine, tmp_path):
    del engine
    tinted().save(tmp_path / "a.png")
    tinted().convert("L").save(tmp_path / "b.png")
    report = tmp_path / "r.jsonl"
    pictures = [str(tmp_path / name) for name in ("a.png", "b.png")]
    assert main([*pictures, "--report", str(report)]) == 0
    *lines, _ = map(json.loads, report.read_text().splitlines())
    assert [line.get("had_color") for line in lines] == [True, None]


@pytest.mark.parametrize("to", ["stdout", "a file"])
def test_through_a_pipe_the_note_about_colours_is_given(
    engine, tmp_path, monkeypatch, capfdbinary, to
):
    del engine
    out = [] if to == "stdout" else ["-o", str(tmp_path / "a.png")]
    note = b"the picture has colours already"
    for picture, words, noted in (
        (tinted(), [], True),
        (tinted(), ["--keep-color"], False),
        (tinted().convert("L"), [], False),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(encoded(picture))))
        assert main(["-", "--overwrite", *words, *out]) == 0
        assert (note in capfdbinary.readouterr().err) is noted


def test_a_file_that_a_dash_begins_is_told_how_it_is_named(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    """`koalarize *.png` names it; it was only said that there is no option `-d`."""
    monkeypatch.chdir(tmp_path)
    tinted().save("-dash.png")
    assert main(["-dash.png"]) == 2
    assert capsys.readouterr().err.endswith("; the file of that name is `./-dash.png`\n")
    assert main(["-gone.png"]) == 2
    assert capsys.readouterr().err.endswith("; see `koalarize --help`\n")
    assert main(["./-dash.png"]) == 0
