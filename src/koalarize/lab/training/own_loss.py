"""A loss of one's own: a function of predicted and true ab, or a class that makes one.

Not here: the losses that recipes name (``losses``), how a name is found (``lab.own``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from koalarize.errors import OptionError
from koalarize.lab.own import check_call, find_own, own_faults
from koalarize.lab.runs.recipe import LossOptions

__all__ = ["OwnLoss"]

_ROWS = 2  # of what a loss is tried with


class OwnLoss:
    """Calls what ``loss.name`` says, ``MODULE:NAME``, in float32.

    A function gets ab and target (B, 2, H, W) in Lab units and ``loss.options`` as keywords. A
    class gets the options, and its instance ab and target; one that is a module of torch is frozen
    and brought to the run's device.

    Raises:
        OptionError: if it cannot be imported or called, or does not take the options.
    """

    def __init__(self, options: LossOptions) -> None:
        self._name = options.name
        found: Any = find_own(options.name, "loss.name")
        if not callable(found):
            raise OptionError(
                f"`loss.name` is {options.name!r}, of type {type(found).__name__}, but must name a "
                "function of ab and target, or a class that makes one"
            )
        given = 0 if isinstance(found, type) else 2
        check_call(found, options.name, options.options, "loss.options", given)
        with own_faults(options.name, "loss.name"):
            made: Any = found(**options.options) if not given else partial(found, **options.options)
        self._loss: Callable[[Tensor, Tensor], object] = made
        if isinstance(made, nn.Module):
            made.requires_grad_(False).eval()

    def to(self, device: torch.device) -> None:
        """Bring what it consists of to a device."""
        if isinstance(self._loss, nn.Module):
            self._loss.to(device)

    def __call__(self, ab: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a scalar, of ab (B, 2, H, W) in Lab units and its target.

        Raises:
            OptionError: if it returns anything else.
        """
        with torch.autocast(ab.device.type, enabled=False):
            loss = self._loss(ab.float(), target.float())
        if not isinstance(loss, Tensor) or loss.ndim:
            what = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
            raise OptionError(
                f"`loss.name` is {self._name!r}, which returned {what} but must return one number "
                "as a tensor: take the mean"
            )
        return loss

    def try_out(self, side: int) -> None:
        """Call it once, before any picture is read.

        Args:
            side: of the crops, pixels.

        Raises:
            OptionError: if it returns no number, or one without a gradient.
        """
        chance = torch.Generator().manual_seed(0)
        ab, target = (
            40 * torch.rand(_ROWS, 2, side, side, generator=chance) - 20 for _ in range(2)
        )
        with own_faults(self._name, "loss.name"):
            loss = self(ab.requires_grad_(), target)
        if not loss.requires_grad:
            raise OptionError(
                f"`loss.name` is {self._name!r}, which returned a number without a gradient but "
                "must be differentiable in ab: leave out .item(), .detach() and NumPy"
            )
