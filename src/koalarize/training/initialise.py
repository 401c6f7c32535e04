"""Start a network's encoder from public ImageNet weights.

Not here: our own checkpoints (``training.checkpoint``).
Reads timm's layout of MobileNetV2 and folds its batch norms, which our encoder does not have, into
the convolutions before them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from koalarize.errors import ModelError
from koalarize.models.koala import MobileNetEncoder

__all__ = ["load_mobilenetv2"]

_BLOCK = {"conv_pw": ("expand.conv", "bn1"), "conv_dw": ("filter.conv", "bn2")}
_LAST = ("project", "bn3")
_FIRST_BLOCK = {"conv_dw": ("filter.conv", "bn1"), "conv_pw": ("project", "bn2")}
_EPSILON = 1e-5  # timm's MobileNetV2


def load_mobilenetv2(encoder: MobileNetEncoder, path: Path) -> None:
    """Load timm's ``mobilenetv2_100`` from safetensors into ``encoder``.

    The three input channels of the stem are summed for grey: they take x/127.5-1, which is close to
    our L/50-1 at every grey level. Channels beyond the first (hints) start at zero.

    Raises:
        ModelError: if the file cannot be read or is not a MobileNetV2 in timm's layout.
    """
    try:
        source = {name: tensor.float() for name, tensor in load_file(path).items()}
        state = _folded(source)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"`{path}` cannot be read as safetensors: {error}") from error
    except KeyError as error:
        raise ModelError(
            f"`{path}` lacks `{error.args[0]}`: give timm's mobilenetv2_100 as safetensors"
        ) from error
    stem = torch.zeros_like(encoder.stem.conv.weight)
    stem[:, 0] = state["stem.conv.weight"].sum(1)
    state["stem.conv.weight"] = stem
    wanted = {name: tensor.shape for name, tensor in encoder.state_dict().items()}
    if {name: tensor.shape for name, tensor in state.items()} != wanted:
        raise ModelError(f"`{path}` is of another size: give timm's mobilenetv2_100")
    encoder.load_state_dict(state)


def _folded(source: dict[str, Tensor]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}

    def fold(convolution: str, norm: str, target: str) -> None:
        scale = source[f"{norm}.weight"] / torch.sqrt(source[f"{norm}.running_var"] + _EPSILON)
        state[f"{target}.weight"] = source[f"{convolution}.weight"] * scale[:, None, None, None]
        state[f"{target}.bias"] = source[f"{norm}.bias"] - source[f"{norm}.running_mean"] * scale

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
