"""Files and folders on the command line: where results go, plans, films, watching, one report.

Not here: options (``pictures``), finding and colouring (``batch``), what a terminal sees of it
(``report``).
"""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from koalarize.batch.films import FilmWork, color_many_films, film_planner
from koalarize.batch.find import Job, Search, path_key
from koalarize.batch.forecast import Cost, Forecast, lack_of_room
from koalarize.batch.journal import check_journal
from koalarize.batch.orphans import orphans
from koalarize.batch.plan import BatchOptions, Outcome, Planner, Task
from koalarize.batch.run import asked_of, closing, colorize_many, plan_many
from koalarize.batch.watch import Again, signs_of, watch
from koalarize.cli.replay import replayed_on, warn_of_weights
from koalarize.cli.report import (
    follow,
    note_of_films_left,
    note_of_orphans,
    note_of_unread,
    show_plan,
)
from koalarize.cli.steering_options import option_of_one_picture
from koalarize.cli.terminal import FilmRow, check_films, check_target, one_line, told_to_end
from koalarize.errors import OptionError, OutputError
from koalarize.film.names import is_film
from koalarize.film.options import THREADS
from koalarize.photo.files import EXTENSIONS, make_folder

if TYPE_CHECKING:
    from koalarize.cli.model_choice import ModelChoice
    from koalarize.colorizer.colorizer import Colorizer
    from koalarize.film.coder import Progress
    from koalarize.film.options import FilmOptions
    from koalarize.steering.session import Session
    from koalarize.steering.steering import Steering

__all__ = ["Many", "color_files"]

