"""Train a network from a recipe: data, trainer, callbacks, checkpoint.

Not here: the step itself (``module``), the losses, ONNX (``export``).
A run's folder holds ``last.ckpt`` (to go on from), ``model.safetensors`` (the averaged weights, to
export) and TensorBoard's files.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

import koalarize
from koalarize import color
from koalarize.data.batches import Batches, SegmentSampler
from koalarize.data.sources import Pictures, load_pictures
from koalarize.errors import OptionError, OutputError
from koalarize.models import ClassifyingNetwork, ColorNetwork
from koalarize.models.koala import Koala
from koalarize.training.callbacks import Progress, SaveWeights
from koalarize.training.checkpoint import build_network
from koalarize.training.initialise import load_mobilenetv2
from koalarize.training.losses import bin_weights
from koalarize.training.module import ColorizationModule
from koalarize.training.recipe import Recipe, load_recipe
from koalarize.training.resume import steps_taken

__all__ = ["bin_shares", "choose_precision", "train", "train_recipe"]

log = logging.getLogger(__name__)

_SHARE_PICTURES = 4000

#: Notes of Lightning and torch on what is meant to be so here.
_EXPECTED_NOTES = (
    r".*Checkpoint directory .* exists and is not empty",
    r".*You defined a `validation_step` but have no `val_dataloader`",
    r".*isinstance\(treespec, LeafSpec\)` is deprecated",
    r".*does not have many workers which may be a bottleneck",
    r".*The number of training batches .* is smaller than the logging interval",
    r".*You're resuming from a checkpoint that ended before the epoch ended",
)


def train(
    recipe: Path,
    *,
    output: Path | None = None,
    resume: bool = False,
    overrides: dict[str, str] | None = None,
) -> Path:
    """Train as a recipe file says; see ``train_recipe``.

    Args:
        recipe: YAML file.
        output: the run's folder; by default ``runs/NAME``.
        resume: go on from the run's ``last.ckpt`` if there is one.
        overrides: dotted keys that win over the file.

    Returns:
        Path of the run's ``model.safetensors``.
    """
    loaded = load_recipe(recipe, overrides)
    return train_recipe(loaded, output or Path("runs") / loaded.name, resume=resume)


def train_recipe(recipe: Recipe, folder: Path, *, resume: bool = False) -> Path:
    """Train a network and return the path of its checkpoint.

    Raises:
        OptionError: if the recipe does not fit its network, or the folder holds another run.
        DataError: if there is nothing to learn from.
        ModelError: if the state to go on from is damaged or of another network.
        OutputError: if the folder cannot be written; what was written before stays.
    """
    L.seed_everything(recipe.seed, verbose=False)
    network = build_network(recipe.network)
    _check_fit(recipe, network)
    if recipe.network.encoder is not None:
        if not isinstance(network, Koala):
            raise OptionError(f"`network.encoder` does not fit the network `{recipe.network.name}`")
        load_mobilenetv2(network.encoder, Path(recipe.network.encoder))
    checkpoint, last = folder / "model.safetensors", folder / "last.ckpt"
    if last.exists():
        if not resume:
            raise OptionError(f"`{folder}` holds a run already: add --resume, or choose another -o")
        taken = steps_taken(last, recipe, network)
        if taken >= recipe.steps and checkpoint.exists():
            log.info("the run is finished: %d of %d steps", taken, recipe.steps)
            return checkpoint
        log.info("going on after step %d of %d", taken, recipe.steps)
    _make_folder(folder)
    pictures = load_pictures(
        Path(recipe.data.train),
        limit=recipe.data.limit,
        max_side=recipe.data.max_side,
        min_chroma=recipe.data.min_chroma,
    )
    reasons = ", ".join(f"{count} {reason}" for reason, count in pictures.left_out.items())
    log.info("%d pictures to learn from; left out: %s", len(pictures), reasons or "none")
    shares = bin_shares(pictures)
    weights = bin_weights(shares, uniform=recipe.loss.uniform, power=recipe.loss.power)
    module = ColorizationModule(network.to(memory_format=torch.channels_last), recipe, weights)
    facts = {
        "koalarize": koalarize.__version__,
        "pictures": len(pictures),
        "bin_shares": [round(float(share), 8) for share in shares],
    }
    with _quiet(), _own_endings(last):
        trainer = _trainer(recipe, folder, SaveWeights(checkpoint, recipe, facts))
        trainer.fit(
            module,
            _training_loader(recipe, pictures, lambda: trainer.global_step),
            _validation_loader(recipe),
            ckpt_path=last if last.exists() else None,
            weights_only=True,
        )
    return checkpoint


def choose_precision(wanted: str) -> tuple[Any, str]:
    """Choose Lightning's precision for this machine, and say why."""
    if wanted == "fp32":
        return "32-true", "the recipe asks for fp32"
    if wanted == "bf16":
        return "bf16-mixed", "the recipe asks for bf16"
    if torch.cuda.is_available():
        return "bf16-mixed", "GPUs multiply bfloat16 several times faster"
    if torch.cpu._is_avx512_bf16_supported():  # type: ignore[attr-defined]
        return "bf16-mixed", "this CPU multiplies bfloat16"
    return "32-true", "this CPU has no bfloat16 instructions"


