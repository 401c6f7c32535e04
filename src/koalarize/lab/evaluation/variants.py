"""Engines that stand in an evaluation: the grey rival, and one network at several settings.

Not here: networks themselves (``torch_engine``, ``engines``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from koalarize.engines.engine import Engine, ModelInfo, Prediction

__all__ = ["GreyEngine", "variants"]

Float32 = npt.NDArray[np.float32]


class GreyEngine:
    """Predicts no chroma: what the Colorizer makes of it is the grey picture itself."""

    info = ModelInfo(
        name="grey", stride=1, accepts_hints=False, size=16, temperature=1.0, output="ab"
    )

    def run(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Return zeros (B, 2, H, W)."""
        batch, *shape = lightness.shape
        return Prediction(ab=np.zeros((batch, 2, *shape), np.float32), logits=None)


def variants(
    engine: Engine, sizes: Sequence[int] | None, temperatures: Sequence[float] | None
) -> Iterator[Engine]:
    """Yield the engine at each working size and temperature, sizes first.

    The network runs once a picture and size: its logits are decoded at every temperature.

    Args:
        engine: left as it is.
        sizes: shorter sides in pixels; None takes the engine's own, as does a network that is
            bound to one size.
        temperatures: None takes the engine's own; without logits there is nothing to vary.
    """
    bound = engine.info.fixed_size is not None
    for size in (engine.info.size,) if bound or not sizes else sizes:
        shared = _Remember(engine)
        for temperature in temperatures or (engine.info.temperature,):
            yield _Variant(shared, size, temperature)
            if engine.info.output != "logits":
                break


class _Variant:
    """An engine with another working size and temperature."""

    def __init__(self, engine: Engine, size: int, temperature: float) -> None:
        self._engine = engine
        self.info = dataclasses.replace(engine.info, size=size, temperature=temperature)

    def run(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Decode what the engine behind predicts at this variant's temperature."""
        prediction = self._engine.run(lightness, hints)
        if prediction.logits is None or self.info.output != "logits":
            return prediction
        ab = self.info.decoded(prediction.logits, lightness, hints)
        return Prediction(ab=ab, logits=prediction.logits)


class _Remember:
    """An engine that keeps its last answer, for callers that ask the same several times."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.info = engine.info
        self._last: tuple[Float32, Prediction] | None = None

    def run(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Predict, or return the last prediction if the picture is the same and has no hints."""
        if hints is not None:
            return self._engine.run(lightness, hints)
        if self._last is None or not np.array_equal(self._last[0], lightness):
            self._last = (lightness.copy(), self._engine.run(lightness, None))
        return self._last[1]
