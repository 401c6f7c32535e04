"""``koala``: the default network, an encoder-decoder with global context that classifies ab.

Not here: weights and their initialisation (``lab.training.initialise``), decoding (``color``), the
encoders (``encoders``).
The idea of Deep Koalarization (Baldassarre et al. 2017), that what the picture is should inform
every pixel, with one encoder for both, whose pooled features join the deepest grid. The decoder is
dense 3x3 convolutions, which CPUs run best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from koalarize import color
from koalarize.errors import OptionError, did_you_mean
from koalarize.lab.networks.base import ClassifyingNetwork
from koalarize.lab.networks.encoders import BACKBONES, Encoder

__all__ = ["Koala", "KoalaConfig"]

_HINT_CHANNELS = 8
_AGREEING_LEVELS = 2  # the grids 1/16 and 1/8
_FINEST_LEVELS = 3  # 1/4 too
#: Side -> rows of Pascal's triangle, which nears a Gaussian of a variance of (side - 1) / 4. Of 4
#: it has no middle; the mean of those of 3 and 5 has its variance.
_BINOMIAL: dict[int, tuple[int, ...]] = {
    1: (1,),
    3: (1, 2, 1),
    4: (1, 8, 14, 8, 1),
    5: (1, 4, 6, 4, 1),
}


@dataclass(frozen=True)
class KoalaConfig:
    """Sizes of the network; the defaults are those of the shipped weights.

    Attributes:
        context: channels of the global context and of the deepest decoder grid.
        widths: the two convolutions' channels on the grids 1/16 and 1/8; with a third pair the
            network answers on the grid 1/4, for more than twice the work.
        slots: regions that every picture is summarised in, see ``Agreement``; 0 leaves it out.
        backbone: what the encoder is, by timm's name, see ``encoders.BACKBONES``.
        frozen: how many of the encoder's stages keep the weights they begin with, and its stem with
            the first of them. The finest grids are the slowest to train and have least to learn.
        encoder_rate: learning rate of the encoder as a share of the decoder's.
        bin_step: distance between neighbouring ab bins, Lab units, see ``color.grid_bins``.
        blur: side of a binomial filter that L* passes before all else, pixels: 1 for none, or 3 to
            5 (the variance is (side - 1) / 4; of an even one, a filter of an odd side has it). What
            it takes away says little of colours and is what differs between a photo and its noisy,
            compressed or smaller copy (after Zhang 2019, "Making convolutional networks
            shift-invariant again").
    """

    context: int = 256
    widths: tuple[tuple[int, int], ...] = ((320, 256), (160, 128))
    slots: int = 32
    backbone: str = "mobilenetv2_100"
    frozen: int = 0
    encoder_rate: float = 0.2
    bin_step: int = color.AB_GRID
    blur: int = 3

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise OptionError(
                f"`backbone` is {self.backbone!r} but must be one of {tuple(BACKBONES)}"
                f"{did_you_mean(self.backbone, BACKBONES)}"
            )
        stages = len(BACKBONES[self.backbone].stages)
        if not 0 <= self.frozen <= stages:
            raise OptionError(f"`frozen` is {self.frozen} but must be from 0 to {stages} stages")
        if not _AGREEING_LEVELS <= len(self.widths) <= _FINEST_LEVELS:
            raise OptionError(
                f"`widths` has {len(self.widths)} pairs but must have 2 (the network answers on "
                "1/8 of the grid) or 3 (1/4)"
            )
        if min(map(min, self.widths)) < 1:
            raise OptionError(
                f"`widths` is {self.widths} but must hold channels, 1 or more: the shipped weights "
                f"have {KoalaConfig.widths}"
            )
        for name, least in (("context", 1), ("slots", 0)):
            if getattr(self, name) < least:
                raise OptionError(
                    f"`{name}` is {getattr(self, name)} but must be at least {least}: the shipped "
                    f"weights have {getattr(KoalaConfig, name)}"
                )
        if not 0 <= self.encoder_rate < math.inf:
            raise OptionError(
                f"`encoder_rate` is {self.encoder_rate} but must be 0 or more, and finite: 0 "
                "leaves the encoder as it begins"
            )
        if self.blur not in _BINOMIAL:
            raise OptionError(
                f"`blur` is {self.blur!r} but must be one of {tuple(_BINOMIAL)} pixels: 1 for none"
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

    blur: Tensor | None

    def __init__(self, config: KoalaConfig | None = None) -> None:
        config = config or KoalaConfig()
        super().__init__(ab_bins=color.grid_bins(config.bin_step))
        self.config = config
        row = torch.tensor(_BINOMIAL[config.blur], dtype=torch.float32)
        filter_ = torch.outer(row, row)[None, None] / row.sum() ** 2  # (1, 1, side, side)
        # Kept beside the weights, which thus say what they have seen.
        self.register_buffer("blur", filter_ if config.blur > 1 else None)
        backbone = BACKBONES[config.backbone]
        self.encoder = Encoder(backbone, in_channels=4)
        self.encoder.freeze(config.frozen)
        self.context = nn.Linear(Encoder.features, config.context)
        self.deepest = nn.Conv2d(backbone.channels[-1], config.context, 1)
        channels = config.context
        # Hint planes join the finest grid again.
        extra = (*(0 for _ in config.widths[1:]), _HINT_CHANNELS)
        self.near = nn.Conv2d(3, _HINT_CHANNELS, 1)
        levels: list[DecoderLevel] = []
        agreements: list[Agreement] = []
        for skip, more, (first, second) in zip(
            backbone.channels[-2::-1][: len(config.widths)], extra, config.widths, strict=True
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
        l = self._blurred(l)
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

    def _blurred(self, l: Tensor) -> Tensor:
        """Return L* (B, 1, H, W) as the network sees it; its edges go on beyond the picture."""
        if self.blur is None:
            return l
        with torch.autocast(l.device.type, enabled=False):
            wide = F.pad(l, (self.config.blur // 2,) * 4, mode="replicate")
            return F.conv2d(wide, self.blur)

    def beginning(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what this network can begin a training with, of weights of another form of it.

        Weights that answer on a finer grid lend all but the levels and the head that do so; what
        joins the hint planes to the last level that is left begins at zero. Weights of another
        backbone lend what is not joined to it. The blur is this network's own.
        """
        kept = self._without_backbone(self._without_finer_levels(weights))
        kept.pop("blur", None)
        return kept if self.blur is None else {**kept, "blur": self.blur}

    def _without_backbone(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Leave out what belongs to another encoder than this one, if it does."""
        own = self.state_dict()
        theirs = {name for name in weights if name.startswith("encoder.")}
        ours = {name for name in own if name.startswith("encoder.")}
        if theirs == ours and all(weights[name].shape == own[name].shape for name in ours):
            return dict(weights)
        kept = {
            name: tensor
            for name, tensor in weights.items()
            if not name.startswith(("encoder.", "context.", "deepest."))
        }
        for number, level in enumerate(cast("list[DecoderLevel]", list(self.levels))):
            name = f"levels.{number}.first.weight"
            below = self.config.context if number == 0 else self.config.widths[number - 1][1]
            near = _HINT_CHANNELS if number == len(self.levels) - 1 else 0
            joined = level.first.weight.detach().clone()
            if name in kept and kept[name].shape[0] == joined.shape[0]:
                joined[:, :below] = kept[name][:, :below]
                joined[:, joined.shape[1] - near :] = kept[name][:, kept[name].shape[1] - near :]
                kept[name] = joined
        return kept

    def _without_finer_levels(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
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
