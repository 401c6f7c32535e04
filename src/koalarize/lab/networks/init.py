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

_DRAWN = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True)
class InitConfig:
    """How convolutions and linear layers begin; batch norms always begin as the identity.

    Attributes:
        init: ``default`` is torch's own (uniform, scaled by the number of inputs); ``constant``
            sets every weight of a convolution (``Conv2d`` only, as the second article does) to
            ``init_value``; ``normal`` draws those of every layer around 0 with the standard
            deviation ``init_value``. The latter two set the biases of the same layers to 0.
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

    The second article's code begins its convolutions with the constant 0 and leaves the linear
    layers as torch begins them; its text says that this is not used. Then every convolution's
    output is 0, and no gradient reaches a convolution's weight: only the bias of the last one and
    the linear layers learn, which see the same whatever the picture shows, so the network answers
    every picture alike. Another constant keeps all
    channels of a layer equal, as nothing tells them apart. Both are here to show that; to train,
    leave the default.

    Args:
        network: its convolutions are set, and for ``normal`` its transposed convolutions and linear
            layers too; other modules are left alone.
        config: how.
    """
    if config.init == "default":
        return
    kinds = (nn.Conv2d,) if config.init == "constant" else _DRAWN
    for module in network.modules():
        if not isinstance(module, kinds):
            continue
        if config.init == "constant":
            nn.init.constant_(module.weight, config.init_value)
        else:
            nn.init.normal_(module.weight, std=config.init_value)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
