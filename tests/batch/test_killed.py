"""Killed at any moment: every result is whole, none is missing, none is made twice."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_whose import picture

from fakes import Reddener
from koalarize.batch.find import Search
from koalarize.batch.journal import Journal
from koalarize.batch.run import BatchOptions, colorize_many
from koalarize.photo.files import sweep_parts
from koalarize.photo.photo import Photo
from koalarize.photo.provenance import read_mark
from koalarize.steering.steering import Steering

#: Loads all once; a word begins a run in a process of its own, another waits for its end.
SCRIPT = """
import os, sys
sys.path[:0] = {paths!r}
from fakes import Reddener
from koalarize.batch.find import Search
from koalarize.batch.journal import Journal
from koalarize.batch.run import BatchOptions, colorize_many
from koalarize.steering.steering import Steering
options = BatchOptions(output={out!r}, workers=2)
steering = Steering(mark={mark!r})
for word in iter(sys.stdin.readline, ""):
    if not (child := os.fork()):
        sys.stdout.write(f"{{os.getpid()}}\\n"); sys.stdout.flush()
        for outcome in colorize_many(Reddener(), Search([{box!r}]), steering, options):
            assert outcome.status in ("colored", "skipped")
        os._exit(0)
    sys.stdin.readline()
    os.waitpid(child, 0)
    sys.stdout.write("gone\\n"); sys.stdout.flush()
"""


class Runs:
    """Begins runs of a script, and kills them."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def killed_after(self, seconds: float) -> None:
        """Begin a run and kill it; one that has ended before is still waited for."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"begin\n")
        self.process.stdin.flush()
        running = int(self.process.stdout.readline())
        time.sleep(seconds)
        os.kill(running, signal.SIGKILL)
        self.process.stdin.write(b"wait\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"gone\n"


@contextlib.contextmanager
def runs(script: str) -> Iterator[Runs]:
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Runs(process)


def check_whole(path: Path, *, mark: bool) -> None:
    if mark:
        found = read_mark(path)
        assert found is not None, f"{path} is not whole"
        assert found.untouched
    else:
        Photo.read(path)


def go_through(tmp_path: Path, kills: int, pictures: int, *, mark: bool) -> None:
    box, out = tmp_path / "box", tmp_path / "out"
    box.mkdir()
    rng = np.random.default_rng(0)
    for number in range(pictures):
        Image.fromarray(rng.integers(0, 255, (60, 80), np.uint8)).save(box / f"{number:03}.png")
    script = SCRIPT.format(
        paths=[str(Path(__file__).parent), *sys.path],
        out=out,
        box=str(box),
        mark=mark,
    ).replace("PosixPath(", "__import__('pathlib').Path(")
    stamps: dict[str, int] = {}
    with runs(script) as run:
        for _ in range(kills):
            run.killed_after(rng.uniform(0, 0.4))
            for path in out.glob("*.png"):
                check_whole(path, mark=mark)
                stamp = stamps.setdefault(path.name, path.stat().st_mtime_ns)
                assert path.stat().st_mtime_ns == stamp, f"{path} was made twice"
    red = Reddener()
    options = BatchOptions(output=out, workers=2)
    steering = Steering(mark=mark)
    last = list(colorize_many(red, Search([box]), steering, options))  # type: ignore[arg-type]
    assert {outcome.status for outcome in last} <= {"colored", "skipped"}
    assert len(red.made) == pictures - len(stamps)
    assert len(list(out.glob("*.color.png"))) == pictures
    assert not list(out.glob("*.part"))


@pytest.mark.skipif(sys.platform == "win32", reason="there, parts go by their age")
@pytest.mark.parametrize("mark", [True, False])
def test_a_few_kills(tmp_path: Path, mark: bool):
    go_through(tmp_path, kills=4, pictures=60, mark=mark)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there, parts go by their age")
@pytest.mark.parametrize("mark", [True, False])
def test_many_kills(tmp_path: Path, mark: bool):
    """KOALARIZE_KILLS=100 is two minutes long, and passed on 2026-11-29."""
    kills = int(os.environ.get("KOALARIZE_KILLS", "8"))
    go_through(tmp_path, kills=kills, pictures=5 * kills, mark=mark)


@pytest.mark.parametrize("mark", [True, False])
def test_a_run_killed_while_it_makes_results_again_knows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: bool
):
    box, out = tmp_path / "box", tmp_path / "out"
    for name in "abc":
        picture(box / f"{name}.png")

    def run(vividness: float) -> list[str]:
        steering, options = Steering(vividness=vividness, mark=mark), BatchOptions(output=out)
        search = Search([box])
        return [one.reason for one in colorize_many(Reddener(), search, steering, options)]  # type: ignore[arg-type]

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    run(1.0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Journal, "finish", die)  # the first result has its name by then
        run(1.3)
    assert set(run(1.3)) <= {"already coloured", "other settings"}
    assert run(1.3) == ["already coloured"] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="there, parts go by their age")
def test_parts_of_the_dead_are_swept_and_those_of_the_living_stay(tmp_path: Path):
    from koalarize.photo import files

    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    dead, living = (tmp_path / f"{files.part_of(pid)}x.part" for pid in (child.pid, os.getpid()))
    old = tmp_path / ".koalarize-00000000-1-x.part"
    other = tmp_path / ".koalarize-00000000-2-x.part"
    for path in (dead, living, old, other):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    assert sweep_parts(tmp_path) == 2
    assert sorted(tmp_path.iterdir()) == sorted([living, other])


def test_a_run_sweeps_its_folders(tmp_path: Path):
    picture(tmp_path / "a.png")
    part = tmp_path / ".koalarize-00000000-1-x.part"
    part.write_bytes(b"half")
    os.utime(part, (1, 1))
    list(colorize_many(Reddener(), Search([tmp_path])))  # type: ignore[arg-type]
    assert not part.exists()


def test_a_long_plan_holds_no_list(tmp_path: Path):
    """Jobs come as they are found: the first outcome is there before the last file is looked at."""
    looked: list[int] = []

    def jobs():
        for number, job in enumerate(Search([tmp_path])):
            looked.append(number)
            yield job

    for number in range(300):
        picture(tmp_path / f"{number:03}.png")
    options = BatchOptions(workers=1)
    outcomes = colorize_many(Reddener(), jobs(), options=options)  # type: ignore[arg-type]
    next(outcomes)
    assert len(looked) < 20
    outcomes.close()
