"""Train a network from a recipe: data, trainer, callbacks, checkpoint.

Not here: the step itself (``module``), the losses, ONNX (``export``).
A run's folder holds ``last.ckpt`` (to go on from), ``model.safetensors`` (the averaged weights, to
export), ``best.safetensors`` (those of the lowest validation loss), ``history.csv`` (the loss
curve) and TensorBoard's files.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import lightning as L
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint

import koalarize
from koalarize import color
from koalarize.errors import DataError, ModelError, OptionError, OutputError
from koalarize.lab.datasets.alone import alone
from koalarize.lab.datasets.kept import Chosen, Reading, keep_pictures
from koalarize.lab.datasets.sources import Pictures, check_there, load_pictures, passed_over
from koalarize.lab.networks import ClassifyingNetwork, ColorNetwork
from koalarize.lab.own import is_own
from koalarize.lab.runs.folders import run_folder
from koalarize.lab.runs.recipe import Recipe, SplitOptions, load_recipe
from koalarize.lab.training.bar import Bar
from koalarize.lab.training.callbacks import LOOK_EVERY, Progress, SaveWeights
from koalarize.lab.training.devices import (
    check_devices,
    choose_precision,
    trainer_devices,
)
from koalarize.lab.training.endings import own_endings, quiet, stoppable
from koalarize.lab.training.loaders import Loaders
from koalarize.lab.training.loggers import check_logger, run_loggers
from koalarize.lab.training.losses import bin_shares, bin_weights
from koalarize.lab.training.module import ColorizationModule
from koalarize.lab.training.network import network_of
from koalarize.lab.training.perceptual import PerceptualLoss
from koalarize.lab.training.processes import is_first_process
from koalarize.lab.training.resume import (
    LAST,
    EarlierRun,
    GoOn,
    WholeFiles,
    check_no_model,
    earlier_run,
)
from koalarize.lab.training.shrink import shrink
from koalarize.models.open import parts_of
from koalarize.models.store import find_model

__all__ = ["hold_out", "train", "train_recipe"]

log = logging.getLogger(__name__)


def train(
    recipe: Path,
    *,
    output: Path | None = None,
    resume: bool = False,
    overrides: dict[str, str] | None = None,
    limit: int | None = None,
    size: int | None = None,
) -> Path:
    """Train as a recipe file says; see ``train_recipe``.

    Args:
        recipe: YAML file.
        output: the run's folder; by default ``runs/NAME``.
        resume: go on from the run's ``last.ckpt`` if there is one.
        overrides: dotted keys that win over the file.
        limit: at most this many pictures, see ``shrink``.
        size: of the largest crop; the recipe's other sides follow, see ``shrink``.

    Returns:
        Path of the run's ``model.safetensors``.
    """
    loaded = load_recipe(recipe, overrides)
    loaded = shrink(loaded, limit=limit, size=size, given=(overrides or {}).keys())
    folder = run_folder(loaded.name) if output is None else output
    return train_recipe(loaded, folder, resume=resume)


def train_recipe(recipe: Recipe, folder: Path, *, resume: bool = False) -> Path:
    """Train a network and return the path of its checkpoint.

    Raises:
        OptionError: if the recipe does not fit its network or this machine, or the folder holds
            another run.
        DependencyError: if the recipe's logger or the perceptual loss's weights are not installed.
        DataError: if there is nothing to learn from.
        ModelError: if the state to go on from is damaged or of another network.
        OutputError: if the folder cannot be written, or another run is writing it; what was
            written before stays.
        KeyboardInterrupt: whose text says how to continue.
    """
    with stoppable(folder / LAST):
        return _train(recipe, folder, resume=resume)


def _train(recipe: Recipe, folder: Path, *, resume: bool) -> Path:
    """Check everything that needs no picture, then train alone in the folder."""
    check_devices(recipe)
    check_logger(recipe)
    if recipe.loss.perceptual:
        PerceptualLoss.check()
    checkpoint, last = folder / "model.safetensors", folder / LAST
    network = network_of(recipe, begins=not last.exists())
    earlier: EarlierRun | None = None
    if last.exists():
        if not resume:
            raise OptionError(f"`{folder}` holds a run already: add --resume, or choose another -o")
        earlier = earlier_run(last, recipe, network)
        if earlier.is_finished(recipe) and checkpoint.exists():
            log.info("the run is finished: %d steps", earlier.taken)
            return checkpoint
    else:
        check_no_model(folder, recipe if resume else None)
    _check_sources(recipe)
    _make_folder(folder)
    if not is_first_process():  # the first one answers for all
        return _run(recipe, network, folder, earlier)
    busy = f"another run is writing `{folder}`: wait for it, or choose another -o"
    with alone(folder, OutputError(busy)):
        if earlier is None and last.exists():
            raise OptionError(
                f"another run has filled `{folder}` meanwhile: add --resume, or choose another -o"
            )
        return _run(recipe, network, folder, earlier)


def _run(recipe: Recipe, network: ColorNetwork, folder: Path, earlier: EarlierRun | None) -> Path:
    """Read the pictures and train, in a folder that is this run's own."""
    checkpoint, last = folder / "model.safetensors", folder / LAST
    pictures, validation = _pictures(recipe)
    judges = None if validation is None else validation.sha256
    ends = False
    recipe = _with_steps(recipe, len(pictures))
    if earlier is not None:
        earlier.check_pictures(len(pictures), pictures.sha256)
        earlier = earlier.validated_with(judges)
        ends = earlier.is_finished(recipe) or earlier.taken >= recipe.steps
        if ends:
            log.info("the run is finished: %d steps", earlier.taken)
        else:
            log.info("going on after step %d of %d", earlier.taken, recipe.steps)
        if not ends and not earlier.judged_alike and validation is not None:
            log.info("the validation loss is another than before: `best.safetensors` begins again")
    if not ends and is_first_process():
        _tell_of_warmup(recipe)
    bins = network.ab_bins if isinstance(network, ClassifyingNetwork) else color.default_bins()
    shares = bin_shares(pictures, bins)
    weights = bin_weights(shares, uniform=recipe.loss.uniform, power=recipe.loss.power)
    module = ColorizationModule(network.to(memory_format=torch.channels_last), recipe, weights)
    facts = {
        "koalarize": koalarize.__version__,
        "data": Path(recipe.data.train).name,
        "data_sha256": pictures.sha256,
        "validation_sha256": judges,
        "pictures": len(pictures),
        "left_out": dict(pictures.left_out),
        "bin_shares": [round(float(share), 8) for share in shares],
    }
    afresh = earlier is not None and not earlier.judged_alike
    save_weights = SaveWeights(checkpoint, recipe, facts, judges_afresh=afresh)
    if earlier is not None:
        if is_first_process() and not checkpoint.exists():
            earlier.complete(folder / "history.csv")
            save_weights.restore(last, earlier)
        if ends:
            return checkpoint
    with quiet(), own_endings(last):
        trainer = _trainer(recipe, folder, save_weights, len(pictures))
        trainer.fit(
            module,
            datamodule=Loaders(recipe, pictures, validation),
            ckpt_path=last if earlier is not None else None,
            weights_only=True,
        )
    return checkpoint


