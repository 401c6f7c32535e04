"""ConvNeXt (Liu et al. 2022) as DDColor's encoder: four stages, a norm after each.

Not here: the rest of DDColor (``ddcolor``). Parameter names are those of its published weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ConvNeXt"]

_EPSILON = 1e-6


class _PlaneNorm(nn.LayerNorm):
    """A layer norm over the channels of (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=_EPSILON)

    def forward(self, input: Tensor) -> Tensor:
        moved = F.layer_norm(
            input.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps
        )
        return moved.permute(0, 3, 1, 2)


class _Block(nn.Module):
    """A depthwise convolution, then a perceptron for each place, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=_EPSILON)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, grid: Tensor) -> Tensor:
        places = self.norm(self.dwconv(grid).permute(0, 2, 3, 1))  # (B, H, W, C)
        places = self.gamma * self.pwconv2(F.gelu(self.pwconv1(places)))
        return grid + places.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """The encoder: what each stage gives, at 1/4, 1/8, 1/16 and 1/32 of the size."""

    def __init__(self, depths: Sequence[int], widths: Sequence[int]) -> None:
        """Make it.

        Args:
            depths: blocks of each of the four stages.
            widths: channels of each.
        """
        super().__init__()
        first = nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), _PlaneNorm(widths[0]))
        steps = [
            nn.Sequential(_PlaneNorm(before), nn.Conv2d(before, after, 2, 2))
            for before, after in pairwise(widths)
        ]
        self.downsample_layers = nn.ModuleList([first, *steps])
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(depth)))
            for depth, width in zip(depths, widths, strict=True)
        )
        for number, width in enumerate(widths):
            self.add_module(f"norm{number}", _PlaneNorm(width))
        self.norm = nn.LayerNorm(widths[-1], eps=_EPSILON)  # of its classifier: not asked here

    def forward(self, srgb: Tensor) -> list[Tensor]:
        """Return four grids (B, C, H/4, W/4) to (B, C, H/32, W/32) of sRGB (B, 3, H, W)."""
        found: list[Tensor] = []
        grid = srgb
        for number, (down, stage) in enumerate(
            zip(self.downsample_layers, self.stages, strict=True)
        ):
            grid = stage(down(grid))
            found.append(self.get_submodule(f"norm{number}")(grid))
        return found
