"""A torch network as an engine of the Colorizer, for validation and scores before an export.

Not here: ONNX Runtime (``engines``), checkpoints (``lab.runs.checkpoint``).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from koalarize.color import default_bins
from koalarize.engines.engine import ModelInfo, Overview, Prediction
from koalarize.engines.overview import logits_of
from koalarize.engines.session import checked
from koalarize.lab.networks import ClassifyingNetwork, ColorNetwork
from koalarize.lab.runs.recipe import Recipe

__all__ = ["TorchEngine"]

Float32 = npt.NDArray[np.float32]

_TRAIN_OTHERWISE = (
    "its weights are damaged, or 16 bits too few for them; train with a lower rate, or with "
    "`--precision fp32`"
)


class TorchEngine:
    """Runs a network where its weights are, in eval mode and without gradients.

    Args:
        network: stays the caller's; it is neither moved nor changed.
        size: working size, shorter side in pixels; a network bound to one size keeps its own.
        temperature: of the annealed mean; only networks that predict logits use it.
        chroma_gain: factor on the predicted chroma.
        overview: a second look at each picture, where the network classifies; None for none.
    """

    def __init__(
        self,
        network: ColorNetwork,
        size: int,
        temperature: float,
        chroma_gain: float = 1.0,
        overview: Overview | None = None,
    ) -> None:
        self._network = network
        classifies = isinstance(network, ClassifyingNetwork)
        self.info = ModelInfo(
            name=type(network).__name__,
            stride=network.stride,
            accepts_hints=network.accepts_hints,
            size=network.fixed_size or size,
            temperature=temperature,
            output="logits" if classifies else "ab",
            chroma_gain=chroma_gain,
            fixed_size=network.fixed_size,
            bins=network.ab_bins if classifies else default_bins(),
            overview=overview,
        )

    @classmethod
    def of(cls, network: ColorNetwork, recipe: Recipe) -> TorchEngine:
        """Return the engine of a network as its recipe has it look and decode."""
        size, temperature, gain = recipe.size, recipe.temperature, recipe.chroma_gain
        return cls(network, size, temperature, gain, recipe.overview)

    def run(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Predict the chroma of pictures of one size, as ``Engine.run`` says."""
        if not isinstance(self._network, ClassifyingNetwork):
            return Prediction(ab=self._answer(self._network, lightness, hints), logits=None)
        ask = partial(self._answer, self._network.logits)
        logits = logits_of(ask, lightness, hints, self.info)
        return Prediction(ab=self.info.decoded(logits, lightness, hints), logits=logits)

    def _answer(
        self,
        network: Callable[[Tensor, Tensor | None], Tensor],
        lightness: Float32,
        hints: Float32 | None,
    ) -> Float32:
        """Return what the network, or a method of it, says.

        Raises:
            ModelError: if a value is no number; colours made of it would be black.
        """
        given = None if hints is None else self._tensor(hints)  # (B, 3, H, W)
        with _eval_mode(self._network), torch.no_grad():
            found = network(self._tensor(lightness[:, None]), given)  # of (B, 1, H, W)
        return checked(found.float().cpu().numpy(), self.info.name, _TRAIN_OTHERWISE)

    def _tensor(self, planes: Float32) -> Tensor:
        weight = next(self._network.parameters(), None)
        device = torch.device("cpu") if weight is None else weight.device
        return torch.from_numpy(np.array(planes, np.float32)).to(device)


@contextmanager
def _eval_mode(network: nn.Module) -> Generator[None]:
    # Flag by flag: `network.train()` would also wake parts that are frozen in eval mode on purpose.
    awake = [part for part in network.modules() if part.training]
    try:
        for part in awake:
            part.training = False
        yield
    finally:
        for part in awake:
            part.training = True
