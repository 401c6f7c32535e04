"""Many pictures in one go: colour them side by side, report one ``Outcome`` each.

Not here: how one picture is coloured (``colorizer``), what a terminal shows of it (``cli``).
Stands above the Colorizer, which is its only way to a coloured picture.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from koalarize.batch.compare import compare_path, write_comparison
from koalarize.batch.find import Job, path_key, reason_of
from koalarize.colorizer.layer import layer_path
from koalarize.errors import KoalarizeError, OptionError, OutputError
from koalarize.film.names import may_move
from koalarize.photo.files import output_path
from koalarize.steering.steering import PLAIN, Steering

if TYPE_CHECKING:
    from koalarize.colorizer.colorizer import Colored, Colorizer

__all__ = ["BatchOptions", "Outcome", "colorize_many"]

log = logging.getLogger(__name__)

Status = Literal["colored", "skipped", "failed"]

#: Pictures in work at once, at most: more would only hold more pixels in memory, since the network
#: itself already uses every core.
MOST_WORKERS = 4
#: Tasks handed to the threads ahead of the next outcome; each is a few paths.
_WINDOW = 16


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
        notes: what of the picture is not in the result, a phrase each.
    """

    source: Path
    output: Path | None
    status: Status
    error: str | None = None
    seconds: float = 0.0
    had_color: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Task:
    """One picture with everything decided: what to write and how."""

    source: Path
    target: Path
    #: Whether the name of the target is of our making, which no original bears.
    ours: bool
    overwrite: bool
    compare: bool


@dataclass(frozen=True)
class BatchOptions:
    """Where the results of many pictures go.

    Attributes:
        output: a folder that keeps the structure of the searched ones, made where it is missing;
            None writes beside each picture.
        overwrite: colour again what is already done; replace a ``target`` that exists.
        compare: also write ``name.compare.jpg``, grey and coloured side by side.
        workers: pictures in work at once, which bounds the memory; by default 2 to 4.
        tolerant: colour pictures that are cut short as far as they go.
        negative: invert every picture first.
        layer: write only the colours, as ``name.layer.png`` or ``.tif``.
    """

    output: Path | None = None
    overwrite: bool = False
    compare: bool = False
    workers: int | None = None
    tolerant: bool = False
    negative: bool = False
    layer: bool = False


def colorize_many(
    colorizer: Colorizer,
    jobs: Sequence[Job],
    steering: Steering = PLAIN,
    options: BatchOptions | None = None,
) -> Generator[Outcome]:
    """Colour pictures; decoding and encoding one overlaps with colouring another.

    Results stand beside their pictures or below a folder and are called as ``output_path`` says.
    An earlier result is replaced, except that of a picture found in a folder: there, one that is
    newer than its picture counts as done. A job's own ``target`` is only replaced with
    ``overwrite``.

    Args:
        colorizer: shared by all threads.
        jobs: from ``find_pictures``.
        steering: what is asked of every picture.
        options: where the results go.

    Yields:
        One ``Outcome`` a job, in the order of the jobs. A bad file, and even a bug, makes a failed
        outcome and does not stop the rest.

    Raises:
        OptionError: if an option is wrong, which no other picture would change.
    """
    options = options or BatchOptions()

    def color(task: _Task) -> Colored:
        overwrite = task.ours or task.overwrite
        if may_move(task.source) and find_spec("cv2") is not None:
            from koalarize.film.animation import color_animation

            moving = color_animation(
                colorizer,
                task.source,
                task.target,
                steering,
                overwrite=overwrite,
                tolerant=options.tolerant,
            )
            if moving is not None:
                return moving
        return colorizer.file(
            task.source,
            task.target,
            steering,
            overwrite=overwrite,
            tolerant=options.tolerant,
            negative=options.negative,
            layer=options.layer,
        )

    planner = _Planner(options)
    if len(jobs) == 1:  # no pool: an interrupt then reaches the work at once
        decided = planner.decide(jobs[0])
        yield _run(color, decided) if isinstance(decided, _Task) else decided
        return
    workers = options.workers or min(MOST_WORKERS, max(2, os.cpu_count() or 1))
    pool = ThreadPoolExecutor(workers, thread_name_prefix="koalarize")
    try:
        yield from _in_order(pool, color, (planner.decide(job) for job in jobs))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor,
    color: Callable[[_Task], Colored],
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

    def __init__(self, options: BatchOptions) -> None:
        self._output = options.output
        self._overwrite = options.overwrite
        self._compare = options.compare
        self._path_of = layer_path if options.layer else output_path
        self._claimed: dict[str, Path] = {}

    def decide(self, job: Job) -> _Task | Outcome:
        if job.problem is not None:
            return Outcome(job.source, None, "failed", job.problem)
        target = job.target or self._default_target(job)
        first = self._claimed.setdefault(path_key(target), job.source)
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
        beside = self._path_of(job.source)
        return beside if self._output is None else self._output / job.relative.parent / beside.name

    def _is_done(self, source: Path, target: Path) -> bool:
        wanted = [target, compare_path(target)] if self._compare else [target]
        try:
            oldest = source.stat().st_mtime
            return all(result.stat().st_mtime >= oldest for result in wanted)
        except OSError:
            return False


def _run(color: Callable[[_Task], Colored], task: _Task) -> Outcome:
    start = time.perf_counter()
    try:
        if task.compare:
            _check_free(compare_path(task.target), task)
        if task.ours:
            task.target.parent.mkdir(parents=True, exist_ok=True)
        colored = color(task)
        if task.compare:
            write_comparison(colored.written, compare_path(task.target))
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
        problem = f"cannot be read or written: {reason_of(error)}{where}"
    except Exception as error:
        log.exception("a bug in koalarize met %s", task.source)
        problem = f"met a bug in koalarize ({type(error).__name__}: {error}); please report it"
    else:
        seconds = time.perf_counter() - start
        return Outcome(
            task.source,
            colored.written,
            "colored",
            seconds=seconds,
            had_color=colored.had_colors,
            notes=colored.notes,
        )
    return Outcome(task.source, None, "failed", problem, time.perf_counter() - start)


def _check_free(target: Path, task: _Task) -> None:
    if not (task.ours or task.overwrite) and target.exists():
        raise OutputError(f"`{target}` exists already: name another output or add --overwrite")
