"""Compiles the arithmetic of a pixel when a wheel is built; without a compiler NumPy does it.

Hatchling calls this for wheels and for editable installs. The library calls nothing of Python's, so
one wheel serves every Python of a platform. Environment:

- ``KOALARIZE_BUILD=pure``: no library; the wheel runs on any platform.
- ``KOALARIZE_BUILD=TRIPLE=TAG``: for another machine, with the package ziglang: the compiler's name
  of it and the wheel's tag of it, as ``scripts/make_wheels.py`` gives them.
- ``CC``: the compiler; otherwise cc, gcc, clang, or the package ziglang.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging import tags

SOURCE = Path("src/koalarize/colorizer/merge_rows.c")
#: No `a * b + c` in one rounding: the results are NumPy's to the byte.
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-shared", "-fPIC"]


class KernelBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the compiled library to a wheel, and the platform to its name."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, if that is wanted and there is a compiler."""
        asked = os.environ.get("KOALARIZE_BUILD", "")
        if asked == "pure":
            return
        triple, _, tag = asked.partition("=")
        compiler = [*_zig(), "cc", "-target", triple] if triple else _compiler()
        if not compiler:
            self.app.display_warning("no C compiler: photos are coloured by NumPy, which is slower")
            return
        root = Path(self.root)
        name = SOURCE.with_suffix(_suffix(triple)).name
        if version == "editable":
            library = root / SOURCE.with_name(name)
        else:
            self._folder = Path(tempfile.mkdtemp())
            library = self._folder / name
            inside = SOURCE.with_name(name).relative_to("src").as_posix()
            build_data["force_include"][str(library)] = inside
        source = root / SOURCE
        digits = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
        known = f'-DKOALARIZE_SOURCE="{digits}"'
        command = [*compiler, *FLAGS, known, "-o", str(library), str(source)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            if asked:
                raise RuntimeError(f"{shlex.join(command)}\n{made.stderr}")
            build_data["force_include"].pop(str(library), None)
            self.app.display_warning(f"the C compiler failed, NumPy is used:\n{made.stderr}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tag or next(tags.platform_tags())}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the folder of the library."""
        shutil.rmtree(getattr(self, "_folder", ""), ignore_errors=True)


def _compiler() -> list[str]:
    """Return the words of a C compiler for this machine, or none."""
    if "CC" in os.environ:
        return shlex.split(os.environ["CC"])
    if sys.platform != "win32":  # there cc is rarely one that takes these flags
        for name in ("cc", "gcc", "clang"):
            if found := shutil.which(name):
                return [found]
    return [*_zig(), "cc"] if _zig() else []


def _zig() -> list[str]:
    return [sys.executable, "-m", "ziglang"] if importlib.util.find_spec("ziglang") else []


def _suffix(triple: str) -> str:
    system = triple or sys.platform
    if "windows" in system or system == "win32":
        return ".dll"
    return ".dylib" if "macos" in system or system == "darwin" else ".so"
