"""Whole photo to photo: time and memory of koala beside other people's models, in one run.

    python benchmarks/rivals.py [--megapixels 1 12] [--runs 3] [--model koala ddcolor-tiny ...]

Every model at its native size, each job in a process of its own, all in turn: a JPEG is read,
coloured by the Colorizer and written; before the clock starts the model is loaded and one small
picture coloured. A model of the catalogue that was fetched is run as it is; of the others the
network is built with random weights and converted, since neither time nor memory depends on them
(``--keep FOLDER`` keeps those files for the next run). DeOldify is run only if it was fetched.

Printed are medians, their ratios to koala's, and the peak memory of the whole process. Needs the
extra `train` to build networks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from koalarize.models.catalog import FOREIGN, MODELS
from koalarize.models.store import is_here
from photo import EXAMPLE, make_picture, peak_bytes

NAMES = ["koala", "koala-int8", "siggraph17", "eccv16", "ddcolor-tiny-256", "ddcolor-tiny"]


def network_of(name: str) -> Callable[[], object]:
    import dataclasses

    from koalarize.lab.foreign import ECCV16, LARGE, TINY, DDColor, Siggraph17

    def ddcolor(config: object, size: int) -> Callable[[], object]:
        return lambda: DDColor(dataclasses.replace(config, size=size))

    makers = {
        "siggraph17": Siggraph17,
        "eccv16": ECCV16,
        "ddcolor-tiny-256": ddcolor(TINY, 256),
        "ddcolor-tiny": ddcolor(TINY, 512),
        "ddcolor": ddcolor(LARGE, 512),
        "ddcolor-artistic": ddcolor(LARGE, 512),
    }
    if name not in makers:
        raise SystemExit(f"{name} was not fetched, and its network is not built here")
    return makers[name]


def build(name: str, folder: Path) -> Path:
    """Write a network with random weights as an ONNX file, in a process whose memory is its own."""
    import torch

    from koalarize.lab.export.convert import to_onnx

    torch.manual_seed(0)
    path = folder / f"{name}.onnx"
    path.write_bytes(to_onnx(network_of(name)().eval(), name, {"weights": "random"}))
    return path


def model_for(name: str, folder: Path) -> tuple[str, str]:
    """Return what to load, and whether its weights are real."""
    if name in MODELS or (name in FOREIGN and is_here(FOREIGN[name])) or name.endswith(".onnx"):
        return name, "real"
    path = folder / f"{name}.onnx"
    if not path.exists():
        subprocess.run([sys.executable, __file__, "--build", name, str(folder)], check=True)
    return str(path), "random"


def run_one(model: str, source: Path, threads: int) -> None:
    import koalarize

    colorizer = koalarize.Colorizer.load(model, threads=threads)
    colorizer(Image.open(EXAMPLE).resize((256, 256)))  # makes the tables that pictures share
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        colorizer.file(source, Path(folder) / "out.jpg")
        seconds = time.perf_counter() - started
    info = colorizer.info
    size = f"{info.fixed_size}, square" if info.fixed_size else str(info.size)
    print(json.dumps({"seconds": seconds, "peak": peak_bytes(), "size": size}))


def measure(
    models: dict[str, str], source: Path, runs: int, threads: int
) -> dict[str, list[dict[str, object]]]:
    results: dict[str, list[dict[str, object]]] = {name: [] for name in models}
    for number in range(runs + 1):
        for name, model in models.items():
            command = [sys.executable, __file__, "--one", model, str(source), str(threads)]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            if number:  # the first round warms the file cache
                results[name].append(json.loads(answer.stdout.splitlines()[-1]))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--model", nargs="+", default=NAMES, help="names or .onnx files")
    parser.add_argument("--keep", type=Path, help="folder that keeps the networks that are built")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--build", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options.one[0], Path(options.one[1]), int(options.one[2]))
        return
    if options.build:
        build(options.build[0], Path(options.build[1]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = {name: model_for(name, folder) for name in options.model}
        models = {name: model for name, (model, _) in found.items()}
        print(f"median of {options.runs} runs, {options.threads} threads, JPEG to JPEG")
        print("| MP | model | weights | size | seconds | / koala | peak memory, MiB |")
        print("|---|---|---|---|---|---|---|")
        for megapixels in options.megapixels:
            source = make_picture(Path(temporary), megapixels, grey=False)
            results = measure(models, source, options.runs, options.threads)
            middle = {
                name: statistics.median(run["seconds"] for run in runs)
                for name, runs in results.items()
            }
            base = middle.get("koala", next(iter(middle.values())))
            for name, runs in results.items():
                peak = statistics.median(run["peak"] for run in runs) / 2**20
                row = (f"{megapixels:g}", name, found[name][1], runs[0]["size"])
                took = f"{middle[name]:.2f} | {middle[name] / base:.1f} | {peak:,.0f}"
                print(f"| {' | '.join(row)} | {took} |")


if __name__ == "__main__":
    main()
