"""Many pictures in one go: colour them side by side, report one ``Outcome`` each.

Not here: how one picture is coloured (``colorizer``), what a terminal shows of it (``cli``).
Stands above the Colorizer, which is its only way to a coloured picture.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from koalarize.batch.compare import compare_path
from koalarize.batch.find import Job, reason_of
from koalarize.batch.full import full_disk, no_thread
from koalarize.batch.journal import Made, Stamp
from koalarize.batch.large import LARGE, check_kind
from koalarize.batch.plan import OWN, BatchOptions, Outcome, Planner, Task
from koalarize.batch.stage import Stage, keep_times
from koalarize.batch.standing import Judge, KeptError, Standing, journal_name
from koalarize.colorizer.colorizer import Making
from koalarize.errors import FilmError, KoalarizeError, OptionError, OutputError, PhotoError
from koalarize.film.names import may_move
from koalarize.photo.provenance import Provenance, holds_mark, is_marked
from koalarize.photo.sources import opened
from koalarize.steering.steering import PLAIN, Steering

if TYPE_CHECKING:
    from koalarize.colorizer.colorizer import Colored, Colorizer

__all__ = [
    "BatchOptions",
    "Outcome",
    "asked_of",
    "closing",
    "coloring",
    "colorize_many",
    "failed_at",
    "plan_many",
    "run_task",
]

log = logging.getLogger(__name__)

#: Tasks handed to each worker ahead of the next outcome; each is a few paths.
_AHEAD = 8


def colorize_many(
    colorizer: Colorizer,
    jobs: Iterable[Job],
    steering: Steering = PLAIN,
    options: BatchOptions | None = None,
) -> Generator[Outcome]:
    """Colour pictures; decoding and encoding one overlaps with colouring another.

    Results stand beside their pictures or below a folder. Those of pictures found in folders are
    skipped where the same source, model and settings made them and nobody has changed them; a
    picture that is named itself is coloured again. What somebody changed or what is not ours is
    only replaced with ``overwrite``, as is a job's own ``target``. Where two pictures want one
    name, the later gets a number.

    Args:
        colorizer: shared by all threads; best one of ``threads=1`` where there are several workers.
        jobs: from ``find_pictures`` or a ``Search``; they are taken as they come.
        steering: what is asked of every picture.
        options: where the results go.

    Yields:
        One ``Outcome`` a job, in the order of the jobs, but for those of other shards. A bad file,
        and even a bug, makes a failed outcome and does not stop the rest.

    Raises:
        OptionError: if an option is wrong, which no other picture would change.
        OutputError: if the journal cannot be used, or the disk is full.
    """
    options = options or BatchOptions()
    planner = Planner(options, asked_of(colorizer, steering, options))

    color = coloring(colorizer, steering, options)
    coming = iter(jobs)
    first = list(islice(coming, 2))
    with closing(planner):
        if len(first) == 1:  # no pool: an interrupt then reaches the work at once
            for judge, decided, announcing in _decisions(planner, first, steering):
                if isinstance(decided, Task):
                    decided = _run(color, decided, options, announcing, judge)
                yield _noted(judge, decided)
            return
        workers = planner.workers
        pool = ThreadPoolExecutor(workers, thread_name_prefix="koalarize")
        try:
            work = _Work(pool, color, options)
            decisions = _decisions(planner, chain(first, coming), steering)
            yield from work.in_order(decisions, workers * _AHEAD)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def coloring(
    colorizer: Colorizer, steering: Steering, options: BatchOptions
) -> Callable[[Task], Colored]:
    """Return what colours the picture of a task: frame by frame steadily if it moves.

    Args:
        colorizer: colours pictures.
        steering: what is asked of every picture.
        options: what is asked of files.
    """

    def color(task: Task) -> Colored:
        if not options.layer and may_move(task.source) and find_spec("cv2") is not None:
            from koalarize.film.animation import color_animation

            moving = color_animation(
                colorizer,
                task.source,
                task.target,
                steering,
                overwrite=task.overwrite,
                tolerant=options.tolerant,
            )
            if moving is not None:
                return moving
        return colorizer.file(
            task.source,
            task.target,
            steering,
            overwrite=task.overwrite,
            tolerant=options.tolerant,
            layer=options.layer,
        )

    return color


def asked_of(colorizer: Colorizer, steering: Steering, options: BatchOptions) -> Provenance:
    """Return model, weights and settings of a run, as its results are marked with."""
    return colorizer.provenance(steering, Making(layer=options.layer))


def plan_many(jobs: Iterable[Job], asked: Planner) -> Generator[tuple[Job, Task | Outcome]]:
    """Say what would be done for each job, without doing it.

    Args:
        jobs: as ``colorize_many`` takes them.
        asked: made with ``plan_only``.
    """
    for job in jobs:
        decided = asked.decide(job)
        if decided is not None:
            yield job, decided


@contextmanager
def closing(planner: Planner) -> Generator[None]:
    """Close the journals of a plan at the end."""
    try:
        yield
    finally:
        for journal in planner.journals:
            journal.close()


#: Who judged a job, what is decided, and who stages the result, if it is not named at once.
_Decision = tuple[Judge | None, Task | Outcome, Judge | None]


def _decisions(planner: Planner, jobs: Iterable[Job], steering: Steering) -> Iterator[_Decision]:
    """Decide job by job; a result is staged, and announced, if no mark shows that this run made it.

    So are one that replaces something, which is judged again, and one with a comparison.
    """
    for job in jobs:
        decided = planner.decide(job)
        if decided is None:
            continue
        judge, announcing = planner.known(job), None
        if isinstance(decided, Task) and judge is not None:
            marked = steering.mark and holds_mark(decided.target)
            # Of a name that the journal knows, another result is somebody's.
            shown = judge.journal is None or (marked and judge.journal.made(decided.target) is None)
            alone = shown and decided.why is Standing.FREE and not decided.compare
            announcing = None if alone else judge
        yield judge, decided, announcing


class _Work:
    """Works on a few tasks at once and yields the outcomes in the order of the decisions."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        color: Callable[[Task], Colored],
        options: BatchOptions,
    ) -> None:
        self._pool, self._color, self._options = pool, color, options
        self._pending: deque[tuple[Judge | None, Outcome | Future[Outcome]]] = deque()

    def in_order(self, decisions: Iterator[_Decision], window: int) -> Generator[Outcome]:
        for judge, decided, announcing in decisions:
            if isinstance(decided, Task):
                asked = (self._color, decided, self._options, announcing, judge)
                future = self._pool.submit(_run, *asked)
                self._pending.append((judge, future))
            else:
                self._pending.append((judge, decided))
            while self._pending and (len(self._pending) >= window or self._first_is_done()):
                yield self._finished()
        while self._pending:
            yield self._finished()

    def _first_is_done(self) -> bool:
        first = self._pending[0][1]
        return isinstance(first, Outcome) or first.done()

    def _finished(self) -> Outcome:
        judge, pending = self._pending.popleft()
        outcome = pending if isinstance(pending, Outcome) else pending.result()
        return _noted(judge, outcome)


