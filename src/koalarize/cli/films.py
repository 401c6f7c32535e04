"""``koalarize film.mp4``: colour films; what a terminal sees of them.

Not here: how a film is coloured (``film.film``), pictures (``cli.pictures``). Data goes to stdout,
all else to stderr.
"""

from __future__ import annotations

import glob
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from koalarize.batch.find import is_own, own_stem, path_key
from koalarize.cli.film_plan import show_film_plan
from koalarize.cli.model_choice import ModelChoice
from koalarize.cli.report import note_of_losses
from koalarize.cli.terminal import StoppedError, check_films, stages, told_to_end
from koalarize.cli.terminal_picture import pictures_above
from koalarize.errors import KoalarizeError, OptionError
from koalarize.film.names import film_path, is_film, of_span, without_span
from koalarize.film.options import THREADS, FilmOptions
from koalarize.photo.files import make_folder
from koalarize.steering.steering import Steering

if TYPE_CHECKING:
    from koalarize.colorizer.colorizer import Colorizer
    from koalarize.film.coder import Progress
    from koalarize.film.result import FilmResult

__all__ = ["Films", "color_films"]

#: Seconds of work from which a person is told before.
_LONG = 300.0
_LEAST_SHOWN = 0.05  # MB: less would be shown as 0.0
_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


@dataclass(frozen=True)
class Films:
    """Which films, and what is wanted of them.

    Attributes:
        inputs: names, or globs.
        output: a file for the only film, or a folder for many.
        overwrite: replace results that are there.
        list_shots: write the list of shots instead of a film.
        preview: colour so many frames on one sheet instead of a film.
        export_frames: a folder for one frame a shot, instead of a film.
        in_color: those coloured, as a beginning.
        picture: show the frame in work in terminals that show pictures.
        plan: only say what would be done.
    """

    inputs: Sequence[str]
    output: str | None
    overwrite: bool
    list_shots: bool = False
    preview: int | None = None
    export_frames: Path | None = None
    in_color: bool = False
    picture: bool = True
    plan: bool = False


def color_films(
    wanted: Films, choice: ModelChoice, steering: Steering, options: FilmOptions
) -> int:
    """Colour films one after the other; return the exit code.

    Raises:
        KoalarizeError: if the only film cannot be coloured.
    """
    check_films()
    if wanted.preview is not None and not 1 <= wanted.preview <= 100:
        raise OptionError(f"`--preview` is {wanted.preview} but must be from 1 to 100 frames")
    _check_job(wanted, options)
    sources = _expanded(wanted.inputs)
    targets = _targets(sources, wanted, options)
    if wanted.in_color and wanted.export_frames is None:
        raise OptionError("`--in-color` goes with `--export-frames`: name its folder, or leave it")
    one = {
        "--shots": options.shots,
        "--frames": options.frames,
        "--export-frames": wanted.export_frames,
    }
    for option, given in one.items():
        if given is not None and len(sources) > 1:
            raise OptionError(
                f"`{option}` is for one film but {len(sources)} are given: name only one"
            )
    _check_apart(sources, targets, wanted, options)
    if wanted.plan:
        new_folder = wanted.output is not None and wanted.output.endswith(_SEPARATORS)
        return show_film_plan(
            sources, targets, options, overwrite=wanted.overwrite, new_folder=new_folder
        )
    colorizer = choice.load(threads=THREADS)
    code = 0
    for source, target in zip(sources, targets, strict=True):
        try:
            with told_to_end():
                code |= _one(_Film(colorizer, source, target, wanted, steering, options))
        except KoalarizeError as error:
            if len(sources) == 1 or isinstance(error, (OptionError, StoppedError)):
                raise
            code = 1
            typer.echo(f"koalarize: error: {' '.join(str(error).split())}", err=True)
    return code


