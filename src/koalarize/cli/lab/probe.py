"""``koalarize lab probe``: do true hints help, and are the colours steady?

Not here: the measuring (``lab.evaluation.probe``, which needs the extra ``train``).
"""

from __future__ import annotations

from typing import Annotated

import typer

from koalarize.cli.lab.options import Data, Limit, Report, ShortSide, check_written_over, loading
from koalarize.cli.terminal import progress_bar
from koalarize.errors import OptionError
from koalarize.photo.files import check_place, write_bytes

__all__ = ["probe"]

_HINTS = "0,1,2,5,10,50"


def probe(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model's name, an .onnx file or a .safetensors checkpoint."
        ),
    ],
    data: Data,
    hints: Annotated[
        list[str] | None,
        typer.Option(
            "--hints",
            metavar="N,...",
            help=f"Numbers of true hints. [{_HINTS}]",
            show_default=False,
        ),
    ] = None,
    limit: Limit = 50,
    short_side: ShortSide = 256,
    output: Report = None,
) -> None:
    """Measure what true hints gain, and how far colours move when the picture changes a little."""
    words = ",".join(hints or [_HINTS])
    try:
        numbers = [int(part) for part in words.split(",")]
    except ValueError as error:
        raise OptionError(
            f"`--hints` is `{words}` but must be whole numbers with commas between, as 0,1,10"
        ) from error
    if output is not None:
        check_place(output)
        check_written_over(output, data=[data], models=[model])
    with loading():
        from koalarize.lab.evaluation.probe import probe as run
    with progress_bar() as advance:
        found = run(
            model, data, hints=numbers, limit=limit, short_side=short_side, progress=advance
        )
    if output is not None:
        write_bytes(found.to_json().encode(), output, overwrite=True)
    typer.echo(found.to_markdown())
