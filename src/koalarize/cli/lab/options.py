"""What commands of the laboratory share: options declared once, their check, the way to torch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from koalarize.cli.terminal import StoppedError, needs
from koalarize.errors import OptionError

__all__ = [
    "Data",
    "Limit",
    "Report",
    "ShortSide",
    "StoppedError",
    "check_no_input",
    "check_written_over",
    "loading",
    "words_of",
]

#: Pictures in colour to measure on.
Data = Annotated[
    Path,
    typer.Option(
        "--data", metavar="FOLDER", help="Folder of colour pictures, Parquet files or tar shards."
    ),
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


@contextmanager
def loading() -> Generator[None]:
    """Load what the laboratory needs; an interrupt waits until that is done.

    It takes seconds. Torch's modules, interrupted, end the process with a trace of C++; a second
    interrupt does.

    Raises:
        DependencyError: if the extra is not installed.
        KeyboardInterrupt: if there was an interrupt.
    """
    main = threading.current_thread() is threading.main_thread()
    signals = (signal.SIGINT, signal.SIGTERM) if main else ()
    before = {number: signal.getsignal(number) for number in signals}
    before = {number: heard for number, heard in before.items() if callable(heard)}
    held: list[int] = []

    def restore() -> None:
        for number, heard in before.items():
            signal.signal(number, heard)

    def hold(signum: int, frame: FrameType | None) -> None:
        held.append(signum)
        restore()

    for number in before:
        signal.signal(number, hold)
    try:
        with needs("train"):
            yield
    finally:
        restore()
    if held:
        raise KeyboardInterrupt


def words_of(texts: Sequence[str]) -> list[str]:
    """Return the words of an option that is given once or more, each time with commas between."""
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def check_written_over(
    output: Path, *, data: Sequence[Path] = (), models: Sequence[str] = ()
) -> None:
    """Check, before any work is done, that a report or a figure replaces only an earlier one.

    Args:
        output: the file to write.
        data: what the command reads, as for ``check_no_input``.
        models: the same.

    Raises:
        OptionError: if it is one of the files that the command reads.
        OutputError: if another file stands there that the laboratory has not written.
        DataError: if a pattern of shards is not allowed.
    """
    from koalarize.lab.outputs import check_replaced

    check_no_input(output, data=data, models=models)
    check_replaced(output)


def check_no_input(output: Path, *, data: Sequence[Path] = (), models: Sequence[str] = ()) -> None:
    """Check, before any work is done, that a command does not write over what it reads.

    Args:
        output: the file to write.
        data: files and folders that the command reads, as ``lab.datasets`` takes them.
        models: names and files of models, and blends of them.

    Raises:
        OptionError: if it is one of them, or a file that exists in one of the folders.
        DataError: if a pattern of shards is not allowed.
    """
    from koalarize.engines.contracts import contract_file
    from koalarize.lab.datasets.shards import expand_braces
    from koalarize.models.open import parts_of

    weights = [Path(name) for model in models for name, _ in parts_of(model)]
    places = [Path(name) for source in data for name in expand_braces(str(source))]
    for place in (*places, *weights, *(contract_file(path) for path in weights if path.suffix)):
        if output.resolve() == place.resolve() or (
            output.exists() and place.exists() and output.samefile(place)
        ):
            raise OptionError(f"`{output}` is what the command reads: choose another --output")
    for place in places:
        if output.exists() and place.resolve() in output.resolve().parents:
            raise OptionError(
                f"`{output}` exists in `{place}`, which the command reads: choose another --output"
            )
