"""A perceptual loss: LPIPS of the coloured crop and its original (Zhang et al. 2018).

Not here: LPIPS as a score (``lab.metrics.perceptual``), whose weights these are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from koalarize.color import DELTA, LINEAR_FROM_XYZ
from koalarize.errors import DependencyError
from koalarize.lab.metrics.perceptual import LPIPS

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
            (B, C, h, w) each, C one of ``FEATURES``; of length 1 along C.
        """
        net = self._net
        with torch.autocast(ab.device.type, enabled=False):
            srgb = lab_to_srgb(torch.cat([lightness, ab.float()], dim=1))
            srgb = (2 * srgb - 1).contiguous(memory_format=torch.channels_last)
            return [
                part / (part.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()
                for part in net.net(net.scaling_layer(srgb))
            ]

    def distance(self, made: list[Tensor], real: list[Tensor]) -> Tensor:
        """Return LPIPS of two pictures of which ``features`` are known, the mean over a batch."""
        with torch.autocast(made[0].device.type, enabled=False):
            parts = zip(self._net.lins, made, real, strict=True)
            return torch.stack([line((a - b).square()).mean() for line, a, b in parts]).sum()


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
