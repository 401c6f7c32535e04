"""Self-describing checkpoints: one safetensors file that knows its network, recipe and history.

Not here: the state that resumes a run (``lab.training.resume``), ONNX (``lab.export``).
"""

from __future__ import annotations

import dataclasses
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from koalarize.errors import ModelError, OptionError, did_you_mean
from koalarize.lab.networks import NETWORKS, ClassifyingNetwork, ColorNetwork, network_class
from koalarize.lab.networks.extractor import EXTRACTOR_FILE
from koalarize.lab.networks.fit import misfits
from koalarize.lab.networks.koala import KoalaConfig
from koalarize.lab.own import check_call, is_own, own_faults
from koalarize.lab.runs.recipe import NetworkOptions, Recipe, build
from koalarize.photo.files import write_bytes

__all__ = [
    "Checkpoint",
    "build_network",
    "extractor_file",
    "load_checkpoint",
    "save_checkpoint",
]

FORMAT = "koalarize-checkpoint-1"

#: Where a recipe keeps what a network is built with.
_OPTIONS = "network.options"
_NUMBER = re.compile(r"[-+]?\d+[eE][-+]?\d+")


@dataclass(frozen=True)
class Checkpoint:
    """A network with its weights, the recipe that made it, and what happened in the training.

    Attributes:
        facts: samples seen, version, the bins' shares in the training data.
    """

    network: ColorNetwork
    recipe: Recipe
    facts: dict[str, Any]


def build_network(options: NetworkOptions) -> ColorNetwork:
    """Build a network by name with fresh weights; one of another's takes its options as keywords.

    Raises:
        OptionError: if the name or one of its options is unknown.
    """
    if is_own(options.name):
        own = network_class(options.name)
        assert own is not None  # it raises instead
        check_call(own, options.name, options.options, _OPTIONS)
        with own_faults(options.name, "network.name"):
            return own(**options.options)
    if options.name not in NETWORKS:
        raise OptionError(
            f"`network.name` is {options.name!r}{did_you_mean(options.name, NETWORKS)} "
            f"(known: {', '.join(NETWORKS)}; one of your own is MODULE:CLASS)"
        )
    network, config = NETWORKS[options.name]
    try:
        return network(build(config, options.options, _OPTIONS))
    except OptionError as error:  # networks know their options by their own names alone
        key = str(error).removeprefix("`").partition("`")[0]
        if key not in {field.name for field in dataclasses.fields(config)}:
            raise
        raise type(error)(f"`{_OPTIONS}.{str(error)[1:]}") from error


