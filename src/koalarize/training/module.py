"""The Lightning module: one training step, one validation picture, the optimizer.

Not here: losses (``losses``), the trainer and its callbacks (``train``).
A validation picture goes through the Colorizer, the same code that colours a person's photo.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from koalarize.models import ClassifyingNetwork, ColorNetwork
from koalarize.training.losses import mean_squared_error, rebalanced_cross_entropy
from koalarize.training.recipe import Recipe

__all__ = ["ColorizationModule"]

log = logging.getLogger(__name__)

_SAMPLE_PICTURES = 8


class ColorizationModule(L.LightningModule):
    """Trains a network as its recipe says."""

    bin_weights: Tensor

    def __init__(self, network: ColorNetwork, recipe: Recipe, bin_weights: Tensor) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.register_buffer("bin_weights", bin_weights, persistent=False)
        self._scores: list[dict[str, float]] = []

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed dropout by the step alone, so that a stopped run goes on with what it would have."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.global_step)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of one batch of lab (B, 3, S, S) and hints (B, 3, S, S)."""
        lab, hints = (part.to(memory_format=torch.channels_last) for part in batch)
        lightness, ab = lab[:, :1], lab[:, 1:]
        given = hints if self.network.accepts_hints else None
        if self.recipe.loss.name == "mse":
            loss = mean_squared_error(self.network(lightness, given), ab)
        else:
            assert isinstance(self.network, ClassifyingNetwork)
            logits = self.network.logits(lightness, given)
            loss = rebalanced_cross_entropy(logits, ab, self.bin_weights)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(lab))
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Colour one picture (H, W, 3) through the Colorizer and score it."""
        from koalarize.colorizer import Colorizer
        from koalarize.evaluation.metrics import picture_scores
        from koalarize.evaluation.torch_engine import TorchEngine

        original: np.ndarray[Any, Any] = batch
        engine = TorchEngine(
            self.network, self.recipe.size, self.recipe.temperature, self.recipe.chroma_gain
        )
        colored = Colorizer(engine)(original)
        self._scores.append(picture_scores(colored, original))
        if batch_idx < _SAMPLE_PICTURES and isinstance(self.logger, TensorBoardLogger):
            self.logger.experiment.add_image(
                f"validation/{batch_idx}",
                np.concatenate([original, colored], axis=1),
                self.global_step,
                dataformats="HWC",
            )

    def on_validation_epoch_end(self) -> None:
        """Log the mean scores of the validation pictures."""
        if not self._scores:
            return
        means = {
            name: sum(score[name] for score in self._scores) / len(self._scores)
            for name in self._scores[0]
        }
        self._scores.clear()
        self.log_dict({f"validation/{name}": mean for name, mean in means.items()}, prog_bar=True)
        words = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
        log.info("validation after step %d: %s", self.global_step, words)

    def configure_optimizers(self) -> Any:
        """AdamW over the network's groups, warmed up linearly, then down a cosine."""
        options = self.recipe.optimizer
        optimizer = torch.optim.AdamW(
            self.network.parameter_groups(options.learning_rate),
            weight_decay=options.weight_decay,
            fused=True,
        )

        def rate(step: int) -> float:
            warm = min(1.0, (step + 1) / max(1, options.warmup))
            return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.recipe.steps)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
