"""Scores, the torch engine, the report and ``koalarize evaluate``; nothing is downloaded."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from koalarize import color
from koalarize.cli import main
from koalarize.colorizer import Colorizer
from koalarize.engine import ModelInfo, Prediction
from koalarize.errors import DataError, DependencyError, KoalarizeError, ModelError, OptionError
from koalarize.evaluation import metrics
from koalarize.evaluation.evaluate import METRICS, evaluate
from koalarize.evaluation.metrics import FID, LPIPS, picture_scores
from koalarize.evaluation.torch_engine import TorchEngine
from koalarize.evaluation.variants import GreyEngine, variants
from koalarize.models.koala import Koala, KoalaConfig
from koalarize.models.unet_mini import UNetMini, UNetMiniConfig
from koalarize.training.checkpoint import build_network, save_checkpoint
from koalarize.training.recipe import NetworkOptions, Recipe

CHEAP = ("psnr", "colorfulness")
KOALA = {"context": 8, "widths": ((8, 8), (8, 8), (8, 8))}
UNET = {"widths": (4, 4, 4)}


def photo(seed: int = 0, size: tuple[int, int] = (48, 40)) -> np.ndarray:
    """A smooth colourful picture (H, W, 3) uint8 of ``size`` (W, H)."""
    coarse = np.random.default_rng(seed).integers(20, 236, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def checkpoint(path: Path, name: str, options: dict, **recipe) -> Path:
    path.parent.mkdir(exist_ok=True)
    torch.manual_seed(0)
    made = Recipe(network=NetworkOptions(name=name, options=options), **recipe)
    save_checkpoint(path, build_network(made.network).state_dict(), made, {})
    return path


@pytest.fixture(scope="module")
def koala(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "koala" / "model.safetensors"
    return checkpoint(path, "koala", KOALA, size=32, temperature=0.5)


@pytest.fixture(scope="module")
def unet(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "unet" / "model.safetensors"
    return checkpoint(path, "unet-mini", UNET, size=32)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("set") / "pictures"
    folder.mkdir()
    for i, size in enumerate([(48, 40), (40, 64), (90, 72)]):
        Image.fromarray(photo(i, size)).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """A torch hub folder without any file, where a download would be an error."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("download"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


# -- one picture ------------------------------------------------------------------------------


def test_psnr_of_a_known_error():
    original = np.full((8, 8, 3), 100, np.uint8)
    assert picture_scores(original + 5, original)["psnr"] == pytest.approx(
        20 * math.log10(255 / 5), abs=1e-6
    )


def test_psnr_of_known_noise_and_sign():
    original = np.full((200, 200, 3), 128, np.uint8)
    noise = np.random.default_rng(0).normal(0, 10, original.shape)
    noisy = np.clip(np.rint(original + noise), 0, 255).astype(np.uint8)
    # Rounding adds 1/12 to the variance.
    wanted = 10 * math.log10(255**2 / (100 + 1 / 12))
    assert picture_scores(noisy, original)["psnr"] == pytest.approx(wanted, abs=0.05)
    assert picture_scores(original, noisy)["psnr"] == picture_scores(noisy, original)["psnr"]


def test_equal_pictures_have_infinite_psnr_and_the_same_colorfulness():
    scores = picture_scores(photo(), photo())
    assert scores["psnr"] == math.inf
    assert scores["colorfulness"] == scores["colorfulness_original"] == color.colorfulness(photo())


def test_pictures_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="`original` is"):
        picture_scores(photo(), photo()[:-1])


# -- sets -------------------------------------------------------------------------------------


def test_lpips_of_several_rivals_equals_the_library_one_by_one(no_weights: Path):
    torch.manual_seed(0)
    random = torchvision.models.squeezenet1_1(weights=None).state_dict()
    torch.save(random, no_weights / LPIPS.weights.file)
    rivals = 11  # more than one batch
    ours = LPIPS(rivals)
    theirs = [
        LearnedPerceptualImagePatchSimilarity(net_type="squeeze", normalize=True)
        for _ in range(rivals)
    ]
    for number, size in enumerate([(48, 40), (64, 64)]):
        original = photo(number, size)
        colored = [original, *(photo(100 + number + i, size) for i in range(rivals - 1))]
        ours.update(original, colored)
        for metric, picture in zip(theirs, colored, strict=True):
            metric.update(unit(picture), unit(original))
    scores = ours.compute()
    assert scores[0] == pytest.approx(0, abs=1e-9)
    assert scores == pytest.approx(
        [float(metric.compute()) for metric in theirs], rel=1e-3, abs=1e-9
    )
    assert min(scores[1:]) > 1e-5


