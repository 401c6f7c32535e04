"""What a person or a pipe sees of many pictures: paths, a summary, failures.

Not here: the colouring (``batch``), bars (``cli.terminal``). Data goes to stdout, all else to
stderr.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

from koalarize.cli.causes import Causes
from koalarize.cli.terminal import (
    FilmRow,
    StoppedError,
    named_bar,
    one_line,
    plain,
    print_path,
)
from koalarize.errors import OptionError, OutputError
from koalarize.film.names import FILM_EXTENSIONS
from koalarize.photo.files import EXTENSIONS, HEIF_EXTENSIONS, advice, check_place

if TYPE_CHECKING:
    from koalarize.batch.forecast import Cost
    from koalarize.batch.plan import Outcome

__all__ = [
    "PassedOver",
    "follow",
    "note_of_colors",
    "note_of_films_left",
    "note_of_losses",
    "note_of_orphans",
    "note_of_unread",
    "show_plan",
]

_REPORT_STARTS = (b'{"source"', b'{"summary"')


class PassedOver(Protocol):
    """What a search has passed over, as a ``Search`` tells."""

    @property
    def unread(self) -> Mapping[str, int]:
        """How many files were of no kind that is read, by ending."""
        ...

    @property
    def results(self) -> int:
        """How many were earlier results."""
        ...


def show_plan(
    outcomes: Iterable[Outcome],
    whole: Callable[[], tuple[str, Cost]],
    report: Path | None = None,
    search: PassedOver | None = None,
) -> int:
    """Say on stdout what would be done, a line a file, and what it would come to.

    Args:
        outcomes: of status ``planned``, ``orphaned``, ``skipped`` or ``failed``.
        whole: returns, after the last, the sentence that closes the plan and its cost.
        report: a file that gets the same lines as the report of a run.
        search: what found the pictures, with what it passed over.

    Returns:
        The exit code: 1 if a picture would fail, else 0.
    """
    told = _Told()
    with _lines(report, more=False) as write:
        for outcome in outcomes:
            told.add(outcome)
            write(_as_json(outcome))
            print_path(_planned(outcome))
        sentence, cost = whole()
        summary = told.summary(search, ("planned", "skipped", "failed", "orphaned"))
        write({"summary": summary | {"seconds": round(cost.seconds, 3), "bytes": round(cost.room)}})
    if lost := told.counts["orphaned"]:
        sentence += f"; {_without_picture(lost)}"
    typer.echo(sentence)
    _say_earlier(told)
    return 1 if told.counts["failed"] else 0


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _planned(outcome: Outcome) -> str:
    if outcome.status == "planned":
        return f"{outcome.reason}: {outcome.source} -> {outcome.output}"
    if outcome.status == "failed":
        return f"failed, {outcome.reason}: {outcome.source}: {outcome.error}"
    if outcome.status != "orphaned" or outcome.output is None:
        return f"{outcome.reason}: {outcome.source}"
    is_row = outcome.output.suffix == ".parquet"
    return f"{outcome.reason}: {f'row `{outcome.source}` of ' if is_row else ''}{outcome.output}"


def follow(
    outcomes: Generator[Outcome],
    total: int | None,
    report: Path | None = None,
    search: PassedOver | None = None,
    *,
    more: bool = False,
    row: FilmRow | None = None,
    goes_on: bool = False,
) -> int:
    """Go through the outcomes and show each in its place.

    A terminal gets a progress bar on stderr and a summary; a pipe gets the path of each coloured
    picture, one a line, and nothing else. Failures come last, on stderr.

    Args:
        outcomes: as they come.
        total: how many there will be; None where nobody knows yet.
        report: a file that gets a line of JSON for each outcome and one for the whole.
        search: what found the pictures, with what it passed over.
        more: whether the report goes on with what it holds.
        row: shows how far a film is, where films are among them.
        goes_on: whether the same command goes on where this one was stopped.

    Returns:
        The exit code: 1 if a picture failed or a film is damaged in part, else 0.

    Raises:
        StoppedError: if it was interrupted.
    """
    told, began = _Told(), _now()
    quiet = sys.stdout is None or not sys.stdout.isatty()
    try:
        with closing(outcomes), named_bar(total, row) as advance, _lines(report, more) as write:
            for outcome in outcomes:
                advance(outcome.source.name)
                told.add(outcome)
                write(_as_json(outcome))
                if outcome.status == "colored" and quiet:
                    print_path(outcome.output)
            write({"summary": told.summary(search) | {"began": began, "ended": _now()}})
    except KeyboardInterrupt as stop:
        raise StoppedError.after(told.counts.total(), total, stop, goes_on=goes_on) from stop
    if not quiet:
        _summarize(told)
    if told.tinted:
        name = told.last_tinted if told.tinted == 1 and told.counts.total() > 1 else None
        note_of_colors(told.tinted, name, listed=report)
    _say_earlier(told)
    lists = "add --report FILE, which names each" if report is None else f"`{report}` names each"
    for outcome, others in told.noted:
        note_of_losses(outcome.source.name, outcome.notes)
        _note_of_more(others, f"have the note of {plain(outcome.source.name)}", lists)
    for outcome, others in told.failed:
        _complain(outcome, alone=total == 1)
        _note_of_more(others, f"failed like {plain(outcome.source.name)}", lists)
    _note_of_more(told.noted.left + told.failed.left, "are not listed here", lists)
    return 1 if told.counts["failed"] or told.damaged else 0


@dataclass
class _Told:
    """What a run comes to; of notes and failures some are kept of each cause."""

    counts: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    tinted: int = 0
    last_tinted: str | None = None
    noted: Causes = field(default_factory=Causes)
    failed: Causes = field(default_factory=Causes)
    damaged: int = 0
    last: Outcome | None = None

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.status] += 1
        self.reasons[outcome.status, outcome.reason] += 1
        self.tinted += outcome.had_color
        if outcome.had_color:
            self.last_tinted = outcome.source.name
        self.damaged += outcome.damage is not None
        self.last = outcome
        if outcome.status != "skipped" and outcome.notes:
            self.noted.add(outcome, "; ".join(outcome.notes))
        if outcome.status == "failed" or outcome.damage is not None:
            self.failed.add(outcome, outcome.error or outcome.damage or "")

    def by_reason(self, status: str) -> dict[str, int]:
        found = {reason: n for (kind, reason), n in self.reasons.items() if kind == status}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def summary(
        self,
        search: PassedOver | None,
        statuses: Iterable[str] = ("colored", "skipped", "failed"),
    ) -> dict[str, object]:
        whole: dict[str, object] = {status: self.by_reason(status) for status in statuses}
        if search is not None:
            whole["not_read"] = dict(sorted(search.unread.items()))
            whole["earlier_results"] = search.results
        return whole


def _as_json(outcome: Outcome) -> dict[str, object]:
    facts: dict[str, object] = {
        "source": str(outcome.source),
        "output": None if outcome.output is None else str(outcome.output),
        "status": outcome.status,
        "reason": outcome.reason,
    }
    if outcome.error or outcome.damage:
        facts["error"] = outcome.error or outcome.damage
    if outcome.notes:
        facts["notes"] = list(outcome.notes)
    if outcome.status == "colored":
        facts["seconds"] = round(outcome.seconds, 3)
    if outcome.had_color:
        facts["had_color"] = True
    return facts


@contextmanager
def _lines(report: Path | None, more: bool) -> Generator[Callable[[Mapping[str, object]], None]]:
    """Yield what writes a line of JSON to the report, if one is asked."""
    if report is None:
        yield lambda facts: None
        return
    _check_report(report)
    with report.open("ab" if more else "wb", buffering=0) as stream:  # whole lines, and at once

        def write(facts: Mapping[str, object]) -> None:
            line = json.dumps(facts, ensure_ascii=False) + "\n"
            rest = line.encode("utf-8", "backslashreplace")
            try:
                while rest:
                    rest = rest[stream.write(rest) :]
            except BrokenPipeError:  # the reader has left
                raise
            except OSError as error:
                raise OutputError(
                    f"the report `{report}` cannot be written ({error.strerror}): "
                    f"{advice(report, error.errno)}; what was finished before is kept"
                ) from error

        yield write


def _check_report(report: Path) -> None:
    """Check, before any work is done, that a report may stand at a path.

    Raises:
        OptionError: if no file can stand there, it is a picture's or a film's, or it holds
            something that is no report.
    """
    if str(report) == "-":  # elsewhere stdout, which has the paths of results
        raise OptionError("`--report` is `-` but must be a file: name one, as report.jsonl")
    try:
        check_place(report)
    except OutputError as error:
        raise OptionError(f"`--report` is no place for one: {error}") from error
    ending = report.suffix.lower()
    if ending in (*EXTENSIONS, *HEIF_EXTENSIONS, *FILM_EXTENSIONS):
        raise OptionError(
            f"`--report` is `{report}` but must not end as a picture or film: name a .jsonl file"
        )
    if not report.is_file():  # new, or no plain file
        return
    with report.open("rb") as stream:
        start = stream.read(len(max(_REPORT_STARTS, key=len)))
    if start and not start.startswith(_REPORT_STARTS):
        raise OptionError(
            f"`--report` is `{report}`, which holds something that is no report: name another file"
        )


def note_of_colors(pictures: int, name: str | None = None, *, listed: Path | None = None) -> None:
    """Say on stderr that pictures had colours of their own, how to keep them, and what names them.

    Args:
        pictures: how many.
        name: of the only one, among others.
        listed: the report that names them, if there is one.
    """
    one = "the picture has" if name is None else f"{plain(name)} has"
    what = one if pictures == 1 else f"{pictures} pictures have"
    names = f"; `had_color` in `{listed}` tells which" if listed is not None else ""
    if pictures > 1 and listed is None:
        names = "; a --report tells which"
    typer.echo(
        f"koalarize: note: {what} colours already, which new ones replaced; "
        f"--keep-color keeps them{names}",
        err=True,
    )


def note_of_losses(name: str, notes: tuple[str, ...]) -> None:
    """Say on stderr what of a picture is not in its result."""
    if notes:
        typer.echo(f"koalarize: note: {plain(name)}: {one_line('; '.join(notes))}", err=True)


def note_of_films_left(unread: Mapping[str, int]) -> dict[str, int]:
    """Say on stderr how many films of folders were left alone, and what colours them.

    Args:
        unread: how many files were not read, by ending.

    Returns:
        The others.
    """
    films = sum(count for ending, count in unread.items() if ending in FILM_EXTENSIONS)
    if films:
        what = "1 film" if films == 1 else f"{films} films"
        them = "it" if films == 1 else "them"
        typer.echo(f"koalarize: note: {what} left alone: --films colours {them}", err=True)
    return {ending: n for ending, n in unread.items() if ending not in FILM_EXTENSIONS}


def note_of_unread(unread: Mapping[str, int]) -> None:
    """Say on stderr how many files of folders were of no kind that is read.

    Args:
        unread: their number by ending.
    """
    total = sum(unread.values())
    if not total:
        return
    kinds = sorted(unread.items(), key=lambda kind: (-kind[1], kind[0]))
    listed = ", ".join(f"{count} {ending or 'without an ending'}" for ending, count in kinds)
    files = "1 file" if total == 1 else f"{total} files"
    heif = any(ending in HEIF_EXTENSIONS for ending in unread)
    help = "; `pip install 'koalarize[heif]'` reads HEIC" if heif else ""
    typer.echo(f"koalarize: note: {files} not read: {listed}{help}", err=True)


def note_of_orphans(orphaned: Iterable[Outcome]) -> None:
    """Say on stderr how many results have lost their pictures, and what lists them."""
    if lost := sum(1 for _ in orphaned):
        them = "it" if lost == 1 else "them"
        typer.echo(
            f"koalarize: note: {_without_picture(lost)}: the same command with --plan lists {them}",
            err=True,
        )


def _say_earlier(told: _Told) -> None:
    from koalarize.cli.earlier import note_of_earlier  # with NumPy, which is loaded by now

    note_of_earlier(told.reasons)


def _without_picture(count: int) -> str:
    have = "1 result has" if count == 1 else f"{count} results have"
    return f"{have} no picture any more"


def _note_of_more(count: int, what: str, lists: str) -> None:
    """Say on stderr how many pictures are not named here, and what names them."""
    if count:
        typer.echo(f"koalarize: note: {count} more {what}: {lists}", err=True)


def _summarize(told: _Told) -> None:
    only = told.last if told.counts.total() == 1 else None
    if only is None:
        parts = [f"{told.counts['colored']} coloured"] if told.counts["colored"] else []
        if parts and told.tinted:
            parts[0] += f" ({told.tinted} had colours)"
        if parts and told.damaged:
            parts[0] += f" ({told.damaged} damaged in part)"
        parts += [f"{count} {reason}" for reason, count in told.by_reason("skipped").items()]
        for reason, count in told.by_reason("failed").items():
            parts.append(f"{count} failed: {reason}" if reason else f"{count} failed")
        typer.echo(", ".join(parts))
    elif only.status == "colored":
        print_path(f"{only.output} ({only.seconds:.1f} s)")
    elif only.status == "skipped":
        print_path(f"{only.output or only.source}: {only.reason}; --overwrite colours it again")


def _complain(outcome: Outcome, *, alone: bool) -> None:
    reason = (outcome.error or outcome.damage or "failed").removeprefix(f"`{outcome.source}` ")
    start = "koalarize: error: " if alone else ""
    typer.echo(f"{start}{plain(str(outcome.source))}: {one_line(reason)}", err=True)
