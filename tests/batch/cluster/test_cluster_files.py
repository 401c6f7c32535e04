"""An archive in a folder: what is done, what is not done again, and whose results are kept."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from cluster_parts import StoppingReddener, order, picture, results, rows_of, run, told
from PIL import Image

from fakes import Reddener
from koalarize.batch.cluster.order import Order, PortionTask
from koalarize.batch.cluster.run import Archive
from koalarize.batch.cluster.sources import Entry
from koalarize.batch.cluster.stores import LocalStore, Version
from koalarize.batch.cluster.worker import Worker
from koalarize.batch.find import find_pictures
from koalarize.batch.run import BatchOptions, colorize_many
from koalarize.batch.shard import Shard
from koalarize.cli import main
from koalarize.errors import DataError, ModelError
from koalarize.photo.provenance import read_mark
from koalarize.steering.steering import Steering

BOLD = Steering(vividness=1.3)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    for name in ("a.png", "deep/b.png", "deep/er/c.tif"):
        picture(tmp_path / "box" / name, 40 + len(name))
    return tmp_path / "box"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_the_same_bytes_as_a_folder_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    box = tmp_path / "box"
    picture(box / "a.png")
    picture(box / "b.gif")
    Image.linear_gradient("L").resize((40, 30)).save(box / "c.jpg", quality=90)
    Image.radial_gradient("L").resize((31, 40)).convert("RGB").save(box / "d.webp", lossless=True)
    frames = [Image.new("L", (16, 16), level) for level in (20, 90, 200)]
    frames[0].save(box / "e.gif", save_all=True, append_images=frames[1:], duration=80)
    Image.new("I;16", (20, 10), 30000).save(box / "f.tif")
    assert main([str(box), "-o", str(tmp_path / "one")]) == 0
    assert main(["cluster", str(box), str(tmp_path / "many"), "--workers", "0"]) == 0
    names = results(tmp_path / "many")
    assert names == [
        name for name in results(tmp_path / "one") if not name.startswith(".koalarize")
    ]
    assert "e.color.gif" in names
    for name in names:
        assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    printed = capfd.readouterr().out.split()
    assert sorted(printed[-len(names) :]) == [str(tmp_path / "many" / name) for name in names]


def test_what_is_done_is_not_done_again(box: Path, out: Path, red: Reddener):
    assert told(run(red, box, out)) == [("colored", "new")] * 3
    assert results(out) == ["a.color.png", "deep/b.color.png", "deep/er/c.color.tif"]
    assert told(run(red, box, out)) == [("skipped", "already coloured")] * 3
    assert red.made == []


def test_only_what_is_new_or_changed_is_done(box: Path, out: Path, red: Reddener):
    run(red, box, out)
    picture(box / "a.png", 200)
    picture(box / "new.png")
    os.utime(box / "deep" / "b.png", ns=(5, 5))  # the same bytes, written later
    found = told(run(red, box, out))
    assert found == [
        ("colored", "new"),
        ("colored", "picture changed"),
        ("skipped", "already coloured"),
        ("skipped", "already coloured"),
    ]
    assert sorted(red.made) == ["a.png", "new.png"]
    assert told(run(red, box, out)) == [("skipped", "already coloured")] * 4


def test_a_changed_etag_of_the_same_size_counts():
    before = Version(10, "one", 7)
    assert before.fits(Version(10, "one", 9))
    assert not before.fits(Version(10, "two", 7))
    assert not before.fits(Version(11, "one", 7))
    assert not Version(10, None, 7).fits(Version(10, None, 8))
    assert not Version(10).fits(Version(10))  # nobody knows


def test_other_settings_make_all_again(box: Path, out: Path, red: Reddener):
    run(red, box, out)
    assert told(run(red, box, out, BOLD)) == [("colored", "other settings")] * 3
    assert told(run(red, box, out, BOLD)) == [("skipped", "already coloured")] * 3


def test_a_lost_result_is_made_again(box: Path, out: Path, red: Reddener):
    run(red, box, out)
    (out / "a.color.png").unlink()
    run(red, box, out)
    assert red.made == ["a.png"]


def test_a_result_that_somebody_changed_stays(box: Path, out: Path, red: Reddener):
    run(red, box, out)
    picture(out / "a.color.png", 9)
    before = (out / "a.color.png").read_bytes()
    outcomes = run(red, box, out, BOLD)
    assert ("failed", "changed by somebody") in told(outcomes)
    assert any("--overwrite" in (outcome.error or "") for outcome in outcomes)
    assert (out / "a.color.png").read_bytes() == before
    run(red, box, out, overwrite=True)
    assert sorted(red.made) == ["a.png", "b.png", "c.tif"]
    assert (out / "a.color.png").read_bytes() != before


def test_a_result_written_again_with_the_same_bytes_is_no_change(
    box: Path, out: Path, red: Reddener
):
    run(red, box, out)
    os.utime(out / "a.color.png", ns=(5, 5))  # copied to another disk
    assert told(run(red, box, out)) == [("skipped", "already coloured")] * 3
    assert red.made == []


def test_a_foreign_file_stays(box: Path, out: Path, red: Reddener):
    foreign = picture(out / "a.color.png", 9).read_bytes()
    assert ("failed", "not ours") in told(run(red, box, out))
    assert (out / "a.color.png").read_bytes() == foreign
    assert sorted(red.made) == ["b.png", "c.tif"]
    run(red, box, out, overwrite=True)
    assert (out / "a.color.png").read_bytes() != foreign


def test_marks_say_the_same_where_rows_are_lost(box: Path, out: Path, red: Reddener):
    run(red, box, out)
    shutil.rmtree(out / "_koalarize")
    assert told(run(red, box, out)) == [("skipped", "already coloured")] * 3
    shutil.rmtree(out / "_koalarize")
    assert told(run(red, box, out, BOLD)) == [("colored", "other settings")] * 3


def test_results_of_a_folder_run_count(box: Path, out: Path, red: Reddener):
    list(colorize_many(red, find_pictures([box]), options=BatchOptions(output=out)))  # type: ignore[arg-type]
    assert told(run(red, box, out)) == [("skipped", "already coloured")] * 3


def test_names_are_those_of_a_folder_run(tmp_path: Path, out: Path, red: Reddener):
    box = tmp_path / "box"
    names = "a.gif a.png a.PNG A.png J.Smith.tif x.color.jpg y.jpg y.color.jpg .hidden.png u.txt"
    for name in [*names.split(), "@eaDir/t.jpg", "J. Smith 1923.jpg", "ü/ß.bmp", "v.gif"]:
        picture(box / name)
    list(colorize_many(red, find_pictures([box]), options=BatchOptions(output=tmp_path / "one")))  # type: ignore[arg-type]
    run(red, box, out)
    assert results(out) == [n for n in results(tmp_path / "one") if not n.startswith(".koalarize")]
    assert "a.color-2.png" in results(out)


def test_a_second_box_gets_names_of_its_own(tmp_path: Path, box: Path, out: Path, red: Reddener):
    run(red, box, out)
    shutil.rmtree(out / "_koalarize")
    picture(tmp_path / "other" / "a.png", 11)
    outcomes = run(red, tmp_path / "other", out)
    assert told(outcomes) == [("colored", "new")]
    assert outcomes[0].output == out / "a.color-2.png"
    assert "since `a.color.png` is that of another picture" in outcomes[0].notes[0]
    decided = list(Archive(order(red, tmp_path / "other", out), plan_only=True).plan())
    assert not isinstance(decided[0].what, PortionTask), "what is known is looked at again"
    assert told(run(red, tmp_path / "other", out)) == [("skipped", "already coloured")]


def test_output_inside_input_is_not_searched(box: Path, red: Reddener):
    out = box / "out"
    run(red, box, out)
    assert told(run(red, box, out)) == [("skipped", "already coloured")] * 3


def test_failures_have_rows_and_are_tried_again(box: Path, out: Path, red: Reddener):
    (box / "bad.jpg").write_bytes(b"no picture")
    outcomes = run(red, box, out)
    failed = next(outcome for outcome in outcomes if outcome.status == "failed")
    assert failed.source == Path("bad.jpg")
    assert "/tmp" not in (failed.error or "")
    row = rows_of(out)["bad.jpg"]
    assert (row.status, row.reason, row.result) == ("failed", "no readable picture", None)
    assert row.error == failed.error
    picture(box / "bad.jpg")
    picture(box / "new.jpg")
    assert told(run(red, box, out, retry_failed=True)).count(("colored", "new")) == 1
    assert red.made == ["bad.jpg"]
    assert rows_of(out)["bad.jpg"].status == "colored"
    run(red, box, out, retry_failed=True)
    assert red.made == []


def test_a_row_says_how_a_result_was_made(box: Path, out: Path, red: Reddener):
    run(red, box, out)
    row, mark = rows_of(out)["a.png"], read_mark(out / "a.color.png")
    assert mark is not None
    assert row.source_sha256 == mark.provenance.source
    assert (row.result, row.model, row.made.size) == (
        "a.color.png",
        "fake",
        (out / "a.color.png").stat().st_size,
    )
    assert row.settings != ""
    assert row.seconds > 0


def test_shards_share_the_work(box: Path, out: Path, red: Reddener):
    made: list[str] = []
    for number in (1, 2, 3):
        run(red, box, out, shard=Shard(number, 3))
        made += red.made
    assert sorted(made) == ["a.png", "b.png", "c.tif"]
    assert told(run(red, box, out)) == [("skipped", "already coloured")] * 3


def test_a_plan_writes_nothing(box: Path, out: Path, red: Reddener):
    archive = Archive(order(red, box, out), plan_only=True)
    decided = list(archive.plan())
    assert [one.entry.key for one in decided] == ["a.png", "deep/b.png", "deep/er/c.tif"]
    assert all(isinstance(one.what, PortionTask) for one in decided)
    assert not out.exists()


def tasks_of(box: Path, names: list[str]) -> list[PortionTask]:
    return [
        PortionTask(Entry(name, Version(), name), f"{Path(name).stem}.color{Path(name).suffix}")
        for name in names
    ]


def test_a_portion_begun_again_keeps_what_is_there(
    tmp_path: Path, out: Path, red: StoppingReddener
):
    names = ["a.png", "b.bmp", "c.png", "d.png"]
    for name in names:
        picture(tmp_path / "box" / name)
    made = order(red, tmp_path / "box", out)
    worker, tasks = Worker(made, red), tasks_of(tmp_path / "box", names)  # type: ignore[arg-type]
    red.stop_at = "c.png"
    with pytest.raises(KeyboardInterrupt):
        worker.portion("one", tasks)
    red.stop_at = None
    red.made.clear()
    rows = Worker(made, red).portion("one", tasks)  # type: ignore[arg-type]
    assert [row.status for row in rows] == ["kept", "kept", "colored", "colored"]
    assert red.made == [
        "c.png",
        "d.png",
    ]  # of the BMP, which says nothing of itself, the notes tell
    assert not list((out / "_koalarize" / "begun").iterdir())


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, out: Path, red: StoppingReddener):
    names = ["a.png", "b.bmp", "c.png", "d.png"]
    for name in names:
        picture(tmp_path / "box" / name)
    red.stop_at = "c.png"
    with pytest.raises(KeyboardInterrupt):
        Worker(order(red, tmp_path / "box", out), red).portion(  # type: ignore[arg-type]
            "one", tasks_of(tmp_path / "box", names)
        )
    with pytest.raises(KeyboardInterrupt):
        run(red, tmp_path / "box", out)
    red.stop_at = None
    assert {status for status, _ in told(run(red, tmp_path / "box", out))} == {"colored", "skipped"}
    assert sorted(red.made) == ["c.png", "d.png"]
    assert told(run(red, tmp_path / "box", out)) == [("skipped", "already coloured")] * 4
    assert not list((out / "_koalarize" / "begun").iterdir())


def killed(red: StoppingReddener, made: Order, names: list[str], at: str) -> None:
    """Begin a portion whose worker is lost when it comes to a picture."""
    red.stop_at = at
    with pytest.raises(KeyboardInterrupt):
        Worker(made, red).portion("one", tasks_of(Path(), names))  # type: ignore[arg-type]
    red.stop_at = None
    red.made.clear()


@pytest.mark.parametrize("again", ["the portion", "the command"])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(("name", "mark"), [("a.bmp", True), ("a.png", False)])
def test_a_person_s_file_stays_where_a_lost_worker_had_begun_a_result_without_a_mark(
    tmp_path: Path, out: Path, red: StoppingReddener, name: str, mark: bool, named: bool, again: str
):
    names, steering = [name, "z.png"], Steering(mark=mark)
    for each in names:
        picture(tmp_path / "box" / each)
    made = order(red, tmp_path / "box", out, steering)
    killed(red, made, names, at="z.png" if named else name)
    result = out / f"a.color{Path(name).suffix}"
    assert result.exists() == named
    mine = picture(result, 9).read_bytes()
    if again == "the portion":
        rows = Worker(made, red).portion("one", tasks_of(Path(), names))  # type: ignore[arg-type]
        found = [(row.status, row.reason, row.error or "") for row in rows]
    else:
        outcomes = run(red, tmp_path / "box", out, steering)
        found = [(one.status, one.reason, one.error or "") for one in outcomes]
    assert [one[:2] for one in found] == [("failed", "not ours"), ("colored", "new")]
    assert "is not known as koalarize's result of this picture" in found[0][2]
    assert "--overwrite" in found[0][2]
    assert result.read_bytes() == mine
    assert told(run(red, tmp_path / "box", out, steering))[0] == ("failed", "not ours")
    assert ("colored", "not ours") in told(
        run(red, tmp_path / "box", out, steering, overwrite=True)
    )
    assert result.read_bytes() != mine


def test_notes_without_hashes_tell_nothing(tmp_path: Path, out: Path, red: Reddener):
    """Earlier versions noted names only, of what they meant to write."""
    picture(tmp_path / "box" / "b.bmp")
    mine = picture(out / "b.color.bmp", 9).read_bytes()
    left = {"attempt": 1, "current": None, "ended": {}, "unmarked": [["b.color.bmp", "b.bmp"]]}
    begun = out / "_koalarize" / "begun"
    begun.mkdir(parents=True)
    (begun / "one.json").write_text(json.dumps(left))
    assert told(run(red, tmp_path / "box", out)) == [("failed", "not ours")]
    assert (out / "b.color.bmp").read_bytes() == mine
    assert not list(begun.iterdir())


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch):
    """Call it with a block of work; the worker is lost while it writes a result."""

    @contextlib.contextmanager
    def while_it_writes(slot: str, *, written: bool) -> Generator[None]:
        put = LocalStore.put

        def lose(store: LocalStore, key: str, data: bytes) -> None:
            if key != slot or written:
                put(store, key, data)
            if key == slot:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(LocalStore, "put", lose)
            yield

    return while_it_writes


def test_what_a_lost_worker_announced_is_known_with_its_settings(
    tmp_path: Path, out: Path, red: Reddener, lost
):
    box = tmp_path / "box"
    picture(box / "b.bmp")
    with lost("b.color.bmp", written=True):
        run(red, box, out)
    assert told(run(red, box, out, BOLD)) == [("colored", "other settings")]
    assert told(run(red, box, out, BOLD)) == [("skipped", "already coloured")]


def test_a_run_of_other_pictures_leaves_what_a_lost_worker_announced(
    tmp_path: Path, out: Path, red: Reddener, lost
):
    for name in ("b.bmp", "c.bmp"):
        picture(tmp_path / name[0] / name)
    with lost("b.color.bmp", written=True):
        run(red, tmp_path / "b", out)
    assert told(run(red, tmp_path / "c", out)) == [("colored", "new")]
    assert told(run(red, tmp_path / "b", out)) == [("skipped", "already coloured")]
    assert not list((out / "_koalarize" / "begun").iterdir())


def test_what_was_announced_first_is_known_where_other_bytes_never_got_the_name(
    tmp_path: Path, out: Path, red: StoppingReddener, lost
):
    box, names = tmp_path / "box", ["b.bmp", "c.png"]
    for name in names:
        picture(box / name)
    killed(red, order(red, box, out), names, at="c.png")
    before = (out / "b.color.bmp").read_bytes()
    picture(box / "b.bmp", 9)
    made = order(red, box, out)
    decided = [one.what for one in Archive(made, plan_only=True).plan()]
    planned = [what for what in decided if isinstance(what, PortionTask)]
    # The same portion again, then one of another run, whose notes are read first.
    for portion, tasks in (("one", tasks_of(box, names)), ("0", planned)):
        with lost("b.color.bmp", written=False):
            Worker(made, red).portion(portion, tasks)  # type: ignore[arg-type]
    assert (out / "b.color.bmp").read_bytes() == before
    assert ("colored", "picture changed") in told(run(red, box, out))
    assert told(run(red, box, out)) == [("skipped", "already coloured")] * 2


def test_what_was_announced_of_another_picture_stays(
    tmp_path: Path, out: Path, red: Reddener, lost
):
    box, bare = tmp_path / "box", Steering(mark=False)
    gone = picture(box / "a.gif")
    with lost("a.color.png", written=True):
        run(red, box, out, bare)
    before = (out / "a.color.png").read_bytes()
    gone.unlink()
    picture(box / "a.png", 9)
    assert [one.output for one in run(red, box, out, bare)] == [out / "a.color-2.png"]
    assert (out / "a.color.png").read_bytes() == before


def test_a_result_that_a_lost_worker_made_again_is_no_change(
    tmp_path: Path, out: Path, red: StoppingReddener
):
    for name, level in (("b.bmp", 40), ("c.png", 50)):
        picture(tmp_path / "box" / name, level)
    run(red, tmp_path / "box", out)
    picture(tmp_path / "box" / "b.bmp", 90)
    picture(tmp_path / "box" / "c.png", 90)
    made = order(red, tmp_path / "box", out)
    decided = [one.what for one in Archive(made, plan_only=True).plan()]
    tasks = [what for what in decided if isinstance(what, PortionTask)]
    red.stop_at = "c.png"
    with pytest.raises(KeyboardInterrupt):
        Worker(made, red).portion("one", tasks)  # type: ignore[arg-type]
    red.stop_at = None
    assert told(run(red, tmp_path / "box", out)) == [
        ("colored", "picture changed"),
        ("skipped", "already coloured"),
    ]
    assert red.made == ["c.png"]


def test_a_result_without_a_mark_that_nobody_began_stays(tmp_path: Path, out: Path, red: Reddener):
    picture(tmp_path / "box" / "b.bmp")
    run(red, tmp_path / "box", out)
    assert told(run(red, tmp_path / "box", out)) == [("skipped", "already coloured")]
    shutil.rmtree(out / "_koalarize")
    assert told(run(red, tmp_path / "box", out)) == [("failed", "not ours")]


def test_a_picture_that_ends_its_workers_is_passed_over(
    tmp_path: Path, out: Path, red: StoppingReddener
):
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        picture(tmp_path / "box" / name)
    made, tasks = order(red, tmp_path / "box", out), tasks_of(tmp_path / "box", names)
    red.stop_at = "b.png"
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            Worker(made, red).portion("one", tasks)  # type: ignore[arg-type]
    rows = Worker(made, red).portion("one", tasks)  # type: ignore[arg-type]
    assert [(row.status, row.reason) for row in rows] == [
        ("kept", "already coloured"),
        ("failed", "ended its worker"),
        ("colored", "new"),
    ]


def test_a_foreign_file_that_appears_meanwhile_stays(tmp_path: Path, out: Path, red: Reddener):
    picture(tmp_path / "box" / "a.png")
    made = order(red, tmp_path / "box", out)
    foreign = picture(out / "a.color.png", 9).read_bytes()
    rows = Worker(made, red).portion("one", tasks_of(tmp_path / "box", ["a.png"]))  # type: ignore[arg-type]
    assert [(row.status, row.reason) for row in rows] == [("failed", "not ours")]
    assert (out / "a.color.png").read_bytes() == foreign


def test_a_machine_with_other_weights_refuses(box: Path, out: Path, red: Reddener):
    made = order(red, box, out)
    made = dataclasses.replace(made, asked=dataclasses.replace(made.asked, weights="other"))
    with pytest.raises(ModelError, match="the same koalarize and the same model"):
        Worker(made, red)  # type: ignore[arg-type]


def test_what_is_no_folder_is_an_error(tmp_path: Path, out: Path, red: Reddener):
    with pytest.raises(DataError, match="no folder"):
        run(red, tmp_path / "none", out)
    with pytest.raises(DataError, match="nowhere"):
        run(red, "nowhere://bucket/box", out)


def test_results_get_the_times_of_their_pictures(tmp_path: Path, red: Reddener):
    source = picture(tmp_path / "box" / "deep" / "a.png")
    os.utime(source, (1e9, 1e9))
    run(red, tmp_path / "box", tmp_path / "out", keep_times=True)
    assert (tmp_path / "out" / "deep" / "a.color.png").stat().st_mtime == 1e9
    run(red, tmp_path / "box", tmp_path / "out", keep_times=True)
    assert red.made == []
    run(red, tmp_path / "box", tmp_path / "own")
    assert (tmp_path / "own" / "deep" / "a.color.png").stat().st_mtime > 1e9
    os.utime(source, (2.0**34, 2.0**34))  # of a clock that is wrong by centuries
    (made,) = run(red, tmp_path / "box", tmp_path / "late", keep_times=True)
    assert "its time was not kept, since INPUT names none that 64 bits hold" in made.notes