def bin_shares(pictures: Pictures) -> np.ndarray[Any, Any]:
    """Return (Q,) how often each ab bin occurs in the first pictures, softly encoded; sums to 1."""
    total = np.zeros(len(color.ab_bins()))
    for pixels in pictures.arrays[:_SHARE_PICTURES]:
        step = max(1, min(pixels.shape[:2]) // 10)
        ab = color.srgb_to_lab(np.ascontiguousarray(pixels[::step, ::step]))[..., 1:]
        numbers, shares = color.encode_ab(ab.reshape(-1, 2))
        np.add.at(total, numbers.ravel(), shares.ravel() / len(shares))
    return total / total.sum()


def _check_fit(recipe: Recipe, network: ColorNetwork) -> None:
    """Check what recipe and network must agree on."""
    name = recipe.network.name
    classifies = isinstance(network, ClassifyingNetwork)
    if recipe.loss.name == "rebalanced-cross-entropy" and not classifies:
        raise OptionError(
            f"`loss.name` is {recipe.loss.name!r} but the network `{name}` predicts ab itself: "
            "use 'mse'"
        )
    for size in recipe.crop.sizes:
        if size % network.stride:
            below = size // network.stride * network.stride
            raise OptionError(
                f"`crop.sizes` holds {size} but each must be a multiple of {network.stride} for "
                f"the network `{name}`: try {below or below + network.stride}"
            )


def _trainer(recipe: Recipe, folder: Path, save_weights: SaveWeights) -> L.Trainer:
    precision, reason = choose_precision(recipe.precision)
    log.info("precision %s: %s", precision, reason)
    return L.Trainer(
        max_steps=recipe.steps,
        precision=precision,
        devices=1,  # a batch is a function of its number, so every device would make the same
        logger=TensorBoardLogger(folder, name=None, version="tensorboard"),
        callbacks=[
            EMAWeightAveraging(decay=recipe.ema),
            save_weights,
            ModelCheckpoint(
                dirpath=folder,
                filename="last",
                every_n_epochs=1,
                save_top_k=1,
                save_on_train_epoch_end=True,
                enable_version_counter=False,
            ),
            Progress(recipe),
        ],
        check_val_every_n_epoch=max(1, recipe.validate_every),
        limit_val_batches=1.0 if recipe.validate_every and recipe.data.validation else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=20,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _training_loader(
    recipe: Recipe, pictures: Pictures, position: Callable[[], int]
) -> DataLoader[Any]:
    batches = Batches(
        pictures, batch=recipe.batch, crop=recipe.crop, hints=recipe.hints, seed=recipe.seed
    )
    workers = recipe.data.workers if os.name == "posix" else 0  # elsewhere each would copy the data
    return DataLoader(
        batches,
        batch_size=None,
        sampler=SegmentSampler(recipe.segment, recipe.steps, position),
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        pin_memory=torch.cuda.is_available(),
    )


def _validation_loader(recipe: Recipe) -> DataLoader[Any] | None:
    if recipe.data.validation is None or not recipe.validate_every:
        return None
    pictures = load_pictures(
        Path(recipe.data.validation), limit=recipe.data.validation_pictures, max_side=256
    )
    return DataLoader(_Arrays(pictures.arrays), batch_size=None, collate_fn=_as_it_is)


def _as_it_is(array: Any) -> Any:
    return array


class _Arrays(torch.utils.data.Dataset[Any]):
    def __init__(self, arrays: list[Any]) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, number: int) -> Any:
        return self.arrays[number]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"`{folder}` cannot be made: {error.strerror}") from error


@contextmanager
def _quiet() -> Generator[None]:
    """Keep Lightning's notes on its own setup away from a person; real warnings pass."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for note in _EXPECTED_NOTES:
                warnings.filterwarnings("ignore", message=note)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _own_endings(last: Path) -> Generator[None]:
    """Turn Lightning's ways to end early into ours: an interrupt, or a disk that is full."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as error:  # Lightning's answer to an interrupt, after which it ignores more
        if main:
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from error
    except OSError as error:
        raise OutputError(
            f"the run could not be saved ({error.strerror or error}): make room, then go on from "
            f"`{last}` with --resume"
        ) from error
