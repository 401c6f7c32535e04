"""Addresses that other machines can use, and their QR codes."""

from __future__ import annotations

import pytest

from koalarize.cli.serve import _tell_others
from koalarize.errors import OptionError
from koalarize.web.addresses import checked_host, own_addresses, url_of
from koalarize.web.qr import qr_code, qr_text
from koalarize.web.studio.settings import Settings

URL = "http://192.168.178.23:8765/?token=" + "aB3_-xYz9" * 20


@pytest.fixture
def card(monkeypatch):
    """A machine with one network card."""

    class Asking:
        def __init__(self, family, kind):
            self.family = family

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def connect(self, address):
            if self.family.name == "AF_INET6":
                raise OSError("no such network")

        def getsockname(self):
            return ("192.168.178.23", 40000)

    def found(name, port):
        places = ["127.0.1.1", "192.168.178.23", "10.0.0.5", "169.254.3.4"]
        return [(2, 1, 6, "", (place, 0)) for place in places]

    monkeypatch.setattr("koalarize.web.addresses.socket.socket", Asking)
    monkeypatch.setattr("koalarize.web.addresses.socket.getaddrinfo", found)


def test_every_card(card):
    assert own_addresses("0.0.0.0") == ["192.168.178.23", "10.0.0.5"]
    assert own_addresses("::") == ["192.168.178.23", "10.0.0.5"]


@pytest.mark.parametrize("host", ["192.168.7.7", "studio.lan", "[fd00::7]"])
def test_one_card(host):
    assert own_addresses(host) == [host.strip("[]")]


def test_this_machine_has_none_or_some():
    assert all(not one.startswith("127.") for one in own_addresses("0.0.0.0"))


def test_urls():
    assert url_of("fd00::7", 80, "/?token=a") == "http://[fd00::7]:80/?token=a"


def test_what_is_printed(card, capsys, monkeypatch):
    _tell_others("0.0.0.0", "http://127.0.0.1:8765/?token=a%20b")
    said = capsys.readouterr().err
    assert "http://192.168.178.23:8765/?token=a%20b  (from other machines)" in said
    assert "10.0.0.5:8765" in said
    assert "█" not in said
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    _tell_others("0.0.0.0", "http://127.0.0.1:8765/?token=a")
    assert capsys.readouterr().err.count("█") > 100


@pytest.mark.parametrize("length", [5, 17, 18, 53, 54, 78, 79, 106, 107, 134])
def test_a_reader_reads_it(length):
    cv2 = pytest.importorskip("cv2", reason="reading QR codes needs OpenCV")
    import numpy as np

    modules = np.array(qr_code(URL[:length]))
    picture = np.where(np.kron(np.pad(modules, 4), np.ones((8, 8))) > 0, 0, 255)
    assert cv2.QRCodeDetector().detectAndDecode(picture.astype(np.uint8))[0] == URL[:length]


def test_too_long():
    assert qr_code(URL[:135]) is None


def test_its_lines_show_its_modules():
    modules = qr_code("http://127.0.0.1")
    assert modules is not None
    lines = qr_text(modules)
    wide = len(modules) + 4
    assert {len(line) for line in lines} == {wide}
    pixels = []
    for line in lines:
        pixels.append([letter in "▄ " for letter in line])
        pixels.append([letter in "▀ " for letter in line])
    assert [row[2:-2] for row in pixels[2 : 2 + len(modules)]] == modules


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Photos.example", "photos.example"),
        ("photos.example.", "photos.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("my_host", "my_host"),
        ("[::1]", "::1"),
        ("192.168.0.7", "192.168.0.7"),
        ("*", "*"),
    ],
)
def test_a_host_is_named_as_a_header_names_it(given, name):
    assert checked_host(given) == name


@pytest.mark.parametrize(
    "given",
    ["https://photos.example", "photos.example:443", "a.example,b.example", "*.example", "a/b"],
)
def test_what_no_header_names_is_refused(given):
    with pytest.raises(OptionError, match="leave out scheme, port and path"):
        Settings(hosts=(given,))
