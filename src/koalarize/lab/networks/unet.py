"""``unet``: the first article's large U-Net, five levels deep, that regresses ab.

Not here: its training (``recipes/article-a-unet.yaml``), the small one (``unet_mini``).
32-64-128-256-512 channels, two 3x3 convolutions with batch norm a level, max pooling down, 2x2
transposed convolutions up, skips joined by concatenation, a 1x1 head. The layers are those of
mateuszbuda/brain-segmentation-pytorch, which the article took over together with its sigmoid; a
sigmoid cannot give chroma of both signs, so the head here is linear unless asked otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from koalarize.errors import OptionError, did_you_mean
from koalarize.lab.networks.base import ColorNetwork
from koalarize.lab.networks.init import InitConfig, initialise

__all__ = ["UNet", "UNetConfig"]

HEADS = ("linear", "tanh", "sigmoid")


@dataclass(frozen=True)
class UNetConfig(InitConfig):
    """Sizes of the network; the defaults are the article's but for ``head``.

    Attributes:
        init_features: channels of the finest level; each deeper one has twice as many.
        head: ``linear``; ``tanh`` keeps ab within -128..127; ``sigmoid``, the article's, within
            -0.5..127, so that no green and no blue ever comes out.
    """

    init_features: int = 32
    head: str = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init_features < 1:
            raise OptionError(
                f"`init_features` is {self.init_features} but must be at least 1: "
                "the article has 32"
            )
        if self.head not in HEADS:
            raise OptionError(
                f"`head` is {self.head!r} but must be one of {HEADS}"
                f"{did_you_mean(self.head, HEADS)}"
            )


class UNet(ColorNetwork):
    """Regress ab from L with a U-Net of four pooled levels and a bottleneck."""

    stride: ClassVar[int] = 16
    accepts_hints: ClassVar[bool] = False

    def __init__(self, config: UNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or UNetConfig()
        widths = [config.init_features * 2**level for level in range(5)]
        *fine, deep = widths
        self.down = nn.ModuleList(
            _block(before, after) for before, after in zip([1, *fine[:-1]], fine, strict=True)
        )
        self.bottom = _block(fine[-1], deep)
        steps = list(zip(widths[:0:-1], fine[::-1], strict=True))  # (512, 256) ... (64, 32)
        self.doubling = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 2, stride=2) for before, after in steps
        )
        self.up = nn.ModuleList(_block(2 * after, after) for _, after in steps)
        self.head = nn.Conv2d(fine[0], 2, 1)
        initialise(self, config)

    def superseded(self, weights: Mapping[str, Tensor]) -> str:
        """Recognise an export of koalarize up to 0.4, whose folded norms nobody can unfold."""
        if "down.0.0.weight_bias" not in weights:
            return ""
        return (
            "it was exported by koalarize up to 0.4, which left out the batch norms that it folded "
            "into the convolutions: give the run's model.safetensors, or export that again"
        )

    def forward(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict ab (B, 2, H, W) from L* (B, 1, H, W); hints are not used."""
        grid = l / 50 - 1
        skips: list[Tensor] = []
        for block in self.down:
            skips.append(block(grid))  # (B, 32, H, W) ... (B, 256, H/8, W/8)
            grid = F.max_pool2d(skips[-1], 2)
        grid = self.bottom(grid)  # (B, 512, H/16, W/16)
        for double, block in zip(self.doubling, self.up, strict=True):
            grid = block(torch.cat([double(grid), skips.pop()], dim=1))  # ... (B, 32, H, W)
        ab = self.head(grid)  # (B, 2, H, W)
        if self.config.head == "tanh":
            ab = torch.tanh(ab)
        elif self.config.head == "sigmoid":
            ab = torch.sigmoid(ab)
        return ab * 127.5 - 0.5  # the article's [-1, 1] is -128..127


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )
