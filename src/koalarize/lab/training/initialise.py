"""Start a network from weights that exist: its encoder from ImageNet's, or all of it from ours.

Not here: writing checkpoints (``lab.runs.checkpoint``), resuming a run (``resume``).
Reads timm's layout of the encoders and folds their batch norms, which ours do not have, into the
convolutions before them; reads our checkpoints and exported models by parameter name.
"""

from __future__ import annotations

import json
import logging
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from koalarize.engines.engine import METADATA_KEY
from koalarize.errors import ModelError
from koalarize.lab.networks import ColorNetwork
from koalarize.lab.networks.encoders import Encoder
from koalarize.lab.networks.fit import misfits
from koalarize.lab.networks.norms import unfolded
from koalarize.models.store import find_model

if TYPE_CHECKING:
    import onnx

__all__ = ["load_encoder", "start_from"]

log = logging.getLogger(__name__)

_OWN = "network."  # begins the names of a network's parameters in an exported graph
_BLOCK = {"conv_pw": ("expand.conv", "bn1"), "conv_dw": ("filter.conv", "bn2")}
_LAST = ("project", "bn3")
_FIRST_BLOCK = {"conv_dw": ("filter.conv", "bn1"), "conv_pw": ("project", "bn2")}


def load_encoder(encoder: Encoder, path: Path) -> None:
    """Load timm's weights of ``encoder``'s backbone from safetensors into it.

    The three input channels of the stem are summed for grey: they take x/127.5-1, which is close to
    our L/50-1 at every grey level. Channels beyond the first (hints) start at zero.

    Raises:
        ModelError: if the file cannot be read or is not that backbone in timm's layout.
    """
    backbone = encoder.backbone.name
    try:
        source = {name: tensor.float() for name, tensor in load_file(path).items()}
        state = _folded(source, encoder.backbone.epsilon)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"`{path}` cannot be read as safetensors: {error}") from error
    except KeyError as error:
        raise ModelError(
            f"`{path}` lacks `{error.args[0]}`: give timm's {backbone} as safetensors"
        ) from error
    stem = torch.zeros_like(encoder.stem.conv.weight)
    stem[:, 0] = state["stem.conv.weight"].sum(1)
    state["stem.conv.weight"] = stem
    wanted = {name: tensor.shape for name, tensor in encoder.state_dict().items()}
    if {name: tensor.shape for name, tensor in state.items()} != wanted:
        raise ModelError(f"`{path}` is of another size: give timm's {backbone}")
    encoder.load_state_dict(state)


def _folded(source: dict[str, Tensor], epsilon: float) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}

    def fold(convolution: str, norm: str, target: str) -> None:
        weight, bias = fuse_conv_bn_weights(
            source[f"{convolution}.weight"],
            None,
            source[f"{norm}.running_mean"],
            source[f"{norm}.running_var"],
            epsilon,
            source[f"{norm}.weight"],
            source[f"{norm}.bias"],
        )
        state[f"{target}.weight"], state[f"{target}.bias"] = weight.detach(), bias.detach()

    fold("conv_stem", "bn1", "stem.conv")
    fold("conv_head", "bn2", "top.conv")
    for name in list(source):
        if not (name.startswith("blocks.") and ".conv_" in name):
            continue
        block, layer = name.removesuffix(".weight").rsplit(".", 1)
        target = block.replace("blocks.", "stages.")
        names = _FIRST_BLOCK if block == "blocks.0.0" else _BLOCK
        part, norm = names.get(layer, _LAST)
        fold(f"{block}.{layer}", f"{block}.{norm}", f"{target}.{part}")
    return state


def start_from(network: ColorNetwork, start: str) -> None:
    """Load weights into ``network`` by name, to train on from.

    Args:
        network: may have whole parts that the weights do not know; those keep their fresh values,
            and the log names them; it may know weights of another form of itself, see
            ``ColorNetwork.beginning``.
        start: ``model.safetensors`` of a run, an exported .onnx file whose weights have 32 or 16
            bits, or a model's name.

    Raises:
        ModelError: if the weights cannot be read, or hold a parameter that the network lacks or has
            in another shape, or lack one inside a part that they know.
    """
    path = find_model(start) if not start.endswith(".safetensors") else Path(start)
    found = _exported(path, network) if path.suffix == ".onnx" else _saved(path)
    found = network.beginning(found)
    parts = {name.split(".")[0] for name in found}
    problems = misfits(found, network, may_lack=lambda name: name.split(".")[0] not in parts)
    if problems or not found:
        reason = problems or "it holds no parameter"
        way = "" if network.superseded(found) else ": give weights of the same"
        if way and start == "koala":
            way += ", or take recipes/koala-finetune.yaml, whose network is that of `koala`"
        raise ModelError(f"`{path}` does not fit this network: {reason}{way}")
    own = network.state_dict()
    fresh = sorted({name.split(".")[0] for name in own.keys() - found.keys()})
    network.load_state_dict({**own, **found})
    log.info("starting from %s; fresh parts: %s", path, ", ".join(fresh) or "none")


def _saved(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"`{path}` cannot be read as safetensors: {error}") from error


def _exported(path: Path, network: ColorNetwork) -> dict[str, Tensor]:
    """Return the parameters inside an exported model, under the network's own names.

    Those of ``lab export --precision fp16`` stand behind a cast, whose result has the own name.
    Linear layers stand turned, under the graph's names; batch norms are folded, and described.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
    except (OSError, DecodeError) as error:
        raise ModelError(f"`{path}` cannot be read as an ONNX model: {error}") from error
    shown = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "Cast"}
    turned = _linear_layers(model.graph)
    found: dict[str, Tensor] = {}
    for tensor in model.graph.initializer:
        name = shown.get(tensor.name, tensor.name)
        if name.startswith(_OWN) or name in turned:
            values = np.array(onnx.numpy_helper.to_array(tensor))
            wide = values.astype(np.float32) if values.dtype == np.float16 else values
            value = torch.from_numpy(wide.T.copy() if name in turned else wide)
            found[turned.get(name, name).removeprefix(_OWN)] = value
    noted = next((one.value for one in model.metadata_props if one.key == METADATA_KEY), "{}")
    try:
        norms = json.loads(noted).get("norms")
        return found if norms is None else unfolded(found, network, norms)
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"`{path}` does not fit this network: {error}: give weights of the same"
        ) from error


def _linear_layers(graph: onnx.GraphProto) -> dict[str, str]:
    """Return name of the turned weight of each linear layer in a graph -> its own name.

    The exporter keeps the name of the bias alone, which is added to the product.
    """
    products = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
    return {
        products[given]: bias.removesuffix(".bias") + ".weight"
        for node in graph.node
        if node.op_type == "Add"
        for given, bias in permutations(node.input)
        if given in products and bias.startswith(_OWN) and bias.endswith(".bias")
    }
