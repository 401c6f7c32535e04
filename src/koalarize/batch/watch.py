"""Look for new pictures again and again; a file is taken when it has stopped changing.

Not here: colouring them (``run``). Looking works on every file system, network shares too, where
nobody is told of changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing

from koalarize.batch.find import Job
from koalarize.batch.plan import Outcome

__all__ = ["Again", "Signs", "signs_of", "watch"]

#: Size in bytes and time of the last change in nanoseconds.
Signs = tuple[int, int]

#: Why pictures failed that are as good as before: no room, no place, a share that was away.
_NOT_ITS_FAULT = frozenset(
    {"cannot be read", "cannot be read or written", "cannot be written", "not enough memory"}
)
#: Seconds before such a picture is tried again; each failure doubles them, up to the last.
_FIRST_WAIT, _LAST_WAIT = 60.0, 3600.0


class Again:
    """Pictures that failed by no fault of theirs, and when each is tried again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any.

        Args:
            clock: tells seconds.
        """
        self._clock = clock
        self._waits: dict[str, tuple[float, float]] = {}  # how long, until when

    def note(self, outcome: Outcome) -> None:
        """Take in what became of a picture."""
        name = str(outcome.source)
        if outcome.status != "failed" or outcome.reason not in _NOT_ITS_FAULT:
            self._waits.pop(name, None)
            return
        before, _ = self._waits.get(name, (0.0, 0.0))
        seconds = min(max(_FIRST_WAIT, 2 * before), _LAST_WAIT)
        self._waits[name] = seconds, self._clock() + seconds

    def wait_for(self, jobs: Iterable[Job]) -> None:
        """Take in that a run ended before it was done with pictures: the journal has no room."""
        for job in jobs:
            self.note(Outcome(job.source, None, "failed", reason="cannot be written"))

    def noted(self, outcomes: Generator[Outcome]) -> Generator[Outcome]:
        """Yield what becomes of pictures, each taken in first."""
        with closing(outcomes):
            for outcome in outcomes:
                self.note(outcome)
                yield outcome

    def is_due(self, name: str) -> bool:
        """Tell whether a picture has waited long enough."""
        return name in self._waits and self._waits[name][1] <= self._clock()


def watch(
    search: Callable[[], Iterable[Job]],
    seconds: float,
    before: Mapping[str, Signs],
    again: Again,
    *,
    wait: Callable[[float], object] = time.sleep,
) -> Generator[list[Job]]:
    """Yield, whenever there are some, the pictures that are new or changed, and stable.

    So are those that are to be tried again.

    Args:
        search: makes a new search.
        seconds: between two looks; a file that has the same size and time in two of them is stable.
        before: ``signs_of`` the pictures that need no more work unless they change.
        again: that is told what becomes of the pictures, those of the first run too.
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
            known = done.get(name) == signs
            if known and not again.is_due(name):
                continue
            if known or pending.get(name) == signs:
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
