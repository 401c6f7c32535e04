"""Fixtures of the tests of cli."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_parts import FakeColorizer, picture


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeColorizer:
    colorizer = FakeColorizer()
    monkeypatch.setattr("koalarize.colorizer.colorizer.Colorizer.load", colorizer.load)
    return colorizer


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with one photo."""
    monkeypatch.chdir(tmp_path)
    picture("photo.jpg")
    return tmp_path
