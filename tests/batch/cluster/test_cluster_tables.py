"""Parquet tables of pictures, in and out."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster_parts import order, picture, results, rows_of, run, told
from PIL import Image

from fakes import Reddener
from koalarize.batch.cluster import rows
from koalarize.batch.cluster.actors import Machines
from koalarize.batch.cluster.results import RESULTS, Row, read_parts, write_part
from koalarize.batch.cluster.rows import Columns
from koalarize.batch.cluster.run import Archive
from koalarize.batch.cluster.stores import LocalStore
from koalarize.errors import DataError, OutputError
from koalarize.steering.steering import Steering

BOLD = Steering(vividness=1.3)
COLUMNS = Columns()


def encoded(kind: str = "PNG", level: int = 128) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 6), level).save(buffer, kind)
    return buffer.getvalue()


def hub_table(path: Path, pictures: dict[str, bytes | None], rows: int = 2) -> Path:
    """Write a table as Hugging Face does, with a label beside each picture."""
    images = [{"bytes": data, "path": name} for name, data in pictures.items()]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(images, struct), "label": list(range(len(images)))})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=rows)
    return path


def pictures_in(folder: Path) -> dict[str, bytes]:
    """Return key -> bytes of all rows of all parts; a key that is there twice is an error."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            assert row["key"] not in found, f"{row['key']} is there twice"
            image = row["image"]
            found[row["key"]] = image["bytes"] if isinstance(image, dict) else image
    return found


@pytest.fixture
def table(tmp_path: Path) -> Path:
    names = ["a.png", "deep/b.png", "/abs/c.png", "d.jpg", "e.png"]
    data = {name: encoded("JPEG" if name == "d.jpg" else "PNG", 50 + i) for i, name in
            enumerate(names)}  # fmt: skip
    return hub_table(tmp_path / "in.parquet", data)


def test_rows_become_files(table: Path, tmp_path: Path, red: Reddener):
    out = tmp_path / "out"
    assert told(run(red, table, out, columns=COLUMNS)) == [("colored", "new")] * 5
    names = ["a.color.png", "abs/c.color.png", "d.color.jpg", "deep/b.color.png", "e.color.png"]
    assert results(out) == names
    assert told(run(red, table, out, columns=COLUMNS)) == [("skipped", "already coloured")] * 5


def test_rows_become_rows(table: Path, tmp_path: Path, red: Reddener):
    out = tmp_path / "out.parquet"
    run(red, table, out, columns=COLUMNS, table="struct")
    found = pictures_in(out)
    assert list(found) == ["a.png", "deep/b.png", "/abs/c.png", "d.jpg", "e.png"]
    with Image.open(io.BytesIO(found["d.jpg"])) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
    assert told(run(red, table, out, columns=COLUMNS, table="struct")) == [
        ("skipped", "already coloured")
    ] * 5  # fmt: skip
    assert rows_of(out)["a.png"].result in results(out)


def test_tables_of_output_inside_input_are_no_input(table: Path, tmp_path: Path, red: Reddener):
    out = tmp_path / "out.parquet"
    run(red, tmp_path, out, columns=COLUMNS, table="struct")
    again = run(red, tmp_path, out, columns=COLUMNS, table="struct")
    assert told(again) == [("skipped", "already coloured")] * 5


@pytest.mark.parametrize(
    ("address", "table"),
    [("in.pq/", True), ("s3://b/in.parquet?region=eu", True), ("s3://b/in?x=.pq", False)],
)
def test_which_addresses_are_tables(address: str, table: bool):
    assert rows.is_table(address) is table


def test_a_row_made_again_is_not_there_twice(table: Path, tmp_path: Path, red: Reddener):
    out = tmp_path / "out.parquet"
    run(red, table, out, columns=COLUMNS, table="struct")
    before = pictures_in(out)
    run(red, table, out, BOLD, columns=COLUMNS, table="struct")
    after = pictures_in(out)
    assert after.keys() == before.keys()
    assert all(after[key] != before[key] for key in after)  # the mark says other settings


