"""Losses as pure functions of a network's output and the true ab.

Not here: networks, the optimizer, the scores of an evaluation.
``rebalanced_cross_entropy`` follows Zhang, Isola, Efros 2016 (section 2.2), with a softer weight;
the others are the articles', over ab on their scale from -1 to 1, so that weights mean the same.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from koalarize import color
from koalarize.errors import OptionError
from koalarize.lab.datasets.sources import Pictures

__all__ = [
    "SSIM_WINDOW",
    "WithGradient",
    "bin_shares",
    "bin_weights",
    "combined_loss",
    "distillation",
    "mean_absolute_error",
    "mean_squared_error",
    "rebalanced_cross_entropy",
    "soft_bins",
    "structural_similarity_loss",
]

_CPU_ROWS = 2048
_SHARE_PICTURES = 4000
_REACH = 128  # ab of 8-bit sRGB lies within -108..99
#: Lab units in one unit of the articles' scale: 127.5 in the first; the second's 128 is 0.4 % more.
_SCALE = 127.5
#: Side of the window of ``structural_similarity_loss``; a smaller crop would be mostly padding.
SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5


def mean_squared_error(ab: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of ab (B, 2, H, W), in units of the articles' [-1, 1] scale."""
    return F.mse_loss(ab.float() / _SCALE, target / _SCALE)


