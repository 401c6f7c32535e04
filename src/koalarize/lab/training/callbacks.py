"""What happens beside the steps of a training: the exported weights, the log lines, the history.

Not here: the steps (``module``), the trainer (``train``), going on after a stop (``resume``).
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from koalarize.lab.training.checkpoint import save_checkpoint
from koalarize.lab.training.history import History
from koalarize.lab.training.module import ColorizationModule
from koalarize.lab.training.recipe import Recipe
from koalarize.lab.training.resume import PICTURES_KEY, RECIPE_KEY

__all__ = ["Progress", "SaveWeights"]

log = logging.getLogger(__name__)


class SaveWeights(Callback):
    """Write the averaged weights as a self-describing checkpoint beside Lightning's own."""

    def __init__(self, path: Path, recipe: Recipe, facts: dict[str, Any]) -> None:
        self.path, self.recipe, self.facts = path, recipe, facts

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Run after the averaging callback, which has put its weights into ``state_dict``."""
        if not trainer.is_global_zero:
            return
        checkpoint[RECIPE_KEY] = json.dumps(dataclasses.asdict(self.recipe))
        checkpoint[PICTURES_KEY] = self.facts["pictures"]
        weights = {
            name.removeprefix("network."): tensor
            for name, tensor in checkpoint["state_dict"].items()
            if name.startswith("network.")
        }
        facts = self.facts | {
            "steps": trainer.global_step,
            "samples": trainer.global_step * self.recipe.samples_a_step,
        }
        save_checkpoint(self.path, weights, self.recipe, facts)


class Progress(Callback):
    """Log speed, loss and the share of time spent waiting for data, once a segment.

    Args:
        recipe: of the run.
        table: where the run's history is written, see ``history``.
        pictures: how many there are to learn from.
    """

    def __init__(self, recipe: Recipe, table: Path, pictures: int) -> None:
        self.recipe = recipe
        self.table = table
        self.pictures = pictures
        self.history: History | None = None
        self._begin()

    def _begin(self) -> None:
        self._started = self._ended = time.perf_counter()
        self._waited = 0.0
        self._losses: list[torch.Tensor] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Read the history up to where the run stands."""
        if trainer.is_global_zero:
            self.history = History(self.table, trainer.global_step)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Count the time since the last step as waiting."""
        if self._losses:
            self._waited += time.perf_counter() - self._ended
        else:  # the first batch also waits for the workers to start
            self._started = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: torch.Tensor | Mapping[str, Any] | None,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Keep the loss where it is: to look at it here would stop a GPU at every step."""
        self._ended = time.perf_counter()
        assert isinstance(outputs, Mapping)
        self._losses.append(outputs["loss"].detach())

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the segment; its loss is the mean over all processes."""
        assert isinstance(pl_module, ColorizationModule)
        assert self._losses
        mean = trainer.strategy.reduce(torch.stack(self._losses).float().mean(), reduce_op="mean")
        loss = float(mean) * self.recipe.optimizer.accumulate  # Lightning has divided it
        seconds = max(self._ended - self._started, 1e-9)
        speed = len(self._losses) * self.recipe.batch / seconds
        pl_module.log_dict(
            {"train/pictures_per_second": speed, "train/wait_share": self._waited / seconds}
        )
        if self.history is not None:
            samples = trainer.global_step * self.recipe.samples_a_step
            course = {
                "step": trainer.global_step,
                "samples": samples,
                "epoch": samples / self.pictures,
                "loss": loss,
                "seconds": self.history.seconds + seconds,
            }
            self.history.add(course | pl_module.mean_scores)
        pl_module.mean_scores = {}
        log.info(
            "step %d of %d: loss %.4f, %.1f pictures/s, %.1f %% of the time waiting for data",
            trainer.global_step,
            self.recipe.steps,
            loss,
            speed,
            100 * self._waited / seconds,
        )
        self._begin()