def _noted(judge: Judge | None, outcome: Outcome) -> Outcome:
    """Note an outcome in its journal."""
    journal = None if judge is None else judge.journal
    if journal is None or judge is None:
        return outcome
    source = journal_name(outcome.source)
    if outcome.status == "failed":
        journal.fail(source, outcome.reason, outcome.error or "")
    elif outcome.output is not None and outcome.stamps is not None:
        made = Made(source, judge.settings, *outcome.stamps, outcome.seconds)
        journal.finish(outcome.output, made)
    return outcome


def _run(
    color: Callable[[Task], Colored],
    task: Task,
    options: BatchOptions,
    announcing: Judge | None,
    judge: Judge | None,
) -> Outcome:
    """Colour one picture; nothing has failed if another run has made just this result meanwhile."""
    outcome = run_task(color, task, options, announcing)
    if outcome.status == "failed" and judge is not None and task.ours:
        with suppress(OSError, OutputError):
            done = judge.standing(task.source, task.target) is Standing.DONE
            if done and task.why is not Standing.AGAIN:
                reason = Standing.DONE.value
                return Outcome(task.source, task.target, "skipped", notes=task.notes, reason=reason)
    return outcome


def run_task(
    color: Callable[[Task], Colored],
    task: Task,
    options: BatchOptions,
    announcing: Judge | None = None,
) -> Outcome:
    """Colour one picture; whatever goes wrong with it is told by the outcome.

    Args:
        color: from ``coloring``.
        task: the picture, and where its result goes.
        options: what is asked of files.
        announcing: judges what is replaced, and has the journal that must know the result's bytes
            before they get their name; None if nothing is replaced and the mark says enough.

    Raises:
        OptionError: if an option is wrong, which no other picture would change.
        OutputError: if the disk is full, which would be met by each later picture.
    """
    start = time.perf_counter()
    try:
        _check_kind(task.source)
        if task.found and task.why is Standing.FREE and is_marked(task.source):
            # Of another --name, and the journal is lost: a plan would have to read all to know it.
            return Outcome(task.source, None, "skipped", reason=OWN)
        if task.compare:
            _check_free(compare_path(task.target), task)
        if task.ours:
            task.target.parent.mkdir(parents=True, exist_ok=True)
        of = Stamp.of(task.source, hashed=True) if task.source.is_file() else None
        stage = None if announcing is None else Stage(announcing, task, options)
        colored = color(task) if stage is None else stage.colored(color, of)
        keep_times(task, colored.written, options)
    except OptionError:
        raise
    except Exception as error:  # whatever it is but a full disk, the other pictures go on
        if (full := full_disk(error, task.target)) is not None:
            raise full from error
        return failed_at(task, error, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    stamps = None if of is None else (of, Stamp.of(colored.written, hashed=True))
    return Outcome(
        task.source,
        colored.written,
        "colored",
        seconds=seconds,
        had_color=colored.had_colors,
        notes=(*task.notes, *colored.notes),
        reason=task.why.value,
        stamps=stamps,
    )


def _check_kind(path: Path) -> None:
    """Refuse a large file of no known kind by its beginning: all else reads it whole.

    Raises:
        PhotoError: if no reader knows its beginning.
    """
    if path.is_file() and path.stat().st_size >= LARGE:
        with opened(path) as stream:
            check_kind(stream, str(path))


#: What a failure is called, by its error.
_REASONS = (
    (PhotoError, "no readable picture"),
    (FilmError, "no readable film"),
    (OutputError, "cannot be written"),
)


def failed_at(task: Task, error: Exception, seconds: float) -> Outcome:
    """Return the outcome of a task that an error ended.

    Args:
        task: the picture or film.
        error: what was raised; one that is not ours is a bug, and is logged.
        seconds: that it took.
    """
    if isinstance(error, KeptError):
        problem, reason = str(error), error.standing.value
    elif isinstance(error, KoalarizeError):
        problem = str(error)
        reason = next((word for kind, word in _REASONS if isinstance(error, kind)), "not done")
    elif isinstance(error, MemoryError):
        what = "picture" if task.film is None else "film"
        problem = (
            f"not enough memory for this {what}; close other programs or colour a smaller copy"
        )
        reason = "not enough memory"
    elif (short := no_thread(error)) is not None:
        problem, reason = short, "not enough memory"
    elif isinstance(error, OSError):
        where = f" (`{error.filename}`)" if error.filename else ""
        problem = f"cannot be read or written: {reason_of(error)}{where}"
        reason = "cannot be read or written"
    else:
        log.error("a bug in koalarize met %s", task.source, exc_info=error)
        problem = f"met a bug in koalarize ({type(error).__name__}: {error}); please report it"
        reason = "a bug in koalarize"
    return Outcome(task.source, None, "failed", problem, seconds, reason=reason)


def _check_free(target: Path, task: Task) -> None:
    if not (task.ours or task.overwrite) and target.exists():
        raise OutputError(f"`{target}` exists already: name another output or add --overwrite")
