"""Processor time of each step of one photo, from its file to the coloured one.

    OPENBLAS_NUM_THREADS=1 python benchmarks/steps.py [--megapixels 12] [--runs 9] [--grey]

The photo of ``photo.py`` is coloured step by step in this process with one thread, and then in one
call, path to path; ``--runs`` times in turn, after one round that makes the tables that pictures
share. Printed is the least processor time of each, in milliseconds. ``whole call`` has the mark,
the seal, the hash of the file and writing too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.look import Look
from koalarize.colorizer.plan import plan
from koalarize.engines.engine import Engine
from koalarize.models.open import open_model
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN
from photo import make_picture

Found = TypeVar("Found")


class Watch:
    """Keeps the least processor time of each step, in milliseconds."""

    def __init__(self) -> None:
        self.least: dict[str, float] = {}

    def of(self, step: str, work: Callable[[], Found]) -> Found:
        """Do a step and keep its time if it is the least."""
        started = time.process_time()
        found = work()
        taken = (time.process_time() - started) * 1000
        self.least[step] = min(taken, self.least.get(step, taken))
        return found


def color_in_steps(engine: Engine, source: Path, watch: Watch) -> None:
    photo = watch.of("read", lambda: Photo.read(source))
    look = watch.of("look", lambda: Look(engine, photo))
    watch.of("network", look.answers.plain)  # kept, so that the plan does not ask again
    painting = watch.of("plan", lambda: plan(look, PLAIN).painting(photo.pixels))
    srgb = watch.of("merge", lambda: painting.rows(0, photo.height))
    watch.of("encode", lambda: photo.encode_parts(srgb))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--grey", action="store_true", help="a single-channel JPEG, not RGB")
    options = parser.parse_args()
    engine = open_model("koala", threads=1)
    colorizer = Colorizer(engine, threads=1)
    with tempfile.TemporaryDirectory() as folder:
        source = make_picture(Path(folder), options.megapixels, options.grey)
        target = Path(folder) / "out.jpg"
        color_in_steps(engine, source, Watch())
        watch = Watch()
        for _ in range(options.runs):
            color_in_steps(engine, source, watch)
            watch.of("whole call", lambda: colorizer.file(source, target, overwrite=True))
    kind = "grey" if options.grey else "RGB"
    print(f"{kind} JPEG of {options.megapixels:g} MP, one thread, least of {options.runs} runs")
    print("| step | ms of processor time |")
    print("|---|---|")
    for step, taken in watch.least.items():
        print(f"| {step} | {taken:.0f} |")


if __name__ == "__main__":
    main()
