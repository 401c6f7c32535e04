"""``koalarize lab probe``: the gain of true hints, and how steady colours are."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import koalarize
import koalarize.lab.evaluation.probe as room
from fakes import FakeEngine
from koalarize.cli import main
from koalarize.engines.engine import Prediction
from koalarize.errors import OptionError
from koalarize.lab.evaluation.models import Loaded
from koalarize.lab.evaluation.probe import CHANGES, probe
from koalarize.lab.evaluation.reveal import revealed_hints
from samples import hash_of


class Obedient(FakeEngine):
    """Paints every pixel as the nearest hint says, else nothing."""

    def one(self, lightness, hints):
        if hints is None:
            return Prediction(np.zeros((2, *lightness.shape), np.float32))
        rows, columns = np.nonzero(hints[2])
        grid = np.indices(lightness.shape)
        far = (grid[0][..., None] - rows) ** 2 + (grid[1][..., None] - columns) ** 2
        nearest = far.argmin(-1)
        return Prediction(hints[:2, rows[nearest], columns[nearest]])


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, (left, right) in enumerate([("#c04030", "#3050c0"), ("#30a040", "#a0a020")]):
        picture = Image.new("RGB", (64, 48), left)
        picture.paste(right, (32, 0, 64, 48))
        picture.save(folder / f"{number}.png")
    return folder


def use(monkeypatch, engine):
    monkeypatch.setattr(room, "load_model", lambda model: Loaded("fake", "0" * 64, engine))


def test_true_hints_help_a_model_that_listens(monkeypatch, pictures):
    use(monkeypatch, Obedient(size=32, stride=1))
    found = probe("fake", pictures, hints=(0, 1, 10))
    assert list(found.hints) == [0, 1, 10]
    assert found.hints[0] < found.hints[1] < found.hints[10]
    assert found.count == 2
    assert "| 10 |" in found.to_markdown()
    assert json.loads(found.to_json())["data"] == "pictures"


def test_a_report_says_which_koalarize_made_it(monkeypatch, pictures):
    def changes_meanwhile(model):
        monkeypatch.setattr(room, "source_commit", lambda: "2" * 40)
        return Loaded("fake", "0" * 64, Obedient(size=32, stride=1))

    monkeypatch.setattr(room, "source_commit", lambda: "1" * 40)
    monkeypatch.setattr(room, "load_model", changes_meanwhile)
    found = probe("fake", pictures, hints=(0,))
    version = koalarize.__version__
    assert f" px. koalarize {version} at 111111111111." in found.to_markdown()
    assert json.loads(found.to_json())["koalarize"] == version


@pytest.mark.parametrize("coloured", [True, False])
def test_a_picture_equal_to_its_original_is_part_of_no_mean(monkeypatch, pictures, coloured):
    """Grey pictures are as the model paints them without hints; their PSNR is infinite."""
    use(monkeypatch, Obedient(size=32, stride=1))
    colours = probe("fake", pictures, hints=(0, 1))
    if not coloured:
        for path in pictures.iterdir():
            path.unlink()
    for number in range(2):
        Image.new("L", (64, 48), 90).save(pictures / f"grey{number}.png")
    found = probe("fake", pictures, hints=(0, 1))
    assert found.equal == 2
    assert found.hints == (colours.hints if coloured else {0: None, 1: None})
    assert json.loads(found.to_json())["hints"]["0"] == found.hints[0]
    assert ("| 1 | – | – |" in found.to_markdown()) is not coloured
    assert "2 pictures equal their originals" in found.to_markdown()


def test_data_are_named_and_hashed_as_an_evaluation_does(monkeypatch, pictures):
    use(monkeypatch, FakeEngine((6.0, 6.0), size=32, accepts_hints=False))
    (pictures / "00.png").write_bytes(b"broken")
    monkeypatch.chdir(pictures)
    found = probe("fake", Path(), limit=2)
    assert found.data == "pictures"
    assert found.count == 2
    assert found.data_sha256 == hash_of(pictures, 3)
    with pytest.raises(ValueError, match="not JSON compliant"):
        dataclasses.replace(found, hints={0: float("inf")}).to_json()


def test_one_colour_everywhere_is_perfectly_steady(monkeypatch, pictures):
    use(monkeypatch, FakeEngine((6.0, 6.0), size=32, accepts_hints=False))
    found = probe("fake", pictures)
    assert found.hints == {}
    assert "`fake` takes no hints." in found.to_markdown()
    assert set(found.steadiness) == set(CHANGES)
    assert max(found.steadiness.values()) < 1.5  # rounding to 8 bits, and the edge between colours


def test_a_model_that_follows_noise_is_not_steady(monkeypatch, pictures):
    class Nervous(FakeEngine):
        def one(self, lightness, hints):
            return Prediction(
                np.stack([np.sin(3 * lightness), np.cos(3 * lightness)]) * np.float32(40)
            )

    use(monkeypatch, Nervous(size=48, accepts_hints=False))
    found = probe("fake", pictures)
    assert found.steadiness["noise, 4 grey levels"] > 5


def test_more_hints_begin_with_those_of_fewer():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    assert revealed_hints(pixels, 9, seed=4)[:3] == revealed_hints(pixels, 3, seed=4)
    assert revealed_hints(pixels, 3, seed=4) != revealed_hints(pixels, 3, seed=5)


def test_a_revealed_hint_tells_the_colour_of_its_place():
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[...] = (10, 120, 200)
    assert {hint.color for hint in revealed_hints(pixels, 5, seed=0)} == {"#0a78c8"}


def test_numbers_that_are_too_small_are_refused(pictures):
    with pytest.raises(OptionError, match="`hints` holds -1"):
        probe("koala", pictures, hints=(-1,))
    with pytest.raises(OptionError, match="`limit` is 1 but must be at least 2: try 50"):
        probe("koala", pictures, limit=1)


def test_the_command(pictures, tmp_path, capsys):
    report = tmp_path / "report.json"
    line = ["lab", "probe", "koala", "--data", str(pictures), "--hints", "0,2", "--limit", "2"]
    assert main([*line, "-o", str(report)]) == 0
    found = json.loads(report.read_text())
    assert (found["format"], found["hints"].keys()) == ("koalarize-probe-1", {"0", "2"})
    assert "one pixel cut off" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--hints", "0,some"], "whole numbers"), (["-o", "absent/report.json"], "does not exist")],
)
def test_bad_options_end_in_one_line(pictures, words, message, capsys):
    assert main(["lab", "probe", "koala", "--data", str(pictures), *words]) != 0
    assert message in capsys.readouterr().err
