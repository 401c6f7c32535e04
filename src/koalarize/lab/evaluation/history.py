"""Read what a training run wrote down: loss and validation scores by step.

Not here: the training that writes it, the figure (``plots``).
``history.csv`` is read where there is one; otherwise TensorBoard's event files.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from koalarize.errors import DataError

__all__ = ["History", "Series", "read_histories", "read_history"]

_FILE = "history.csv"
_VALIDATION = "validation/"
_EVENTS = "events.out.tfevents.*"


@dataclass
class Series:
    """One quantity over a run: values at steps, and at samples seen where the run says so.

    Values above all numbers, as the PSNR of equal pictures, stand apart in ``endless``.
    """

    steps: list[float] = field(default_factory=list)
    samples: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    endless: Series | None = None

    def add(self, step: float, samples: float | None, value: float) -> None:
        """Add a value; one that is no number is kept out."""
        if value == math.inf:
            self.endless = self.endless or Series()
            self.endless._append(step, samples, value)
        elif math.isfinite(value):
            self._append(step, samples, value)

    def _append(self, step: float, samples: float | None, value: float) -> None:
        self.steps.append(step)
        self.values.append(value)
        if samples is not None:
            self.samples.append(samples)


@dataclass
class History:
    """A run: its name, its loss, its validation scores by name without ``validation/``."""

    name: str
    loss: Series
    validation: dict[str, Series]


def read_histories(runs: Sequence[Path]) -> list[History]:
    """Read several runs; where folders are called alike, names have as many folders as differ.

    Args:
        runs: as for ``read_history``. One that is given twice has one name.

    Raises:
        DataError: as ``read_history``.
    """
    histories = [read_history(run) for run in runs]
    places = [(run.parent if run.is_file() else run).resolve() for run in runs]
    names = [history.name for history in histories]
    for depth in range(2, 1 + max((len(place.parts) for place in places), default=0)):
        shared = {
            name
            for name in names
            if len({place for place, own in zip(places, names, strict=True) if own == name}) > 1
        }
        for number, place in enumerate(places):
            if names[number] in shared:
                names[number] = "/".join(part for part in place.parts[-depth:] if part != "/")
    pairs = zip(histories, names, strict=True)
    return [dataclasses.replace(history, name=name) for history, name in pairs]


def read_history(run: Path) -> History:
    """Read a run's folder, or its history file itself.

    Raises:
        DataError: if there is nothing to read, or it is not a history.
    """
    if run.is_file():
        return _read_csv(run, _name(run.parent))
    if not run.is_dir():
        raise DataError(f"`{run}` does not exist: give the folder of a run, as `runs/koala`")
    table = run / _FILE
    if table.is_file():
        return _read_csv(table, _name(run))
    events = sorted(run.rglob(_EVENTS))
    if not events:
        raise DataError(
            f"`{run}` holds neither `{_FILE}` nor TensorBoard's files: give the folder of a run"
        )
    return _read_events(events, _name(run))


def _name(folder: Path) -> str:
    return folder.resolve().name or "run"


def _read_csv(path: Path, name: str) -> History:
    from koalarize.lab.runs.history import read_rows

    rows = read_rows(path)
    columns = dict.fromkeys(name for row in rows for name in row)
    if "step" not in columns or "loss" not in columns:
        raise DataError(
            f"`{path}` has the columns {', '.join(columns) or '(none)'} but a history "
            "needs `step` and `loss`, and at least one row"
        )
    history = History(name, Series(), {})
    for row in rows:
        step = _number(row.get("step"))
        if step is None:
            continue  # the last line of a run that was killed may be half written
        samples = _number(row.get("samples"))
        for column, text in row.items():
            value = _number(text)
            if value is None:
                continue
            if column == "loss":
                history.loss.add(step, samples, value)
            elif column.startswith(_VALIDATION):
                series = history.validation.setdefault(column.removeprefix(_VALIDATION), Series())
                series.add(step, samples, value)
    return _checked(history, path)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _read_events(events: list[Path], name: str) -> History:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = History(name, Series(), {})
    found: dict[tuple[str, int], float] = {}
    for path in events:  # a run that went on wrote a second file: its steps win
        reader: Any = EventAccumulator(str(path), size_guidance={"scalars": 0})
        reader.Reload()
        for tag in reader.Tags()["scalars"]:
            for event in reader.Scalars(tag):
                found[tag, int(event.step)] = float(event.value)
    for (tag, step), value in sorted(found.items()):
        if tag == "train/loss":
            history.loss.add(step, None, value)
        elif tag.startswith(_VALIDATION):
            series = history.validation.setdefault(tag.removeprefix(_VALIDATION), Series())
            series.add(step, None, value)
    return _checked(history, events[0].parent)


def _checked(history: History, path: Path) -> History:
    if not history.loss.values:
        raise DataError(f"`{path}` holds no loss that could be drawn: train at least one step")
    return history
