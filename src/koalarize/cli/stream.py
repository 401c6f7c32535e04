"""Pictures through a pipe: ``-`` is stdin as a picture and stdout as ``--output``.

Not here: files and folders (``batch``).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from koalarize.errors import OptionError, PhotoError

if TYPE_CHECKING:
    from koalarize.cli.pictures import How
    from koalarize.steering.session import Session

__all__ = ["color_stream"]


def color_stream(
    inputs: Sequence[str],
    output: str | None,
    *,
    model: str,
    overwrite: bool,
    how: How,
    session: Session | None = None,
) -> int:
    """Colour the one picture of ``inputs`` from stdin or to stdout; return the exit code.

    Raises:
        OptionError: if a pipe cannot do what is asked.
        OutputError: if ``output`` exists and may not be replaced.
        PhotoError: if no picture can be read.
    """
    if len(inputs) != 1:
        raise OptionError(f"`-` goes with one picture but {len(inputs)} are given: name only one")
    target = None if output in (None, "-") else Path(output or "")
    if target is not None:
        _check_target(target, overwrite)
    elif sys.stdout.isatty():
        raise OptionError(
            "stdout is a terminal, which cannot show a picture: add `-o FILE` or `> FILE`"
        )
    data = _read(inputs[0])
    if session is not None:
        from koalarize.cli.pictures import warn_of_weights

        session.check(data, "stdin" if inputs[0] == "-" else inputs[0])
        warn_of_weights(session)

    from koalarize.colorizer.colorizer import Colorizer
    from koalarize.colorizer.look import noting_colors

    colorizer = Colorizer.load(model)
    clear: list[bool] = []
    watched: dict[str, Any] = {"seen": noting_colors(clear)}
    steering = how["steering"]
    if steering is not None and steering.keep_color:
        watched = {}
    if target is None:
        sys.stdout.buffer.write(colorizer(data, **watched, **how))
        sys.stdout.buffer.flush()
    else:
        from koalarize.photo.photo import Photo

        colored = colorizer(Photo.read(data), **watched, **how)
        typer.echo(colored.write(colored.pixels, target, overwrite=overwrite))
    if any(clear):
        from koalarize.cli.report import note_of_colors

        note_of_colors(1)
    return 0


def _check_target(target: Path, overwrite: bool) -> None:
    if target.is_dir() or not target.suffix:
        raise OptionError(f"`--output` is `{target}` but a picture from stdin needs a file name")
    from koalarize.photo.files import check_output

    check_output(target, overwrite=overwrite)


def _read(source: str) -> bytes:
    if source == "-":
        if sys.stdin.isatty():
            raise OptionError("`-` reads a picture from stdin: add `< photo.jpg` or name the file")
        data = sys.stdin.buffer.read()
        if not data:
            raise PhotoError("stdin held no picture (0 bytes): pipe one in, or name a file")
        return data
    if Path(source).is_dir():
        raise OptionError(f"`{source}` is a folder but stdout takes one picture: name a file")
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise PhotoError(f"`{source}` cannot be read: {error.strerror}") from error
