"""COCO's pictures from a server on this machine, which misbehaves as servers do."""

import hashlib
import http.server
import io
import json
import re
import shutil
import struct
import subprocess
import sys
import threading
import zipfile
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

from koalarize.cli import main
from koalarize.errors import DataError, OptionError, OutputError
from koalarize.lab.datasets import coco, download
from koalarize.lab.datasets.coco import ARCHIVES, Archive, prepare_coco
from koalarize.lab.datasets.download import Patience, fetch
from koalarize.lab.datasets.sources import load_pictures

SETS = (Archive("test2017", "train"), Archive("test2014", "train"), Archive("val2017", "test"))
QUICK = Patience(timeout=5, attempts=3, pause=0)


def picture(seed, size=48):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    return jpeg(Image.fromarray(noise))


def jpeg(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def grey(seed):
    """A grey picture with three channels, as COCO has them."""
    noise = np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)
    return jpeg(Image.fromarray(noise).convert("RGB"))


def members(name, number=6):
    prefix = {"test2014": "COCO_test2014_"}.get(name, "")
    seed = sum(name.encode())
    colored = {f"{name}/{prefix}{n:012d}.jpg": picture(seed + n) for n in range(number)}
    other = {f"{name}/{prefix}{n:012d}.jpg": grey(seed + n) for n in range(90, 92)}
    return {**colored, **other, f"{name}/{prefix}{99:012d}.jpg": picture(seed)[:300]}


def zipped(files, folder=None):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if folder is not None:
            archive.mkdir(folder) if hasattr(archive, "mkdir") else None
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def corrupted(data, files, number=2):
    """Change one byte in a member's data: its CRC no longer fits."""
    at = data.index(list(files.values())[number]) + 100
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


class Server:
    """Serves bytes under /NAME.zip; every odd thing it does is named when it is asked for."""

    def __init__(self):
        self.files = {f"{one.name}.zip": zipped(members(one.name)) for one in SETS}
        self.requests = []  # (name, Range, answer)
        self.drops = []  # bytes after which the next connections end
        self.answers = []  # status codes of the next connections
        self.ranges = True
        self.lengths = True
        self.etags = True
        self.etag = "one"
        self.then = None  # called after each answer
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.answer(self)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def answer(self, request):
        name = request.path.lstrip("/")
        asked = request.headers.get("Range")
        data = self.files.get(name)
        code = self.answers.pop(0) if self.answers else (200 if data is not None else 404)
        if code != 200:
            self.requests.append((name, asked, code))
            request.send_response(code)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        tag = f'"{self.etag}-{name}"'
        start = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1)) if asked else 0
        condition = request.headers.get("If-Range", tag)
        ranged = bool(asked) and self.ranges and condition == tag
        code, start = (206, start) if ranged else (200, 0)
        if ranged and start >= len(data):
            code = 416
        self.requests.append((name, asked, code))
        request.send_response(code)
        if self.etags:
            request.send_header("ETag", tag)
        if code == 206:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        body = data[start:] if code != 416 else b""
        if self.lengths:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.drops:
            body = body[: self.drops.pop(0)]
            request.close_connection = True
        request.wfile.write(body)
        request.close_connection = request.close_connection or not self.lengths
        if self.then is not None:
            self.then()

    def count(self, name):
        return sum(1 for requested, _, _ in self.requests if requested == f"{name}.zip")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    one = Server()
    yield one
    one.close()


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "coco"


def prepare(server, dest, **options):
    options = {"archives": SETS, "mirror": server.url, "patience": QUICK, **options}
    return prepare_coco(dest, **options)


def only_val(server, dest, **options):
    return prepare(server, dest, only=["val2017"], **options)[0]


