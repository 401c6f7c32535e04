"""``koalarize browser``: write a page that colours photos in the browser itself.

Not here: the page (``web.browser``), the studio (``cli.serve``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from koalarize.cli.terminal import print_path, stages

__all__ = ["browser"]


def browser(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the page's files are written.")
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The network: `koala-int8`, `koala`, or an .onnx file of your own.",
        ),
    ] = "koala-int8",
    runtime: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="onnxruntime-web, as its archive or unpacked; else it is fetched, once.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace files of an earlier page that were changed."),
    ] = False,
) -> None:
    """Write a page that colours photos in the browser itself, for any web host.

    The folder holds everything; nothing that a visitor opens leaves the visitor's machine.
    """
    from koalarize.models.open import check_model
    from koalarize.web.browser.runtime import RUNTIME, fetched, taken
    from koalarize.web.browser.site import write_site

    check_model(model)
    if runtime is not None:
        files = taken(runtime)
    else:
        with stages(_amount) as show:
            files = fetched(
                lambda done, total: show(f"onnxruntime-web {RUNTIME.version}", done, total)
            )
    size = write_site(folder, files, model=model, overwrite=overwrite)
    print_path(folder)
    typer.echo(
        f"{size / 1e6:.0f} MB for any web host; to look at it here: "
        f"python -m http.server --directory {folder}",
        err=True,
    )


def _amount(stage: str, done: int, total: int | None) -> str:
    del stage
    of = "" if total is None else f" of {total / 1e6:,.0f}"
    return f"{done / 1e6:,.0f}{of} MB"
