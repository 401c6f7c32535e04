"""Look for new pictures again and again; a file is taken when it has stopped changing.

Not here: colouring them (``run``). Looking works on every file system, network shares too, where
nobody is told of changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping

from koalarize.batch.find import Job

__all__ = ["Signs", "signs_of", "watch"]

#: Size in bytes and time of the last change in nanoseconds.
Signs = tuple[int, int]


def watch(
    search: Callable[[], Iterable[Job]],
    seconds: float,
    before: Mapping[str, Signs],
    *,
    wait: Callable[[float], object] = time.sleep,
) -> Generator[list[Job]]:
    """Yield, whenever there are some, the pictures that are new or changed, and stable.

    Args:
        search: makes a new search.
        seconds: between two looks; a file that has the same size and time in two of them is stable.
        before: ``signs_of`` the pictures that need no more work unless they change.
        wait: sleeps.

    Yields:
        Jobs; never an empty list.
    """
    done = dict(before)
    pending: dict[str, Signs] = {}
    while True:
        wait(seconds)
        stable: list[Job] = []
        growing: dict[str, Signs] = {}
        for job, signs in _pictures(search()):
            name = _name(job)
            if done.get(name) == signs:
                continue
            if pending.get(name) == signs:
                done[name] = signs
                stable.append(job)
            else:
                growing[name] = signs
        pending = growing
        if stable:
            yield stable


def signs_of(jobs: Iterable[Job]) -> dict[str, Signs]:
    """Return size and time of each picture, by its path."""
    return {_name(job): signs for job, signs in _pictures(jobs)}


def _name(job: Job) -> str:
    return str(job.source)


def _pictures(jobs: Iterable[Job]) -> Generator[tuple[Job, Signs]]:
    for job in jobs:
        if job.problem is not None:
            continue
        try:
            facts = job.source.stat()
        except OSError:  # gone meanwhile
            continue
        yield job, (facts.st_size, facts.st_mtime_ns)
