"""``koala-net``: Deep Koalarization, an encoder and a decoder with an ImageNet network beside them.

Not here: the extractor (``extractor``), its training (``recipes/article-a-koala-net.yaml``).
Baldassarre, Gonzalez Moron and Rodes-Guirao 2017, as the first article took it over: what a frozen
classifier says of the whole picture is repeated over the encoder's grid and fused by a 1x1
convolution, so that every pixel knows what the picture shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from koalarize.errors import ModelError
from koalarize.lab.networks.base import ColorNetwork
from koalarize.lab.networks.extractor import (
    EXTRACTOR_FILE,
    Extractor,
    ExtractorConfig,
    build_extractor,
)
from koalarize.lab.networks.init import InitConfig, initialise

__all__ = ["KoalaNet", "KoalaNetConfig"]

#: Channels and stride of the encoder's 3x3 convolutions.
_ENCODER = ((64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 1), (256, 1))
_FUSED = 256


@dataclass(frozen=True)
class KoalaNetConfig(ExtractorConfig, InitConfig):
    """Which extractor, and how our own layers begin; the defaults are the article's."""

    def __post_init__(self) -> None:
        ExtractorConfig.__post_init__(self)
        InitConfig.__post_init__(self)


class KoalaNet(ColorNetwork):
    """Regress ab from L and what a frozen extractor says of the picture.

    The extractor is no submodule: ``parameters``, ``state_dict``, averages of the weights and DDP
    know nothing of it. It moves with the network all the same, and its sha256 is part of the state,
    so that weights are only ever loaded beside the extractor they were trained with.
    """

    stride: ClassVar[int] = 8
    accepts_hints: ClassVar[bool] = False

    def __init__(self, config: KoalaNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or KoalaNetConfig()
        extractor = build_extractor(config)
        self._held = (extractor,)  # a tuple, which nn.Module does not look into
        layers: list[nn.Module] = []
        channels = 1
        for out, stride in _ENCODER:
            layers += [nn.Conv2d(channels, out, 3, stride=stride, padding=1), nn.ReLU()]
            channels = out
        self.encoder = nn.Sequential(*layers)
        self.fusion = nn.Conv2d(channels + extractor.features, _FUSED, 1)
        self.decoder = nn.Sequential(
            nn.Conv2d(_FUSED, 128, 3, padding=1),  # (B, 128, H/8, W/8)
            nn.ReLU(),
            nn.Upsample(scale_factor=2.0),
            nn.Conv2d(128, 64, 3, padding=1),  # (B, 64, H/4, W/4)
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
            nn.Upsample(scale_factor=2.0),
            nn.Conv2d(64, 32, 3, padding=1),  # (B, 32, H/2, W/2)
            nn.ReLU(),
            nn.Conv2d(32, 2, 3, padding=1),
            nn.Tanh(),
            nn.Upsample(scale_factor=2.0),  # (B, 2, H, W)
        )
        initialise(self, config)

    @property
    def extractor(self) -> Extractor:
        """The frozen extractor."""
        return self._held[0]

    def forward(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict ab (B, 2, H, W) from L* (B, 1, H, W); hints are not used."""
        self.check_size(l)
        grid = self.encoder(l / 50 - 1)  # (B, 256, H/8, W/8)
        features = self.extractor(l)[:, :, None, None]  # (B, F, 1, 1)
        features = features.expand(-1, -1, *grid.shape[-2:])
        fused = F.relu(self.fusion(torch.cat([grid, features], dim=1)))  # (B, 256, H/8, W/8)
        return self.decoder(fused) * 127.5 - 0.5  # (B, 2, H, W): the article's [-1, 1] is -128..127

    def frozen_parts(self) -> list[nn.Module]:
        """Return the extractor, which computes but is no part of the state."""
        return [self.extractor]

    def provenance(self) -> dict[str, object]:
        """Return the extractor's name, features, sha256 and number of parameters."""
        return {
            "extractor": {
                "name": self.extractor.name,
                "features": self.config.features,
                "sha256": self.extractor.sha256,
                "parameters": sum(weight.numel() for weight in self.extractor.parameters()),
            }
        }

    def get_extra_state(self) -> Tensor:
        """Return the extractor's sha256 (32,) uint8; it stands for its weights in the state."""
        return torch.tensor(list(bytes.fromhex(self.extractor.sha256)), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Check that a state was trained beside this extractor.

        Raises:
            ModelError: if it was another.
        """
        wanted = bytes(state.tolist()).hex()
        if wanted != self.extractor.sha256:
            raise ModelError(
                f"the weights were trained beside an extractor `{self.extractor.name}` of sha256 "
                f"{wanted[:12]}... but this one has {self.extractor.sha256[:12]}...: give the one "
                "they were trained with as `network.options.extractor_file`, or put it beside the "
                f"checkpoint as {EXTRACTOR_FILE}"
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> KoalaNet:
        # What nn.Module moves and converts by; the extractor goes along.
        self.extractor._apply(fn)
        return super()._apply(fn, recurse)
