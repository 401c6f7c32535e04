"""Where a run's numbers go beside its history: TensorBoard; Weights & Biases or MLflow, if asked.

Not here: the trainer that gets the loggers (``train``), the history (``lab.runs.history``).
Neither of the two packages is imported, nor needed, unless a recipe's ``logger`` names it.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from lightning.pytorch import loggers
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.tensorboard.summary import hparams

from koalarize.errors import DependencyError
from koalarize.lab.runs.recipe import Recipe

__all__ = ["check_logger", "run_loggers"]

_PROJECT = "koalarize"


def check_logger(recipe: Recipe) -> None:
    """Check, before the work, that the package of the recipe's logger is installed.

    Raises:
        DependencyError: if it is not.
    """
    name = recipe.logger
    if name is not None and importlib.util.find_spec(name) is None:
        raise DependencyError(
            f"`logger` is {name!r} but the package `{name}` is not installed: pip install {name}, "
            "or leave `logger` out; TensorBoard's files are written either way"
        )


class _StepsTaken(Logger):
    """Counts as the history does, so that one step has one number everywhere.

    Lightning counts steps from 0, and calls segments epochs.

    Attributes:
        epochs_a_step: passes over the pictures that a step makes.
    """

    epochs_a_step: float

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        taken = 0 if step is None else step + 1
        counted = {"epoch": taken * self.epochs_a_step} if "epoch" in metrics else {}
        super().log_metrics({**metrics, **counted}, None if step is None else taken)


class _TensorBoard(_StepsTaken, TensorBoardLogger):
    """TensorBoard's files, with the recipe under HParams."""

    @rank_zero_only
    def log_recipe(self, recipe: Recipe) -> None:
        """Write the recipe, to TensorBoard's table of runs and to ``hparams.yaml``."""
        plain = json.loads(json.dumps(dataclasses.asdict(recipe)))
        self.hparams.update(plain)
        shown = ["train/loss", *(["validation/loss"] if recipe.data.validation else [])]
        writer = self.experiment._get_file_writer()  # pyright: ignore[reportPrivateUsage]
        for summary in hparams(dict(_flat(plain)), dict.fromkeys(shown, 0.0)):
            writer.add_summary(summary)


def _flat(values: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    """Yield values by their keys as ``--set`` spells them; what is no plain value as JSON."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            plain = isinstance(value, str | int | float)
            yield f"{above}{key}", value if plain else json.dumps(value)


def run_loggers(recipe: Recipe, folder: Path, pictures: int) -> list[Logger]:
    """Return TensorBoard's logger, then the one that the recipe names; each gets the recipe.

    Args:
        recipe: of the run.
        folder: of the run.
        pictures: how many there are to learn from.
    """
    board = _TensorBoard(folder, name=None, version="tensorboard")
    board.log_recipe(recipe)
    found: list[_StepsTaken] = [board]
    if recipe.logger == "wandb":

        class Wandb(_StepsTaken, loggers.WandbLogger): ...

        found.append(Wandb(name=recipe.name, project=_PROJECT, save_dir=folder))
    if recipe.logger == "mlflow":

        class MLflow(_StepsTaken, loggers.MLFlowLogger): ...

        found.append(
            MLflow(experiment_name=_PROJECT, run_name=recipe.name, save_dir=str(folder / "mlruns"))
        )
    for one in found:
        one.epochs_a_step = recipe.samples_a_step / pictures
    for one in found[1:]:
        one.log_hyperparams(dataclasses.asdict(recipe))
    return list(found)
