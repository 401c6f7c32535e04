"""A Ray cluster on this machine: a worker that is killed costs nothing, and nobody hears of it."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from cluster_parts import results, rows_of
from PIL import Image

import koalarize
from koalarize.batch.cluster.actors import Machines, workers_in
from koalarize.batch.cluster.order import Model, Order
from koalarize.batch.cluster.places import open_source
from koalarize.batch.cluster.run import Archive
from koalarize.batch.cluster.stores import open_store
from koalarize.batch.find import find_pictures
from koalarize.batch.plan import BatchOptions
from koalarize.batch.run import asked_of, colorize_many
from koalarize.errors import OptionError
from koalarize.steering.steering import PLAIN

pytest.importorskip("ray")
PICTURES = 24


def actors_of(mark: str) -> list[int]:
    """Return the processes of this test's actors, by a mark in their environment."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            name = (folder / "cmdline").read_bytes()
            if (
                name.startswith(b"ray::MapWorker")
                and mark.encode() in (folder / "environ").read_bytes()
            ):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks processes up in /proc")
def test_a_worker_that_is_killed_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    box, out = tmp_path / "box", tmp_path / "out"
    box.mkdir()
    for number in range(PICTURES):
        grey = Image.linear_gradient("L").resize((90 + number, 80)).rotate(10 * number)
        grey.save(box / f"{number:02}.{'jpg' if number % 2 else 'png'}")
    mark = f"koalarize-{secrets.token_hex(8)}"
    monkeypatch.setenv("KOALARIZE_TEST", mark)
    monkeypatch.setenv("PYTHONPATH", str(Path(koalarize.__file__).parents[1]))
    model = Model()
    colorizer = model.load()
    alone = tmp_path / "alone"
    list(colorize_many(colorizer, find_pictures([box]), options=BatchOptions(output=alone)))
    store = open_store(str(out))
    asked = asked_of(colorizer, PLAIN, BatchOptions())
    source = open_source(str(box), store)
    made = Order(source, store, PLAIN, BatchOptions(), model, asked, "20260101T000000-1")
    keys: list[str] = []
    killed: list[int] = []
    for outcome in Archive(made).color(Machines(workers=2)):
        assert outcome.status in ("colored", "skipped")
        keys.append(str(outcome.source))
        if not killed:
            killed = actors_of(mark)[:1]
            for process in killed:
                os.kill(process, signal.SIGKILL)
    assert killed, "no actor was at work"
    assert Counter(keys) == Counter(path.name for path in box.iterdir())
    names = [name for name in results(alone) if not name.startswith(".koalarize")]
    assert results(out) == names
    for name in names:
        assert (out / name).read_bytes() == (alone / name).read_bytes()
    assert {row.status for row in rows_of(out).values()} <= {"colored", "kept"}
    assert not list((out / "_koalarize" / "begun").iterdir())
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    said = capfd.readouterr().err
    assert "core_worker" not in said  # what Ray says of its own actors
    assert "RAY_BACKEND_LOG_LEVEL" not in said


def test_how_many_workers_have_room():
    assert workers_in({"CPU": 8.0}, 0) == 8
    assert workers_in({"CPU": 8.0, "GPU": 2.0}, 0.5) == 4
    assert workers_in({"CPU": 1.0, "GPU": 2.0}, 0.25) == 1
    with pytest.raises(OptionError, match="no graphics card"):
        workers_in({"CPU": 8.0}, 0.5)
