"""The Lightning module: one training step, one validation picture, the optimizer.

Not here: losses (``losses``), the trainer and its callbacks (``train``).
A validation picture goes through the Colorizer, the same code that colours a person's photo; its
loss, and the first article's inverse SSIM, are the network's own on a crop as in training.
"""

from __future__ import annotations

import logging
import math
from typing import Any, cast

import lightning as L
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn import functional as F

from koalarize import color
from koalarize.engines.engine import Overview
from koalarize.lab.datasets.batches import random_crop
from koalarize.lab.networks import ClassifyingNetwork, ColorNetwork
from koalarize.lab.own import is_own
from koalarize.lab.runs.overviews import overview_of_crop
from koalarize.lab.runs.recipe import LossOptions, Recipe
from koalarize.lab.training import losses
from koalarize.lab.training.adversary import Adversary, State
from koalarize.lab.training.looks import (
    joined_logits,
    other_sides,
    resized_hints,
    resized_planes,
)
from koalarize.lab.training.own_loss import OwnLoss
from koalarize.lab.training.perceptual import PerceptualLoss
from koalarize.lab.training.teacher import Teacher

__all__ = ["ColorizationModule"]

log = logging.getLogger(__name__)

_SAMPLE_PICTURES = 8
_ADVERSARY_KEY = "koalarize_adversary"
#: What a validation scores of the Colorizer's picture.
_PICTURE_SCORES = ("psnr", "ssim", "colorfulness")


