"""Fixtures of the tests of exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from export_parts import saved
from koalarize.lab.export.export import export
from samples import made_once


@pytest.fixture(scope="session")
def whole_koala(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the whole koala, untrained; its .onnx file stands beside it.

    No test changes them: the graph takes half a minute, and is made once in a run of all tests.
    """
    folder = made_once(tmp_path_factory, "koala", lambda made: export(saved(made, "koala")))
    return folder / "koala.safetensors"
