"""Fixtures of the tests of coco."""

import pytest

from coco_parts import Server


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    one = Server()
    yield one
    one.close()


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "coco"
