"""A torch network as an engine of the Colorizer, for validation and scores before an export.

Not here: ONNX Runtime (``engines``), checkpoints (``lab.runs.checkpoint``).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from koalarize.color import default_bins
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.lab.networks import ClassifyingNetwork, ColorNetwork

__all__ = ["TorchEngine"]

Float32 = npt.NDArray[np.float32]


class TorchEngine:
    """Runs a network where its weights are, in eval mode and without gradients.

    Args:
        network: stays the caller's; it is neither moved nor changed.
        size: working size, shorter side in pixels; a network bound to one size keeps its own.
        temperature: of the annealed mean; only networks that predict logits use it.
        chroma_gain: factor on the predicted chroma.
    """

    def __init__(
        self, network: ColorNetwork, size: int, temperature: float, chroma_gain: float = 1.0
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
        )

    def run(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Predict the chroma of pictures of one size, as ``Engine.run`` says."""
        given = None if hints is None else self._tensor(hints)  # (B, 3, H, W)
        with _eval_mode(self._network), torch.no_grad():
            planes = self._tensor(lightness[:, None])  # (B, 1, H, W)
            if not isinstance(self._network, ClassifyingNetwork):
                return Prediction(ab=_array(self._network(planes, given)), logits=None)
            logits = _array(self._network.logits(planes, given))
        ab = self.info.bins.decode(logits, temperature=self.info.temperature)
        return Prediction(ab=ab, logits=logits)

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


def _array(batch: Tensor) -> Float32:
    return batch.float().cpu().numpy()
