"""What is fuzzed beside pictures: lists of shots, recipes, tables and journals.

Not here: pictures, metadata, sessions and hints, the list of all targets (``fuzz_targets``).
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from koalarize.errors import KoalarizeError


def _of_file(read: Callable[[Path], object], ending: str) -> Callable[[bytes], None]:
    """Return what writes bytes to a file, which is then read."""
    folder = Path(
        tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    )
    path = folder / f"a{ending}"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

    def target(data: bytes) -> None:
        path.write_bytes(data)
        read(path)

    return target


def shots_target() -> Callable[[bytes], None]:
    """Return what reads the list of a film's shots."""
    from koalarize.film.shot_list import read_shots
    from koalarize.steering.steering import PLAIN

    return _of_file(lambda path: [shot.steering(PLAIN) for shot in read_shots(path)], ".json")


def recipe_target() -> Callable[[bytes], None]:
    """Return what reads a training's recipe."""
    from koalarize.lab.runs.recipe import load_recipe

    return _of_file(load_recipe, ".yaml")


def table_target() -> Callable[[bytes], None]:
    """Return what reads a table of pictures, and the rows of results of earlier runs."""
    from koalarize.batch.cluster.results import RESULTS, read_parts
    from koalarize.batch.cluster.rows import Tables
    from koalarize.batch.cluster.stores import LocalStore

    def read(path: Path) -> None:
        store = LocalStore(str(path.parent), path.parent)
        part = path.parent / RESULTS / "a.parquet"
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, part)
        with contextlib.suppress(KoalarizeError):
            list(read_parts(store, ["a"]))
        tables = Tables(store, only=path.name)
        entries = list(islice(tables.entries(), 100))
        list(tables.pictures(entries))

    return _of_file(read, ".parquet")


def journal_target() -> Callable[[bytes], None]:
    """Return what opens a journal."""
    from koalarize.batch.journal import Journal

    def read(path: Path) -> None:
        journal = Journal(path, readonly=path.stat().st_size % 2 == 1)
        try:
            journal.rates()
            journal.failed("a")
            journal.made(path.with_name("a.jpg"))
            journal.fail("a", "b", "c")
        finally:
            journal.close()

    return _of_file(read, ".sqlite")


def shots_seeds() -> list[bytes]:
    """Return lists of shots with all that they can have."""
    hint = {"time": "0:00:00.5", "x": 1, "y": 2, "color": "#c03020", "radius": 3, "reach": 0.5}
    shot = {
        "from": "0:00:00.000",
        "to": "0:00:04.2",
        "hints": [hint],
        "warmth": 0.2,
        "frames": ["a"],
    }
    shot |= {"recolors": [{"was": "#a02030", "becomes": "#302010"}], "vividness": 1.1}
    other = {
        "from": 4.2,
        "to": "9",
        "reference": {"name": "a", "sha256": "0", "bands": [[[1.0, 2.0, 3]]] * 3},
    }
    lists = ({"film": "a.mp4", "shots": [shot, other]}, {"shots": []}, {"shots": [other]})
    return [json.dumps(one).encode() for one in lists]


def recipe_seeds() -> list[bytes]:
    """Return the recipes of the repository, and what YAML can do beside."""
    recipes = Path(__file__).parent.parent / "recipes"
    more = (
        b"name: a\nsteps: 10\ndata: {train: x, validation: {split: 3}}\n",
        b"a: &b [1]\nc: *b\n",
    )
    more += (b"name: 2001-01-01\nsteps: 1e3\nbatch: 0x10\n", b"? [1, 2]\n: !!binary aGk=\n")
    return [*(path.read_bytes() for path in sorted(recipes.glob("*.yaml"))[:6]), *more]


def table_seeds() -> list[bytes]:
    """Return tables of pictures, and rows of results."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from koalarize.batch.cluster.results import RESULTS, Row, write_part
    from koalarize.batch.cluster.stores import LocalStore

    tables = [
        {"key": ["a.jpg", "b"], "image": [b"one", b"two"]},
        {"image": [{"bytes": b"one", "path": "a.png"}, {"bytes": None, "path": None}]},
        {"image": [b"one", None]},
    ]
    seeds = list[bytes]()
    for columns in tables:
        buffer = io.BytesIO()
        pq.write_table(pa.table(columns), buffer, compression="none")
        seeds.append(buffer.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        row = Row("a.jpg", "a.color.jpg", "colored", notes=("a note",))
        write_part(LocalStore(folder, Path(folder)), "a", [row])
        seeds.append((Path(folder) / RESULTS / "a.parquet").read_bytes())
    return seeds


def journal_seeds() -> list[bytes]:
    """Return a journal that knows a failure."""
    from koalarize.batch.journal import Journal

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sqlite"
        journal = Journal(path)
        journal.fail("a", "b", "c")
        journal.close()
        return [path.read_bytes()]
