"""Decide, picture by picture: what is coloured into which object, and what needs no work.

Not here: colouring (``worker``), names and what they may be (``batch.naming``). Where only the
bytes can tell, the worker that reads them anyway is told to look.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path, PurePosixPath

from koalarize.batch.cluster.index import Index, Known
from koalarize.batch.cluster.order import Check, PortionTask, how_asked
from koalarize.batch.cluster.sources import Entry, Source
from koalarize.batch.cluster.stores import LocalStore, Store, real_place
from koalarize.batch.find import Job, is_own
from koalarize.batch.naming import Naming
from koalarize.batch.plan import BatchOptions, Outcome
from koalarize.batch.spill import MOST_NAMES, Claims
from koalarize.batch.standing import REFUSALS, Standing
from koalarize.photo.provenance import Provenance

__all__ = ["Planner"]


class Planner:
    """Decides one picture after another, in order."""

    def __init__(
        self,
        source: Source,
        output: Store,
        options: BatchOptions,
        asked: Provenance,
        index: Index,
        *,
        plan_only: bool = False,
    ) -> None:
        """Get ready.

        Args:
            source: where pictures come from; only GIF files are looked into.
            output: where results go.
            options: what is asked of files.
            asked: model, weights and settings of this run.
            index: what is known of results.
            plan_only: write nothing, not even to see how OUTPUT spells names.
        """
        root = output.root if isinstance(output, LocalStore) else None
        self._root = root
        self._naming = Naming(Path(), options.template, options.layer, not plan_only)
        self._source, self._options, self._index = source, options, index
        given = source.place, output.place
        places = given, tuple(map(real_place, given))  # a link may lead into OUTPUT
        self._inside = {in_.removeprefix(out) for in_, out in places if in_.startswith(out)}
        self._asked = asked
        self._claims = Claims()

    def decide(self, entry: Entry, *, rows: bool, start: int = 1) -> PortionTask | Outcome | None:
        """Return what is to be done for a picture, or what became of it; None if it is not ours.

        Args:
            entry: the picture.
            rows: whether results are rows of tables.
            start: the first of its names to try, from 1.
        """
        if entry.problem is not None:
            return self._failed(entry, entry.problem, entry.reason)
        try:
            first = entry.key if rows else self._slot(entry, 1)
        except OSError as error:
            return self._failed(entry, f"cannot be read: {error}", "cannot be read")
        if not self.holds(first, rows=rows):
            return None
        if not rows and self._is_result(entry):
            return Outcome(Path(entry.key), None, "skipped", reason="result of koalarize")
        if self._options.retry_failed and not self._index.failed(entry.key):
            return Outcome(Path(entry.key), None, "skipped", reason="did not fail before")
        if rows:
            return self._as_row(entry)
        return self._as_object(entry, first, start)

    def _is_result(self, entry: Entry) -> bool:
        """Tell whether a file of INPUT bears the name of a result in OUTPUT, maybe without a mark.

        INPUT is OUTPUT then, or lies in it; OUTPUT inside INPUT is not searched.
        """
        if entry.table is not None:
            return False
        slots = [f"{inside}{entry.key}" for inside in self._inside]
        return any(self._index.known(slot) or self._index.announced(slot) for slot in slots)

    def _is_in_input(self, entry: Entry, slot: str) -> bool:
        """Tell whether a place of OUTPUT is one where INPUT is searched for pictures."""
        if entry.table is not None or is_own(Path(slot)):
            return False
        return slot.startswith(tuple(self._inside))

    def _as_row(self, entry: Entry) -> PortionTask | Outcome:
        if self._claims.claim(entry.key, _place(entry)) != _place(entry):
            problem = f"another row has the key `{entry.key}`: give each its own"
            return self._failed(entry, problem, "two pictures, one name")
        known = self._index.known(entry.key)
        if known is None or self._index.there(known.result) is None:
            return PortionTask(entry, entry.key, check="none")
        if not known.source.fits(entry.version):
            return self._ruled(self._task(entry, entry.key, 1, known), Standing.SOURCE, "source")
        task = self._task(entry, entry.key, 1, known)
        return self._ruled(task, how_asked(known, self._asked), "none")

    def _as_object(self, entry: Entry, first: str, start: int) -> PortionTask | Outcome:
        """Find the first name that is free, or that of an earlier result of this very picture."""

        def named(number: int) -> tuple[str, str]:
            slot = first if number == 1 else self._slot(entry, number)
            return slot, self._spelled(slot)

        for number, slot, owner in self._claims.names(_place(entry), named, start):
            standing, check, known = self._standing(entry, slot)
            if standing is not Standing.OTHER:
                task = self._task(entry, slot, number, known)
                if standing is Standing.FOREIGN and self._is_in_input(entry, slot):
                    task = dataclasses.replace(task, in_input=True)
                if check in ("mark", "result"):
                    announced = self._index.announced(slot)
                    mine = tuple(one for one in announced if one.key == entry.key)
                    task = dataclasses.replace(task, announced=mine)
                if number > 1:
                    taken = owner.partition("\0")[0]
                    whose = f"`{taken}`" if taken else "another picture"
                    usual, name = PurePosixPath(first).name, PurePosixPath(slot).name
                    note = f"its result is `{name}`, since `{usual}` is that of {whose}"
                    task = dataclasses.replace(task, notes=(note,))
                return self._ruled(task, standing, check)
        problem = f"{MOST_NAMES} names like `{first}` are taken"
        return self._failed(entry, problem, "no name left")

    def _standing(self, entry: Entry, slot: str) -> tuple[Standing, Check, Known | None]:
        """Return how a place stands to a picture as far as is known, and what must be looked at."""
        there, known = self._index.there(slot), self._index.known(slot)
        mine = known if known is not None and known.key == entry.key else None
        if there is None:  # results made again are then announced, for no mark tells of this run
            return Standing.FREE, "free", mine
        if self._index.is_others(slot, entry.key):
            return Standing.OTHER, "none", None
        if known is None:
            announced = self._index.announced(slot)
            if announced and all(one.key != entry.key for one in announced):
                return Standing.OTHER, "none", None
            return Standing.FOREIGN, "mark", None
        if mine is None:
            return Standing.OTHER, "none", None
        if not mine.made.fits(there):
            return Standing.TOUCHED, "result", mine
        if mine.elsewhere or not mine.source.fits(entry.version):
            return Standing.SOURCE, "source", mine
        return how_asked(mine, self._asked), "none", mine

    def _ruled(self, task: PortionTask, why: Standing, check: Check) -> PortionTask | Outcome:
        if self._options.overwrite:
            why = why.when_made_again(asked=True)
            return dataclasses.replace(task, why=why, check=check)
        task = dataclasses.replace(task, why=why, check=check)
        if check == "none" and (why is Standing.DONE or self._options.leaves(why)):
            source, result = Path(task.entry.key), Path(task.result or task.slot)
            return Outcome(source, result, "skipped", notes=task.notes, reason=why.value)
        if check == "none" and why.is_kept:
            return self._failed(task.entry, REFUSALS[why].format(task.slot), why.value)
        return task

    def _task(self, entry: Entry, slot: str, number: int, known: Known | None) -> PortionTask:
        if known is None:
            return PortionTask(entry, slot, number)
        return PortionTask(
            entry,
            slot,
            number,
            model=known.model,
            weights=known.weights,
            settings=known.settings,
            source_sha256=known.source_sha256,
            made=known.made,
            made_sha256=known.made_sha256,
            elsewhere=known.elsewhere,
            result=known.result,
        )

    def _slot(self, entry: Entry, number: int) -> str:
        """Return the key of a picture's result, as a folder run calls it."""
        relative = Path(entry.name)
        if relative.suffix.lower() != ".gif":
            return self._naming.target(Job(relative, relative), number).as_posix()
        # Only what moves stays GIF, which the file itself must say.
        with tempfile.TemporaryDirectory(prefix="koalarize-") as folder:
            local = Path(folder, relative.name)
            data = next(iter(self._source.pictures([entry])))
            if isinstance(data, OSError):
                raise data
            local.write_bytes(data if isinstance(data, bytes) else b"")  # of no picture
            return self._naming.target(Job(local, relative), number).as_posix()

    def _spelled(self, slot: str) -> str:
        """Return one text for all spellings of a key that are one object in OUTPUT."""
        return slot if self._root is None else self._naming.key(self._root / slot)

    def holds(self, slot: str, *, rows: bool) -> bool:
        """Tell whether a place of OUTPUT is of the part that is done here."""
        shard = self._options.shard
        return shard is None or shard.holds(slot if rows else self._shared(slot))

    def _shared(self, slot: str) -> str:
        """Return the same below OUTPUT, which machines may reach by different paths."""
        if self._root is None:
            return slot
        return self._naming.shared_key(Job(Path(slot), Path(slot)), self._root / slot)

    def _failed(self, entry: Entry, problem: str, reason: str) -> Outcome:
        return Outcome(Path(entry.key), None, "failed", problem, reason=reason)


def _place(entry: Entry) -> str:
    """Return what tells an entry from all others, even from one of the same key."""
    return f"{entry.key}\0{entry.table or ''}\0{entry.group}\0{entry.row}"
