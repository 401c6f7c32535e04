"""Export a checkpoint to one self-describing ONNX file, and prove that it computes the same.

Not here: checkpoints (``lab.runs.checkpoint``), fewer bits (``quantize``), the engine that runs
the file (``engines``).
Everything the engine needs to know stands in the file's metadata under the key ``koalarize``.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from koalarize.engines.engine import METADATA_FORMAT, METADATA_KEY, Overview
from koalarize.errors import ModelError, OptionError, OutputError
from koalarize.lab.networks import ClassifyingNetwork, ColorNetwork
from koalarize.lab.networks.norms import norms_as_text
from koalarize.lab.runs.checkpoint import Checkpoint, load_checkpoint
from koalarize.lab.runs.recipe import Recipe
from koalarize.photo.files import check_place, write_bytes

__all__ = [
    "TOLERANCE",
    "Settings",
    "check_target",
    "describe",
    "export",
    "graph_of",
    "inputs_of",
    "settings_of",
    "strip",
    "verify",
    "without_folders",
]

#: Largest difference from torch that an exported file may have, in the unit of its output; or this
#: share of the largest output, which is where rounding alone ends up with large logits.
TOLERANCE = 1e-4
_SHARE = 1e-5

_OPSET = 18  # what onnxruntime 1.18 reads, without a conversion by the exporter
_IR_VERSION = 10  # the same
#: Two pictures in strides, height and width; odd, and unlike those the graph is traced with.
_CHECKED = ((1, 3, 5), (3, 7, 1))


def export(
    checkpoint: Path,
    output: Path | None = None,
    *,
    size: int | None = None,
    temperature: float | None = None,
    chroma_gain: float | None = None,
    overview: Overview | None = None,
) -> Path:
    """Export a checkpoint; a model exported before is replaced.

    The graph takes ``l`` (B, 1, H, W), L* in [0, 100], and ``hints`` (B, 3, H, W) where the
    network accepts them: a and b in Lab units and a mask. It gives ``logits`` (B, Q, H/g, W/g) of
    the ab bins, or ``ab`` (B, 2, H, W) in Lab units. B is free, H and W are multiples of the
    stride, or the one size that the network is bound to. Frozen parts, as an extractor, are in the
    graph: the file needs nothing beside it.

    Args:
        checkpoint: safetensors file of ``koalarize lab train``.
        output: the file to write; by default beside the checkpoint, with the extension ``.onnx``.
        size: working size, shorter side in pixels; by default the recipe's.
        temperature: of the annealed mean; by default the recipe's.
        chroma_gain: factor on the chroma; by default the recipe's.
        overview: the second look at each picture; by default the recipe's, or none.

    Returns:
        Path of the written file.

    Raises:
        OptionError: if the size or the temperature is not allowed, or ``output`` the checkpoint.
            A network bound to one size allows no other, one without logits no overview and no
            temperature.
        ModelError: if the checkpoint cannot be read, or the graph does not compute what it does.
        OutputError: if the file cannot be written, or is no model; said before the work.
    """
    target = output or checkpoint.with_suffix(".onnx")
    check_target(target, checkpoint)
    loaded = load_checkpoint(checkpoint)
    size = _allowed_size(loaded, size)
    changes = settings_of(size, temperature, chroma_gain, overview)
    recipe = dataclasses.replace(loaded.recipe, **changes)
    network = loaded.network
    if temperature is not None and not isinstance(network, ClassifyingNetwork):
        raise OptionError(
            f"`temperature` is {temperature:g} but the network `{recipe.network.name}` predicts ab "
            "itself, and only logits have one: leave it out"
        )
    model = graph_of(network, _Wrapped(network).eval(), [_output_name(network)])
    strip(model)
    entry = model.metadata_props.add()
    entry.key = METADATA_KEY
    entry.value = json.dumps(describe(dataclasses.replace(loaded, recipe=recipe)))
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    verify(data, loaded.network)
    return write_bytes(data, target, overwrite=True)


class Settings(TypedDict, total=False):
    """What an export changes of a recipe, by the names of the recipe's fields."""

    size: int
    temperature: float
    chroma_gain: float
    overview: Overview


