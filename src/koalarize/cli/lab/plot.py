"""``koalarize plot``: the loss curves of runs as one figure.

Not here: reading histories and drawing (``lab.evaluation``, which needs the extra ``train``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from koalarize.cli.extras import needs
from koalarize.errors import OutputError
from koalarize.photo.files import write_bytes

__all__ = ["check_figure", "plot"]

_FORMATS = (".png", ".svg", ".pdf")


def plot(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, as `runs/koala`.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="A .png, .svg or .pdf file.")
    ] = Path("curve.png"),
    log: Annotated[bool, typer.Option("--log", help="Loss on a logarithmic axis.")] = False,
    smoothing: Annotated[
        float,
        typer.Option("--smoothing", metavar="WEIGHT", help="Of what was before; 0 for none."),
    ] = 0.9,
    axis: Annotated[
        str, typer.Option("--axis", metavar="step|samples", help="What runs along the figure.")
    ] = "step",
) -> None:
    """Draw the loss of runs, and their validation scores below."""
    check_figure(output)
    with needs("train"):
        from koalarize.lab.evaluation.history import read_history
        from koalarize.lab.evaluation.plots import plot_histories

        histories = [read_history(run) for run in runs]
        figure = plot_histories(
            histories, suffix=output.suffix, log=log, smoothing=smoothing, axis=axis
        )
    typer.echo(write_bytes(figure, output, overwrite=True))


def check_figure(path: Path) -> None:
    """Check, before the work, that a figure can be written there.

    Raises:
        OutputError: if its extension is none of a figure, or its folder is missing.
    """
    if path.suffix.lower() not in _FORMATS:
        raise OutputError(
            f"`{path}` has the extension `{path.suffix}` but a figure needs one of "
            f"{', '.join(_FORMATS)}"
        )
    if path.is_dir():
        raise OutputError(f"`{path}` is a folder: give a file, as `-o curve.png`")
    if not path.parent.is_dir():
        raise OutputError(f"the folder `{path.parent}` of `{path.name}` does not exist: make it")
