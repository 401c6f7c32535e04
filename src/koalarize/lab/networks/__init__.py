"""Colorizing networks as ``nn.Module`` and nothing else; one file a network.

Not here: weights, training, pictures. ``NETWORKS`` is the literal table of names that recipes and
checkpoints use; another's network is named ``MODULE:CLASS`` instead.
"""

from __future__ import annotations

from typing import Any

from koalarize.errors import OptionError
from koalarize.lab.networks.base import ClassifyingNetwork, ColorNetwork
from koalarize.lab.networks.cnn import CNN, CNNConfig
from koalarize.lab.networks.koala import Koala, KoalaConfig
from koalarize.lab.networks.koala_net import KoalaNet, KoalaNetConfig
from koalarize.lab.networks.unet import UNet, UNetConfig
from koalarize.lab.networks.unet_mini import UNetMini, UNetMiniConfig
from koalarize.lab.own import find_own, is_own

__all__ = [
    "CNN",
    "NETWORKS",
    "ClassifyingNetwork",
    "ColorNetwork",
    "Koala",
    "KoalaNet",
    "UNet",
    "UNetMini",
    "network_class",
]

#: Name -> network, its configuration.
NETWORKS: dict[str, tuple[type[ColorNetwork], type[Any]]] = {
    "koala": (Koala, KoalaConfig),
    "koala-net": (KoalaNet, KoalaNetConfig),
    "cnn": (CNN, CNNConfig),
    "unet": (UNet, UNetConfig),
    "unet-mini": (UNetMini, UNetMiniConfig),
}


def network_class(name: str) -> type[ColorNetwork] | None:
    """Return the class of a network: of ``NETWORKS``, or ``MODULE:CLASS`` of one's own.

    Returns:
        None if the name is of neither form.

    Raises:
        OptionError: if one's own cannot be imported, or is no network by the contract of ``base``.
    """
    if not is_own(name):
        return NETWORKS[name][0] if name in NETWORKS else None
    found = find_own(name, "network.name")
    if not (isinstance(found, type) and issubclass(found, ColorNetwork)):
        raise OptionError(
            f"`network.name` is {name!r} but must name a class derived from "
            "`koalarize.lab.networks.ColorNetwork`"
        )
    stride, hints = getattr(found, "stride", None), getattr(found, "accepts_hints", None)
    if not (isinstance(stride, int) and stride >= 1 and isinstance(hints, bool)):
        raise OptionError(
            f"`network.name` is {name!r}, whose `stride` is {stride!r} and `accepts_hints` is "
            f"{hints!r}, but they must be a whole number from 1 and a bool: set them in the class"
        )
    needed = "logits" if issubclass(found, ClassifyingNetwork) else "forward"
    if getattr(getattr(found, needed), "__isabstractmethod__", False):
        raise OptionError(
            f"`network.name` is {name!r}, which has no `{needed}`: write that method as "
            "`koalarize.lab.networks.base` describes it"
        )
    return found