class ColorizationModule(L.LightningModule):
    """Trains a network as its recipe says."""

    bin_weights: Tensor

    def __init__(self, network: ColorNetwork, recipe: Recipe, bin_weights: Tensor) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.register_buffer("bin_weights", bin_weights, persistent=False)
        # None is a module of this one: they are not averaged, exported or shared out with it.
        self.perceptual = PerceptualLoss() if recipe.loss.perceptual else None
        bins = network.ab_bins if isinstance(network, ClassifyingNetwork) else None
        self.teacher = recipe.teacher and Teacher(recipe.teacher, bins)
        self.adversary = recipe.adversarial and Adversary(recipe.adversarial, recipe.seed)
        self.own_loss = OwnLoss(recipe.loss) if is_own(recipe.loss.name) else None
        self.mean_scores: dict[str, float] = {}
        self._scores: list[dict[str, float]] = []
        self._place = (-1, 0)

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        """Seed dropout by batch and process alone, so that a resumed run takes the same steps."""
        step, turn = self._place
        self._place = (self.global_step, turn + 1 if step == self.global_step else 0)
        number = self.global_step * self.recipe.optimizer.accumulate + self._place[1]
        torch.manual_seed(self.recipe.seed * 1_000_003 + number + self.global_rank * 7_919_000_003)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of one batch of lab (B, 3, S, S) and hints (B, 3, S, S)."""
        lab, hints = (part.to(memory_format=torch.channels_last) for part in batch)
        degrading = self.recipe.degrade
        copies = 0 if degrading is None else degrading.copies(len(lab))
        teacher = self.teacher
        if teacher is not None and teacher.options.learns == "colors":
            lab, hints = teacher.teach(lab, hints, copies)
        lightness, ab = lab[:, :1], lab[:, 1:]
        given = hints if self.network.accepts_hints else None
        fresh = len(lab) - copies
        steady: Tensor | None = None
        if self.recipe.loss.name == "rebalanced-cross-entropy":
            assert isinstance(self.network, ClassifyingNetwork)
            logits, of_copies = self._logits(lightness, given, copies)
            loss = losses.rebalanced_cross_entropy(
                logits, ab[:fresh], self.bin_weights, self.network.ab_bins
            )
            if teacher is not None and teacher.options.learns == "distributions":
                told = None if given is None else given[:fresh]
                wanted = teacher.distributions(lightness[:fresh], told, logits)
                apart = losses.distillation(logits, wanted)
                self.log("train/divergence", apart, batch_size=fresh)
                loss = loss + teacher.options.share * (apart - loss)
            if self._looks_at_colors:
                # The colours that a picture of the trained model has.
                shown = self.recipe.chroma_gain * self.network.decode(logits)
                shown = F.interpolate(shown, size=lightness.shape[-2:], mode="bilinear")
                loss = loss + self._beside(lightness[:fresh], shown, ab[:fresh])
            if copies:
                steady = losses.distillation(of_copies, logits[-copies:].detach())
        else:
            found, of_copies = self.network(lightness, given).split([fresh, copies])
            loss = self._compared(found, ab[:fresh])
            loss = loss + self._beside(lightness[:fresh], found, ab[:fresh])
            if copies:
                steady = self._compared(of_copies, found[-copies:].detach().float())
        self.log("train/loss", loss, batch_size=fresh)
        self.log("train/learning_rate", self.learning_rate, batch_size=fresh)
        if steady is None:
            return loss
        self.log("train/steadiness", steady, batch_size=copies)
        return (loss * fresh + steady * copies) / len(lab)

    def _compared(self, ab: Tensor, target: Tensor) -> Tensor:
        """Return the recipe's loss of ab (B, 2, H, W) and its target, Lab units."""
        if self.own_loss is not None:
            return self.own_loss(ab, target)
        return _regression_loss(ab, target, self.recipe.loss)

    def _logits(
        self, lightness: Tensor, hints: Tensor | None, copies: int
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of crops and, on the same grid, of the degraded copies behind them.

        Args:
            lightness: (B, 1, S, S).
            hints: (B, 3, S, S) or None.
            copies: how many rows at the end are copies.
        """
        network, recipe = self.network, self.recipe
        assert isinstance(network, ClassifyingNetwork)
        overview: Overview | None = None
        if recipe.train_overview and recipe.overview is not None:
            overview = overview_of_crop(recipe.overview, recipe.size, lightness.shape[-1])
        fresh = len(lightness) - copies
        side = self._side_of_copies(lightness.shape[-1]) if copies else None
        if side is None:
            logits = joined_logits(network, lightness, hints, overview)
            return logits[:fresh], logits[fresh:]
        given, changed = (None, None) if hints is None else (hints[:fresh], hints[fresh:])
        logits = joined_logits(network, lightness[:fresh], given, overview)
        if changed is not None:
            changed = resized_hints(changed, side)
        grid = (logits.shape[-2], logits.shape[-1])
        seen = resized_planes(lightness[fresh:], side)
        return logits, joined_logits(network, seen, changed, overview, grid)

    def _side_of_copies(self, side: int) -> int | None:
        """Draw another side at which the copies of this step are seen; None for their own.

        It is drawn from torch's generator, which is seeded by the step.
        """
        degrading = self.recipe.degrade
        assert degrading is not None
        if not degrading.resize or float(torch.rand(())) >= degrading.resize:
            return None
        sides = other_sides(side, self.network.stride)
        return sides[int(torch.randint(len(sides), ()))] if sides else None

    @property
    def _looks_at_colors(self) -> bool:
        """Whether a part of the loss looks at colours, beside the recipe's own at bins."""
        adversary = self.adversary
        begun = adversary is not None and self.global_step >= adversary.options.start
        return begun or self.perceptual is not None

    def _beside(self, lightness: Tensor, found: Tensor, ab: Tensor) -> Tensor | float:
        """Return the perceptual and the adversarial part of the loss, and let the adversary learn.

        Args:
            lightness: (B, 1, H, W), L*.
            found: (B, 2, H, W) in Lab units, the network's.
            ab: the same, real.
        """
        more: Tensor | float = 0.0
        features: tuple[list[Tensor], list[Tensor]] | None = None
        if self.perceptual is not None:
            features = (
                self.perceptual.features(lightness, found),
                self.perceptual.features(lightness, ab),
            )
            distance = self.perceptual.distance(*features)
            self.log("train/perceptual", distance, batch_size=len(ab))
            more = self.recipe.loss.perceptual * distance
        adversary = self.adversary
        if adversary is not None and self.global_step >= adversary.options.start:
            made, real = [lightness, found], [lightness, ab]
            if adversary.options.sees == "features":
                assert features is not None  # the recipe sees to it
                made, real = features
            # In this order: a step of the adversary would spoil the gradient that goes through it.
            seen = adversary.learn(made, real)
            fooled = adversary.fooled(made)
            more = more + adversary.options.weight * fooled
            self.log_dict(
                {"train/adversarial": fooled, "train/adversary": seen}, batch_size=len(ab)
            )
        return more

    def on_fit_start(self) -> None:
        """Bring what stands beside the network to its device."""
        for part in (self.perceptual, self.adversary, self.own_loss):
            if part is not None:
                part.to(self.device)

    def on_train_start(self) -> None:
        """Let the recipe's rates hold, not those that a run began with before they were changed."""
        options = self.recipe.optimizer
        optimizer = self.trainer.optimizers[0]
        schedule = self.trainer.lr_scheduler_configs[0].scheduler
        assert isinstance(schedule, torch.optim.lr_scheduler.LambdaLR)
        wanted = self.network.parameter_groups(options.learning_rate)
        schedule.base_lrs = [cast(float, group["lr"]) for group in wanted]
        for group, base in zip(optimizer.param_groups, schedule.base_lrs, strict=True):
            rate = base * self._share_of_rate(schedule.last_epoch)
            group.update(lr=rate, initial_lr=base, weight_decay=options.weight_decay)

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Keep the adversary's state, which is no part of the network."""
        if self.adversary is not None:
            checkpoint[_ADVERSARY_KEY] = self.adversary.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Take the adversary's state of the run up to here; one that was not there begins."""
        if self.adversary is not None and _ADVERSARY_KEY in checkpoint:
            self.adversary.load_state_dict(cast(State, checkpoint[_ADVERSARY_KEY]))

    @property
    def learning_rate(self) -> float:
        """The rate of the next step, that of the fastest part of the network."""
        return max(float(group["lr"]) for group in self.trainer.optimizers[0].param_groups)

    def validation_step(self, batch: npt.NDArray[np.uint8] | None, batch_idx: int) -> None:
        """Colour one picture (H, W, 3) through the Colorizer and score it; None passes by."""
        if batch is None:  # the pictures have run out for this process, not for all
            return
        from koalarize.colorizer.colorizer import Colorizer
        from koalarize.lab.evaluation.torch_engine import TorchEngine
        from koalarize.lab.metrics.metrics import picture_scores

        colored = Colorizer(TorchEngine.of(self.network, self.recipe))(batch)
        scores = picture_scores(colored, batch, _PICTURE_SCORES)
        number = batch_idx * self.trainer.world_size + self.global_rank
        self._scores.append(self._crop_scores(batch, number) | scores)
        if batch_idx < _SAMPLE_PICTURES and isinstance(self.logger, TensorBoardLogger):
            self.logger.experiment.add_image(
                f"validation/{batch_idx}",
                np.concatenate([batch, colored], axis=1),
                self.global_step,
                dataformats="HWC",
            )

    def _crop_scores(self, original: npt.NDArray[np.uint8], number: int) -> dict[str, float]:
        """Score the network's own answer to a random crop, the same at each validation.

        Args:
            original: (H, W, 3).
            number: of the picture; with the recipe's seed it chooses the crop.

        Returns:
            The recipe's loss, and inverse SSIM as the first article has it if the crop is not too
            small for it.
        """
        from koalarize.lab.metrics.metrics import ARTICLE_WINDOW, Measured, inverse_ssim

        crop = self.recipe.crop
        rng = np.random.default_rng((self.recipe.seed, number))
        pixels = random_crop(original, max(crop.sizes), crop, rng)
        real = Measured(pixels)
        lab = torch.from_numpy(real.lab.transpose(2, 0, 1)[None].copy()).to(self.device)
        if self.recipe.loss.name == "rebalanced-cross-entropy":
            assert isinstance(self.network, ClassifyingNetwork)
            logits = self.network.logits(lab[:, :1])
            loss = losses.rebalanced_cross_entropy(
                logits, lab[:, 1:], self.bin_weights, self.network.ab_bins
            )
            ab = F.interpolate(self.network.decode(logits), size=lab.shape[-2:], mode="bilinear")
        else:
            ab = self.network(lab[:, :1])
            loss = self._compared(ab, lab[:, 1:])
        found = torch.cat([lab[:, :1], ab.float()], dim=1)[0].permute(1, 2, 0).cpu().numpy()
        made = Measured(color.lab_to_srgb(found, dtype=np.uint8), found)
        scores = {"loss": float(loss)}
        if min(pixels.shape[:2]) >= ARTICLE_WINDOW:
            scores["inverse-ssim"] = inverse_ssim(made, real)
        return scores

    def on_validation_epoch_end(self) -> None:
        """Log the mean scores of the validation pictures of all processes."""
        scores = list(self._scores)
        self._scores.clear()
        world = self.trainer.world_size
        if world > 1:
            parts: list[Any] = [None] * world
            torch.distributed.all_gather_object(parts, scores)
            scores = [score for part in parts for score in part]
        if not scores:
            return
        means = {name: sum(score[name] for score in scores) / len(scores) for name in scores[0]}
        self.mean_scores = {f"validation/{name}": mean for name, mean in means.items()}
        self.log_dict(self.mean_scores, sync_dist=world > 1)
        words = ", ".join(f"{name} {mean:.4g}" for name, mean in means.items())
        log.info("validation after step %d: %s", self.global_step, words)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam or AdamW over the network's groups; the rate is warmed up, then as scheduled."""
        options = self.recipe.optimizer
        kind = torch.optim.AdamW if options.name == "adamw" else torch.optim.Adam
        optimizer = kind(
            self.network.parameter_groups(options.learning_rate),
            weight_decay=options.weight_decay,
            # With fp16 a fused step scales the gradients itself: there is nothing to clip before.
            fused=options.clip is None or self.recipe.precision != "fp16",
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._share_of_rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _share_of_rate(self, step: int) -> float:
        """Return what of the recipe's learning rate a step has."""
        options = self.recipe.optimizer
        warm = min(1.0, (step + 1) / max(1, options.warmup))
        if options.schedule == "constant":
            return warm
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.recipe.steps)))


def _regression_loss(ab: Tensor, target: Tensor, options: LossOptions) -> Tensor:
    if options.name == "mse":
        return losses.mean_squared_error(ab, target)
    if options.name == "l1":
        return losses.mean_absolute_error(ab, target)
    if options.name == "ssim":
        return losses.structural_similarity_loss(ab, target)
    assert options.name == "combined"
    return losses.combined_loss(
        ab, target, alpha=options.alpha, beta=options.beta, gamma=options.gamma
    )