def _check_sources(recipe: Recipe) -> None:
    """Check that a teacher and the pictures to validate with are there, before any are decoded.

    Raises:
        ModelError: if the teacher is unknown, or its file is missing or damaged.
        DataError: if there is nothing to validate with.
    """
    for model, _ in parts_of(recipe.teacher.model) if recipe.teacher else ():
        if not find_model(model).is_file():
            raise ModelError(
                f"`teacher.model` is `{model}`, which does not exist: give an .onnx file or a name "
                "of `koalarize models`"
            )
    validation = recipe.data.validation
    if isinstance(validation, str) and recipe.validate_every:
        try:
            check_there(Path(validation))
        except DataError as error:
            raise DataError(
                f"{error}; `data.validation: null` trains without validation"
            ) from error
        train = Path(recipe.data.train).resolve()
        if train in (Path(validation).resolve(), *Path(validation).resolve().parents):
            log.warning(
                "the pictures of `data.validation` are learnt from as well, as `%s` lies in `%s`: "
                "their scores say nothing of others; put them elsewhere, or use "
                "`data.validation: {split: N}`",
                validation,
                recipe.data.train,
            )


def _pictures(recipe: Recipe) -> tuple[Pictures, Pictures | None]:
    """Read the pictures to learn from, and those to validate with.

    Raises:
        DataError: if there are none, or all are held out.
    """
    data = recipe.data
    split = data.validation.split if isinstance(data.validation, SplitOptions) else 0
    reading = Reading(
        limit=data.limit and data.limit + split,
        max_side=data.max_side,
        min_chroma=data.min_chroma,
        memory=round(data.memory * 2**30),
    )
    try:
        pictures = keep_pictures(Path(data.train), reading)
    except DataError as error:
        raise DataError(f"{error}{_how_to_get(data.train)}") from error
    held_out = hold_out(pictures, split, recipe.seed)
    reasons = ", ".join(f"{count} {reason}" for reason, count in pictures.left_out.items())
    log.info("%d pictures to learn from; left out: %s", len(pictures), reasons or "none")
    if others := passed_over(Path(data.train)):
        kinds = ", ".join(f"{count} {ending}" for ending, count in others.most_common())
        log.info("not read, files of other kinds: %s", kinds)
    if data.validation is None or not recipe.validate_every:
        return pictures, None
    if isinstance(data.validation, SplitOptions):
        return pictures, Pictures(held_out[: data.validation_pictures])
    return pictures, load_pictures(
        Path(data.validation), limit=data.validation_pictures, max_side=data.max_side or 256
    )


