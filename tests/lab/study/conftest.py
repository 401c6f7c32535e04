"""Fixtures of the tests of turing."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from fakes import FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.lab.study.study import Study, begin_or_resume
from koalarize.web.study_page.app import create_app
from turing_parts import HOST, MODELS, SHORT, photo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve usable photos."""
    made = tmp_path / "photos"
    made.mkdir()
    for seed in range(12):
        photo(made / f"{seed:02}.png", seed)
    return made


@pytest.fixture
def colorizers() -> dict[str, Colorizer]:
    return {"fake": Colorizer(FakeEngine((25.0, -20.0)), threads=1)}


@pytest.fixture
def study(folder, colorizers, tmp_path):
    session = begin_or_resume(folder, MODELS, SHORT, tmp_path / "s.json")
    with contextlib.closing(Study(session, folder, colorizers)) as made:
        yield made


@pytest.fixture
def client(study):
    with TestClient(create_app(study), base_url=HOST) as made:
        yield made
