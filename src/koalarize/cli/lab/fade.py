"""``koalarize lab fade``: what metrics say as the originals lose their colour.

Not here: the experiment and its figure (``lab.evaluation``, which needs the extra ``train``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from koalarize.cli.lab.options import (
    Data,
    Limit,
    ShortSide,
    check_written_over,
    loading,
    words_of,
)
from koalarize.cli.terminal import check_figure, needs, progress_bar
from koalarize.errors import OptionError
from koalarize.photo.files import write_bytes

__all__ = ["fade"]


def fade(
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The figure: .png, .svg or .pdf."),
    ] = None,
    limit: Limit = 100,
    short_side: ShortSide = 256,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metrics", metavar="NAME,...", help="Metrics to compute; all by default."),
    ] = None,
    experiment: Annotated[
        Literal["chroma", "article"],
        typer.Option(
            "--experiment",
            help="chroma: fade to grey, and add noise. article: SSIM of a in 0..1 and k times a.",
        ),
    ] = "chroma",
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Fade the chroma of pictures or add noise to it, and show what each metric notices."""
    if experiment == "article":
        if output is not None or metrics is not None:
            name = "--output" if output is not None else "--metrics"
            raise OptionError(
                f"`{name}` and `--experiment article` exclude each other: the article's experiment "
                "has one metric and no figure"
            )
        with loading():
            from koalarize.lab.evaluation.article_fading import measure_article_fading
        with progress_bar() as advance:
            article = measure_article_fading(
                data, short_side=short_side, limit=limit, progress=advance
            )
        typer.echo(article.to_json() if json else article.to_markdown())
        return
    if output is not None:
        check_figure(output)
        check_written_over(output, data=[data])
    with loading():
        from koalarize.lab.evaluation.fading import measure_fading
        from koalarize.lab.evaluation.plots import plot_fading
    names = None if metrics is None else words_of(metrics)
    with progress_bar() as advance:
        found = measure_fading(
            data, short_side=short_side, limit=limit, metrics=names, progress=advance
        )
    if output is not None:
        with needs("train"):
            figure = plot_fading(found, suffix=output.suffix)
        write_bytes(figure, output, overwrite=True)
    typer.echo(found.to_json() if json else found.to_markdown())
