"""Weights & Biases and MLflow: one line of a recipe, a package only where it is asked for."""

from __future__ import annotations

import csv
import sys
from typing import Any, ClassVar

import pytest
import yaml
from lightning.pytorch import loggers
from lightning.pytorch.loggers import Logger

from koalarize.errors import DependencyError, OptionError
from koalarize.lab.training import loggers as room
from koalarize.lab.training.train import train_recipe
from runs import make_photos, tiny_recipe


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos"))


class Noted(Logger):
    """Stands in for a logger of Lightning; keeps what it is told."""

    made: ClassVar[list[Noted]] = []

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self.recipe: dict[str, Any] = {}
        self.names: set[str] = set()
        self.epochs: dict[int | None, float] = {}
        Noted.made.append(self)

    @property
    def name(self) -> str:
        return "noted"

    @property
    def version(self) -> str:
        return "0"

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        self.recipe = params

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.names |= metrics.keys()
        if "epoch" in metrics:
            self.epochs[step] = metrics["epoch"]


@pytest.mark.parametrize(("name", "kind"), [("wandb", "WandbLogger"), ("mlflow", "MLFlowLogger")])
def test_it_gets_the_recipe_and_the_numbers(photos, tmp_path, monkeypatch, name, kind):
    import inspect

    real = inspect.signature(getattr(loggers, kind).__init__).parameters
    Noted.made.clear()
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(loggers, kind, Noted)
    train_recipe(tiny_recipe(photos, logger=name), tmp_path / "run")
    (noted,) = Noted.made
    assert set(noted.options) <= set(real)
    assert noted.recipe["batch"] == 2
    assert {"train/loss", "train/learning_rate", "train/wait_share"} <= noted.names
    assert (tmp_path / "run" / "tensorboard").is_dir()
    with (tmp_path / "run" / "history.csv").open(newline="") as table:
        rows = {int(row["step"]): float(row["epoch"]) for row in csv.DictReader(table)}
    assert noted.epochs == pytest.approx({step: rows[step] for step in noted.epochs})


def test_tensorboard_knows_the_recipe_by_the_keys_of_set(photos, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    train_recipe(tiny_recipe(photos, logger=None), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    known = HParamsPluginData.FromString(content).session_start_info.hparams
    assert known["batch"].number_value == 2
    assert known["data.train"].string_value == str(photos)
    assert known["network.start"].string_value == "null"
    written = yaml.safe_load((tmp_path / "tensorboard" / "hparams.yaml").read_text())
    assert written["optimizer"]["learning_rate"] == known["optimizer.learning_rate"].number_value


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_package_is_named_before_the_work(photos, tmp_path, monkeypatch, name):
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DependencyError, match=f"`{name}` is not installed: pip install {name}"):
        train_recipe(tiny_recipe(photos, logger=name), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_name(photos):
    rule = "`logger` is 'wandbb' but must be wandb or mlflow or be null$"
    with pytest.raises(OptionError, match=rule):
        tiny_recipe(photos, logger="wandbb")


def test_nothing_is_imported_unasked():
    """Neither by importing what trains, as here, nor by the runs before this test."""
    assert {room.__name__, "koalarize.lab.training.train"} <= sys.modules.keys()
    assert not {"wandb", "mlflow"} & sys.modules.keys()
