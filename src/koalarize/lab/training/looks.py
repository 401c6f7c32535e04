"""What a network says of training crops, looked at as a trained model looks at pictures.

Not here: a trained model's second look (``engines.overview``), which this follows on tensors with
gradients; faults of degraded copies (``lab.datasets.degrade``).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from koalarize.engines.engine import Overview
from koalarize.engines.sized import LEAST_MASK
from koalarize.lab.networks import ClassifyingNetwork

__all__ = ["joined_logits", "other_sides", "resized_hints", "resized_planes"]


def joined_logits(
    network: ClassifyingNetwork,
    lightness: Tensor,
    hints: Tensor | None,
    overview: Overview | None,
    grid: tuple[int, int] | None = None,
) -> Tensor:
    """Return the logits of crops, those of a second look joined to them.

    Args:
        network: looks at them.
        lightness: (B, 1, S, S), L*.
        hints: (B, 3, S, S) or None.
        overview: the second look at these crops; None for one look.
        grid: height and width to bring the logits to, bilinearly; by default the network's own.

    Returns:
        (B, Q, h, w): the weighted mean of both looks.
    """
    logits = _on(network.logits(lightness, hints), grid)
    if overview is None:
        return logits
    given = None if hints is None else resized_hints(hints, overview.size)
    seen = network.logits(resized_planes(lightness, overview.size), given)
    seen = _on(seen, grid or (logits.shape[-2], logits.shape[-1]))
    return (logits + overview.weight * seen) / (1 + overview.weight)


def other_sides(side: int, stride: int) -> list[int]:
    """Return the sides near a crop's at which a network may see it instead: 3/4 to 11/8 of it.

    Args:
        side: the crop's, pixels.
        stride: they are multiples of it.
    """
    near = range(-(-3 * side // (4 * stride)) * stride, 11 * side // 8 + 1, stride)
    return [other for other in near if other != side]


def resized_planes(planes: Tensor, side: int) -> Tensor:
    """Return planes (B, C, S, S) brought to (B, C, side, side), as ``color.resize`` does it."""
    with torch.autocast(planes.device.type, enabled=False):
        return F.interpolate(planes.float(), size=(side, side), mode="bilinear", antialias=True)


def resized_hints(hints: Tensor, side: int) -> Tensor:
    """Return hint planes (B, 3, S, S) brought to another side: whole where a hint is, else none."""
    planes = resized_planes(hints, side)
    mask = planes[:, 2:]
    there = mask > LEAST_MASK
    ab = torch.where(there, planes[:, :2] / mask.clamp(min=LEAST_MASK), 0.0)
    return torch.cat([ab, there.to(ab.dtype)], dim=1)


def _on(logits: Tensor, grid: tuple[int, int] | None) -> Tensor:
    if grid is None or grid == tuple(logits.shape[-2:]):
        return logits
    return F.interpolate(logits, size=grid, mode="bilinear", align_corners=False)
