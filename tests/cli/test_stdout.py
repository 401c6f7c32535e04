"""What is said, and how the command ends, where stdout takes nothing, or takes it in parts."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_parts import FakeColorizer
from koalarize.cli import main
from koalarize.cli.app import _hold_streams
from koalarize.cli.stream import _write
from koalarize.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Raw(io.RawIOBase):
    """A file that takes some bytes at once, and at some number of bytes none any more."""

    def __init__(self, room: int, at_once: int = 1 << 20) -> None:
        self.room, self.at_once, self.held = room, at_once, b""

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        some = bytes(data)[: min(self.at_once, self.room - len(self.held))]
        if data and not some:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.held += some
        return len(some)


def as_stdout(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> io.TextIOWrapper:
    """Let a file be stdout, as Python opens it."""
    stream = io.TextIOWrapper(io.BufferedWriter(raw))
    monkeypatch.setattr(sys, "stdout", stream)
    return stream


@pytest.mark.parametrize("words", [["--help"], ["completion", "bash"], ["models"]])
def test_a_full_stdout_is_named_as_such(words: list[str], monkeypatch, capsys):
    raw = Raw(10)
    stream = as_stdout(raw, monkeypatch)
    assert main(words) == 1
    said = "koalarize: error: stdout cannot be written (No space left on device): make room there"
    assert capsys.readouterr().err.startswith(said)
    raw.room = 1 << 20
    stream.close()


def test_a_picture_goes_whole_to_a_stdout_without_a_buffer(monkeypatch):
    """With PYTHONUNBUFFERED each write may take a part: pictures were cut in silence."""

    class Unbuffered:
        buffer = Raw(1 << 20, at_once=100)

    monkeypatch.setattr(sys, "stdout", Unbuffered)
    _write(bytes(range(250)))
    assert Unbuffered.buffer.held == bytes(range(250))
    Unbuffered.buffer.room = 300
    with pytest.raises(OutputError, match=r"stdout cannot be written .* is no whole picture"):
        _write(bytes(range(250)))


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are others there")
def test_a_full_pipe_is_waited_for(monkeypatch):
    """Some programs hand over pipes that take no more where they are full: pictures were cut."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with os.fdopen(read, "rb"), os.fdopen(write, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["completion", "none"]) == 2
        assert os.get_blocking(write)


def test_a_closed_stderr_ends_no_run(here: Path, fake: FakeColorizer, monkeypatch):
    """As of some daemons: nothing had been done, and nothing was said."""
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["photo.jpg", "gone.jpg"]) == 1
    assert Path("photo.color.jpg").exists()


def test_no_file_takes_the_number_of_a_closed_stream(monkeypatch):
    given, closed = iter((1, 2, 3)), []
    monkeypatch.setattr("koalarize.cli.app.os.open", lambda *how: next(given))
    monkeypatch.setattr("koalarize.cli.app.os.dup", lambda number: next(given))
    monkeypatch.setattr("koalarize.cli.app.os.close", closed.append)
    _hold_streams()
    assert closed == [3]
