"""Peak memory of large files, path to path, each in a process of its own.

    python benchmarks/memory.py [--megapixels 300] [--kinds tif tif16 tif48 png png16 png48 jpg]

A grey scan with grain of the wanted size is written in each kind, coloured into the same kind, and
the result looked into. Printed are what the process's peak memory grew by over its peak before
the picture was opened (the model is loaded and one small picture coloured by then), in MB and in
bytes a pixel, and the processor time. Names that end with 16 have 16 bits; those with 48
are toned, of three channels of 16 bits.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import png
import tifffile
from PIL import Image

from photo import EXAMPLE, peak_bytes

KINDS = ("tif", "tif16", "tif48", "png", "png16", "png48", "jpg")
ROWS = 512
TONE = (1.0, 0.9, 0.75)  # of the channels of a toned scan


def make_scan(path: Path, megapixels: float, *, deep: bool, toned: bool = False) -> None:
    """Write a grey or toned picture; a band of grain is repeated, so that this takes no long."""
    side = round((megapixels * 1e6) ** 0.5)
    width, height = round(side * (4 / 3) ** 0.5), round(side * (3 / 4) ** 0.5)
    kind = np.uint16 if deep else np.uint8
    white = np.iinfo(kind).max
    grain = np.random.default_rng(0).normal(0, 3 / 255 * white, (ROWS, width)).astype(np.float32)
    scan = np.empty((height, width, 3) if toned else (height, width), kind)
    whole = Image.open(EXAMPLE).convert("L")
    for top in range(0, height, ROWS):
        rows = min(ROWS, height - top)
        box = (0, top * whole.height / height, whole.width, (top + rows) * whole.height / height)
        band = whole.resize((width, rows), Image.Resampling.BICUBIC, box=box)
        levels = np.asarray(band, np.float32) * (white / 255) + grain[:rows]
        levels = levels[..., None] * np.float32(TONE) if toned else levels
        scan[top : top + rows] = np.clip(levels, 0, white)
    if toned:
        write_toned(path, scan)
        return
    Image.fromarray(scan).save(path, **({"compress_level": 1} if path.suffix == ".png" else {}))


def write_toned(path: Path, scan: np.ndarray) -> None:
    """Write what Pillow cannot: TIFF as most programs do, in one strip; PNG by another program."""
    if path.suffix == ".tif":
        tifffile.imwrite(path, scan, photometric="rgb")
        return
    with path.open("wb") as stream:
        writer = png.Writer(
            scan.shape[1], scan.shape[0], greyscale=False, bitdepth=16, compression=1
        )
        writer.write(stream, scan.reshape(len(scan), -1))


def color(source: Path, target: Path) -> None:
    """Colour one file and print what it took."""
    import koalarize

    colorizer = koalarize.Colorizer.load("koala")
    colorizer(Image.open(EXAMPLE).resize((256, 256)))
    before, busy, started = peak_bytes(), time.process_time(), time.perf_counter()
    colorizer.file(source, target, overwrite=True)
    grown, cpu = peak_bytes() - before, time.process_time() - busy
    print(json.dumps({"grown": grown, "cpu": cpu, "seconds": time.perf_counter() - started}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--megapixels", type=float, default=300)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--one", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        color(*options.one)
        return
    print(f"{options.megapixels:g} MP")
    print("| file | peak memory, MB | bytes a pixel | CPU seconds | seconds | result, MB |")
    print("|---|---|---|---|---|---|")
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            ending = kind.removesuffix("16").removesuffix("48")
            source, target = Path(folder, f"scan.{ending}"), Path(folder, f"new.{ending}")
            made = f"from memory import *; make_scan(Path({str(source)!r}), {options.megapixels}, "
            made += f"deep={kind[-2:] in ('16', '48')}, toned={kind.endswith('48')})"
            here = Path(__file__).parent
            subprocess.run([sys.executable, "-c", made], cwd=here, check=True)
            command = [sys.executable, __file__, "--one", str(source), str(target)]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(answer.stdout.splitlines()[-1])
            row = [kind, f"{found['grown'] / 1e6:.0f}"]
            row += [f"{found['grown'] / options.megapixels / 1e6:.1f}", f"{found['cpu']:.1f}"]
            row += [f"{found['seconds']:.1f}", f"{target.stat().st_size / 1e6:.0f}"]
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
