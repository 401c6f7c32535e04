"""What happens beside the steps of a training: the exported weights, the log lines, the history.

Not here: the steps (``module``), the trainer (``train``), going on after a stop (``resume``).
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from koalarize.lab.runs.checkpoint import save_checkpoint
from koalarize.lab.runs.history import History
from koalarize.lab.runs.recipe import Recipe
from koalarize.lab.training.module import ColorizationModule
from koalarize.lab.training.processes import CommonError
from koalarize.lab.training.resume import (
    HASH_KEY,
    LAST,
    PICTURES_KEY,
    RECIPE_KEY,
    ROW_KEY,
    SCORES_KEY,
    STALE_KEY,
    VALIDATION_KEY,
    EarlierRun,
    network_weights,
    saved_weights,
)

__all__ = ["LOOK_EVERY", "Progress", "SaveWeights"]

log = logging.getLogger(__name__)

_AFTER_A_LOSS = "lower `optimizer.learning_rate` or set `optimizer.clip`, and "
_WITH_A_STATE = (
    "continue with --resume; the state before is kept (if it is spoilt too, begin again with "
    "another -o)"
)
_BEFORE_ANY_STEP = (
    "no weight has changed yet, so the loss, the network or the weights that it begins with give "
    "no number: mend them, or try `--precision fp32`"
)
_WITHOUT = "give the command again: the run begins anew, as no segment was saved"
#: Batches between two readings of the loss: each waits for the GPU.
LOOK_EVERY = 20


class SaveWeights(Callback):
    """Write the averaged weights as a self-describing checkpoint beside Lightning's own.

    Those of the lowest validation loss are kept as ``best.safetensors`` too, where runs validate.
    After the recipe's ``patience`` without a lower loss the run ends. Weights are written before
    the state that a run goes on from: if that is lost, they are made again. Those of a run's only
    segment follow it, as they would be taken for a whole model without it.

    Args:
        path: the checkpoint.
        recipe: of the run.
        facts: what else the checkpoint says of it.
        judges_afresh: whether the recipe measures another validation loss than the run up to here:
            what was its lowest is then no measure of what follows.
    """

    def __init__(
        self,
        path: Path,
        recipe: Recipe,
        facts: Mapping[str, object],
        *,
        judges_afresh: bool = False,
    ) -> None:
        self.path, self.recipe, self.facts = path, recipe, facts
        self._judges_afresh = judges_afresh
        self._best = math.inf
        self._stale = 0  # validations since the lowest loss
        self._scores: dict[str, float] | None = None  # of weights better than any before

    def state_dict(self) -> dict[str, object]:
        """Return the lowest validation loss and how old it is, for a run that continues."""
        return {"best": self._best, STALE_KEY: self._stale, SCORES_KEY: self._scores}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Take the lowest validation loss of the run up to here, if it can be compared."""
        if self._judges_afresh:
            return
        self._best = cast(float, state_dict["best"])
        self._stale = cast(int, state_dict.get(STALE_KEY, 0))

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note whether the weights are the best so far; the same in every process."""
        assert isinstance(pl_module, ColorizationModule)
        loss = pl_module.mean_scores.get("validation/loss", math.inf)
        if loss < self._best:
            self._best, self._scores, self._stale = loss, pl_module.mean_scores, 0
            return
        self._stale += 1
        if self.recipe.patience is not None and self._stale >= self.recipe.patience:
            log.info(
                "ending after step %d: no lower loss in %d validations; best.safetensors has the "
                "weights of the lowest, %.4g",
                trainer.global_step,
                self._stale,
                self._best,
            )
            trainer.should_stop = True

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, object]
    ) -> None:
        """Run after the averaging callback, which has put its weights into ``state_dict``."""
        if not trainer.is_global_zero:
            return
        checkpoint[RECIPE_KEY] = json.dumps(dataclasses.asdict(self.recipe))
        checkpoint[PICTURES_KEY] = self.facts["pictures"]
        checkpoint[HASH_KEY] = self.facts.get("data_sha256")
        checkpoint[VALIDATION_KEY] = self.facts.get("validation_sha256")
        if _saves_only_segment(trainer, self.recipe, self.path.parent):
            return
        state = cast("Mapping[str, torch.Tensor]", checkpoint["state_dict"])
        self.write(network_weights(state), trainer.global_step)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the weights of a run's only segment, whose state is on the disk by now."""
        last = self.path.with_name(LAST)
        if trainer.is_global_zero and last.exists() and not self.path.exists():
            self.write(saved_weights(last), trainer.global_step)

    def restore(self, last: Path, earlier: EarlierRun) -> None:
        """Write the weights again that a state holds, as the best ones too where it says so.

        Args:
            last: the state.
            earlier: what it says of the run.

        Raises:
            OutputError: as ``write``.
        """
        self._scores = earlier.scores if earlier.judged_alike else None
        self.write(saved_weights(last), earlier.taken)

    def write(self, weights: dict[str, torch.Tensor], steps: int) -> None:
        """Write the weights, also as the best ones if the last validation found them so.

        Args:
            weights: by the names of the network's state.
            steps: taken so far.

        Raises:
            OutputError: if they cannot be written; earlier ones stay.
        """
        samples = steps * self.recipe.samples_a_step
        facts = {**self.facts, "steps": steps, "samples": samples}
        if self._scores is not None:
            best = self.path.with_name("best.safetensors")
            save_checkpoint(best, weights, self.recipe, facts | self._scores)
            self._scores = None
        save_checkpoint(self.path, weights, self.recipe, facts)


