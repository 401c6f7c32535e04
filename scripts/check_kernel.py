"""Tells whether the kernel compiled for other machines gives the bytes that NumPy gives here.

    pip install ziglang && python scripts/check_kernel.py [--contract]

Pictures of random levels, grey and colour, of 8 and 16 bits, with chroma far outside sRGB, are
coloured by NumPy, and by the kernel compiled for each machine whose programs can be run here: this
one, AArch64 under qemu-aarch64-static, Windows under Wine. With ``--contract`` products and sums
become one operation, which must show on AArch64.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from koalarize.color import DELTA
from koalarize.colorizer import merge, tables

HARNESS = Path(__file__).with_name("kernel_harness.c")
MACHINES = {
    "x86_64-linux-musl": [],
    "aarch64-linux-musl": ["qemu-aarch64-static"],
    "x86_64-windows-gnu": ["wine"],
}
HEIGHT, WIDTH = 200, 777


def write_case(path: Path, dtype: type[np.uint8] | type[np.uint16], channels: int) -> None:
    """Write what a kernel needs to colour a picture, and the bytes that NumPy makes of it."""
    rng = np.random.default_rng(3)
    most = int(np.iinfo(dtype).max)
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, 3)
    pixels = rng.integers(0, most + 1, shape).astype(dtype)
    planes = rng.normal(0, 40, (4, 12, 16)).astype(np.float32)
    planes[::2] *= 0.02
    merger = merge.Merger(pixels, merge.Guidance(planes))
    colored = merger.rows(0, HEIGHT)
    if dtype == np.uint8:
        colored = np.dstack([colored, np.zeros((HEIGHT, WIDTH), np.uint8)])
    across, between = merger.across, merger.between
    counts = (tables.STEPS, tables.ROOT_STEPS, tables.GAMUT_LEVELS, tables.GAMUT_HUES)
    arrays = [
        np.array([pixels.itemsize, channels, HEIGHT, WIDTH, across.shape[1], *counts], np.int32),
        np.array([DELTA, 3 * DELTA**2, tables.FLOOR, tables.CEILING], np.float32),
        tables.curve_of_grey(most),
        tables.luminance_of(most),
        tables.root_table(),
        tables.levels(),
        tables.deep_levels(),
        tables.chroma_table(),
        tables.LIGHT_FROM_XYZ,
        across,
        between.upper,
        between.lower,
        between.weights,
        pixels,
        colored,
    ]
    path.write_bytes(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))


def main() -> int:
    """Compile, run and compare; return 1 if a byte differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--contract", action="store_true", help="compile as it must not be")
    contract = "fast" if parser.parse_args().contract else "off"
    os.environ["KOALARIZE_KERNEL"] = "off"
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = {f"{8 * np.dtype(d).itemsize} bits, {c} channels": (d, c)
                 for d in (np.uint8, np.uint16) for c in (1, 3)}  # fmt: skip
        for case, (dtype, channels) in cases.items():
            write_case(folder / case, dtype, channels)
        for triple, runner in MACHINES.items():
            if runner and shutil.which(runner[0]) is None:
                print(f"{triple}: not run, {runner[0]} is not here")
                continue
            program = folder / f"{triple}.exe"
            command = [sys.executable, "-m", "ziglang", "cc", "-target", triple, "-O3", "-w"]
            command += [f"-ffp-contract={contract}", "-fno-math-errno", "-o", program, HARNESS]
            subprocess.run(command, check=True)
            for case in cases:
                ran = subprocess.run(
                    [*runner, program, case], cwd=folder, capture_output=True, text=True,
                    env={**os.environ, "WINEDEBUG": "-all"}, check=False,
                )  # fmt: skip
                print(f"{triple}: {case}: {ran.stdout.strip() or ran.stderr.strip()}")
                bad |= ran.returncode != 0
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
