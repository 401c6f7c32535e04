"""Time and memory of a film: koalarize against merely transcoding it, in one run.

    python benchmarks/film.py [--size 1920x1080] [--seconds 10] [--runs 1] [--model koala-int8]
    python benchmarks/film.py --memory 60 600 --size 320x240

The film is made here: a camera that moves over pictures that scikit-image ships, a cut every
four seconds, grain, H.264. ``transcode`` decodes it and encodes it again with the encoder and the
settings that koalarize uses. Each runs in a process of its own, in turn, `--runs` times. Printed
are medians: wall and processor seconds, frames a second, the ratios, the process's peak memory.

``--memory`` colours films of so many seconds and prints the peak memory of each.
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
from fractions import Fraction
from pathlib import Path

import numpy as np

RATE = 24


def make_film(path: Path, width: int, height: int, seconds: float) -> None:
    """Write a film of moving pictures with grain."""
    import av
    import cv2
    from skimage import data

    names = ("astronaut", "coffee", "chelsea", "rocket")
    scale = 1.25
    pictures = []
    for name in names:
        grey = cv2.cvtColor(getattr(data, name)(), cv2.COLOR_RGB2GRAY)
        fit = scale * max(width / grey.shape[1], height / grey.shape[0])
        pictures.append(cv2.resize(grey, None, fx=fit, fy=fit, interpolation=cv2.INTER_CUBIC))
    rng = np.random.default_rng(0)
    grain = [rng.normal(0, 5, (height, width)).astype(np.float32) for _ in range(7)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for n in range(round(seconds * RATE)):
            shot, at = divmod(n, 4 * RATE)
            picture = pictures[shot % len(pictures)]
            x = round((picture.shape[1] - width) * at / (4 * RATE))
            y = round((picture.shape[0] - height) * (1 - at / (4 * RATE)))
            view = picture[y : y + height, x : x + width] + grain[n % 7]
            plane = np.clip(view, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(plane, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = n, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def transcode(source: Path, target: Path, _: str) -> None:
    import av

    from koalarize.film.encode import coding_of, set_up
    from koalarize.film.facts import read_facts
    from koalarize.film.options import PLAIN_FILM

    coding = coding_of(read_facts(source), PLAIN_FILM)
    with av.open(str(source)) as film, av.open(str(target), "w") as out:
        stream = film.streams.video[0]
        stream.thread_type = "AUTO"
        made = out.add_stream("libx264", rate=RATE)
        set_up(made.codec_context, coding)
        for frame in film.decode(stream):
            frame.pict_type = 0
            out.mux(made.encode(frame))
        out.mux(made.encode(None))


def koalarize(source: Path, target: Path, model: str) -> None:
    from koalarize.colorizer.colorizer import Colorizer
    from koalarize.film.film import color_film

    result = color_film(Colorizer.load(model), source, target, overwrite=True)
    print(json.dumps({"asked": result.asked, "frames": result.frames}), file=sys.stderr)


JOBS = {"transcode": transcode, "koalarize": koalarize}


def timed(job: str, source: Path, target: Path, model: str) -> tuple[float, float, float]:
    """Run a job in a process of its own; return wall and processor seconds, and peak MiB."""
    words = [sys.executable, __file__, "--job", job, str(source), str(target), "--model", model]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    facts = json.loads(run.stdout.splitlines()[-1])
    return facts["seconds"], facts["processor"], facts["peak"]


def do(job: str, source: Path, target: Path, model: str) -> None:
    begin = time.perf_counter()
    JOBS[job](source, target, model)
    seconds = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "processor": used.ru_utime + used.ru_stime,
                "peak": used.ru_maxrss / 1024,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--model", default="koala")
    parser.add_argument("--memory", type=float, nargs="*")
    parser.add_argument("--job", nargs=3, metavar=("JOB", "SOURCE", "TARGET"))
    asked = parser.parse_args()
    if asked.job:
        do(asked.job[0], Path(asked.job[1]), Path(asked.job[2]), asked.model)
        return
    width, height = map(int, asked.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "film.mp4", Path(folder) / "out.mp4"
        if asked.memory:
            print("| seconds of film | peak MiB |\n|---|---|")
            for seconds in asked.memory:
                make_film(source, width, height, seconds)
                print(f"| {seconds:g} | {timed('koalarize', source, target, asked.model)[2]:.0f} |")
            return
        make_film(source, width, height, asked.seconds)
        frames = round(asked.seconds * RATE)
        rows = {job: list[tuple[float, float, float]]() for job in JOBS}
        for _ in range(asked.runs):
            for job in JOBS:
                rows[job].append(timed(job, source, target, asked.model))
    print("| | seconds | processor seconds | frames a second | / transcode | / processor | MiB |")
    print("|---" * 7 + "|")
    base = [statistics.median(row[k] for row in rows["transcode"]) for k in (0, 1)]
    for job, runs in rows.items():
        wall, work, peak = (statistics.median(row[k] for row in runs) for k in range(3))
        ratios = f"{wall / base[0]:.2f} | {work / base[1]:.2f}"
        print(f"| {job} | {wall:.1f} | {work:.1f} | {frames / wall:.1f} | {ratios} | {peak:.0f} |")


if __name__ == "__main__":
    main()
