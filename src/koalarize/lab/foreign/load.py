"""Read other people's PyTorch files: weights only, strictly, spectral norms folded.

Not here: the networks (``zhang``, ``ddcolor``), what becomes of them (``lab.export``).
A file of PyTorch is a pickle, which may hold code; nothing but tensors is ever unpickled.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from koalarize.errors import ModelError
from koalarize.lab.foreign.ddcolor import DDColor, DDColorConfig
from koalarize.lab.foreign.zhang import ECCV16, Siggraph17
from koalarize.lab.networks import ColorNetwork
from koalarize.lab.networks.fit import misfits

__all__ = ["fold", "load_foreign", "read_weights"]

#: What published files wrap their weights in.
_WRAPS = ("params_ema", "params", "state_dict", "model")
#: Parts of an encoder's classifier, which colours nothing.
_LEFT_OUT = re.compile(r"encoder\.arch\.head_cls\.|.*\.num_batches_tracked$")
_TRACKED = ".num_batches_tracked"
#: How files of PyTorch begin: a zip, and the pickle of versions before 1.6.
_BEGINNINGS = (b"PK", b"\x80")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights without running anything that may be in it.

    Raises:
        ModelError: if it cannot be read, holds anything but weights, or no weights at all.
    """
    _check_kind(path)
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"`{path}` cannot be read ({error.strerror}): check its name") from error
    except pickle.UnpicklingError as error:
        reason = " ".join(str(error).split())
        match = re.search(r"(?:GLOBAL|global|Unsupported (?:class|operand)) ([\w.]+)", reason)
        what = f"`{match[1]}`" if match else "something else"
        raise ModelError(
            f"`{path}` holds {what} beside weights, which could be code, so it is not read: "
            "get the file with the weights alone"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or "it is empty or cut short"
        raise ModelError(
            f"`{path}` cannot be read as PyTorch's weights ({reason}): get the file again from "
            "where it came from"
        ) from error
    for wrap in _WRAPS:
        if isinstance(found, dict) and isinstance(found.get(wrap), dict):
            found = found[wrap]
    weights = {
        str(name): value.float() if value.is_floating_point() else value
        for name, value in (found.items() if isinstance(found, dict) else ())
        if isinstance(value, Tensor)
    }
    if not weights:
        raise ModelError(f"`{path}` holds no weights by name: give a state dict of a network")
    return weights


def _check_kind(path: Path) -> None:
    """Check that a file begins as one of PyTorch does; an empty one is left to PyTorch.

    Raises:
        ModelError: if it does not, as the page of a drive that asks before a large download.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return
    if head.lstrip().startswith(b"<"):
        raise ModelError(
            f"`{path}` is a web page, as drives give in place of a large file: download the "
            "weights in a browser"
        )
    if head and not head.startswith(_BEGINNINGS):
        raise ModelError(
            f"`{path}` is no file of PyTorch: give weights as their authors publish them, .pth, "
            f".pt or .bin{_of_ours(path)}"
        )


def _of_ours(path: Path) -> str:
    """Return which command is for a file of a run of koalarize's own; nothing for others."""
    if path.suffix.lower() not in (".safetensors", ".ckpt"):
        return ""
    model = path if path.suffix.lower() == ".safetensors" else path.with_name("model.safetensors")
    return f"; of a model that koalarize has trained, `koalarize lab export {model}` makes a file"


def fold(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fold spectral norms into the weights: W / sigma, sigma = u W v of what was learnt.

    Args:
        weights: by name; ``NAME_orig``, ``NAME_u`` and ``NAME_v`` become ``NAME``.

    Raises:
        ModelError: if a norm lacks one of its parts.
    """
    folded: dict[str, Tensor] = {}
    for name, value in weights.items():
        if name.endswith(("_u", "_v")) and f"{name[:-2]}_orig" in weights:
            continue
        if not name.endswith("_orig"):
            folded[name] = value
            continue
        own = name.removesuffix("_orig")
        u, v = weights.get(f"{own}_u"), weights.get(f"{own}_v")
        if u is None or v is None:
            raise ModelError(f"`{name}` has a spectral norm but lacks `{own}_u` or `{own}_v`")
        sigma = torch.dot(u, value.flatten(1) @ v)
        folded[own] = value / sigma
    return folded


def load_foreign(path: Path, *, size: int | None = None) -> ColorNetwork:
    """Load another person's network, told by the names and shapes of its weights.

    Args:
        path: a file of weights of SIGGRAPH17, ECCV16 or DDColor of any size.
        size: side of the squares that a DDColor is made for; 512 by default.

    Returns:
        The network with its weights, in eval mode.

    Raises:
        ModelError: if the file cannot be read, is of no such network, or does not fit it exactly.
    """
    weights = fold(
        {name: value for name, value in read_weights(path).items() if not _LEFT_OUT.match(name)}
    )
    network = _network_for(weights, path, size)
    if problems := misfits(weights, network, may_lack=lambda name: name.endswith(_TRACKED)):
        raise ModelError(f"`{path}` does not fit {type(network).__name__}: {problems}")
    own = network.state_dict()
    kept = {name: value for name, value in own.items() if name.endswith(_TRACKED)}
    network.load_state_dict({**kept, **weights}, strict=True)
    return network.eval()


def _network_for(weights: Mapping[str, Tensor], path: Path, size: int | None) -> ColorNetwork:
    if size is not None and (size < 32 or size % 32):
        raise ModelError(f"`size` is {size} but must be a multiple of 32: try 256 or 512")
    try:
        if "model1short10.0.weight" in weights:
            return Siggraph17(weights["model1.0.weight"].shape[0])
        if "model_out.weight" in weights and "model8.6.weight" in weights:
            return ECCV16(weights["model1.0.weight"].shape[0], weights["model8.6.weight"].shape[0])
        if "refine_net.0.0.weight" in weights:
            return DDColor(_ddcolor_config(weights, path, size or 512))
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelError(f"`{path}` looks like a network it is not: {error}") from error
    some = ", ".join(f"`{name}`" for name in sorted(weights)[:3])
    raise ModelError(
        f"`{path}` is of no network that is known here (its weights are called {some} …): "
        f"SIGGRAPH17, ECCV16 and DDColor are{_of_ours(path)}"
    )


def _ddcolor_config(weights: Mapping[str, Tensor], path: Path, size: int) -> DDColorConfig:
    """Read the sizes of a DDColor off its weights."""
    queries = "decoder.color_decoder"
    if f"{queries}.query_feat.weight" not in weights:
        raise ModelError(
            f"`{path}` is a DDColor without colour queries, an experiment of its authors: "
            "give one with them, as all published ones are but those"
        )
    blocks = [re.match(r"encoder\.arch\.stages\.(\d)\.(\d+)\.gamma", name) for name in weights]
    depths = [0, 0, 0, 0]
    for match in blocks:
        if match is not None:
            depths[int(match[1])] = max(depths[int(match[1])], int(match[2]) + 1)
    layer = re.compile(rf"{queries}\.transformer_ffn_layers\.\d+\.norm\.bias")
    hidden = weights[f"{queries}.query_feat.weight"].shape[1]
    return DDColorConfig(
        depths=tuple(depths),
        widths=tuple(weights[f"encoder.arch.norm{n}.weight"].shape[0] for n in range(4)),
        decoder=weights["decoder.last_shuf.conv.0.weight"].shape[0] // 8,
        queries=weights["refine_net.0.0.weight"].shape[1] - 3,
        hidden=hidden,
        heads=max(1, hidden // 32),
        inner=weights[f"{queries}.transformer_ffn_layers.0.linear1.weight"].shape[0],
        layers=sum(layer.fullmatch(name) is not None for name in weights),
        size=size,
    )
