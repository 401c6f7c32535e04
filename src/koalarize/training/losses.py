"""Losses as pure functions of a network's output and the true ab.

Not here: networks, the optimizer.
``rebalanced_cross_entropy`` follows Zhang, Isola, Efros 2016 (section 2.2), with a softer weight.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from koalarize import color

__all__ = ["bin_weights", "mean_squared_error", "rebalanced_cross_entropy", "soft_bins"]

_CPU_ROWS = 2048
_REACH = 128  # ab of 8-bit sRGB lies within -108..99


def mean_squared_error(ab: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of ab (B, 2, H, W), in units of the articles' [-1, 1] scale."""
    return F.mse_loss(ab.float() / 127.5, target / 127.5)


def rebalanced_cross_entropy(logits: Tensor, ab: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of bin logits against softly encoded ab, weighted by the true bin's rarity.

    Args:
        logits: (B, Q, h, w).
        ab: (B, 2, H, W) in Lab units, H = 4 h; averaged down to the logits' grid.
        weights: (Q,) from ``bin_weights``.
    """
    grid = F.avg_pool2d(ab, ab.shape[-1] // logits.shape[-1])
    numbers, shares = soft_bins(grid.permute(0, 2, 3, 1).reshape(-1, 2))
    rows = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
    return _SoftCrossEntropy.apply(rows, numbers, shares, weights[numbers[:, 0]])  # type: ignore


def bin_weights(share: np.ndarray[Any, Any], *, uniform: float, power: float) -> Tensor:
    """Turn the bins' shares of a data set into loss weights whose mean over the data is 1.

    Args:
        share: (Q,) how often each bin occurs; adds up to 1.
        uniform: share of a uniform distribution mixed in (lambda in the paper, where it is 0.5).
        power: 1 is the paper's full rebalancing, 0 none.
    """
    mixed = (1 - uniform) * share + uniform / len(share)
    weights = mixed**-power
    return torch.tensor(weights / (weights * share).sum(), dtype=torch.float32)


def soft_bins(ab: Tensor) -> tuple[Tensor, Tensor]:
    """Encode ab (N, 2) as ``color.encode_ab`` does, looked up at whole Lab units."""
    numbers, shares = _table(ab.device)
    whole = (ab.round().long() + _REACH).clamp_(0, 2 * _REACH - 1)
    row = whole[:, 0] * (2 * _REACH) + whole[:, 1]
    return numbers[row], shares[row]


class _SoftCrossEntropy(torch.autograd.Function):
    """Written out since it is a fifth of a training step on CPUs otherwise.

    The gradient is made together with the loss, in pieces whose temporaries stay in the cache.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, numbers: Tensor, shares: Tensor, weight: Tensor) -> Tensor:
        scale = (weight / len(rows))[:, None]
        step = len(rows) if rows.is_cuda else _CPU_ROWS
        gradient = torch.empty_like(rows)
        loss = rows.new_zeros((), dtype=torch.float32)
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            chance = torch.softmax(rows[part].float(), dim=1)
            share = shares[part] * scale[part]
            picked = chance.gather(1, numbers[part]).clamp_min_(1e-30).log_()
            loss -= (picked * share).sum()
            gradient[part] = chance.mul_(scale[part]).scatter_add_(1, numbers[part], -share)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0].to(gradient.dtype), None, None, None


@lru_cache(maxsize=4)
def _table(device: torch.device) -> tuple[Tensor, Tensor]:
    steps = np.arange(-_REACH, _REACH, dtype=np.float32)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    numbers, shares = color.encode_ab(grid)
    return (
        torch.from_numpy(numbers.astype(np.int64)).to(device),
        torch.from_numpy(shares).to(device),
    )
