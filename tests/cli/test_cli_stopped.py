"""A run that a person or a system ends says how far it was, and whether the same one goes on."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from cli_parts import one_line_error, picture
from koalarize.cli import main

STOPS = [
    signal.SIGINT,
    pytest.param(
        signal.SIGTERM,
        marks=pytest.mark.skipif(sys.platform == "win32", reason="there, it ends at once"),
    ),
]


@pytest.fixture
def stopped(here: Path, fake, monkeypatch, interrupts):
    """Three photos in a folder; the second one's result is when a signal comes."""

    def stop(by: signal.Signals) -> None:
        real = fake.photo

        def photo(*given, **named):
            if len(fake.calls) == 1:
                os.kill(os.getpid(), by)
            return real(*given, **named)

        monkeypatch.setattr(fake, "photo", photo)

    for name in "abc":
        picture(f"box/{name}.jpg")
    return stop


@pytest.mark.parametrize("by", STOPS)
def test_a_folder_that_is_stopped_says_how_to_go_on(stopped, fake, capsys, by):
    stopped(by)
    assert main(["box", "-o", "out", "--workers", "1"]) == 130
    said = one_line_error(capsys.readouterr().err)
    assert "interrupted" in said
    assert said.endswith("; what was finished before is kept, and the same command goes on\n")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_it_says_how_far_it_was(stopped, fake, capsys, monkeypatch):
    def told(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("koalarize.cli.report.print_path", told)
    assert main(["box", "-o", "out"]) == 130
    assert "error: interrupted after 1 of 3 pictures; what" in capsys.readouterr().err


def test_named_pictures_are_not_said_to_go_on(stopped, fake, capsys):
    stopped(signal.SIGINT)
    assert main(["box/a.jpg", "box/b.jpg", "box/c.jpg", "--workers", "1"]) == 130
    assert one_line_error(capsys.readouterr().err).endswith("before is kept\n")


def test_an_archive_that_is_stopped_says_how_to_go_on(stopped, fake, capsys, monkeypatch):
    pytest.importorskip("pyarrow")

    def portion(self, name, tasks):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("koalarize.batch.cluster.worker.Worker.portion", portion)
    assert main(["cluster", "box", "out", "--workers", "0"]) == 130
    said = one_line_error(capsys.readouterr().err)
    assert "interrupted; what was finished before is kept, and the same command goes on" in said
