"""COCO's pictures from a server on this machine, which misbehaves as servers do."""

import hashlib
import json
import re

import pytest

from coco_parts import (
    QUICK,
    SETS,
    expected,
    manifest,
    members,
    only_val,
    pictures_of,
    prepare,
    tree,
    zipped,
)
from koalarize.errors import DataError, OptionError, OutputError
from koalarize.lab.datasets import coco
from koalarize.lab.datasets.coco import prepare_coco
from koalarize.lab.datasets.sources import load_pictures
from koalarize.models import fetch as download
from koalarize.models.fetch import Patience, fetch


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
