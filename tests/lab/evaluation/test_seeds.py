"""The mean of several trainings' scores and their deviation."""

from __future__ import annotations

import json
import statistics

import pytest
import torch

from koalarize.cli import main
from koalarize.errors import OptionError
from koalarize.lab.evaluation.seeds import Trained, check_seeds, over_seeds
from koalarize.lab.runs.checkpoint import build_network, save_checkpoint
from koalarize.lab.runs.recipe import NetworkOptions, Recipe
from samples import UNET, picture_folder

A, B, C = (Trained(f"seed-{n}/model", f"{n}", 32, None) for n in range(3))


def test_mean_and_the_deviation_of_a_sample():
    scores = [(A, {"psnr": 20.0}), (B, {"psnr": 22.0}), (C, {"psnr": 27.0})]
    (found,) = over_seeds([(one, of, {"lpips_of_grey": of["psnr"] / 10}) for one, of in scores])
    assert (found.models, found.size) == ([A.model, B.model, C.model], 32)
    assert found.mean == {"psnr": 23.0}
    assert found.deviation == {"psnr": pytest.approx(statistics.stdev([20, 22, 27]), abs=1e-6)}
    assert found.relative_mean == {"lpips_of_grey": 2.3}
    assert found.relative_deviation["lpips_of_grey"] == pytest.approx(0.360555, abs=1e-6)


def test_a_score_that_one_training_lacks_has_no_mean():
    (found,) = over_seeds([(A, {"psnr": 20.0}, {}), (B, {"psnr": None}, {})])
    assert (found.mean, found.deviation) == ({"psnr": None}, {"psnr": None})


def test_each_setting_has_its_own():
    small = Trained(A.model, A.sha256, 16, None), Trained(B.model, B.sha256, 16, None)
    rows = [(one, {"psnr": float(n)}, {}) for n, one in enumerate((A, small[0], B, small[1]))]
    check_seeds([one for one, _, _ in rows])
    assert [(each.size, each.mean["psnr"]) for each in over_seeds(rows)] == [(32, 1.0), (16, 2.0)]


@pytest.mark.parametrize(
    ("trained", "message"),
    [
        ([A], "`--seeds` is given with 1 model but must have 2 or more"),
        (
            [A, Trained("copy/model", A.sha256, 32, None)],
            "`copy/model`, whose weights are the same",
        ),
        ([A, Trained("b", "b", 64, 0.4)], r"unlike settings \(32 px; 64 px at 0\.4\)"),
    ],
)
def test_what_is_no_set_of_trainings_is_refused(trained, message):
    with pytest.raises(OptionError, match=message):
        check_seeds(trained)


def test_the_report_has_a_line_of_them(tmp_path, capsys):
    models: list[str] = []
    for seed in range(2):
        path = tmp_path / f"seed-{seed}" / "model.safetensors"
        recipe = Recipe(network=NetworkOptions("unet-mini", UNET), size=32)
        path.parent.mkdir()
        torch.manual_seed(seed)
        save_checkpoint(path, build_network(recipe.network).state_dict(), recipe, {})
        models.append(str(path))
    data, report = picture_folder(tmp_path / "set"), tmp_path / "report.json"
    asked = ["lab", "evaluate", *models, "--data", str(data), "--metrics", "psnr,variety"]
    assert main([*asked, "--limit", "2", "--seeds", "-o", str(report)]) == 0
    told = json.loads(report.read_text())
    own = [row["scores"]["psnr"] for row in told["rows"][1:]]
    assert own[0] != own[1]
    (spread,) = told["seeds"]
    assert spread["mean"]["psnr"] == pytest.approx(statistics.fmean(own), abs=1e-6)
    assert spread["deviation"]["psnr"] == pytest.approx(statistics.stdev(own), abs=1e-6)
    assert told["protocol"]["command"].endswith("--seeds")
    mean, deviation = spread["mean"]["psnr"], spread["deviation"]["psnr"]
    table = capsys.readouterr().out
    assert f"| mean ± deviation of 2 | 32 | – | {mean:.2f} ± {deviation:.2f} (" in table
    assert main([*asked, "--limit", "2", "-o", str(report)]) == 0
    assert "seeds" not in json.loads(report.read_text())
    assert main([*asked[:3], *asked[4:], "--seeds"]) == 2
