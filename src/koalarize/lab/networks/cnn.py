"""``cnn``: the second article's network of nine layers, which is bound to one picture size.

Not here: its training (``recipes/article-b-cnn.yaml``).
Seven 3x3 convolutions, 1-64-128-256-256-128-64-2 channels, then two linear layers over the width
axis, 128-256-128: each row of a and of b is mixed from end to end by weights that belong to places,
so the network learns pictures of one width only, and mostly by heart.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from koalarize.errors import OptionError
from koalarize.lab.networks.base import ColorNetwork
from koalarize.lab.networks.init import InitConfig, initialise

__all__ = ["CNN", "CNNConfig"]

_CHANNELS = (1, 64, 128, 256, 256, 128, 64, 2)


@dataclass(frozen=True)
class CNNConfig(InitConfig):
    """Size and beginning of the network; the defaults are the article's but for ``init``.

    The article's code begins with ``init: constant`` and ``init_value: 0``, from which no
    convolution's weight ever learns: see ``lab.networks.init.initialise``.

    Attributes:
        width: side of the square pictures that the network takes, pixels.
    """

    width: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise OptionError(
                f"`width` is {self.width} but must be at least 1: the article has 128"
            )


class CNN(ColorNetwork):
    """Regress ab from L of pictures (width, width)."""

    stride: ClassVar[int] = 1
    accepts_hints: ClassVar[bool] = False

    def __init__(self, config: CNNConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CNNConfig()
        self.fixed_size = config.width
        layers: list[nn.Module] = []
        for before, after in pairwise(_CHANNELS):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.LeakyReLU()]
        self.convolutions = nn.Sequential(*layers)
        self.rows = nn.Sequential(
            nn.Linear(config.width, 2 * config.width),
            nn.LeakyReLU(),
            nn.Linear(2 * config.width, config.width),
            nn.Tanh(),
        )
        initialise(self, config)

    def forward(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict ab (B, 2, W, W) from L* (B, 1, W, W), W = ``fixed_size``; hints are not used."""
        self.check_size(l)
        grid = self.convolutions(l / 100)  # (B, 2, W, W)
        return self.rows(grid) * 128  # (B, 2, W, W): the article's [-1, 1] is -128..128
