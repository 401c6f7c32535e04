"""Colorizing networks as ``nn.Module`` and nothing else; one file a network.

Not here: weights, training, pictures. ``NETWORKS`` is the literal table of names that recipes and
checkpoints use.
"""

from __future__ import annotations

from typing import Any

from koalarize.lab.networks.base import ClassifyingNetwork, ColorNetwork
from koalarize.lab.networks.cnn import CNN, CNNConfig
from koalarize.lab.networks.koala import Koala, KoalaConfig
from koalarize.lab.networks.koala_net import KoalaNet, KoalaNetConfig
from koalarize.lab.networks.unet import UNet, UNetConfig
from koalarize.lab.networks.unet_mini import UNetMini, UNetMiniConfig

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
