"""Which word leads to which command, and how every failure ends: one line and an exit code.

Not here: the commands themselves. Colouring needs no word of its own: whatever does not begin with
the name of a command goes to ``pictures``. The laboratory's commands are built only where the first
word asks for them, since every colouring would wait for that.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from traceback import walk_tb
from types import FunctionType
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from koalarize.cli.browser import browser
from koalarize.cli.cluster import cluster
from koalarize.cli.models import models
from koalarize.cli.pictures import PicturesCommand, pictures
from koalarize.cli.plain_help import PlainCommand
from koalarize.cli.serve import serve
from koalarize.cli.terminal import one_line
from koalarize.cli.waiting import wait_for_readers
from koalarize.errors import NO_ROOM, KoalarizeError, OptionError, did_you_mean

__all__ = ["main"]

#: The word that stands for "no word"; no file is likely to be called so.
_DEFAULT = "<pictures>"
_USAGE = 2
_LAB = "lab"
#: Columns of the help in a window that has as many; longer lines are hard to read.
_MOST_COLUMNS = 120
#: What asks for the help of the whole program.
_HELP = (["-h"], ["--help"])
#: Commands that stood here before the laboratory had a word of its own.
_MOVED = frozenset(
    {"data", "evaluate", "export", "fade", "plot", "probe", "showcase", "train", "turing"}
)
_INTERRUPTED = 130
_STDERR = 2
#: What typer lets pydantic say of a wrong value, and what a person is told.
_PLAINER = (
    (" a valid integer, unable to parse string as an integer", " a whole number"),
    (" a valid number, unable to parse string as a number", " a number"),
    (" greater than or equal to ", " at least "),
    (" less than or equal to ", " at most "),
    ("Input should be ", "it must be "),
)
#: The base of everything typer raises for a wrong command line; where it lives differs by version.
_ClickException = cast(
    type[Exception],
    next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"),
)


class _DefaultGroup(TyperGroup):
    """A group whose default command takes every line that begins with no command's name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] in _MOVED and not Path(args[0]).exists():
            raise OptionError(
                f"`koalarize {args[0]}` is now `koalarize lab {args[0]}`: put `lab` before it"
            )
        if not args or args[0] not in self.commands:
            for word in args[:1]:
                _check_word(word, self.commands)
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


def _check_word(word: str, commands: Iterable[str]) -> None:
    """Refuse a word that is no file and may be a misspelt command.

    Raises:
        OptionError: naming the command that is near.
    """
    if not word.isalpha() or Path(word).exists():
        return
    if near := did_you_mean(word, (name for name in commands if name != _DEFAULT)):
        raise OptionError(f"`{word}` is no file and no command{near} See `koalarize --help`")


def _app(*, lab: bool) -> typer.Typer:
    """Return the program.

    Args:
        lab: whether the laboratory has its commands, or only its name.
    """
    app = typer.Typer(
        cls=_DefaultGroup,
        add_completion=False,
        rich_markup_mode=None,  # rich's help doubles the time that --help takes
        pretty_exceptions_enable=False,
        context_settings={
            "help_option_names": ["-h", "--help"],
            "max_content_width": _MOST_COLUMNS,
        },
    )
    app.command(_DEFAULT, cls=PicturesCommand, hidden=True)(pictures)
    _add(app, {"serve": serve, "browser": browser, "cluster": cluster})
    app.add_typer(models, name="models", short_help="List the models; fetch other people's.")
    group = typer.Typer(
        help="The laboratory: train, export, measure and compare colorizers.",
        invoke_without_command=True,
        callback=_explain,
        rich_markup_mode=None,
    )
    if lab:
        _fill(group)
    summary = "Train, export, measure and compare colorizers."
    app.add_typer(group, name=_LAB, short_help=summary)
    _add(app, {"completion": _completion})
    return app


def _fill(lab: typer.Typer) -> None:
    """Add the commands of the laboratory."""
    from koalarize.cli.lab.convert import convert
    from koalarize.cli.lab.data import data
    from koalarize.cli.lab.evaluate import evaluate
    from koalarize.cli.lab.export import export
    from koalarize.cli.lab.fade import fade
    from koalarize.cli.lab.hub import pull, push
    from koalarize.cli.lab.plot import plot
    from koalarize.cli.lab.probe import probe
    from koalarize.cli.lab.showcase import showcase
    from koalarize.cli.lab.train import train
    from koalarize.cli.lab.turing import turing

    _add(
        lab,
        {
            "train": train,
            "export": export,
            "convert": convert,
            "evaluate": evaluate,
            "fade": fade,
            "plot": plot,
            "probe": probe,
            "showcase": showcase,
            "turing": turing,
            "push": push,
            "pull": pull,
        },
    )
    lab.add_typer(data, name="data")


def _completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print a script by which a shell completes commands, options and file names."""
    from koalarize.cli.completion import completion_script

    program = get_command(_app(lab=True))
    typer.echo(completion_script(shell, program, _DEFAULT), nl=False)


def _explain(ctx: typer.Context) -> None:
    """Show the commands of a group where none is named."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(_USAGE)


