"""Many clients at once, good and bad: does the service answer each rightly, and stay in shape?

    python benchmarks/service_load.py [--clients 32] [--seconds 60] [--most-megapixels 24]

Starts ``koalarize serve`` as a process of its own and lets every client ask in a loop: mostly
``POST /colorize`` with a picture of 0.1 to 24 megapixels, some uploads that are cut off half way,
some that are no picture, some that are too large. Right answers are: a picture of the right size
for a picture, 429 where the service is busy (it comes again after ``Retry-After``), 415 and 413 for
what is none, no answer for what was cut off. Anything else is printed and makes the exit code 1.

Printed are counts by kind and answer, latencies of good requests, and the memory of the service
before, at its peak and after.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
from PIL import Image

from photo import make_picture

_SIZES = (0.1, 0.5, 2, 6, 12, 24)
_KINDS = ("good", "good", "good", "good", "good", "good", "cut", "text", "damaged", "large")


class _Load:
    """What the clients share: pictures to send, and what came of it."""

    def __init__(self, address: str, pictures: dict[float, bytes], large: int) -> None:
        self.address = address
        self.pictures = pictures
        self.large = large
        self.counts: Counter[tuple[str, str]] = Counter()
        self.latencies: list[float] = []
        self.wrong: list[str] = []

    async def client(self, number: int, end: float) -> None:
        draw = random.Random(number)
        async with httpx.AsyncClient(base_url=self.address, timeout=120) as client:
            while time.monotonic() < end:
                kind = draw.choice(_KINDS)
                try:
                    await getattr(self, f"send_{kind}")(client, draw)
                except httpx.TransportError as error:
                    self.note(kind, type(error).__name__, error)

    def note(self, kind: str, answer: str, detail: object = None) -> None:
        self.counts[kind, answer] += 1
        if detail is not None:
            self.wrong.append(f"{kind}: {answer}: {detail}")

    async def send_good(self, client: httpx.AsyncClient, draw: random.Random) -> None:
        data = self.pictures[draw.choice(list(self.pictures))]
        start = time.perf_counter()
        answer = await client.post("/colorize?hint=9,9=%233050c0", content=data)
        if answer.status_code == 429:
            self.note("good", "429", None if "retry-after" in answer.headers else "no Retry-After")
            await asyncio.sleep(
                float(answer.headers.get("retry-after", 1)) * draw.uniform(0.5, 1.5)
            )
            return
        self.latencies.append(time.perf_counter() - start)
        if answer.status_code != 200:
            self.note("good", str(answer.status_code), answer.text[:200])
            return
        colored, own = Image.open(io.BytesIO(answer.content)), Image.open(io.BytesIO(data))
        fits = colored.size == own.size and colored.mode == "RGB"
        self.note("good", "200", None if fits else f"{colored.size} {colored.mode}")

    async def send_cut(self, client: httpx.AsyncClient, draw: random.Random) -> None:
        data = self.pictures[draw.choice(list(self.pictures))]
        host, port = client.base_url.host, client.base_url.port
        _, writer = await asyncio.open_connection(host, port)
        head = (
            f"POST /api/v1/colorize HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        writer.write(head.encode() + data[: draw.randrange(len(data))])
        await writer.drain()
        await asyncio.sleep(draw.uniform(0, 0.3))
        writer.transport.abort()
        self.note("cut", "gone")

    async def send_text(self, client: httpx.AsyncClient, draw: random.Random) -> None:
        await self.refused("text", client, draw.randbytes(draw.randrange(1, 10_000)), 415)

    async def send_damaged(self, client: httpx.AsyncClient, draw: random.Random) -> None:
        await self.refused("damaged", client, self.pictures[0.1][:500], 415)

    async def send_large(self, client: httpx.AsyncClient, draw: random.Random) -> None:
        await self.refused("large", client, bytes(self.large), 413)

    async def refused(
        self, kind: str, client: httpx.AsyncClient, data: bytes, expected: int
    ) -> None:
        try:
            answer = await client.post("/colorize", content=data)
        except (httpx.WriteError, httpx.ReadError):
            # Refused while it was still being sent: the connection may close before it is read.
            self.note(kind, "closed", None if expected == 413 else "closed")
            return
        right = answer.status_code in (expected, 429)
        self.note(kind, str(answer.status_code), None if right else answer.text[:200])
        if answer.status_code == 429:
            await asyncio.sleep(draw_pause())


def draw_pause() -> float:
    return random.uniform(0.5, 1.5)


def memory(process: int) -> tuple[float, float]:
    """Return resident memory now and at its peak, MiB (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    found = [re.search(rf"{name}:\s+(\d+)", status) for name in ("VmRSS", "VmHWM")]
    now, peak = (int(match.group(1)) / 1024 if match else 0.0 for match in found)
    return now, peak


def start_service(limit: int) -> tuple[subprocess.Popen[str], str]:
    words = ["serve", "--no-browser", "--port", "0", "--max-bytes", str(limit)]
    process = subprocess.Popen(
        [sys.executable, "-m", "koalarize", *words], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    match = re.match(r"(http://\S+)/", line)
    if match is None:
        raise SystemExit(f"the service did not start: {line}")
    return process, f"{match.group(1)}/api/v1"


async def press(load: _Load, clients: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    await asyncio.gather(*(load.client(number, end) for number in range(clients)))


def report(load: _Load, before: float, process: int) -> None:
    now, peak = memory(process)
    for (kind, answer), count in sorted(load.counts.items()):
        print(f"{kind:>8} {answer:>12} {count:>7}")
    if load.latencies:
        ordered = sorted(load.latencies)
        late = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
        print(f"good: median {statistics.median(ordered):.2f} s, 95 % within {late:.2f} s")
    print(f"memory, MiB: {before:.0f} before, {peak:.0f} at its peak, {now:.0f} after")
    for line in load.wrong[:20]:
        print("WRONG", line)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--most-megapixels", type=float, default=24)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes = [size for size in _SIZES if size <= options.most_megapixels]
        pictures = {size: make_picture(Path(folder), size, size < 1).read_bytes() for size in sizes}
    limit = 2 * max(len(data) for data in pictures.values())
    process, address = start_service(limit)
    try:
        load = _Load(address, pictures, limit + (1 << 20))
        for data in pictures.values():  # every size once, so that "before" is a service at work
            httpx.post(f"{address}/colorize", content=data, timeout=120).raise_for_status()
        before = memory(process.pid)[0]
        asyncio.run(press(load, options.clients, options.seconds))
        alive = httpx.get(f"{address}/health", timeout=30).status_code == 200
        report(load, before, process.pid)
        if not alive or process.poll() is not None:
            load.wrong.append("the service is down")
    finally:
        process.terminate()
        code = process.wait(90)
    print(f"the service ended with code {code}")
    return 1 if load.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
