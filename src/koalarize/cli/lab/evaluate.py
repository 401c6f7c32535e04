"""``koalarize evaluate``: score models on a set of colour pictures.

Not here: the measuring (``lab.evaluation``, which needs the extra ``train``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from koalarize.cli.extras import needs
from koalarize.errors import OptionError, OutputError
from koalarize.photo.files import write_bytes

__all__ = ["evaluate", "progress_bar"]

_Value = TypeVar("_Value")


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...", help="Names of models, .onnx files or .safetensors checkpoints."
        ),
    ],
    data: Annotated[
        Path, typer.Option("--data", metavar="FOLDER", help="Colour pictures, or Parquet files.")
    ],
    short_side: Annotated[
        int,
        typer.Option("--short-side", metavar="PIXELS", help="Larger pictures are brought down."),
    ] = 256,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", help="Only the first N pictures.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="PIXELS,...", help="Working sizes, one row each."),
    ] = None,
    temperature: Annotated[
        str | None,
        typer.Option("--temperature", metavar="T,...", help="Temperatures, one row each."),
    ] = None,
    metrics: Annotated[
        str, typer.Option("--metrics", metavar="NAME,...", help="Which metrics, or `all`.")
    ] = "psnr,ssim,delta-e,colorfulness,delta-colorfulness,variety,lpips,fid",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Also write the report as JSON."),
    ] = None,
) -> None:
    """Colour pictures with models and score them beside the grey pictures."""
    sizes = _values(size, int, "--size", "whole numbers, as in `--size 128,160`")
    temperatures = _values(temperature, float, "--temperature", "numbers, as in `0.38,0.5`")
    if output is not None:
        check_file(output)
    with needs("train"):
        from koalarize.lab.evaluation.evaluate import evaluate as run
    with progress_bar() as advance:
        report = run(
            models,
            data,
            short_side=short_side,
            limit=limit,
            metrics=[name.strip() for name in metrics.split(",") if name.strip()],
            sizes=sizes,
            temperatures=temperatures,
            progress=advance,
        )
    typer.echo(report.to_markdown())
    if output is not None:
        write_bytes(f"{report.to_json()}\n".encode(), output, overwrite=True)


def check_file(path: Path) -> None:
    """Check, before work that takes minutes, that a report can be written.

    Raises:
        OutputError: if not.
    """
    if path.is_dir():
        raise OutputError(f"`{path}` is a folder: give a file, as `-o report.json`")
    if not path.parent.is_dir():
        raise OutputError(f"the folder `{path.parent}` of `{path.name}` does not exist: make it")


def _values(
    text: str | None, kind: Callable[[str], _Value], option: str, rule: str
) -> list[_Value] | None:
    if text is None:
        return None
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(f"`{option}` is `{text}` but must be {rule}") from error


@contextmanager
def progress_bar() -> Generator[Callable[[int, int], None] | None]:
    """Yield what is called after each picture; a bar only where a person looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
