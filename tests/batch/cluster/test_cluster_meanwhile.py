"""What changes in OUTPUT during a run: a lost worker's result is known, a person's file stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from cluster_parts import StoppingReddener, order, picture, run, told
from PIL import Image

from fakes import Reddener
from koalarize.batch.cluster.order import PortionTask
from koalarize.batch.cluster.run import Archive
from koalarize.batch.cluster.stores import LocalStore, unwritable
from koalarize.batch.cluster.worker import Worker
from koalarize.cli import main
from koalarize.errors import OutputError
from koalarize.steering.steering import Steering

BOLD = Steering(vividness=1.3)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def box(tmp_path: Path, out: Path, red: Reddener) -> Path:
    """Pictures that an earlier run has coloured: a result with a mark, one that can hold none."""
    for name in ("a.png", "b.bmp"):
        picture(tmp_path / "box" / name)
    run(red, tmp_path / "box", out)
    return tmp_path / "box"


def tasks_now(made) -> list[PortionTask]:
    decided = [one.what for one in Archive(made, plan_only=True).plan()]
    return [what for what in decided if isinstance(what, PortionTask)]


@pytest.mark.parametrize("change", ["settings", "picture"])
def test_a_marked_result_made_again_by_a_lost_worker_is_known(
    box: Path, out: Path, red: StoppingReddener, monkeypatch: pytest.MonkeyPatch, change: str
):
    steering = BOLD if change == "settings" else Steering()
    if change == "picture":
        picture(box / "a.png", 9)
    put = LocalStore.put

    def lose(store: LocalStore, key: str, data: bytes) -> None:
        put(store, key, data)
        if key == "a.color.png":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LocalStore, "put", lose)
        run(red, box, out, steering)
    assert ("failed", "changed by somebody") not in told(run(red, box, out, steering))
    assert "a.png" not in red.made  # the lost worker's result counts
    assert told(run(red, box, out, steering)) == [("skipped", "already coloured")] * 2


@pytest.mark.parametrize("name", ["a.color.png", "b.color.bmp"])
@pytest.mark.parametrize("change", ["settings", "picture"])
def test_what_a_person_makes_of_a_result_during_a_run_stays(
    box: Path, out: Path, red: Reddener, name: str, change: str
):
    if change == "picture":
        picture(box / "a.png", 9)
        picture(box / "b.bmp", 9)
    made = order(red, box, out, BOLD)
    tasks = tasks_now(made)
    assert len(tasks) == 2
    with Image.open(out / name) as result:
        result.transpose(Image.Transpose.FLIP_LEFT_RIGHT).convert("L").save(out / name)
    theirs = (out / name).read_bytes()
    rows = Worker(made, red).portion("one", tasks)  # type: ignore[arg-type]
    kept = {row.key: row for row in rows}[name.replace(".color", "")]
    assert (kept.status, kept.reason) == ("failed", "changed by somebody")
    assert (out / name).read_bytes() == theirs


def test_a_result_that_a_person_made_anew_stays(box: Path, out: Path, red: Reddener):
    asked = ["--overwrite", "--vividness", "2"]
    assert main([str(box / "a.png"), "-o", str(out / "a.color.png"), *asked]) == 0
    theirs = (out / "a.color.png").read_bytes()
    for steering in (Steering(), BOLD):
        assert ("failed", "changed by somebody") in told(run(red, box, out, steering))
    assert (out / "a.color.png").read_bytes() == theirs


def test_another_result_put_over_one_is_a_change(box: Path, out: Path, red: Reddener):
    picture(box / "c.png", 77)
    run(red, box, out)
    (out / "a.color.png").write_bytes((out / "c.color.png").read_bytes())
    assert told(run(red, box, out)) == [
        ("failed", "changed by somebody"),
        ("skipped", "already coloured"),
        ("skipped", "already coloured"),
    ]


def test_a_clock_that_is_wrong_by_centuries_ends_no_run(box: Path, out: Path, red: Reddener):
    """Nanoseconds of the year 2286 have more than 64 bits; the bytes say then what has changed."""
    source = next(path for path in sorted(box.iterdir()) if path.is_file())
    os.utime(source, (1e10, 1e10))
    run(red, box, out)
    assert ("skipped", "already coloured") in told(run(red, box, out))
    assert red.made == []
    source.write_bytes(source.read_bytes()[:-1] + b"x")
    os.utime(source, (1e10, 1e10))
    assert ("colored", "picture changed") in told(run(red, box, out))


def test_a_result_that_went_during_a_run_is_made_again(box: Path, out: Path, red: Reddener):
    made = order(red, box, out, BOLD)
    tasks = tasks_now(made)
    (out / "a.color.png").unlink()
    rows = Worker(made, red).portion("one", tasks)  # type: ignore[arg-type]
    assert {row.status for row in rows} == {"colored"}


def test_a_full_disk_ends_a_run_and_the_next_one_goes_on(
    tmp_path: Path, out: Path, red: StoppingReddener, monkeypatch: pytest.MonkeyPatch
):
    for name in "abcdefgh":
        picture(tmp_path / "box" / f"{name}.png")
    put = LocalStore.put

    def fill(store: LocalStore, key: str, data: bytes) -> None:
        if key == "b.color.png" or "/results/" in key:
            raise OSError(errno.ENOSPC, "No space left on device")
        put(store, key, data)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "put", fill)
        with pytest.raises(OutputError, match=r"^there is no space left for `b\.color\.png`: make"):
            run(red, tmp_path / "box", out)
    assert sorted(red.made) == ["a.png", "b.png"]
    assert sorted(told(run(red, tmp_path / "box", out)))[-1] == ("skipped", "already coloured")
    assert sorted(red.made) == [f"{name}.png" for name in "bcdefgh"]


def test_a_store_without_room_is_told_from_one_that_is_refused(tmp_path: Path):
    store = LocalStore(str(tmp_path), tmp_path)
    full, locked = OSError(errno.ENOSPC, "no space"), OSError(errno.EACCES, "refused")
    assert str(unwritable(store, full)).startswith(f"there is no space left for `{tmp_path}`")
    assert str(unwritable(store, locked)).endswith(": check its name and permissions")
