"""Object stores: a small S3 server, and a store that fsspec opens."""

from __future__ import annotations

import gc
import io
import re
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from cluster_parts import run, told
from PIL import Image
from pyarrow import fs
from s3_server import Bucket, serving

from fakes import Reddener
from koalarize.batch.cluster.rows import Columns
from koalarize.batch.cluster.stores import RemoteStore, open_store
from koalarize.cli import main
from koalarize.errors import OutputError
from koalarize.photo.provenance import mark_of


def encoded(level: int = 128) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 6), level).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Bucket, str]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with serving() as (bucket, query):
        for number, name in enumerate("abcde"):
            bucket.put(f"box/{name}.png", encoded(40 + number))
        bucket.put("box/deep/f.png", encoded(3))
        bucket.put("box/@eaDir/t.png", encoded())
        bucket.put("box/read.me", b"text")
        yield bucket, query


def made(bucket: Bucket) -> list[str]:
    return sorted(key for key in bucket.objects if key.startswith("out/") and "_koala" not in key)


def test_an_archive_in_s3(s3: tuple[Bucket, str], red: Reddener):
    bucket, query = s3
    places = f"s3://bucket/box{query}", f"s3://bucket/out{query}"
    assert told(run(red, *places)) == [("colored", "new")] * 6
    names = [f"out/{name}.color.png" for name in ("a", "b", "c", "d", "deep/f", "e")]
    assert made(bucket) == names
    assert mark_of(bucket.objects["out/a.color.png"]) is not None
    # Small objects are put in one request, which is what a request price is counted for.
    puts = [line for line in bucket.asked if "out/a.color.png" in line and line.startswith("P")]
    assert len(puts) == 1
    assert told(run(red, *places)) == [("skipped", "already coloured")] * 6
    bucket.put("box/b.png", encoded(200))
    bucket.put("box/c.png", bucket.objects["box/c.png"])  # the same bytes, put again
    assert told(run(red, *places)).count(("colored", "picture changed")) == 1
    assert red.made == ["b.png"]
    bucket.put("out/d.color.png", encoded(9))
    assert ("failed", "changed by somebody") in told(run(red, *places))
    assert bucket.objects["out/d.color.png"] == encoded(9)


def test_output_beside_the_pictures_in_s3(s3: tuple[Bucket, str], red: Reddener):
    bucket, query = s3
    place = f"s3://bucket/box{query}"
    assert told(run(red, place, place)) == [("colored", "new")] * 6
    assert "box/a.color.png" in bucket.objects
    assert told(run(red, place, place)) == [("skipped", "already coloured")] * 6
    below = f"s3://bucket/box/out{query}"
    assert len(run(red, place, below)) == 6
    assert told(run(red, place, below)) == [("skipped", "already coloured")] * 6


def test_a_table_in_s3(s3: tuple[Bucket, str], red: Reddener, tmp_path: Path):
    bucket, query = s3
    run(red, f"s3://bucket/box{query}", f"s3://bucket/out/t.parquet{query}", table="struct")
    parts = made(bucket)
    assert parts
    assert all(part.startswith("out/t.parquet/part-") for part in parts)
    found = run(red, f"s3://bucket/out/t.parquet{query}", tmp_path / "o", columns=Columns())
    assert len(found) == 6
    found = run(red, f"s3://bucket/{parts[0]}{query}", tmp_path / "p", columns=Columns())
    assert {outcome.status for outcome in found} == {"colored"}


def test_a_bucket_that_is_not_there(s3: tuple[Bucket, str], red: Reddener):
    _, query = s3
    with pytest.raises(OutputError, match=r"s3://none/out.*credentials"):
        run(red, f"s3://bucket/box{query}", f"s3://none/out{query}")


def test_the_command_with_s3(s3: tuple[Bucket, str], red: Reddener, capfd):
    bucket, query = s3
    words = [f"s3://bucket/box{query}", f"s3://bucket/out{query}", "--workers", "0"]
    assert main(["cluster", *words, "--plan"]) == 0
    assert made(bucket) == []
    plan = capfd.readouterr().out.splitlines()
    assert plan[0] == "new: a.png -> a.color.png"
    assert plan[-1].startswith("6 to colour, new; about")
    bucket.put("box/bad.png", b"no picture")
    assert main(["cluster", *words]) == 1
    out, err = capfd.readouterr()
    assert out.splitlines()[0] == "a.color.png"
    assert "bad.png: is " in err or "bad.png" in err
    assert "1 file not read: 1 .me" in err


