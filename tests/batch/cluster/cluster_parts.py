"""What the tests of clusters share: a colorizer that is quick, orders, and a small S3 server."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

from PIL import Image

from fakes import Reddener
from koalarize.batch.cluster.actors import Machines
from koalarize.batch.cluster.order import Model, Order
from koalarize.batch.cluster.places import open_source
from koalarize.batch.cluster.results import Row, part_names, read_parts
from koalarize.batch.cluster.rows import Columns
from koalarize.batch.cluster.run import Archive
from koalarize.batch.cluster.stores import open_store
from koalarize.batch.plan import BatchOptions, Outcome
from koalarize.batch.run import asked_of
from koalarize.errors import ModelError
from koalarize.steering.steering import PLAIN

_RUNS = itertools.count(1)


class StoppingReddener(Reddener):
    """One that clusters load, and that stops where it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.stop_at: str | None = None

    def load(self, model="koala", *, threads=0, faithful=False, most_chroma=0.0, provider=""):
        if model == "damaged":
            raise ModelError("`damaged` is damaged: fetch it again")
        return self

    def file(self, source, *args, **options):
        if Path(source).name == self.stop_at:
            raise KeyboardInterrupt
        return super().file(source, *args, **options)


def picture(path: Path, level: int = 128) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = Image.registered_extensions().get(path.suffix.lower(), "PNG")
    Image.new("L", (8, 6), level).save(path, kind)
    return path


def order(
    red: Reddener, source: Path | str, output: Path | str, steering=PLAIN, *,
    columns: Columns | None = None, table="", **options,
) -> Order:  # fmt: skip
    asked = BatchOptions(**options)
    results = open_store(str(output))
    found = open_source(str(source), results, columns=columns, template=asked.name)
    provenance = asked_of(red, steering, asked)  # type: ignore[arg-type]
    name = f"20260101T000000-{next(_RUNS):06}"
    return Order(found, results, steering, asked, Model(), provenance, name, table)


def run(red: Reddener, source: Path | str, output: Path | str, *args, **options) -> list[Outcome]:
    """Run once, in this process; what was made is noted afresh."""
    red.made.clear()
    return list(Archive(order(red, source, output, *args, **options)).color(Machines(workers=0)))


def told(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return sorted((outcome.status, outcome.reason) for outcome in outcomes)


def rows_of(output: Path | str) -> dict[str, Row]:
    """Return the last row of each picture."""
    store = open_store(str(output))
    every = [row for rows in read_parts(store, part_names(store)) for row in rows]
    return {row.key: row for row in sorted(every, key=lambda row: row.time)}


def results(folder: Path) -> list[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if "_koalarize" not in path.parts)


def interrupted(made: Order, **changes: object) -> Order:
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]