def _saves_only_segment(trainer: L.Trainer, recipe: Recipe, folder: Path) -> bool:
    """Tell whether the segment that is being saved is the first and the last of its run."""
    return trainer.global_step >= recipe.steps and not (folder / LAST).exists()


class Progress(Callback):
    """Log speed, loss and the share of time spent waiting for data, once a segment.

    The first step stands in the history and in TensorBoard too. The row of a run's only segment is
    written after its state, which holds it as well: a history alone is that of a lost model. A loss
    or a weight that is not finite ends the run before anything of the segment is saved or
    validated.

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
        self._row: dict[str, float] | None = None  # of the only segment, until its state is saved
        self._begin()

    def _begin(self) -> None:
        self._started = self._ended = time.perf_counter()
        self._waited = 0.0
        self._noted = 0.0  # seconds of this segment that the history has already
        self._losses: list[torch.Tensor] = []
        self._from = 0  # steps taken before the segment

    def state_dict(self) -> dict[str, object]:
        """Return the row that the history has not got yet."""
        return {ROW_KEY: self._row}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the row of an only segment, whose state is on the disk by now."""
        if self.history is not None and self._row is not None:
            self.history.add(self._row)
            self._row = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Read the history up to where the run stands."""
        if trainer.is_global_zero:
            self.history = History(self.table, trainer.global_step)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Count the time since the last step as waiting."""
        assert isinstance(pl_module, ColorizationModule)
        self._rate = pl_module.learning_rate
        if self._losses:
            self._waited += time.perf_counter() - self._ended
        else:  # the first batch also waits for the workers to start
            self._started = time.perf_counter()
            self._from = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: torch.Tensor | Mapping[str, object] | None,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Keep the loss where it is, and look at it now and then: a look stops a GPU.

        Raises:
            CommonError: if the loss or a weight is not finite, in every process.
        """
        self._ended = time.perf_counter()
        assert isinstance(outputs, Mapping)
        self._losses.append(cast(torch.Tensor, outputs["loss"]).detach())
        recipe = self.recipe
        step = trainer.global_step
        ends = step > self._from and (step % recipe.segment == 0 or step == recipe.steps)
        if ends or len(self._losses) % LOOK_EVERY == 0:
            self._check(trainer, pl_module)
        longer = min(recipe.segment, recipe.steps) > 1  # else the segment's row is the step's
        if longer and trainer.global_step == 1 and len(self._losses) == recipe.optimizer.accumulate:
            loss = self._mean_loss(trainer)
            self._noted = max(self._ended - self._started, 1e-9)
            self._note(trainer, loss, self._noted)
            scalars = {"train/loss": loss, "train/learning_rate": self._rate}
            for logger in trainer.loggers:
                logger.log_metrics(scalars, step=0)

    def _check(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Check the losses of the segment so far, and the weights."""
        if not math.isfinite(self._mean_loss(trainer)):
            own = (~torch.isfinite(torch.stack(self._losses))).nonzero().flatten().tolist()
            first = own[0] if own else len(self._losses) - 1  # else it was another process
            step = self._from + first // self.recipe.optimizer.accumulate
            value = float(self._losses[first]) if own else math.nan
            raise CommonError(f"the loss is {value} at step {step}: {self._how_to_mend(step)}")
        finite = [torch.isfinite(weights).all() for weights in pl_module.parameters()]
        if not bool(torch.stack(finite).all()):
            raise CommonError(
                f"a weight is not finite after step {trainer.global_step}: {self._how_to_mend()}"
            )

    def _how_to_mend(self, step: int = 1) -> str:
        if step == 0:
            return _BEFORE_ANY_STEP
        saved = self.table.with_name(LAST).exists()
        return _AFTER_A_LOSS + (_WITH_A_STATE if saved else _WITHOUT)

    def _mean_loss(self, trainer: L.Trainer) -> float:
        """Return the mean over the segment so far and all processes, which all ask."""
        mean = trainer.strategy.reduce(torch.stack(self._losses).float().mean(), reduce_op="mean")
        return float(mean) * self.recipe.optimizer.accumulate  # Lightning has divided it

    def _note(
        self,
        trainer: L.Trainer,
        loss: float,
        seconds: float,
        scores: Mapping[str, float] | None = None,
    ) -> None:
        """Add a row to the history, of the process that keeps it."""
        if self.history is None:
            return
        samples = trainer.global_step * self.recipe.samples_a_step
        course = {
            "step": trainer.global_step,
            "samples": samples,
            "epoch": samples / self.pictures,
            "loss": loss,
            "seconds": self.history.seconds + seconds,
            "learning_rate": self._rate,
        }
        row = course | dict(scores or {})
        if scores is not None and _saves_only_segment(trainer, self.recipe, self.table.parent):
            self._row = row
        else:
            self.history.add(row)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the segment; its loss is the mean over all processes."""
        assert isinstance(pl_module, ColorizationModule)
        assert self._losses
        loss = self._mean_loss(trainer)
        seconds = max(self._ended - self._started, 1e-9)
        speed = len(self._losses) * self.recipe.batch / seconds
        pl_module.log_dict(
            {"train/pictures_per_second": speed, "train/wait_share": self._waited / seconds}
        )
        self._note(trainer, loss, seconds - self._noted, pl_module.mean_scores)
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
