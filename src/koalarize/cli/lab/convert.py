"""``koalarize lab convert``: from other people's PyTorch weights to an ONNX file.

Not here: the conversion (``lab.export``, which needs the extra ``train``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from koalarize.cli.lab.options import loading

__all__ = ["convert"]


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Weights of SIGGRAPH17, ECCV16 or DDColor: .pth, .pt or .bin."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The file to write; by default the weights' name with .onnx.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size", metavar="PIXELS", help="Side of the squares that a DDColor takes. [512]"
        ),
    ] = None,
) -> None:
    """Turn other people's PyTorch weights into a model, hints and suggestions included."""
    with loading():
        from koalarize.lab.export.convert import convert as run
    typer.echo(run(source, output, size=size))
