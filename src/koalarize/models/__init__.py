"""Colorizing networks as ``nn.Module`` and nothing else; one file a network.

Not here: weights, training, pictures. ``NETWORKS`` is the literal table of names that recipes and
checkpoints use.
"""

from __future__ import annotations

from typing import Any

from koalarize.models.base import ClassifyingNetwork, ColorNetwork
from koalarize.models.cnn import CNN, CNNConfig
from koalarize.models.koala import Koala, KoalaConfig
from koalarize.models.koala_net import KoalaNet, KoalaNetConfig
from koalarize.models.unet import UNet, UNetConfig
from koalarize.models.unet_mini import UNetMini, UNetMiniConfig

__all__ = [
    "CNN",
    "NETWORKS",
    "ClassifyingNetwork",
    "ColorNetwork",
    "Koala",
    "KoalaNet",
    "UNet",
    "UNetMini",
]

#: Name -> network, its configuration.
NETWORKS: dict[str, tuple[type[ColorNetwork], type[Any]]] = {
    "koala": (Koala, KoalaConfig),
    "koala-net": (KoalaNet, KoalaNetConfig),
    "cnn": (CNN, CNNConfig),
    "unet": (UNet, UNetConfig),
    "unet-mini": (UNetMini, UNetMiniConfig),
}
