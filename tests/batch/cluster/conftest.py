"""Fixtures of the tests of clusters."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster_parts import StoppingReddener

pytest.importorskip("pyarrow")


@pytest.fixture
def red(monkeypatch: pytest.MonkeyPatch) -> StoppingReddener:
    colorizer = StoppingReddener()
    monkeypatch.setattr("koalarize.colorizer.colorizer.Colorizer.load", colorizer.load)
    return colorizer
