"""Where results go: extensions, names beside the originals, files that appear whole, hashes.

Not here: how pixels become bytes (``photo``). Nothing of ours is imported but the
errors and ``arguments``.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import secrets
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from koalarize.errors import OutputError, did_you_mean
from koalarize.photo.arguments import path_of

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "HEIF_EXTENSIONS",
    "MEDIA_TYPES",
    "NOT_ON_FAT",
    "advice",
    "check_output",
    "check_place",
    "extension_of",
    "is_left",
    "make_folder",
    "output_path",
    "part_of",
    "put_in_place",
    "read_extensions",
    "sha256_of",
    "shortened",
    "sweep_parts",
    "write_bytes",
    "written_format",
]

_BLOCK = 1 << 20
_SWEPT: set[Path] = set()
_SWEEPING = threading.Lock()
_LONGEST_NAME = 255  # bytes, on all usual file systems
_BEGIN, _PART = ".koalarize-", ".part"
_STALE_SECONDS = 86400.0

#: Signs that no name may hold on drives formatted as FAT or NTFS.
NOT_ON_FAT = '"*:<>?\\|'

#: Extensions that can be written -> Pillow's name of the format.
FORMATS: Mapping[str, str] = MappingProxyType(
    {
        ".jpg": "JPEG",
        ".jpeg": "JPEG",
        ".jpe": "JPEG",
        ".jfif": "JPEG",
        ".png": "PNG",
        ".apng": "PNG",
        ".tif": "TIFF",
        ".tiff": "TIFF",
        ".webp": "WEBP",
        ".bmp": "BMP",
        ".avif": "AVIF",
        ".mpo": "JPEG",
        ".gif": "GIF",
    }
)

#: Formats that are written only where they hold an animation: of 256 colors a frame.
_ONLY_MOVING = frozenset({"GIF"})

#: Pillow's name of a format that can be written -> its media type.
MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {kind: f"image/{kind.lower()}" for kind in dict.fromkeys(FORMATS.values())}
)

#: Extensions that are taken for pictures in a folder -> Pillow's name of the format.
EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {
        **FORMATS,
        ".dib": "DIB",
        ".jp2": "JPEG2000",
        ".j2k": "JPEG2000",
        ".pbm": "PPM",
        ".pgm": "PPM",
        ".pnm": "PPM",
        ".ppm": "PPM",
        ".tga": "TGA",
        ".pcx": "PCX",
        ".psd": "PSD",
    }
)

#: Extensions of pictures that are read with the extra `heif`.
HEIF_EXTENSIONS = (".heic", ".heif", ".hif")


def read_extensions() -> tuple[str, ...]:
    """Return the extensions that are taken for pictures with what is installed."""
    heif = HEIF_EXTENSIONS if importlib.util.find_spec("pillow_heif") is not None else ()
    return (*EXTENSIONS, *heif)


def written_format(own: str, *, moving: bool = False) -> str:
    """Return the format that a result has: the picture's own, or PNG if that is not written.

    Args:
        own: Pillow's name of the picture's format.
        moving: whether it is an animation.
    """
    kind = "JPEG" if own == "MPO" else own
    return kind if kind in MEDIA_TYPES and (moving or kind not in _ONLY_MOVING) else "PNG"


def extension_of(kind: str) -> str:
    """Return the usual extension of a format that can be written, as in ``.jpg``."""
    return next(extension for extension, name in FORMATS.items() if name == kind)


def output_path(source: str | os.PathLike[str], *, suffix: str = ".color") -> Path:
    """Return where the colored version of a file goes: ``photo.jpg`` -> ``photo.color.jpg``.

    A name that would be too long for a file system is cut. A format that is read but not written
    becomes PNG, and so does a GIF picture that is no
    animation, since it would lose colors. What follows the last dot of ``J. Smith 1923`` is no
    ending.
    """
    path = Path(source)
    kind = FORMATS.get(path.suffix.lower())
    kept = kind is not None and (kind not in _ONLY_MOVING or _is_moving(path))
    extension = path.suffix if kept else ".png"
    known = path.suffix.lower() in EXTENSIONS or re.fullmatch(r"\.\w{1,5}", path.suffix)
    stem = path.stem if known else path.name
    return path.with_name(shortened(stem, suffix + extension) + suffix + extension)


def shortened(stem: str, rest: str) -> str:
    """Return a stem that a file's name has room for; a cut one ends with a hash of the whole."""
    room = _LONGEST_NAME - len(os.fsencode(rest))
    if len(os.fsencode(stem)) <= room:
        return stem
    mark = "~" + hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]
    while len(os.fsencode(stem)) > room - len(mark):
        stem = stem[:-1]
    return stem + mark


def _is_moving(path: Path) -> bool:
    """Tell whether a GIF file holds more than one frame; False if it cannot be read."""
    from PIL import GifImagePlugin

    try:
        with path.open("rb") as stream, GifImagePlugin.GifImageFile(stream, "") as image:
            return image.is_animated
    except (OSError, SyntaxError, ValueError, EOFError, LookupError, struct.error):
        return False


