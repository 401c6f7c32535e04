"""Encoders of ``koala``: networks of inverted residuals without batch norm and classifier.

Not here: their ImageNet weights (``lab.training.initialise``).
MobileNetV2 (Sandler et al. 2018) and EfficientNet-Lite1 (Tan and Le 2019, as Google published it
for phones: ReLU6, no squeeze and excite) are the same blocks in other numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["BACKBONES", "Backbone", "Encoder"]


@dataclass(frozen=True)
class Stage:
    """Blocks of one width.

    Attributes:
        expansion: channels inside a block as a multiple of those that enter it.
        channels: channels that leave each block.
        blocks: how many there are.
        stride: of the first block; the others have 1.
        kernel: side of the depthwise filter.
    """

    expansion: int
    channels: int
    blocks: int
    stride: int
    kernel: int = 3


@dataclass(frozen=True)
class Backbone:
    """An encoder in numbers.

    Attributes:
        name: timm's.
        stages: after a stem of 32 channels and stride 2.
        taps: numbers of the stages whose grids are 1/4, 1/8, 1/16 and 1/32 of the picture.
        epsilon: of the batch norms that its public weights have, as timm says it.
    """

    name: str
    stages: tuple[Stage, ...]
    taps: tuple[int, ...]
    epsilon: float

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the four grids, the finest first."""
        return tuple(self.stages[number].channels for number in self.taps)


_BACKBONES = (
    Backbone(
        "mobilenetv2_100",
        stages=(
            Stage(1, 16, 1, 1),
            Stage(6, 24, 2, 2),
            Stage(6, 32, 3, 2),
            Stage(6, 64, 4, 2),
            Stage(6, 96, 3, 1),
            Stage(6, 160, 3, 2),
            Stage(6, 320, 1, 1),
        ),
        taps=(1, 2, 4, 6),
        epsilon=1e-5,
    ),
    Backbone(
        "tf_efficientnet_lite1",
        stages=(
            Stage(1, 16, 1, 1),
            Stage(6, 24, 3, 2),
            Stage(6, 40, 3, 2, kernel=5),
            Stage(6, 80, 4, 2),
            Stage(6, 112, 4, 1, kernel=5),
            Stage(6, 192, 5, 2, kernel=5),
            Stage(6, 320, 1, 1),
        ),
        taps=(1, 2, 4, 6),
        epsilon=1e-3,
    ),
)
#: By timm's name.
BACKBONES = {backbone.name: backbone for backbone in _BACKBONES}
_STEM = 32


class Encoder(nn.Module):
    """A backbone without batch norm and classifier; returns four grids and the pooled features."""

    features: ClassVar[int] = 1280

    def __init__(self, backbone: Backbone, in_channels: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.stem = Convolution(in_channels, _STEM, 3, stride=2)
        stages: list[nn.Module] = []
        channels = _STEM
        for stage in backbone.stages:
            blocks: list[nn.Module] = []
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(InvertedResidual(channels, stage, stride))
                channels = stage.channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.top = Convolution(channels, self.features, 1)

    def freeze(self, stages: int) -> None:
        """Let the first ``stages`` stages, and the stem before them, keep their weights."""
        if stages:
            self.stem.requires_grad_(False)
        for stage in self.stages[:stages]:
            stage.requires_grad_(False)

    def forward(self, planes: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the grids at 1/4, 1/8, 1/16, 1/32 and the pooled features (B, 1280)."""
        grid = self.stem(planes)  # (B, 32, H/2, W/2)
        taps: list[Tensor] = []
        for number, stage in enumerate(self.stages):
            grid = stage(grid)
            if number in self.backbone.taps:
                taps.append(grid)
        return taps, self.top(grid).mean(dim=(2, 3))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; the input is added where the shapes agree."""

    def __init__(self, in_channels: int, stage: Stage, stride: int) -> None:
        super().__init__()
        hidden = in_channels * stage.expansion
        self.residual = stride == 1 and in_channels == stage.channels
        self.expand = Convolution(in_channels, hidden, 1) if stage.expansion > 1 else nn.Identity()
        self.filter = Convolution(hidden, hidden, stage.kernel, stride=stride, groups=hidden)
        self.project = nn.Conv2d(hidden, stage.channels, 1)

    def forward(self, grid: Tensor) -> Tensor:
        """Return (B, stage.channels, h/stride, w/stride)."""
        out = self.project(self.filter(self.expand(grid)))
        return grid + out if self.residual else out


class Convolution(nn.Module):
    """A convolution and ReLU6, padded as TensorFlow does ("same"), as the public weights expect."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.stride = stride
        self.reach = kernel // 2
        padding = self.reach if stride == 1 else 0
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride=stride, padding=padding, groups=groups
        )

    def forward(self, grid: Tensor) -> Tensor:
        """Return (B, out_channels, h/stride, w/stride); h and w must be multiples of the stride."""
        if self.stride == 1:
            return F.relu6(self.conv(grid))
        if self.training and self.conv.groups > 1 and self.conv.weight.requires_grad:
            # The same numbers: CPUs find the gradient of a dense depthwise filter far sooner than
            # that of a strided one, even at four times the work.
            dense = F.conv2d(
                grid,
                self.conv.weight,
                self.conv.bias,
                padding=self.reach,
                groups=self.conv.groups,
            )
            return F.relu6(dense[:, :, 1::2, 1::2])
        return F.relu6(self.conv(F.pad(grid, (self.reach - 1, self.reach) * 2)))
