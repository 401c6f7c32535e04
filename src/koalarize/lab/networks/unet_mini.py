"""``unet-mini``: the first article's baseline, a small U-Net that regresses ab.

Not here: its training (``recipes/article-a-unet-mini.yaml``).
The simplest example of a network: five blocks of two 3x3 convolutions with dropout between them
(1-32-32, 32-64-64, 64-128-128, 192-128-64, 96-32-32 channels), max pooling, nearest upsampling,
skips joined by concatenation, a linear 1x1 head; 618,530 parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from koalarize.errors import OptionError
from koalarize.lab.networks.base import ColorNetwork
from koalarize.lab.networks.init import InitConfig, initialise

__all__ = ["UNetMini", "UNetMiniConfig"]


@dataclass(frozen=True)
class UNetMiniConfig(InitConfig):
    """Sizes of the network; the defaults are the article's."""

    widths: tuple[int, int, int] = (32, 64, 128)
    dropout: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.widths) < 1:
            raise OptionError(
                f"`widths` is {self.widths} but must hold channels, 1 or more: the article has "
                f"{UNetMiniConfig.widths}"
            )
        if not 0 <= self.dropout < 1:
            raise OptionError(
                f"`dropout` is {self.dropout} but must be in [0, 1): the article has "
                f"{UNetMiniConfig.dropout}, 0 drops nothing"
            )


class UNetMini(ColorNetwork):
    """Regress ab from L with a two-level U-Net."""

    stride: ClassVar[int] = 4
    accepts_hints: ClassVar[bool] = False

    def __init__(self, config: UNetMiniConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or UNetMiniConfig()
        fine, middle, deep = config.widths
        self.down1 = _block(1, fine, fine, config.dropout)
        self.down2 = _block(fine, middle, middle, config.dropout)
        self.bottom = _block(middle, deep, deep, config.dropout)
        self.up2 = _block(deep + middle, deep, middle, config.dropout)
        self.up1 = _block(middle + fine, fine, fine, config.dropout)
        self.head = nn.Conv2d(fine, 2, 1)
        initialise(self, config)

    def superseded(self, weights: Mapping[str, Tensor]) -> str:
        """Recognise the ``unet-mini`` of koalarize up to 0.3, whose block ``up2`` was narrower."""
        _, middle, deep = self.config.widths
        first = weights.get("up2.0.weight")
        if middle == deep or first is None or tuple(first.shape[:2]) != (middle, deep + middle):
            return ""
        joined = deep + middle
        return (
            "the weights are of the unet-mini of koalarize up to 0.3, whose `up2` has "
            f"{joined}-{middle}-{middle} channels where the article has {joined}-{deep}-{middle}: "
            "train it again, or use koalarize 0.3"
        )

    def forward(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict ab (B, 2, H, W) from L* (B, 1, H, W); hints are not used."""
        fine = self.down1(l / 50 - 1)  # (B, 32, H, W)
        middle = self.down2(F.max_pool2d(fine, 2))  # (B, 64, H/2, W/2)
        deep = self.bottom(F.max_pool2d(middle, 2))  # (B, 128, H/4, W/4)
        grid = self.up2(torch.cat([_double(deep), middle], dim=1))  # (B, 64, H/2, W/2)
        grid = self.up1(torch.cat([_double(grid), fine], dim=1))  # (B, 32, H, W)
        return self.head(grid) * 127.5 - 0.5  # (B, 2, H, W): the article's [-1, 1] is -128..127


def _block(before: int, between: int, after: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, between, 3, padding=1),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(between, after, 3, padding=1),
        nn.ReLU(),
    )


def _double(grid: Tensor) -> Tensor:
    return F.interpolate(grid, scale_factor=2.0, mode="nearest")
