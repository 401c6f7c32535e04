"""``koalarize lab train``: from a recipe to a checkpoint.

Not here: the training itself (``lab.training``, which needs the extra ``train``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from koalarize.cli.lab.options import loading
from koalarize.cli.terminal import told_to_end
from koalarize.errors import OptionError

__all__ = ["train"]

_SECONDS = 2.0  # until a failed process ends: a launcher then ends the others, the first as well
_SILENT = 143  # as a process that SIGTERM ends; 130 would be told in words


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe, a YAML file.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER",
            help="Folder that the run is written to; by default runs/NAME.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an earlier run where it stopped.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", help="Learn from at most N pictures.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", help="Passes over the pictures.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            metavar="N",
            help="Side of the largest crop; the recipe's other sides scale with it.",
        ),
    ] = None,
    accumulate: Annotated[
        int | None,
        typer.Option("--accumulate", metavar="N", help="Batches whose gradients make one step."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", metavar="P", help="auto, bf16, fp16 or fp32.")
    ] = None,
    accelerator: Annotated[
        str | None, typer.Option("--accelerator", metavar="A", help="auto, cpu or gpu.")
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option("--devices", metavar="N", help="GPUs or processes on each machine."),
    ] = None,
    nodes: Annotated[int | None, typer.Option("--nodes", metavar="N", help="Machines.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change one value of the recipe; repeatable."
        ),
    ] = None,
) -> None:
    """Train a network from a recipe, or continue a run."""
    options = {
        "epochs": epochs,
        "optimizer.accumulate": accumulate,
        "precision": precision,
        "accelerator": accelerator,
        "devices": devices,
        "nodes": nodes,
    }
    overrides = _overrides(settings or [])
    given = {key: str(value) for key, value in options.items() if value is not None}
    for key in (*given, *(["data.limit"] if limit is not None else [])):
        if key in overrides:
            option = f"--{key.rpartition('.')[2]}"
            raise OptionError(f"`{option}` and `--set {key}=` both give `{key}`: leave one out")
    overrides |= given
    from koalarize.lab.training.processes import is_first_process

    speaks = is_first_process()
    lines = _lines(logging.INFO if speaks else logging.WARNING)
    with lines, told_to_end() if speaks else _silent():
        with loading():
            from koalarize.lab.training.train import train as run
        path = run(
            recipe, output=output, resume=resume, overrides=overrides, limit=limit, size=size
        )
    if speaks:
        typer.echo(path)


@contextmanager
def _silent() -> Generator[None]:
    """End without a word where the first process speaks for all: an interrupt, a common fault."""
    from koalarize.lab.training.processes import CommonError

    try:
        yield
    except KeyboardInterrupt as stop:
        raise typer.Exit(_SILENT) from stop
    except CommonError as error:
        time.sleep(_SECONDS)
        raise typer.Exit(1) from error


@contextmanager
def _lines(level: int) -> Generator[None]:
    """Show the run's own lines on stderr, on a terminal and in a log file alike.

    The library's logger is afterwards as it was: a caller's own handlers hear it again.
    """
    logger = logging.getLogger("koalarize")
    before = logger.level, logger.propagate, logger.handlers
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.setLevel(level)
    logger.propagate = False
    logger.handlers = [handler]
    try:
        yield
    finally:
        logger.setLevel(before[0])
        logger.propagate, logger.handlers = before[1:]


def _overrides(settings: list[str]) -> dict[str, str]:
    overrides: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise OptionError(
                f"`--set` is `{setting}` but must be KEY=VALUE, as in `--set steps=1000`"
            )
        if key.strip() in overrides:
            raise OptionError(f"`--set {key.strip()}=` is given twice: leave one out")
        overrides[key.strip()] = value.strip()
    return overrides
