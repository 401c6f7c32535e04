"""Measure what bringing colours to full size costs: the scores of a network that is always right.

    python scripts/measure_floor.py --data PHOTOS [--limit 250]

The stand-in answers each picture's true ab at the picture's own size. Printed are its mean scores
through the Colorizer, whose guided filter smooths them, and alone (`--protocol direct`).

Not here: the scores of real models (``koalarize lab evaluate``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.lab.evaluation.pictures import UsablePictures
from koalarize.lab.evaluation.protocols import PROTOCOLS
from koalarize.lab.metrics.metrics import Measured
from koalarize.lab.metrics.tally import Tally

Float32 = npt.NDArray[np.float32]

_METRICS = ("psnr", "ab-psnr", "ssim", "inverse-ssim", "delta-e")


class Truth:
    """An engine that knows the true ab of one picture."""

    def __init__(self, original: Measured) -> None:
        self.info = ModelInfo("truth", 1, False, min(original.pixels.shape[:2]))
        self._ab = np.moveaxis(original.lab[..., 1:], -1, 0)[None].copy()

    def run(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Return the true ab (1, 2, H, W)."""
        del lightness, hints
        return Prediction(self._ab)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=250)
    parser.add_argument("--short-side", type=int, default=256)
    options = parser.parse_args()
    pictures = list(UsablePictures(options.data, options.short_side, options.limit))
    print(f"{len(pictures)} pictures of {options.data.name}")
    for name in ("colorizer", "direct"):
        tally = Tally(_METRICS)
        for pixels in pictures:
            original = Measured(pixels)
            tally.add(PROTOCOLS[name].color(Truth(original))(pixels), original)
        scores = ", ".join(f"{metric} {score:.4f}" for metric, score in tally.scores().items())
        print(f"{name:10s} {scores}")


if __name__ == "__main__":
    main()
