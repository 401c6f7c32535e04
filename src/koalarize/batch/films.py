"""Films among many files: decided first, then made one after the other, each by all cores.

Not here: how a film is coloured (``film``), pictures (``run``). A film is one job: it goes on after
its last whole part when a run was stopped, and its mark has no seal, so the journal alone knows it.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from koalarize.batch.find import Job
from koalarize.batch.forecast import Forecast
from koalarize.batch.full import full_disk
from koalarize.batch.journal import Made, Stamp
from koalarize.batch.plan import BatchOptions, Outcome, Planner, Task
from koalarize.batch.run import closing, failed_at
from koalarize.batch.stage import keep_times
from koalarize.batch.standing import Judge, journal_name
from koalarize.errors import OptionError, OutputError
from koalarize.film.options import FilmOptions
from koalarize.photo.provenance import Provenance
from koalarize.steering.steering import Steering

if TYPE_CHECKING:
    from koalarize.colorizer.colorizer import Colorizer
    from koalarize.film.coder import Progress

__all__ = ["FilmWork", "color_many_films", "film_planner"]

#: What a film is called of which some seconds could not be read.
_DAMAGED = "damaged in part"


def _nobody(*_: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class FilmWork:
    """How films among many files are made, and who is told.

    Attributes:
        options: how each is made.
        told: called with the forecast of all, before the first is made.
        progress: called with a film and how far it is.
        said: called before a film is made with what should be known of it, a sentence.
    """

    options: FilmOptions
    told: Callable[[str], None] = _nobody
    progress: Callable[[Path, Progress], None] = _nobody
    said: Callable[[Path, str], None] = _nobody


def film_planner(
    colorizer: Colorizer,
    steering: Steering,
    options: BatchOptions,
    films: FilmOptions,
    *,
    plan_only: bool = False,
) -> Planner:
    """Return what decides about films, job by job.

    Args:
        colorizer: colours pictures.
        steering: what is asked of every film.
        options: where the results go.
        films: how films are made.
        plan_only: write nothing.

    Raises:
        OptionError: if something cannot be asked of a film.
    """
    from koalarize.film.encode import check_encoder
    from koalarize.film.film import check_steering

    check_steering(steering)
    check_encoder(films.codec)
    asked = _asked(colorizer.provenance(steering), films)
    return Planner(options, asked, plan_only=plan_only, films=films)


def _asked(asked: Provenance, films: FilmOptions) -> Provenance:
    """Return model, weights and settings, those of films among them."""
    how = films.coding() | {"one_palette": films.one_palette}
    return dataclasses.replace(asked, settings=f"{asked.settings} {json.dumps(how)}")


def color_many_films(
    colorizer: Colorizer,
    jobs: Iterable[Job],
    steering: Steering,
    options: BatchOptions,
    work: FilmWork,
) -> Generator[Outcome]:
    """Colour films; what becomes of each is decided before the first is made.

    Args:
        colorizer: best one that has all threads.
        jobs: ``Search.films``.
        steering: what is asked of every film.
        options: where the results go.
        work: how films are made, and who is told.

    Yields:
        One ``Outcome`` a film, but for those of other shards; first of those that need no work.

    Raises:
        OptionError: if something cannot be asked of a film.
        OutputError: if the journal cannot be used, or the disk is full.
    """
    from koalarize.film.store import clear_finished

    planner = film_planner(colorizer, steering, options, work.options)
    with closing(planner):
        tasks: list[tuple[Judge | None, Task]] = []
        forecast = Forecast(planner.model)
        for job in jobs:
            decided = planner.decide(job)
            if isinstance(decided, Task):
                forecast.add(decided)
                tasks.append((planner.known(job), decided))
            elif decided is not None:
                if decided.output is not None:
                    clear_finished(decided.output)
                yield _noted(planner.known(job), decided)
        if tasks:
            work.told(forecast.sentence([], planner.workers, planner.journals))
        for judge, task in tasks:
            yield _made(colorizer, judge, task, steering, options, work)


def _made(
    colorizer: Colorizer,
    judge: Judge | None,
    task: Task,
    steering: Steering,
    options: BatchOptions,
    work: FilmWork,
) -> Outcome:
    """Make a film; the journal knows its bytes before they get their name, and afterwards."""
    from koalarize.film.film import color_film

    start = time.perf_counter()
    try:
        _check(judge, task, options)
        of = Stamp.of(task.source, hashed=True)

        def whole(path: Path) -> None:
            keep_times(task, path, options)
            _check(judge, task, options)
            if judge is not None:
                judge.announce(task.source, task.target, of, Stamp.of(path))

        task.target.parent.mkdir(parents=True, exist_ok=True)
        result = color_film(
            colorizer,
            task.source,
            task.target,
            steering,
            work.options,
            overwrite=task.overwrite,
            progress=lambda at: work.progress(task.source, at),
            whole=whole,
            told=lambda what: work.said(task.source, what),
        )
        seconds = time.perf_counter() - start
        # First as it stands: to hash hours of film takes time, in which a process may be killed.
        for hashed in (False, True):
            stamp = Stamp.of(result.path, hashed=hashed)
            _note(judge, task, of, stamp, 0.0 if result.resumed else seconds)
    except OptionError:
        raise
    except Exception as error:  # whatever it is but a full disk, the other films go on
        if (full := full_disk(error, task.target)) is not None:
            if isinstance(error, OutputError):  # it tells what of the film is kept
                raise
            raise full from error
        return _noted(judge, failed_at(task, error, time.perf_counter() - start))
    outcome = Outcome(
        task.source,
        result.path,
        "colored",
        seconds=seconds,
        notes=(*task.notes, *result.notes),
        reason=task.why.value,
        stamps=(of, stamp),
        damage=result.damage,
    )
    return _noted(judge, outcome)


def _check(judge: Judge | None, task: Task, options: BatchOptions) -> None:
    """Judge again what a film would replace: hours have passed since it was decided.

    Raises:
        KeptError: if it may not be replaced.
    """
    if judge is not None and task.overwrite and not options.overwrite:
        judge.check(task.source, task.target)


def _note(judge: Judge | None, task: Task, of: Stamp, result: Stamp, seconds: float) -> None:
    """Note a finished film in its journal, on the disk."""
    if judge is None or judge.journal is None:
        return
    made = Made(journal_name(task.source), judge.settings, of, result, seconds)
    judge.journal.finish(task.target, made)
    judge.journal.commit()


def _noted(judge: Judge | None, outcome: Outcome) -> Outcome:
    """Note what failed, or is damaged in part, in its journal."""
    if judge is not None and judge.journal is not None:
        source = journal_name(outcome.source)
        if outcome.status == "failed":
            judge.journal.fail(source, outcome.reason, outcome.error or "")
        elif outcome.damage is not None:
            judge.journal.fail(source, _DAMAGED, outcome.damage)
        judge.journal.commit()
    return outcome
