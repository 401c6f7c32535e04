"""The protocols of an evaluation: how pictures come to their size, and the network alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import FakeEngine, OneByOne
from koalarize import color
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.errors import OptionError
from koalarize.lab.evaluation.evaluate import evaluate
from koalarize.lab.evaluation.protocols import PROTOCOLS, network_alone, procedure
from koalarize.lab.metrics.metrics import Measured, picture_scores
from samples import KOALA, UNET, checkpoint, photo, picture_folder


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> list[Path]:
    runs = tmp_path_factory.mktemp("runs")
    unet = checkpoint(runs / "unet" / "model.safetensors", "unet-mini", UNET, size=32)
    koala = checkpoint(
        runs / "koala" / "model.safetensors", "koala", KOALA, size=32, temperature=0.5
    )
    return [unet, koala]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("set") / "pictures")


class Truth(OneByOne):
    """A network that knows the true ab of one picture, at the picture's size."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.info = ModelInfo("truth", 1, False, min(pixels.shape[:2]))
        self._ab = np.moveaxis(color.srgb_to_lab(pixels)[..., 1:], -1, 0).copy()

    def one(self, lightness, hints):
        assert lightness.shape == self._ab.shape[1:]
        return Prediction(self._ab)


def test_a_perfect_network_is_perfect_alone_and_not_through_the_colorizer():
    pixels = photo(3, (64, 48))
    scored = ("psnr", "ab-psnr", "inverse-ssim", "delta-e")
    alone = picture_scores(network_alone(Truth(pixels), pixels), pixels, scored)
    assert alone == {
        "psnr": np.inf, "ab-psnr": np.inf, "inverse-ssim": pytest.approx(0), "delta-e": 0
    }  # fmt: skip
    brought = picture_scores(Colorizer(Truth(pixels))(pixels), pixels, scored)
    assert brought["psnr"] < 40


def test_the_network_alone_is_scored_in_floating_point():
    pixels = np.full((16, 16, 3), 120, np.uint8)
    found = network_alone(FakeEngine((0.2, -0.2), stride=1, grid=1), pixels)
    assert np.allclose(found.lab[..., 1:], (0.2, -0.2))  # less than an 8-bit level
    assert np.array_equal(found.lab[..., 0], color.srgb_to_lab(pixels)[..., 0])
    assert np.array_equal(found.pixels, color.lab_to_srgb(found.lab, dtype=np.uint8))


def test_a_model_s_own_gain_is_part_of_its_answer():
    engine = FakeEngine((20, -10), stride=1, grid=1)
    engine.info = ModelInfo("fake", 1, False, 64, chroma_gain=1.5)
    found = network_alone(engine, np.full((16, 16, 3), 120, np.uint8))
    assert np.allclose(found.lab[..., 1:], (30, -15))


def test_padding_is_cut_off_and_a_coarse_answer_brought_up():
    engine = FakeEngine((20, -10), stride=32, grid=4)
    found = network_alone(engine, photo(0, (50, 40)))
    assert [lightness.shape for lightness, _ in engine.seen] == [(64, 64)]
    assert found.lab.shape == (40, 50, 3)
    assert np.allclose(found.lab[..., 1:], (20, -10))


def test_a_network_bound_to_a_size_takes_no_other():
    engine = FakeEngine(stride=1, grid=1)
    engine.info = ModelInfo("cnn", 1, False, 128, fixed_size=128)
    with pytest.raises(OptionError, match=r"the picture is 50 x 40 .* only works at 128 x 128"):
        network_alone(engine, photo(0, (50, 40)))


def test_the_articles_sizes():
    """Article A: torchvision's Resize((224, 224)) of a PIL picture; B: means of areas at 128."""
    from torchvision.transforms import Resize

    source = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)
    )
    first, second = PROTOCOLS["article-a"].fit, PROTOCOLS["article-b"].fit
    assert first is not None
    assert second is not None
    assert np.array_equal(np.asarray(first(source)), np.asarray(Resize((224, 224))(source)))
    means = np.asarray(source, float).reshape(128, 2, 128, 4, 3).mean(axis=(1, 3))
    assert np.abs(np.asarray(second(source)) - means).max() <= 0.501  # rounded once


def test_errors():
    with pytest.raises(OptionError, match=r"`protocol` is 'articel-a' .* did you mean `article-a`"):
        procedure("articel-a", None)
    with pytest.raises(OptionError, match="squashes pictures to 224 x 224: leave it out"):
        procedure("article-a", 256)
    assert procedure("direct", 64).short_side == 64
    assert procedure("direct", None).alone


class TestEvaluate:
    def test_article_a(self, models, data):
        """What the report says is what an own loop over the article's steps finds."""
        metrics = ("psnr", "ab-psnr", "inverse-ssim")
        report = evaluate(models[:1], data, protocol="article-a", metrics=metrics)
        assert [row.size for row in report.rows] == [None, 224]
        assert "--protocol article-a --metrics" in report.protocol.command
        assert "squashed to 224 x 224" in report.to_markdown()
        assert "the network's own ab" in report.to_markdown()
        import torch

        from koalarize.lab.runs.checkpoint import load_checkpoint

        network = load_checkpoint(models[0]).network
        errors = []
        for path in sorted(data.iterdir()):
            squashed = Image.open(path).resize((224, 224), Image.Resampling.BILINEAR)
            lab = color.srgb_to_lab(np.asarray(squashed))
            with torch.no_grad():
                found = network(torch.from_numpy(lab[..., 0].copy())[None, None])[0].numpy()
            error = np.square(found - np.moveaxis(lab[..., 1:], -1, 0)).mean(dtype=np.float64)
            errors.append(10 * np.log10(255**2 / error))
        assert report.rows[1].scores["ab-psnr"] == pytest.approx(np.mean(errors), abs=1e-4)

    def test_direct_scores_every_picture_at_its_own_size(self, models, data):
        report = evaluate(models, data, protocol="direct", metrics=["psnr"])
        assert [row.size for row in report.rows] == [None, None, None]
        assert "--protocol direct --short-side 256" in report.protocol.command
        assert report.rows[0].scores != report.rows[1].scores
        usual = evaluate(models, data, metrics=["psnr"])
        assert usual.protocol.name == "colorizer"
        assert usual.rows[2].scores != report.rows[2].scores

    def test_a_size_is_refused(self, models, data):
        with pytest.raises(OptionError, match="`size` is 32 but the protocol `direct` shows"):
            evaluate(models, data, protocol="direct", metrics=["psnr"], sizes=[32])

    def test_the_command(self, models, data, capsys):
        words = ["lab", "evaluate", str(models[0]), "--data", str(data), "--metrics", "psnr"]
        assert main([*words, "--protocol", "article-b"]) == 0
        assert "squashed to 128 x 128" in capsys.readouterr().out
        assert main([*words, "--protocol", "article-b", "--short-side", "64"]) == 2
        assert "leave it out" in capsys.readouterr().err


def test_measured_takes_what_is_known_better():
    pixels = photo()
    lab = np.zeros((*pixels.shape[:2], 3), np.float32)
    assert Measured(pixels, lab).lab is lab
    assert np.array_equal(Measured(pixels).lab, color.srgb_to_lab(pixels))