@pytest.mark.parametrize("place", ["memory://box", "a folder"])
def test_numbered_results_of_a_template_are_no_pictures(tmp_path: Path, red: Reddener, place: str):
    """Nor are they where INPUT and OUTPUT are one, in a folder and in a store."""
    at = str(tmp_path) if place == "a folder" else place
    store = open_store(at)
    for folder in ("a", "b"):
        store.put(f"{folder}/x.png", encoded())
    store.put("a/x.gif", encoded(7))
    store.put("a/x_c-old.png", encoded(9))  # called like none
    run(red, at, at, name="{stem}_c")
    assert sorted(item.key for item in store.children("a").items) == [
        "a/x.gif",
        "a/x.png",
        "a/x_c-2.png",
        "a/x_c-old.png",
        "a/x_c-old_c.png",
        "a/x_c.png",
    ]
    assert told(run(red, at, at, name="{stem}_c")) == [("skipped", "already coloured")] * 4
    if place.startswith("memory"):
        fsspec.filesystem("memory").store.clear()


def test_what_fsspec_opens(red: Reddener):
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for name in ("a.png", "deep/b.png"):
        memory.pipe_file(f"/box/{name}", encoded())
    places = "memory://box", "memory://out"
    assert told(run(red, *places)) == [("colored", "new")] * 2
    assert memory.exists("/out/deep/b.color.png")
    assert not [name for name in memory.find("/out") if name.endswith(".part")]
    assert told(run(red, *places)) == [("skipped", "already coloured")] * 2
    memory.pipe_file("/box/a.png", encoded(9))
    run(red, *places)
    assert red.made == ["a.png"]
    memory.store.clear()


class Torn(type(Path())):
    """A local file of which only the beginning can be read."""

    def open(self, *_, **__):
        class Stream(io.BytesIO):
            def read(self, size=-1, /):
                if size < 0 or self.tell():
                    raise OSError("the disk")
                return super().read(size)

        return Stream(b"half")


@pytest.mark.parametrize("place", ["s3", "memory"])
def test_an_object_stays_whole_where_another_cannot_be_put(s3: tuple[Bucket, str], place: str):
    """A stream that is dropped would commit what it got so far."""
    addresses = {"s3": f"s3://bucket/out{s3[1]}", "memory": "memory://out"}
    store = open_store(addresses[place])
    store.put("deep/a.bin", b"a whole object")
    with pytest.raises(OSError, match="the disk"):
        store.put_file("deep/a.bin", Torn("none"))
    gc.collect()
    assert store.read("deep/a.bin") == b"a whole object"
    store.remove("deep/a.bin")


def test_a_store_that_writes_in_place_gets_whole_files(tmp_path: Path):
    """One that is not known to put objects whole gets them under another name first."""
    files = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    store = RemoteStore("local", files, "box")
    store.put("deep/a.bin", b"one")
    assert (tmp_path / "box" / "deep" / "a.bin").read_bytes() == b"one"
    store.put("deep/a.bin", b"two")
    assert store.read("deep/a.bin") == b"two"
    with pytest.raises(FileNotFoundError):
        store.put_file("deep/a.bin", tmp_path / "none")
    assert [path.name for path in (tmp_path / "box" / "deep").iterdir()] == ["a.bin"]
    assert store.read("deep/a.bin") == b"two"
    info = store.info("deep/a.bin")
    assert info is not None
    assert info.version.size == 3
    assert info.version.time is not None
    store.remove("deep/a.bin")
    assert store.info("deep/a.bin") is None
    assert store.children("none").items == []


def test_what_is_asked_of_s3_for_one_picture(s3: tuple[Bucket, str], red: Reddener):
    """docs/cluster.md counts its costs by these."""
    bucket, query = s3
    run(red, f"s3://bucket/box{query}", f"s3://bucket/out{query}")
    asked = [line.split()[0] for line in bucket.asked if re.search(r"/e(\.color)?\.png", line)]
    assert sorted(asked) == ["GET", "HEAD", "HEAD", "HEAD", "PUT"]
    version = open_store(f"s3://bucket/out{query}").info("e.color.png")
    assert version is not None
    assert version.version.size == len(bucket.objects["out/e.color.png"])
    listed = open_store(f"s3://bucket/out{query}").children("").items
    assert next(item for item in listed if item.key == "e.color.png").version.fits(version.version)