def save_checkpoint(
    path: Path, weights: dict[str, Tensor], recipe: Recipe, facts: Mapping[str, object]
) -> None:
    """Write a checkpoint; the file appears whole or not at all, and an earlier one is replaced.

    The same weights, recipe and facts give the same bytes, so that a hash tells them again.

    Raises:
        OutputError: if it cannot be written; an earlier one stays.
    """
    metadata = {
        "format": FORMAT,
        "recipe": json.dumps(dataclasses.asdict(recipe)),
        "facts": json.dumps(facts),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_bytes(_in_order(save(tensors, metadata)), path, overwrite=True)


def _in_order(packed: bytes) -> bytes:
    """Return a safetensors file with its metadata sorted: the library shuffles them."""
    begin = 8 + int.from_bytes(packed[:8], "little")  # of the tensors; their places count from it
    header = json.loads(packed[8:begin])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(packed)[begin:]))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and build its network, in eval mode.

    An extractor is no part of a checkpoint. Its weights come from where the recipe says; else from
    a file of that name, or ``extractor.safetensors``, beside the checkpoint. They must have the
    sha256 that the network was trained with.

    Raises:
        ModelError: if the file is no checkpoint of ours, is damaged, or does not fit its network.
    """
    if path.is_dir():
        raise ModelError(f"`{path}` is a folder: give the run's `{path / 'model.safetensors'}`")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise ModelError(f"`{path}` cannot be read as a checkpoint: {error}") from error
    except SafetensorError as error:
        if zipfile.is_zipfile(path):  # as torch writes
            raise ModelError(
                f"`{path}` is no safetensors file but one of torch, as the state of a run is: give "
                f"the run's `{path.with_name('model.safetensors')}`"
            ) from error
        raise ModelError(
            f"`{path}` cannot be read as a checkpoint ({error}): it is cut short, or another kind "
            "of file; copy it again, or give the model.safetensors of a run"
        ) from error
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"`{path}` is not a checkpoint of koalarize ({FORMAT}): "
            "give the model.safetensors that `koalarize lab train` writes"
        )
    _check_own_network(metadata, path)
    try:
        recipe = build(Recipe, _with_numbers(json.loads(metadata["recipe"])))
        options = _with_blur(_with_widths(recipe.network, weights), weights)
        network = build_network(_with_near_extractor(options, path))
        facts: dict[str, Any] = json.loads(metadata["facts"])
    except (OptionError, KeyError, ValueError) as error:
        raise ModelError(
            f"`{path}` describes itself in a way this version does not know ({error}): "
            "use the version that wrote it"
        ) from error
    if problems := misfits(weights, network):
        raise ModelError(f"`{path}` does not fit the network `{recipe.network.name}`: {problems}")
    network.load_state_dict(weights)
    if isinstance(network, ClassifyingNetwork):
        network.temperature = recipe.temperature
    return Checkpoint(network.eval(), recipe, facts)


def _check_own_network(metadata: Mapping[str, str], path: Path) -> None:
    """Check that a network of somebody's own is there, if a checkpoint has one.

    Raises:
        ModelError: if not.
    """
    try:
        name = str(json.loads(metadata["recipe"])["network"]["name"])
    except (LookupError, TypeError, ValueError):
        return  # building the recipe says what is wrong with it
    if is_own(name):
        try:
            network_class(name)
        except OptionError as error:
            raise ModelError(f"`{path}` needs its author's network: {error}") from error


def _with_numbers(recipe: Any) -> Any:
    """Read numbers among the network's options that versions up to 0.3 kept as text (``1e-3``)."""
    try:
        options: dict[str, Any] = recipe["network"]["options"]
        for name, value in options.items():
            if isinstance(value, str) and _NUMBER.fullmatch(value):
                options[name] = float(value)
    except (LookupError, TypeError, AttributeError):
        pass  # building the recipe says what is wrong with it
    return recipe


def _with_widths(options: NetworkOptions, weights: Mapping[str, Tensor]) -> NetworkOptions:
    """Say the sizes of a ``koala`` of up to 0.4, which had a third level unasked."""
    if options.name != "koala" or "widths" in options.options:
        return options
    if not any(name.startswith("levels.2.") for name in weights):
        return options
    widths = (*KoalaConfig().widths, (128, 128))
    return dataclasses.replace(options, options={**options.options, "widths": widths})


def _with_blur(options: NetworkOptions, weights: Mapping[str, Tensor]) -> NetworkOptions:
    """Say that a ``koala`` of up to 0.4 saw lightness as it is, and no recipe said so."""
    if options.name != "koala" or "blur" in options.options or "blur" in weights:
        return options
    return dataclasses.replace(options, options={**options.options, "blur": 1})


def extractor_file(options: NetworkOptions, checkpoint: Path) -> Path | None:
    """Return the file of a network's extractor: where its options say, else beside its checkpoint.

    Beside it lies a file of that name, or ``extractor.safetensors``; the checkpoint itself is
    neither, though timm's files are called ``model.safetensors`` too.

    Returns:
        None if the network has no extractor, or there is no such file.
    """
    known = NETWORKS.get(options.name, (None, Recipe))[1]
    if "extractor_file" not in {field.name for field in dataclasses.fields(known)}:
        return None
    given = options.options.get("extractor_file")
    last = str(given or EXTRACTOR_FILE).replace("\\", "/").rpartition("/")[2]
    beside = (checkpoint.parent / last, checkpoint.parent / EXTRACTOR_FILE)
    for path in beside if given is None else (Path(given), *beside):
        if path.is_file() and not path.samefile(checkpoint):
            return path
    return None


def _with_near_extractor(options: NetworkOptions, checkpoint: Path) -> NetworkOptions:
    """Take the extractor's file from beside the checkpoint, if it is not where it was."""
    near = extractor_file(options, checkpoint)
    if near is None:
        return options
    return dataclasses.replace(options, options={**options.options, "extractor_file": str(near)})
