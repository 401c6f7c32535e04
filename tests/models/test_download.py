"""Models that are fetched: dropped connections, lies, full disks, two processes, no network."""

import hashlib
import subprocess
import sys
import urllib.error
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import Terminal
from fetch_parts import QUICK, Server, card_for
from foreign_parts import tiny
from koalarize.cli import main
from koalarize.errors import DataError, ModelError, OutputError
from koalarize.models import catalog, download, store
from koalarize.models.download import take_file
from koalarize.models.fetch import fetch as fetch_file


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KOALARIZE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KOALARIZE_OFFLINE", raising=False)
    return tmp_path / "home" / "models"


@pytest.fixture
def data(tmp_path):
    """A model of some 100 kB."""
    path = tiny(tmp_path / "made.onnx", "grey-to-ab")
    return path.read_bytes() + b"\x32\xa0\x8d\x06" + bytes(100_000)  # and a long doc_string


@pytest.fixture
def server(data):
    server = Server(data)
    yield server
    server.close()


@pytest.fixture
def card(server, data, monkeypatch):
    made = card_for(data, f"{server.url}/tiny.onnx")
    monkeypatch.setattr(catalog, "FOREIGN", {"tiny": made})
    for module in ("store", "open"):
        monkeypatch.setattr(f"koalarize.models.{module}.FOREIGN", {"tiny": made})
    return made


def fetch(card, **more):
    return download.download(card, patience=QUICK, **more)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestWhole:
    def test_it_is_there_and_nothing_else(self, home, card, data, server):
        steps = []
        assert fetch(card, progress=lambda *step: steps.append(step)) == home / "tiny.onnx"
        assert (home / "tiny.onnx").read_bytes() == data
        assert names(home) == ["tiny.onnx", "tiny.onnx.lock"]
        assert ("fetching tiny", len(data), len(data)) in steps
        assert fetch(card) == home / "tiny.onnx"
        assert len(server.requests) == 1

    def test_dropped_connections_are_gone_on_with(self, home, card, data, server):
        server.drop_after = [30_000, 50_000]
        assert fetch(card).read_bytes() == data
        assert [start > 0 for _, start, _ in server.requests] == [False, True, True]

    def test_a_later_run_goes_on(self, home, card, data, server):
        server.drop_after = [30_000]
        server.refuse = [None, 500, 500, 500]
        with pytest.raises(ModelError, match="3 times in a row"):
            fetch(card)
        assert not (home / "tiny.onnx").exists()
        assert fetch(card).read_bytes() == data
        assert server.requests[-1][1] >= 20_000

    def test_a_damaged_file_in_the_store_is_fetched_anew(self, home, card, data):
        home.mkdir(parents=True)
        (home / "tiny.onnx").write_bytes(data[:-1])
        assert fetch(card).read_bytes() == data


class TestLies:
    def test_another_hash(self, home, card, server):
        server.data = bytes(len(server.data))
        with pytest.raises(ModelError, match=r"gives another file .*thrown away; by hand: put"):
            fetch(card)
        assert names(home) == ["tiny.onnx.lock"]

    def test_nothing_reads_it_before_its_hash_is_right(self, home, card, server, monkeypatch):
        server.data = b"\x80\x04cos\nsystem\n" + bytes(len(server.data) - 13)
        opened = []
        monkeypatch.setattr("koalarize.models.open.open_session", lambda *_, **__: opened.append(1))
        assert main(["models", "download", "tiny"]) == 1
        assert opened == []

    def test_another_length(self, home, card, server):
        server.data += b"more"
        with pytest.raises(ModelError, match=r"has a file of .* bytes, which is another one"):
            fetch(card)

    def test_the_next_address_is_tried(self, home, card, data, server):
        other = Server(bytes(len(data)))
        try:
            found = fetch(card, mirrors=[f"{other.url}/folder/", "http://127.0.0.1:9/x.onnx"])
        finally:
            other.close()
        assert found.read_bytes() == data
        assert other.requests == [("/folder/tiny.onnx", 0, 200)]

    def test_a_refusal(self, home, card, server):
        server.refuse = [404]
        with pytest.raises(ModelError, match=r"the server answers 404 .*; by hand: put"):
            fetch(card)

    def test_the_hash_is_checked_on_every_load(self, home, card, data):
        path = fetch(card)
        path.write_bytes(data[:-1] + b"x")
        with pytest.raises(ModelError, match="is not the file of `tiny`"):
            store.find_model("tiny")


