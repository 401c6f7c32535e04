"""Millions of pictures are planned in bounded memory.

``KOALARIZE_ENTRIES=1000000 pytest tests/batch/cluster/test_cluster_million.py`` plans a million.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNT = int(os.environ.get("KOALARIZE_ENTRIES", "8000"))
SCRIPT = """
import resource, sys
from collections import Counter
sys.path[:0] = {paths!r}
from cluster_parts import StoppingReddener, order
from koalarize.batch.cluster.results import Row, write_part
from koalarize.batch.cluster.run import Archive
from koalarize.batch.cluster.sources import Entry
from koalarize.batch.cluster.stores import Item, LocalStore, Version
import koalarize.batch.cluster.run as run, dataclasses

COUNT = {count}

class Many:
    place, unread, results = "box/", Counter(), 0
    def entries(self):
        for n in range(COUNT):
            key = f"box/{{n // 1000}}/{{n}}.jpg"
            yield Entry(key, Version(n, None, n), key)

def objects(output, folder=""):
    for n in range(0, COUNT, 1000):
        yield [Item(f"box/{{n // 1000}}/{{m}}.color.jpg", Version(1, None, 1))
               for m in range(n, n + 1000, 2)]

def parts(output, names):
    for n in range(0, COUNT, 1000):
        yield [Row(f"box/{{n // 1000}}/{{m}}.jpg", f"box/{{n // 1000}}/{{m}}.color.jpg", "colored",
                   settings=settings, source=Version(m, None, m), made=Version(1, None, 1), time=1)
               for m in range(n, n + 1000, 2)]

run._below, run.read_parts = objects, parts
made = order(StoppingReddener(), {box!r}, {out!r})
settings = run.settings_hash(made.asked)
made = dataclasses.replace(made, source=Many())
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
import pyarrow.parquet  # its own memory does not count
before = peak()
told = Counter(type(one.what).__name__ for one in Archive(made, plan_only=True).plan())
print(told["PortionTask"], told["Outcome"], peak() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="asks the system for its peak of memory")
def test_many_pictures_in_bounded_memory(tmp_path: Path):
    """Half of them are done: their rows and results are known."""
    (tmp_path / "box").mkdir()
    here = Path(__file__).parent
    paths = [str(here), str(here.parents[1]), *sys.path]
    script = SCRIPT.format(
        paths=paths, count=COUNT, box=str(tmp_path / "box"), out=str(tmp_path / "out")
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    todo, done, megabytes = map(int, run.stdout.split())
    assert (todo, done) == (COUNT / 2, COUNT / 2)
    assert megabytes < 200, megabytes
