"""Whose turn it is: what waits is taken in turns from each who asks, and not by who asks most.

Not here: threads, what is computed (``work_queue``).
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["Job", "Turns"]

_T = TypeVar("_T")


class Job(Generic[_T]):
    """Work that waits; what it holds is let go once it ran or was dropped."""

    def __init__(self, work: Callable[[], _T], whose: Hashable) -> None:
        """Make one.

        Args:
            work: what to call.
            whose: who asks.
        """
        self.whose = whose
        self.future: Future[_T] = Future()
        self._held = [work]

    def run(self) -> None:
        """Do the work, unless it was dropped."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._held.pop()()
        except BaseException as error:  # noqa: BLE001 (who waits for it gets it)
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    def drop(self) -> bool:
        """Give it up if it has not begun; return whether it had not."""
        if self.future.cancel():
            self._held.clear()
            return True
        return False


class Turns:
    """Jobs that wait, a line for each who asks; safe from several threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lines: OrderedDict[Hashable, deque[Job[object]]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, job: Job[object]) -> None:
        """Put a job at the end of its line."""
        with self._lock:
            self._lines.setdefault(job.whose, deque()).append(job)

    def take(self) -> Job[object] | None:
        """Take the first job of the line that waits longest for its turn; None if there is none."""
        with self._lock:
            if not self._lines:
                return None
            whose, line = next(iter(self._lines.items()))
            job = line.popleft()
            if line:
                self._lines.move_to_end(whose)
            else:
                del self._lines[whose]
            return job

    def remove(self, job: Job[object]) -> None:
        """Take a job out of its line, if it is in it still."""
        with self._lock:
            line = self._lines.get(job.whose, deque[Job[object]]())
            if job in line:
                line.remove(job)
                if not line:
                    del self._lines[job.whose]
