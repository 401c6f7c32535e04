"""A system that starts no more threads, as under `ulimit -v` or `ulimit -u`, is told so plainly."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cli_parts import one_line_error, picture
from koalarize.batch.plan import Task
from koalarize.batch.run import failed_at
from koalarize.cli.app import main


def _none(*given: object, **named: object) -> None:
    raise RuntimeError("can't start new thread")


def test_a_run_that_may_start_no_thread_is_no_traceback(here: Path, fake, monkeypatch, capsys):
    for name in ("a.png", "b.png"):
        picture(f"box/{name}")
    monkeypatch.setattr(threading.Thread, "start", _none)
    assert main(["box", "-o", "out", "--workers", "2"]) == 1
    assert "no thread can be started: memory is short" in one_line_error(capsys.readouterr().err)


def test_nor_is_it_a_bug_that_one_picture_meets(caplog: pytest.LogCaptureFixture):
    task = Task(Path("a.png"), Path("a.color.png"), ours=True, overwrite=False)
    outcome = failed_at(task, RuntimeError("can't start new thread"), 0.0)
    assert outcome.reason == "not enough memory"
    assert not caplog.records
