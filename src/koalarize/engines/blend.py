"""Several networks as one: their chroma mixed in Lab, within limits around that of the first.

Not here: which networks (``models.open``), running one (``onnx``, ``contracts``).
Each sees the picture at its own size; their answers meet on the blend's grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from koalarize.engines.engine import Engine, ModelInfo, Prediction
from koalarize.engines.sized import ask_at_own_size
from koalarize.errors import OptionError

__all__ = ["MOST_CHROMA", "BlendEngine", "Part"]

Float32 = npt.NDArray[np.float32]

#: Lab units by which the chroma of a blend may differ from that of its first model, by default.
MOST_CHROMA = 20.0

_MOST_GAIN = 2.0  # where models of opposite hues meet, their mean is nearly grey, its hue chance


@dataclass(frozen=True)
class Part:
    """One network of a blend.

    Attributes:
        engine: runs it.
        weight: its share, beside those of the others.
    """

    engine: Engine
    weight: float = 1.0


class BlendEngine:
    """Mixes the chroma of several networks.

    What is mixed is their chroma as each would be shown alone, ``chroma_gain`` included. To hints
    answer the networks that take them, in full: the others' colours are moved as theirs are.
    """

    def __init__(self, parts: Sequence[Part], *, most_chroma: float = MOST_CHROMA) -> None:
        """Make a blend.

        Args:
            parts: the networks, the first of which holds the others to its chroma.
            most_chroma: Lab units by which the chroma may differ from the first's, at each place.

        Raises:
            OptionError: if there are fewer than two networks, or a weight or limit is not allowed.
        """
        if len(parts) < 2:
            raise OptionError(f"a blend needs two models but has {len(parts)}: name another")
        for part in parts:
            if not 0 < part.weight < 1e6:
                raise OptionError(
                    f"the weight of `{part.engine.info.name}` is {part.weight:g} but must be above "
                    "0 and below a million: 1 is usual"
                )
        if not 0 <= most_chroma < 1e6:
            raise OptionError(
                f"the most by which a blend's chroma leaves its first model's is {most_chroma:g} "
                f"but must be 0 to a million Lab units: {MOST_CHROMA:g} is usual"
            )
        self._parts = tuple(parts)
        self._most = np.float32(most_chroma)
        total = sum(part.weight for part in parts)
        self._shares = [np.float32(part.weight / total) for part in parts]
        infos = [part.engine.info for part in parts]
        answering = [part for part in parts if part.engine.info.accepts_hints] or parts
        self.info = ModelInfo(
            name=",".join(info.name for info in infos),
            stride=1,
            accepts_hints=any(info.accepts_hints for info in infos),
            size=max(info.size for info in infos),
            inner_gain=sum(part.weight * part.engine.info.doubt_gain for part in answering)
            / sum(part.weight for part in answering),
            identity=" ".join(f"{part.weight:g}*({part.engine.info.identity})" for part in parts)
            + f" within {most_chroma:g}",
        )

    def run(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Predict the chroma of pictures of one size, as ``Engine.run`` says."""
        plain = [ask_at_own_size(part.engine, lightness) for part in self._parts]
        ab = self._mixed(plain)
        if hints is None:
            return Prediction(ab)
        moved: Float32 = np.zeros_like(ab)
        shares = 0.0
        for part, own, share in zip(self._parts, plain, self._shares, strict=True):
            if part.engine.info.accepts_hints:
                moved += share * (ask_at_own_size(part.engine, lightness, hints) - own)
                shares += float(share)
        return Prediction((ab + moved / (shares or 1)).astype(np.float32))

    def _mixed(self, answers: Sequence[Float32]) -> Float32:
        """Return the weighted mean of ab (B, 2, h, w), its chroma held near that of the first."""
        mean = np.zeros_like(answers[0])
        for share, answer in zip(self._shares, answers, strict=True):
            mean += share * answer
        chroma = np.hypot(mean[:, 0], mean[:, 1])
        first = np.hypot(answers[0][:, 0], answers[0][:, 1])
        wanted = np.clip(chroma, np.maximum(first - self._most, 0), first + self._most)
        gain = np.minimum(wanted / np.maximum(chroma, np.float32(1e-3)), np.float32(_MOST_GAIN))
        return mean * gain[:, None]
