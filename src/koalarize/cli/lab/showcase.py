"""``koalarize lab showcase``: grey, original and coloured side by side, as a sheet or a page.

Not here: the colouring and the drawing (``lab.evaluation``). Exported models need no extra.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from koalarize.cli.lab.options import check_written_over, words_of
from koalarize.cli.terminal import needs, progress_bar
from koalarize.errors import OptionError, OutputError
from koalarize.photo.files import check_place, write_bytes

__all__ = ["showcase"]

_PAGES = (".html", ".htm")
_COLUMNS = "grey,original,models"


def showcase(
    pictures: Annotated[
        list[Path],
        typer.Argument(metavar="PICTURE", help="Pictures, folders or Parquet files."),
    ],
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="A model's name, an .onnx file or a .safetensors checkpoint; repeatable. [koala]",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="A .png or .html file.")
    ] = Path("showcase.png"),
    count: Annotated[
        int, typer.Option("--count", metavar="N", help="Only the first N pictures.")
    ] = 12,
    size: Annotated[
        int, typer.Option("--size", metavar="PIXELS", help="Most pixels of an image's longer side.")
    ] = 256,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            metavar="NAME,...",
            help=f"Columns to show. [{_COLUMNS}]",
            show_default=False,
        ),
    ] = None,
    hints: Annotated[
        str,
        typer.Option(
            "--hints", metavar="no|N", help="Number of true hints that each picture reveals."
        ),
    ] = "no",
) -> int:
    """Colour pictures with models and show them side by side."""
    _check(output)
    check_written_over(output, data=pictures, models=models or ())
    with needs("train"):
        from koalarize.lab.evaluation.showcase import make_showcase

        with progress_bar() as advance:
            made = make_showcase(
                pictures,
                models or ["koala"],
                count=count,
                size=size,
                columns=words_of([_COLUMNS] if columns is None else columns),
                hints=_number(hints),
                progress=advance,
            )
    if output.suffix.lower() in _PAGES:
        from koalarize.lab.evaluation.page import to_html

        content = to_html(made)
    else:
        from koalarize.lab.evaluation.sheet import to_png

        content = to_png(made)
    typer.echo(write_bytes(content, output, overwrite=True))
    for name, reason in made.failed:
        typer.echo(f"{name}: {reason}", err=True)
    return 1 if made.failed else 0


def _check(path: Path) -> None:
    if path.suffix.lower() not in (".png", *_PAGES):
        raise OutputError(
            f"`{path}` has the extension `{path.suffix}` but a showcase is written as .png or .html"
        )
    check_place(path)


def _number(hints: str) -> int:
    if hints == "no":
        return 0
    try:
        return int(hints)
    except ValueError as error:
        raise OptionError(f"`--hints` is `{hints}` but must be `no` or a whole number") from error