def settings_of(
    size: int | None,
    temperature: float | None,
    chroma_gain: float | None,
    overview: Overview | None,
) -> Settings:
    """Return those settings of an export that are asked for; None stands for the recipe's."""
    settings = Settings()
    if size is not None:
        settings["size"] = size
    if temperature is not None:
        settings["temperature"] = temperature
    if chroma_gain is not None:
        settings["chroma_gain"] = chroma_gain
    if overview is not None:
        settings["overview"] = overview
    return settings


def check_target(target: Path, source: Path) -> None:
    """Check, before any work is done, that a model can be written to ``target``.

    Raises:
        OptionError: if it is the source itself.
        OutputError: if its folder is missing, or a file exists there that is no exported model.
    """
    exists = target.exists()
    if target.resolve() == source.resolve() or (
        exists and source.exists() and target.samefile(source)
    ):
        raise OptionError(f"`{target}` is the source itself: name another file for the export")
    check_place(target)
    if exists and target.suffix.lower() != ".onnx":
        raise OutputError(
            f"`{target}` exists and is no .onnx file, which alone an export replaces: "
            "name another file for the export"
        )


def _allowed_size(checkpoint: Checkpoint, size: int | None) -> int | None:
    """Return the working size to export with, None for the recipe's."""
    fixed_size = checkpoint.network.fixed_size
    if fixed_size is not None and size not in (None, fixed_size):
        raise OptionError(
            f"`size` is {size} but the network `{checkpoint.recipe.network.name}` only works at "
            f"{fixed_size}: leave the size out"
        )
    return fixed_size or size


def verify(data: bytes, network: ColorNetwork) -> float:
    """Compare an exported graph with its network on random pictures of several sizes.

    Returns:
        The largest difference, in the unit of the output.

    Raises:
        ModelError: if it is above ``TOLERANCE``.
    """
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    wrapped = _Wrapped(network).eval()
    differences: list[float] = []
    largest = 0.0
    for number, (batch, height, width) in enumerate(_CHECKED):
        given = inputs_of(network, batch, height, width, seed=number)
        with torch.inference_mode():
            expected: Tensor = wrapped(*given.values())
        feed = {name: value.numpy() for name, value in given.items()}
        found = np.asarray(session.run(None, feed)[0])
        if found.shape != tuple(expected.shape):
            raise ModelError(
                f"the exported graph gives {found.shape} where the network gives "
                f"{tuple(expected.shape)}: the network cannot be exported as it is"
            )
        differences.append(float(np.abs(found - expected.numpy()).max()))
        largest = max(largest, float(expected.abs().max()))
    worst = float(np.max(differences))  # not `max`, which passes over NaN
    allowed = max(TOLERANCE, _SHARE * largest) if np.isfinite(largest) else TOLERANCE
    if not worst <= allowed:
        raise ModelError(
            f"the exported graph differs from the network by {worst:.2g} but must be within "
            f"{allowed:.2g}: the checkpoint's weights may be damaged or far out of range"
        )
    return worst


class _Wrapped(nn.Module):
    """What the graph computes: logits where the network has them, else ab."""

    def __init__(self, network: ColorNetwork) -> None:
        super().__init__()
        self.network = network
        # Registered here, or the exporter would not know their weights as weights.
        self.frozen = nn.ModuleList(network.frozen_parts())

    def forward(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        if isinstance(self.network, ClassifyingNetwork):
            return self.network.logits(l, hints)
        return self.network(l, hints)


def graph_of(network: ColorNetwork, wrapped: nn.Module, outputs: list[str]) -> onnx.ModelProto:
    """Return the graph of what a module computes of a network's inputs.

    Args:
        network: says which inputs there are, and which sizes are free.
        wrapped: takes them by position; in eval mode: it may compute otherwise in training.
        outputs: names of what it gives.
    """
    given = inputs_of(network, 2, 2, 3, seed=0)
    free: dict[int, Any] = {0: torch.export.Dim("B")}
    if network.fixed_size is None:
        free[2] = network.stride * torch.export.Dim("h")
        free[3] = network.stride * torch.export.Dim("w")
    # The exporter reports its stages at these levels; a person has no use for them.
    exporter_log = logging.getLogger("torch.onnx")
    level = exporter_log.level
    exporter_log.setLevel(logging.ERROR)
    try:
        # Without gradients the same graph is traced in a sixth less time.
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                wrapped,
                tuple(given.values()),
                input_names=list(given),
                output_names=outputs,
                dynamic_shapes=dict.fromkeys(given, free),
                opset_version=_OPSET,
                external_data=False,
                dynamo=True,
                verbose=False,
            )
    finally:
        exporter_log.setLevel(level)
    assert program is not None
    model = program.model_proto
    model.ir_version = min(model.ir_version, _IR_VERSION)
    return model


