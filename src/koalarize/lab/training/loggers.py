"""Where the numbers of a run go besides its folder: Weights & Biases or MLflow, if asked.

Not here: TensorBoard's place in the trainer (``train``), the history (``lab.runs.history``).
Neither package is imported, nor needed, unless a recipe's ``logger`` names it.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

from lightning.pytorch import loggers
from lightning.pytorch.loggers import Logger, TensorBoardLogger

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


def run_loggers(recipe: Recipe, folder: Path) -> list[Logger]:
    """Return TensorBoard's logger, then the one that the recipe names, which gets the recipe."""
    found: list[Logger] = [TensorBoardLogger(folder, name=None, version="tensorboard")]
    if recipe.logger == "wandb":
        found.append(loggers.WandbLogger(name=recipe.name, project=_PROJECT, save_dir=folder))
    if recipe.logger == "mlflow":
        found.append(
            loggers.MLFlowLogger(
                experiment_name=_PROJECT, run_name=recipe.name, save_dir=str(folder / "mlruns")
            )
        )
    for one in found[1:]:
        one.log_hyperparams(dataclasses.asdict(recipe))
    return found
