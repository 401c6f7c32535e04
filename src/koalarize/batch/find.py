"""Find the pictures that files, folders and globs name.

Not here: what is done with them (``batch.run``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from koalarize.batch.globs import depth, matches
from koalarize.batch.passed_over import is_foreign, is_passed_over
from koalarize.batch.spill import Seen
from koalarize.film.names import is_film
from koalarize.photo.files import read_extensions
from koalarize.photo.profiles import has_our_profile
from koalarize.photo.provenance import is_marked

__all__ = [
    "Found",
    "Job",
    "Search",
    "find_all",
    "find_pictures",
    "is_ours",
    "is_own",
    "name_pattern",
    "own_stem",
    "path_key",
    "real_key",
    "reason_of",
]

#: What stands before the ending of a file that an earlier run has written.
_OWN = re.compile(r"\.(color|compare|layer)(-\d+)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Job:
    """One picture to colour.

    Attributes:
        source: the file.
        relative: where it stands below an output folder, its own file name included.
        found: whether it was found in a folder, by a glob or in a list rather than named itself.
        target: the exact file to write, where a person named one.
        problem: why there is nothing to colour here; such a job fails with this sentence.
        reason: the same in few words.
        named: ``path_key`` of all that was named with it: files, folders and globs.
        listed: whether it was found in a list, of which ``relative`` keeps the folders.
    """

    source: Path
    relative: Path
    found: bool = False
    target: Path | None = None
    problem: str | None = None
    reason: str = "no picture"
    named: frozenset[str] = frozenset()
    listed: bool = False

    @property
    def root(self) -> Path:
        """The folder that was searched: the one below which ``relative`` stands."""
        folder = self.source.parent
        for _ in self.relative.parts[1:]:
            folder = folder.parent
        return folder


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
    """Return what a ``Search`` finds, as a list."""
    search = Search(inputs)
    return Found(list(search), search.unread)


class Search:
    """Goes through the pictures that files, folders and globs name, in order and each once.

    Folders are searched through, linked ones too, each once; the names of one folder, not of all,
    are held at a time. In folders and globs, hidden files, files without the ending of a picture
    and earlier results (``name.color.jpg`` and ``name.compare.jpg`` beside a picture called
    ``name``, or wherever they stand if koalarize wrote them) are passed over. A file named itself
    is always taken, unless it is the earlier result of another one that is named too, as in
    ``*.jpg`` expanded by a shell. A name of a list is taken as it is, but for earlier results.

    Films bear no mark: one that is called as results are is passed over.

    Attributes:
        unread: how many files were passed over since they are of no kind that is read, by their
            ending in lower case; it grows while the search goes.
        results: how many earlier results were passed over.
        films: the films that were found, where they are wanted; it grows while the search goes,
            which yields only pictures.
    """

    def __init__(
        self,
        inputs: Iterable[str | os.PathLike[str]],
        *,
        name: str | None = None,
        films: bool = False,
        listed: Iterable[str] = (),
    ) -> None:
        """Get ready.

        Args:
            inputs: files, folders and globs.
            name: the template of results' names, where it is not the usual one: files called so
                are looked at for a mark too.
            films: whether films are wanted; otherwise they are of a kind that is not read.
            listed: names of a list: files and folders.
        """
        self.unread: Counter[str] = Counter()
        self.films: list[Job] = []
        self._wants_films = films
        self._unwanted_films = 0
        self.results = 0
        self._inputs = [os.fspath(given) for given in inputs]
        self._lines = list(listed)
        self._keys = frozenset(path_key(Path(given)) for given in (*self._inputs, *self._lines))
        self._name = None if name is None else name_pattern(name)
        self._endings = read_extensions()
        self._folder_stems: tuple[Path, set[str]] | None = None
        self._seen = Seen()
        self._counted = Seen()

    def __iter__(self) -> Iterator[Job]:
        named = [Path(given) for given in (*self._inputs, *self._lines)]
        originals = {(path.parent, path.stem) for path in named}
        for given in _without_foreign(self._inputs):
            for job in self._expand(given):
                passed = not job.found and _is_result_of(job.source, originals)
                if self._seen.add(path_key(job.source)) and not passed:
                    yield job
        for line in self._lines:
            for job in self._of_line(line):
                if self._seen.add(path_key(job.source)) and not self._is_earlier(job, originals):
                    yield job

    def _of_line(self, line: str) -> Iterator[Job]:
        """Yield what a line of a list names; below OUTPUT it keeps its folders, as with rsync."""
        path = Path(line)
        parts = Path(os.path.normpath(line)).relative_to(path.anchor).parts
        kept = Path(*(part for part in parts if part != ".."))
        for job in self._expand(line, literal=True):
            below = kept / job.relative if job.found else kept
            job = dataclasses.replace(job, relative=below, found=True, listed=True)
            is_own_film = job.source == path and is_film(path) and path.is_file()
            taken = self._take_film(job) if is_own_film else job
            if taken is not None:
                yield taken

    def _is_earlier(self, job: Job, originals: set[tuple[Path, str]]) -> bool:
        """Tell whether a file of a list is an earlier result, and count it."""
        path = job.source
        named = is_own(path) or bool(self._name and self._name.fullmatch(path.stem))
        earlier = _is_result_of(path, originals) or (named and is_ours(path))
        self.results += earlier
        return earlier

    def _expand(self, given: str, *, literal: bool = False) -> Iterator[Job]:
        path = Path(given)
        try:
            is_folder, exists = path.is_dir(), path.exists()
        except (OSError, ValueError) as error:  # a name too long, or with a NUL, for this system
            problem = f"cannot be looked up: {reason_of(error)}"
            yield Job(path, Path(path.name), problem=problem, reason="cannot be read")
            return
        if is_folder:
            yield from self._folder(path)
        elif not exists and not literal and glob.has_magic(given):
            yield from self._glob(given)
        else:
            yield Job(path, Path(path.name), named=self._keys)

    def _folder(self, folder: Path, *, quiet: bool = False) -> Iterator[Job]:
        locked: list[Job] = []
        visited = Seen()
        results, films_before, none = self.results, self._film_count, True

        def note(error: OSError) -> None:
            where = Path(error.filename or folder)
            problem = f"cannot be read: {reason_of(error)}"
            locked.append(Job(where, Path(where.name), problem=problem, reason="cannot be read"))

        for parent, folders, files in os.walk(folder, onerror=note, followlinks=True):
            real = os.path.realpath(parent)
            if not visited.add(real):  # a link to a folder above, or to one that was searched
                folders.clear()
                continue
            above = os.path.basename(parent)  # noqa: PTH119
            folders[:] = sorted(name for name in folders if not is_passed_over(name, above))
            files.sort()
            for name in files:
                source = Path(parent, name)
                job = Job(source, source.relative_to(folder), found=True, named=self._keys)
                if (taken := self._taken(job, files)) is not None:
                    none = False
                    yield taken
        if quiet:
            return
        yield from locked
        films = self._film_count - films_before
        if none and not locked and not (films and self._wants_films):
            problem = f"holds no picture: a picture ends with {', '.join(self._endings)}"
            if films:
                count = "1 film" if films == 1 else f"{films} films"
                problem = f"holds no picture, only {count}"
            elif self.results > results:
                problem = "holds only earlier results: name a folder with pictures"
            yield Job(folder, Path(folder.name), problem=problem)

    def _glob(self, pattern: str) -> Iterator[Job]:
        base = Path(pattern)
        while glob.has_magic(str(base)):
            base = base.parent
        deep = "**" in Path(pattern).parts
        jobs: list[Job] = []
        films = len(self.films)
        visited: set[str] = set()
        for match in sorted(matches(pattern), key=depth):
            path = Path(match)
            if os.path.isdir(match):  # noqa: PTH112 (`is_dir` raises where a folder is locked)
                if not deep and not is_passed_over(path.name, path.parent.name):
                    jobs += self._folder(path, quiet=True)
                continue
            real = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118
            inside = path.relative_to(base) if path.is_relative_to(base) else Path(path.name)
            parts = (base.name, *inside.parts[:-1])
            passed = any(is_passed_over(part, above) for above, part in pairwise(parts))
            job = Job(path, inside, found=True, named=self._keys)
            if real not in visited and not passed and (taken := self._taken(job)) is not None:
                jobs.append(taken)
            visited.add(real)
        if not jobs and len(self.films) == films:
            problem = f"matches no picture: a picture ends with {', '.join(self._endings)}"
            yield Job(Path(pattern), Path("none"), problem=problem)
        yield from sorted(jobs, key=lambda job: str(job.source))

    @property
    def _film_count(self) -> int:
        """How many films were found, wanted or not."""
        return self._unwanted_films + len(self.films)

    def _taken(self, job: Job, beside: list[str] | None = None) -> Job | None:
        """Return the job of a file that was found if it is a picture to colour.

        One that cannot be looked up has a problem. A pipe, which would be waited for, is none.
        """
        path = job.source
        if path.name.startswith("."):
            return None
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                return None
        except OSError as error:
            linked = os.path.islink(path)  # noqa: PTH114 (`is_symlink` raises)
            if isinstance(error, FileNotFoundError) and not linked:  # gone meanwhile
                return None
            problem = f"cannot be read: {reason_of(error)}"
            if isinstance(error, FileNotFoundError):
                problem = "is a link to a file that is not there: bring it back or remove the link"
            job = dataclasses.replace(job, problem=problem, reason="cannot be read")
        if is_film(path):
            return self._take_film(job)
        return job if self._takes(path, beside) else None

    def _take_film(self, job: Job) -> Job | None:
        """Keep a film that was found if films are wanted, otherwise count it; return a problem."""
        path = job.source
        if not self._counted.add(path_key(path)):
            return None
        if is_own(path) or (self._name and self._name.fullmatch(path.stem)):
            self.results += 1
        elif self._wants_films and job.problem is not None:
            return job
        elif self._wants_films:
            self.films.append(job)
        else:
            self._unwanted_films += 1
            self.unread[path.suffix.lower()] += 1
        return None

    def _takes(self, path: Path, beside: list[str] | None = None) -> bool:
        """Tell whether a file that was found is a picture to colour; count what is of no kind."""
        if path.suffix.lower() not in self._endings:
            if self._counted.add(path_key(path)):
                self.unread[path.suffix.lower()] += 1
            return False
        own = is_own(path)
        if not own and not (self._name and self._name.fullmatch(path.stem)):
            return True
        stems = self._stems_of(path.parent, beside) if own else ()
        ours = own_stem(path) in stems or is_ours(path)
        self.results += ours
        return not ours

    def _stems_of(self, folder: Path, names: list[str] | None) -> set[str]:
        """Return what the pictures of a folder are called without their endings."""
        if self._folder_stems is None or self._folder_stems[0] != folder:
            paths = (Path(name) for name in names or os.listdir(folder))  # noqa: PTH208
            stems = {path.stem for path in paths if path.suffix.lower() in self._endings}
            self._folder_stems = folder, stems
        return self._folder_stems[1]


def _without_foreign(inputs: list[str]) -> Iterator[str]:
    """Yield what is named but for other programs' folders beside others, as a shell names them."""
    paths = [Path(os.path.abspath(given)) for given in inputs]  # noqa: PTH100
    own = [not is_foreign(path.name, path.parent.name) for path in paths]
    beside = {path.parent for path, is_own in zip(paths, own, strict=True) if is_own}
    for given, path, is_own in zip(inputs, paths, own, strict=True):
        if is_own or path.parent not in beside or not os.path.isdir(given):  # noqa: PTH112
            yield given


