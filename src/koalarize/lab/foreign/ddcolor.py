"""DDColor (Kang et al. 2023): an encoder, a pixel decoder, and queries that each learn a colour.

Not here: its encoder (``convnext``), its queries (``queries``), its weights (``load``).
Layers, their order and their names are those of the published weights (piddnad/DDColor,
Apache-2.0), with spectral norms folded into the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from koalarize.lab.foreign.convnext import ConvNeXt
from koalarize.lab.foreign.queries import ColorQueries
from koalarize.lab.networks import ColorNetwork

__all__ = ["LARGE", "TINY", "DDColor", "DDColorConfig", "grey_of"]

_MEAN = (0.485, 0.456, 0.406)  # of ImageNet
_DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class DDColorConfig:
    """Sizes of a DDColor.

    Attributes:
        depths: blocks of the encoder's stages.
        widths: channels of the encoder's stages.
        decoder: channels of the pixel decoder; half as many of its last part.
        queries: colours that are learnt.
        hidden: channels of a query.
        heads: of the attention.
        inner: channels inside the perceptron after it.
        layers: of the queries.
        size: side of the only pictures that an instance takes.
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    decoder: int = 512
    queries: int = 100
    hidden: int = 256
    heads: int = 8
    inner: int = 2048
    layers: int = 9
    size: int = 512


TINY = DDColorConfig((3, 3, 9, 3), (96, 192, 384, 768))
LARGE = DDColorConfig((3, 3, 27, 3), (192, 384, 768, 1536))


class DDColor(ColorNetwork):
    """Predicts ab at full size from grey sRGB, which it makes of L*."""

    stride = 32
    accepts_hints = False
    upsampling = "nearest"

    mean: Tensor
    std: Tensor

    def __init__(self, config: DDColorConfig = TINY) -> None:
        """Make it."""
        super().__init__()
        self.fixed_size = config.size
        self.authors_side = config.size
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_DEVIATION).view(1, 3, 1, 1))
        self.encoder = nn.ModuleDict({"arch": ConvNeXt(config.depths, config.widths)})
        self.decoder = _Decoder(config)
        self.refine_net = nn.Sequential(nn.Sequential(nn.Conv2d(config.queries + 3, 2, 1)))

    def forward(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict ab (B, 2, H, W) from lightness (B, 1, H, W)."""
        del hints
        self.check_size(l)
        shown = (grey_of(l) - self.mean) / self.std  # (B, 3, H, W)
        coarse = self.decoder(self.encoder["arch"](shown))  # (B, queries, H, W)
        return self.refine_net(torch.cat([coarse, shown], dim=1))  # (B, 2, H, W)


class _Decoder(nn.Module):
    """Brings the encoder's grids to full size, and asks at each place how near each query is."""

    def __init__(self, config: DDColorConfig) -> None:
        super().__init__()
        wide, half = config.decoder, config.decoder // 2
        _, *skips = reversed(config.widths)
        given, made = (config.widths[-1], wide, wide), (wide, wide, half)
        self.layers = nn.ModuleList(
            _Up(channels, skip, out) for channels, skip, out in zip(given, skips, made, strict=True)
        )
        self.last_shuf = _Shuffle(half, half, 4, norm=False)
        self.color_decoder = ColorQueries(
            made,
            queries=config.queries,
            hidden=config.hidden,
            heads=config.heads,
            inner=config.inner,
            layers=config.layers,
        )

    def forward(self, grids: list[Tensor]) -> Tensor:
        """Return (B, queries, H, W) of the encoder's four grids."""
        *skips, grid = grids
        levels: list[Tensor] = []
        for layer, skip in zip(self.layers, reversed(skips), strict=True):
            grid = layer(grid, skip)
            levels.append(grid)  # at 1/16, 1/8, 1/4
        pixels = self.last_shuf(grid)  # (B, half, H, W)
        colors = self.color_decoder(levels)  # (B, queries, hidden)
        return torch.einsum("bqc,bchw->bqhw", colors, pixels)


class _Shuffle(nn.Module):
    """Enlarges a grid: channels become pixels, blurred against a chequerboard."""

    def __init__(self, channels: int, out: int, factor: int, *, norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, out * factor**2, 1, bias=not norm)]
        if norm:
            layers.append(nn.BatchNorm2d(out * factor**2))
        self.conv = nn.Sequential(*layers)
        self.spread = nn.Sequential(
            nn.ReLU(),
            nn.PixelShuffle(factor),
            nn.ReplicationPad2d((1, 0, 1, 0)),
            nn.AvgPool2d(2, stride=1),
        )

    def forward(self, grid: Tensor) -> Tensor:
        return self.spread(self.conv(grid))


class _Up(nn.Module):
    """Doubles a grid and joins it with one of the encoder."""

    def __init__(self, channels: int, skip: int, out: int) -> None:
        super().__init__()
        self.shuf = _Shuffle(channels, out, 2, norm=True)
        self.bn = nn.BatchNorm2d(skip)
        self.conv = nn.Sequential(
            nn.Conv2d(out + skip, out, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(out)
        )

    def forward(self, grid: Tensor, skip: Tensor) -> Tensor:
        joined = torch.cat([self.shuf(grid), self.bn(skip)], dim=1)
        return self.conv(torch.relu(joined))


def grey_of(l: Tensor) -> Tensor:
    """Return the sRGB (B, 3, H, W) in [0, 1] of a grey of L* (B, 1, H, W)."""
    curve = (l.clamp(0, 100) + 16) / 116
    light = torch.where(curve > 6 / 29, curve**3, (curve - 4 / 29) * (3 * (6 / 29) ** 2))
    light = light.clamp(0, 1)
    bright = 1.055 * light.clamp_min(1e-6) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, 12.92 * light, bright).expand(-1, 3, -1, -1)
