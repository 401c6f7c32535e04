"""``koalarize film.mp4 --plan``: what would be done with films that are named, and what it costs.

Not here: the plan of a folder (``cli.report``), what is done with the films (``cli.films``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from koalarize.cli.report import note_of_losses
from koalarize.errors import KoalarizeError
from koalarize.film.options import FilmOptions

__all__ = ["show_film_plan"]


def show_film_plan(
    sources: Sequence[Path],
    targets: Sequence[Path | None],
    options: FilmOptions,
    *,
    overwrite: bool,
    new_folder: bool,
) -> int:
    """Say on stdout what would be done, a line a film, and what it would come to.

    Args:
        sources: the films.
        targets: the file to write for each; None beside it.
        options: how they are to be made.
        overwrite: whether results that are there would be replaced.
        new_folder: whether the run itself would make the folder of the results.

    Returns:
        The exit code: 1 if a film would fail, else 0.
    """
    from koalarize.batch.forecast import lasting, total_of_films
    from koalarize.film.facts import read_facts
    from koalarize.film.film import look_at
    from koalarize.film.mark import is_marked
    from koalarize.film.result import Outlook
    from koalarize.film.target import check_target

    films: list[Outlook] = []
    failed = before = 0
    for source, target in zip(sources, targets, strict=True):
        try:
            film = look_at(source, options, target)
            if not overwrite and _is_other(film.path, source) and is_marked(film.path):
                before += 1
                lasts = lasting(read_facts(film.path).seconds), lasting(film.seconds)
                part = f"lasts {lasts[0]} of {lasts[1]}; " * (lasts[0] != lasts[1])
                again = f"{part}add --overwrite to colour it again"
                typer.echo(f"coloured before: {source} -> {film.path} ({again})")
                continue
            if film.path.parent.is_dir() or not new_folder:
                check_target(film.path, source, overwrite=overwrite)
        except KoalarizeError as error:
            failed += 1
            typer.echo(f"failed: {source}: {' '.join(str(error).split())}")
            continue
        why = "parts are there" if film.begun else "new"
        length = lasting(film.seconds)
        typer.echo(f"{why}: {source} -> {film.path} ({film.frames} frames, {length})")
        note_of_losses(source.name, film.lost)
        films.append(film)
    counts = [f"{len(films)} film{'s' * (len(films) != 1)} to colour"] * bool(films)
    counts += [f"{before} coloured before"] * bool(before)
    counts += [f"{failed} failed"] * bool(failed)
    typer.echo(", ".join(counts) + (f"; {total_of_films(films)}" if films else ""))
    return 1 if failed else 0


def _is_other(path: Path, source: Path) -> bool:
    return path.exists() and not path.samefile(source)