def _add(
    group: typer.Typer,
    commands: Mapping[str, Callable[..., Any]],
) -> None:
    """Add commands, each with its whole first sentence as its summary."""
    for name, command in commands.items():
        summary = " ".join((command.__doc__ or "").partition("\n\n")[0].split())
        group.command(name, cls=PlainCommand, short_help=summary)(command)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        args: the words after the program's name; by default those of this process.

    Returns:
        0 if all went well, 1 if something failed, 2 if the command line is wrong, 130 if it was
        interrupted.
    """
    _hold_streams()
    _allow_every_name()
    wait_for_readers()
    # What Pillow says of a damaged field is no sentence for a person; the notes are.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    words = list(sys.argv[1:] if args is None else args)
    if words[:1] != [_LAB]:
        _bound_threads()
    command = cast(TyperGroup, get_command(_app(lab=words[:1] == [_LAB])))
    try:
        if words in _HELP or (words == ["help"] and not Path("help").exists()):
            typer.echo(_help_of(command))
            return 0
        code = command.main(words, prog_name="koalarize", standalone_mode=False)
        if sys.stdout is not None:  # it was closed before the program began
            sys.stdout.flush()
    except KoalarizeError as error:
        return _fail(str(error), error.exit_code)
    except _ClickException as error:
        text = _plainer(cast(Any, error).format_message())
        help = " ".join(["koalarize", *_commands_of(command, words), "--help"])
        advice = _file_meant(words) or f"see `{help}`"
        return _fail(f"{text[:1].lower()}{text[1:].rstrip('.')}; {advice}", _USAGE)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except MemoryError:
        return _fail("not enough memory for this picture; close other programs", 1)
    except RuntimeError as error:
        from koalarize.batch.full import no_thread

        if (short := no_thread(error)) is None:
            raise
        return _fail(short, 1)
    except OSError as error:
        if _is_of_stdout(error):
            return _stdout_failed(error)
        return _fail(_of_system(error), 1)
    except SystemExit as end:  # typer's own way out of a broken pipe
        return _reader_left() if end.code == 1 else _code(end.code)
    if code == _INTERRUPTED:
        return _fail("interrupted; what was finished before is kept", _INTERRUPTED)
    return _code(code)


def _commands_of(group: TyperGroup, words: Sequence[str]) -> list[str]:
    """Return the names of commands that a line begins with, as `models`, `download`."""
    if not words or (command := group.commands.get(words[0])) is None:
        return []
    below = _commands_of(command, words[1:]) if isinstance(command, TyperGroup) else []
    return [words[0], *below]


def _file_meant(words: Sequence[str]) -> str | None:
    """Return how a file is named that a dash begins, as `*` names it: it was read as an option."""
    dashed = (word for word in words if word.startswith("-") and os.path.lexists(word))
    file = next(dashed, None)
    return None if file is None else f"the file of that name is `./{file}`"


def _plainer(text: str) -> str:
    for theirs, ours in _PLAINER:
        text = text.replace(theirs, ours)
    return text


def _help_of(program: TyperGroup) -> str:
    """Return the help of the whole program; typer's own way there loads pydantic."""
    whole = typer.Context(cast(Any, program), info_name="koalarize", **program.context_settings)
    pictures = cast(Any, program.commands[_DEFAULT])
    return typer.Context(pictures, parent=cast(Any, whole)).get_help()


def _code(result: object) -> int:
    return result if isinstance(result, int) else 0


def _fail(text: str, code: int) -> int:
    typer.echo(f"koalarize: error: {one_line(text)}", err=True)
    return code


def _of_system(error: OSError) -> str:
    """Return what a person is told of an error of the system that nobody has told more plainly."""
    if error.errno in NO_ROOM:
        beside = f" for `{error.filename}`" if error.filename else " where the result goes"
        return f"there is no space left{beside}: make room, then give the same command again"
    if "No usable temporary directory" in str(error):  # `tempfile` has no class for it
        return (
            "temporary files cannot be written anywhere: set `TMPDIR` to a folder that takes them"
        )
    where = f"`{error.filename}` " if error.filename else ""
    return f"{where}cannot be read or written: {error.strerror or error}"


def _is_of_stdout(error: OSError) -> bool:
    """Tell whether it was stdout that could not be written: such an error names no file."""
    echo = cast(FunctionType, typer.echo).__code__
    return any(frame.f_code is echo for frame, _ in walk_tb(error.__traceback__))


def _stdout_failed(error: OSError) -> int:
    """End when stdout cannot be written, as on a full disk in ``koalarize box > list``."""
    why = error.strerror or error
    advice = "make room there" if error.errno in NO_ROOM else "look where it goes"
    _fail(f"stdout cannot be written ({why}): {advice}; what was finished before is kept", 1)
    return _reader_left()


def _reader_left() -> int:
    """End quietly when the reader of our output has gone, as in ``koalarize box | head -1``."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())  # what is still buffered would fail again at exit
        os.close(null)
    except (OSError, ValueError):
        pass
    return 1


def _bound_threads() -> None:
    """Keep NumPy's BLAS to one thread, before it is loaded: its threads spin for small matrices.

    Pictures in work at once, and the rows of a single one, have threads of their own.
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(name, "1")


def _hold_streams() -> None:
    """Let what is said go nowhere where stderr is closed, as for some daemons.

    No file takes the number of a closed stream: what a library writes to stderr would stand in it.
    """
    number = os.open(os.devnull, os.O_RDWR)
    while number <= _STDERR:
        number = os.dup(number)
    os.close(number)
    if cast(object, sys.stderr) is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def _allow_every_name() -> None:
    """Let file names reach stdout that its encoding does not know."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace" if os.name == "nt" else "surrogateescape")
