"""What every command does at a terminal: bars, checks before the work, missing extras.

Not here: what becomes of many pictures (``cli.report``). Data goes to stdout, all else to stderr.
"""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from koalarize.errors import DependencyError, KoalarizeError, OptionError, OutputError
from koalarize.photo.files import check_output, check_place

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "FilmRow",
    "Stages",
    "StoppedError",
    "check_figure",
    "check_films",
    "check_target",
    "named_bar",
    "needs",
    "one_line",
    "plain",
    "print_path",
    "progress_bar",
    "stages",
    "told_to_end",
]

#: Says how far a stage is, of how much.
Amount = Callable[[str, int, int | None], str]

#: Seconds between two lines about one stage where no bar is shown.
_LINE_EVERY = 30.0
#: Characters of a file name beside the progress bar, so that 80 columns hold both.
_NAME_WIDTH = 20
_FORMATS = (".png", ".svg", ".pdf")
#: What a terminal obeys, or breaks a line at.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LINE_ENDS = re.compile(r"\s*[\n\r\v\f\x85\u2028\u2029]\s*")


class StoppedError(KoalarizeError):
    """An interrupt that says how to continue; typer would drop its words."""

    exit_code = 130

    @classmethod
    def after(
        cls, done: int, total: int | None, stop: KeyboardInterrupt, *, goes_on: bool
    ) -> StoppedError:
        """Return the error of a run over many pictures.

        Args:
            done: how many it was done with.
            total: of how many; None where nobody knows.
            stop: what ended it; that of a film has words of its own.
            goes_on: whether the same command goes on where this one was stopped.
        """
        of = "" if total is None else f" of {total}"
        one = (done if total is None else total) == 1
        after = f" after {done}{of} {'picture' if one else 'pictures'}" if done else ""
        more = ", and the same command goes on" if goes_on else ""
        return cls(str(stop) or f"interrupted{after}; what was finished before is kept{more}")


@contextmanager
def told_to_end() -> Generator[None]:
    """Make SIGTERM the interrupt that Ctrl-C is, unless somebody else hears or ignores it.

    Raises:
        StoppedError: with the words of an interrupt that says how to continue.
        KeyboardInterrupt: of one that says nothing.
    """

    def end(signum: int, frame: FrameType | None) -> None:
        if signal.getsignal(signal.SIGTERM) is end:  # else a trainer hears it, and calls this too
            raise KeyboardInterrupt

    usual = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    heard = usual and threading.current_thread() is threading.main_thread()
    if heard:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt as stop:
        if not str(stop):
            raise
        raise StoppedError(str(stop)) from stop
    finally:
        if heard:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def plain(text: str) -> str:
    """Return a name as a person can see it: control characters, which names may hold, escaped."""
    return _CONTROLS.sub(lambda sign: repr(sign.group())[1:-1], text)


def one_line(text: str) -> str:
    """Return a sentence on one line; the spaces in the names that it holds stay."""
    return plain(_LINE_ENDS.sub(" ", text.strip()).replace("\t", " "))


def print_path(text: object) -> None:
    """Print a path, or a line with paths, on stdout: to the letter where no person looks."""
    looked_at = sys.stdout is not None and sys.stdout.isatty()
    typer.echo(plain(str(text)) if looked_at else str(text), color=None if looked_at else True)


@contextmanager
def needs(extra: str) -> Generator[None]:
    """Turn a missing third-party module into the sentence that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module in ("", "koalarize"):
            raise
        raise DependencyError(
            f'this needs `{module}`, which is not installed: pip install "koalarize[{extra}]"'
        ) from error


def check_films() -> None:
    """Check that films can be read here.

    Raises:
        DependencyError: if the extra is not installed.
    """
    with needs("video"):
        import av  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import cv2  # noqa: F401  # pyright: ignore[reportUnusedImport]


def check_figure(path: Path) -> None:
    """Check, before the work, that a figure can be written there.

    Raises:
        OutputError: if its extension is none of a figure, or its folder is missing.
    """
    if path.suffix.lower() not in _FORMATS:
        raise OutputError(
            f"`{path}` has the extension `{path.suffix}` but a figure needs one of "
            f"{', '.join(_FORMATS)}"
        )
    check_place(path)


def check_target(path: Path) -> None:
    """Check, before the work, that a picture can be written to the path of `--output`.

    Raises:
        OptionError: if its extension is none that is written, or its folder is missing.
    """
    try:
        check_output(path, overwrite=True)  # whether it may be replaced is asked later
    except OutputError as error:
        raise OptionError(f"`--output` is no place for a picture: {error}") from error


@contextmanager
def progress_bar() -> Generator[Callable[[int, int], None] | None]:
    """Yield what is called after each picture; a bar only where a person looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class FilmRow:
    """How far the film in work is: a row below the bar of all files, or a line now and then."""

    def __init__(self, amount: Amount) -> None:
        """Get ready.

        Args:
            amount: says how far a film is.
        """
        self._show = _line_writer(amount)

    def show_by(self, show: Callable[[str, int, int | None], None]) -> None:
        """Show it by something else from now on."""
        self._show = show

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Show how many frames of a film are done, of how many."""
        self._show(name, done, total)


@contextmanager
def named_bar(total: int | None, row: FilmRow | None = None) -> Generator[Callable[[str], None]]:
    """Yield what is called after each picture with its name; a bar only where a person looks.

    Args:
        total: how many pictures there are; None where nobody knows yet.
        row: of the film in work, where films are among them.
    """
    if (total is not None and total < 2 and row is None) or not sys.stderr.isatty():
        yield lambda name: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=total)
        films: dict[str, TaskID] = {}

        def advance(name: str) -> None:
            if (film := films.pop(name, None)) is not None:
                bar.remove_task(film)
            bar.update(task, advance=1, description=escape(_short(name)))

        def show(name: str, done: int, total: int | None) -> None:
            if name not in films:
                films[name] = bar.add_task(escape(_short(name)))
            bar.update(films[name], completed=done, total=total)

        if row is not None:
            row.show_by(show)
        yield advance


def _short(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 2]}.."


@dataclass(frozen=True)
class Stages:
    """Shows how far stages are, when it is called with one, how much is done and of how much.

    Attributes:
        show: does it.
        console: that has a bar; None where lines are written.
    """

    show: Callable[[str, int, int | None], None]
    console: Console | None = None

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Show how far a stage is."""
        self.show(stage, done, total)


@contextmanager
def stages(amount: Amount) -> Generator[Stages]:
    """Yield what is called with a stage, how much is done and how much there is.

    A bar a stage where a person looks; elsewhere a line now and then.

    Args:
        amount: says how far a stage is.
    """
    if not sys.stderr.isatty():
        yield Stages(_line_writer(amount))
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def show(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                for other in tasks.values():
                    bar.remove_task(other)
                tasks.clear()
                tasks[stage] = bar.add_task(stage, total=total, amount="")
            bar.update(tasks[stage], completed=done, total=total, amount=amount(stage, done, total))

        yield Stages(show, bar.console)


def _line_writer(amount: Amount) -> Callable[[str, int, int | None], None]:
    last: dict[str, float] = {}

    def show(stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if done == total or now - last.setdefault(stage, now) >= _LINE_EVERY:
            last[stage] = now
            typer.echo(f"{stage}: {amount(stage, done, total)}", err=True)

    return show
