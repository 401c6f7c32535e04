"""ONNX Runtime for browsers: fetched once from npm, or taken from a folder; checked file by file.

Not here: what is done with it (``site``), fetching one file (``models.fetch``). It is Microsoft's,
under the MIT licence, and does not come with koalarize.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from koalarize.errors import DataError, ModelError, OutputError
from koalarize.models.fetch import fetch
from koalarize.models.store import home

__all__ = ["RUNTIME", "Runtime", "fetched", "taken"]

#: Called with bytes done and, where known, bytes there are.
Progress = Callable[[int, "int | None"], None]

_IN_PACKAGE = "package/dist"


@dataclass(frozen=True)
class Runtime:
    """A release of it.

    Attributes:
        version: of the npm package.
        address: of its archive.
        sha256: of the archive.
        files: those that the page loads, by name, with their sha256.
    """

    version: str
    address: str
    sha256: str
    files: dict[str, str]


RUNTIME = Runtime(
    version="1.31.1",
    address="https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-1.31.1.tgz",
    sha256="bdccdb9fbb9ab537247c0c734e9b1d2b1b338b4f2a09faa58f0dc1cfa27c312c",
    files={
        "ort.wasm.min.mjs": "c21d9c326d453a4a61398270c804d5979e118540597cb0c07f7b3d64e6098234",
        "ort-wasm-simd-threaded.mjs": (
            "30ed0b5cd1182ede931fea448afb567d4dc705ec957af09f108a2be5f770dac3"
        ),
        "ort-wasm-simd-threaded.wasm": (
            "4b884c203b0fa48d057be3332c65513ff85aa3c5bddd6946acc0fab7ecda001d"
        ),
    },
)


def taken(source: Path) -> dict[str, bytes]:
    """Return the files out of a folder, or out of the package's archive.

    Args:
        source: the archive, or a folder that holds the files, as ``node_modules/onnxruntime-web``.

    Raises:
        ModelError: if one is missing, or is another one.
    """
    try:
        if not source.is_dir():
            return _checked(_unpacked(source), source)
        folder = source / "dist" if (source / "dist").is_dir() else source
        files = {name: (folder / name).read_bytes() for name in RUNTIME.files}
    except (OSError, KeyError, tarfile.TarError, EOFError) as error:
        raise ModelError(
            f"`{source}` holds no onnxruntime-web ({_reason(error)}): give the archive "
            f"{RUNTIME.address}, or the folder it was unpacked to"
        ) from error
    return _checked(files, source)


def fetched(progress: Progress | None = None) -> dict[str, bytes]:
    """Return the files of the archive, which is fetched unless it is there.

    Raises:
        ModelError: if it cannot be fetched, or is another one.
        OutputError: if it cannot be kept.
    """
    target = home() / "runtime" / RUNTIME.address.rpartition("/")[2]
    way = f"fetch {RUNTIME.address} by other means and name it by `--runtime FILE`"
    try:
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            fetch(RUNTIME.address, target, progress=progress, way_out=way)
        data = target.read_bytes()
    except DataError as error:
        raise ModelError(str(error)) from error
    except OSError as error:
        raise OutputError(
            f"`{target}` cannot be written ({error.strerror or error}): make room, or name another "
            "folder by KOALARIZE_HOME"
        ) from error
    if sha256(data).hexdigest() != RUNTIME.sha256:
        target.unlink(missing_ok=True)
        raise ModelError(
            f"{RUNTIME.address} gave another file than onnxruntime-web {RUNTIME.version}, which "
            f"was thrown away: run again, or {way}"
        )
    return taken(target)


def _unpacked(archive: Path) -> dict[str, bytes]:
    """Return the files out of an archive; nothing of it is written anywhere.

    Raises:
        KeyError: if one is missing.
        OSError: if it cannot be read.
    """
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as opened:
        for name in RUNTIME.files:
            member = opened.extractfile(f"{_IN_PACKAGE}/{name}")
            if member is None:
                raise KeyError(name)
            found[name] = member.read()
    return found


def _checked(files: dict[str, bytes], source: Path) -> dict[str, bytes]:
    for name, data in files.items():
        if sha256(data).hexdigest() != RUNTIME.files[name]:
            raise ModelError(
                f"`{name}` of `{source}` is not that of onnxruntime-web {RUNTIME.version}: give "
                f"that version, as by `npm install onnxruntime-web@{RUNTIME.version}`"
            )
    return files


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"`{Path(error.filename).name}` is missing"
    return str(getattr(error, "strerror", None) or error)
