"""The line of a run that a person watches: steps, loss, the time that is left.

Not here: the lines that stay, one a segment (``callbacks``).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Bar"]


class Bar(Callback):
    """A line at the terminal, of a segment at a time, gone before any other line is written.

    Args:
        steps: of the whole run.
        look_every: batches between two readings of the loss, each of which waits for a GPU.
        console: where it is shown; by default stderr.
    """

    def __init__(self, steps: int, look_every: int, console: Console | None = None) -> None:
        self.steps = steps
        self.look_every = look_every
        self._shown = console or Console(file=sys.stderr)
        self._line: Progress | None = None
        self._loss = "-"

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin the line of a segment."""
        if not trainer.is_global_zero:
            return
        self._line = Progress(
            TextColumn("step {task.completed} of {task.total}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]}, left"),
            TimeRemainingColumn(),
            console=self._shown,
            transient=True,
        )
        self._task = self._line.add_task(
            "", total=self.steps, completed=trainer.global_step, loss=self._loss
        )
        self._line.start()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: torch.Tensor | Mapping[str, object] | None,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Move on, and look at the loss now and then."""
        if self._line is None:
            return
        loss = outputs["loss"] if isinstance(outputs, Mapping) else None
        if batch_idx % self.look_every == 0 and isinstance(loss, torch.Tensor):
            self._loss = f"{float(loss) * trainer.accumulate_grad_batches:.4f}"
        self._line.update(self._task, completed=trainer.global_step, loss=self._loss)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the line away before the scores are written."""
        self._stop()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the line away before the segment's line is written."""
        self._stop()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Take the line away before the error is written."""
        self._stop()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Leave nothing on the terminal."""
        self._stop()

    def _stop(self) -> None:
        if self._line is not None:
            self._line.stop()
            self._line = None
