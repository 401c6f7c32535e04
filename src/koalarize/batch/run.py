"""Many pictures in one go: find them, colour them side by side, report one ``Outcome`` each.

Not here: how one picture is coloured (``colorizer``) and what a terminal shows of it (``cli``).
Stands above the Colorizer, which is its only way to a coloured picture.
"""

from __future__ import annotations

import glob
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from koalarize.color import lab_to_srgb, srgb_to_lab
from koalarize.colorizer.look import noting_colors
from koalarize.errors import KoalarizeError, OptionError, OutputError
from koalarize.photo.photo import EXTENSIONS, Photo, output_path

if TYPE_CHECKING:
    from koalarize.colorizer.colorizer import Colorizer
    from koalarize.steering.hints import Hint
    from koalarize.steering.steering import Steering

__all__ = ["Job", "Outcome", "colorize_many", "compare_path", "find_pictures"]

log = logging.getLogger(__name__)

Status = Literal["colored", "skipped", "failed"]

#: Pictures in work at once, at most: more would only hold more pixels in memory, since the network
#: itself already uses every core.
MOST_WORKERS = 4
#: Tasks handed to the threads ahead of the next outcome; each is a few paths.
_WINDOW = 16
#: What stands before the ending of a file that an earlier run has written.
_OWN_SUFFIXES = (".color", ".compare")
#: Rows converted at once for a comparison.
_ROWS = 256


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
class Outcome:
    """What became of one job.

    Attributes:
        source: the file that was to be coloured.
        output: the coloured file: written now if ``colored``, there before if ``skipped``.
        status: ``colored``, ``skipped`` (a newer result was already there) or ``failed``.
        error: one sentence if it failed.
        seconds: wall time of decoding, colouring and encoding.
        had_color: whether it clearly had colours of its own, which new ones have replaced.
    """

    source: Path
    output: Path | None
    status: Status
    error: str | None = None
    seconds: float = 0.0
    had_color: bool = False


@dataclass(frozen=True)
class _Task:
    """One picture with everything decided: what to write and how."""

    source: Path
    target: Path
    #: Whether the name of the target is of our making, which no original bears.
    ours: bool
    overwrite: bool
    compare: bool


# -- finding ----------------------------------------------------------------------------------


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
            key = _key(job.source)
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
        return [Job(path, Path(path.name), problem=f"cannot be looked up: {_reason(error)}")]
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
        locked.append(Job(where, Path(where.name), problem=f"cannot be read: {_reason(error)}"))

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


def _key(path: Path) -> str:
    """Return one text for every spelling of a path; symbolic links stay apart."""
    key = os.path.abspath(path)  # noqa: PTH100 (`resolve` follows links, `absolute` keeps `..`)
    return key.casefold() if sys.platform in ("win32", "darwin") else key


# -- colouring --------------------------------------------------------------------------------


def colorize_many(
    colorizer: Colorizer,
    jobs: Sequence[Job],
    *,
    output: Path | None = None,
    overwrite: bool = False,
    compare: bool = False,
    vividness: float = 1.0,
    hints: Sequence[Hint] = (),
    size: int | None = None,
    steering: Steering | None = None,
    workers: int | None = None,
) -> Generator[Outcome]:
    """Colour pictures; decoding and encoding one overlaps with colouring another.

    Results stand beside their pictures or below ``output`` and are called as ``output_path`` says.
    An earlier result is replaced, except that of a picture found in a folder: there, one that is
    newer than its picture counts as done. A job's own ``target`` is only replaced with
    ``overwrite``.

    Args:
        colorizer: shared by all threads.
        jobs: from ``find_pictures``.
        output: a folder that keeps the structure of the searched ones; made where it is missing.
        overwrite: colour again what is already done; replace a ``target`` that exists.
        compare: also write ``name.compare.jpg``, grey and coloured side by side.
        vividness: gain of the chroma.
        hints: colours that a person gives.
        size: shorter side at which the network works; None takes the model's own.
        steering: these three and more, instead of them.
        workers: pictures in work at once, which bounds the memory; by default 2 to 4.

    Yields:
        One ``Outcome`` a job, in the order of the jobs. A bad file, and even a bug, makes a failed
        outcome and does not stop the rest.

    Raises:
        OptionError: if an option is wrong, which no other picture would change.
    """
    how: dict[str, Any] = {"vividness": vividness, "hints": hints, "size": size}
    if steering is not None:
        how = {"steering": steering}

    def color(task: _Task) -> tuple[Path, bool]:
        overwrite = task.ours or task.overwrite
        clear: list[bool] = []
        watched: dict[str, Any] = {"seen": noting_colors(clear)}
        if steering is not None and steering.keep_color:
            watched = {}
        written = colorizer(task.source, output=task.target, overwrite=overwrite, **watched, **how)
        return written, any(clear)

    planner = _Planner(output, overwrite, compare)
    if len(jobs) == 1:  # no pool: an interrupt then reaches the work at once
        decided = planner.decide(jobs[0])
        yield _run(color, decided) if isinstance(decided, _Task) else decided
        return
    pool = ThreadPoolExecutor(
        workers or min(MOST_WORKERS, max(2, os.cpu_count() or 1)), thread_name_prefix="koalarize"
    )
    try:
        yield from _in_order(pool, color, (planner.decide(job) for job in jobs))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor,
    color: Callable[[_Task], tuple[Path, bool]],
    decisions: Iterable[_Task | Outcome],
) -> Generator[Outcome]:
    """Work on a few tasks at once and yield the outcomes in the order of the decisions."""
    pending: deque[Outcome | Future[Outcome]] = deque()
    for decided in decisions:
        if isinstance(decided, _Task):
            pending.append(pool.submit(_run, color, decided))
        else:
            pending.append(decided)
        if len(pending) >= _WINDOW:
            yield _finished(pending.popleft())
    while pending:
        yield _finished(pending.popleft())


