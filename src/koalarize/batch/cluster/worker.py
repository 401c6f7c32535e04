"""What a worker does: colours a portion of pictures from one store into another.

Not here: which pictures those are (``plan``), where workers run (``actors``). A portion may be
begun again after its worker was lost, on any machine: what the lost one has finished is found and
kept, and a picture that has ended its workers several times is passed over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from koalarize.batch.cluster.notes import Announced, Notes
from koalarize.batch.cluster.order import Order, PortionTask, Signed, how_asked, settings_hash
from koalarize.batch.cluster.results import Row, write_part
from koalarize.batch.cluster.stores import LocalStore, Version
from koalarize.batch.cluster.tables import TableWriter
from koalarize.batch.full import full_disk
from koalarize.batch.plan import OWN, Outcome, Task
from koalarize.batch.run import asked_of, coloring, run_task
from koalarize.batch.standing import ORIGINAL, REFUSALS, Standing, how_made
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import KoalarizeError, ModelError, PhotoError
from koalarize.photo.provenance import holds_mark, mark_of

__all__ = ["Worker"]

#: Bytes of a file's name, with room for what is added to it.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class _Portion:
    """What the pictures of one portion share: its notes, a folder for files, and its table."""

    notes: Notes
    folder: Path
    table: TableWriter | None


class Worker:
    """Colours portions with one network that stays loaded."""

    def __init__(self, order: Order, colorizer: Colorizer | None = None) -> None:
        """Load the network.

        Args:
            order: what to do.
            colorizer: the network, if it is loaded already.

        Raises:
            ModelError: if it cannot be loaded, or is not that of whoever gave the order.
            OptionError: if it cannot do what is asked.
        """
        self._order = order
        colorizer = order.model.load() if colorizer is None else colorizer
        mine = asked_of(colorizer, order.steering, order.options)
        if mine != order.asked:
            raise ModelError(
                f"`{socket.gethostname()}` would colour with `{mine.model}` of {mine.software} "
                f"({(mine.weights or '-')[:12]}) but was asked for `{order.asked.model}` of "
                f"{order.asked.software} ({(order.asked.weights or '-')[:12]}): install the same "
                "koalarize and the same model on every machine"
            )
        self._color = coloring(colorizer, order.steering, order.options)
        self._settings = settings_hash(order.asked)

    def portion(self, name: str, tasks: Iterable[PortionTask]) -> list[Row]:
        """Colour a portion and write its part of the results.

        Args:
            name: the portion's, the same whenever it is begun again.
            tasks: what it holds, the same likewise.

        Raises:
            OSError: if nothing can be written to OUTPUT.
            OptionError: if what is asked suits no picture.
            OutputError: if a disk is full.
        """
        tasks, order = list(tasks), self._order
        notes = Notes.begin(order.output, name)
        rows: list[Row] = []
        with tempfile.TemporaryDirectory(prefix="koalarize-") as folder:
            place = Path(folder)
            table = TableWriter(place / "part.parquet", order.table) if order.table else None
            portion = _Portion(notes, place, table)
            read = order.source.pictures([task.entry for task in tasks])
            for task, data in zip(tasks, read, strict=True):
                if notes.has_ended_workers(task.entry.key):
                    error = "ended its worker several times: look at it alone"
                    rows.append(self._row(task, "failed", reason="ended its worker", error=error))
                    continue
                notes.enter(task.entry.key)
                rows.append(self._one(task, data, portion))
            if table is not None:
                rows = self._finished(table, name, rows)
        write_part(order.output, name, rows)
        notes.end()
        return rows

    def _one(self, task: PortionTask, data: bytes | OSError | PhotoError, portion: _Portion) -> Row:
        """Return what becomes of one picture."""
        if isinstance(data, PhotoError):
            return self._row(task, "failed", reason="no readable picture", error=str(data))
        if isinstance(data, OSError):
            error = f"cannot be read: {_said(data)}"
            return self._row(task, "failed", reason="cannot be read", error=error)
        digest = hashlib.sha256(data).hexdigest()
        try:
            why, signed = self._standing(task, digest, portion.notes)
        except OSError as error:
            text = f"`{task.slot}` in OUTPUT cannot be read: {_said(error)}"
            return self._row(task, "failed", reason="cannot be read", error=text)
        ruled = self._ruled(task, why, digest, signed)
        if ruled is not None:
            return ruled
        if why is Standing.FREE and task.entry.table is None and mark_of(data) is not None:
            return self._row(task, "kept", reason=OWN)  # of another --name, as in folder runs
        return self._colored(task, data, why, portion)

    def _standing(
        self, task: PortionTask, digest: str, notes: Notes
    ) -> tuple[Standing, Signed | None]:
        """Return how what stands in OUTPUT now stands to the picture, and what tells its making."""
        if task.check in ("none", "source") and (self._order.table or self._is_as_planned(task)):
            return (task.why if task.check == "none" else self._of_known(task, digest)), task
        there = self._order.output.info(task.slot)
        if there is None:
            return Standing.FREE, None
        made = self._order.output.read(task.slot)
        made_sha256 = hashlib.sha256(made).hexdigest()
        fitting = [
            one
            for one in (*task.announced, *notes.announced)
            if (one.slot, one.made_sha256) == (task.slot, made_sha256)
        ]
        if fitting:
            same = [one for one in fitting if one.source_sha256 == digest]
            if not same:
                here = any(one.input in ("", self._order.source.place) for one in fitting)
                return (Standing.SOURCE if here else Standing.OTHER), None
            hows = {how_asked(one, self._order.asked): one for one in same}
            best = (Standing.DONE, Standing.MODEL, Standing.SETTINGS)
            return next((how, hows[how]) for how in best if how in hows)
        others = task.elsewhere and digest != task.source_sha256
        if not others and task.made_sha256 is not None:
            same = task.made_sha256 == made_sha256
            return (self._of_known(task, digest) if same else Standing.TOUCHED), task
        mark = mark_of(made)
        if mark is None:
            return (Standing.OTHER if others else Standing.FOREIGN), None
        made_by = mark.provenance
        if made_by.source != digest:
            return Standing.OTHER, None
        if not mark.untouched:
            return Standing.TOUCHED, None
        signed = Announced(
            *(task.slot, task.entry.key, settings_hash(made_by), digest, made_sha256),
            model=made_by.model,
            weights=made_by.weights,
        )
        return how_made(made_by, self._order.asked), signed

    def _is_as_planned(self, task: PortionTask) -> bool:
        """Tell whether the result is still what the plan knew; a run may last for days."""
        there = self._order.output.info(task.slot)
        return there is not None and task.made.fits(there.version)

    def _of_known(self, task: PortionTask, digest: str) -> Standing:
        """Return how the result that a row tells of stands to the picture."""
        if digest != task.source_sha256:
            return Standing.OTHER if task.elsewhere else Standing.SOURCE
        return how_asked(task, self._order.asked)

    def _ruled(
        self, task: PortionTask, why: Standing, digest: str, signed: Signed | None
    ) -> Row | None:
        """Return a row if there is nothing to colour."""
        if why is Standing.OTHER:
            return self._row(task, "other", reason=why.value)
        if why is Standing.FOREIGN and task.in_input:
            error = ORIGINAL.format(task.slot)
            return self._row(task, "failed", reason=why.value, error=error)
        if self._order.options.overwrite:
            return None
        if why.is_kept:
            error = REFUSALS[why].format(task.slot)
            return self._row(task, "failed", reason=why.value, error=error)
        if why is not Standing.DONE and not self._order.options.leaves(why):
            return None
        if task.result is not None and (self._order.table or self._is_as_planned(task)):
            made, made_sha256 = task.made, task.made_sha256
        else:
            there = self._order.output.info(task.slot)
            made = Version() if there is None else there.version
            made_sha256 = hashlib.sha256(self._order.output.read(task.slot)).hexdigest()
        row = self._row(task, "kept", reason=why.value)
        made_by = row if signed is None or why is Standing.DONE else signed
        return dataclasses.replace(
            row,
            model=made_by.model,
            weights=made_by.weights,
            settings=made_by.settings,
            result=task.result or task.slot,
            source_sha256=digest,
            made=made,
            made_sha256=made_sha256,
        )

    def _colored(self, task: PortionTask, data: bytes, why: Standing, portion: _Portion) -> Row:
        """Colour one picture by way of local files, as a folder run does, to the same bytes."""
        why = why.when_made_again(asked=self._order.options.overwrite)
        folder, table = portion.folder, portion.table
        source = folder / "in" / _local_name(task.entry.name)
        named = _local_name(task.slot if table is None else task.entry.name)
        target = folder / "out" / (named if table is None else _table_name(named))
        with _local(source, target, data):
            local = Task(source, target, ours=True, overwrite=True, why=why, notes=task.notes)
            outcome = run_task(self._color, local, self._order.options)
            if outcome.status == "failed":
                return self._failure(task, outcome, source, target)
            made = target.read_bytes()
            version, result, notes = Version(len(made)), task.slot, ()
            if table is None:
                try:
                    self._announce(task, data, made, portion.notes)
                    self._order.output.put(task.slot, made)
                    notes = self._keep_time(task)
                    item = self._order.output.info(task.slot)
                except (OSError, KoalarizeError) as error:
                    if (full := full_disk(error, task.slot)) is not None:
                        raise full from error
                    text = f"`{task.slot}` cannot be written to OUTPUT: {_said(error)}"
                    return self._row(task, "failed", reason="cannot be written", error=text)
                version = version if item is None else item.version
            else:
                table.add(task.entry.key, target.name, made)
        assert outcome.stamps is not None
        row = self._row(task, "colored", reason=why.value)
        return dataclasses.replace(
            row,
            result=result,
            seconds=outcome.seconds,
            notes=(*outcome.notes, *notes),
            had_color=outcome.had_color,
            source_sha256=outcome.stamps[0].hash,
            made=version,
            made_sha256=outcome.stamps[1].hash,
        )

    def _announce(self, task: PortionTask, data: bytes, made: bytes, notes: Notes) -> None:
        """Note the bytes of a result that its mark will not show to be ours.

        Over an earlier result that a row tells of, none does: a person may have coloured the
        picture anew under that name.
        """
        if task.made_sha256 is None and self._order.steering.mark and holds_mark(task.slot):
            return
        of, result = (hashlib.sha256(each).hexdigest() for each in (data, made))
        who = self._order.source.place, self._order.asked.model, self._order.asked.weights
        notes.announce(Announced(task.slot, task.entry.key, self._settings, of, result, *who))

    def _keep_time(self, task: PortionTask) -> tuple[str, ...]:
        """Give a result the time of its picture, if that is asked; return what is to be noted."""
        when, output = task.entry.version.time, self._order.output
        if not self._order.options.keep_times or not isinstance(output, LocalStore):
            return ()
        if when is None:
            return ("its time was not kept, since INPUT names none that 64 bits hold",)
        os.utime(output.root / task.slot, ns=(when, when))
        return ()

    def _failure(self, task: PortionTask, outcome: Outcome, source: Path, target: Path) -> Row:
        """Return the row of a failure, which names the picture as a person knows it."""
        error = (outcome.error or "failed").replace(str(source), task.entry.key)
        error = error.replace(str(target), task.slot)
        return self._row(task, "failed", reason=outcome.reason, error=error)

    def _finished(self, table: TableWriter, name: str, rows: list[Row]) -> list[Row]:
        """Bring a table to OUTPUT, if anything is in it, and name it in its rows."""
        part = f"part-{name}.parquet"
        path = table.close()
        if path is not None:
            self._order.output.put_file(part, path)
        return [
            dataclasses.replace(row, result=part) if row.status == "colored" else row
            for row in rows
        ]

    def _row(
        self,
        task: PortionTask,
        status: Literal["colored", "kept", "other", "failed"],
        *,
        reason: str,
        error: str | None = None,
    ) -> Row:
        return Row(
            key=task.entry.key,
            result=task.slot if status == "other" else None,
            status=status,
            reason=reason,
            error=error,
            model=self._order.asked.model,
            weights=self._order.asked.weights,
            settings=self._settings,
            source=task.entry.version,
            input=self._order.source.place,
            run=self._order.run,
            host=socket.gethostname(),
            time=time.time_ns(),
        )


@contextlib.contextmanager
def _local(source: Path, target: Path, data: bytes) -> Generator[None]:
    """Keep a picture in a local file for a while."""
    for path in (source, target):
        path.parent.mkdir(exist_ok=True)
    source.write_bytes(data)
    try:
        yield
    finally:
        source.unlink(missing_ok=True)
        target.unlink(missing_ok=True)


def _local_name(key: str) -> str:
    """Return what a picture is called for a while; a store may have names too long for files."""
    name = PurePosixPath(key).name
    return name if len(os.fsencode(name)) <= _LONGEST_NAME else f"picture{Path(name).suffix}"


def _table_name(name: str) -> str:
    """Return what a picture in a table is called; its ending names its kind."""
    from koalarize.photo.files import output_path

    return output_path(name, suffix="").name


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
