"""Processor time of the arithmetic of a pixel: the compiled kernel against NumPy, in one run.

    OPENBLAS_NUM_THREADS=1 python benchmarks/kernel.py [--megapixels 12] [--runs 6]

The scan of ``photo.py``, grey and of three channels, of 8 and 16 bits, with the chroma that koala
gives it, is merged by one thread. Printed is the least of the runs in ns a pixel, for both in turn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from koalarize.colorizer.look import Look
from koalarize.colorizer.plan import plan
from koalarize.engines.engine import Engine
from koalarize.models.open import open_model
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN
from photo import make_picture


def least(engine: Engine, photo: Photo, runs: int) -> dict[str, float]:
    """Return the least ns a pixel of each way."""
    chroma = plan(Look(engine, photo), PLAIN)
    found: dict[str, float] = {}
    for _ in range(runs + 1):
        for way in ("off", "on"):
            os.environ["KOALARIZE_KERNEL"] = way
            painting = chroma.painting(photo.pixels)
            started = time.process_time()
            painting.rows(0, photo.height)
            taken = (time.process_time() - started) * 1e9 / (photo.height * photo.width)
            found[way] = min(taken, found.get(way, taken))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--runs", type=int, default=6)
    options = parser.parse_args()
    engine = open_model("koala", threads=1)
    with tempfile.TemporaryDirectory() as folder:
        grey = Photo.read(make_picture(Path(folder), options.megapixels, grey=True)).pixels
    toned = np.stack([grey, grey, grey - grey // 64], axis=-1)  # not grey, so not stored as grey
    kinds = {"grey, 8 bits": grey, "three channels, 8 bits": toned}
    kinds |= {
        name.replace("8 bits", "16 bits"): pixels.astype(np.uint16) * 257
        for name, pixels in kinds.items()
    }
    print(f"{options.megapixels:g} MP, one thread, least of {options.runs} runs")
    print("| picture | NumPy, ns a pixel | kernel | NumPy / kernel |")
    print("|---|---|---|---|")
    for name, pixels in kinds.items():
        found = least(engine, Photo(pixels), options.runs)
        ratio = found["off"] / found["on"]
        print(f"| {name} | {found['off']:.1f} | {found['on']:.1f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