def _finished(pending: Outcome | Future[Outcome]) -> Outcome:
    return pending if isinstance(pending, Outcome) else pending.result()


class _Planner:
    """Decide, job by job and in order, what is written where and what needs no work."""

    def __init__(self, output: Path | None, overwrite: bool, compare: bool) -> None:
        self._output = output
        self._overwrite = overwrite
        self._compare = compare
        self._claimed: dict[str, Path] = {}

    def decide(self, job: Job) -> _Task | Outcome:
        if job.problem is not None:
            return Outcome(job.source, None, "failed", job.problem)
        target = job.target or self._default_target(job)
        first = self._claimed.setdefault(_key(target), job.source)
        if first is not job.source:
            problem = (
                f"its result would be `{target}` like that of `{first}`; "
                "colour the two into different folders"
            )
            return Outcome(job.source, None, "failed", problem)
        if job.found and not self._overwrite and self._is_done(job.source, target):
            return Outcome(job.source, target, "skipped")
        return _Task(job.source, target, job.target is None, self._overwrite, self._compare)

    def _default_target(self, job: Job) -> Path:
        beside = output_path(job.source)
        return beside if self._output is None else self._output / job.relative.parent / beside.name

    def _is_done(self, source: Path, target: Path) -> bool:
        wanted = [target, compare_path(target)] if self._compare else [target]
        try:
            oldest = source.stat().st_mtime
            return all(result.stat().st_mtime >= oldest for result in wanted)
        except OSError:
            return False


def _run(color: Callable[[_Task], tuple[Path, bool]], task: _Task) -> Outcome:
    start = time.perf_counter()
    try:
        if task.compare:
            _check_free(compare_path(task.target), task)
        if task.ours:
            task.target.parent.mkdir(parents=True, exist_ok=True)
        written, had_color = color(task)
        if task.compare:
            _write_comparison(written, compare_path(task.target))
    except OptionError:
        raise
    except KoalarizeError as error:
        problem = str(error)
    except MemoryError:
        problem = (
            "not enough memory for this picture; close other programs or colour a smaller copy"
        )
    except OSError as error:
        where = f" (`{error.filename}`)" if error.filename else ""
        problem = f"cannot be read or written: {_reason(error)}{where}"
    except Exception as error:
        log.exception("a bug in koalarize met %s", task.source)
        problem = f"met a bug in koalarize ({type(error).__name__}: {error}); please report it"
    else:
        seconds = time.perf_counter() - start
        return Outcome(task.source, written, "colored", None, seconds, had_color)
    return Outcome(task.source, None, "failed", problem, time.perf_counter() - start)


def _reason(error: OSError | ValueError) -> str:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return reason[:1].lower() + reason[1:]


# -- comparisons ------------------------------------------------------------------------------


def compare_path(result: Path) -> Path:
    """Return where the comparison of a result goes: ``name.color.jpg`` -> ``name.compare.jpg``."""
    stem = result.stem[: -len(".color")] if result.stem.endswith(".color") else result.stem
    return result.with_name(f"{stem}.compare{result.suffix}")


def _check_free(target: Path, task: _Task) -> None:
    if not (task.ours or task.overwrite) and target.exists():
        raise OutputError(f"`{target}` exists already: name another output or add --overwrite")


def _write_comparison(result: Path, target: Path) -> None:
    """Write the result's own lightness and the result side by side, in the result's format."""
    photo = Photo.read(result)
    pixels = photo.pixels if photo.pixels.ndim == 3 else np.dstack([photo.pixels] * 3)
    width = photo.width
    gap = max(2, width // 50)
    white = np.iinfo(pixels.dtype).max
    sheet = np.full((photo.height, 2 * width + gap, 3), white, pixels.dtype)
    sheet[:, width + gap :] = pixels
    for start in range(0, photo.height, _ROWS):
        rows = slice(start, start + _ROWS)
        lab = srgb_to_lab(pixels[rows])
        lab[..., 1:] = 0
        sheet[rows, :width] = lab_to_srgb(lab, dtype=pixels.dtype)
    alpha = photo.alpha
    if alpha is not None:
        alpha = np.hstack([alpha, np.zeros((photo.height, gap), alpha.dtype), alpha])
    Photo(sheet, alpha, photo.format, dpi=photo.dpi).write(sheet, target, overwrite=True)