class TestDisk:
    def test_no_room(self, home, card, monkeypatch):
        usage = type("Usage", (), {"free": 1000})
        monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
        with pytest.raises(OutputError, match=r"has room for 1,000 bytes but `tiny` needs"):
            fetch(card)

    def test_it_fills_up_on_the_way(self, home, card, data, server, monkeypatch):
        real = Path.open

        def full_after_a_while(path, *words, **more):
            stream = real(path, *words, **more)
            if path.suffix == ".part":
                write, left = stream.write, [2]

                def short(block):
                    left[0] -= 1
                    if left[0] < 0:
                        raise OSError(28, "No space left on device")
                    return write(block)

                stream = _Wrapped(stream, short)
            return stream

        monkeypatch.setattr(Path, "open", full_after_a_while)
        with pytest.raises(OutputError, match=r"No space left on device.*what was fetched is kept"):
            fetch(card)
        monkeypatch.setattr(Path, "open", real)
        assert not (home / "tiny.onnx").exists()
        assert fetch(card).read_bytes() == data
        assert server.requests[-1][1] > 0

    def test_a_folder_that_cannot_be_made(self, tmp_path, card, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("KOALARIZE_HOME", str(tmp_path / "file"))
        with pytest.raises(OutputError, match="KOALARIZE_HOME"):
            fetch(card)


class _Wrapped:
    def __init__(self, stream, write):
        self._stream, self.write = stream, write

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.close()


_PROCESS = """
import sys
sys.path[:0] = {paths!r}
from fetch_parts import QUICK, card_for
from koalarize.models.download import download
data = open({file!r}, "rb").read()
print(download(card_for(data, {url!r}), patience=QUICK))
"""


def run_beside(tmp_path, data, url):
    """Fetch in a process of its own."""
    (tmp_path / "data").write_bytes(data)
    paths = [str(Path(__file__).parent)]
    code = _PROCESS.format(paths=paths, file=str(tmp_path / "data"), url=url)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_two_processes_fetch_it_once(tmp_path, home, data, server):
    server.slow = 0.01
    both = [run_beside(tmp_path, data, f"{server.url}/tiny.onnx") for _ in range(2)]
    told = [process.communicate(timeout=60)[0].strip() for process in both]
    assert told == [str(home / "tiny.onnx")] * 2
    assert (home / "tiny.onnx").read_bytes() == data
    assert len(server.requests) == 1


class TestByPath:
    def test_a_file_brought_on_a_stick(self, tmp_path, home, card, data, server):
        (tmp_path / "stick.onnx").write_bytes(data)
        assert main(["models", "download", "tiny", "--from", str(tmp_path / "stick.onnx")]) == 0
        assert store.find_model("tiny").read_bytes() == data
        assert server.requests == []

    @pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a file without an end")
    def test_a_device_is_refused_and_not_read(self, home, card):
        with pytest.raises(ModelError, match="`/dev/zero` is a pipe or a device but must be"):
            take_file(card, Path("/dev/zero"))

    def test_another_file(self, tmp_path, home, card):
        (tmp_path / "b.onnx").write_bytes(b"b")
        found = hashlib.sha256(b"b").hexdigest()
        with pytest.raises(ModelError, match=rf"its sha256 is {found} but must be"):
            take_file(card, tmp_path / "b.onnx")
        with pytest.raises(ModelError, match="cannot be read"):
            take_file(card, tmp_path / "none.onnx")


class TestAsked:
    """First use: one question, or `--yes`, or an error that says what to do."""

    @pytest.fixture
    def photo(self, tmp_path):
        grain = np.random.default_rng(0).integers(40, 210, (6, 8), dtype=np.uint8)
        image = Image.fromarray(grain).resize((96, 72), Image.Resampling.BICUBIC)
        image.save(tmp_path / "p.png")
        return [str(tmp_path / "p.png"), "-o", str(tmp_path / "o.png"), "--model", "tiny"]

    @pytest.fixture
    def known(self, card, monkeypatch):
        monkeypatch.setattr("koalarize.models.open.known_names", lambda: ("koala", "tiny"))
        return card

    def answers(self, monkeypatch, text):
        """Sit a person at a terminal who types; return the screen."""
        keyboard, screen = Terminal(), Terminal()
        keyboard.write(text)
        keyboard.seek(0)
        monkeypatch.setattr(sys, "stdin", keyboard)
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    def test_yes(self, home, known, photo, tmp_path):
        assert main([*photo, "--yes"]) == 0
        assert (tmp_path / "o.png").exists()

    def test_nobody_to_ask(self, home, known, photo, capsys, server):
        assert main(photo) == 1
        told = capsys.readouterr().err
        assert "add `--yes` to fetch it" in told
        assert str(home / "tiny.onnx") in told
        assert server.requests == []

    @pytest.mark.parametrize("way", ["--offline", "variable"])
    def test_offline(self, home, known, photo, capsys, server, monkeypatch, way):
        if way == "variable":
            monkeypatch.setenv("KOALARIZE_OFFLINE", "1")
        assert main([*photo, "--yes", *(["--offline"] if way == "--offline" else [])]) == 1
        told = capsys.readouterr().err
        assert "`--offline` fetches nothing; by hand: put" in told
        assert known.sha256 in told
        assert server.requests == []

    def test_one_question(self, home, known, photo, monkeypatch, server):
        screen = self.answers(monkeypatch, "y\n")
        assert main(photo) == 0
        said = screen.text()
        assert f"from {known.addresses[0]} to {home / 'tiny.onnx'} (licence MIT" in said
        assert main([*photo, "--overwrite"]) == 0  # asked once
        assert len(server.requests) == 1

    def test_no(self, home, known, photo, monkeypatch, server):
        screen = self.answers(monkeypatch, "n\n")
        assert main(photo) == 1
        assert "was not fetched: choose another one" in screen.text()
        assert server.requests == []


class TestConsent:
    @pytest.fixture
    def asking(self, data, server, monkeypatch):
        made = card_for(data, f"{server.url}/a", consent="only for research")
        monkeypatch.setattr(catalog, "FOREIGN", {"tiny": made})
        return made

    def test_not_accepted(self, home, asking, server, capsys, tmp_path, data):
        assert main(["models", "download", "tiny"]) == 1
        assert (
            "only for research; see nobody, and add `--accept-licence`" in capsys.readouterr().err
        )
        (tmp_path / "f").write_bytes(data)
        assert main(["models", "download", "tiny", "--from", str(tmp_path / "f")]) == 1
        assert server.requests == []
        assert not (home / "tiny.onnx").exists()

    def test_accepted(self, home, asking):
        assert main(["models", "download", "tiny", "--accept-licence"]) == 0
        assert (home / "tiny.onnx").exists()


class TestWords:
    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["koala"], "comes with koalarize"),
            (["tini"], "did you mean `tiny`"),
            (["tiny", "tiny", "--from", "x"], "is one model's file but 2 are named"),
        ],
    )
    def test_what_cannot_be_fetched(self, home, card, words, told, capsys):
        assert main(["models", "download", *words]) == 2
        assert told in capsys.readouterr().err

    def test_the_list_says_what_is_here(self, home, card, capsys):
        assert main(["models"]) == 0
        assert "tiny (to be fetched, 0 MB" in capsys.readouterr().out
        fetch(card)
        assert main(["models"]) == 0
        assert "tiny (here, 0 MB" in capsys.readouterr().out

    def test_platforms(self, monkeypatch):
        monkeypatch.delenv("KOALARIZE_HOME", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", "/x")
        monkeypatch.setattr(store.sys, "platform", "linux")
        assert store.home() == Path("/x/koalarize")
        monkeypatch.setattr(store.sys, "platform", "darwin")
        assert store.home() == Path.home() / "Library" / "Caches" / "koalarize"


def test_a_proxy_of_the_environment_is_used(tmp_path, home, data, server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    process = run_beside(tmp_path, data, "http://models.example/tiny.onnx")
    assert process.communicate(timeout=60)[0].strip() == str(home / "tiny.onnx")
    assert server.requests == [("http://models.example/tiny.onnx", 0, 200)]


def test_a_proxy_that_does_not_answer_is_named_without_its_password(tmp_path, monkeypatch):
    def dead(*_, **__):
        raise urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))

    monkeypatch.setattr("urllib.request.urlopen", dead)
    monkeypatch.setenv("https_proxy", "socks5://me:secret@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "near.example")
    with pytest.raises(DataError) as raised:
        fetch_file("https://far.example/a", tmp_path / "a", patience=QUICK)
    named = (
        "(Connection refused, by way of the proxy socks5://127.0.0.1:9 of `https_proxy`, of which"
    )
    assert named in str(raised.value)
    with pytest.raises(DataError, match=r"\(Connection refused\)"):
        fetch_file("https://near.example/a", tmp_path / "a", patience=QUICK)
