"""The options of the command line that are for many files: names, journals, parts, plans.

Not here: what they do (``batch``, ``cli.folders``). Loads nothing slow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "FOLDERS",
    "AlsoFilms",
    "Journal",
    "Name",
    "Plan",
    "Report",
    "Retry",
    "Shard",
    "Times",
    "Watch",
    "Workers",
]

#: Heading of the help under which these options stand.
FOLDERS = "Folders"

AlsoFilms = Annotated[
    bool,
    typer.Option("--films", help="Colour the films in them too.", rich_help_panel=FOLDERS),
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
    typer.Option(
        metavar="TEMPLATE",
        help="How results are called; photo managers stack '{stem} (color)'. [{stem}.color]",
        show_default=False,
        rich_help_panel=FOLDERS,
    ),
]
Journal = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The journal; usually .koalarize.sqlite beside the results.",
        rich_help_panel=FOLDERS,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write a line of JSON for each picture.", rich_help_panel=FOLDERS
    ),
]
Plan = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Only say what would be done, and how long it would take.",
        rich_help_panel=FOLDERS,
    ),
]
Retry = Annotated[
    bool,
    typer.Option(
        "--retry-failed", help="Only what failed when it was last tried.", rich_help_panel=FOLDERS
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Only part I of N, for machines that share a folder.",
        rich_help_panel=FOLDERS,
    ),
]
Watch = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.05,
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
