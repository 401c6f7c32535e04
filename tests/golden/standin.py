"""A network in plain NumPy: the same answer to the bit wherever NumPy rounds alike.

Not here: the pictures and what is asked of them (``golden.cases``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fakes import BINS, OneByOne
from koalarize.engines.engine import ModelInfo, Prediction

Float32 = npt.NDArray[np.float32]

_TEMPERATURE = 0.5
_CELL = 4  # working pixels a cell of the answer
_WIDTH = 14.0  # Lab units: of each of the two colours that a place could have
_REACH = 5.0  # cells: how far a hint is followed


class StandIn(OneByOne):
    """Holds two colours likely at each place, by its lightness and where it lies."""

    info = ModelInfo("stand-in", 16, True, 64, _TEMPERATURE, "logits", 1.2)

    def one(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Predict from L* (H, W) and hint planes (3, H, W)."""
        rows, columns = lightness.shape[0] // _CELL, lightness.shape[1] // _CELL
        light = lightness.reshape(rows, _CELL, columns, _CELL).mean((1, 3))
        down, across = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        first = np.stack([0.7 * (light - 45), 50 * (across + 0.5) / columns - 25])
        second = np.stack([-first[1], first[0] - 20 * (down + 0.5) / rows])
        followed = np.zeros((rows, columns))
        for row, column in [] if hints is None else np.argwhere(hints[2] > 0):
            squared = (down - row / _CELL) ** 2 + (across - column / _CELL) ** 2
            share = 0.8 * np.exp(-squared / (2 * _REACH**2))
            nearer = share > followed
            wanted = hints[:2, row, column, None, None]
            first = np.where(nearer, first + share * (wanted - first), first)
            followed = np.maximum(followed, share)
        chance = 0.6 + 0.35 * followed
        likely = 1e-4 + chance * _near(first) + (1 - chance) * _near(second)
        logits = np.log(likely / likely.sum(0)).astype(np.float32)
        sharp = np.exp(logits / np.float32(_TEMPERATURE))
        total = sharp.sum(0)
        ab = np.stack([(sharp * axis[:, None, None]).sum(0) / total for axis in BINS.T])
        return Prediction(ab.astype(np.float32), logits)


def _near(ab: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (Q, h, w): how near each bin is to the colour (2, h, w) of a place."""
    squared = ((BINS[:, :, None, None] - ab) ** 2).sum(1)
    return np.exp(-squared / (2 * _WIDTH**2))
