"""Ask a network about one photo: with hint planes or none, mirrored too, the plain answer kept.

Not here: what is asked (``colorizer.plan``), running networks (``engines.engine``).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.colorizer.ends import stretch_of
from koalarize.colorizer.grid import Grid
from koalarize.engines.engine import Engine, Prediction
from koalarize.steering.alternatives import probabilities

__all__ = ["Answer", "Answers", "Locked"]

Float32 = npt.NDArray[np.float32]

_ENDS = (0.5, 99.5)  # percentiles of L* that the network sees as black and white


@dataclass(frozen=True)
class Answer:
    """What a network says, and L* of just what its grid covers: the photo, padded or not."""

    prediction: Prediction
    lightness: Float32


class Locked:
    """Has a lock, ``_lock``; a copy, in another process too, has one of its own."""

    def __init__(self) -> None:
        """Make the lock."""
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()


class Answers(Locked):
    """What one network says of one photo at one working size; safe from several threads."""

    def __init__(self, engine: Engine, grid: Grid, lightness: Float32) -> None:
        """Get ready to ask.

        Args:
            engine: runs the network.
            grid: of the photo.
            lightness: (h, w), L* on the working grid.
        """
        super().__init__()
        self.info = engine.info
        self._engine = engine
        self._grid = grid
        self._lightness = lightness
        self._padded = grid.pad(lightness)
        own = self.info.way is not None  # its authors do not touch lightness
        # Networks learn from photos that reach from black to white; a faded print does not. The
        # photo keeps its own lightness.
        self._stretch = (0.0, 1.0) if own else stretch_of(lightness, _ENDS)
        self._plain: dict[bool, Answer] = {}

    def plain(self, *, best: bool = False) -> Answer:
        """Return what the network says without any hint, asked only once."""
        with self._lock:
            if best not in self._plain:
                self._plain[best] = self._run(None, best)
            return self._plain[best]

    def hinted(self, planes: Float32, *, best: bool = False) -> Answer:
        """Return what the network says to hint planes (3, h, w) on the working grid."""
        return self._run(planes, best)

    def _run(self, planes: Float32 | None, best: bool) -> Answer:
        """Run the network once, or for the best answer also on the mirrored photo."""
        grid = self._grid
        hints = None if planes is None else grid.pad(planes)
        prediction = self._predict(self._padded, hints)
        if not best:
            return Answer(prediction, self._padded)
        mirrored = None if planes is None else grid.pad(planes[..., ::-1])
        other = self._predict(grid.pad(self._lightness[:, ::-1]), mirrored)
        ab = (grid.cut(prediction.ab) + grid.cut(other.ab)[..., ::-1]) * np.float32(0.5)
        if prediction.logits is None or other.logits is None:
            return Answer(Prediction(ab), self._lightness)
        shares = grid.cut(probabilities(prediction.logits))
        shares = shares + grid.cut(probabilities(other.logits))[..., ::-1]
        logits = np.log(np.maximum(shares * np.float32(0.5), np.float32(1e-12)))
        if self.info.output == "logits":
            given = None if planes is None else planes[None]
            ab = self.info.decoded(logits[None], self._shown(self._lightness)[None], given)[0]
        return Answer(Prediction(ab, logits), self._lightness)

    def _predict(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        batch = None if hints is None else hints[None]
        return self._engine.run(self._shown(lightness)[None], batch).of(0)

    def _shown(self, lightness: Float32) -> Float32:
        """Return L* as the network sees it."""
        low, scale = map(np.float32, self._stretch)
        return np.clip((lightness - low) * scale, 0, 100).astype(np.float32)
