"""Fixtures of the tests of training: a few photos, and recipes of runs of a second over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from koalarize.lab.runs.recipe import Recipe
from runs import make_photos, tiny_recipe


@pytest.fixture(scope="package")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small photos; no test changes it."""
    return make_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="package")
def tiny(photos: Path) -> Callable[..., Recipe]:
    """Make recipes over them with the given changes."""
    return lambda **changes: tiny_recipe(photos, **changes)
