"""Engines of an evaluation, the report and ``koalarize lab evaluate``; nothing is downloaded."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fakes import OneByOne
from koalarize import color
from koalarize.cli import main
from koalarize.cli.lab.evaluate import _METRICS
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.errors import DataError, ModelError, OptionError
from koalarize.lab.evaluation.evaluate import evaluate
from koalarize.lab.evaluation.models import load_model, short_name, short_names
from koalarize.lab.evaluation.report import at_commit
from koalarize.lab.evaluation.torch_engine import TorchEngine
from koalarize.lab.evaluation.variants import GreyEngine, variants
from koalarize.lab.metrics.definitions import ALL_METRICS, DEFAULT_METRICS
from koalarize.lab.metrics.metrics import picture_scores
from koalarize.lab.networks.koala import Koala, KoalaConfig
from koalarize.lab.networks.unet_mini import UNetMini, UNetMiniConfig
from samples import KOALA, UNET, checkpoint, empty_hub, photo, picture_folder

CHEAP = ("psnr", "colorfulness")


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
    return picture_folder(tmp_path_factory.mktemp("set") / "pictures")


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch) -> Path:
    return empty_hub(tmp_path, monkeypatch)


# -- engines ----------------------------------------------------------------------------------


def test_torch_engine_of_a_classifying_network():
    torch.manual_seed(0)
    network = Koala(KoalaConfig(**KOALA)).eval()
    engine = TorchEngine(network, 64, 0.5)
    lightness = color.srgb_to_lab(photo(0, (64, 32)))[..., 0]
    prediction = engine.run(lightness[None], None).of(0)
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
    assert not np.array_equal(
        engine.run(lightness[None], hints[None]).ab, engine.run(lightness[None], None).ab
    )


def test_torch_engine_runs_in_eval_mode_and_restores_each_flag():
    torch.manual_seed(0)
    network = UNetMini(UNetMiniConfig(widths=(4, 4, 4), dropout=0.9)).train()
    network.down1.eval()  # a part that is frozen on purpose
    before = {name: part.training for name, part in network.named_modules()}
    engine = TorchEngine(network, 32, 1.0)
    lightness = color.srgb_to_lab(photo(0, (32, 32)))[..., 0]
    first, second = (engine.run(lightness[None], None).of(0) for _ in range(2))
    assert np.array_equal(first.ab, second.ab)  # no dropout
    assert first.ab.shape == (2, 32, 32)
    assert first.logits is None
    assert engine.info.output == "ab"
    assert {name: part.training for name, part in network.named_modules()} == before


def test_torch_engine_gives_no_picture_of_what_is_no_number():
    network = UNetMini(UNetMiniConfig(widths=(4, 6, 8)))
    with torch.no_grad():
        network.state_dict()["head.bias"][0] = float("nan")
    with pytest.raises(ModelError, match=r"values that are no numbers \(50 % of them\)"):
        TorchEngine(network, 32, 0.4).run(np.full((1, 32, 32), 50, np.float32), None)


class Counting(OneByOne):
    """An engine whose logits favour one bin, and that counts its runs."""

    def __init__(self, output: str = "logits") -> None:
        self.info = ModelInfo("counting", 4, True, 32, 0.5, output)
        self.runs: list[tuple[int, ...]] = []

    def one(self, lightness, hints):
        self.runs.append(lightness.shape)
        logits = np.zeros(
            (len(color.ab_bins()), *(side // 4 for side in lightness.shape)), np.float32
        )
        logits[7] = lightness[::4, ::4] / 25
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


def test_a_network_bound_to_one_size_has_one_variant():
    engine = Counting("ab")
    engine.info = dataclasses.replace(engine.info, fixed_size=32)
    assert [row.info.size for row in variants(engine, [48, 64], None)] == [32]


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
        "koalarize lab evaluate koala/model.safetensors --data pictures --short-side 40 --limit 2 "
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
    psnr = parsed["protocol"]["metrics"]["psnr"]
    assert (psnr["unit"], psnr["better"]) == ("dB", "higher")


def test_report_of_every_metric_without_a_network(koala: Path, data: Path):
    names = [name for name in ALL_METRICS if name not in ("lpips", "fid")]
    report = evaluate([koala], data, metrics=names)
    grey, row = report.rows
    assert list(row.scores) == names
    assert None not in {**row.scores, **row.relative}.values()
    assert set(report.original) == {"colorfulness", "colorfulness-abs", "variety"}
    assert grey.scores["variety"] == pytest.approx(0, abs=0.05)
    assert row.relative["inverse_ssim_sum"] == pytest.approx(
        3 * row.scores["inverse-ssim"], abs=1e-5
    )
    assert row.relative["ssim_minus_grey"] == pytest.approx(
        row.scores["ssim"] - grey.scores["ssim"], abs=2e-6
    )
    assert grey.relative["delta_e_of_grey"] == 1
    backends = {name: used.backend for name, used in report.protocol.metrics.items()}
    assert "scikit-image" in backends["delta-e"]
    text = report.to_markdown()
    assert "| inverse SSIM (of grey) |" in text
    assert f"(sum {row.relative['inverse_ssim_sum']:.2f}; " in text
    assert "better: as the originals" in text


def test_a_commit_in_short_keeps_its_dirt():
    assert at_commit("0123456789abcdef" + "0" * 24 + "-dirty") == " at 0123456789ab-dirty"
    assert at_commit("0123456789abcdef") == " at 0123456789ab"
    assert at_commit(None) == ""


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
    shares = {"psnr_minus_grey": None, "colorfulness_of_original": None}
    assert grey.relative == shares | {"psnr_equal": 2}
    json.loads(report.to_json())
    Image.fromarray(photo()).save(tmp_path / "c.png")
    Image.fromarray(photo(3)).convert("L").save(tmp_path / "d.png")
    report = evaluate([koala], tmp_path, metrics=CHEAP)
    mixed, made = report.rows
    assert mixed.relative["psnr_equal"] == 3
    assert "(without 3 equal; +0.00)" in report.to_markdown()
    assert made.relative["psnr_equal"] == 2  # plain pictures stay grey
    alone = picture_scores(Colorizer(GreyEngine())(photo()), photo())["psnr"]
    assert mixed.scores["psnr"] == pytest.approx(alone, abs=1e-5)
    # The model paints the grey photo too, which is no part of the difference to grey.
    colored = Colorizer(load_model(koala).engine)(photo())
    gain = picture_scores(colored, photo())["psnr"] - alone
    assert made.relative["psnr_minus_grey"] == pytest.approx(gain, abs=1e-5)
    assert made.scores["psnr"] != pytest.approx(alone + gain, abs=1)


def test_a_runs_folder_names_the_file_in_it(tmp_path: Path, monkeypatch):
    with pytest.raises(ModelError, match=r"is a folder: give the run's `.*model\.safetensors`"):
        load_model(tmp_path)
    (tmp_path / "koala").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_model("koala").name == "koala"  # a name stays a name


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


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("koala", "koala"),
        ("/a/b/c.onnx", "b/c.onnx"),
        ("koala,/a/b/c.onnx:2, ../d.onnx", "koala,b/c.onnx:2,d.onnx"),
    ],
)
def test_a_model_is_named_without_this_machine_s_folders(model, name):
    assert short_name(model) == name


def test_models_whose_last_folders_are_alike_are_told_apart(tmp_path: Path, monkeypatch):
    """The columns of a showcase and the rows of `--per-picture` are known by these names alone."""
    runs = [tmp_path / name / "seed-1" / "model.safetensors" for name in ("mse", "l1")]
    other = tmp_path / "l1" / "seed-2" / "model.safetensors"
    for run in (*runs, other):
        run.parent.mkdir(parents=True)
        run.touch()
    apart = ["mse/seed-1/model.safetensors", "l1/seed-1/model.safetensors"]
    names = short_names(["koala", *runs, other, runs[0], "koala", "koala,koala-int8"])
    ends = ["seed-2/model.safetensors", apart[0], "koala", "koala,koala-int8"]
    assert names == ["koala", *apart, *ends]
    monkeypatch.chdir(tmp_path / "l1")
    assert short_names(["seed-1/model.safetensors", runs[0]]) == apart[::-1]
    assert short_names([".", runs[0].parent]) == [f"{tmp_path.name}/l1", "mse/seed-1"]


def test_unknown_models_and_too_few_pictures(koala: Path, data: Path, tmp_path: Path):
    with pytest.raises(ModelError, match="unknown"):
        evaluate(["koalla"], data, metrics=CHEAP)
    with pytest.raises(ModelError, match="cannot be read"):
        evaluate([tmp_path / "none.safetensors"], data, metrics=CHEAP)
    Image.fromarray(photo()).save(tmp_path / "one.png")
    with pytest.raises(DataError, match="at least 2"):
        evaluate([koala], tmp_path, metrics=CHEAP)


def test_the_defaults_of_the_command(koala: Path, data: Path, no_weights, capsys, caplog):
    words = ["lab", "evaluate", str(koala), "--data", str(data)]
    assert main(words) == 0
    assert "| PSNR" in capsys.readouterr().out
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("without lpips and fid: `")
    assert said.count(str(no_weights)) == 2
    assert main([*words, "--metrics", "lpips"]) == 1
    assert "the metric `lpips` needs" in capsys.readouterr().err
    assert ",".join(DEFAULT_METRICS) == _METRICS


def test_command_prints_a_table_and_writes_json(koala: Path, data: Path, tmp_path: Path, capsys):
    target = tmp_path / "report.json"
    words = ["lab", "evaluate", str(koala), "--data", str(data), "--metrics", "psnr, colorfulness"]
    words += ["--size", "32,48", "--temperature", "0.38,1", "--limit", "2", "-o", str(target)]
    words += ["--per-picture", str(tmp_path / "each.csv")]
    assert main([*words, "--per-picture", str(target)]) == 2
    assert "as is `--output`: name another file" in capsys.readouterr().err
    (tmp_path / "each.csv").write_text("picture,model,size,temperature\n")  # its own is replaced
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("| koala/model.safetensors |") == 4
    written = json.loads(target.read_text(encoding="utf-8"))
    assert len(written["rows"]) == 5
    with (tmp_path / "each.csv").open(newline="", encoding="utf-8") as table:
        each = list(csv.DictReader(table))
    names = [path.name for path in sorted(data.iterdir())][:2]
    assert [row["picture"] for row in each] == names * 5
    for number, row in enumerate(written["rows"]):
        own = each[2 * number : 2 * number + 2]
        assert {one["model"] for one in own} == {row["model"]}
        mean = sum(float(one["psnr"]) for one in own) / 2
        assert mean == pytest.approx(row["scores"]["psnr"], abs=1e-5)
    assert written["protocol"]["pictures"] == 2


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--size", "128,big"], 2, "--size"),
        (["--temperature", "0,5,x"], 2, "--temperature"),
        (["--metrics", "ssmi"], 2, "did you mean `ssim`"),
        (["-o", "."], 1, "is a folder"),
        (["-o", "nowhere/report.json"], 1, "does not exist"),
    ],
)
def test_command_lines_that_are_wrong(words, code, text, koala: Path, data: Path, capsys):
    assert main(["lab", "evaluate", str(koala), "--data", str(data), *words]) == code
    error = capsys.readouterr().err
    assert error.startswith("koalarize: error: ")
    assert error.count("\n") == 1
    assert text in error
