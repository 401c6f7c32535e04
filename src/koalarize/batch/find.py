"""Find the pictures that files, folders and globs name.

Not here: what is done with them (``batch.run``).
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from koalarize.photo.files import EXTENSIONS

__all__ = ["Job", "find_pictures", "path_key", "reason_of"]

#: What stands before the ending of a file that an earlier run has written.
_OWN_SUFFIXES = (".color", ".compare")


@dataclass(frozen=True)
class Job:
    """One picture to colour.

    Attributes:
        source: the file.
        relative: where it stands below an output folder, its own file name included.
        found: whether it was found in a folder or by a glob rather than named itself.
        target: the exact file to write, where a person named one.
        problem: why there is nothing to colour here; such a job fails with this sentence.
    """

    source: Path
    relative: Path
    found: bool = False
    target: Path | None = None
    problem: str | None = None


def find_pictures(inputs: Iterable[str | os.PathLike[str]]) -> list[Job]:
    """List the pictures that files, folders and globs name, in order and each once.

    Folders are searched through; in folders and globs, hidden files, files without the ending of a
    picture and earlier results (``name.color.jpg``, ``name.compare.jpg``) are passed over. A file
    named itself is always taken, unless it is the earlier result of another one that is named
    too, as in ``*.jpg`` expanded by a shell.

    Returns:
        One ``Job`` a picture, and one with a ``problem`` for each input that holds no picture.
    """
    jobs: list[Job] = []
    seen: set[str] = set()
    for given in inputs:
        for job in _expand(os.fspath(given)):
            key = path_key(job.source)
            if key not in seen:
                seen.add(key)
                jobs.append(job)
    originals = {(job.source.parent, job.source.stem) for job in jobs}
    return [job for job in jobs if job.found or not _is_result_of(job.source, originals)]


def _expand(given: str) -> list[Job]:
    path = Path(given)
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:  # a name too long, or with a NUL, for this system
        return [Job(path, Path(path.name), problem=f"cannot be looked up: {reason_of(error)}")]
    if is_folder:
        return _folder(path)
    if not exists and glob.has_magic(given):
        return _glob(given)
    return [Job(path, Path(path.name))]


def _folder(folder: Path) -> list[Job]:
    jobs: list[Job] = []
    locked: list[Job] = []

    def note(error: OSError) -> None:
        where = Path(error.filename or folder)
        locked.append(Job(where, Path(where.name), problem=f"cannot be read: {reason_of(error)}"))

    for parent, folders, files in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if _is_picture(name):
                source = Path(parent, name)
                jobs.append(Job(source, source.relative_to(folder), found=True))
    if not jobs and not locked:
        problem = f"holds no picture: a picture ends with {_endings()}"
        return [Job(folder, Path(folder.name), problem=problem)]
    return jobs + locked


def _glob(pattern: str) -> list[Job]:
    base = Path(pattern)
    while glob.has_magic(str(base)):
        base = base.parent
    deep = "**" in Path(pattern).parts
    jobs: list[Job] = []
    for match in sorted(glob.iglob(pattern, recursive=True)):  # noqa: PTH207 (takes absolute ones)
        path = Path(match)
        if path.is_dir():
            if not deep:
                jobs += [job for job in _folder(path) if job.problem is None]
        elif _is_picture(path.name):
            relative = path.relative_to(base) if path.is_relative_to(base) else Path(path.name)
            jobs.append(Job(path, relative, found=True))
    if not jobs:
        problem = f"matches no picture: a picture ends with {_endings()}"
        return [Job(Path(pattern), Path("none"), problem=problem)]
    return jobs


def _is_picture(name: str) -> bool:
    path = Path(name)
    known = path.suffix.lower() in EXTENSIONS
    return known and not name.startswith(".") and not _is_own(path)


def _is_own(path: Path) -> bool:
    return Path(path.stem).suffix.lower() in _OWN_SUFFIXES


def _is_result_of(path: Path, originals: set[tuple[Path, str]]) -> bool:
    return _is_own(path) and (path.parent, Path(path.stem).stem) in originals


def _endings() -> str:
    return ", ".join(EXTENSIONS)


def path_key(path: Path) -> str:
    """Return one text for every spelling of a path; symbolic links stay apart."""
    key = os.path.abspath(path)  # noqa: PTH100 (`resolve` follows links, `absolute` keeps `..`)
    return key.casefold() if sys.platform in ("win32", "darwin") else key


def reason_of(error: OSError | ValueError) -> str:
    """Return why a file could not be used, as it stands in a sentence."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return reason[:1].lower() + reason[1:]
