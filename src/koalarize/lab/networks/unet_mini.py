"""``unet-mini``: the first article's baseline, a small U-Net that regresses ab.

Not here: its training (``recipes/article-a-unet-mini.yaml``).
The simplest example of a network: 1-32-64-128-64-32-2 channels, two 3x3 convolutions a block with
dropout between, max pooling, nearest upsampling, skips joined by concatenation, a linear 1x1 head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from koalarize.lab.networks.base import ColorNetwork
from koalarize.lab.networks.init import InitConfig, initialise

__all__ = ["UNetMini", "UNetMiniConfig"]


@dataclass(frozen=True)
class UNetMiniConfig(InitConfig):
    """Sizes of the network; the defaults are the article's."""

    widths: tuple[int, int, int] = (32, 64, 128)
    dropout: float = 0.2


class UNetMini(ColorNetwork):
    """Regress ab from L with a two-level U-Net."""

    stride: ClassVar[int] = 4
    accepts_hints: ClassVar[bool] = False

    def __init__(self, config: UNetMiniConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or UNetMiniConfig()
        fine, middle, deep = config.widths
        self.down1 = _block(1, fine, config.dropout)
        self.down2 = _block(fine, middle, config.dropout)
        self.bottom = _block(middle, deep, config.dropout)
        self.up2 = _block(deep + middle, middle, config.dropout)
        self.up1 = _block(middle + fine, fine, config.dropout)
        self.head = nn.Conv2d(fine, 2, 1)
        initialise(self, config)

    def forward(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict ab (B, 2, H, W) from L* (B, 1, H, W); hints are not used."""
        fine = self.down1(l / 50 - 1)  # (B, 32, H, W)
        middle = self.down2(F.max_pool2d(fine, 2))  # (B, 64, H/2, W/2)
        deep = self.bottom(F.max_pool2d(middle, 2))  # (B, 128, H/4, W/4)
        grid = self.up2(torch.cat([_double(deep), middle], dim=1))  # (B, 64, H/2, W/2)
        grid = self.up1(torch.cat([_double(grid), fine], dim=1))  # (B, 32, H, W)
        return self.head(grid) * 127.5 - 0.5  # (B, 2, H, W): the article's [-1, 1] is -128..127


def _block(in_channels: int, out_channels: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.ReLU(),
    )


def _double(grid: Tensor) -> Tensor:
    return F.interpolate(grid, scale_factor=2.0, mode="nearest")
