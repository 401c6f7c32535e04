"""What several tests of films need."""

from __future__ import annotations

import pytest

from fakes import FakeEngine
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.film import read
from koalarize.film.read import Reading


@pytest.fixture
def colorizer() -> Colorizer:
    return Colorizer(FakeEngine((30.0, 20.0)))


@pytest.fixture
def command(monkeypatch, colorizer, tmp_path):
    """The command line with ``colorizer``, in an empty folder."""
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))
    monkeypatch.chdir(tmp_path)
    return main


@pytest.fixture
def entries(monkeypatch):
    """Seek in short films too; yields where each reading begins."""
    monkeypatch.setattr(read, "_SEEK_FROM", 0.1)
    monkeypatch.setattr(read, "_EARLIER", 0.1)
    found: list[int | None] = []
    frames = Reading.frames

    def noted(self, entry=None):
        found.append(entry)
        return frames(self, entry)

    monkeypatch.setattr(Reading, "frames", noted)
    return found