def tree(folder):
    """Everything in a folder: relative path -> bytes."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def manifest(dest):
    return json.loads((dest / "coco.json").read_text())["sets"]


def expected(name="val2017", part="test"):
    """Where the members of an archive must come to lie."""
    files = members(name)
    kinds = ["", *[""] * 5, "grey", "grey", "broken"]
    return {
        f"{kind or part}/{path}": data
        for (path, data), kind in zip(files.items(), kinds, strict=True)
    }


def pictures_of(dest):
    return {name: data for name, data in tree(dest).items() if name.endswith(".jpg")}


class TestWhole:
    def test_everything(self, server, dest):
        reports = prepare(server, dest)
        everything = {
            **expected("test2017", "train"),
            **expected("test2014", "train"),
            **expected("val2017", "test"),
        }
        files = tree(dest)
        del files["coco.json"]
        assert files == everything
        assert [report.name for report in reports] == [one.name for one in SETS]
        for report in reports:
            assert report.counts == {"usable": 6, "grey": 2, "broken": 1}
            assert report.changed
            assert report.folder.is_dir()
        train = load_pictures(dest / "train", min_chroma=2)
        assert len(train) == 12
        assert not train.left_out

    def test_the_manifest(self, server, dest):
        only_val(server, dest)
        entry = manifest(dest)["val2017"]
        data = server.files["val2017.zip"]
        assert entry["url"] == f"{server.url}/val2017.zip"
        assert entry["bytes"] == len(data)
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["etag"] == '"one-val2017.zip"'
        assert entry["pictures"] == 9
        assert entry["counts"] == {"usable": 6, "grey": 2, "broken": 1}
        assert entry["min_chroma"] == 2.0
        assert re.match(r"\d{4}-\d\d-\d\dT", entry["date"])

    def test_a_second_run_does_nothing(self, server, dest):
        prepare(server, dest)
        before, asked = tree(dest), len(server.requests)
        reports = prepare(server, dest)
        assert not any(report.changed for report in reports)
        assert reports[0].counts == {"usable": 6, "grey": 2, "broken": 1}
        assert tree(dest) == before
        assert len(server.requests) == asked

    def test_archives_are_kept_if_asked(self, server, dest):
        only_val(server, dest, keep_archives=True)
        assert (dest / "archives" / "val2017.zip").read_bytes() == server.files["val2017.zip"]
        only_val(server, dest)  # and no longer
        assert not (dest / "archives").exists()

    def test_missing_pictures_are_brought_back(self, server, dest):
        only_val(server, dest)
        (dest / "test" / "val2017" / "000000000003.jpg").unlink()
        (dest / "grey" / "val2017" / "000000000090.jpg").unlink()
        assert only_val(server, dest).changed
        assert pictures_of(dest) == expected()

    def test_another_min_chroma_sorts_anew(self, server, dest):
        only_val(server, dest)
        report = only_val(server, dest, min_chroma=0)
        assert report.changed
        assert report.counts == {"usable": 8, "grey": 0, "broken": 1}
        assert server.count("val2017") == 1
        assert len(list((dest / "test").rglob("*.jpg"))) == 8
        assert only_val(server, dest).counts == {"usable": 6, "grey": 2, "broken": 1}
        assert pictures_of(dest) == expected()

    def test_a_run_stopped_while_sorting(self, server, dest, monkeypatch):
        def stop(*_, **__):
            raise KeyboardInterrupt

        only_val(server, dest, min_chroma=0)
        monkeypatch.setattr(coco, "decode_picture", stop)
        with pytest.raises(KeyboardInterrupt):
            only_val(server, dest)
        monkeypatch.undo()
        # The earlier value is asked for: nothing says any more that it was sorted so.
        assert only_val(server, dest, min_chroma=0).changed
        assert only_val(server, dest).counts["grey"] == 2

    def test_progress(self, server, dest):
        seen = {}
        only_val(
            server, dest, progress=lambda stage, done, total: seen.update({stage: (done, total)})
        )
        size = len(server.files["val2017.zip"])
        assert seen == {
            "fetching val2017": (size, size),
            "checking val2017": (size, size),
            "unpacking val2017": (9, 9),
            "sorting val2017": (9, 9),
        }


class TestDownload:
    def test_dropped_connections(self, server, dest):
        server.drops = [5000, 1, 7000, 3000, 2500, 1]  # more often than attempts, but getting on
        only_val(server, dest)
        assert pictures_of(dest) == expected()
        ranges = [asked for _, asked, _ in server.requests]
        assert ranges[:5] == [
            None,
            "bytes=5000-",
            "bytes=5001-",
            "bytes=12001-",
            "bytes=15001-",
        ]
        assert [code for _, _, code in server.requests] == [200, *[206] * 6]

    def test_no_headway_is_an_error_and_a_later_run_goes_on(self, server, dest):
        server.drops = [5000, 0, 0, 0]
        with pytest.raises(DataError, match=r"3 times in a row .* after 5,000 of .*by hand"):
            only_val(server, dest)
        assert (dest / "archives" / "val2017.zip.part").stat().st_size == 5000
        only_val(server, dest)
        assert server.requests[-1][1:] == ("bytes=5000-", 206)
        assert pictures_of(dest) == expected()
        assert not (dest / "archives").exists()

    @pytest.mark.parametrize("etags", [True, False])
    def test_a_server_without_ranges(self, server, dest, etags):
        server.ranges, server.etags = False, etags
        server.drops = [5000, 3000, 9000]
        only_val(server, dest)
        assert [code for _, _, code in server.requests] == [200] * 4
        assert pictures_of(dest) == expected()

    def test_a_server_without_etags_goes_on(self, server, dest):
        server.etags = False
        server.drops = [5000]
        only_val(server, dest)
        assert server.requests[-1][1:] == ("bytes=5000-", 206)
        assert pictures_of(dest) == expected()

    def test_a_server_without_lengths(self, server, dest):
        server.lengths = False
        only_val(server, dest)
        assert pictures_of(dest) == expected()

    def test_another_file_between_the_parts(self, server, dest):
        old = server.files["val2017.zip"]

        def change():
            server.etag = "two"
            files = reversed(members("val2017", 7).items())
            server.files["val2017.zip"] = zipped(dict(files))

        server.drops, server.then = [9000], change
        report = only_val(server, dest)
        assert server.files["val2017.zip"][:9000] != old[:9000]
        assert report.counts == {"usable": 7, "grey": 2, "broken": 1}
        assert [code for _, _, code in server.requests] == [200, 200]
        assert manifest(dest)["val2017"]["etag"] == '"two-val2017.zip"'

    def test_a_server_that_ignores_if_range(self, server, tmp_path):
        """It sends the rest of another file; its ETag or its size gives it away."""
        target = tmp_path / "val2017.zip"
        server.drops = [3000]
        with pytest.raises(DataError):
            fetch(f"{server.url}/val2017.zip", target, patience=Patience(5, 1, 0))
        note = target.with_name("val2017.zip.part.json")
        origin = json.loads(note.read_text())
        note.write_text(json.dumps({**origin, "etag": 'W/"weak"'}))
        fetch(f"{server.url}/val2017.zip", target, patience=QUICK)
        assert [code for _, _, code in server.requests] == [200, 206, 200]
        assert target.read_bytes() == server.files["val2017.zip"]

    def test_a_part_of_another_address_is_not_used(self, server, tmp_path):
        target = tmp_path / "a.zip"
        server.drops = [3000]
        with pytest.raises(DataError):
            fetch(f"{server.url}/test2014.zip", target, patience=Patience(5, 1, 0))
        fetch(f"{server.url}/val2017.zip", target, patience=QUICK)
        assert server.requests[-1] == ("val2017.zip", None, 200)
        assert target.read_bytes() == server.files["val2017.zip"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]

    def test_a_finished_part_needs_no_server(self, server, tmp_path):
        data, target = server.files["val2017.zip"], tmp_path / "a.zip"
        url = f"{server.url}/val2017.zip"
        (tmp_path / "a.zip.part").write_bytes(data)
        note = {"url": url, "etag": '"x"', "modified": None, "total": len(data)}
        (tmp_path / "a.zip.part.json").write_text(json.dumps(note))
        assert fetch(url, target).etag == '"x"'
        assert server.requests == []
        assert target.read_bytes() == data

    @pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"other": 1}'])
    def test_a_part_of_unknown_origin_is_not_used(self, server, tmp_path, note):
        (tmp_path / "a.zip.part").write_bytes(b"old")
        (tmp_path / "a.zip.part.json").write_bytes(note)
        fetch(f"{server.url}/val2017.zip", tmp_path / "a.zip", patience=QUICK)
        assert (tmp_path / "a.zip").read_bytes() == server.files["val2017.zip"]

    def test_a_part_longer_than_the_file(self, server, tmp_path):
        url = f"{server.url}/val2017.zip"
        total = len(server.files["val2017.zip"])
        (tmp_path / "a.zip.part").write_bytes(bytes(total + 1))
        note = {"url": url, "etag": '"one-val2017.zip"', "modified": None, "total": total}
        (tmp_path / "a.zip.part.json").write_text(json.dumps(note))
        fetch(url, tmp_path / "a.zip", patience=QUICK)
        assert [code for _, _, code in server.requests] == [416, 200]
        assert (tmp_path / "a.zip").read_bytes() == server.files["val2017.zip"]

    @pytest.mark.parametrize("code", [500, 503, 429])
    def test_passing_trouble_is_waited_out(self, server, dest, code):
        server.answers = [code, code]
        only_val(server, dest)
        assert pictures_of(dest) == expected()

    def test_lasting_trouble_is_an_error(self, server, dest):
        server.answers = [500] * 9
        with pytest.raises(DataError, match=r"3 times in a row \(the server answers 500"):
            only_val(server, dest)
        assert len(server.requests) == 3

    @pytest.mark.parametrize("code", [404, 403, 410])
    def test_a_refusal_is_an_error_at_once(self, server, dest, code):
        server.answers = [code]
        with pytest.raises(DataError, match=rf"answers {code} .*--mirror, or put the file at"):
            only_val(server, dest)
        assert len(server.requests) == 1

    def test_204_is_no_file(self, server, dest):
        server.answers = [204]
        with pytest.raises(DataError, match="answers 204, which is no file"):
            only_val(server, dest)

    def test_waits_are_doubled_and_the_server_may_ask_for_more(self, server, tmp_path, monkeypatch):
        waits = []
        monkeypatch.setattr(download.time, "sleep", waits.append)
        server.answers = [500] * 9
        with pytest.raises(DataError):
            fetch(f"{server.url}/a.zip", tmp_path / "a.zip", patience=Patience(5, 9, 1))
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60]

    def test_no_network(self, dest):
        with pytest.raises(
            DataError, match=r"could not be fetched, 3 times in a row.*by hand"
        ) as e:
            prepare_coco(dest, mirror="http://127.0.0.1:9", patience=QUICK, only=["val2017"])
        assert str(dest / "archives" / "val2017.zip") in str(e.value)

    def test_a_silent_server(self, tmp_path):
        with pytest.raises(DataError, match="no answer in time"):
            self.fetch_from_one_that_says_nothing(tmp_path)

    def fetch_from_one_that_says_nothing(self, tmp_path):
        import socket

        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/a.zip"
            fetch(url, tmp_path / "a.zip", patience=Patience(timeout=0.2, attempts=2, pause=0))

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "a/b"])
    def test_other_addresses(self, url, tmp_path):
        with pytest.raises(OptionError, match=r"must begin with http\(s\)://"):
            fetch(url, tmp_path / "a.zip")

    def test_a_full_disk_is_not_a_dropped_connection(self, server, dest, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(download._Part, "begin", full)
        with pytest.raises(OutputError, match=r"No space left on device.*what was fetched is kept"):
            only_val(server, dest)
        assert len(server.requests) == 1


class TestArchives:
    def test_a_corrupted_member_is_fetched_anew_once(self, server, dest):
        good = server.files["val2017.zip"]
        server.files["val2017.zip"] = corrupted(good, members("val2017"))
        server.then = lambda: server.files.update({"val2017.zip": good})
        only_val(server, dest)
        assert server.count("val2017") == 2
        assert pictures_of(dest) == expected()
        assert manifest(dest)["val2017"]["sha256"] == hashlib.sha256(good).hexdigest()

    def test_corrupted_twice_is_an_error(self, server, dest):
        server.files["val2017.zip"] = corrupted(server.files["val2017.zip"], members("val2017"))
        with pytest.raises(DataError, match=r"damaged again after .*Bad CRC-32.*--mirror"):
            only_val(server, dest)
        assert server.count("val2017") == 2
        assert set(pictures_of(dest).values()) <= set(members("val2017").values())

    @pytest.mark.parametrize("data", [b"", b"<html>not here</html>" * 40, zipped({"a.txt": b"x"})])
    def test_no_archive_at_all(self, server, dest, data):
        server.files["val2017.zip"] = data
        with pytest.raises(DataError, match="damaged again"):
            only_val(server, dest)

    def test_half_an_archive(self, server, dest):
        server.files["val2017.zip"] = server.files["val2017.zip"][:-40]
        with pytest.raises(DataError, match="damaged again"):
            only_val(server, dest)

    def test_an_encrypted_one(self, server, dest):
        data = bytearray(server.files["val2017.zip"])
        at = data.index(b"PK\x01\x02") + 8
        flags = struct.unpack_from("<H", data, at)[0] | 1
        struct.pack_into("<H", data, at, flags)
        struct.pack_into("<H", data, 6, flags)
        server.files["val2017.zip"] = bytes(data)
        with pytest.raises(DataError, match=r"damaged again.*encrypted"):
            only_val(server, dest)

    def test_a_wrong_hash(self, server, dest):
        with pytest.raises(DataError, match=r"damaged again .*its SHA-256 is \w+, not 0000"):
            only_val(server, dest, hashes={"val2017": "0" * 64})
        assert server.count("val2017") == 2
        assert pictures_of(dest) == {}

    def test_the_right_hash(self, server, dest):
        digest = hashlib.sha256(server.files["val2017.zip"]).hexdigest()
        only_val(server, dest, hashes={"val2017": digest.upper()})
        with pytest.raises(
            DataError, match=rf"came from an archive with the SHA-256 {digest}, not"
        ):
            only_val(server, dest, hashes={"val2017": "1" * 64})

    def test_the_published_ones_are_held_to_their_hashes(self, server, dest):
        """Of the real archives the hashes are known, so that no other one passes for them."""
        assert {one.name: one.pictures for one in ARCHIVES} == {
            "test2017": 40_670,
            "test2014": 40_775,
            "val2017": 5_000,
        }
        with pytest.raises(DataError, match="not 4f7e2ccb2866"):
            only_val(server, dest, archives=ARCHIVES)
        with pytest.raises(DataError, match="damaged again"):  # which other hash takes its place
            only_val(server, dest, archives=ARCHIVES, hashes={"val2017": "2" * 64})

    def test_other_bytes_than_last_time(self, server, dest):
        only_val(server, dest)
        server.files["val2017.zip"] = zipped(members("val2017", 7))
        (dest / "test" / "val2017" / "000000000001.jpg").unlink()
        with pytest.raises(DataError, match=r"damaged again.*its SHA-256 is"):
            only_val(server, dest)

    def test_a_hash_once_accepted_holds_for_later_runs(self, server, dest):
        digest = hashlib.sha256(server.files["val2017.zip"]).hexdigest()
        only_val(server, dest, archives=ARCHIVES, hashes={"val2017": digest})
        assert not only_val(server, dest, archives=ARCHIVES).changed
        (dest / "test" / "val2017" / "000000000001.jpg").unlink()
        assert only_val(server, dest, archives=ARCHIVES).changed
        assert pictures_of(dest) == expected()

    def test_a_number_that_does_not_fit(self, server, dest):
        archives = (Archive("val2017", "test", pictures=8),)
        with pytest.raises(DataError, match="holds 9 pictures but must hold 8"):
            only_val(server, dest, archives=archives)

    def test_one_put_there_by_hand(self, server, dest):
        path = dest / "archives" / "val2017.zip"
        path.parent.mkdir(parents=True)
        path.write_bytes(server.files["val2017.zip"])
        only_val(server, dest)
        assert server.requests == []
        assert pictures_of(dest) == expected()
        assert path.exists()  # it is not ours to delete

    def test_a_damaged_one_put_there_by_hand(self, server, dest):
        path = dest / "archives" / "val2017.zip"
        path.parent.mkdir(parents=True)
        path.write_bytes(server.files["val2017.zip"][:9000])
        only_val(server, dest)
        assert server.count("val2017") == 1
        assert pictures_of(dest) == expected()
        assert path.with_name("val2017.zip.damaged").stat().st_size == 9000

    def test_an_unpacking_interrupted_goes_on(self, server, dest, monkeypatch):
        from koalarize.lab.datasets import unpack

        written = []

        def stopping(data, path):
            if len(written) == 4:
                path.with_name(f".{path.name}.part").write_bytes(data[:10])  # as a kill leaves it
                raise KeyboardInterrupt
            written.append(path.name)
            download.write_whole(data, path)

        monkeypatch.setattr(unpack, "write_whole", stopping)
        with pytest.raises(KeyboardInterrupt):
            only_val(server, dest)
        assert len(pictures_of(dest)) == 4
        assert len(list(dest.rglob(".*.part"))) == 1
        again = []
        monkeypatch.setattr(
            unpack, "write_whole", lambda d, p: (again.append(p.name), download.write_whole(d, p))
        )
        only_val(server, dest)
        assert server.count("val2017") == 1
        assert len(again) == 5
        assert not set(again) & set(written)
        assert pictures_of(dest) == expected()

    def test_only_pictures_and_only_below(self, server, dest):
        good = members("val2017")
        evil = {
            "../../evil.jpg": b"x",
            f"{dest.parent}/evil.jpg": b"x",
            "val2017/../../evil.jpg": b"x",
            "..\\evil.jpg": b"x",
            "C:/evil.jpg": b"x",
            "val2017/run.sh": b"x",
            "val2017/.hidden.jpg": b"x",
            "__MACOSX/val2017/._0.jpg": b"x",
        }
        server.files["val2017.zip"] = zipped({**evil, **good}, folder="val2017")
        before = tree(dest.parent)
        report = only_val(server, dest)
        assert report.passed_over == len(evil)
        assert pictures_of(dest) == expected()
        outside = {name for name in tree(dest.parent) if not name.startswith("coco/")}
        assert outside == set(before)

    def test_a_link_in_an_archive_is_no_link(self, server, dest):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            link = zipfile.ZipInfo("val2017/link.jpg")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, "/etc/passwd")
            archive.writestr("val2017/a.jpg", picture(0))
        server.files["val2017.zip"] = buffer.getvalue()
        assert only_val(server, dest).counts == {"usable": 1, "grey": 0, "broken": 1}
        assert (dest / "broken" / "val2017" / "link.jpg").read_bytes() == b"/etc/passwd"
        assert not (dest / "broken" / "val2017" / "link.jpg").is_symlink()

    def test_a_tiny_one_stays_and_is_counted(self, server, dest):
        files = {**members("val2017"), "val2017/tiny.jpg": picture(3, size=8)}
        server.files["val2017.zip"] = zipped(files)
        assert only_val(server, dest).counts == {"usable": 6, "grey": 2, "broken": 1, "tiny": 1}
        assert load_pictures(dest / "test").left_out == {"tiny": 1}


class TestRoom:
    def free(self, monkeypatch, amount):
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(coco.shutil, "disk_usage", lambda _: usage(0, 0, amount))

    def test_the_published_sizes_are_asked_for_before_anything(self, server, dest, monkeypatch):
        self.free(monkeypatch, int(20e9))
        with pytest.raises(DataError, match=r"has 20\.0 GB free but 21\.\d GB are needed: make"):
            prepare(server, dest, archives=ARCHIVES)
        with pytest.raises(DataError, match=r"29\.\d GB are needed"):
            prepare(server, dest, archives=ARCHIVES, keep_archives=True)
        assert server.requests == []

    @pytest.mark.parametrize(("share", "enough"), [(1.5, False), (2.2, True)])
    def test_archive_and_pictures_must_fit(self, server, dest, monkeypatch, share, enough):
        self.free(monkeypatch, int(len(server.files["val2017.zip"]) * share))
        if enough:
            only_val(server, dest)
            return
        with pytest.raises(DataError, match="are needed"):
            only_val(server, dest)
        assert not list(dest.rglob("*.zip"))

    def test_pictures_must_fit(self, server, dest, monkeypatch):
        path = dest / "archives" / "val2017.zip"
        path.parent.mkdir(parents=True)
        path.write_bytes(server.files["val2017.zip"])
        self.free(monkeypatch, 5000)
        with pytest.raises(DataError, match="are needed"):
            only_val(server, dest)
        assert pictures_of(dest) == {}


class TestBadInput:
    def test_dest_is_a_file(self, server, dest):
        dest.write_text("x")
        with pytest.raises(OutputError, match="is a file but must be a folder"):
            prepare(server, dest)

    def test_dest_cannot_be_made(self, server, tmp_path):
        (tmp_path / "file").write_text("x")
        with pytest.raises(OutputError, match="cannot be written"):
            prepare(server, tmp_path / "file" / "coco")

    def test_nothing_can_be_written(self, server, dest, monkeypatch):
        def refuse(data, path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(coco, "write_whole", refuse)
        with pytest.raises(OutputError, match=r"coco\.json` cannot be written \(Permission denied"):
            only_val(server, dest)

    def test_two_runs_at_once(self, server, dest):
        pytest.importorskip("fcntl")
        problems = []

        def second(*_):
            if not problems:
                with pytest.raises(DataError, match="another run is filling") as caught:
                    only_val(server, dest)
                problems.append(caught)

        only_val(server, dest, progress=second)
        assert len(problems) == 1
        assert pictures_of(dest) == expected()

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"sets": 1}', '{"sets": {"val2017": 1}}'])
    def test_a_damaged_manifest(self, server, dest, text):
        dest.mkdir()
        (dest / "coco.json").write_text(text)
        with pytest.raises(DataError, match=r"coco\.json` is damaged: delete it and run again"):
            prepare(server, dest)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"only": ["val2071"]}, "did you mean `val2017`"),
            ({"hashes": {"val": "0" * 64}}, "`val` is no archive"),
            ({"hashes": {"val2017": "123"}}, "must be 64 hex digits"),
            ({"hashes": {"val2017": "g" * 64}}, "must be 64 hex digits"),
            ({"min_chroma": -1}, "`min_chroma` is -1 but must be 0 or more"),
            ({"min_chroma": float("nan")}, "`min_chroma` is nan"),
            ({"mirror": "here"}, r"must begin with http\(s\)"),
        ],
    )
    def test_options(self, server, dest, options, message):
        with pytest.raises(OptionError, match=message):
            prepare(server, dest, **options)
        assert not (dest / "coco.json").exists()


class TestCommand:
    def words(self, server, dest):
        digests = {
            name.removesuffix(".zip"): hashlib.sha256(data).hexdigest()
            for name, data in server.files.items()
        }
        hashes = [
            word for name, digest in digests.items() for word in ("--sha256", f"{name}={digest}")
        ]
        return ["lab", "data", "coco", str(dest), "--mirror", server.url, *hashes]

    def test_as_a_program(self, server, dest):
        program = [sys.executable, "-m", "koalarize", *self.words(server, dest)]
        first, second = (
            subprocess.run(program, capture_output=True, text=True, timeout=60) for _ in range(2)
        )
        assert first.returncode == second.returncode == 0, first.stderr
        lines = [
            f"{dest / part / name}: 6 pictures; moved aside: 2 grey, 1 broken"
            for part, name in (("train", "test2017"), ("train", "test2014"), ("test", "val2017"))
        ]
        assert first.stdout.splitlines() == lines
        assert f"fetching {server.url}/test2014.zip" in first.stderr
        assert re.search(r"fetching val2017: (\d+\.\d) of \1 MB", first.stderr)
        assert "sorting val2017: 9 of 9" in first.stderr
        assert "\r" not in first.stderr
        assert second.stdout.splitlines() == [*lines, "nothing to do: all of it was there"]
        assert second.stderr == ""

    def test_a_bar_on_a_terminal(self, server, dest, monkeypatch, capsys):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("TERM", "xterm")
        assert main([*self.words(server, dest), "--only", "val2017"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 1
        assert pictures_of(dest) == expected()

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["--only", "val207"], 2, "did you mean `val2017`"),
            (["--sha256", "val2017"], 2, "`--sha256` is `val2017` but must be NAME=HEX"),
            (["--min-chroma", "-3"], 2, "`min_chroma` is -3.0"),
            (["--only", "val2017", "--mirror", "nowhere"], 2, "must begin with http(s)://"),
        ],
    )
    def test_errors_are_one_line(self, dest, capsys, words, code, message):
        assert main(["lab", "data", "coco", str(dest), *words]) == code
        error = capsys.readouterr().err.splitlines()
        assert message in error[-1]
        assert error[-1].startswith("koalarize: error: ")

    def test_help_loads_nothing_heavy(self):
        check = (
            "from koalarize.cli import main; main(['lab', 'data', 'coco', '--help']);"
            "main(['lab', 'data', '--help']); import sys;"
            "heavy = {'torch', 'numpy', 'PIL', 'pyarrow'};"
            "sys.stderr.write(' '.join(heavy & set(sys.modules)))"
        )
        run = subprocess.run(
            [sys.executable, "-c", check], capture_output=True, text=True, timeout=60
        )
        assert run.returncode == 0
        assert run.stderr == ""
        assert "--keep-archives" in run.stdout

    def test_fetching_needs_no_torch(self):
        check = (
            "import koalarize.lab.datasets.coco, koalarize.lab.datasets.check, sys;"
            "sys.exit(bool({'torch', 'pyarrow', 'lightning'} & set(sys.modules)))"
        )
        assert subprocess.run([sys.executable, "-c", check], timeout=60).returncode == 0


def test_free_space_is_really_asked(dest):
    assert coco.shutil.disk_usage is shutil.disk_usage
    with pytest.raises(DataError, match="GB free but"):
        coco._check_room(dest.parent, 1 << 60)
