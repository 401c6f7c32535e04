"""Work on chunks of rows with threads.

Not here: what is done to the rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

__all__ = ["by_rows", "thread_count"]


def thread_count(threads: int) -> int:
    """Return how many threads ``threads`` means: itself, and for 0 one a core we may use.

    What ``threads=`` of the Colorizer means for the network, for merging and for packing.
    """
    if threads > 0:
        return threads
    if hasattr(os, "sched_getaffinity"):  # of a container or a batch job often fewer than all
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def by_rows(work: Callable[[int, int], None], rows: int, step: int, threads: int) -> None:
    """Call ``work(start, stop)`` for chunks of ``step`` rows, on threads (0: one a core).

    NumPy gives the interpreter lock back inside its loops, so threads run side by side.
    """
    starts = range(0, rows, step)
    threads = min(thread_count(threads), len(starts))
    if threads <= 1:
        for start in starts:
            work(start, min(start + step, rows))
        return

    def one(start: int) -> None:
        work(start, min(start + step, rows))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, starts))
