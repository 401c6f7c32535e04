"""The options that ``pictures`` has for many files: names, journals, parts, plans.

Not here: those that ``cluster`` has word for word (``many_options``), what they do (``batch``,
``cli.folders``). Loads nothing slow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from koalarize.cli.many_options import FILES_FROM, FOLDERS, NAME, PART, PLAN

__all__ = [
    "AlsoFilms",
    "FilesFrom",
    "Journal",
    "Name",
    "Plan",
    "Shard",
    "Times",
    "Watch",
    "Workers",
]

AlsoFilms = Annotated[
    bool,
    typer.Option("--films", help="Colour the films in folders too.", rich_help_panel=FOLDERS),
]
FilesFrom = Annotated[
    str | None, FILES_FROM(help="Colour what a list names, a name a line; - for stdin.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=256,
        help="Pictures in work at once; one a core.",
        rich_help_panel=FOLDERS,
    ),
]
Name = Annotated[
    str | None,
    NAME(help="How results are called; photo managers stack '{stem} (color)'. [{stem}.color]"),
]
Journal = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The journal; usually .koalarize.sqlite beside the results.",
        rich_help_panel=FOLDERS,
    ),
]
Plan = Annotated[
    bool, PLAN(help="Only say what would be done, and how long it would take; of a named film too.")
]
Shard = Annotated[
    str | None,
    PART(help="Only part I of N, for machines that share a folder.", rich_help_panel=FOLDERS),
]
Watch = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.05,
        max=86400,
        help="Go on, and look for new pictures this often.",
        rich_help_panel=FOLDERS,
    ),
]
Times = Annotated[
    bool,
    typer.Option(
        "--keep-times", help="Results get the times of their pictures.", rich_help_panel=FOLDERS
    ),
]
