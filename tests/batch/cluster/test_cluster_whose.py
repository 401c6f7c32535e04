"""Whose result stands in OUTPUT: of another INPUT, of a moved one, of a run that was lost."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster_parts import StoppingReddener, order, picture, results, rows_of, run, told

from fakes import Reddener
from koalarize.batch.cluster.actors import Machines
from koalarize.batch.cluster.order import PortionTask
from koalarize.batch.cluster.results import RESULTS, Row
from koalarize.batch.cluster.rows import Columns
from koalarize.batch.cluster.run import Archive
from koalarize.batch.cluster.sources import Entry
from koalarize.batch.cluster.stores import RemoteStore, Version
from koalarize.batch.cluster.worker import Worker
from koalarize.batch.shard import Shard
from koalarize.steering.steering import Steering

BOLD = Steering(vividness=1.3)
DONE = ("skipped", "already coloured")
OWN = ("skipped", "result of koalarize")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    picture(tmp_path / "box" / "a.png", 40)
    picture(tmp_path / "box" / "b.bmp", 50)
    return tmp_path / "box"


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run, and lose the worker when all is coloured and no row is written yet."""

    def lose(*asked: object, **options: object) -> None:
        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("koalarize.batch.cluster.run._PORTIONS_EACH", 0.01)  # one for all
            patch.setattr("koalarize.batch.cluster.worker.write_part", stop)
            run(*asked, **options)  # type: ignore[arg-type]

    return lose


def deleted(out: Path) -> None:
    for name in results(out):
        (out / name).unlink()


# -- results that were deleted, and a run that was lost ------------------------------------------


def test_deleted_results_made_again_by_a_lost_run_are_known(
    box: Path, out: Path, red: Reddener, lost
):
    run(red, box, out)
    deleted(out)
    lost(red, box, out, BOLD)
    assert results(out) == ["a.color.png", "b.color.bmp"]
    assert told(run(red, box, out, BOLD)) == [DONE, DONE]
    assert red.made == []


@pytest.mark.parametrize("made_before", [False, True])
@pytest.mark.parametrize("name", ["a.color.png", "b.color.bmp"])
def test_a_person_s_file_that_appears_meanwhile_stays(
    box: Path, out: Path, red: Reddener, name: str, made_before: bool
):
    if made_before:
        run(red, box, out)
        deleted(out)
    made = order(red, box, out, BOLD)
    decided = [one.what for one in Archive(made, plan_only=True).plan()]
    tasks = [what for what in decided if isinstance(what, PortionTask)]
    assert [(task.check, task.made_sha256 is not None) for task in tasks] == [
        ("free", made_before)
    ] * 2
    theirs = picture(out / name, 9).read_bytes()
    rows = Worker(made, red).portion("one", tasks)  # type: ignore[arg-type]
    found = {row.key: (row.status, row.reason) for row in rows}
    why = "changed by somebody" if made_before else "not ours"
    assert found.pop(name.replace(".color", "")) == ("failed", why)
    assert list(found.values()) == [("colored", "new")]
    assert (out / name).read_bytes() == theirs


def test_notes_of_a_lost_run_outlast_a_run_that_does_not_look(
    box: Path, out: Path, tmp_path: Path, red: Reddener, lost
):
    run(red, box, out)
    lost(red, box, out, BOLD)
    picture(tmp_path / "other" / "c.png")
    assert told(run(red, tmp_path / "other", out)) == [("colored", "new")]
    assert told(run(red, box, out, BOLD)) == [DONE, DONE]
    assert not list((out / "_koalarize" / "begun").iterdir())


# -- another INPUT -------------------------------------------------------------------------------


