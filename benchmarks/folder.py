"""Time of a folder, against Pillow alone with the same number of workers, in one run.

    python benchmarks/folder.py [--pictures 12] [--megapixels 12] [--runs 3] [--workers 2]

Every contender colours (or only re-encodes) the same folder of JPEGs in a process of its own, all
in turn, `--runs` times after one that warms the file cache:

- ``pillow``: decode each file and encode an RGB JPEG with the settings of koalarize (quality 97,
  4:4:4), on threads;
- ``koalarize``: what `koalarize FOLDER -o OUT --workers N` does, journal, mark and fsync included;
  the model is loaded and one small picture coloured before the clock starts.

Printed are medians of wall time and of processor time, ratios of medians, and what the process's
peak memory grew by.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from photo import EXAMPLE, JPEG, make_picture, peak_bytes


def pillow_job(folder: Path, out: Path, workers: int) -> Callable[[], object]:
    def one(source: Path) -> None:
        with Image.open(source) as image:
            image.convert("RGB").save(out / source.name, "JPEG", **JPEG)

    def job() -> None:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(one, sorted(folder.iterdir())))

    return job


def koalarize_job(folder: Path, out: Path, workers: int) -> Callable[[], object]:
    from koalarize.batch.find import Search
    from koalarize.batch.run import BatchOptions, colorize_many
    from koalarize.colorizer.colorizer import Colorizer

    colorizer = Colorizer.load("koala", threads=1)
    colorizer(Image.open(EXAMPLE).resize((256, 256)))  # makes the tables that pictures share
    options = BatchOptions(output=out, workers=workers)

    def job() -> None:
        for outcome in colorize_many(colorizer, Search([folder]), options=options):
            assert outcome.status == "colored", outcome.error

    return job


JOBS = {"pillow": pillow_job, "koalarize": koalarize_job}


def run_one(name: str, folder: Path, workers: int) -> None:
    with tempfile.TemporaryDirectory() as out:
        job = JOBS[name](folder, Path(out), workers)
        before = peak_bytes()
        started, busy = time.perf_counter(), time.process_time()
        job()
        seconds, cpu = time.perf_counter() - started, time.process_time() - busy
        print(json.dumps({"seconds": seconds, "cpu": cpu, "grown": peak_bytes() - before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--grey", action="store_true", help="single-channel JPEGs, not RGB")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options.one[0], Path(options.one[1]), options.workers)
        return
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as folder:
        data = make_picture(Path(made), options.megapixels, options.grey).read_bytes()
        for number in range(options.pictures):
            (Path(folder) / f"{number:03}.jpg").write_bytes(data)
        results: dict[str, list[dict]] = {name: [] for name in JOBS}
        for number in range(options.runs + 1):
            for name, found in results.items():
                command = [sys.executable, __file__, "--one", name, folder]
                command += ["--workers", str(options.workers)]
                answer = subprocess.run(command, capture_output=True, text=True, check=True)
                if number:
                    found.append(json.loads(answer.stdout.splitlines()[-1]))
    print(
        f"{options.pictures} JPEGs of {options.megapixels:g} MP ({len(data) / 1e6:.1f} MB), ",
        end="",
    )
    print(f"{options.workers} workers, median of {options.runs} runs")
    print("| contender | seconds | / pillow | CPU seconds | / pillow | peak memory, MB |")
    print("|---|---|---|---|---|---|")
    medians = {
        name: [statistics.median(run[key] for run in runs) for key in ("seconds", "cpu", "grown")]
        for name, runs in results.items()
    }
    wall, busy, _ = medians["pillow"]
    for name, (seconds, cpu, grown) in medians.items():
        row = (name, f"{seconds:.2f}", f"{seconds / wall:.2f}", f"{cpu:.2f}", f"{cpu / busy:.2f}")
        print(f"| {' | '.join(row)} | {grown / 1e6:.0f} |")


if __name__ == "__main__":
    main()
