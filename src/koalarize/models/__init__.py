"""Colorizing networks as ``nn.Module`` and nothing else; one file a network.

Not here: weights, training, pictures. ``NETWORKS`` is the literal table of names that recipes and
checkpoints use.
"""

from __future__ import annotations

from typing import Any

from koalarize.models.base import ClassifyingNetwork, ColorNetwork
from koalarize.models.koala import Koala, KoalaConfig
from koalarize.models.unet_mini import UNetMini, UNetMiniConfig

__all__ = ["NETWORKS", "ClassifyingNetwork", "ColorNetwork", "Koala", "UNetMini"]

#: Name -> network, its configuration.
NETWORKS: dict[str, tuple[type[ColorNetwork], type[Any]]] = {
    "koala": (Koala, KoalaConfig),
    "unet-mini": (UNetMini, UNetMiniConfig),
}