@pytest.fixture
def other(box: Path, tmp_path: Path) -> Path:
    picture(tmp_path / "other" / "a.png", 60)
    picture(tmp_path / "other" / "b.bmp", 70)
    for name in ("a.png", "b.bmp"):  # of the same size and time too
        facts = (box / name).stat()
        assert (tmp_path / "other" / name).stat().st_size == facts.st_size
        os.utime(tmp_path / "other" / name, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    return tmp_path / "other"


@pytest.mark.parametrize("overwrite", [False, True])
def test_another_box_with_the_same_names_gets_names_of_its_own(
    box: Path, other: Path, out: Path, red: Reddener, overwrite: bool
):
    run(red, box, out)
    before = {name: (out / name).read_bytes() for name in results(out)}
    assert told(run(red, other, out, overwrite=overwrite)) == [("colored", "new")] * 2
    assert results(out) == ["a.color-2.png", "a.color.png", "b.color-2.bmp", "b.color.bmp"]
    for _ in range(2):  # each knows its own, without a look into any picture
        for each in (other, box):
            decided = list(Archive(order(red, each, out), plan_only=True).plan())
            assert not any(isinstance(one.what, PortionTask) for one in decided)
            assert told(run(red, each, out)) == [DONE, DONE]
    assert {name: (out / name).read_bytes() for name in before} == before


def test_a_result_of_another_box_that_somebody_changed_stays(
    box: Path, other: Path, out: Path, red: Reddener
):
    run(red, box, out)
    theirs = {name: picture(out / name, 9).read_bytes() for name in results(out)}
    assert told(run(red, other, out)) == [("colored", "new")] * 2
    assert {name: (out / name).read_bytes() for name in theirs} == theirs
    assert told(run(red, box, out)) == [("failed", "changed by somebody")] * 2


def test_what_a_lost_run_of_another_box_announced_stays(
    box: Path, other: Path, out: Path, red: Reddener, lost
):
    lost(red, box, out)
    before = {name: (out / name).read_bytes() for name in results(out)}
    assert told(run(red, other, out)) == [("colored", "new")] * 2
    assert {name: (out / name).read_bytes() for name in before} == before
    assert told(run(red, box, out)) == [DONE, DONE]


@pytest.mark.parametrize("version", ["earlier", "this"])
def test_what_a_lost_run_of_this_box_announced_is_made_again_of_a_changed_picture(
    box: Path, out: Path, red: Reddener, lost, version: str
):
    lost(red, box, out)
    for note in (out / "_koalarize" / "begun").iterdir():
        left = json.loads(note.read_text())
        for one in left["announced"] if version == "earlier" else ():
            del one["input"]
        note.write_text(json.dumps(left))
    picture(box / "b.bmp", 90)
    assert told(run(red, box, out)) == [("colored", "picture changed"), DONE]


def test_a_lost_run_of_another_box_is_known_where_the_first_results_were_deleted(
    box: Path, other: Path, out: Path, red: Reddener, lost
):
    run(red, box, out)
    deleted(out)
    lost(red, other, out)
    assert told(run(red, other, out)) == [DONE, DONE]
    assert told(run(red, box, out)) == [("colored", "new")] * 2


@pytest.mark.parametrize("with_output", [False, True])
def test_a_box_that_moved_finds_its_results(
    box: Path, out: Path, tmp_path: Path, red: Reddener, with_output: bool
):
    run(red, box, out)
    moved = box.rename(tmp_path / "moved")
    if with_output:  # copied to another disk, without the times
        out = out.rename(tmp_path / "results")
        for path in (*moved.iterdir(), *out.glob("*.*")):
            os.utime(path, ns=(5, 5))
    for at_once in (False, True):
        decided = list(Archive(order(red, moved, out), plan_only=True).plan())
        assert at_once != any(isinstance(one.what, PortionTask) for one in decided)
        assert told(run(red, moved, out)) == [DONE, DONE]
        assert red.made == []
    picture(moved / "a.png", 90)
    assert told(run(red, moved, out)) == [("colored", "picture changed"), DONE]
    assert results(out) == ["a.color.png", "b.color.bmp"]


def test_tables_of_other_names_are_other_inputs(tmp_path: Path, out: Path, red: Reddener):
    """Files of their rows get names of their own; rows of an OUTPUT that is a table do not."""
    table = tmp_path / "table.parquet"
    for number in (1, 2):
        data = picture(tmp_path / f"{number}.png", 40 + number).read_bytes()
        written = pa.table({"key": ["a.png"], "image": [data]})
        pq.write_table(written, tmp_path / f"{number}.parquet")
        run(red, tmp_path / f"{number}.parquet", out, columns=Columns())
        run(red, tmp_path / f"{number}.parquet", table, columns=Columns(), table="struct")
    assert results(out) == ["a.color-2.png", "a.color.png"]
    assert rows_of(out)["a.png"].input == f"{tmp_path.as_posix()}/2.parquet"
    (part,) = table.glob("*.parquet")
    assert pq.read_table(part).num_rows == 1


def test_rows_of_earlier_versions_count_as_of_this_input(
    box: Path, out: Path, tmp_path: Path, red: StoppingReddener
):
    run(red, box, out)
    (part,) = (out / RESULTS).iterdir()
    pq.write_table(pq.read_table(part).drop_columns(["input"]), part.with_name("0.parquet"))
    part.unlink()
    assert told(run(red, box, out)) == [DONE, DONE]
    assert red.made == []
    picture(box / "c.png")
    run(red, box, out)
    (part,) = (out / RESULTS).iterdir()  # of both kinds
    inputs = {row["key"]: row["input"] for row in pq.read_table(part).to_pylist()}
    assert inputs == {"a.png": "", "b.bmp": "", "c.png": f"{box.as_posix()}/"}
    assert told(run(red, box.rename(tmp_path / "moved"), out)) == [DONE] * 3
    assert told(run(red, tmp_path / "moved", out)) == [DONE] * 3


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_an_input_whose_name_is_no_text_has_rows(box: Path, out: Path, red: Reddener):
    odd = box.rename(Path(os.fsdecode(os.fsencode(box) + b"\xff")))
    run(red, odd, out)
    assert rows_of(out)["a.png"].input == f"{box.as_posix()}\\udcff/"
    assert told(run(red, odd, out)) == [DONE, DONE]


@pytest.mark.parametrize(
    ("address", "root", "place"),
    [
        ("s3://bucket/box/", "bucket/box", "s3://bucket/box/"),
        ("s3://id:secret@bucket/box?region=eu", "bucket/box", "s3://bucket/box/"),
        ("s3://bucket/box?endpoint_override=h%3A9", "bucket/box", "s3://h:9/bucket/box/"),
        ("s3://bucket", "bucket", "s3://bucket/"),
        ("s3://bucket/bucket", "bucket/bucket", "s3://bucket/bucket/"),
        ("abfs://one@account/box", "one/box", "abfs://account/one/box/"),
        ("hdfs://name:8020/box", "box", "hdfs://name:8020/box/"),
    ],
)
def test_a_store_has_one_place_however_it_is_called(address: str, root: str, place: str):
    assert RemoteStore(address, None, root).place == place


# -- results without a mark in INPUT ------------------------------------------------------------


@pytest.mark.parametrize("known", ["rows", "notes"])
def test_results_without_a_mark_in_input_are_no_pictures(
    tmp_path: Path, red: Reddener, lost, known: str
):
    picture(tmp_path / "box" / "a.bmp")
    do = run if known == "rows" else lost
    do(red, tmp_path, tmp_path, name="{stem}_c")
    assert told(run(red, tmp_path, tmp_path, name="{stem}_c")) == [DONE, OWN]
    assert results(tmp_path) == ["box/a.bmp", "box/a_c.bmp"]
    (tmp_path / "link").symlink_to(tmp_path)
    assert told(run(red, tmp_path / "link", tmp_path, name="{stem}_c")) == [DONE, OWN]
    (tmp_path / "link").unlink()
    inside = run(red, tmp_path / "box", tmp_path, name="{stem}_c")  # OUTPUT lies above
    assert told(inside) == [("colored", "new"), OWN]
    assert results(tmp_path) == ["a_c.bmp", "box/a.bmp", "box/a_c.bmp"]


def test_rows_of_a_table_are_no_results_in_output(tmp_path: Path, red: Reddener):
    """Though their keys may be called like them, the table lies in OUTPUT."""
    picture(tmp_path / "a.bmp")
    run(red, tmp_path, tmp_path, name="{stem}_c")
    data = (tmp_path / "a.bmp").read_bytes()
    pq.write_table(pa.table({"key": ["a_c.bmp"], "image": [data]}), tmp_path / "in.parquet")
    found = run(red, tmp_path, tmp_path, columns=Columns())
    assert told(found) == [("colored", "new")]


@pytest.mark.parametrize("named", ["box", "link"])
def test_a_picture_of_input_is_never_written_over(box: Path, out: Path, red: Reddener, named: str):
    before = picture(box / "ax.png", 90).read_bytes()
    options = {"name": "{stem}x", "overwrite": True}
    (box.parent / "link").symlink_to(box)
    found = told(run(red, box, box.parent / named, **options))
    assert found == [("colored", "new"), ("colored", "new"), ("failed", "not ours")]
    assert (box / "ax.png").read_bytes() == before
    assert "never written over" in (rows_of(box)["a.png"].error or "")
    picture(out / "ax.png")  # is none of INPUT
    assert ("colored", "not ours") in told(run(red, box, out, **options))


def test_a_failure_is_tried_again_though_its_namesake_of_another_input_is_done(
    box: Path, out: Path, tmp_path: Path, red: Reddener
):
    (box / "a.png").write_bytes(b"no picture")
    run(red, box, out)
    run(red, picture(tmp_path / "other" / "a.png").parent, out)
    picture(box / "a.png", 40)
    moved = ("skipped", "did not fail before")
    assert told(run(red, box, out, retry_failed=True)) == [("colored", "new"), moved]


# -- results whose pictures are gone ----------------------------------------------------------


def orphaned(red: Reddener, source: Path, output: Path, **options) -> list[tuple[str, str | None]]:
    """Plan, run, and tell the results that both name as orphaned, with their pictures."""
    found: list[list[tuple[str, str | None]]] = []
    for plan_only in (True, False):
        archive = Archive(order(red, source, output, **options), plan_only=plan_only)
        list(archive.plan() if plan_only else archive.color(Machines(workers=0)))
        some = list(archive.orphans())
        assert all(one.reason == "its picture is gone" for one in some)
        found.append([(str(one.source), one.output and one.output.name) for one in some])
    assert found[0] == found[1]
    return found[1]


def test_results_whose_pictures_are_gone_are_named_and_stay(tmp_path: Path, red):
    box, out, other = tmp_path / "box", tmp_path / "out", tmp_path / "other"
    for name in ("a.png", "b.png", "deep/c.png", "deep/d.png"):
        picture(box / name)
    picture(other / "e.png")
    assert orphaned(red, box, out) == []
    assert orphaned(red, other, out) == []  # those of another INPUT are not looked for in this one
    (box / "a.png").rename(box / "f.png")
    (box / "deep" / "c.png").unlink()
    gone = [("a.png", "a.color.png"), ("deep/c.png", "c.color.png")]
    assert orphaned(red, box, out) == gone
    parts = [orphaned(red, box, out, shard=Shard(number, 2)) for number in (1, 2)]
    assert sorted(parts[0] + parts[1]) == gone
    (out / "deep" / "c.color.png").unlink()
    assert orphaned(red, box, out) == gone[:1]
    assert (out / "a.color.png").is_file()


def test_results_of_a_folder_that_cannot_be_read_are_no_orphans(tmp_path: Path, red, monkeypatch):
    picture(tmp_path / "box" / "deep" / "a.png")
    picture(tmp_path / "box" / "b.png")
    run(red, tmp_path / "box", tmp_path / "out")
    away = [Entry("b.png", Version(1), "b.png"), Entry("deep", Version(), "deep", problem="away")]
    monkeypatch.setattr("koalarize.batch.cluster.sources.Files.entries", lambda self: iter(away))
    assert orphaned(red, tmp_path / "box", tmp_path / "out") == []


@pytest.mark.parametrize("how", ["rows", "touched", "marks", "lost", "table"])
def test_results_of_other_weights_are_called_so(box: Path, out: Path, red, how: str, lost):
    (lost if how == "lost" else run)(red, box, out, table="struct" if how == "table" else "")
    if how == "touched":  # its bytes are looked at
        os.utime(box / "a.png", ns=(1, 1))
    if how == "marks":
        shutil.rmtree(out / "_koalarize")
        (out / "b.color.bmp").unlink()
    red.provenance = lambda *asked: dataclasses.replace(
        Reddener().provenance(*asked), weights="weights of another day"
    )
    other, new = ("colored", "other model or weights"), ("colored", "new")
    table = "struct" if how == "table" else ""
    outcomes = run(red, box, out, table=table)
    assert told(outcomes) == sorted([other, new if how == "marks" else other])
    assert told(run(red, box, out, BOLD, table=table)) == [("colored", "other settings")] * 2


@pytest.mark.parametrize("touched", [False, True])
def test_results_of_other_options_stay_if_that_is_asked(box: Path, out: Path, red, touched: bool):
    run(red, box, out)
    if touched:  # its bytes are looked at
        os.utime(box / "a.png", ns=(1, 1))
    assert told(run(red, box, out, BOLD, keep_earlier=True)) == [("skipped", "other settings")] * 2
    assert told(run(red, box, out)) == [("skipped", "already coloured")] * 2  # rows say whose it is


def test_a_plan_takes_the_times_of_its_own_model(box: Path, out: Path):
    """One of a slower model got those of all that had worked here."""
    archive = Archive(order(Reddener(), box, out), plan_only=True)
    size = Version(size=1000)
    for model, seconds in (("koala", 1.0), ("slow", 100.0)):
        row = Row(model, f"{model}.png", "colored", model=model, seconds=seconds)
        archive._index.add_rows([dataclasses.replace(row, source=size, made=size)])
    assert archive.rates("slow") == (0.1, 1.0, 0.001)
    assert archive.rates("other") is None


def test_results_of_another_name_are_no_pictures(box: Path, out: Path, red: Reddener):
    """Only their marks tell; a folder run passes over them too."""
    run(red, box, box, name="{stem} (color)")
    shutil.rmtree(box / "_koalarize")  # by its rows they are known
    (box / "b (color).bmp").unlink()  # bears no mark
    assert sorted(told(run(red, box, out))) == [("colored", "new"), ("colored", "new"), OWN]
    assert sorted(told(run(red, box, out))) == [DONE, DONE, OWN]
    assert results(out) == ["a.color.png", "b.color.bmp"]
