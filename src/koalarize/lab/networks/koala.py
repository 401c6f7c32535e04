"""``koala``: the default network, an encoder-decoder with global context that classifies ab.

Not here: weights and their initialisation (``lab.training.initialise``), decoding (``color``).
The idea of Deep Koalarization (Baldassarre et al. 2017), that what the picture is should inform
every pixel, with one encoder for both: MobileNetV2 (Sandler et al. 2018) without batch norm, whose
pooled features join the deepest grid. The decoder is dense 3x3 convolutions, which CPUs run best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from koalarize import color
from koalarize.errors import OptionError
from koalarize.lab.networks.base import ClassifyingNetwork

__all__ = ["Koala", "KoalaConfig", "MobileNetEncoder"]

#: MobileNetV2's stages: expansion, channels, blocks, stride.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_TAPS = {1: "H/4", 2: "H/8", 4: "H/16", 6: "H/32"}
_TAP_CHANNELS = (24, 32, 96, 320)
_HINT_CHANNELS = 8
_AGREEING_LEVELS = 2  # the grids 1/16 and 1/8


@dataclass(frozen=True)
class KoalaConfig:
    """Sizes of the network; the defaults are those of the shipped weights.

    Attributes:
        context: channels of the global context and of the deepest decoder grid.
        widths: the two convolutions' channels on the grids 1/16 and 1/8; with a third pair the
            network answers on the grid 1/4, for more than twice the work.
        slots: regions that every picture is summarised in, see ``Agreement``; 0 leaves it out.
        encoder_rate: learning rate of the encoder as a share of the decoder's.
        bin_step: distance between neighbouring ab bins, Lab units, see ``color.grid_bins``.
    """

    context: int = 256
    widths: tuple[tuple[int, int], ...] = ((320, 256), (160, 128))
    slots: int = 32
    encoder_rate: float = 0.2
    bin_step: int = color.AB_GRID

    def __post_init__(self) -> None:
        if not _AGREEING_LEVELS <= len(self.widths) < len(_TAP_CHANNELS):
            raise OptionError(
                f"`widths` has {len(self.widths)} pairs but must have 2 (the network answers on "
                "1/8 of the grid) or 3 (1/4)"
            )
        lowest, highest = color.BIN_STEPS
        if not lowest <= self.bin_step <= highest:
            raise OptionError(
                f"`bin_step` is {self.bin_step} but must be from {lowest} to {highest} Lab units: "
                f"the shipped weights have {color.AB_GRID}"
            )


class Koala(ClassifyingNetwork):
    """Predict bin logits on the grid 1/8, or 1/4, from L and hint planes."""

    stride: ClassVar[int] = 32
    accepts_hints: ClassVar[bool] = True

    def __init__(self, config: KoalaConfig | None = None) -> None:
        config = config or KoalaConfig()
        super().__init__(ab_bins=color.grid_bins(config.bin_step))
        self.config = config
        self.encoder = MobileNetEncoder(in_channels=4)
        self.context = nn.Linear(MobileNetEncoder.features, config.context)
        self.deepest = nn.Conv2d(_TAP_CHANNELS[-1], config.context, 1)
        channels = config.context
        # Hint planes join the finest grid again.
        extra = (*(0 for _ in config.widths[1:]), _HINT_CHANNELS)
        self.near = nn.Conv2d(3, _HINT_CHANNELS, 1)
        levels: list[DecoderLevel] = []
        agreements: list[Agreement] = []
        for skip, more, (first, second) in zip(
            _TAP_CHANNELS[-2::-1][: len(config.widths)], extra, config.widths, strict=True
        ):
            levels.append(DecoderLevel(channels + skip + more, first, second))
            channels = second
            if config.slots and len(agreements) < _AGREEING_LEVELS:
                agreements.append(Agreement(channels, config.slots))
        self.levels = nn.ModuleList(levels)
        self.agreements = nn.ModuleList(agreements)
        self.head = nn.Conv2d(channels, len(self.ab_bins), 1)
        nn.init.normal_(self.head.weight, std=0.01)

    def logits(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict bin logits (B, Q, H/g, W/g) from L* (B, 1, H, W) and hints (B, 3, H, W).

        g is 8, or 4 where ``config.widths`` has three pairs.
        """
        if hints is None:
            hints = l.new_zeros(l.shape[0], 3, *l.shape[-2:])
        planes = torch.cat([l / 50 - 1, hints[:, :2] / 110, hints[:, 2:]], dim=1)
        taps, pooled = self.encoder(planes)  # 1/4, 1/8, 1/16, 1/32 and (B, 1280)
        grid = self.deepest(taps[3]) + self.context(pooled)[:, :, None, None]  # (B, C, H/32, W/32)
        grid = F.relu(grid)
        last = len(self.levels) - 1
        for number, level in enumerate(self.levels):  # (B, C, H/16, W/16), then 1/8, then 1/4
            side = 16 >> number
            joined = [taps[2 - number]]
            if number == last:
                # Times the side, so that a hint of a few pixels does not fade away in the mean.
                planes = F.avg_pool2d(planes[:, 1:], side) * side
                joined.append(F.relu(self.near(planes)))  # (B, 8, H/side, W/side)
            grid = level(grid, *joined)
            if number < len(self.agreements):
                grid = self.agreements[number](grid)
        return self.head(grid)  # (B, Q, H/8, W/8) or (B, Q, H/4, W/4)

    def beginning(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what this network can begin a training with, of weights of another form of it.

        Weights that answer on a finer grid lend all but the levels and the head that do so; what
        joins the hint planes to the last level that is left begins at zero.
        """
        last = len(self.levels) - 1
        if not any(name.startswith(f"levels.{last + 1}.") for name in weights):
            return dict(weights)
        kept = {
            name: tensor
            for name, tensor in weights.items()
            if not name.startswith("head.") and _level_of(name) <= last
        }
        joining = f"levels.{last}.first.weight"
        if joining in kept:
            first = kept[joining]
            hints = first.new_zeros(first.shape[0], _HINT_CHANNELS, *first.shape[2:])
            kept[joining] = torch.cat([first, hints], dim=1)
        return kept

    def parameter_groups(self, learning_rate: float) -> list[dict[str, object]]:
        """Return the optimizer's groups: the pretrained encoder learns at ``encoder_rate``."""
        encoder = list(self.encoder.parameters())
        known = {id(parameter) for parameter in encoder}
        rest = [parameter for parameter in self.parameters() if id(parameter) not in known]
        return [
            {"params": rest, "lr": learning_rate},
            {"params": encoder, "lr": learning_rate * self.config.encoder_rate},
        ]


def _level_of(name: str) -> int:
    """Return the number of the decoder's level that a parameter belongs to; -1 for none."""
    part, _, rest = name.partition(".")
    return int(rest.partition(".")[0]) if part == "levels" else -1


class DecoderLevel(nn.Module):
    """Double the grid, join the encoder's features of that size, convolve twice."""

    def __init__(self, in_channels: int, first: int, second: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, first, 3, padding=1)
        self.second = nn.Conv2d(first, second, 3, padding=1)
        for convolution in (self.first, self.second):
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]

    def forward(self, grid: Tensor, *joined: Tensor) -> Tensor:
        """Return (B, second, 2h, 2w) from a grid (B, C, h, w) and features (B, ..., 2h, 2w)."""
        grid = F.interpolate(grid, scale_factor=2.0, mode="nearest")
        grid = F.relu(self.first(torch.cat([grid, *joined], dim=1)))
        return F.relu(self.second(grid))


