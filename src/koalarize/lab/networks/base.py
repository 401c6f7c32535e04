"""The contract of every colorizing network.

Not here: any particular network (one file each), pictures, losses.
The Colorizer, the exporter and the training step know only this interface of a network.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from koalarize import color

__all__ = ["ClassifyingNetwork", "ColorNetwork"]


class ColorNetwork(nn.Module):
    """A network that predicts ab from L.

    Lightness is CIELAB L* in [0, 100] and ab is in Lab units, outside: a network normalises inside
    itself. H and W must be multiples of ``stride``; the caller pads by reflection.

    Attributes:
        stride: what H and W must be multiples of.
        accepts_hints: whether hint planes mean anything to the network.
        fixed_size: side of the square pictures that a network is bound to, H = W = ``fixed_size``;
            None for the networks that take any size.
    """

    stride: ClassVar[int]
    accepts_hints: ClassVar[bool]
    fixed_size: int | None = None

    @abstractmethod
    def forward(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict ab (B, 2, H, W) from lightness (B, 1, H, W) and hint planes (a, b, mask)."""

    def parameter_groups(self, learning_rate: float) -> list[dict[str, object]]:
        """Return the optimizer's groups; a network with a pretrained part slows that part down."""
        return [{"params": list(self.parameters()), "lr": learning_rate}]

    def check_size(self, l: Tensor) -> None:
        """Check the size of lightness (B, 1, H, W), for networks whose layers would not notice.

        Raises:
            RuntimeError: as torch's own layers do, if H or W is not what the network takes.
        """
        height, width = l.shape[-2:]
        if self.fixed_size is not None and (height, width) != (self.fixed_size, self.fixed_size):
            raise RuntimeError(
                f"the size is {height} x {width} but must be {self.fixed_size} x {self.fixed_size}"
            )
        if height % self.stride or width % self.stride:
            raise RuntimeError(
                f"the size is {height} x {width} but both must be multiples of {self.stride}"
            )

    def superseded(self, weights: Mapping[str, Tensor]) -> str:
        """Say of weights whether they are of an earlier form of this network; empty if not.

        Args:
            weights: by the names of the network's state; they do not fit.

        Returns:
            What they are, where the two differ, and what to do.
        """
        del weights
        return ""

    def beginning(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what this network can begin a training with, of weights of another form of it.

        Args:
            weights: by the names of the network's state.

        Returns:
            The weights; without those that another form has besides, where the network knows it.
        """
        return dict(weights)

    def frozen_parts(self) -> list[nn.Module]:
        """Return modules that compute but belong to others: no part of parameters and state."""
        return []

    def provenance(self) -> dict[str, object]:
        """Return what identifies the frozen parts, as plain values for a model's description."""
        return {}


class ClassifyingNetwork(ColorNetwork):
    """A network that predicts a distribution over ab bins.

    Args:
        temperature: of the annealed mean.
        ab_bins: what it classifies over; a checkpoint's recipe says them, its weights do not.
    """

    bins: Tensor  # (Q, 2) the centres

    def __init__(self, temperature: float = 1.0, ab_bins: color.Bins | None = None) -> None:
        super().__init__()
        self.temperature = temperature
        self.ab_bins = ab_bins or color.default_bins()
        self.register_buffer("bins", torch.tensor(self.ab_bins.centres), persistent=False)

    @abstractmethod
    def logits(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict bin logits (B, Q, H/g, W/g) on a grid g times as coarse."""

    def forward(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict ab (B, 2, H, W): the annealed mean of the logits, brought up bilinearly."""
        ab = self.decode(self.logits(l, hints))  # (B, 2, H/g, W/g)
        return F.interpolate(ab, size=l.shape[-2:], mode="bilinear", align_corners=False)

    def decode(self, logits: Tensor) -> Tensor:
        """Decode logits (B, Q, h, w) into ab (B, 2, h, w); differentiable ``Bins.decode``."""
        chance = torch.softmax(logits.float() / self.temperature, dim=1)
        return torch.einsum("bqhw,qc->bchw", chance, self.bins)
