"""What is said, and how the command ends, where stdout takes nothing, or takes it in parts."""

from __future__ import annotations

import errno
import io
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_parts import FakeColorizer
from koalarize.cli import main
from koalarize.cli.app import _hold_streams
from koalarize.cli.stream import _write
from koalarize.cli.waiting import wait_for_readers
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
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_full_pipe_is_waited_for_and_left_as_it_is(name: str, monkeypatch):
    """Some programs hand over pipes that take no more where they are full, and share them."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    said, left = "x" * (1 << 20), []

    def say() -> None:
        print(said, file=getattr(sys, name), flush=True)
        left.append(os.get_blocking(write))

    with os.fdopen(read, "rb") as reader, os.fdopen(write, "w", closefd=False) as stream:
        monkeypatch.setattr(sys, name, stream)
        wait_for_readers()
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(say)
            writing.add_done_callback(lambda _: os.close(write))
            assert len(reader.read().rstrip()) == len(said)
            writing.result()
    assert left == [False]


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


def test_a_machine_without_a_temporary_folder_is_told_what_helps(here: Path, monkeypatch, capsys):
    """As in a container that is only read; Python's own list of folders was all that was said."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(here / "none")])
    assert main(["cluster", ".", "out", "--workers", "0"]) == 1
    said = "temporary files cannot be written anywhere: set `TMPDIR` to a folder that takes them"
    assert capsys.readouterr().err == f"koalarize: error: {said}\n"