def mean_absolute_error(ab: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of ab (B, 2, H, W), in units of the articles' [-1, 1] scale."""
    return F.l1_loss(ab.float() / _SCALE, target / _SCALE)


def structural_similarity_loss(ab: Tensor, target: Tensor) -> Tensor:
    """1 - SSIM of the planes a and b, each compared as a picture of its own.

    SSIM is that of Wang et al. 2004 as the second article's library (pytorch_ssim) computes it: a
    Gaussian window of 11 pixels (sigma 1.5), C1 = 0.01^2 and C2 = 0.03^2, which is a data range of
    1 although ab on the articles' scale spans 2, and zeros beyond the edge, whose windows count.
    Not the similarity of colour pictures that ``lab.metrics`` reports.

    Args:
        ab: (B, 2, H, W) in Lab units, H and W at least 11.
        target: the same.

    Returns:
        A scalar in [0, 2], 0 where both agree.
    """
    window = torch.arange(SSIM_WINDOW, device=ab.device, dtype=torch.float32) - SSIM_WINDOW // 2
    window = torch.exp(-((window / _SSIM_SIGMA) ** 2) / 2)
    window = window / window.sum()

    def local_mean(planes: Tensor) -> Tensor:
        half = SSIM_WINDOW // 2
        planes = planes.flatten(0, 1)[:, None]
        planes = F.conv2d(planes, window[None, None, :, None], padding=(half, 0))
        return F.conv2d(planes, window[None, None, None, :], padding=(0, half))

    # Variances are small differences of large squares: bfloat16 would leave nothing of them.
    with torch.autocast(ab.device.type, enabled=False):
        one, two = ab.float() / _SCALE, target.float() / _SCALE
        mean, mean_target = local_mean(one), local_mean(two)
        variance = local_mean(one * one) - mean * mean
        variance_target = local_mean(two * two) - mean_target * mean_target
        covariance = local_mean(one * two) - mean * mean_target
        low, high = 0.01**2, 0.03**2
        agreement = (2 * mean * mean_target + low) * (2 * covariance + high)
        size = (mean * mean + mean_target * mean_target + low) * (variance + variance_target + high)
        return 1 - (agreement / size).mean()


def combined_loss(ab: Tensor, target: Tensor, *, alpha: float, beta: float, gamma: float) -> Tensor:
    """The second article's sum: alpha L1 + beta L2 + gamma (1 - SSIM).

    Args:
        ab: (B, 2, H, W) in Lab units.
        target: the same.
        alpha: weight of ``mean_absolute_error``.
        beta: weight of ``mean_squared_error``.
        gamma: weight of ``structural_similarity_loss``; 0 does without it.
    """
    loss = alpha * mean_absolute_error(ab, target) + beta * mean_squared_error(ab, target)
    return loss + gamma * structural_similarity_loss(ab, target) if gamma else loss


def rebalanced_cross_entropy(
    logits: Tensor, ab: Tensor, weights: Tensor, bins: color.Bins | None = None
) -> Tensor:
    """Cross-entropy of bin logits against softly encoded ab, weighted by the true bin's rarity.

    Args:
        logits: (B, Q, h, w).
        ab: (B, 2, H, W) in Lab units, H = 4 h; averaged down to the logits' grid.
        weights: (Q,) from ``bin_weights``.
        bins: what the logits are of; ``color.default_bins`` if not given.
    """
    grid = F.avg_pool2d(ab, ab.shape[-1] // logits.shape[-1])
    numbers, shares = soft_bins(grid.permute(0, 2, 3, 1).reshape(-1, 2), bins)
    rows = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
    return _SoftCrossEntropy.apply(rows, numbers, shares, weights[numbers[:, 0]])  # type: ignore


def distillation(logits: Tensor, teacher: Tensor) -> Tensor:
    """Kullback-Leibler divergence from a teacher's distributions (Hinton et al. 2015).

    Args:
        logits: (B, Q, h, w).
        teacher: the same, without a gradient.

    Returns:
        A scalar in nats, at least 0, the mean over the cells; 0 where both agree.
    """
    rows, wanted = (
        part.permute(0, 2, 3, 1).reshape(-1, part.shape[1]) for part in (logits, teacher)
    )
    return _Divergence.apply(rows, wanted)  # type: ignore


def bin_shares(pictures: Pictures, bins: color.Bins) -> npt.NDArray[np.float64]:
    """Return (Q,) how often each ab bin occurs in the first pictures, softly encoded; sums to 1."""
    total = np.zeros(len(bins))
    for pixels in islice(pictures.arrays, _SHARE_PICTURES):
        step = max(1, min(pixels.shape[:2]) // 10)
        ab = color.srgb_to_lab(np.ascontiguousarray(pixels[::step, ::step]))[..., 1:]
        numbers, shares = bins.encode(ab.reshape(-1, 2))
        np.add.at(total, numbers.ravel(), shares.ravel() / len(shares))
    return total / total.sum()


def bin_weights(share: npt.NDArray[np.floating], *, uniform: float, power: float) -> Tensor:
    """Turn the bins' shares of a data set into loss weights whose mean over the data is 1.

    Args:
        share: (Q,) how often each bin occurs; adds up to 1.
        uniform: share of a uniform distribution mixed in (lambda in the paper, where it is 0.5).
        power: 1 is the paper's full rebalancing, 0 none.

    Raises:
        OptionError: if a bin would weigh without bound: one that never occurs, with no uniform
            share, or any where that share is far above 1.
    """
    mixed = (1 - uniform) * share + uniform / len(share)
    if power and not (mixed > 0).all():
        raise OptionError(
            f"`loss.uniform` is {uniform} but must be above 0 and at most 1 for these pictures: "
            "colours that none of them has would weigh without bound"
        )
    weights = mixed**-power
    return torch.tensor(weights / (weights * share).sum(), dtype=torch.float32)


def soft_bins(ab: Tensor, bins: color.Bins | None = None) -> tuple[Tensor, Tensor]:
    """Encode ab (N, 2) as ``Bins.encode`` does, looked up at whole Lab units."""
    numbers, shares = _table(ab.device, bins or color.default_bins())
    whole = (ab.round().long() + _REACH).clamp_(0, 2 * _REACH - 1)
    row = whole[:, 0] * (2 * _REACH) + whole[:, 1]
    return numbers[row], shares[row]


class _Kept(Protocol):
    """What torch gives back of a forward pass."""

    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]


class WithGradient(torch.autograd.Function):
    """A loss of its first input whose gradient was made and saved together with it."""

    @staticmethod
    def backward(ctx: _Kept, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the saved gradient times that of the loss, and None for the other inputs."""
        (gradient,) = ctx.saved_tensors
        others = (None,) * (len(ctx.needs_input_grad) - 1)
        return gradient * grads[0].to(gradient.dtype), *others


class _SoftCrossEntropy(WithGradient):
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


class _Divergence(WithGradient):
    """In pieces, with the gradient at once, as ``_SoftCrossEntropy`` and for the same reason."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, teacher: Tensor) -> Tensor:
        step = len(rows) if rows.is_cuda else _CPU_ROWS
        gradient = torch.empty_like(rows)
        loss = rows.new_zeros((), dtype=torch.float32)
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            found = torch.log_softmax(rows[part].float(), dim=1)
            wanted = torch.log_softmax(teacher[part].float(), dim=1)
            chance = wanted.exp()
            loss += (chance * (wanted - found)).sum() / len(rows)
            gradient[part] = found.exp_().sub_(chance).div_(len(rows))
        ctx.save_for_backward(gradient)
        return loss


@lru_cache(maxsize=4)
def _table(device: torch.device, bins: color.Bins) -> tuple[Tensor, Tensor]:
    steps = np.arange(-_REACH, _REACH, dtype=np.float32)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    numbers, shares = bins.encode(grid)
    return (
        torch.from_numpy(numbers.astype(np.int64)).to(device),
        torch.from_numpy(shares).to(device),
    )
