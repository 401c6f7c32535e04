"""A perceptual loss: LPIPS of the coloured crop and its original (Zhang et al. 2018).

Not here: LPIPS as a score (``lab.metrics.perceptual``), whose weights these are.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from koalarize.color import DELTA, LINEAR_FROM_XYZ
from koalarize.errors import DependencyError
from koalarize.lab.metrics.perceptual import LPIPS
from koalarize.lab.training.losses import WithGradient

__all__ = ["FEATURES", "PerceptualLoss", "lab_to_srgb"]

#: Channels of what the network sees after each of its parts.
FEATURES = (64, 128, 256, 384, 384, 512, 512)


class PerceptualLoss:
    """LPIPS on SqueezeNet 1.1; its network is no part of the one that learns.

    Raises:
        DependencyError: if the weights are missing.
        ModelError: if they are damaged.
    """

    def __init__(self) -> None:
        metric = LPIPS.weights.load(lambda: LearnedPerceptualImagePatchSimilarity("squeeze"))
        net = metric.net.requires_grad_(False).eval()
        self._net = net.to(memory_format=torch.channels_last)  # two thirds of the time on CPUs

    @staticmethod
    def check() -> None:
        """Check, before the work, that the weights are there.

        Raises:
            DependencyError: if they are not.
        """
        try:
            LPIPS.weights.check()
        except DependencyError as error:
            raise DependencyError(f"`loss.perceptual` compares by LPIPS: {error}") from error

    def to(self, device: torch.device) -> None:
        """Move the network to a device."""
        self._net.to(device)

    def features(self, lightness: Tensor, ab: Tensor) -> list[Tensor]:
        """Return what the network sees in a coloured picture, after each of its seven parts.

        Args:
            lightness: (B, 1, H, W), L*; H and W at least 32.
            ab: (B, 2, H, W) in Lab units.

        Returns:
            (B, C, h, w) each, C one of ``FEATURES``; of length 1 along C. As precise as the run's
            numbers: bfloat16 under an autocast to it.
        """
        net = self._net
        with torch.autocast(ab.device.type, enabled=False):
            srgb = lab_to_srgb(torch.cat([lightness, ab.float()], dim=1))
            srgb = net.scaling_layer(2 * srgb - 1).contiguous(memory_format=torch.channels_last)
        return [_UnitLength.apply(part) for part in net.net(srgb)]  # type: ignore

    def distance(self, made: list[Tensor], real: list[Tensor]) -> Tensor:
        """Return LPIPS of two pictures of which ``features`` are known, the mean over a batch.

        Args:
            made: what learns.
            real: what it is compared with, which gets no gradient.
        """
        parts = zip(self._net.lins, made, real, strict=True)
        return torch.stack(
            [_Distance.apply(a, b, _channel_weights(line)) for line, a, b in parts]  # type: ignore
        ).sum()


def _channel_weights(line: Any) -> Tensor:
    """Return (1, C, 1, 1), what each channel's difference counts, of one of LPIPS' layers."""
    return cast(Tensor, line.model[-1].weight)


class _UnitLength(torch.autograd.Function):
    """Divide (B, C, h, w) by its length along C, picture by picture, so that it stays in the cache.

    Written out, with ``_Distance``, since on CPUs they are a third of a step otherwise.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        made = torch.empty_like(features)
        lengths = features.new_empty((len(features), 1, *features.shape[2:]), dtype=torch.float32)
        for part in _parts(features):
            exact = features[part].float()
            lengths[part] = (exact.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()
            made[part] = exact / lengths[part]
        ctx.save_for_backward(made, lengths)
        return made

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Tensor:  # type: ignore[override]
        made, lengths = ctx.saved_tensors
        gradient = torch.empty_like(made)
        for part in _parts(made):
            unit, exact = made[part].float(), above[part].float()
            along = (exact * unit).sum(dim=1, keepdim=True)
            gradient[part] = (exact - unit * along).div_(lengths[part])
        return gradient


class _Distance(WithGradient):
    """The mean over places of the squared differences, times (1, C, 1, 1) and added up along C."""

    @staticmethod
    def forward(ctx: Any, made: Tensor, real: Tensor, weights: Tensor) -> Tensor:
        places = made.numel() // made.shape[1]
        gradient = torch.empty_like(made)
        loss = made.new_zeros((), dtype=torch.float32)
        for part in _parts(made):
            difference = made[part].float() - real[part].float()
            weighed = difference * weights
            loss += (difference * weighed).sum() / places
            gradient[part] = weighed.mul_(2 / places)
        ctx.save_for_backward(gradient)
        return loss


def _parts(features: Tensor) -> list[slice]:
    """Return the slices of a batch that are worked on together: one picture each on CPUs."""
    step = len(features) if features.is_cuda else 1
    return [slice(start, start + step) for start in range(0, len(features), step)]


def lab_to_srgb(lab: Tensor) -> Tensor:
    """Convert Lab (B, 3, H, W) to sRGB in [0, 1], clipped there, so that gradients flow.

    The same colours as ``color.lab_to_srgb``, which is NumPy.
    """
    l, a, b = lab.unbind(1)
    y = (l + 16) / 116
    curve = torch.stack([y + a / 500, y, y - b / 200], dim=1)
    xyz = torch.where(curve > DELTA, curve**3, 3 * DELTA**2 * (curve - 4 / 29))
    matrix = torch.from_numpy(LINEAR_FROM_XYZ).to(lab)
    linear = torch.einsum("ij,bjhw->bihw", matrix, xyz).clamp(0, 1)
    # The power has no gradient at 0: the line is used well below where the two meet.
    steep = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, steep, 12.92 * linear)