def check_output(
    path: str | os.PathLike[str], *, source: Path | None = None, overwrite: bool = False
) -> Path:
    """Check, before any work is done, that a picture can be written to ``path``; return it.

    Raises:
        OutputError: as ``Photo.write`` says.
    """
    target = path_of("path", path, OutputError, "name the file to write")
    if target.suffix.lower() not in FORMATS:
        raise OutputError(
            f"`{target}` has the extension `{target.suffix}`, which is not written"
            f"{did_you_mean(target.suffix.lower(), FORMATS)}: use one of {', '.join(FORMATS)}."
        )
    check_place(target)
    if target.exists():
        if source is not None and source.exists() and target.samefile(source):
            raise OutputError(
                f"`{target}` is the original and is never written over: choose another name."
            )
        if not overwrite:
            raise OutputError(
                f"`{target}` exists already: choose another name, or allow overwriting "
                "(--overwrite, in Python overwrite=True of `Colorizer.file`)."
            )
    return target


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder, with those above it, unless it is there.

    Raises:
        OutputError: if it cannot be made.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder `{folder}` cannot be made ({error.strerror}): name another one"
        ) from error


def check_place(path: Path) -> None:
    """Check, before any work is done, that a file can stand at a path.

    Raises:
        OutputError: if it is a folder, its folder does not exist, or no file is called so.
    """
    if "\0" in str(path):
        raise OutputError(f"`{str(path)!r}` holds a NUL, which no file's name does: check it.")
    long = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if long > _LONGEST_NAME:
        raise OutputError(
            f"`{path}` holds a name of {long} bytes, but one has at most {_LONGEST_NAME}: choose a "
            "shorter one."
        )
    if not path.parent.is_dir():
        raise OutputError(
            f"the folder `{path.parent}` of `{path.name}` does not exist: make it first."
        )
    if path.is_dir():
        raise OutputError(f"`{path}` is a folder but must be a file: name a file in it.")


def write_bytes(
    data: bytes | Sequence[bytes | memoryview], path: Path, *, overwrite: bool = False
) -> Path:
    """Write a file whole or not at all: under a temporary name beside it, then renamed.

    Args:
        data: the file, or its parts in order.
        path: its name.
        overwrite: replace what stands there.

    What a killed run has left in the folder under such a name is removed.

    Raises:
        OutputError: if it cannot be written; nothing is left behind.
    """
    _sweep_once(path.parent)
    temporary = path.with_name(f"{part_of(os.getpid())}{secrets.token_hex(6)}{_PART}")
    try:
        try:
            with temporary.open("xb") as stream:  # unlike `tempfile`, this honors the umask
                for part in [data] if isinstance(data, bytes) else data:
                    stream.write(part)
                stream.flush()
                os.fsync(stream.fileno())
            if path.exists() and not overwrite:
                raise OutputError(f"`{path}` has appeared meanwhile: choose another name.")
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"`{path}` cannot be written ({error.strerror or error}): {advice(path, error.errno)}."
        ) from error
    return path


def advice(path: Path, code: int | None) -> str:
    """Return what a person can do about a file that could not be written.

    Args:
        path: of the file.
        code: the system's number of the error, where it has one.
    """
    foreign = [sign for sign in NOT_ON_FAT if sign in path.name]
    if foreign and code in (errno.EPERM, errno.EINVAL, errno.EILSEQ):
        return (
            f"drives formatted as FAT or NTFS take no {' '.join(foreign)} in names: rename the "
            "file, or choose a folder on another drive"
        )
    if code == errno.EFBIG:
        return "raise the limit that `ulimit -f` sets, or choose a folder on another drive"
    return "check the folder's permissions and free space, or choose another folder"


def put_in_place(temporary: Path, path: Path) -> None:
    """Bring a file to the disk, give it its name, and bring the name to the disk.

    Raises:
        OSError: if that cannot be done.
    """
    with temporary.open("rb+") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def _sweep_once(folder: Path) -> None:
    """Sweep a folder, once a process."""
    with _SWEEPING:
        if folder in _SWEPT:
            return
        _SWEPT.add(folder)
    sweep_parts(folder)


def part_of(process: int) -> str:
    """Return how the names of half-written files of a process on this machine begin."""
    machine = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
    return f"{_BEGIN}{machine}-{process}-"


def _sync_folder(folder: Path) -> None:
    """Bring a new name in a folder to the disk, where that can be asked."""
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # a folder that may be written but not read
        return
    try:
        os.fsync(handle)
    except OSError:  # not on every network share
        pass
    finally:
        os.close(handle)


def sweep_parts(folder: Path) -> int:
    """Remove half-written files that nobody will finish from a folder; return how many.

    They are those of processes of this machine that have ended, and of others if older than a day.
    """
    swept = 0
    try:
        for entry in os.scandir(folder):
            if entry.name.endswith(_PART) and is_left(entry):
                Path(entry.path).unlink(missing_ok=True)
                swept += 1
    except OSError:
        pass
    return swept


def is_left(entry: os.DirEntry[str]) -> bool:
    """Tell whether something half-written, named by ``part_of``, is left by whoever made it.

    The process has ended, if it was one of this machine; elsewhere, and where a process cannot be
    asked for without harm, as on Windows, it is older than a day.

    Raises:
        OSError: if it cannot be looked at, as one that has just gone.
    """
    own = part_of(0).removesuffix("0-")
    if not entry.name.startswith(_BEGIN):
        return False
    process = entry.name.removeprefix(own).partition("-")[0]
    if entry.name.startswith(own) and process.isdecimal() and sys.platform != "win32":
        return _has_ended(int(process))
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_SECONDS


def _has_ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    return False


def sha256_of(path: Path, progress: Callable[[int, int], None] | None = None) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Args:
        path: the file; it is read in parts.
        progress: called with the bytes done and all bytes.

    Raises:
        OSError: if it cannot be read.
    """
    digest = hashlib.sha256()
    total, done = path.stat().st_size, 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done, total)
    return digest.hexdigest()
