"""Fixtures and paths for every test."""

import atexit
import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

WORKER = "PYTEST_XDIST_WORKER" in os.environ
# Workers beside each other have one core each: before NumPy and torch are imported.
if WORKER:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is fetched or noted for later by one test is none of a person's, nor of another test run's.
os.environ["KOALARIZE_HOME"] = tempfile.mkdtemp(prefix="koalarize-tests-")
atexit.register(shutil.rmtree, os.environ["KOALARIZE_HOME"], ignore_errors=True)

sys.path.insert(0, str(Path(__file__).parent))

# No file of a test must outlive a loss of power, and each wait for the disk takes milliseconds.
os.fsync = os.fstat  # which still fails for what is no open file


def pytest_configure(config: pytest.Config) -> None:
    """Let files go to workers in the order of ``pytest_collection_modifyitems``."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests: begun last, one would keep a core waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    if WORKER:
        items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave what is imported and collected, which stays to the end, out of the search for garbage.

    What tests make is looked through less often than once in 700 objects, as Python would.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        gc.enable()


@pytest.fixture
def interrupts() -> Generator[None]:
    """Hear signals as a fresh program does.

    Interrupts are ignored where the tests were started so (`nohup`, `&`); Ray leaves a handler of
    SIGTERM behind.
    """
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
