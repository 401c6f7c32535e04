"""Object stores: a small S3 server, and a store that fsspec opens."""

from __future__ import annotations

import gc
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from cluster_parts import picture, run, told
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image
from pyarrow import fs
from s3_server import Bucket, serving

from fakes import Reddener
from koalarize.batch.cluster.fsspec_store import FsspecStore
from koalarize.batch.cluster.rows import Columns
from koalarize.batch.cluster.sources import _is_marked
from koalarize.batch.cluster.stores import RemoteStore, open_store
from koalarize.cli import main
from koalarize.errors import DataError, OutputError
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
    assert plan[-1].startswith("6 to colour (new); about")
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


class TroubleError(Exception):
    """What a package behind fsspec raises; no OSError."""


class Odd(MemoryFileSystem):
    """A store that lists a folder's own mark, and fails where a name says so."""

    protocol = "odd"

    def ls(self, path, detail=True, **kwargs):
        found = super().ls(path, detail=detail, **kwargs)
        own = {"name": self._strip_protocol(path), "size": 0, "type": "directory"}
        return [own, *found]

    def cat_file(self, path, start=None, end=None, **kwargs):
        if "bad" in path:
            raise TroubleError("503, Service Unavailable\nand more")
        return super().cat_file(path, start, end, **kwargs)

    def _open(self, path, mode="rb", *args, **kwargs):
        if "bad" in path and mode == "rb":
            raise TroubleError("503, Service Unavailable")
        return super()._open(path, mode, *args, **kwargs)


class Top(LocalFileSystem):
    """Folders as fsspec opens them: a path without a slash in front begins where one stands."""

    protocol = "top"

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("top://"))


class Closed(MemoryFileSystem):
    """A store that cannot be opened."""

    def __init__(self, *args, **kwargs):
        raise TroubleError("no token")


@pytest.fixture
def odd() -> Iterator[Odd]:
    fsspec.register_implementation("odd", Odd, clobber=True)
    fsspec.register_implementation("top", Top, clobber=True)
    fsspec.register_implementation("closed", Closed, clobber=True)
    yield Odd()
    Odd.store.clear()


def test_errors_of_fsspec_s_packages_are_failed_pictures(odd: Odd, tmp_path: Path, red: Reddener):
    """They are no OSError, and had ended the run in a traceback."""
    for name in ("a.png", "bad.png", "deep/c.png"):
        odd.pipe_file(f"odd://box/{name}", encoded())
    outcomes = run(red, "odd://box", tmp_path / "out")
    assert told(outcomes) == [("colored", "new")] * 2 + [("failed", "cannot be read")]
    assert outcomes[1].error == "cannot be read: 503, Service Unavailable"
    odd.pipe_file("odd://t/bad.parquet", b"")
    with pytest.raises(DataError, match=r"`bad.parquet` cannot be read: 503"):
        run(red, "odd://t/bad.parquet", tmp_path / "out", columns=Columns())
    with pytest.raises(DataError, match=r"`closed://box` cannot be opened \(no token\): name"):
        open_store("closed://box")


def test_two_archives_of_files_are_two_inputs(tmp_path: Path, red: Reddener):
    """Their results had replaced each other's where their pictures had one name."""
    for number in (1, 2):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            archive.writestr("a.png", encoded(number))
        run(red, f"zip://::{tmp_path}/{number}.zip", tmp_path / "out")
    assert (tmp_path / "out" / "a.color.png").is_file()
    assert (tmp_path / "out" / "a.color-2.png").is_file()
    there = FsspecStore("zip://::ftp://me:secret@host/1.zip", None, "")
    assert there.place == "zip://::ftp://host/1.zip/"


@pytest.mark.usefixtures("odd")
def test_a_place_that_fsspec_opens_is_named_from_the_top(tmp_path: Path, red: Reddener):
    """Without its first slash an address as sftp://host/scans was one below the home folder."""
    picture(tmp_path / "box" / "a.png")
    outcomes = run(red, f"top://{tmp_path}/box", f"top://{tmp_path}/out")
    assert told(outcomes) == [("colored", "new")]
    assert (tmp_path / "out" / "a.color.png").is_file()
    assert not list(tmp_path.rglob("*.part"))
    assert run(red, f"top://{tmp_path}/box", f"top://{tmp_path}/out")[0].status == "skipped"


