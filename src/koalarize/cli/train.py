"""``koalarize train``: from a recipe to a checkpoint.

Not here: the training itself (``training``, which needs the extra ``train``).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from koalarize.cli.extras import needs
from koalarize.errors import OptionError

__all__ = ["train"]


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe, a YAML file.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", help="Where the run is written."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an earlier run stopped.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the recipe; again."),
    ] = None,
) -> None:
    """Train a network from a recipe, or go on with it."""
    overrides = _overrides(settings or [])
    with needs("train"):
        from koalarize.training.train import train as run
    _show_progress()
    typer.echo(run(recipe, output=output, resume=resume, overrides=overrides))


def _show_progress() -> None:
    """Show the run's own lines on stderr, on a terminal and in a log file alike."""
    logger = logging.getLogger("koalarize")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]


def _overrides(settings: list[str]) -> dict[str, str]:
    overrides: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise OptionError(
                f"`--set` is `{setting}` but must be KEY=VALUE, as in `--set steps=1000`"
            )
        overrides[key.strip()] = value.strip()
    return overrides
