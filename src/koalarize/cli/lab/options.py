"""Options that several commands of the laboratory share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Data", "Limit", "Report", "ShortSide"]

#: Pictures in colour to measure on.
Data = Annotated[
    Path,
    typer.Option("--data", metavar="FOLDER", help="Folder of colour pictures or Parquet files."),
]
#: How many of them; None for all.
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", help="Only the first N pictures.")
]
#: The size they are measured at, pixels.
ShortSide = Annotated[
    int,
    typer.Option(
        "--short-side",
        metavar="PIXELS",
        help="Shorter side that larger pictures are shrunk to.",
    ),
]
#: Where the report goes besides the terminal.
Report = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Also write the report as JSON."),
]
