"""How a network's weights begin: as torch begins them, all equal, or normally distributed.

Not here: pretrained weights (``lab.training.initialise``, ``extractor``).
``InitConfig`` holds the options; every network's own configuration may build on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from koalarize.errors import OptionError, did_you_mean

__all__ = ["INITIALISATIONS", "InitConfig", "initialise"]

INITIALISATIONS = ("default", "constant", "normal")

_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True)
class InitConfig:
    """How the convolutions and linear layers begin; batch norms always begin as the identity.

    Attributes:
        init: ``default`` is torch's own (uniform, scaled by the number of inputs); ``constant``
            sets every weight to ``init_value``; ``normal`` draws them around 0 with the standard
            deviation ``init_value``. The latter two set biases to 0.
        init_value: the constant, or the standard deviation.
    """

    init: str = "default"
    init_value: float = 0.02

    def __post_init__(self) -> None:
        if self.init not in INITIALISATIONS:
            raise OptionError(
                f"`init` is {self.init!r} but must be one of {INITIALISATIONS}"
                f"{did_you_mean(self.init, INITIALISATIONS)}"
            )
        if not math.isfinite(self.init_value):
            raise OptionError(f"`init_value` is {self.init_value} but must be a finite number")
        if self.init == "normal" and self.init_value <= 0:
            raise OptionError(
                f"`init_value` is {self.init_value} but must be above 0 as a standard deviation: "
                "use `init: constant` to begin with equal weights"
            )


def initialise(network: nn.Module, config: InitConfig) -> None:
    """Set a network's weights as ``config`` says, in place.

    The second article begins with the constant 0. Then every layer's output is 0, and so is every
    gradient but that of the last bias: nothing else ever learns, and the network answers every
    picture alike. Another constant keeps all channels of a layer equal, as nothing tells them
    apart. Both are here to show that; to train, leave the default.

    Args:
        network: its convolutions and linear layers are set; other modules are left alone.
        config: how.
    """
    if config.init == "default":
        return
    for module in network.modules():
        if not isinstance(module, _LAYERS):
            continue
        if config.init == "constant":
            nn.init.constant_(module.weight, config.init_value)
        else:
            nn.init.normal_(module.weight, std=config.init_value)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
