"""Pictures through a pipe: ``-`` is stdin as a picture and stdout as ``--output``.

Not here: files and folders (``batch``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Literal, TextIO

from koalarize.cli.replay import replayed_on, warn_of_weights
from koalarize.cli.report import note_of_colors, note_of_losses
from koalarize.cli.terminal import check_target, print_path
from koalarize.errors import OptionError, OutputError, PhotoError

if TYPE_CHECKING:
    from koalarize.cli.model_choice import ModelChoice
    from koalarize.steering.session import Session
    from koalarize.steering.steering import Steering

__all__ = ["Stream", "color_stream"]


@dataclass(frozen=True)
class Stream:
    """What a command line says of its pipes.

    Attributes:
        inputs: what is to be coloured; ``-`` is stdin.
        output: a file, or ``-`` or None for stdout.
        overwrite: replace that file if it exists.
        tolerant: colour a picture that is cut short as far as it goes.
    """

    inputs: Sequence[str]
    output: str | None
    overwrite: bool
    tolerant: bool = False


def color_stream(
    stream: Stream, choice: ModelChoice, steering: Steering, session: Session | None
) -> int:
    """Colour the one picture of ``inputs`` from stdin or to stdout; return the exit code.

    Raises:
        OptionError: if a pipe cannot do what is asked.
        OutputError: if ``output`` exists and may not be replaced, or is the original.
        PhotoError: if no picture can be read.
    """
    inputs, output = stream.inputs, stream.output
    if len(inputs) != 1:
        raise OptionError(f"`-` goes with one picture but {len(inputs)} are given: name only one")
    target = None if output in (None, "-") else Path(output or "")
    if target is not None:
        _check_target(target, stream.overwrite)
    elif _given("stdout").isatty():
        raise OptionError(
            "stdout is a terminal, which cannot show a picture: add `-o FILE` or `> FILE`"
        )
    data = _read(inputs[0])
    if session is not None:
        shown = "stdin" if inputs[0] == "-" else inputs[0]
        steering = replayed_on(session, steering, data, shown)
        warn_of_weights(session)

    from koalarize.photo.files import write_bytes

    format = None if target is None else target.suffix
    colored = choice.load().data(data, steering, format=format, tolerant=stream.tolerant)
    assert colored.data is not None
    if target is None:
        _write(colored.data)
    else:
        print_path(write_bytes(colored.data, target, overwrite=stream.overwrite))
    if colored.had_colors:
        note_of_colors(1)
    name = "stdin" if inputs[0] == "-" else Path(inputs[0]).name
    note_of_losses(name, colored.notes)
    return 0


def _write(data: bytes) -> None:
    """Write a picture to stdout.

    Raises:
        OutputError: if stdout does not take it.
        BrokenPipeError: if its reader has left.
    """
    stream, rest = sys.stdout.buffer, memoryview(data)
    try:
        while rest:  # with PYTHONUNBUFFERED a write may take a part
            rest = rest[stream.write(rest) :]
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"stdout cannot be written ({error.strerror or error}): what went there is no whole "
            "picture; make room where it goes, or name a file with -o"
        ) from error


def _check_target(target: Path, overwrite: bool) -> None:
    if target.is_dir() or not target.suffix:
        raise OptionError(f"`--output` is `{target}` but a picture from stdin needs a file name")
    from koalarize.photo.files import check_output

    with suppress(OSError):  # the file is not there, or stdin is none of the system's
        given, there = os.fstat(_given("stdin").fileno()), target.stat()
        if S_ISREG(given.st_mode) and os.path.samestat(given, there):
            raise OutputError(
                f"`{target}` is the original and is never written over: choose another name."
            )
    check_target(target)
    check_output(target, overwrite=overwrite)


def _given(name: Literal["stdin", "stdout"]) -> TextIO:
    """Return a standard stream; Python has None for one that was closed before it began."""
    stream: TextIO | None = getattr(sys, name)
    if stream is None:
        raise OptionError(f"{name} is closed: open it, or name a file")
    return stream


def _read(source: str) -> bytes:
    if source == "-":
        stdin = _given("stdin")
        if stdin.isatty():
            raise OptionError("`-` reads a picture from stdin: add `< photo.jpg` or name the file")
        data = stdin.buffer.read()
        if not data:
            raise PhotoError("stdin held no picture (0 bytes): pipe one in, or name a file")
        return data
    if Path(source).is_dir():
        raise OptionError(f"`{source}` is a folder but stdout takes one picture: name a file")
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise PhotoError(f"`{source}` cannot be read: {error.strerror}") from error