def name_pattern(template: str) -> re.Pattern[str]:
    """Return what matches names made with a template, without their ending; numbered ones too."""
    before, _, after = template.partition("{stem}")
    return re.compile(f"{re.escape(before)}.*{re.escape(after)}(-\\d+)?", re.DOTALL)


def is_own(path: Path) -> bool:
    """Tell whether a file is called as results are, unless a template calls them otherwise."""
    return _OWN.search(path.stem) is not None


def own_stem(path: Path) -> str:
    """Return what the picture of an earlier result is called without its ending."""
    return _OWN.sub("", path.stem)


def is_ours(path: Path) -> bool:
    """Tell whether koalarize wrote a file: its mark says so, or the profile of earlier versions."""
    return is_marked(path) or has_our_profile(path)


def _is_result_of(path: Path, originals: set[tuple[Path, str]]) -> bool:
    return is_own(path) and (path.parent, own_stem(path)) in originals


def path_key(path: Path) -> str:
    """Return one text for every spelling of a path; symbolic links stay apart."""
    key = os.path.abspath(path)  # noqa: PTH100 (`resolve` follows links, `absolute` keeps `..`)
    return key.casefold() if sys.platform in ("win32", "darwin") else key


def real_key(name: str) -> str:
    """Return ``path_key`` of what a person named, with no link above it, or in a folder's name."""
    path = Path(name)
    with contextlib.suppress(OSError, ValueError):  # a name with a NUL, or too long
        folder = os.path.realpath(path if path.is_dir() else path.parent)
        return path_key(Path(folder) if path.is_dir() else Path(folder, path.name))
    return name


def reason_of(error: OSError | ValueError) -> str:
    """Return why a file could not be used, as it stands in a sentence."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return reason[:1].lower() + reason[1:]
