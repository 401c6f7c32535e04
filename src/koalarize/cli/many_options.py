"""The options of many pictures that ``pictures`` and ``cluster`` both have, each declared once.

Not here: options of the model (``model_choice``) and of the colours (``steering_options``). What is
in capitals is said differently by the two: ``Annotated[bool, LAYER(help="...")]``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from koalarize.errors import OptionError

__all__ = [
    "FILES_FROM",
    "FOLDERS",
    "LAYER",
    "NAME",
    "OVERWRITE",
    "PART",
    "PLAN",
    "KeepEarlier",
    "Null",
    "Report",
    "Retry",
    "Tolerant",
    "check_kept",
]

#: Under which heading of the help options of folders stand.
FOLDERS = "Folders"

FILES_FROM = partial(typer.Option, "--files-from", metavar="LIST", rich_help_panel=FOLDERS)
LAYER = partial(typer.Option, "--layer")
NAME = partial(
    typer.Option, "--name", metavar="TEMPLATE", show_default=False, rich_help_panel=FOLDERS
)
OVERWRITE = partial(typer.Option, "--overwrite")
PART = partial(typer.Option, "--shard", metavar="I/N")
PLAN = partial(typer.Option, "--plan", rich_help_panel=FOLDERS)

KeepEarlier = Annotated[
    bool,
    typer.Option(
        "--keep-earlier",
        help="Leave results of other options, models or weights as they are.",
        rich_help_panel=FOLDERS,
    ),
]
Null = Annotated[
    bool,
    typer.Option(
        "--null",
        help="Names of LIST end with NUL, as of `find -print0`.",
        rich_help_panel=FOLDERS,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write a line of JSON for each picture, also of a --plan.",
        rich_help_panel=FOLDERS,
    ),
]
Retry = Annotated[
    bool,
    typer.Option(
        "--retry-failed", help="Only what failed when it was last tried.", rich_help_panel=FOLDERS
    ),
]
Tolerant = Annotated[
    bool, typer.Option("--tolerant", help="Colour pictures that are cut short as far as they go.")
]


def check_kept(*, keep_earlier: bool, overwrite: bool, compare: bool = False) -> None:
    """Refuse options that make results again beside the one that leaves them.

    Raises:
        OptionError: if there are both.
    """
    if keep_earlier and overwrite:
        raise OptionError(
            "`--keep-earlier` leaves results but `--overwrite` makes them again: leave one out"
        )
    if keep_earlier and compare:
        raise OptionError(
            "`--keep-earlier` leaves results but `--compare` makes those without a comparison "
            "again: leave one out"
        )
