"""Which word leads to which command, and how every failure ends: one line and an exit code.

Not here: the commands themselves. Colouring needs no word of its own: whatever does not begin with
the name of a command goes to ``pictures``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from koalarize.cli.lab.data import data
from koalarize.cli.lab.evaluate import evaluate
from koalarize.cli.lab.export import export
from koalarize.cli.lab.fade import fade
from koalarize.cli.lab.plot import plot
from koalarize.cli.lab.probe import probe
from koalarize.cli.lab.showcase import showcase
from koalarize.cli.lab.train import train
from koalarize.cli.lab.turing import turing
from koalarize.cli.models import models
from koalarize.cli.pictures import PicturesCommand, pictures
from koalarize.cli.serve import serve
from koalarize.errors import KoalarizeError

__all__ = ["main"]

#: The word that stands for "no word"; no file is likely to bear this name.
_DEFAULT = "<pictures>"
_USAGE = 2
_INTERRUPTED = 130
#: The base of everything typer raises for a wrong command line; where it lives differs by version.
_ClickException = cast(
    type[Exception],
    next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"),
)


class _DefaultGroup(TyperGroup):
    """A group whose default command takes every line that begins with no command's name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


def _app() -> typer.Typer:
    app = typer.Typer(
        cls=_DefaultGroup,
        add_completion=False,
        rich_markup_mode=None,  # rich's help doubles the time that --help takes
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command(_DEFAULT, cls=PicturesCommand, hidden=True)(pictures)
    app.command("serve")(serve)
    app.command("models")(models)
    app.command("train")(train)
    app.command("export")(export)
    app.command("evaluate")(evaluate)
    app.command("fade")(fade)
    app.command("plot")(plot)
    app.command("probe")(probe)
    app.command("showcase")(showcase)
    app.add_typer(data, name="data")
    app.command("turing")(turing)
    return app


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        args: the words after the program's name; by default those of this process.

    Returns:
        0 if all went well, 1 if something failed, 2 if the command line is wrong, 130 if it was
        interrupted.
    """
    _allow_every_name()
    command = get_command(_app())
    words = list(sys.argv[1:] if args is None else args)
    try:
        code = command.main(words, prog_name="koalarize", standalone_mode=False)
        sys.stdout.flush()
    except KoalarizeError as error:
        return _fail(str(error), error.exit_code)
    except _ClickException as error:
        text = cast(Any, error).format_message()
        return _fail(f"{text[:1].lower()}{text[1:].rstrip('.')}; see `koalarize --help`", _USAGE)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except MemoryError:
        return _fail("not enough memory for this picture; close other programs", 1)
    except OSError as error:
        where = f"`{error.filename}` " if error.filename else ""
        return _fail(f"{where}cannot be read or written: {error.strerror or error}", 1)
    except SystemExit as end:  # typer's own way out of a broken pipe
        return _reader_left() if end.code == 1 else _code(end.code)
    if code == _INTERRUPTED:
        return _fail("interrupted; what was finished before is kept", _INTERRUPTED)
    return _code(code)


def _code(result: object) -> int:
    return result if isinstance(result, int) else 0


def _fail(text: str, code: int) -> int:
    typer.echo(f"koalarize: error: {' '.join(text.split())}", err=True)
    return code


def _reader_left() -> int:
    """End quietly when whoever read our output has gone, as in ``koalarize box | head -1``."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())  # what is still buffered would fail again at exit
        os.close(null)
    except (OSError, ValueError):
        pass
    return 1


def _allow_every_name() -> None:
    """Let file names reach stdout that its encoding does not know."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace" if os.name == "nt" else "surrogateescape")