def test_a_table_with_one_new_picture(table: Path, tmp_path: Path, red: Reddener):
    out = tmp_path / "out.parquet"
    run(red, table, out, columns=COLUMNS, table="bytes")
    rows = {f"{n}.png": encoded(level=50 + i) for i, n in enumerate(["a", "deep/b"])}
    hub_table(table, {**rows, "new.png": encoded(level=7)})
    run(red, table, out, columns=COLUMNS, table="bytes")
    assert red.made == ["new.png"]
    assert {"a.png", "new.png"} < pictures_in(out).keys()
    run(red, table, out, columns=COLUMNS, table="bytes")
    assert red.made == []


def test_files_become_rows(tmp_path: Path, red: Reddener):
    picture(tmp_path / "box" / "a.png")
    picture(tmp_path / "box" / "b.bmp")
    out = tmp_path / "out.parquet"
    run(red, tmp_path / "box", out, table="struct")
    assert list(pictures_in(out)) == ["a.png", "b.bmp"]
    assert told(run(red, tmp_path / "box", out, table="struct"))[0][0] == "skipped"


def test_a_folder_of_tables_with_columns_of_other_names(tmp_path: Path, red: Reddener):
    for part in "xy":
        table = pa.table(
            {"photo": [encoded(), encoded("JPEG")], "id": [f"{part}1", f"{part}2.jpg"]}
        )
        (tmp_path / "in").mkdir(exist_ok=True)
        pq.write_table(table, tmp_path / "in" / f"{part}.parquet")
    with pytest.raises(DataError, match="--image-column"):
        run(red, tmp_path / "in", tmp_path / "out", columns=COLUMNS)
    with pytest.raises(DataError, match="--key-column"):
        run(red, tmp_path / "in", tmp_path / "out", columns=Columns("photo", "none"))
    run(red, tmp_path / "in", tmp_path / "out", columns=Columns("photo", "id"))
    assert results(tmp_path / "out") == [
        "x1.color.png", "x2.color.jpg", "y1.color.png", "y2.color.jpg",
    ]  # fmt: skip


def test_rows_without_keys_are_numbered(tmp_path: Path, red: Reddener):
    pq.write_table(pa.table({"image": [encoded(), encoded("JPEG")]}), tmp_path / "in.parquet")
    run(red, tmp_path / "in.parquet", tmp_path / "out", columns=COLUMNS)
    assert results(tmp_path / "out") == [
        "in/0000-000000.color.png", "in/0000-000001.color.jpg",
    ]  # fmt: skip


def test_bad_rows_are_told_and_the_others_done(tmp_path: Path, red: Reddener):
    rows = {"a.png": encoded(), "../up.png": encoded(), "b.png": b"no picture", "c.png": None}
    table = hub_table(tmp_path / "in" / "t.parquet", rows)
    outcomes = {str(one.source): one for one in run(red, table, tmp_path / "o", columns=COLUMNS)}
    assert outcomes["a.png"].status == "colored"
    assert "without `..`" in (outcomes["../up.png"].error or "")
    assert {outcomes[key].status for key in ("../up.png", "b.png", "c.png")} == {"failed"}
    assert results(tmp_path) == ["in/t.parquet", "o/a.color.png"]


def table_of(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("image", "key", "problem"),
    [
        (pa.array(["a.png"]), ["a"], "has string in its column `image` but needs bytes there"),
        (pa.array([[b"1"]]), ["a"], "column `image` but needs bytes there, or a struct"),
        (pa.array([encoded()]), [["a"]], "column `key` but needs texts or numbers there"),
        (pa.array([], pa.binary()), pa.array([], pa.string()), "holds no row in its tables"),
    ],
)
def test_columns_that_hold_no_pictures_or_keys_are_an_error(
    tmp_path: Path, red: Reddener, image: pa.Array, key: object, problem: str
):
    """Paths in place of bytes were called empty files, to be copied again."""
    table = table_of(tmp_path / "t.parquet", image=image, key=key)
    with pytest.raises(DataError, match=problem):
        run(red, table, tmp_path / "out", columns=COLUMNS)