class Agreement(nn.Module):
    """Let distant parts of an object agree: gather the grid into slots, give them back to it.

    Double attention (Chen et al., "A^2-Nets", 2018): every slot is a mean of the grid weighted by a
    softmax over places, every place takes a mean of the slots weighted by a softmax over slots. The
    work grows with the grid's size, not with its square. Begins as the identity.
    """

    def __init__(self, channels: int, slots: int) -> None:
        super().__init__()
        self.slots = slots
        self.weights = nn.Conv2d(channels, 2 * slots, 1)
        self.values = nn.Conv2d(channels, channels, 1)
        self.first = nn.Linear(channels, channels)
        self.second = nn.Linear(channels, channels)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, grid: Tensor) -> Tensor:
        """Return (B, C, h, w) from (B, C, h, w)."""
        gather, spread = self.weights(grid).flatten(2).chunk(2, dim=1)  # (B, S, N) each
        values = self.values(grid).flatten(2)  # (B, C, N)
        slots = torch.softmax(gather, dim=2) @ values.transpose(1, 2)  # (B, S, C)
        # As rows: the exporter keeps the name of a weight that multiplies a matrix, not a stack.
        rows = slots.flatten(0, 1)  # (B S, C)
        rows = rows + self.second(F.relu(self.first(rows)))
        slots = rows.unflatten(0, (-1, self.slots))  # (B, S, C)
        mixed = slots.transpose(1, 2) @ torch.softmax(spread, dim=1)  # (B, C, N)
        return grid + self.out(mixed.unflatten(2, grid.shape[-2:]))


class MobileNetEncoder(nn.Module):
    """MobileNetV2 without batch norm and classifier; returns four grids and the pooled features."""

    features: ClassVar[int] = 1280

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.stem = Convolution(in_channels, 32, 3, stride=2)
        stages: list[nn.Module] = []
        channels = 32
        for expansion, out, blocks, stride in _STAGES:
            stage = [InvertedResidual(channels, out, expansion, stride)]
            stage += [InvertedResidual(out, out, expansion, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*stage))
            channels = out
        self.stages = nn.ModuleList(stages)
        self.top = Convolution(channels, self.features, 1)

    def forward(self, planes: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the grids at 1/4, 1/8, 1/16, 1/32 and the pooled features (B, 1280)."""
        grid = self.stem(planes)  # (B, 32, H/2, W/2)
        taps: list[Tensor] = []
        for number, stage in enumerate(self.stages):
            grid = stage(grid)
            if number in _TAPS:
                taps.append(grid)
        return taps, self.top(grid).mean(dim=(2, 3))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; the input is added where the shapes agree."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.expand = Convolution(in_channels, hidden, 1) if expansion > 1 else nn.Identity()
        self.filter = Convolution(hidden, hidden, 3, stride=stride, groups=hidden)
        self.project = nn.Conv2d(hidden, out_channels, 1)

    def forward(self, grid: Tensor) -> Tensor:
        """Return (B, out_channels, h/stride, w/stride)."""
        out = self.project(self.filter(self.expand(grid)))
        return grid + out if self.residual else out


class Convolution(nn.Module):
    """A convolution and ReLU6, padded as TensorFlow does ("same"), as the public weights expect."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.stride = stride
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride=stride, padding=padding, groups=groups
        )

    def forward(self, grid: Tensor) -> Tensor:
        """Return (B, out_channels, h/stride, w/stride); h and w must be multiples of the stride."""
        if self.stride == 1:
            return F.relu6(self.conv(grid))
        if self.training and self.conv.groups > 1:
            # The same numbers: CPUs find the gradient of a dense depthwise filter far sooner than
            # that of a strided one, even at four times the work.
            dense = F.conv2d(
                grid, self.conv.weight, self.conv.bias, padding=1, groups=self.conv.groups
            )
            return F.relu6(dense[:, :, 1::2, 1::2])
        return F.relu6(self.conv(F.pad(grid, (0, 1, 0, 1))))
