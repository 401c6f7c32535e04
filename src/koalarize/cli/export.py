"""``koalarize export``: from a checkpoint to the ONNX file that colours pictures.

Not here: the export itself (``training``, which needs the extra ``train``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from koalarize.cli.extras import needs

__all__ = ["export"]


def export(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A safetensors file of `koalarize train`.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The file to write; by default beside it, .onnx."
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", metavar="PIXELS", help="Its working size, shorter side."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", metavar="T", help="Of the annealed mean: low is vivid."),
    ] = None,
    chroma_gain: Annotated[
        float | None, typer.Option("--chroma-gain", metavar="GAIN", help="Factor on its chroma.")
    ] = None,
) -> None:
    """Turn a trained checkpoint into an ONNX model."""
    with needs("train"):
        from koalarize.training.export import export as run
    target = output or checkpoint.with_suffix(".onnx")
    typer.echo(run(checkpoint, target, size=size, temperature=temperature, chroma_gain=chroma_gain))