def inputs_of(
    network: ColorNetwork, batch: int, height: int, width: int, *, seed: int
) -> dict[str, Tensor]:
    """Return random inputs of a network's graph by name.

    Args:
        network: says which.
        batch: how many pictures.
        height: in strides; of no matter for a network of one size.
        width: the same.
        seed: of the values.
    """
    rng = np.random.default_rng(seed)
    shape = (batch, 1, height * network.stride, width * network.stride)
    if network.fixed_size is not None:
        shape = (batch, 1, network.fixed_size, network.fixed_size)
    inputs = {"l": rng.uniform(0, 100, shape)}
    if network.accepts_hints:
        mask = (rng.random(shape) < 0.05).astype(np.float64)
        ab = rng.uniform(-80, 80, (batch, 2, *shape[2:])) * mask
        inputs["hints"] = np.concatenate([ab, mask], axis=1)
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in inputs.items()}


def _output_name(network: ColorNetwork) -> str:
    return "logits" if isinstance(network, ClassifyingNetwork) else "ab"


def describe(checkpoint: Checkpoint) -> dict[str, object]:
    """Return what an exported file says of itself, as plain values for JSON."""
    network, recipe = checkpoint.network, checkpoint.recipe
    description: dict[str, object] = {
        "format": METADATA_FORMAT,
        "name": recipe.name,
        "precision": "fp32",
        "network": recipe.network.name,
        "stride": network.stride,
        "accepts_hints": network.accepts_hints,
        "size": recipe.size,
        "fixed_size": network.fixed_size,
        "temperature": recipe.temperature,
        "chroma_gain": recipe.chroma_gain,
        "overview": None if recipe.overview is None else dataclasses.asdict(recipe.overview),
        "output": _output_name(network),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "recipe": dataclasses.asdict(without_folders(recipe)),
        "facts": checkpoint.facts | network.provenance(),
    }
    if isinstance(network, ClassifyingNetwork):
        description["bins"] = network.ab_bins.centres.tolist()
    if (norms := norms_as_text(network)) is not None:
        description["norms"] = norms  # which the graph has folded away
    return description


def without_folders(recipe: Recipe) -> Recipe:
    """Keep of every path only its last part: a published file tells nothing about a machine."""

    def last(path: str | None) -> str | None:
        return None if path is None else path.replace("\\", "/").rstrip("/").rpartition("/")[2]

    validation, teacher = recipe.data.validation, recipe.teacher
    if teacher is not None:  # maybe a blend of several
        model = ",".join(last(part) or "" for part in teacher.model.split(","))
        teacher = dataclasses.replace(teacher, model=model)
    return dataclasses.replace(
        recipe,
        teacher=teacher,
        network=dataclasses.replace(
            recipe.network,
            encoder=last(recipe.network.encoder),
            start=last(recipe.network.start),
            options={
                name: last(value) if name.endswith("_file") else value
                for name, value in recipe.network.options.items()
            },
        ),
        data=dataclasses.replace(
            recipe.data,
            train=last(recipe.data.train) or "",
            validation=last(validation) if isinstance(validation, str) else validation,
        ),
    )


def strip(model: onnx.ModelProto) -> None:
    """Take out what tools note of a graph: file paths, stack traces, inner shapes, metadata."""
    graph = model.graph
    del graph.value_info[:]
    noted: Iterable[Any] = (
        *(model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer),
        *(*model.functions, *(node for function in model.functions for node in function.node)),
    )
    for part in noted:
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
    graph.name = "koalarize"
    for output in graph.output:
        for place, letter in zip(output.type.tensor_type.shape.dim[2:], "hw", strict=True):
            if place.dim_param:  # a free size; the exporter names the symbols as it pleases
                place.dim_param = f"{place.dim_param.partition('*')[0]}*{letter}"
