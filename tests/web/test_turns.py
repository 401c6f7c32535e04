"""Whose turn it is: a program that asks for much leaves time and room to all others."""

from __future__ import annotations

import asyncio
import threading

import pytest
from starlette.requests import Request

from koalarize.web.studio.problems import Problem
from koalarize.web.studio.work_queue import WorkQueue


def asked(path, host="127.0.0.1"):
    async def receive():
        await asyncio.Event().wait()

    return Request({"type": "http", "path": path, "client": (host, 1)}, receive)


class Held:
    """A queue of one worker, which is held until it is let go; notes what is done when."""

    def __init__(self, queue):
        self.queue = WorkQueue(workers=1, queue=queue, timeout=10)
        self.go = threading.Event()
        self.done = []

    def ask(self, name, request):
        def work():
            assert self.go.wait(10)
            self.done.append(name)

        return asyncio.create_task(self.queue.run(work, request))


def test_who_asks_once_comes_before_the_rest_of_who_asks_for_much():
    async def main():
        held, tasks = Held(20), []
        for number in range(8):
            tasks.append(held.ask(f"many {number}", asked("/colorize")))
            await asyncio.sleep(0)
        tasks.append(held.ask("photo", asked("/photos/1/preview")))
        tasks.append(held.ask("elsewhere", asked("/colorize", "10.0.0.7")))
        await asyncio.sleep(0)
        held.go.set()
        await asyncio.gather(*tasks)
        held.queue.close()
        return held.done

    done = asyncio.run(main())
    assert max(done.index("photo"), done.index("elsewhere")) <= 3
    assert [name for name in done if name.startswith("many")] == [f"many {n}" for n in range(8)]


def test_one_may_fill_half_the_queue():
    async def main():
        held = Held(6)
        tasks = [held.ask(number, asked("/colorize")) for number in range(4)]  # one of them runs
        await asyncio.sleep(0)
        with pytest.raises(Problem, match="busy") as refused:
            await held.ask("more", asked("/colorize"))
        assert refused.value.status == 429
        tasks += [held.ask(number, asked(f"/photos/{number}/preview")) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Problem, match="busy"):
            await held.ask("too many", asked("/photos/4/preview"))
        held.go.set()
        await asyncio.gather(*tasks)
        held.queue.close()
        return held.done

    assert len(asyncio.run(main())) == 7


def test_what_waits_when_it_is_closed_is_dropped():
    async def main():
        held = Held(6)
        tasks = [held.ask(number, asked("/colorize")) for number in range(3)]
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(asyncio.to_thread(held.queue.close))
        await asyncio.sleep(0.05)
        held.go.set()
        await closing
        results = await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(Problem, match="stopping"):
            await held.ask("late", asked("/colorize"))
        return held.done, [type(one) for one in results]

    done, kinds = asyncio.run(main())
    assert done == [0]
    assert kinds == [type(None), asyncio.CancelledError, asyncio.CancelledError]
