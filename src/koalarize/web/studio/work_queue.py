"""The queue of work: a few threads that compute, a short queue before them, and a clock.

Not here: what is computed. The event loop only waits here, so it always has time for others.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

from starlette.requests import Request

from koalarize.web.studio.problems import Problem
from koalarize.web.studio.turns import Job, Turns

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
    """Runs work in a bounded pool of threads; used from one event loop.

    Who asks is an address and a path, so that a photo that is steered, and an upload, have turns of
    their own beside a program that has many pictures coloured. One may fill half the queue.
    """

    def __init__(self, *, workers: int, queue: int, timeout: float) -> None:
        """Open it.

        Args:
            workers: how much may be computed at once.
            queue: how much may wait.
            timeout: seconds that one request may wait and compute.
        """
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="studio")
        self._turns = Turns()
        self._workers = workers
        self._most = workers + queue
        self._share = workers + (queue + 1) // 2
        self._timeout = timeout
        self._pending: set[Job[object]] = set()

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
        whose = None if request is None else _whose(request)
        mine = sum(job.whose == whose for job in self._pending)
        if len(self._pending) >= self._most or mine >= self._share:
            raise Problem(429, "the service is busy: try again in a second")
        loop = asyncio.get_running_loop()
        own = Job(work, whose)
        job = cast("Job[object]", own)
        self._turns.put(job)
        try:
            self._pool.submit(self._next)
        except RuntimeError as error:
            self._turns.remove(job)
            raise Problem(503, "the service is stopping: try again later") from error
        self._pending.add(job)

        def done(_: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._pending.discard, job)

        def drop() -> None:
            if job.drop():
                self._turns.remove(job)

        own.future.add_done_callback(done)
        future = asyncio.wrap_future(own.future)
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
        while (job := self._turns.take()) is not None:
            job.drop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _next(self) -> None:
        job = self._turns.take()
        if job is not None:  # else it was dropped
            job.run()


def _whose(request: Request) -> Hashable:
    host, _ = request.scope.get("client") or ("", 0)
    return host, request.scope.get("path")


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