#: Pictures that are looked for before the first is coloured, so that a bar knows their number.
_COUNTED = 5000
_ONE_TO_WATCH = (
    "`{}` is for one picture as it is now but `--watch` colours those that come: leave one out"
)


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
        films: how films in folders are made; None leaves them alone.
        listed: the names of a list, where one is given in place of ``inputs``.
    """

    inputs: Sequence[str]
    output: str | None
    options: BatchOptions
    report: Path | None = None
    plan: bool = False
    watch: float | None = None
    series: Path | None = None
    films: FilmOptions | None = None
    listed: Sequence[str] | None = None


def color_files(
    many: Many, choice: ModelChoice, steering: Steering, session: Session | None
) -> int:
    """Colour files and folders, and return the exit code.

    Raises:
        KoalarizeError: if what is asked cannot be done at all.
        KeyboardInterrupt: if it is stopped, by SIGTERM too.
    """
    with told_to_end():
        return _color_files(many, choice, steering, session)


def _color_files(
    many: Many, choice: ModelChoice, steering: Steering, session: Session | None
) -> int:
    _check_words(many)
    # Taken before the work: what arrives or changes while it lasts is new to the watch.
    before = {} if many.watch is None else signs_of(_all(_search(many)))
    search = _search(many)
    coming = iter(search) if many.watch is None else _waited_for(search)
    first = list(islice(coming, _COUNTED))
    found = len(first) + len(search.films)
    if session is not None:
        if many.watch is not None:
            raise OptionError(_ONE_TO_WATCH.format("--session"))
        steering = _of_session(session, steering, first)
    elif (option := option_of_one_picture(steering)) is not None and found != 1:
        raise OptionError(f"`{option}` is for one picture but {found} are given: name only one")
    elif option is not None and many.watch is not None:
        raise OptionError(_ONE_TO_WATCH.format(option))
    first, folder = _place(first, many.output, make=not many.plan)
    single = first[0].target if len(first) == 1 else None
    _check_named(many, first, folder, single)
    options = dataclasses.replace(many.options, output=folder)
    # Many pictures have a thread each; a single one has all of them.
    colorizer = choice.load(threads=1 if found > 1 or many.watch else 0)
    if many.series is not None:
        steering = _led_by(many.series, colorizer, steering, options)
    jobs = chain(first, coming)
    of_films = None
    if many.films is not None:  # what cannot be asked of films is refused before any work
        of_films = film_planner(colorizer, steering, options, many.films, plan_only=True)
    if many.plan:
        planner = Planner(options, asked_of(colorizer, steering, options), plan_only=True)
        asked = dataclasses.replace(many, options=options)
        code = _show_plan(asked, jobs, search, planner, of_films)
        note_of_films_left(search.unread)
        return code
    total = found if len(first) < _COUNTED else None
    row = None if many.films is None else FilmRow(_frames)

    def outcomes(pictures: Iterable[Job], films: Iterable[Job]) -> Generator[Outcome]:
        """Colour pictures, then films: those that are found by then."""
        yield from colorize_many(colorizer, pictures, steering, options)
        if many.films is not None and (some := list(films)):
            work = _film_work(many.films, row)
            engine = choice.load(threads=THREADS)
            yield from color_many_films(engine, some, steering, options, work)

    again, code = Again(), 0
    try:
        coming_out = again.noted(outcomes(jobs, search.films))
        code = follow(coming_out, total, many.report, search, row=row, goes_on=_goes_on(many))
    except OutputError as error:
        if many.watch is None:
            raise
        _say_watched(error)
        before = {}  # what was not done is new to the watch, and so is the rest, which is judged
    note_of_orphans(orphans(many.inputs, options))
    note_of_unread(search.unread if many.films else note_of_films_left(search.unread))
    if many.watch is None:
        return code
    for some in watch(lambda: _all(_search(many)), many.watch, before, again):
        pictures = [job for job in some if not is_film(job.source)]
        films = [job for job in some if is_film(job.source)]
        if single is not None:  # the picture that has a file of its own to go to
            pictures = [dataclasses.replace(job, target=single) for job in pictures]
        coming_out = again.noted(outcomes(pictures, films))
        _take_turn(coming_out, some, many, again, row)
    return code


def _take_turn(
    outcomes: Generator[Outcome], jobs: list[Job], many: Many, again: Again, row: FilmRow | None
) -> None:
    """Colour what a watch has found; what ends it, as a full disk, does not end the watch."""
    try:
        follow(outcomes, None, many.report, more=True, row=row, goes_on=True)
    except OutputError as error:
        again.wait_for(jobs)
        _say_watched(error)


def _check_named(many: Many, jobs: Sequence[Job], folder: Path | None, single: Path | None) -> None:
    """Refuse what has no meaning for pictures that are named themselves.

    Raises:
        OptionError: naming the option.
    """
    if many.options.name is not None and single is not None:
        raise OptionError(f"`--name` and `--output` `{single}` both name the result: leave one out")
    alone = folder is None and many.options.journal is None
    if many.options.retry_failed and jobs and alone and not any(job.found for job in jobs):
        raise OptionError(
            "`--retry-failed` needs a journal, which named pictures have only with -o FOLDER: add "
            "that or --journal, or leave it out to colour them again"
        )


def _goes_on(many: Many) -> bool:
    """Tell whether the same command skips what is done: a picture that is named is made again."""
    return not any(os.path.isfile(given) for given in many.inputs)  # noqa: PTH113 (raises nothing)


def _say_watched(error: OutputError) -> None:
    """Say what ended a turn of a watch, as a full disk does where the journal is; it goes on."""
    typer.echo(f"koalarize: error: {one_line(str(error))}; the watch goes on", err=True)


def _check_words(many: Many) -> None:
    """Check what needs no search.

    Raises:
        OptionError: if two files are one, or the last word is nothing yet where folders are named:
            it was meant for ``--output``, and all pictures would get results beside them.
        DependencyError: if films are asked for and cannot be read here.
    """
    if many.films is not None:
        check_films()
    journal = many.options.journal
    if journal is not None:
        check_journal(journal)
    if many.report is not None and journal and path_key(many.report) == path_key(journal):
        raise OptionError(f"`--report` and `--journal` are both `{journal}`: name two files")
    if many.listed is not None:
        _check_list(many)
        return
    *others, last = many.inputs
    if many.output is not None or glob.has_magic(last) or os.path.lexists(last):
        return
    if not Path(last).suffix and any(Path(one).is_dir() for one in others):
        raise OptionError(
            f"`{last}` does not exist: check its name, or put -o before it if results go there"
        )


def _check_list(many: Many) -> None:
    """Refuse what a list of names cannot be asked, and say so where it names nothing."""
    if many.watch is not None:
        raise OptionError(
            "`--watch` looks for new pictures but `--files-from` names what is there: leave one out"
        )
    if many.options.retry_failed and many.output is None and many.options.journal is None:
        raise OptionError(
            "`--retry-failed` needs a journal, which a list has only with -o: add -o or --journal"
        )
    if not many.listed:
        typer.echo("koalarize: note: the list names nothing to colour", err=True)


def _waited_for(search: Search) -> Iterator[Job]:
    """Yield pictures; a folder that holds none yet is what a watch is for."""
    for job in search:
        if job.problem is not None and job.reason == Job.reason and job.source.is_dir():
            typer.echo(f"koalarize: note: `{job.source}` holds no picture yet", err=True)
        else:
            yield job


def _all(search: Search) -> Iterator[Job]:
    """Yield pictures, then films."""
    yield from search
    yield from search.films


def _film_work(films: FilmOptions, row: FilmRow | None) -> FilmWork:
    """Return how films are made, with what a person sees of them."""

    def told(forecast: str) -> None:
        typer.echo(
            f"koalarize: note: {forecast}; a run that is stopped goes on where it was", err=True
        )

    def progress(source: Path, at: Progress) -> None:
        if row is not None:
            row(source.name, at.done, at.total or None)

    def said(source: Path, what: str) -> None:
        typer.echo(f"koalarize: note: {source.name}: {what}", err=True)

    return FilmWork(films, told, progress, said)


def _frames(stage: str, done: int, total: int | None) -> str:
    del stage
    return f"{done} frames" if total is None else f"{done} of {max(done, total)} frames"


def _led_by(
    series: Path, colorizer: Colorizer, steering: Steering, options: BatchOptions
) -> Steering:
    """Return steering that the palette of a series leads; results in it are no part of it.

    Raises:
        OptionError: if the series is missing or holds nothing, or a reference is given too.
    """
    from koalarize.batch.series import palette_of_series

    if not series.exists():
        raise OptionError(f"`--series` is `{series}`, which does not exist: check its name")
    plain = dataclasses.replace(steering, hints=())
    planner = Planner(options, asked_of(colorizer, plain, options), plan_only=True)
    with closing(planner):
        jobs = [job for job in Search([series], name=options.name) if not planner.passes_over(job)]
    palette = palette_of_series(colorizer, jobs, plain)
    return steering.changed({"reference": palette})


def _search(many: Many) -> Search:
    films, listed = many.films is not None, many.listed or ()
    return Search(many.inputs, name=many.options.name, films=films, listed=listed)


def _show_plan(
    many: Many, jobs: Iterable[Job], search: Search, planner: Planner, of_films: Planner | None
) -> int:
    """Say what would be done, what it would come to, and which results have lost their pictures."""
    forecast = Forecast(planner.model)
    decisions = plan_many(jobs, planner)
    if of_films is not None:
        decisions = chain(decisions, plan_many(search.films, of_films))

    def outcomes() -> Iterator[Outcome]:
        for _, decided in decisions:
            forecast.add(decided)
            if isinstance(decided, Task):
                to = decided.source, decided.target
                yield Outcome(*to, "planned", notes=decided.notes, reason=decided.said)
            else:
                yield decided
        yield from orphans(many.inputs, many.options)

    def whole() -> tuple[str, Cost]:
        known = [] if of_films is None else of_films.journals
        of_all = planner.journals, planner.workers, known
        return forecast.sentence(*of_all), forecast.cost(*of_all)

    code = show_plan(outcomes(), whole, many.report, search)
    given = (Path(given) for given in many.inputs or many.listed or ())
    folders = (one if one.is_dir() else one.parent for one in given)
    place = next(folders, Path()) if many.output is None else Path(many.output)
    lack = lack_of_room(whole()[1].room, place)
    if lack is not None:
        typer.echo(f"koalarize: note: {lack}", err=True)
    return code


def _of_session(session: Session, steering: Steering, jobs: Sequence[Job]) -> Steering:
    """Return a session's steering for the one picture; say so if that or the weights are others."""
    if len(jobs) != 1:
        raise OptionError(
            f"`--session` is for one picture but {len(jobs)} are given: name only one"
        )
    if jobs[0].problem is None and jobs[0].source.is_file():
        source = jobs[0].source
        steering = replayed_on(session, steering, source.read_bytes(), source.name)
    warn_of_weights(session)
    return steering


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
            check_target(path)
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