def _check_job(wanted: Films, options: FilmOptions) -> None:
    """Refuse what has no meaning for what is written instead of a film.

    Raises:
        OptionError: naming the option.
    """
    jobs = {
        "--list-shots": wanted.list_shots,
        "--export-frames": wanted.export_frames is not None,
        "--preview": wanted.preview is not None,
    }
    job = next((name for name, asked in jobs.items() if asked), None)
    if job is None:
        return
    if wanted.output is not None and job != "--preview":
        place = "beside the film" if wanted.list_shots else "into the folder that it names"
        raise OptionError(f"`{job}` writes {place}: leave `--output` out")
    if options.shots is not None and wanted.list_shots:
        raise OptionError(f"`{job}` looks at no list of shots: leave `--shots` out")
    if options.frames is not None:
        raise OptionError(f"`{job}` carries no colours of frames: leave `--frames` out")


@dataclass(frozen=True)
class _Film:
    """One film, and what is asked of it."""

    colorizer: Colorizer
    source: Path
    target: Path | None
    wanted: Films
    steering: Steering
    options: FilmOptions


def _one(film: _Film) -> int:
    from koalarize.film.film import export_film, list_shots, preview_film

    _note_of_list(film.source, film.options)
    if film.wanted.list_shots:
        path, count = list_shots(film.source, film.options, overwrite=film.wanted.overwrite)
        typer.echo(path)
        shots = "1 shot" if count == 1 else f"{count} shots"
        typer.echo(f"koalarize: note: {shots}: edit the list, then add --shots {path}", err=True)
        return 0
    if film.wanted.export_frames is not None:
        coloring = film.colorizer if film.wanted.in_color else None
        folder = film.wanted.export_frames
        written = export_film(
            coloring,
            film.source,
            folder,
            film.steering,
            film.options,
            overwrite=film.wanted.overwrite,
        )
        for path in written.paths:
            typer.echo(path)
        note_of_losses(film.source.name, written.notes)
        typer.echo(
            f"koalarize: note: colour these, under their names, then add --frames {folder}",
            err=True,
        )
        return 0
    if film.wanted.preview is not None:
        sheet = preview_film(
            film.colorizer,
            film.source,
            film.steering,
            film.options,
            film.wanted.preview,
            film.target,
            film.wanted.overwrite,
        )
        typer.echo(sheet)
        return 0
    return _colored(film)


def _colored(film: _Film) -> int:
    from koalarize.film.film import color_film

    _warn(film)
    begin = time.perf_counter()
    sizes = [0]

    def amount(stage: str, done: int, total: int | None) -> str:
        del stage
        coded = sizes[0] / 1e6
        frames = f"{done} frames" if total is None else f"{done} of {max(done, total)} frames"
        if coded < _LEAST_SHOWN:  # the encoder holds the first frames back
            return frames
        if total is None:
            return f"{frames}, {_number(coded)} MB"
        whole = coded * max(done, total) / max(1, done)
        return f"{frames}, {_number(coded)} of about {_number(whole)} MB"

    with pictures_above(wanted=film.wanted.picture) as picture, stages(amount) as show:

        def progress(at: Progress) -> None:
            sizes[0] = at.bytes
            show(film.source.name, at.done, at.total or None)
            picture(at, show.console)

        result = color_film(
            film.colorizer,
            film.source,
            film.target,
            film.steering,
            film.options,
            overwrite=film.wanted.overwrite,
            progress=progress,
            told=lambda said: typer.echo(f"koalarize: note: {film.source.name}: {said}", err=True),
        )
    _tell(film.source, result, time.perf_counter() - begin)
    return 1 if result.damaged else 0


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _warn(film: _Film) -> None:
    """Say before hours of work how long it takes and what room it needs."""
    from koalarize.batch.forecast import film_cost, time_and_room
    from koalarize.film.film import look_at

    look = look_at(film.source, film.options, film.target)
    seconds, room = film_cost(look)
    if seconds >= _LONG:
        less = ", less what is coloured already" if look.begun else ""
        typer.echo(
            f"koalarize: note: {film.source.name} takes {time_and_room(seconds, room)}, by the "
            f"usual rates{less}; a run that is stopped goes on where it was, and --preview 9 shows "
            "frames first",
            err=True,
        )


