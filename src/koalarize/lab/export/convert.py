"""Convert other people's PyTorch weights into one self-describing ONNX file, and prove it.

Not here: their networks and reading their files (``lab.foreign``), our own networks (``export``).
The file runs without PyTorch and takes what its network takes: SIGGRAPH17 keeps its hints and its
suggestions, ECCV16 its bins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from koalarize.engines.engine import METADATA_FORMAT, METADATA_KEY
from koalarize.errors import ModelError, OptionError
from koalarize.lab.export.export import TOLERANCE, check_target, graph_of, inputs_of, strip
from koalarize.lab.foreign import ECCV16, DDColor, Siggraph17
from koalarize.lab.foreign.load import load_foreign
from koalarize.lab.networks import ColorNetwork
from koalarize.photo.files import sha256_of, write_bytes

__all__ = ["check_same", "convert", "describe", "to_onnx"]

#: Pictures that parity is checked on, in strides: count, height, width.
_CHECKED = ((1, 4, 6), (2, 6, 4))


class _Both(nn.Module):
    """What the graph of SIGGRAPH17 computes: ab, and the logits of what it suggests."""

    def __init__(self, network: Siggraph17) -> None:
        super().__init__()
        self.network = network

    def forward(self, l: Tensor, hints: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.both(l, hints)


class _Logits(nn.Module):
    def __init__(self, network: ECCV16) -> None:
        super().__init__()
        self.network = network

    def forward(self, l: Tensor) -> Tensor:
        return self.network.logits(l)


def convert(source: Path, output: Path | None = None, *, size: int | None = None) -> Path:
    """Convert a file of weights; a model converted before is replaced.

    Args:
        source: weights of SIGGRAPH17, ECCV16 or DDColor, as their authors publish them.
        output: the file to write; by default beside the source, with the extension ``.onnx``.
        size: side of the squares that a DDColor takes; 512 by default.

    Returns:
        Path of the written file.

    Raises:
        OptionError: if ``output`` is the source itself, or the source an .onnx file.
        ModelError: if the source cannot be read or does not fit, or the graph does not compute
            what the network does.
        OutputError: if the file cannot be written, or is no model; said before the work.
    """
    if source.suffix.lower() == ".onnx":
        raise OptionError(
            f"`{source}` is an .onnx file, which needs no conversion: colour with "
            f"`koalarize photo.jpg --model {source}`"
        )
    target = output or source.with_suffix(".onnx")
    check_target(target, source)
    network = load_foreign(source, size=size)
    facts = {"source": source.name, "sha256": sha256_of(source)}
    return write_bytes(to_onnx(network, source.stem, facts), target, overwrite=True)


def to_onnx(network: ColorNetwork, name: str, facts: Mapping[str, object]) -> bytes:
    """Return the bytes of an ONNX file that computes what a network does and describes itself.

    Raises:
        ModelError: if it differs by more than ``TOLERANCE`` of the largest output.
    """
    wrapped, outputs = _wrapped(network)
    model = graph_of(network, wrapped, outputs)
    strip(model)
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(describe(network, name, facts))
    data = model.SerializeToString()
    check_same(data, network)
    return data


def describe(network: ColorNetwork, name: str, facts: Mapping[str, object]) -> dict[str, object]:
    """Return what a converted file says of itself."""
    assert isinstance(network, (ECCV16, Siggraph17, DDColor))
    described: dict[str, object] = {
        "format": METADATA_FORMAT,
        "name": name,
        "precision": "fp32",
        "network": type(network).__name__.lower(),
        "stride": network.stride,
        "accepts_hints": network.accepts_hints,
        "size": network.fixed_size or network.authors_side,
        "fixed_size": network.fixed_size,
        "temperature": 1.0,
        "chroma_gain": 1.0,
        "output": "logits" if isinstance(network, ECCV16) else "ab",
        "classifies": isinstance(network, Siggraph17),
        "authors": {
            "side": network.authors_side,
            "upsampling": "nearest" if isinstance(network, DDColor) else "bilinear",
        },
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "facts": dict(facts),
    }
    if not isinstance(network, DDColor):
        described["bins"] = [[round(float(v), 5) for v in row] for row in network.centres()]
    return described


def _wrapped(network: ColorNetwork) -> tuple[nn.Module, list[str]]:
    if isinstance(network, Siggraph17):
        return _Both(network).eval(), ["ab", "logits"]
    if isinstance(network, ECCV16):
        return _Logits(network).eval(), ["logits"]
    return network.eval(), ["ab"]


def check_same(data: bytes, network: ColorNetwork) -> None:
    """Compare a graph with its network on random pictures.

    Args:
        data: the ONNX file.
        network: in eval mode.

    Raises:
        ModelError: if they differ by more than ``TOLERANCE`` of the largest output.
    """
    wrapped, _ = _wrapped(network)
    onnx.checker.check_model(data)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for seed, (batch, height, width) in enumerate(_CHECKED):
        given = inputs_of(network, batch, height, width, seed=seed)
        with torch.inference_mode():
            made = wrapped(*given.values())
        expected: tuple[Tensor, ...] = made if isinstance(made, tuple) else (made,)
        found = session.run(None, {name: value.numpy() for name, value in given.items()})
        for one, other in zip(expected, found, strict=True):
            worst = float(np.abs(np.asarray(other) - one.numpy()).max())
            allowed = TOLERANCE * max(1.0, float(one.abs().max()))
            if not worst <= allowed:
                raise ModelError(
                    f"the converted graph differs from the network by {worst:.2g} but must be "
                    f"within {allowed:.2g}: the weights may be damaged or far out of range"
                )
        if network.fixed_size is not None:  # other sizes it does not take
            return
