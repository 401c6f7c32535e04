"""One run at a time in a folder: a second would write into the files of the first.

Not here: what is written there (``coco``, ``lab.training``).
The system lets a lock go with the process that holds it, however that ends.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from koalarize.errors import KoalarizeError

__all__ = ["alone"]

_held: set[int] = set()  # descriptors of the folders that this process keeps


@contextmanager
def alone(folder: Path, refusal: KoalarizeError) -> Generator[None]:
    """Keep a second run out of a folder, where the system can lock one.

    Args:
        folder: exists.
        refusal: what is raised if a run is there already.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    _keep_from_forks()
    opened = os.open(folder, os.O_RDONLY)
    _held.add(opened)
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise refusal from error
        yield
    finally:
        _held.discard(opened)
        with suppress(OSError):  # for a worker that has not closed it yet, too
            fcntl.flock(opened, fcntl.LOCK_UN)
        os.close(opened)


@cache
def _keep_from_forks() -> None:
    """Let forked workers close what they inherit: they outlive a killed run by seconds."""
    os.register_at_fork(after_in_child=_let_go)


def _let_go() -> None:
    while _held:
        with suppress(OSError):
            os.close(_held.pop())
