"""Time and memory of the whole path, against Pillow alone and against scikit-image with torch.

    python benchmarks/photo.py [--megapixels 1 12 48] [--runs 5] [--grey]

For a JPEG of each size, every contender runs in a process of its own, all in turn, `--runs` times:

- ``pillow``: decode the file and encode an RGB JPEG with the same settings (quality 97, 4:4:4);
- ``koalarize``: the Colorizer, path to path; before the clock starts the model is loaded and one
  small picture coloured;
- ``skimage``: the same job as papers' scripts do it: scikit-image for Lab, the same network in
  eager torch, chroma brought up bilinearly, scikit-image for sRGB. Needs the extra `train` and
  ``--checkpoint``; left out without.

Printed are medians, ratios of medians, and what each process's peak memory grew by over its peak
before the picture was opened, in bytes a pixel.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

EXAMPLE = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
JPEG = {"quality": 97, "subsampling": 0}


def make_picture(folder: Path, megapixels: float, grey: bool) -> Path:
    side = round((megapixels * 1e6) ** 0.5)
    width, height = round(side * (4 / 3) ** 0.5), round(side * (3 / 4) ** 0.5)
    image = Image.open(EXAMPLE).resize((width, height), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, 3, (height, width))  # the grain of a scanned print
    levels = np.clip(np.asarray(image, np.float32) + noise, 0, 255).astype(np.uint8)
    scan = Image.fromarray(levels)
    path = folder / f"{megapixels:g}.jpg"
    (scan if grey else scan.convert("RGB")).save(path, quality=92)
    return path


def pillow_job(source: Path, target: Path, _: str) -> Callable[[], object]:
    def job() -> None:
        with Image.open(source) as image:
            image.convert("RGB").save(target, "JPEG", **JPEG)

    return job


def koalarize_job(source: Path, target: Path, _: str) -> Callable[[], object]:
    import koalarize

    colorizer = koalarize.Colorizer.load("koala")
    colorizer(Image.open(EXAMPLE).resize((256, 256)))  # makes the tables that pictures share
    return lambda: colorizer.file(source, target, overwrite=True)


def skimage_job(source: Path, target: Path, checkpoint: str) -> Callable[[], object]:
    import torch
    from skimage import color
    from torch.nn import functional as F  # noqa: N812

    from koalarize.lab.runs.checkpoint import load_checkpoint

    loaded = load_checkpoint(Path(checkpoint))

    def job() -> None:
        srgb = np.asarray(Image.open(source).convert("RGB"))
        lab = color.rgb2lab(srgb)
        full = torch.from_numpy(lab[..., :1].transpose(2, 0, 1)).float()[None]
        scale = loaded.recipe.size / min(srgb.shape[:2])
        size = [round(side * scale / 32) * 32 for side in srgb.shape[:2]]
        with torch.inference_mode():
            ab = loaded.network(F.interpolate(full, size, mode="bilinear", antialias=True))
            ab = F.interpolate(ab, srgb.shape[:2], mode="bilinear")
        lab[..., 1:] = ab[0].permute(1, 2, 0).numpy()
        colored = (color.lab2rgb(lab) * 255).round().astype(np.uint8)
        Image.fromarray(colored).save(target, "JPEG", **JPEG)

    return job


JOBS = {"pillow": pillow_job, "koalarize": koalarize_job, "skimage": skimage_job}


def peak_bytes() -> int:
    """Return this process's own peak; what `getrusage` says includes the parent's on Linux."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def run_one(name: str, source: Path, checkpoint: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        job = JOBS[name](source, Path(folder) / "out.jpg", checkpoint)
        before = peak_bytes()
        started = time.perf_counter()
        job()
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "grown": peak_bytes() - before}))


def measure(names: list[str], source: Path, runs: int, checkpoint: str) -> dict[str, list[dict]]:
    results: dict[str, list[dict]] = {name: [] for name in names}
    for number in range(runs + 1):
        for name in names:
            command = [sys.executable, __file__, "--one", name, str(source), checkpoint]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            if number:  # the first round warms the file cache
                results[name].append(json.loads(answer.stdout.splitlines()[-1]))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 12, 48])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--grey", action="store_true", help="a single-channel JPEG, not RGB")
    parser.add_argument("--checkpoint", default="", help="model.safetensors, for the skimage rival")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options.one[0], Path(options.one[1]), options.one[2])
        return
    names = ["pillow", "koalarize", *(["skimage"] if options.checkpoint else [])]
    print(f"{'grey' if options.grey else 'RGB'} JPEG, median of {options.runs} runs")
    print("| MP | contender | seconds | / pillow | peak memory, bytes a pixel |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in options.megapixels:
            source = make_picture(Path(folder), megapixels, options.grey)
            results = measure(names, source, options.runs, options.checkpoint)
            base = statistics.median(run["seconds"] for run in results["pillow"])
            for name, runs in results.items():
                seconds = statistics.median(run["seconds"] for run in runs)
                grown = statistics.median(run["grown"] for run in runs) / (megapixels * 1e6)
                row = (f"{megapixels:g}", name, f"{seconds:.3f}", f"{seconds / base:.2f}")
                print(f"| {' | '.join(row)} | {grown:.1f} |")


if __name__ == "__main__":
    main()
