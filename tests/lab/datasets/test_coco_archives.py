"""COCO's archives, room on the disk, bad input, the command."""

import hashlib
import io
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections import namedtuple

import pytest

from coco_parts import (
    corrupted,
    expected,
    manifest,
    members,
    only_val,
    picture,
    pictures_of,
    prepare,
    tree,
    zipped,
)
from koalarize.cli import main
from koalarize.errors import DataError, OptionError, OutputError
from koalarize.lab.datasets import coco
from koalarize.lab.datasets.coco import ARCHIVES, Archive
from koalarize.lab.datasets.sources import load_pictures
from koalarize.models import fetch as download


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
        assert second.stdout.splitlines() == [*lines, "nothing to do: everything is there"]
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