def _note_of_list(source: Path, options: FilmOptions) -> None:
    """Say before any work that a list was written for another film."""
    from koalarize.film.shot_list import film_of

    listed = None if options.shots is None else film_of(options.shots)
    if listed is not None and listed != source.name:
        typer.echo(
            f"koalarize: note: the list {options.shots} was written for {listed}, not for "
            f"{source.name}: stop the run if that is another film",
            err=True,
        )


def _tell(source: Path, result: FilmResult, seconds: float) -> None:
    if sys.stdout.isatty():
        typer.echo(f"{result.path} ({result.frames} frames, {seconds:.1f} s)")
    else:
        typer.echo(result.path)
    note_of_losses(source.name, result.notes)
    if (damage := result.damage) is not None:
        typer.echo(f"koalarize: error: {source}: {damage}", err=True)


def _expanded(inputs: Sequence[str]) -> list[Path]:
    """Return the films that names and globs name; junk and earlier results are passed over."""
    found: list[Path] = []
    for given in inputs:
        path = Path(given)
        if path.exists() or not glob.has_magic(given):
            found.append(path)
            continue
        names = sorted(glob.glob(given, recursive=True))  # noqa: PTH207
        films = [Path(name) for name in names if is_film(name)]
        matches = [film for film in films if not (is_own(film) or film.name.startswith("."))]
        if not matches:
            raise OptionError(f"`{given}` matches no film: check the name")
        found += matches
    originals = {(path.parent, path.stem) for path in found}
    return [path for path in dict.fromkeys(found) if not _is_result_of(path, originals)]


def _is_result_of(path: Path, originals: set[tuple[Path, str]]) -> bool:
    """Tell whether a film is the result of another that is named too, as a shell's `*.mp4` does."""
    return is_own(path) and (path.parent, without_span(own_stem(path))) in originals


def _targets(sources: Sequence[Path], wanted: Films, options: FilmOptions) -> list[Path | None]:
    """Return the file to write for each film; None beside it."""
    output = wanted.output
    if output is None:
        return [None] * len(sources)
    path = Path(output)
    if not path.is_dir() and not output.endswith(_SEPARATORS):
        if len(sources) == 1:
            return [path]
        raise OptionError(f"`--output` is the file `{output}` but {len(sources)} films are given")
    if not wanted.plan:
        make_folder(output)
    return [path / _name(source, wanted, options) for source in sources]


def _name(source: Path, wanted: Films, options: FilmOptions) -> str:
    """Return what a film's result is called: as beside it, so that its container holds it."""
    try:
        return _result(source, None, wanted, options).name
    except KoalarizeError:  # named when its turn comes
        return film_path(source, suffix=f"{of_span(options.start, options.stop)}.color").name


def _check_apart(
    sources: Sequence[Path],
    targets: Sequence[Path | None],
    wanted: Films,
    options: FilmOptions,
) -> None:
    """Check that no two films have one result: the second would replace the first.

    Raises:
        OptionError: naming two that have.
    """
    stems = Counter(path_key(source.with_suffix("")) for source in sources)
    found: dict[str, Path] = {}
    for source, target in zip(sources, targets, strict=True):
        if target is None and stems[path_key(source.with_suffix(""))] == 1:
            continue  # its result has its own stem
        try:
            path = _result(source, target, wanted, options)
        except KoalarizeError:  # named when its turn comes
            continue
        other = found.setdefault(path_key(path), source)
        if other is not source:
            way = "rename one of them" if wanted.list_shots else "colour them one by one with -o"
            raise OptionError(f"`{other}` and `{source}` would both become `{path}`: {way}")


def _result(source: Path, target: Path | None, wanted: Films, options: FilmOptions) -> Path:
    """Return the file that a film becomes; the film is opened only where its name says too little.

    Raises:
        KoalarizeError: if it has to be opened and cannot be.
    """
    from koalarize.film.film import look_at
    from koalarize.film.shot_list import list_path
    from koalarize.film.spread import preview_path

    if wanted.list_shots:
        return list_path(source, options)
    if target is not None:
        return target
    if wanted.preview is not None:
        return preview_path(source, options)
    return look_at(source, options).path
