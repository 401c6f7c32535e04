"""Find the pictures that files, folders and globs name.

Not here: what is done with them (``batch.run``).
"""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from koalarize.photo.files import read_extensions
from koalarize.photo.profiles import has_our_profile
from koalarize.photo.provenance import is_marked

__all__ = ["Found", "Job", "find_all", "find_pictures", "is_ours", "path_key", "reason_of"]

#: What stands before the ending of a file that an earlier run has written.
_OWN_SUFFIXES = (".color", ".compare")
#: Folders in which other programs keep copies and thrown-away files.
_FOREIGN_FOLDERS = frozenset({"@eadir", "#recycle", "$recycle.bin", "lost+found"})


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


@dataclass(frozen=True)
class Found:
    """What files, folders and globs name.

    Attributes:
        jobs: one a picture, and one with a ``problem`` for each input that holds no picture.
        unread: how many files were passed over since they are of no kind that is read, by their
            ending in lower case; hidden files and earlier results are not counted.
    """

    jobs: list[Job]
    unread: Mapping[str, int]


def find_pictures(inputs: Iterable[str | os.PathLike[str]]) -> list[Job]:
    """Return the jobs of ``find_all``."""
    return find_all(inputs).jobs


def find_all(inputs: Iterable[str | os.PathLike[str]]) -> Found:
    """List the pictures that files, folders and globs name, in order and each once.

    Folders are searched through, linked ones too, each once. In folders and globs, hidden files,
    files without the ending of a picture and earlier results (``name.color.jpg`` and
    ``name.compare.jpg`` beside a picture called ``name``, or wherever they stand if koalarize wrote
    them) are passed over. A file named itself is always taken, unless it is the earlier result of
    another one that is named too, as in ``*.jpg`` expanded by a shell.
    """
    finder = _Finder()
    jobs: list[Job] = []
    seen: set[str] = set()
    for given in inputs:
        for job in finder.expand(os.fspath(given)):
            key = path_key(job.source)
            if key not in seen:
                seen.add(key)
                jobs.append(job)
    originals = {(job.source.parent, job.source.stem) for job in jobs}
    jobs = [job for job in jobs if job.found or not _is_result_of(job.source, originals)]
    return Found(jobs, Counter(finder.unread.values()))


class _Finder:
    """Searches folders and globs, and counts what it passes over."""

    def __init__(self) -> None:
        self.unread: dict[str, str] = {}
        self.results = 0
        self._stems: dict[Path, set[str]] = {}
        self._endings = read_extensions()

    def expand(self, given: str) -> list[Job]:
        path = Path(given)
        try:
            is_folder, exists = path.is_dir(), path.exists()
        except (OSError, ValueError) as error:  # a name too long, or with a NUL, for this system
            return [Job(path, Path(path.name), problem=f"cannot be looked up: {reason_of(error)}")]
        if is_folder:
            return self._folder(path)
        if not exists and glob.has_magic(given):
            return self._glob(given)
        return [Job(path, Path(path.name))]

    def _folder(self, folder: Path) -> list[Job]:
        jobs: list[Job] = []
        locked: list[Job] = []
        visited: set[str] = set()
        results = self.results

        def note(error: OSError) -> None:
            where = Path(error.filename or folder)
            problem = f"cannot be read: {reason_of(error)}"
            locked.append(Job(where, Path(where.name), problem=problem))

        for parent, folders, files in os.walk(folder, onerror=note, followlinks=True):
            real = os.path.realpath(parent)
            if real in visited:  # a link to a folder above, or to one that was searched
                folders.clear()
                continue
            visited.add(real)
            folders[:] = sorted(name for name in folders if not _is_passed_over(name))
            for name in sorted(files):
                source = Path(parent, name)
                if self._takes(source):
                    jobs.append(Job(source, source.relative_to(folder), found=True))
        if not jobs and not locked:
            problem = f"holds no picture: a picture ends with {', '.join(self._endings)}"
            if self.results > results:
                problem = "holds only earlier results: name a folder with pictures"
            return [Job(folder, Path(folder.name), problem=problem)]
        return jobs + locked

    def _glob(self, pattern: str) -> list[Job]:
        base = Path(pattern)
        while glob.has_magic(str(base)):
            base = base.parent
        deep = "**" in Path(pattern).parts
        jobs: list[Job] = []
        visited: set[str] = set()
        for match in sorted(glob.iglob(pattern, recursive=True), key=_depth):  # noqa: PTH207
            path = Path(match)
            if path.is_dir():
                if not deep:
                    jobs += [job for job in self._folder(path) if job.problem is None]
                continue
            real = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118
            inside = path.relative_to(base) if path.is_relative_to(base) else Path(path.name)
            passed = any(_is_passed_over(part) for part in inside.parts[:-1])
            if real not in visited and not passed and self._takes(path):
                jobs.append(Job(path, inside, found=True))
            visited.add(real)
        if not jobs:
            problem = f"matches no picture: a picture ends with {', '.join(self._endings)}"
            return [Job(Path(pattern), Path("none"), problem=problem)]
        return sorted(jobs, key=lambda job: str(job.source))

    def _takes(self, path: Path) -> bool:
        """Tell whether a file that was found is a picture to colour; count it if it is of no kind.

        What is no file, as a pipe, would be waited for.
        """
        if path.name.startswith(".") or not path.is_file():
            return False
        if path.suffix.lower() not in self._endings:
            self.unread[path_key(path)] = path.suffix.lower()
            return False
        if not _is_own(path):
            return True
        ours = Path(path.stem).stem in self._stems_of(path.parent) or is_ours(path)
        self.results += ours
        return not ours

    def _stems_of(self, folder: Path) -> set[str]:
        """Return what the pictures of a folder are called without their endings."""
        if folder not in self._stems:
            names = (Path(name) for name in os.listdir(folder))  # noqa: PTH208
            self._stems[folder] = {
                name.stem for name in names if name.suffix.lower() in self._endings
            }
        return self._stems[folder]


def _depth(match: str) -> tuple[int, str]:
    """Sort key that puts a file's shortest name first, before those through linked folders."""
    return len(Path(match).parts), match


def _is_passed_over(folder: str) -> bool:
    return folder.startswith(".") or folder.casefold() in _FOREIGN_FOLDERS


def _is_own(path: Path) -> bool:
    return Path(path.stem).suffix.lower() in _OWN_SUFFIXES


def is_ours(path: Path) -> bool:
    """Tell whether koalarize wrote a file: its mark says so, or the profile of earlier versions."""
    return is_marked(path) or has_our_profile(path)


def _is_result_of(path: Path, originals: set[tuple[Path, str]]) -> bool:
    return _is_own(path) and (path.parent, Path(path.stem).stem) in originals


def path_key(path: Path) -> str:
    """Return one text for every spelling of a path; symbolic links stay apart."""
    key = os.path.abspath(path)  # noqa: PTH100 (`resolve` follows links, `absolute` keeps `..`)
    return key.casefold() if sys.platform in ("win32", "darwin") else key


def reason_of(error: OSError | ValueError) -> str:
    """Return why a file could not be used, as it stands in a sentence."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return reason[:1].lower() + reason[1:]
