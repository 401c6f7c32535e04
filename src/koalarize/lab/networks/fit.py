"""Whether weights fit a network: what is unknown, missing, or of another shape.

Not here: reading files, what is done about it; every reader of weights asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from koalarize.lab.networks.base import ColorNetwork

__all__ = ["misfits"]

_SHOWN = 3


def misfits(
    weights: Mapping[str, Tensor],
    network: nn.Module,
    *,
    may_lack: Callable[[str], bool] = lambda _: False,
) -> str:
    """Name the first differences between weights and what a network takes.

    Args:
        weights: by the names of the network's state.
        network: takes them.
        may_lack: tells of a name whether the weights need not hold it.

    Returns:
        Up to three of them and the number of the others, or what the network knows of an earlier
        form of itself (``ColorNetwork.superseded``); empty if the weights fit.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    problems = [f"`{name}` is unknown" for name in found.keys() - wanted.keys()]
    problems += [
        f"`{name}` is missing" for name in wanted.keys() - found.keys() if not may_lack(name)
    ]
    problems += [
        f"`{name}` has shape {found[name]} but must have {wanted[name]}"
        for name in wanted.keys() & found.keys()
        if wanted[name] != found[name]
    ]
    if problems and isinstance(network, ColorNetwork) and (known := network.superseded(weights)):
        return known
    more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return ", ".join(sorted(problems)[:_SHOWN]) + more