@pytest.mark.parametrize(
    "kind", [pa.large_binary(), pa.binary_view(), pa.dictionary(pa.int8(), pa.binary())]
)
def test_all_kinds_of_bytes_hold_pictures_and_names(
    tmp_path: Path, red: Reddener, kind: pa.DataType
):
    image = pa.array([encoded()], pa.binary()).cast(kind)
    table = table_of(tmp_path / "t.parquet", image=image, key=pa.array([b"a.png"]))
    assert told(run(red, table, tmp_path / "out", columns=COLUMNS)) == [("colored", "new")]
    assert results(tmp_path / "out") == ["a.color.png"]


@pytest.mark.parametrize("out", ["out", "out.parquet"])
def test_two_rows_of_one_key(out: str, tmp_path: Path, red: Reddener):
    table = pa.table({"key": ["a.png", "a.png"], "image": [encoded(), encoded(level=3)]})
    pq.write_table(table, tmp_path / "in.parquet")
    kind = "struct" if out.endswith("parquet") else ""
    outcomes = run(red, tmp_path / "in.parquet", tmp_path / out, columns=COLUMNS, table=kind)
    statuses = sorted(outcome.status for outcome in outcomes)
    assert statuses == (["colored", "failed"] if kind else ["colored", "colored"])


def test_a_damaged_table_is_an_error(tmp_path: Path, red: Reddener):
    (tmp_path / "in.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        run(red, tmp_path / "in.parquet", tmp_path / "out", columns=COLUMNS)


@pytest.mark.parametrize("old", [b"key", b"a.png"])
def test_a_table_of_damaged_words_is_an_error(tmp_path: Path, red: Reddener, old: bytes):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"key": ["a.png"], "image": [encoded()]}), path, compression="none")
    path.write_bytes(path.read_bytes().replace(old, b"\xff" * len(old)))
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        run(red, path, tmp_path / "out", columns=COLUMNS)


def test_columns_of_different_lengths_are_an_error(tmp_path: Path, red: Reddener, monkeypatch):
    pq.write_table(pa.table({"key": ["a", "b"], "image": [encoded()] * 2}), tmp_path / "in.parquet")
    monkeypatch.setattr(rows, "_all_bytes", lambda *_: iter([encoded()]))
    with pytest.raises(DataError, match="different lengths"):
        run(red, tmp_path / "in.parquet", tmp_path / "out", columns=COLUMNS)


def test_rows_of_damaged_words_are_an_error(tmp_path: Path):
    store = LocalStore(str(tmp_path), tmp_path)
    write_part(store, "a", [Row("a.png", None, "failed")])
    part = tmp_path / RESULTS / "a.parquet"
    part.write_bytes(part.read_bytes().replace(b"settings", b"\xff" * 8))
    with pytest.raises(OutputError, match="cannot be read"):
        list(read_parts(store, ["a"]))


def test_rows_whose_pictures_are_gone_are_named(tmp_path: Path, red: Reddener):
    out, other = tmp_path / "out.parquet", tmp_path / "other"
    table = hub_table(tmp_path / "in.parquet", {"a.png": encoded(), "b.png": encoded(level=9)})
    picture(other / "c.png")

    def gone(source: Path) -> list[tuple[str, bool]]:
        found: list[list[tuple[str, bool]]] = []
        for plan_only in (True, False):
            columns = None if source.is_dir() else COLUMNS
            asked = order(red, source, out, columns=columns, table="struct")
            archive = Archive(asked, plan_only=plan_only)
            list(archive.plan() if plan_only else archive.color(Machines(workers=0)))
            some = [(str(one.source), one.output) for one in archive.orphans()]
            found.append([(key, part is not None and part.is_file()) for key, part in some])
        assert found[0] == found[1]
        return found[0]

    assert gone(table) == []
    assert gone(other) == []  # rows of another INPUT are not looked for in this one
    hub_table(table, {"b.png": encoded(level=9)})
    assert gone(table) == [("a.png", True)]
    assert sorted(pictures_in(out)) == ["a.png", "b.png", "c.png"]
