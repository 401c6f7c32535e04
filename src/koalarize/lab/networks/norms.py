"""Batch norms beside a folded graph: an export folds them into the convolutions before them.

Not here: the export (``lab.export``), beginning a training with its weights (``lab.training``).
A folded graph computes the same, but cannot be trained on: what a norm does to a batch is lost. So
an exported file carries the norms as text, from which the convolutions are unfolded again.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from itertools import pairwise

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

__all__ = ["norms_as_text", "unfolded"]


def norms_as_text(network: nn.Module) -> str | None:
    """Return the state of a network's batch norms as text; None if it has none that are folded."""
    state = {
        f"{name}.{part}": tensor.detach().cpu().contiguous()
        for _, name, norm in _pairs(network)
        for part, tensor in norm.state_dict().items()
    }
    return base64.b64encode(save(state)).decode() if state else None


def unfolded(weights: Mapping[str, Tensor], network: nn.Module, text: str) -> dict[str, Tensor]:
    """Return weights of a folded graph as the network has them: convolutions and their norms.

    Args:
        weights: of the graph, by the network's own names; a folded convolution's are a norm's work
            already.
        network: of that kind, whatever its weights.
        text: of ``norms_as_text``, of the network that was exported.

    Raises:
        ValueError: if the text is none of these norms.
    """
    try:
        state = load(base64.b64decode(text, validate=True))
    except (binascii.Error, SafetensorError) as error:
        raise ValueError(f"its batch norms cannot be read: {error}") from error
    found = dict(weights)
    for before, name, norm in _pairs(network):
        own = {part: state.get(f"{name}.{part}") for part in norm.state_dict()}
        scale, variance = own.get("weight"), own.get("running_var")
        weight = found.get(f"{before}.weight")
        if scale is None or variance is None or weight is None or len(scale) != len(weight):
            raise ValueError(f"its batch norm `{name}` does not fit")
        spread = torch.sqrt(variance + norm.eps)
        # A channel that the norm takes away has no weights left: from 0 they learn again.
        factor = torch.where(scale == 0, torch.zeros_like(scale), spread / scale)
        found[f"{before}.weight"] = weight * factor.view(-1, *[1] * (weight.dim() - 1))
        found.pop(f"{before}.weight_bias", None)  # what the fold put in; the norm has it
    return found | state


def _pairs(network: nn.Module) -> Iterator[tuple[str, str, nn.BatchNorm2d]]:
    """Yield the names of a convolution without a bias and of the norm behind it, and the norm."""
    for name, module in network.named_modules():
        if not isinstance(module, nn.Sequential):
            continue
        for (before, one), (behind, other) in pairwise(module.named_children()):
            if (
                isinstance(one, nn.Conv2d)
                and one.bias is None
                and isinstance(other, nn.BatchNorm2d)
            ):
                prefix = f"{name}." if name else ""
                yield f"{prefix}{before}", f"{prefix}{behind}", other
