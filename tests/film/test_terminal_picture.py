"""The frame in work in a terminal: the exact bytes, only where they are sure to be a picture."""

from __future__ import annotations

import base64
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
from pathlib import Path

import pytest
from PIL import Image

import film_parts as fp
from fakes import FakeEngine
from koalarize.cli import main, terminal_picture
from koalarize.cli.terminal_picture import picture_escape, picture_protocol
from koalarize.colorizer.colorizer import Colorizer

KITTY = {"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}
_GROUP = re.compile(rb"\x1b_G([^;\x1b]*);([^\x1b]*)\x1b\\")


class Screen:
    """A terminal of 100 x 40 that this process writes to; keeps all that it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        monkeypatch.setattr(terminal_picture, "_EVERY", 1e9)  # one for each film
        colorizer = Colorizer(FakeEngine((30.0, 20.0)))
        monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))

    def ran(self, words: list[str], told: dict[str, str], *, pipe: bool = False) -> bytes:
        """Run a command there; return what the terminal was given."""
        for name in ("NO_COLOR", "TERM", "TERM_PROGRAM", "KITTY_WINDOW_ID", "TMUX", "STY"):
            self._patch.delenv(name, raising=False)
        for name, value in told.items():
            self._patch.setenv(name, value)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        given: list[bytes] = []
        reader = threading.Thread(target=_read, args=(ours, given))
        reader.start()
        with open(theirs, "w", encoding="utf-8") as terminal, open(os.devnull, "w") as nowhere:  # noqa: PTH123
            self._patch.setattr(sys, "stderr", terminal)
            self._patch.setattr(sys, "stdout", nowhere if pipe else terminal)
            assert main([*words, "--preset", "ultrafast"]) == 0
        reader.join()
        os.close(ours)
        return b"".join(given)


def _read(terminal: int, given: list[bytes]) -> None:
    try:
        while part := os.read(terminal, 65536):
            given.append(part)
    except OSError:  # the other end is closed
        pass


@pytest.fixture
def screen(monkeypatch) -> Screen:
    return Screen(monkeypatch)


@pytest.fixture
def film(tmp_path) -> Path:
    return fp.write(tmp_path / "film.mp4", fp.moved(10))


def test_kitty_gets_one_picture_above_the_bar_and_it_is_taken_away(film, screen):
    data = screen.ran([str(film)], KITTY)
    shown = [match for match in _GROUP.findall(data) if match[0].startswith((b"a=T", b"q=2,m"))]
    assert shown[0][0].startswith(b"a=T,f=100,i=1931,p=1,c=21,r=8,C=1,q=2,m=")
    png = base64.b64decode(b"".join(part for _, part in shown))
    image = Image.open(io.BytesIO(png))
    assert image.size == (85, 64)
    red, _, blue = image.resize((1, 1)).getpixel((0, 0))
    assert red > blue + 20
    assert data.startswith(b"\r\n" * 8)
    assert b"\x1b7\x1b[8A\r\x1b_Ga=T" in data
    assert data.count(b"a=T,") == 1
    end = data.rindex(b"\x1b_Ga=d,d=I,i=1931,q=2;\x1b\\\r\x1b[8A\x1b[J")
    assert _GROUP.search(data, end + 1) is None
    assert b"film.color.mp4 (10 frames" in data[end:]


def test_a_picture_follows_the_other_when_it_is_time(film, screen, monkeypatch):
    monkeypatch.setattr(terminal_picture, "_EVERY", 0)
    assert screen.ran([str(film)], KITTY).count(b"a=T,") == 10


def test_iterm2_gets_one_as_well(film, screen):
    told = {"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}
    data = screen.ran([str(film)], told)
    found = re.search(rb"\x1b\]1337;File=inline=1;size=(\d+);width=21;height=8;", data)
    assert found
    payload = data[found.end() :].split(b":", 1)[1].split(b"\x07", 1)[0]
    assert len(base64.b64decode(payload)) == int(found[1])
    assert b"\x1b_G" not in data


@pytest.mark.parametrize(
    ("words", "told", "pipe"),
    [
        ([], {"TERM": "xterm-256color"}, False),
        (["--no-picture"], KITTY, False),
        ([], KITTY | {"NO_COLOR": "1"}, False),
        ([], KITTY, True),
    ],
    ids=["plain", "left out", "NO_COLOR", "a pipe"],
)
def test_nobody_else_gets_any(film, screen, words, told, pipe):
    data = screen.ran([str(film), *words], told, pipe=pipe)
    assert b"\x1b_G" not in data
    assert b"1337" not in data
    assert not data.startswith(b"\r\n")


@pytest.mark.parametrize(
    ("told", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "3"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode", "KITTY_WINDOW_ID": "3"}, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, None),
        ({"TERM": "screen-256color", "KITTY_WINDOW_ID": "3"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}, None),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, None),
        ({"TERM": "dumb", "TERM_PROGRAM": "iTerm.app"}, None),
        ({"TERM": "linux"}, None),
        ({"KITTY_WINDOW_ID": "3"}, None),
        ({}, None),
    ],
)
def test_a_terminal_is_told_by_what_it_says_of_itself(told, protocol):
    assert picture_protocol(told) == protocol


def test_the_bytes_of_a_picture():
    assert picture_escape("iterm2", b"png", 4, 2) == (
        "\x1b]1337;File=inline=1;size=3;width=4;height=2;preserveAspectRatio=1;doNotMoveCursor=1:"
        "cG5n\x07"
    )
    assert picture_escape("kitty", b"png", 4, 2) == (
        "\x1b_Ga=T,f=100,i=1931,p=1,c=4,r=2,C=1,q=2,m=0;cG5n\x1b\\"
    )
    long = picture_escape("kitty", b"x" * 5000, 4, 2)
    parts = re.findall("\x1b_G(.*?);(.*?)\x1b\\\\", long)
    assert [len(data) for _, data in parts] == [4096, 2572]
    assert [told for told, _ in parts] == ["a=T,f=100,i=1931,p=1,c=4,r=2,C=1,q=2,m=1", "q=2,m=0"]
