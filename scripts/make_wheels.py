"""Makes a wheel for each platform, the compiled kernel inside, and one without it for all others.

    pip install ziglang && python scripts/make_wheels.py DEST [--only linux-x86_64 ...]

The compiler of the package ziglang compiles for every platform from any of them. The kernel calls
no library, so the oldest systems that the tags name will do. The wheel without it (`any`) is taken
where no other fits; there NumPy does the same, more slowly.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: For each platform the compiler's name of it and the wheel's.
PLATFORMS = {
    "linux-x86_64": "x86_64-linux-gnu.2.17=manylinux_2_17_x86_64.manylinux2014_x86_64",
    "linux-aarch64": "aarch64-linux-gnu.2.17=manylinux_2_17_aarch64.manylinux2014_aarch64",
    "alpine-x86_64": "x86_64-linux-musl=musllinux_1_1_x86_64",
    "alpine-aarch64": "aarch64-linux-musl=musllinux_1_1_aarch64",
    "macos-x86_64": "x86_64-macos.10.13=macosx_10_13_x86_64",
    "macos-arm64": "aarch64-macos.11.0=macosx_11_0_arm64",
    "windows-x86_64": "x86_64-windows-gnu=win_amd64",
    "windows-arm64": "aarch64-windows-gnu=win_arm64",
    "any": "pure",
}


def main() -> None:
    """Make the wheels that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("dest", type=Path, help="folder for the wheels")
    parser.add_argument("--only", nargs="+", choices=PLATFORMS, default=list(PLATFORMS))
    arguments = parser.parse_args()
    for name in arguments.only:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        command += ["--no-build-isolation", "--wheel-dir", str(arguments.dest), str(ROOT)]
        environment = {**os.environ, "KOALARIZE_BUILD": PLATFORMS[name]}
        subprocess.run(command, env=environment, check=True)
        print(f"{name}: made")


if __name__ == "__main__":
    main()
