"""``koalarize lab export``: from a checkpoint to the ONNX file that colours pictures.

Not here: the export itself (``lab.export``, which needs the extra ``train``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from koalarize.cli.lab.options import loading
from koalarize.cli.terminal import progress_bar
from koalarize.errors import OptionError
from koalarize.photo.files import write_bytes

if TYPE_CHECKING:
    from koalarize.engines.engine import Overview

__all__ = ["export"]

_SAMPLES = 6


def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A safetensors file of `koalarize lab train`; for fp16 and int8 also an exported "
            "model, or its name.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The file to write; by default the checkpoint's name with .onnx.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", metavar="PIXELS", help="Shorter side at which the network works."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature", metavar="T", help="Temperature of the annealed mean; low is vivid."
        ),
    ] = None,
    chroma_gain: Annotated[
        float | None, typer.Option("--chroma-gain", metavar="GAIN", help="Factor on the chroma.")
    ] = None,
    overview: Annotated[
        int | None,
        typer.Option(
            "--overview",
            metavar="PIXELS",
            help="Shorter side of a second look at each picture, for steadier colours.",
        ),
    ] = None,
    overview_weight: Annotated[
        float | None,
        typer.Option(
            "--overview-weight",
            metavar="W",
            help="Of the second look, beside 1 of the first; 0.7 by default.",
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            "--precision", metavar="BITS", help="fp32; fp16 halves the file; int8 is faster too."
        ),
    ] = "fp32",
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="FOLDER",
            help="Photos that fp16 and int8 are fitted to and checked on.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", help="Most photos taken from that folder, 96 by default."
        ),
    ] = None,
    max_delta_e: Annotated[
        float | None,
        typer.Option(
            "--max-delta-e",
            metavar="E",
            help="Most mean ΔE2000 from fp32; above it nothing is written. 1.0 by default.",
        ),
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Also write a model card beside the model.")
    ] = False,
    samples: Annotated[
        Path | None,
        typer.Option(
            "--samples", metavar="FOLDER", help="Colour photos to show in the card, at most 6."
        ),
    ] = None,
) -> None:
    """Turn a trained checkpoint into an ONNX model."""
    if samples is not None and not card:
        raise OptionError("`--samples` shows photos in the model card: add `--card`")
    if card and precision != "fp32":
        raise OptionError("`--card` tells of a training: use it with `--precision fp32`")
    look = _overview(overview, overview_weight)
    if precision == "fp32":
        if (calibrate, limit, max_delta_e) != (None, None, None):
            raise OptionError(
                "`--calibrate`, `--limit` and `--max-delta-e` check a lighter model but "
                "`--precision` is fp32: add `--precision fp16` or `--precision int8`"
            )
        with loading():
            from koalarize.lab.export.export import export as run
        target = output or source.with_suffix(".onnx")
        if card:
            from koalarize.lab.export.card import check_card

            check_card(target, None if samples is None else _sheet_of(target))
        path = run(
            source,
            target,
            size=size,
            temperature=temperature,
            chroma_gain=chroma_gain,
            overview=look,
        )
        typer.echo(path)
        if card:
            typer.echo(_write_card(source, target, samples))
        return
    with loading():
        from koalarize.lab.export.quantize import export_lighter
    with progress_bar() as advance:
        path, drift = export_lighter(
            source,
            output,
            precision=precision,
            calibrate=calibrate,
            limit=limit,
            most_delta_e=max_delta_e,
            size=size,
            temperature=temperature,
            chroma_gain=chroma_gain,
            overview=look,
            progress=advance,
        )
    typer.echo(
        f"mean ΔE2000 from fp32 {drift.mean:.2f} over {drift.pictures} pictures "
        f"(95 % of pixels within {drift.p95:.2f}, worst picture {drift.worst:.2f})",
        err=True,
    )
    typer.echo(path)


def _overview(size: int | None, weight: float | None) -> Overview | None:
    """Return the second look that is asked for; None for the recipe's."""
    if size is None:
        if weight is not None:
            raise OptionError("`--overview-weight` needs `--overview PIXELS`, the size it weighs")
        return None
    from koalarize.engines.engine import Overview

    return Overview(size, Overview.weight if weight is None else weight)


def _sheet_of(model: Path) -> Path:
    return model.with_suffix(".png")


def _write_card(checkpoint: Path, model: Path, pictures: Path | None) -> Path:
    """Write the model card, and a sheet of coloured pictures where there are some to show."""
    with loading():
        from koalarize.lab.evaluation.sheet import to_png
        from koalarize.lab.evaluation.showcase import make_showcase
        from koalarize.lab.export.card import write_card
    sheet: Path | None = None
    if pictures is not None:
        made = make_showcase([pictures], [str(model)], count=_SAMPLES)
        sheet = write_bytes(to_png(made), _sheet_of(model), overwrite=True)
    return write_card(checkpoint, model, sheet)
