"""Decide, job by job: what is written where, what needs no work, what may not be replaced.

Not here: doing it (``run``), how an existing result stands (``standing``), names (``naming``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from koalarize.batch.compare import compare_path
from koalarize.batch.find import Job, is_own, path_key, real_key, reason_of
from koalarize.batch.journal import JOURNAL, Journal, Stamp
from koalarize.batch.misnamed import meant
from koalarize.batch.naming import DEFAULT_NAME, LAYER_NAME, Naming
from koalarize.batch.shard import Shard
from koalarize.batch.spill import MOST_NAMES, Claims, Seen
from koalarize.batch.stage import sweep_stages
from koalarize.batch.standing import ORIGINAL, REFUSALS, Judge, Standing, journal_name
from koalarize.color import thread_count
from koalarize.errors import FilmError, OutputError
from koalarize.photo.files import sweep_parts
from koalarize.photo.provenance import Provenance
from koalarize.photo.sources import not_there

if TYPE_CHECKING:
    from koalarize.film.options import FilmOptions
    from koalarize.film.result import Outlook

__all__ = ["OWN", "BatchOptions", "Outcome", "Planner", "Task"]

#: Why a picture that is a result is passed over.
OWN = "result of koalarize"

Status = Literal["colored", "skipped", "failed", "planned", "orphaned"]


@dataclass(frozen=True)
class Outcome:
    """What became of one job.

    Attributes:
        source: the file that was to be coloured.
        output: the coloured file: written now if ``colored``, there before if ``skipped``.
        status: ``colored``, ``skipped`` (its result is there) or ``failed``; in a plan ``planned``,
            and ``orphaned`` for a result whose picture is gone.
        error: one sentence if it failed.
        seconds: wall time of decoding, colouring and encoding.
        had_color: whether it clearly had colours of its own, which new ones have replaced.
        notes: what of the picture is not in the result, a phrase each.
        reason: why it was skipped, failed or coloured, in few words, the same for all of a kind.
        stamps: of the picture as it was read and of the result, if ``colored``.
        damage: what of a film could not be read though the rest is ``colored``, a sentence.
    """

    source: Path
    output: Path | None
    status: Status
    error: str | None = None
    seconds: float = 0.0
    had_color: bool = False
    notes: tuple[str, ...] = ()
    reason: str = ""
    stamps: tuple[Stamp, Stamp] | None = None
    damage: str | None = None


@dataclass(frozen=True)
class Task:
    """One picture with everything decided: what to write and how.

    Attributes:
        source: the picture.
        target: the file to write.
        ours: whether the name of the target is of our making, which no original bears.
        overwrite: whether what stands there may be replaced.
        why: the standing of what is there.
        notes: what a person should know of the name.
        film: what is known of it, if it is a film.
        compare: whether a comparison is written: it is asked for, or one of ours is there, which
            would show earlier colours.
        found: whether the picture was found rather than named itself.
        failed: whether a plan knows that it failed when it was last tried.
    """

    source: Path
    target: Path
    ours: bool
    overwrite: bool
    why: Standing = Standing.FREE
    notes: tuple[str, ...] = ()
    film: Outlook | None = None
    compare: bool = False
    found: bool = False
    failed: bool = False

    @property
    def said(self) -> str:
        """Why it is to be coloured, as a plan says it."""
        return f"{self.why.value}, failed before" if self.failed else self.why.value


@dataclass(frozen=True)
class BatchOptions:
    """Where the results of many pictures go.

    Attributes:
        output: a folder that keeps the structure of the searched ones, made where it is missing;
            None writes beside each picture.
        overwrite: colour again what is already done; replace what is not ours.
        compare: also write ``name.compare.jpg``, grey and coloured side by side.
        workers: pictures in work at once, which bounds the memory; by default one a core.
        tolerant: colour pictures that are cut short as far as they go.
        name: how a result is called without its ending; None is usual.
        journal: its file; by default in the output folder or the folder that was searched.
        shard: which part of the pictures is done here.
        retry_failed: only what failed when it was last tried.
        keep_times: give results the times of their pictures.
        layer: write only the colours, as ``name.layer.png`` or ``.tif``.
        keep_earlier: leave results of other settings, models and weights as they are.
    """

    output: Path | None = None
    overwrite: bool = False
    compare: bool = False
    workers: int | None = None
    tolerant: bool = False
    name: str | None = None
    journal: Path | None = None
    shard: Shard | None = None
    retry_failed: bool = False
    keep_times: bool = False
    layer: bool = False
    keep_earlier: bool = False

    def leaves(self, standing: Standing) -> bool:
        """Tell whether a result that was found is left though it was made otherwise."""
        return self.keep_earlier and standing in (Standing.SETTINGS, Standing.MODEL)

    @property
    def template(self) -> str:
        """How a result is called without its ending."""
        return self.name or (LAYER_NAME if self.layer else DEFAULT_NAME)

    @property
    def journal_name(self) -> str:
        """How the journal in the folder of the results is called."""
        if self.shard is None:
            return JOURNAL
        # Each machine its own: locks of network shares cannot be trusted.
        return f".koalarize-{self.shard.number}-of-{self.shard.count}.sqlite"


class Planner:
    """Decides, job by job and in order, what is written where and what needs no work."""

    def __init__(
        self,
        options: BatchOptions,
        asked: Provenance,
        *,
        plan_only: bool = False,
        films: FilmOptions | None = None,
    ) -> None:
        """Get ready.

        Args:
            options: where the results go.
            asked: model, weights and settings of this run.
            plan_only: write nothing, neither journals nor folders.
            films: how films are made, if jobs are films.
        """
        self._films = films
        self._options = options
        self._asked = asked
        self._plan_only = plan_only
        self._naming = Naming(options.output, options.template, options.layer, not plan_only)
        self._claims = Claims()
        self._swept = Seen()
        self._judges: dict[Path | None, Judge] = {}
        self._troubles: dict[Path | None, OutputError] = {}
        self._last_folder: tuple[tuple[Path, Path], bool] | None = None
        self._real: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())

    @property
    def model(self) -> str:
        """The name of the model that is asked."""
        return self._asked.model

    @property
    def workers(self) -> int:
        """How many pictures are in work at once."""
        return thread_count(self._options.workers or 0)

    @property
    def journals(self) -> list[Journal]:
        """Those that were opened."""
        return [judge.journal for judge in self._judges.values() if judge.journal is not None]

    def judge(self, job: Job) -> Judge:
        """Return who judges a job's result, with the journal that knows it.

        Raises:
            OutputError: if that cannot be used. It is asked once: one that is locked lets wait.
        """
        path = self._journal_path(job)
        if path in self._troubles:
            raise self._troubles[path]
        if path not in self._judges:
            try:
                journal = None if path is None else Journal(path, readonly=self._plan_only)
            except OutputError as error:
                self._troubles[path] = error
                raise
            compare = self._options.compare and self._films is None
            self._judges[path] = Judge(self._asked, journal, compare)
        return self._judges[path]

    def known(self, job: Job) -> Judge | None:
        """Return who judged a job, if anybody did."""
        return self._judges.get(self._journal_path(job))

    def decide(self, job: Job) -> Task | Outcome | None:
        """Return what is to be done for a job, or what became of it; None if it is not ours.

        Raises:
            OutputError: if the journal of all jobs cannot be used.
        """
        options = self._options
        if job.problem is not None:
            return Outcome(job.source, None, "failed", job.problem, reason=job.reason)
        first = job.target or self._naming.target(job)
        # All films that may want one name are of one part, whichever container theirs will be.
        name = first if self._films is None else first.with_suffix(".mkv")
        shard = options.shard
        if shard is not None and not shard.holds(self._naming.shared_key(job, name)):
            return None
        try:
            judge = self.judge(job)
        except OutputError as error:
            if options.output or options.journal or len(job.named) == 1:
                raise  # it is that of all pictures
            return Outcome(job.source, None, "failed", str(error), reason="cannot be written")
        passed_over = self._passed_over(job, judge)
        if passed_over is not None:
            return Outcome(job.source, None, "skipped", reason=passed_over)
        if options.retry_failed:
            journal = judge.journal
            if journal is None or not journal.failed(journal_name(job.source)):
                return Outcome(job.source, None, "skipped", reason="did not fail before")
        looked_at = job.found and not job.listed
        if not (looked_at or os.path.exists(job.source)):  # noqa: PTH110 (raises nothing)
            problem = meant(job.source) or not_there(job.source)
            return Outcome(job.source, None, "failed", problem, reason="no readable picture")
        if not self._plan_only and self._swept.add(str(first.parent)):
            sweep_parts(first.parent)
            sweep_stages(first.parent)
        if job.target is not None:
            return self._named(job, job.target)
        try:
            return self._placed(job, judge, first, self._look(job))
        except FilmError as error:
            return Outcome(job.source, None, "failed", str(error), reason="no readable film")
        except OSError as error:
            problem = f"cannot be read: {reason_of(error)}"
            return Outcome(job.source, None, "failed", problem, reason="cannot be read")

    def _look(self, job: Job) -> Outlook | None:
        """Look at a film.

        Raises:
            FilmError: if it cannot be read.
        """
        if self._films is None:
            return None
        from koalarize.film.film import look_at

        return look_at(job.source, self._films)

    def passes_over(self, job: Job) -> bool:
        """Tell whether a file that was found is no picture to colour; raises OutputError."""
        return self._passed_over(job, self.judge(job)) is not None

    def _passed_over(self, job: Job, judge: Judge) -> str | None:
        """Return why a file that was found is no picture to colour, though no mark says so."""
        if not job.found:
            return None
        if self._lies_in_output(job):
            return "in the output folder"
        return OWN if judge.knows(job.source) else None

    def _lies_in_output(self, job: Job) -> bool:
        """Tell whether a file lies in OUTPUT, which the searched folder holds."""
        output = self._options.output
        if output is None:
            return False
        folders = job.source.parent, job.root
        if self._last_folder is None or self._last_folder[0] != folders:
            top = os.path.realpath(output)
            source, root = (Path(os.path.realpath(folder)) for folder in folders)
            inside = source.is_relative_to(top) and not root.is_relative_to(top)
            self._last_folder = folders, inside
        return self._last_folder[1]

    def _journal_path(self, job: Job) -> Path | None:
        options = self._options
        if options.journal is not None:
            return options.journal
        if job.target is not None:
            return None
        if options.output is not None:
            return options.output / options.journal_name
        # A list may name files of thousands of folders, or of all the disk.
        return job.root / options.journal_name if job.found and not job.listed else None

    def _named(self, job: Job, target: Path) -> Task | Outcome:
        owner = self._claims.claim(self._naming.key(target), str(job.source))
        if owner != str(job.source):
            problem = f"its result would be `{target}` like that of `{owner}`; name another"
            return Outcome(job.source, None, "failed", problem, reason="two pictures, one name")
        options = self._options
        return Task(job.source, target, False, options.overwrite, compare=options.compare)

    def _placed(self, job: Job, judge: Judge, first: Path, film: Outlook | None) -> Task | Outcome:
        """Find the first name that is free, or that of an earlier result of this very picture."""

        def named(number: int) -> tuple[Path, str]:
            target = first
            if film is not None or number > 1:
                ending = film.path.suffix if film else None
                target = self._naming.target(job, number, ending=ending)
            return target, self._naming.key(target)

        for number, target, taken in self._claims.names(str(job.source), named):
            standing = judge.standing(job.source, target)
            if standing is not Standing.OTHER:
                decided = self._ruled(job, judge, (target, standing), number, taken)
                return replace(decided, film=film) if isinstance(decided, Task) else decided
        problem = f"{MOST_NAMES} names like `{self._naming.target(job).name}` are taken"
        return Outcome(job.source, None, "failed", problem, reason="no name left")

    def _ruled(
        self, job: Job, judge: Judge, found: tuple[Path, Standing], number: int, taken: str
    ) -> Task | Outcome:
        target, standing = found
        notes: tuple[str, ...] = ()
        if number > 1:
            whose = f"`{taken}`" if taken else "another picture"
            ending = None if self._films is None else target.suffix
            first = self._naming.target(job, ending=ending).name
            notes = (f"its result is `{target.name}`, since `{first}` is that of {whose}",)
        options, done = self._options, (Standing.DONE, Standing.EARLIER)
        left = (standing in done and job.found) or options.leaves(standing)
        if left and not options.overwrite:
            return Outcome(job.source, target, "skipped", notes=notes, reason=standing.value)
        if standing is Standing.FOREIGN and self._is_original(job, target):
            text = ORIGINAL.format(target)
            return Outcome(job.source, target, "failed", text, notes=notes, reason=standing.value)
        sheet = Standing.FREE
        if self._films is None:
            sheet = judge.comparison(job.source, target)
        for kind in () if options.overwrite else (standing, sheet)[: 1 + options.compare]:
            if kind in REFUSALS:
                what = target if kind is standing else compare_path(target)
                text = REFUSALS[kind].format(what)
                return Outcome(job.source, target, "failed", text, notes=notes, reason=kind.value)
        compare = self._films is None and options.compare
        compare = compare or (sheet is not Standing.FREE and sheet not in REFUSALS)
        replaces = options.overwrite or standing is not Standing.FREE
        standing = standing.when_made_again(asked=options.overwrite or not job.found)
        journal = judge.journal if self._plan_only else None
        failed = journal is not None and journal.failed(journal_name(job.source))
        task = Task(job.source, target, True, replaces, standing, notes, compare=compare)
        return replace(task, found=job.found, failed=failed)

    def _is_original(self, job: Job, target: Path) -> bool:
        """Tell whether a file that is no result of ours is a picture that this run colours too."""
        if is_own(target) or target.name.startswith("."):
            return False
        if self._real[0] is not job.named:  # one for all jobs of a search
            self._real = job.named, frozenset(map(real_key, job.named))
        place, named, output = Path(os.path.realpath(target.parent)), self._real[1], None
        if path_key(place / target.name) in named:
            return True
        if self._options.output is not None:
            output = Path(os.path.realpath(self._options.output))
        searched = job.found and not job.listed
        root = Path(os.path.realpath(job.root)) if searched else None
        # OUTPUT is only searched by whoever names it, or something in it.
        return any(
            top == root or path_key(top) in named
            for top in (place, *place.parents)
            if output is None or top.is_relative_to(output)
        )