def unit(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


class TinyInception(nn.Module):
    """768 features of a picture: random projections of its 2 x 2 means."""

    num_features = 768

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("mix", torch.randn(12, 768, generator=generator))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        assert pictures.dtype == torch.uint8
        self.seen += len(pictures)
        pooled = nn.functional.adaptive_avg_pool2d(pictures.float() / 255, 2)
        return pooled.flatten(1) @ self.mix


def test_fid_of_several_rivals_equals_the_library_one_by_one(monkeypatch):
    network = TinyInception()
    monkeypatch.setattr(metrics.Weights, "load", lambda *_: SimpleNamespace(inception=network))
    ours = FID(2)
    theirs = [FrechetInceptionDistance(feature=TinyInception()) for _ in range(2)]
    for number in range(5):
        original, other = photo(number), photo(50 + number)
        ours.update(original, [original, other])
        for metric, picture in zip(theirs, (original, other), strict=True):
            metric.update(byte(original), real=True)
            metric.update(byte(picture), real=False)
    scores = ours.compute()
    assert network.seen == 5 * 3  # the originals once, not once a rival
    assert scores == pytest.approx([float(metric.compute()) for metric in theirs], abs=1e-3)
    assert scores[0] == pytest.approx(0, abs=1e-3)
    assert scores[1] > 0.01


def byte(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None]


@pytest.mark.parametrize("metric", [LPIPS, FID])
def test_missing_weights_say_what_to_do(metric, no_weights: Path):
    with pytest.raises(DependencyError) as caught:
        metric(1)
    text = str(caught.value)
    for part in (metric.weights.metric, metric.weights.url, "TORCH_HOME", str(no_weights)):
        assert part in text
    assert isinstance(caught.value, KoalarizeError)


@pytest.mark.parametrize("metric", [LPIPS, FID])
@pytest.mark.parametrize("content", [b"", b"not weights at all"])
def test_damaged_weights_say_what_to_do(metric, content: bytes, no_weights: Path):
    (no_weights / metric.weights.file).write_bytes(content)
    with pytest.raises(ModelError, match=r"download .* again"):
        metric(1)


# -- engines ----------------------------------------------------------------------------------


def test_torch_engine_of_a_classifying_network():
    torch.manual_seed(0)
    network = Koala(KoalaConfig(**KOALA)).eval()
    engine = TorchEngine(network, 64, 0.5)
    lightness = color.srgb_to_lab(photo(0, (64, 32)))[..., 0]
    prediction = engine.run(lightness, None)
    assert engine.info == ModelInfo("Koala", 32, True, 64, 0.5, "logits")
    assert prediction.logits is not None
    assert prediction.logits.shape == (len(color.ab_bins()), 8, 16)
    assert prediction.ab.shape == (2, 8, 16)
    network.temperature = 0.5
    with torch.no_grad():
        logits = network.logits(torch.from_numpy(lightness.copy())[None, None])
    assert prediction.ab == pytest.approx(network.decode(logits)[0].numpy(), abs=1e-3)


def test_torch_engine_passes_hints_on():
    torch.manual_seed(0)
    engine = TorchEngine(Koala(KoalaConfig(**KOALA)), 32, 0.5)
    lightness = np.full((32, 32), 50, np.float32)
    hints = np.zeros((3, 32, 32), np.float32)
    hints[:, 8:16, 8:16] = np.array([60, -20, 1], np.float32)[:, None, None]
    assert not np.array_equal(engine.run(lightness, hints).ab, engine.run(lightness, None).ab)


def test_torch_engine_runs_in_eval_mode_and_restores_each_flag():
    torch.manual_seed(0)
    network = UNetMini(UNetMiniConfig(widths=(4, 4, 4), dropout=0.9)).train()
    network.down1.eval()  # a part that is frozen on purpose
    before = {name: part.training for name, part in network.named_modules()}
    engine = TorchEngine(network, 32, 1.0)
    lightness = color.srgb_to_lab(photo(0, (32, 32)))[..., 0]
    first, second = (engine.run(lightness, None) for _ in range(2))
    assert np.array_equal(first.ab, second.ab)  # no dropout
    assert first.ab.shape == (2, 32, 32)
    assert first.logits is None
    assert engine.info.output == "ab"
    assert {name: part.training for name, part in network.named_modules()} == before


class Counting:
    """An engine whose logits favour one bin, and that counts its runs."""

    def __init__(self, output: str = "logits") -> None:
        self.info = ModelInfo("counting", 4, True, 32, 0.5, output)
        self.runs: list[tuple[int, ...]] = []

    def run(self, l, hints):  # noqa: E741
        self.runs.append(l.shape)
        logits = np.zeros((len(color.ab_bins()), *(side // 4 for side in l.shape)), np.float32)
        logits[7] = l[::4, ::4] / 25
        ab = color.decode_ab(logits, temperature=self.info.temperature)
        return Prediction(ab, logits if self.info.output == "logits" else None)


def test_variants_share_the_logits_of_a_picture():
    engine = Counting()
    rows = list(variants(engine, [32, 64], [0.2, 0.5, 1.0]))
    settings = [(row.info.size, row.info.temperature) for row in rows]
    assert settings == [(s, t) for s in (32, 64) for t in (0.2, 0.5, 1.0)]
    for seed in range(2):
        colored = [Colorizer(row)(photo(seed, (48, 48))) for row in rows]
        assert engine.runs == [(32, 32), (64, 64)] * (seed + 1)
        vividness = [color.colorfulness(picture) for picture in colored]
        assert vividness[0] > vividness[1] > vividness[2]
    assert np.array_equal(Colorizer(rows[1])(photo(5)), Colorizer(Counting())(photo(5)))


def test_variants_without_logits_have_one_temperature():
    rows = list(variants(Counting("ab"), [32, 64], [0.2, 0.5]))
    assert [row.info.size for row in rows] == [32, 64]


def test_variants_default_to_the_models_own_setting():
    (row,) = variants(Counting(), None, None)
    assert (row.info.size, row.info.temperature) == (32, 0.5)


def test_grey_engine_leaves_the_picture_grey():
    grey = Colorizer(GreyEngine())(photo())
    assert color.colorfulness(grey) < 0.3  # single 8-bit levels of rounding
    lightness = [color.srgb_to_lab(picture)[..., 0] for picture in (grey, photo())]
    assert np.abs(lightness[0] - lightness[1]).max() < 0.5


# -- the whole --------------------------------------------------------------------------------


def test_report_of_a_sweep(koala: Path, unet: Path, data: Path):
    calls: list[tuple[int, int]] = []
    report = evaluate(
        [koala, str(unet)],
        data,
        metrics=CHEAP,
        sizes=[32, 48],
        temperatures=[0.02, 1.0],
        progress=lambda done, total: calls.append((done, total)),
    )
    names = ["grey", *["koala/model.safetensors"] * 4, *["unet/model.safetensors"] * 2]
    assert [row.model for row in report.rows] == names
    assert [(row.size, row.temperature) for row in report.rows] == [
        (None, None), (32, 0.02), (32, 1.0), (48, 0.02), (48, 1.0), (32, None), (48, None),
    ]  # fmt: skip
    grey = report.rows[0]
    assert grey.scores["colorfulness"] == pytest.approx(0, abs=0.3)
    assert grey.relative["psnr_minus_grey"] == 0
    assert report.rows[1].scores != report.rows[2].scores != report.rows[4].scores
    pictures = [np.asarray(Image.open(path)) for path in sorted(data.iterdir())]
    mean = sum(map(color.colorfulness, pictures)) / len(pictures)
    assert report.original == {"colorfulness": pytest.approx(mean)}
    row = report.rows[1]
    assert row.scores["colorfulness"] is not None
    assert row.relative["colorfulness_of_original"] == pytest.approx(
        row.scores["colorfulness"] / mean, abs=1e-5
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_report_carries_its_protocol(koala: Path, data: Path, tmp_path: Path):
    report = evaluate([koala], data, short_side=40, limit=2, metrics=CHEAP, temperatures=[0.5])
    facts = report.protocol
    assert facts.command == (
        "koalarize evaluate koala/model.safetensors --data pictures --short-side 40 --limit 2 "
        "--temperature 0.5 --metrics psnr,colorfulness"
    )
    assert (facts.data, facts.pictures, facts.left_out) == ("pictures", 2, {})
    assert "40 px" in facts.resize
    parsed = json.loads(report.to_json())
    assert parsed["protocol"]["data_sha256"] == facts.data_sha256
    assert parsed["rows"][1]["temperature"] == 0.5
    for place in (data.parent, koala.parent.parent):
        assert str(place) not in report.to_json() + report.to_markdown()
    again = evaluate([koala], data, short_side=40, limit=2, metrics=CHEAP, temperatures=[0.5])
    assert again == report
    other = evaluate([koala], data, short_side=40, metrics=CHEAP)
    assert other.protocol.data_sha256 != facts.data_sha256


def test_markdown_has_a_row_a_rival(koala: Path, data: Path):
    report = evaluate([koala], data, metrics=["colorfulness", "psnr"], sizes=[32, 64])
    lines = report.to_markdown().splitlines()
    assert lines[0].startswith("| model | size | temperature | PSNR dB")
    assert [line.split(" | ")[:2] for line in lines[2:5]] == [
        ["| grey", "–"],
        ["| koala/model.safetensors", "32"],
        ["| koala/model.safetensors", "64"],
    ]
    assert {line.count(" | ") for line in lines[:5]} == {4}


def test_equal_pictures_do_not_spoil_the_mean(koala: Path, tmp_path: Path):
    # What is grey already comes back from the grey rival as it was: infinite psnr, no share.
    for name in "ab":
        Image.new("L", (40, 40), 90).save(tmp_path / f"{name}.png")
    report = evaluate([koala], tmp_path, metrics=CHEAP)
    grey = report.rows[0]
    assert grey.scores["psnr"] is None
    assert grey.relative == {"psnr_minus_grey": None, "colorfulness_of_original": None}
    json.loads(report.to_json())
    Image.fromarray(photo()).save(tmp_path / "c.png")
    mixed = evaluate([koala], tmp_path, metrics=CHEAP).rows[0]
    alone = picture_scores(Colorizer(GreyEngine())(photo()), photo())["psnr"]
    assert mixed.scores["psnr"] == pytest.approx(alone, abs=1e-5)


def test_tiny_and_broken_pictures_are_left_out_and_counted(koala: Path, data: Path, tmp_path: Path):
    for path in data.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    Image.fromarray(photo(9, (20, 64))).save(tmp_path / "small.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    report = evaluate([koala], tmp_path, metrics=CHEAP)
    assert report.protocol.pictures == 3
    assert report.protocol.left_out == {"broken": 1, "tiny": 1}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"metrics": ["psnr", "lpip"]}, "did you mean `lpips`"),
        ({"metrics": []}, "no metric"),
        ({"short_side": 8}, "short_side"),
        ({"limit": 1}, "limit"),
        ({"sizes": [0]}, "size"),
        ({"temperatures": [0.0]}, "temperature"),
        ({"temperatures": [math.nan]}, "temperature"),
    ],
)
def test_values_that_are_not_allowed(options, text: str, koala: Path, data: Path):
    with pytest.raises(OptionError, match=text):
        evaluate([koala], data, **options)


def test_unknown_models_and_too_few_pictures(koala: Path, data: Path, tmp_path: Path):
    with pytest.raises(ModelError, match="unknown"):
        evaluate(["koalla"], data, metrics=CHEAP)
    with pytest.raises(ModelError, match="cannot be read"):
        evaluate([tmp_path / "none.safetensors"], data, metrics=CHEAP)
    Image.fromarray(photo()).save(tmp_path / "one.png")
    with pytest.raises(DataError, match="at least 2"):
        evaluate([koala], tmp_path, metrics=CHEAP)


def test_every_metric_is_a_default_of_the_command(koala: Path, data: Path, no_weights, capsys):
    assert main(["evaluate", str(koala), "--data", str(data)]) == 1
    assert "the metric `lpips` needs" in capsys.readouterr().err
    assert main(["evaluate", "--help"]) == 0
    assert ",".join(METRICS) in capsys.readouterr().out


def test_command_prints_a_table_and_writes_json(koala: Path, data: Path, tmp_path: Path, capsys):
    target = tmp_path / "report.json"
    words = ["evaluate", str(koala), "--data", str(data), "--metrics", "psnr, colorfulness"]
    words += ["--size", "32,48", "--temperature", "0.38,1", "--limit", "2", "-o", str(target)]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("| koala/model.safetensors |") == 4
    written = json.loads(target.read_text(encoding="utf-8"))
    assert len(written["rows"]) == 5
    assert written["protocol"]["pictures"] == 2


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--size", "128,big"], 2, "--size"),
        (["--temperature", "0,5,x"], 2, "--temperature"),
        (["--metrics", "ssim"], 2, "unknown"),
        (["-o", "."], 1, "is a folder"),
        (["-o", "nowhere/report.json"], 1, "does not exist"),
    ],
)
def test_command_lines_that_are_wrong(words, code, text, koala: Path, data: Path, capsys):
    assert main(["evaluate", str(koala), "--data", str(data), *words]) == code
    error = capsys.readouterr().err
    assert error.startswith("koalarize: error: ")
    assert error.count("\n") == 1
    assert text in error
