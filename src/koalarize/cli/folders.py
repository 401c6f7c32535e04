"""Files and folders on the command line: where results go, plans, watching, one report.

Not here: options (``pictures``), finding and colouring (``batch``), what a terminal sees of it
(``report``).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from koalarize.batch.find import Job, Search
from koalarize.batch.forecast import Forecast
from koalarize.batch.plan import BatchOptions, Planner, Task
from koalarize.batch.run import asked_of, colorize_many, plan_many
from koalarize.batch.watch import signs_of, watch
from koalarize.cli.replay import check_bytes, warn_of_weights
from koalarize.cli.report import follow, note_of_unread
from koalarize.cli.steering_options import option_of_one_picture
from koalarize.errors import OptionError
from koalarize.photo.files import EXTENSIONS, make_folder

if TYPE_CHECKING:
    from koalarize.cli.model_choice import ModelChoice
    from koalarize.colorizer.colorizer import Colorizer
    from koalarize.steering.session import Session
    from koalarize.steering.steering import Steering

__all__ = ["Many", "color_files"]

#: Pictures that are looked for before the first is coloured, so that a bar knows their number.
_COUNTED = 5000


@dataclass(frozen=True)
class Many:
    """What a command line says of files and folders.

    Attributes:
        inputs: files, folders and globs.
        output: a file or a folder.
        options: all else that is asked of many.
        report: a file for a line of JSON a picture.
        plan: only say what would be done.
        watch: seconds between two looks for new pictures; None looks once.
        series: a folder whose palette leads all pictures.
    """

    inputs: Sequence[str]
    output: str | None
    options: BatchOptions
    report: Path | None = None
    plan: bool = False
    watch: float | None = None
    series: Path | None = None


def color_files(
    many: Many, choice: ModelChoice, steering: Steering, session: Session | None
) -> int:
    """Colour files and folders, and return the exit code.

    Raises:
        KoalarizeError: if what is asked cannot be done at all.
    """
    search = _search(many)
    coming = iter(search)
    first = list(islice(coming, _COUNTED))
    if session is not None:
        _check_photo(session, first)
    elif (option := option_of_one_picture(steering)) is not None and len(first) != 1:
        raise OptionError(
            f"`{option}` is for one picture but {len(first)} are given: name only one"
        )
    first, folder = _place(first, many.output, make=not many.plan)
    options = dataclasses.replace(many.options, output=folder)
    # Many pictures have a thread each; a single one has all of them.
    colorizer = choice.load(threads=1 if len(first) > 1 or many.watch else 0)
    if many.series is not None:
        steering = _led_by(many.series, colorizer, steering)
    jobs = chain(first, coming)
    if many.plan:
        return _show_plan(
            jobs, Planner(options, asked_of(colorizer, steering, options), plan_only=True)
        )
    # Taken before the work: what arrives or changes while it lasts is new to the watch.
    before = {} if many.watch is None else signs_of(_search(many))
    total = len(first) if len(first) < _COUNTED else None
    outcomes = colorize_many(colorizer, jobs, steering, options)
    code = follow(outcomes, total, many.report, search)
    note_of_unread(search.unread)
    if many.watch is None:
        return code
    for found in watch(lambda: _search(many), many.watch, before):
        follow(colorize_many(colorizer, found, steering, options), None, many.report, more=True)
    return code


def _led_by(series: Path, colorizer: Colorizer, steering: Steering) -> Steering:
    """Return steering that the palette of a series leads.

    Raises:
        OptionError: if the series holds nothing, or a reference is given too.
    """
    from koalarize.batch.find import find_pictures
    from koalarize.batch.series import palette_of_series

    plain = dataclasses.replace(steering, hints=())
    palette = palette_of_series(colorizer, find_pictures([series]), plain)
    return steering.changed({"reference": palette})


def _search(many: Many) -> Search:
    return Search(many.inputs, name=many.options.name)


def _show_plan(jobs: Iterable[Job], planner: Planner) -> int:
    """Say on stdout what would be done, a line a picture, and what it would come to."""
    forecast = Forecast()
    for job, decided in plan_many(jobs, planner):
        if isinstance(decided, Task):
            typer.echo(f"{decided.why.value}: {job.source} -> {decided.target}")
        elif decided.status == "failed":
            typer.echo(f"failed, {decided.reason}: {job.source}: {decided.error}")
        else:
            typer.echo(f"{decided.reason}: {job.source}")
        forecast.add(decided)
    typer.echo(forecast.sentence(planner.journals, planner.workers))
    return 1 if forecast.counts["failed"] else 0


def _check_photo(session: Session, jobs: Sequence[Job]) -> None:
    """Check that the one picture is that of the session, and say so if the weights are others."""
    if len(jobs) != 1:
        raise OptionError(
            f"`--session` is for one picture but {len(jobs)} are given: name only one"
        )
    if jobs[0].problem is None and jobs[0].source.is_file():
        check_bytes(session, jobs[0].source.read_bytes(), jobs[0].source.name)
    warn_of_weights(session)


def _place(
    jobs: list[Job], output: str | None, *, make: bool = True
) -> tuple[list[Job], Path | None]:
    """Decide whether ``output`` is the file of the only picture or a folder for all.

    Returns:
        The jobs, with the file as ``target`` if it is one, and the folder if it is one.
    """
    if output is None:
        return jobs, None
    path = Path(output)
    separators = tuple(filter(None, (os.sep, os.altsep)))
    folder = path.is_dir() or output.endswith(separators)
    if not folder and len(jobs) == 1 and not jobs[0].found:
        if path.exists() or path.suffix:
            return [dataclasses.replace(jobs[0], target=path)], None
    elif not folder and (path.exists() or path.suffix.lower() in EXTENSIONS):
        raise OptionError(
            f"`--output` is the file `{output}`, but a folder or several pictures are given: "
            "name a folder"
        )
    if not make:
        return jobs, path
    make_folder(output)
    return jobs, path
