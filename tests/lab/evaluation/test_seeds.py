"""The mean of several trainings' scores and their deviation."""

from __future__ import annotations

import dataclasses
import json
import statistics

import onnx
import pytest
import torch

from koalarize.cli import main
from koalarize.engines.engine import METADATA_KEY
from koalarize.errors import OptionError
from koalarize.lab.evaluation.seeds import Trained, check_seeds, over_seeds
from koalarize.lab.evaluation.trainings import differences, recipe_of
from koalarize.lab.export.export import without_folders
from koalarize.lab.runs.checkpoint import build_network, save_checkpoint
from koalarize.lab.runs.data_options import DataOptions
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


def recipe_text(**changes):
    values = {"loss": {"name": "mse", "alpha": 1.0}, "hints": None, "steps": 10} | changes
    return json.dumps(values, sort_keys=True)


def test_each_recipe_has_its_own():
    """An ablation in one call: trainings of unlike recipes are never averaged together."""
    names = ("mse", "mse", "l1", "l1")
    recipes = [recipe_text(loss={"name": name, "alpha": 1.0}) for name in names]
    trained = [Trained(f"{n}", f"{n}", 32, None, recipe) for n, recipe in enumerate(recipes)]
    check_seeds(trained)
    found = over_seeds([(one, {"psnr": float(n)}, {}) for n, one in enumerate(trained)])
    assert [(each.models, each.mean["psnr"]) for each in found] == [
        (["0", "1"], 0.5),
        (["2", "3"], 2.5),
    ]
    assert [each.label for each in found] == [
        "loss.name mse: mean ± deviation of 2",
        "loss.name l1: mean ± deviation of 2",
    ]
    with pytest.raises(
        OptionError, match=r"2 recipes and one model, `2`, of this one \(loss.name l1\)"
    ):
        check_seeds(trained[:3])


def test_what_is_no_training_stands_beside_them():
    """Shipped models and others' pictures are compared with, and in no mean."""
    beside = [Trained(name, name, None, None, None) for name in ("koala", "out/theirs", "out/ours")]
    rows = [(one, {"psnr": float(n)}, {}) for n, one in enumerate((A, *beside, B))]
    check_seeds([one for one, _, _ in rows])
    (found,) = over_seeds(rows)
    assert (found.models, found.mean) == ([A.model, B.model], {"psnr": 2.0})
    assert found.label == "mean ± deviation of 2"
    with pytest.raises(OptionError, match=r"without a training but must have 2 or more"):
        check_seeds(beside)
    with pytest.raises(OptionError, match=r"given with 1 model but"):
        check_seeds([A, *beside])


def test_in_what_recipes_differ():
    hints = {"count": 9, "patch": [1, 9], "share_without": 0.5, "more": "x" * 40}
    recipes = [recipe_text(), recipe_text(hints=hints), recipe_text(steps=20), ""]
    assert differences(recipes) == [
        {"hints": "null", "steps": "10"},
        {"hints": "set", "steps": "10"},
        {"hints": "null", "steps": "20"},
        {},
    ]
    assert differences([recipe_text()]) == differences([""]) == [{}]


def test_the_recipe_of_a_model(tmp_path):
    """Seed, name and folders may differ; checkpoints and what is exported of them count alike."""
    texts = []
    for number, changes in enumerate(({}, {"seed": 5, "name": "b"}, {"steps": 7})):
        data = DataOptions(train=str(tmp_path / f"{number}" / "photos"), workers=number)
        recipe = Recipe(network=NetworkOptions("unet-mini", UNET), size=32, data=data)
        recipe = dataclasses.replace(recipe, **changes)
        path = tmp_path / f"{number}.safetensors"
        save_checkpoint(path, build_network(recipe.network).state_dict(), recipe, {})
        texts.append(recipe_of(path))
    assert texts[0] == texts[1] != texts[2]
    graph = onnx.helper.make_graph([], "g", [], [])
    model = onnx.helper.make_model(graph)
    described = {"recipe": dataclasses.asdict(without_folders(recipe))}
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(described)
    onnx.save(model, tmp_path / "2.onnx")
    assert recipe_of(tmp_path / "2.onnx") == texts[2]
    entry.value = json.dumps({"recipe": {"later": 1}})
    onnx.save(model, tmp_path / "later.onnx")
    assert recipe_of(tmp_path / "later.onnx") == ""
    assert recipe_of("koala") is recipe_of("koala,koala-int8:2") is None


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
    theirs = picture_folder(tmp_path / "theirs")
    models += [str(theirs), "koala"]
    asked = ["lab", "evaluate", *models, "--data", str(data), "--metrics", "psnr,variety"]
    assert main([*asked, "--limit", "2", "--seeds", "-o", str(report)]) == 0
    told = json.loads(report.read_text())
    own = [row["scores"]["psnr"] for row in told["rows"][1:3]]
    assert len(told["rows"]) == 5
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
    other = tmp_path / "other.safetensors"
    longer = dataclasses.replace(recipe, steps=7)
    save_checkpoint(other, build_network(longer.network).state_dict(), longer, {})
    capsys.readouterr()
    assert main([*asked[:4], str(other), *asked[4:], "--seeds"]) == 2
    assert "2 recipes and one model" in capsys.readouterr().err