def _how_to_get(source: str) -> str:
    """Return what to do about a folder to learn from that a recipe names and nobody has made."""
    if Path(source).exists() or is_own(source):
        return ""
    fetch = "`koalarize lab data coco data/coco` fetches COCO, 14 GB; " if "coco" in source else ""
    return (
        f"; {fetch}`--set data.train=FOLDER` takes photos of your own; "
        "`koalarize lab data sample data/sample` makes a few to try with"
    )


def hold_out(pictures: Pictures, count: int, seed: int) -> Sequence[npt.NDArray[np.uint8]]:
    """Take pictures that a seed chooses out of a set, which keeps the order of the others.

    Raises:
        DataError: if none would be left.
    """
    if not count:
        return []
    if count >= len(pictures):
        raise DataError(
            f"`data.validation.split` is {count} but {len(pictures)} in all can be used: "
            "hold fewer out, or give a folder as `data.validation`"
        )
    chosen = np.random.default_rng((seed, count, len(pictures))).permutation(len(pictures))[:count]
    every, taken = pictures.arrays, set(chosen.tolist())
    pictures.arrays = Chosen(every, [n for n in range(len(every)) if n not in taken])
    return Chosen(every, chosen.tolist())


def _tell_of_warmup(recipe: Recipe) -> None:
    """Warn of a run that ends while its learning rate still rises: it hardly learns."""
    warmup, steps = recipe.optimizer.warmup, recipe.steps
    if warmup > steps:
        log.warning(
            "`optimizer.warmup` is %d but `steps` %d: the run ends before its learning rate has "
            "risen, and learns little; a tenth of the steps is enough, `--set optimizer.warmup=%d`",
            warmup,
            steps,
            steps // 10,
        )


def _with_steps(recipe: Recipe, pictures: int) -> Recipe:
    """Resolve ``epochs`` into ``steps``, now that the data are known."""
    if recipe.epochs is None:
        return recipe
    steps = math.ceil(pictures * recipe.epochs / recipe.samples_a_step)
    return dataclasses.replace(recipe, steps=steps)


def _trainer(recipe: Recipe, folder: Path, save_weights: SaveWeights, pictures: int) -> L.Trainer:
    precision, reason = choose_precision(recipe.precision, recipe.accelerator)
    log.info("precision %s: %s", precision, reason)
    return L.Trainer(
        max_steps=recipe.steps,
        precision=precision,
        accumulate_grad_batches=recipe.optimizer.accumulate,
        gradient_clip_val=recipe.optimizer.clip,
        plugins=[WholeFiles()],
        logger=run_loggers(recipe, folder, pictures),
        callbacks=[
            GoOn(),
            EMAWeightAveraging(decay=recipe.ema),
            Progress(recipe, folder / "history.csv", pictures),
            save_weights,
            ModelCheckpoint(
                dirpath=folder,
                filename="last",
                every_n_epochs=1,
                save_top_k=1,
                save_on_train_epoch_end=True,
                enable_version_counter=False,
            ),
            *([Bar(recipe.steps, LOOK_EVERY)] if sys.stderr.isatty() else []),
        ],
        check_val_every_n_epoch=max(1, recipe.validate_every),
        limit_val_batches=1.0 if recipe.validate_every and recipe.data.validation else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=min(LOOK_EVERY, recipe.segment),
        enable_progress_bar=False,  # Lightning's counts segments as epochs without an end
        enable_model_summary=False,
        **trainer_devices(recipe),
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"`{folder}` cannot be made: {error.strerror}") from error
