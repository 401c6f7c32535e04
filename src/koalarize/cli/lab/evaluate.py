"""``koalarize lab evaluate``: score models on a set of colour pictures.

Not here: the measuring (``lab.evaluation``, which needs the extra ``train``).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from koalarize.cli.lab.options import (
    Data,
    Limit,
    Report,
    StoppedError,
    check_written_over,
    loading,
    words_of,
)
from koalarize.cli.terminal import progress_bar, told_to_end
from koalarize.errors import OptionError
from koalarize.photo.files import check_place, write_bytes

__all__ = ["evaluate"]

_Value = TypeVar("_Value")
_METRICS = "psnr,ssim,delta-e,colorfulness,delta-colorfulness,variety,lpips,fid"


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            help="Names of models, .onnx files, .safetensors checkpoints, others' .pth weights, or "
            "folders of pictures that another program coloured.",
        ),
    ],
    data: Data,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            metavar="NAME",
            help="colorizer, direct (the network alone), article-a or article-b.",
        ),
    ] = "colorizer",
    short_side: Annotated[
        int | None,
        typer.Option(
            "--short-side",
            metavar="PIXELS",
            help="Shorter side that larger pictures are shrunk to, usually 256.",
        ),
    ] = None,
    limit: Limit = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            "--size", metavar="PIXELS,...", help="Working sizes of the network; one row each."
        ),
    ] = None,
    temperature: Annotated[
        list[str] | None,
        typer.Option(
            "--temperature",
            metavar="T,...",
            help="Temperatures of the annealed mean; one row each.",
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics",
            metavar="NAME,...",
            help=f"Metrics to compute, or `all`; MODULE:NAME is one of your own. [{_METRICS}]",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        bool,
        typer.Option(
            "--seeds",
            help="Models of one recipe differ in their seed: also their mean and deviation. "
            "Shipped models and folders of pictures stand beside them.",
        ),
    ] = False,
    output: Report = None,
    per_picture: Annotated[
        Path | None,
        typer.Option(
            "--per-picture", metavar="FILE.csv", help="Also write the scores of each picture."
        ),
    ] = None,
) -> None:
    """Colour pictures with models and score them beside the grey pictures.

    With -o or --per-picture, a run that was stopped goes on when the same command is given again.
    """
    sizes = _values(size, int, "--size", "whole numbers, as in `--size 128,160`")
    temperatures = _values(temperature, float, "--temperature", "numbers, as in `0.38,0.5`")
    for written in (output, per_picture):
        if written is not None:
            check_place(written)
            check_written_over(written, data=[data], models=models)
    if per_picture is not None and output is not None and per_picture.resolve() == output.resolve():
        raise OptionError(
            f"`--per-picture` is `{per_picture}`, as is `--output`: name another file"
        )
    beside = output if output is not None else per_picture
    unfinished = None if beside is None else beside.with_name(f"{beside.name}.unfinished")
    if unfinished is not None:
        check_place(unfinished)
    with _told_how_to_go_on(unfinished), told_to_end():
        with loading():
            from koalarize.lab.evaluation.evaluate import evaluate as run
        with progress_bar() as advance:
            report = run(
                models,
                data,
                protocol=protocol,
                short_side=short_side,
                limit=limit,
                metrics=words_of([_METRICS] if metrics is None else metrics),
                sizes=sizes,
                temperatures=temperatures,
                seeds=seeds,
                progress=advance,
                unfinished=unfinished,
            )
    typer.echo(report.to_markdown())
    if output is not None:
        write_bytes(f"{report.to_json()}\n".encode(), output, overwrite=True)
    if per_picture is not None:
        write_bytes(report.to_csv().encode(), per_picture, overwrite=True)
    if unfinished is not None:
        unfinished.unlink(missing_ok=True)  # only now: everything is written


@contextmanager
def _told_how_to_go_on(unfinished: Path | None) -> Generator[None]:
    """Say at an interrupt what is kept of the scores; the program's own words promise more."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if unfinished is not None and unfinished.exists():
            raise StoppedError(
                f"interrupted: give the same command again to go on from `{unfinished}`"
            ) from stop
        how = (
            "with -o or --per-picture, scores are kept once a minute"
            if unfinished is None
            else "the first minute was not over; the same command begins again"
        )
        raise StoppedError(f"interrupted; no score is kept: {how}") from stop


def _values(
    texts: list[str] | None, kind: Callable[[str], _Value], option: str, rule: str
) -> list[_Value] | None:
    if not texts:
        return None
    try:
        return [kind(part) for text in texts for part in text.split(",")]
    except ValueError as error:
        raise OptionError(f"`{option}` is `{','.join(texts)}` but must be {rule}") from error
