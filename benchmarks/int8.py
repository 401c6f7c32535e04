"""Time of one forward pass in fp32, fp16 and int8, and how far the colours move.

    python benchmarks/int8.py --data PHOTOS [--calibrate PHOTOS] [--model koala] [--threads 2]

The lighter models are made first, as `koalarize lab export --precision` does, calibrated on the
first ``--limit`` pictures of ``--calibrate`` (of ``--data``, if that is not given). Then the three
graphs run in turn on the same input of ``--width`` x ``--height``, ``--runs`` times after two
rounds of warm-up; decoding and merging are left out. Printed are file sizes, medians of the wall
clock, their ratios to fp32's (the medians of one round's ratios, which hold up best where other
work runs beside), and ΔE2000 from fp32 over the first ``--pictures`` pictures of ``--data``, every
fourth of them with hints. Needs the extra `train`. The gain of int8 depends on the processor: it
is largest with VNNI.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

from koalarize.engines.onnx import OnnxEngine
from koalarize.lab.datasets.sources import load_pictures
from koalarize.lab.export.drift import colored, drift_between
from koalarize.lab.export.quantize import PICTURES, export_lighter
from koalarize.models.store import find_model

LIGHTER = ("fp16", "int8")


def make_models(options: argparse.Namespace, folder: Path) -> dict[str, Path]:
    models = {"fp32": find_model(options.model)}
    for precision in LIGHTER:
        models[precision], _ = export_lighter(
            options.model,
            folder / f"{precision}.onnx",
            precision=precision,
            calibrate=options.calibrate or options.data,
            limit=options.limit,
            most_delta_e=100.0,  # a benchmark shows what there is; the export refuses
        )
    return models


def measure_seconds(
    models: dict[str, Path], height: int, width: int, runs: int, threads: int
) -> dict[str, list[float]]:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.enable_mem_pattern = False  # as the engine has it
    providers = ["CPUExecutionProvider"]
    sessions = {
        name: ort.InferenceSession(path, settings, providers=providers)
        for name, path in models.items()
    }
    lightness = np.random.default_rng(0).uniform(0, 100, (1, 1, height, width))
    inputs = {"l": lightness, "hints": np.zeros((1, 3, height, width))}
    takes = {node.name for node in sessions["fp32"].get_inputs()}
    feed = {name: value.astype(np.float32) for name, value in inputs.items() if name in takes}
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for number in range(runs + 2):
        for name, session in sessions.items():
            started = time.perf_counter()
            session.run(None, feed)
            if number >= 2:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="photos to compare colours on")
    parser.add_argument("--calibrate", type=Path, help="photos to calibrate on")
    parser.add_argument("--model", default="koala", help="a name, or an exported fp32 .onnx file")
    parser.add_argument("--limit", type=int, default=PICTURES, help="calibration pictures")
    parser.add_argument("--pictures", type=int, default=50, help="pictures to compare")
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = make_models(options, Path(folder))
        engines = {name: OnnxEngine(path, threads=options.threads) for name, path in models.items()}
        seconds = measure_seconds(
            models, options.height, options.width, options.runs, options.threads
        )
        pictures = load_pictures(options.data, limit=options.pictures, max_side=256).arrays
        expected = colored(engines["fp32"], pictures)
        print(f"{options.width} x {options.height}, {options.threads} threads, {options.runs} runs")
        print("| | MB | ms | / fp32 | mean ΔE2000 | 95 % of pixels | worst picture |")
        print("|---|---|---|---|---|---|---|")
        for name, engine in engines.items():
            drift = drift_between(expected, colored(engine, pictures))
            pairs = zip(seconds[name], seconds["fp32"], strict=True)
            row = (
                f"{models[name].stat().st_size / 1e6:.1f}",
                f"{1000 * statistics.median(seconds[name]):.1f}",
                f"{statistics.median(own / full for own, full in pairs):.2f}",
                *(f"{value:.2f}" for value in (drift.mean, drift.p95, drift.worst)),
            )
            print(f"| {name} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
