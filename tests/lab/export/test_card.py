"""The card of a model tells what a run was: data, recipe, scores, samples; nothing of a machine."""

from __future__ import annotations

import json

import pytest
import yaml

from koalarize.cli import main
from koalarize.lab.runs.checkpoint import load_checkpoint
from koalarize.lab.runs.recipe import Recipe, build
from koalarize.lab.training.train import train_recipe
from koalarize.photo.files import sha256_of
from runs import history_of, make_photos, tiny_recipe
from samples import hash_of

pytestmark = pytest.mark.usefixtures("graphs_once")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("somewhere") / "my_photos")


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    data = {"train": str(photos), "workers": 0, "validation": {"split": 2}}
    train_recipe(tiny_recipe(photos, data=data, validate_every=1, steps=8), folder)
    return folder


def test_it_tells_of_data_recipe_and_scores(run, photos, tmp_path, capsys):
    target = tmp_path / "my.onnx"
    words = ["lab", "export", str(run / "model.safetensors"), "-o", str(target), "--card"]
    assert main([*words, "--samples", str(photos)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(target), str(tmp_path / "my.md")]
    card = (tmp_path / "my.md").read_text(encoding="utf-8")
    assert card.startswith("# tiny\n")
    assert "`unet-mini`" in card
    assert sha256_of(target) in card
    assert "`my_photos`: 5 pictures to learn from; left out: none" in card
    assert hash_of(photos, 7) in card
    last = [row for row in history_of(run) if row["validation/loss"]][-1]
    assert f"| loss | {float(last['validation/loss']):.4g} |" in card
    assert f"after step {last['step']}" in card
    assert "](my.png)" in card
    assert (tmp_path / "my.png").read_bytes().startswith(b"\x89PNG")
    assert str(photos.parent) not in card
    recipe = yaml.safe_load(card.partition("```yaml\n")[2].partition("```")[0])
    assert build(Recipe, json.loads(json.dumps(recipe))).network.name == "unet-mini"


def test_without_samples_or_scores(run, tmp_path):
    (tmp_path / "alone.safetensors").write_bytes((run / "model.safetensors").read_bytes())
    assert main(["lab", "export", str(tmp_path / "alone.safetensors"), "--card"]) == 0
    card = (tmp_path / "alone.md").read_text(encoding="utf-8")
    assert "Not known: the run's `history.csv` was not beside its checkpoint" in card
    assert "![" not in card
    assert "other settings" not in card


def test_the_best_weights_know_their_scores_and_an_export_its_own_settings(run, tmp_path):
    best = tmp_path / "best.safetensors"
    best.write_bytes((run / "best.safetensors").read_bytes())
    words = ["lab", "export", str(best), "--card", "--size", "64", "--chroma-gain", "1.5"]
    assert main(words) == 0
    card = (tmp_path / "best.md").read_text(encoding="utf-8")
    facts = load_checkpoint(best).facts
    assert f"after step {facts['steps']}" in card
    assert f"| loss | {facts['validation/loss']:.4g} |" in card
    assert (
        "(in brackets), with which the run was validated: `size` 64 (32), `chroma_gain` 1.5 ("
        in card
    )


def test_only_a_card_and_its_pictures_are_replaced(run, photos, tmp_path, capsys):
    target, card, sheet = (tmp_path / f"my.{ending}" for ending in ("onnx", "md", "png"))
    words = ["lab", "export", str(run / "model.safetensors"), "-o", str(target), "--card"]
    sheet.write_bytes(b"a photo")
    assert main([*words, "--samples", str(photos)]) == 1
    assert "my.png` exists and is not of an earlier model card" in capsys.readouterr().err
    card.write_text("# Notes\n\nof mine\n", encoding="utf-8")
    assert main(words) == 1
    assert "my.md` exists and is no model card of koalarize" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"my.md", "my.png"}
    card.unlink()
    assert main(words) == 0  # without samples
    assert main([*words, "--samples", str(photos)]) == 1
    assert sheet.read_bytes() == b"a photo"
    sheet.unlink()
    for _ in range(2):
        assert main([*words, "--samples", str(photos)]) == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--samples", "photos"], "`--samples` shows photos in the model card: add `--card`"),
        (["--card", "--precision", "fp16"], "`--card` tells of a training"),
    ],
)
def test_options_that_need_each_other(run, capsys, words, error):
    assert main(["lab", "export", str(run / "model.safetensors"), *words]) == 2
    assert error in capsys.readouterr().err
