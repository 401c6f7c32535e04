"""The network of a recipe, with the weights it begins with, checked before a picture is read.

Not here: the classes (``lab.networks``), the weights (``initialise``), the run (``train``).
A network of somebody's own answers once: training would broadcast an answer of another shape.
"""

from __future__ import annotations

from pathlib import Path

import lightning as L
import torch
from torch import nn

from koalarize.errors import OptionError
from koalarize.lab.networks import ClassifyingNetwork, ColorNetwork
from koalarize.lab.networks.koala import Koala
from koalarize.lab.own import is_own, own_faults
from koalarize.lab.runs.checkpoint import build_network
from koalarize.lab.runs.recipe import Recipe
from koalarize.lab.training.initialise import load_encoder, start_from
from koalarize.lab.training.losses import SSIM_WINDOW
from koalarize.lab.training.own_loss import OwnLoss

__all__ = ["check_fit", "network_of"]


def network_of(recipe: Recipe, *, begins: bool = True) -> ColorNetwork:
    """Build the recipe's network, the same in every process.

    Args:
        recipe: of the run.
        begins: whether with the weights that it begins with; a run that goes on has its own, and
            the files of those may be gone.

    Raises:
        OptionError: if recipe and network do not fit, or one of somebody's own fails at a trial.
        ModelError: if the weights that it begins with are missing, damaged or of another network.
    """
    L.seed_everything(recipe.seed, verbose=False)
    network = build_network(recipe.network)
    check_fit(recipe, network)
    if isinstance(network, ClassifyingNetwork):
        network.temperature = recipe.temperature  # of what it predicts while a loss compares ab
    if recipe.network.start is not None and begins:
        start_from(network, recipe.network.start)
    if recipe.network.encoder is not None:
        if not isinstance(network, Koala):
            raise OptionError(f"`network.encoder` does not fit the network `{recipe.network.name}`")
        if begins:
            load_encoder(network.encoder, Path(recipe.network.encoder))
    return network


def check_fit(recipe: Recipe, network: ColorNetwork) -> None:
    """Check what recipe and network must agree on.

    Args:
        recipe: of the run.
        network: built by it.

    Raises:
        OptionError: if they do not, or a network or a loss of somebody's own fails at a trial.
    """
    name = recipe.network.name
    classifies = isinstance(network, ClassifyingNetwork)
    if recipe.loss.name == "rebalanced-cross-entropy" and not classifies:
        raise OptionError(
            f"`loss.name` is {recipe.loss.name!r} but the network `{name}` predicts ab itself: "
            "use 'mse', 'l1', 'ssim' or 'combined'"
        )
    if is_own(recipe.loss.name):
        OwnLoss(recipe.loss).try_out(min(recipe.crop.sizes))
    if is_own(name):
        _try_out(network, name, network.fixed_size or min(recipe.crop.sizes))
    normalises = any(isinstance(part, nn.BatchNorm2d) for part in network.modules())
    compares = recipe.loss.name == "ssim" or (recipe.loss.name == "combined" and recipe.loss.gamma)
    for size in recipe.crop.sizes:
        if network.fixed_size is not None and size != network.fixed_size:
            raise OptionError(
                f"`crop.sizes` holds {size} but the network `{name}` takes pictures of "
                f"{network.fixed_size} x {network.fixed_size} only: use {network.fixed_size}"
            )
        if compares and size < SSIM_WINDOW:
            raise OptionError(
                f"`crop.sizes` holds {size} but the loss {recipe.loss.name!r} compares windows of "
                f"{SSIM_WINDOW} pixels: use larger crops, or the loss 'mse'"
            )
        if size % network.stride:
            below = size // network.stride * network.stride
            raise OptionError(
                f"`crop.sizes` holds {size} but each must be a multiple of {network.stride} for "
                f"the network `{name}`: try {below or below + network.stride}"
            )
        rows = recipe.batch // (recipe.devices * recipe.nodes)
        if normalises and rows * (size // network.stride) ** 2 == 1:
            raise OptionError(
                f"`crop.sizes` holds {size} and a process sees {rows} crop at a time, which leaves "
                f"the batch norm of the network `{name}` one value, without a variance: use crops "
                f"of {2 * size}, or a `batch` of {2 * recipe.batch}"
            )


def _try_out(network: ColorNetwork, name: str, side: int) -> None:
    """Let a network of somebody's own answer once, in eval mode; it stays as it was.

    Args:
        network: of the class ``name``.
        name: ``MODULE:CLASS``.
        side: of the square crops, pixels.

    Raises:
        OptionError: if it fails, its answer is of another shape, or no weight can learn from it.
    """
    if side % network.stride:  # what checks the sizes says so
        return
    lightness = torch.linspace(0, 100, 2 * side**2).view(2, 1, side, side)
    hints = torch.zeros(2, 3, side, side) if network.accepts_hints else None
    training = network.training
    with torch.random.fork_rng(devices=[]), own_faults(name, "network.name"):
        ab = network.eval()(lightness, hints)
    network.train(training)
    what = f"of shape {tuple(ab.shape)}" if isinstance(ab, torch.Tensor) else repr(type(ab))
    if what != f"of shape {(2, 2, side, side)}":
        raise OptionError(
            f"`network.name` is {name!r}, whose answer to L* {tuple(lightness.shape)} is {what} "
            f"but must be ab {(2, 2, side, side)}: mend its `forward`"
        )
    if not ab.requires_grad:
        raise OptionError(
            f"`network.name` is {name!r}, whose answer has no gradient: it must be made by weights "
            "of the network, without .detach() and NumPy"
        )
