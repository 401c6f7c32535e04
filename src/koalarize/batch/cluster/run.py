"""One run over an archive: the manifest, the plan, the work, and what is left for the next run.

Not here: how pictures are coloured (``worker``) and where (``actors``), what a terminal sees
(``koalarize cluster``).
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from koalarize.batch.cluster.actors import Machines, Portion, do_here, do_with_ray
from koalarize.batch.cluster.index import Index
from koalarize.batch.cluster.listed import listed
from koalarize.batch.cluster.manifest import read_manifest, write_manifest
from koalarize.batch.cluster.notes import Announced, left_behind
from koalarize.batch.cluster.order import Order, PortionTask, settings_hash
from koalarize.batch.cluster.plan import Planner
from koalarize.batch.cluster.results import Row, merge_parts, part_names, read_parts, write_part
from koalarize.batch.cluster.sources import CONTROL, Entry
from koalarize.batch.cluster.stores import Item, LocalStore, Store, unwritable
from koalarize.batch.cluster.tables import tidy
from koalarize.batch.orphans import GONE
from koalarize.batch.plan import Outcome
from koalarize.batch.rates import Pace

__all__ = ["Archive", "Decided"]

#: Pictures that a worker takes at once, at most; a part of the results is written for each portion.
_PORTION = 64
#: Portions that each worker gets at least, where there are pictures enough: the last ones of a run
#: then end at about the same time.
_PORTIONS_EACH = 4
#: Rows of one row group that are not shared among workers, which would all read the whole group.
_ROWS = 1024
#: Failures of the plan that are written at once.
_FAILURES = 1000


@dataclass(frozen=True)
class Decided:
    """What is to be done for one picture, or what became of it without any work.

    Attributes:
        entry: the picture.
        what: is to be done, or became of it.
        failed: whether it failed when it was last tried.
    """

    entry: Entry
    what: PortionTask | Outcome
    failed: bool = False


class Archive:
    """An archive that is being coloured: INPUT, OUTPUT, and what is known of both."""

    def __init__(
        self, order: Order, *, plan_only: bool = False, names: Sequence[str] | None = None
    ) -> None:
        """Get ready; nothing is read yet.

        Args:
            order: what is asked.
            plan_only: write nothing to OUTPUT.
            names: of a list, which pictures of INPUT are wanted; None wants all.
        """
        self._order = order
        self._names = names
        self._plan_only = plan_only
        self._index = Index(order.source.place, rows_in_tables=bool(order.table))
        self._seen_parts: list[str] = []
        self._left: list[tuple[str, list[Announced]]] = []
        self._planned = 0
        self._planner: Planner | None = None
        self.total = 0

    @property
    def unread(self) -> Counter[str]:
        """How many files were passed over since they are of no kind that is read, by ending."""
        return self._order.source.unread if self._names is None else Counter()

    @property
    def results(self) -> int:
        """How many earlier results were passed over."""
        return self._order.source.results

    @property
    def model(self) -> str:
        """The name of the model that is asked."""
        return self._order.asked.model

    def rates(self, model: str) -> Pace | None:
        """Return what pictures took with a model so far."""
        return self._index.rates(model)

    def plan(self) -> Generator[Decided]:
        """Say what would be done for each picture, without doing it.

        Raises:
            DataError: if INPUT cannot be listed.
            OutputError: if OUTPUT cannot be read.
        """
        with self._ready() as (manifest, planner):
            for entry in self._entries(manifest):
                what = planner.decide(entry, rows=bool(self._order.table))
                if what is not None:
                    yield Decided(entry, what, self._index.failed(entry.key))

    def color(self, machines: Machines) -> Generator[Outcome]:
        """Colour what needs it.

        Args:
            machines: where; ``workers`` of 0 works in this process.

        Yields:
            One outcome a picture: first those that need no work, then the others as portions end.

        Raises:
            DataError: if INPUT cannot be listed.
            OutputError: if OUTPUT cannot be read or written.
            KoalarizeError: if what is asked cannot be done at all.
        """
        with self._ready() as (manifest, planner):
            try:
                yield from self._decide(manifest, planner)
                yield from self._work(planner, machines)
            finally:
                self._settle(manifest.parent)

    def orphans(self) -> Generator[Outcome]:
        """Yield, after a plan or a run, the results that stand though their pictures are gone.

        Of a row of a table the output is the part that holds it. A list tells of none.
        """
        if self._planner is None or self._names is not None:
            return
        rows = bool(self._order.table)
        for key, result in self._index.lost():
            if self._planner.holds(key if rows else result, rows=rows):
                output = _place_of(result, self._order.output)
                yield Outcome(Path(key), output, "orphaned", reason=GONE)

    def _entries(self, manifest: Path) -> Iterator[Entry]:
        """Go through the entries of a manifest, and note that their pictures are there."""
        for entry in read_manifest(manifest):
            self._index.meet(entry.key)
            yield entry

    @contextmanager
    def _ready(self) -> Generator[tuple[Path, Planner]]:
        order = self._order
        with tempfile.TemporaryDirectory(prefix="koalarize-") as folder:
            path = Path(folder, "manifest.parquet")
            entries = order.source.entries()
            if self._names is not None:
                entries = listed(entries, self._names, order.source.place)
            self.total = write_manifest(entries, path)
            with _of_output(order.output):
                if not self._plan_only:
                    order.output.put_file(f"{CONTROL}/{self._manifest_name()}", path)
                self._look_around()
            planner = Planner(
                order.source,
                order.output,
                order.options,
                order.asked,
                self._index,
                plan_only=self._plan_only,
            )
            self._planner = planner
            yield path, planner

    def _manifest_name(self) -> str:
        shard = self._order.options.shard
        part = "" if shard is None else f"-{shard.number}-of-{shard.count}"
        return f"manifest{part}.parquet"

    def _look_around(self) -> None:
        """Read what earlier runs have left in OUTPUT."""
        output = self._order.output
        self._seen_parts = part_names(output)
        for rows in read_parts(output, self._seen_parts):
            self._index.add_rows(rows)
        for folder in _below(output):
            self._index.add_objects(folder)
        for key, announced in left_behind(output):
            self._left.append((key, announced))
            self._index.add_announced(announced)
        if self._order.table and not self._plan_only:
            tidy(output, self._index.stale())

    def _decide(self, manifest: Path, planner: Planner) -> Generator[Outcome]:
        """Decide for all; tasks are kept, what needs no work is told."""
        failures: list[Row] = []
        for entry in self._entries(manifest):
            what = planner.decide(entry, rows=bool(self._order.table))
            if isinstance(what, PortionTask):
                self._index.add_task(what.to_json())
                self._planned += 1
            elif what is not None:
                if what.status == "failed":
                    failures.append(self._failure(entry, what))
                    if len(failures) >= _FAILURES:
                        self._write_failures(failures)
                yield what
        self._write_failures(failures)

    def _failure(self, entry: Entry, outcome: Outcome) -> Row:
        asked = self._order.asked
        return Row(
            key=entry.key,
            result=None,
            status="failed",
            reason=outcome.reason,
            error=outcome.error,
            model=asked.model,
            weights=asked.weights,
            settings=settings_hash(asked),
            source=entry.version,
            input=self._order.source.place,
            run=self._order.run,
            time=time.time_ns(),
        )

    def _write_failures(self, failures: list[Row]) -> None:
        if failures:
            name = f"{self._order.run}-plan-{secrets.token_hex(4)}"
            with _of_output(self._order.output):
                write_part(self._order.output, name, failures)
            self._index.add_rows(failures)
            failures.clear()

    def _work(self, planner: Planner, machines: Machines) -> Generator[Outcome]:
        """Colour all tasks, then those that found their places taken, under their next names."""
        do = _runner(machines)
        turn = 0
        while self._planned:
            others: dict[str, PortionTask] = {}
            held: dict[str, PortionTask] = {}
            portions = self._portions(turn, machines.expected, held)
            for rows in do(self._order, portions):
                self._index.add_rows(rows)
                for row in rows:
                    task = held.pop(row.key, None)
                    if row.status == "other" and task is not None:
                        others[row.key] = task
                    else:
                        yield _outcome(row, self._order.output)
            self._index.forget_tasks()
            self._planned = 0
            turn += 1
            for task in others.values():
                rows_in_tables = bool(self._order.table)
                what = planner.decide(task.entry, rows=rows_in_tables, start=task.number + 1)
                if isinstance(what, PortionTask):
                    self._index.add_task(what.to_json())
                    self._planned += 1
                elif what is not None:
                    yield what

    def _portions(self, turn: int, workers: int, held: dict[str, PortionTask]) -> Iterator[Portion]:
        """Cut the tasks into portions; tables are cut between row groups where that can be."""
        most = max(1, min(_PORTION, -(-self._planned // (_PORTIONS_EACH * workers))))
        some: list[PortionTask] = []
        number = 0
        for plain in self._index.tasks():
            task = PortionTask.from_json(plain)
            if some and _is_full(some, task, most):
                yield Portion(f"{self._order.run}-{turn}-{number:07}", some)
                some, number = [], number + 1
            some.append(task)
            held[task.entry.key] = task
        if some:
            yield Portion(f"{self._order.run}-{turn}-{number:07}", some)

    def _settle(self, folder: Path) -> None:
        """Leave OUTPUT in order: few parts of results, no row twice, no notes of old runs."""
        output = self._order.output
        run = self._order.run
        with _of_output(output):
            mine = [name for name in part_names(output) if name.startswith(run)]
            old = self._seen_parts if self._order.options.shard is None else []
            if mine:
                small = [name for name in old if not name.endswith("-all")]
                merge_parts(output, sorted({*small, *mine}), f"{run}-all", folder)
            if self._order.table:
                tidy(output, self._index.stale())
            if self._order.options.shard is None and not self._planned:
                for key, announced in self._left:
                    if not any(self._is_pending(one.slot) for one in announced):
                        output.remove(key)

    def _is_pending(self, slot: str) -> bool:
        """Tell whether only a note says whose an object is: this run has not looked at it."""
        there, known = self._index.there(slot), self._index.known(slot)
        return there is not None and (known is None or not known.made.fits(there))


def _runner(
    machines: Machines,
) -> Callable[[Order, Iterator[Portion]], Generator[list[Row]]]:
    if machines.workers == 0:
        return do_here
    return lambda order, portions: do_with_ray(order, portions, machines)


def _is_full(some: list[PortionTask], task: PortionTask, most: int) -> bool:
    last = some[-1].entry
    if task.entry.table is None:
        return len(some) >= most
    same = (last.table, last.group) == (task.entry.table, task.entry.group)
    return len(some) >= (_ROWS if same else most)


def _below(output: Store, folder: str = "", above: tuple[str, ...] = ()) -> Iterator[list[Item]]:
    """Go through the objects of OUTPUT, folder by folder, without those of the run.

    Args:
        output: is gone through.
        folder: where to begin.
        above: real paths of the folders above it, to which links lead up.
    """
    if isinstance(output, LocalStore):
        real = os.path.realpath(output.root / folder)
        if real in above:
            return
        above = (*above, real)
    children = output.children(folder)
    yield children.items
    for below in children.folders:
        if below != CONTROL:
            yield from _below(output, below, above)


def _outcome(row: Row, output: Store) -> Outcome:
    return Outcome(
        Path(row.key),
        None if row.result is None else _place_of(row.result, output),
        "skipped" if row.status == "kept" else "failed" if row.status == "failed" else "colored",
        row.error,
        row.seconds,
        row.had_color,
        row.notes,
        row.reason,
    )


def _place_of(result: str, output: Store) -> Path:
    return output.root / result if isinstance(output, LocalStore) else Path(result)


@contextmanager
def _of_output(output: Store) -> Generator[None]:
    """Say of an error what could not be done."""
    try:
        yield
    except OSError as error:
        raise unwritable(output, error) from error
