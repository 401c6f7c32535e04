"""``koalarize lab plot``: the loss curves of runs as one figure.

Not here: reading histories and drawing (``lab.evaluation``, which needs the extra ``train``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from koalarize.cli.lab.options import check_written_over
from koalarize.cli.terminal import check_figure, needs
from koalarize.photo.files import write_bytes

__all__ = ["plot"]


def plot(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Folders of runs, such as `runs/koala`.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="A .png, .svg or .pdf file.")
    ] = Path("curve.png"),
    log: Annotated[bool, typer.Option("--log", help="Loss on a logarithmic axis.")] = False,
    smoothing: Annotated[
        float,
        typer.Option(
            "--smoothing", metavar="WEIGHT", help="Weight of the steps beside; 0 smooths nothing."
        ),
    ] = 0.9,
    axis: Annotated[
        str, typer.Option("--axis", metavar="step|samples", help="What the horizontal axis counts.")
    ] = "step",
) -> None:
    """Draw the loss of runs above their validation scores."""
    check_figure(output)
    check_written_over(output, data=[run for run in runs if run.is_file()])
    with needs("train"):
        from koalarize.lab.evaluation.history import read_histories
        from koalarize.lab.evaluation.plots import plot_histories

        figure = plot_histories(
            read_histories(runs), suffix=output.suffix, log=log, smoothing=smoothing, axis=axis
        )
    typer.echo(write_bytes(figure, output, overwrite=True))