def test_a_key_with_nothing_between_two_slashes_is_named(
    s3: tuple[Bucket, str], tmp_path: Path, red: Reddener
):
    """pyarrow lists what is there for ever, and cannot read it."""
    bucket, query = s3
    bucket.put("box//lost.png", encoded())
    outcomes = run(red, f"s3://bucket/box{query}", tmp_path / "out")
    assert told(outcomes) == [("colored", "new")] * 6 + [("failed", "cannot be read")]
    assert "`//` has nothing between two slashes" in next(filter(None, (o.error for o in outcomes)))


@pytest.mark.parametrize("place", ["s3", "memory"])
def test_a_prefix_without_a_picture_is_an_error(
    s3: tuple[Bucket, str], tmp_path: Path, red: Reddener, place: str
):
    """A misspelt one had ended with 0, and in silence."""
    address = {"s3": f"s3://bucket/bx{s3[1]}", "memory": "memory://bx"}[place]
    with pytest.raises(DataError, match=r"bx.*holds no picture, or does not exist"):
        run(red, address, tmp_path / "out")
    (tmp_path / "box").mkdir()
    with pytest.raises(DataError, match="box` holds no picture: a picture ends"):
        run(red, tmp_path / "box", tmp_path / "out")


def test_a_name_that_is_too_long_for_files_ends_no_run(
    s3: tuple[Bucket, str], tmp_path: Path, red: Reddener
):
    bucket, query = s3
    bucket.put(f"box/{'n' * 300}.png", encoded())
    assert told(run(red, f"s3://bucket/box{query}", tmp_path / "out")) == [("colored", "new")] * 7


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


@pytest.mark.parametrize("place", ["memory://large", "a folder"])
def test_a_large_object_of_no_known_kind_is_not_read_whole(
    tmp_path: Path, red: Reddener, place: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("koalarize.batch.cluster.sources.LARGE", 40)
    at = str(tmp_path / "in") if place == "a folder" else place
    store = open_store(at)
    for name in ("a.jpg", "b.gif"):
        store.put(name, bytes(40))
    store.put("c.png", encoded())
    kind, read = type(store), type(store).read
    asked: list[str] = []
    monkeypatch.setattr(kind, "read", lambda self, key: (asked.append(key), read(self, key))[1])
    found = {str(one.source): one for one in run(red, at, tmp_path / "out")}
    assert [key for key in asked if not key.startswith("_koalarize")] == ["c.png"]
    assert found["c.png"].status == "colored"
    for name in ("a.jpg", "b.gif"):
        assert found[name].reason == "no readable picture"
        assert f"`{name}` is not a picture in a known format" in (found[name].error or "")


def test_an_earlier_result_is_read_no_further_than_its_mark(monkeypatch: pytest.MonkeyPatch):
    """It was read whole, and held, to be passed over."""
    monkeypatch.setattr("koalarize.batch.cluster.sources.BLOCK", 1000)
    monkeypatch.setattr("koalarize.batch.cluster.sources._BEGINNING", 1000)
    mark, store = b'xmlns:koalarize="urn:koalarize:1:"', open_store("memory://marks")
    for name, at in (("begin", 20), ("edge", 1980), ("late", 5000)):
        store.put(name, bytes(at) + mark + bytes(10_000))
    store.put("none", bytes(10_000))
    read: list[int] = []
    stream = type(store).stream

    def counted(self: object, key: str) -> io.BytesIO:
        class Counted(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                read.append(size or 0)
                return super().read(size)

        return Counted(stream(store, key).read())

    monkeypatch.setattr(type(store), "stream", counted)
    monkeypatch.setattr(type(store), "read", lambda *_: pytest.fail("read whole"))
    found = [_is_marked(store, key) for key in ("begin", "edge", "late", "none")]
    assert found == [True, True, True, False]
    assert sum(read) == 1000 + 3000 + 6000 + 11_000
