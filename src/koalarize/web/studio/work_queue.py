"""The queue of work: a few threads that compute, a short queue before them, and a clock.

Not here: what is computed. The event loop only waits here, so it always has time for others.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

from koalarize.web.studio.problems import Problem

__all__ = ["Stop", "Stopped", "WorkQueue"]

_T = TypeVar("_T")


class Stopped(Exception):  # noqa: N818 (nothing went wrong: nobody waits for it)
    """Work ends here, since nobody waits for it any more."""


class Stop:
    """Tells work in a thread that nobody waits for it any more."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        """Ask the work to stop."""
        self._asked.set()

    def check(self) -> None:
        """Go on, or raise.

        Raises:
            Stopped: if it was asked to stop.
        """
        if self._asked.is_set():
            raise Stopped


class WorkQueue:
    """Runs work in a bounded pool of threads; used from one event loop."""

    def __init__(self, *, workers: int, queue: int, timeout: float) -> None:
        """Open it.

        Args:
            workers: how much may be computed at once.
            queue: how much may wait.
            timeout: seconds that one request may wait and compute.
        """
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="studio")
        self._workers = workers
        self._most = workers + queue
        self._timeout = timeout
        self._pending: set[Future[object]] = set()

    @property
    def busy(self) -> int:
        """How much is being computed."""
        return min(len(self._pending), self._workers)

    @property
    def waiting(self) -> int:
        """How much waits for a free thread."""
        return len(self._pending) - self.busy

    async def run(
        self,
        work: Callable[[], _T],
        request: Request | None = None,
        *,
        stop: Stop | None = None,
        hurried: bool = True,
    ) -> _T:
        """Compute something in a thread.

        Args:
            work: what to call.
            request: who wants it; if that client leaves before the work has begun, it is dropped.
            stop: asked when nobody waits any more, for work that looks at it.
            hurried: whether the timeout holds; without it the work has all the time it needs.

        Raises:
            Problem: 429 if the queue is full, 503 if it took too long.
        """
        if len(self._pending) >= self._most:
            raise Problem(429, "the service is busy: try again in a second")
        loop = asyncio.get_running_loop()
        held = [work]
        try:
            job = self._pool.submit(lambda: held.pop()())
        except RuntimeError as error:
            raise Problem(503, "the service is stopping: try again later") from error
        self._pending.add(job)  # type: ignore[arg-type]

        def done(_: Future[_T]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._pending.discard, job)

        def drop() -> None:
            if job.cancel():
                held.clear()  # the pool keeps a cancelled job, and all it holds, until its turn

        job.add_done_callback(done)
        future = asyncio.wrap_future(job)
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait(
                {future, gone},
                timeout=self._timeout if hurried else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if future.done():
                return future.result()
            drop()
            if gone.done():
                raise Problem(499, "the client has gone")
            raise Problem(
                503, f"this took longer than {self._timeout:g} seconds: try again, or less at once"
            )
        except asyncio.CancelledError:
            drop()
            raise
        finally:
            if stop is not None and not future.done():
                stop.ask()
            gone.cancel()
            future.add_done_callback(_forget)

    def close(self) -> None:
        """Let what runs finish; what waits is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


async def _gone(request: Request | None) -> None:
    """Return when the client has left; its body must have been read."""
    if request is None:
        await asyncio.Event().wait()
        return
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _forget(future: asyncio.Future[_T]) -> None:
    """Look at a result nobody waits for, so that nothing is logged about it."""
    if not future.cancelled():
        future.exception()
