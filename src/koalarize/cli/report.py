"""What a person or a pipe sees of many pictures: paths, a summary, failures.

Not here: the colouring (``batch``), bars (``cli.terminal``). Data goes to stdout, all else to
stderr.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

import typer

from koalarize.cli.terminal import named_bar
from koalarize.photo.files import HEIF_EXTENSIONS

if TYPE_CHECKING:
    from koalarize.batch.run import Outcome

__all__ = ["follow", "note_of_colors", "note_of_losses", "note_of_unread"]


def follow(outcomes: Generator[Outcome], total: int) -> int:
    """Go through the outcomes and show each in its place.

    A terminal gets a progress bar on stderr and a summary; a pipe gets the path of each coloured
    picture, one a line, and nothing else. Failures come last, on stderr.

    Returns:
        The exit code: 1 if a picture failed, else 0.
    """
    counts: Counter[str] = Counter()
    tinted = 0
    failed: list[Outcome] = []
    noted: list[Outcome] = []
    last: Outcome | None = None
    quiet = not sys.stdout.isatty()
    with closing(outcomes), named_bar(total) as advance:
        for outcome in outcomes:
            advance(outcome.source.name)
            counts[outcome.status] += 1
            tinted += outcome.had_color
            last = outcome
            if outcome.notes:
                noted.append(outcome)
            if outcome.status == "failed":
                failed.append(outcome)
            elif outcome.status == "colored" and quiet:
                typer.echo(outcome.output)
    if not quiet:
        _summarize(counts, tinted, last if total == 1 else None)
    if tinted:
        note_of_colors(tinted)
    for outcome in noted:
        note_of_losses(outcome.source.name, outcome.notes)
    for outcome in failed:
        _complain(outcome, alone=total == 1)
    return 1 if failed else 0


def note_of_colors(pictures: int) -> None:
    """Say on stderr that pictures had colours of their own, and how to keep them."""
    what = "the picture has" if pictures == 1 else f"{pictures} pictures have"
    typer.echo(
        f"koalarize: note: {what} colours already, which new ones replaced; "
        "--keep-color keeps them",
        err=True,
    )


def note_of_losses(name: str, notes: tuple[str, ...]) -> None:
    """Say on stderr what of a picture is not in its result."""
    if notes:
        typer.echo(f"koalarize: note: {name}: {'; '.join(notes)}", err=True)


def note_of_unread(unread: Mapping[str, int]) -> None:
    """Say on stderr how many files of folders were of no kind that is read.

    Args:
        unread: their number by ending.
    """
    total = sum(unread.values())
    if not total:
        return
    kinds = sorted(unread.items(), key=lambda kind: (-kind[1], kind[0]))
    listed = ", ".join(f"{count} {ending or 'without an ending'}" for ending, count in kinds)
    files = "1 file" if total == 1 else f"{total} files"
    heif = any(ending in HEIF_EXTENSIONS for ending in unread)
    help = "; `pip install 'koalarize[heif]'` reads HEIC" if heif else ""
    typer.echo(f"koalarize: note: {files} not read: {listed}{help}", err=True)


def _summarize(counts: Counter[str], tinted: int, only: Outcome | None) -> None:
    if only is None:
        words = (("colored", "coloured"), ("skipped", "already there"), ("failed", "failed"))
        parts = [f"{counts[status]} {word}" for status, word in words if counts[status]]
        if tinted:
            parts[0] += f" ({tinted} had colours)"
        typer.echo(", ".join(parts))
    elif only.status == "colored":
        typer.echo(f"{only.output} ({only.seconds:.1f} s)")
    elif only.status == "skipped":
        typer.echo(f"{only.output} is already there; --overwrite colours it again")


def _complain(outcome: Outcome, *, alone: bool) -> None:
    reason = " ".join((outcome.error or "failed").split()).removeprefix(f"`{outcome.source}` ")
    start = "koalarize: error: " if alone else ""
    typer.echo(f"{start}{outcome.source}: {reason}", err=True)
