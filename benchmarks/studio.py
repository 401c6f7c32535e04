"""Time of what a person waits for in the studio, against Pillow alone.

    python benchmarks/studio.py [--megapixels 2 12 24] [--runs 9] [--side 1024]

Everything goes through the real application over a local socket. For a JPEG of each size:

- ``upload``: the file until the service has decoded it and answers;
- ``first``: the first preview, which looks at the photo and runs the network;
- ``hint``: a preview after a hint has moved, as on every change of a person;
- ``part``: a part of 1024 x 1024 at full size, the hints unchanged, as when panning;
- ``render``: the full-size file; its rival ``pillow`` decodes the same file and encodes an RGB
  JPEG with the same settings (quality 97, 4:4:4), in turn with it.

Printed are medians in milliseconds, and ``render`` as a ratio to ``pillow``. Then, of a service in
a process of its own:

- ``cold``: from the command until the first coloured preview of a photo of 2 megapixels;
- ``settled`` and ``peak``: memory after a session with the largest photo, and at its most (Linux).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import uvicorn
from PIL import Image

from koalarize.web.server import open_socket
from koalarize.web.studio.app import create_app
from koalarize.web.studio.settings import Settings
from photo import JPEG, make_picture


class Service:
    """The application on a free port, in a thread."""

    def __enter__(self) -> httpx.Client:
        listening = open_socket("127.0.0.1", 0)
        port = listening.getsockname()[1]
        app = create_app(Settings())
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        run = self._server.run
        self._thread = threading.Thread(target=run, kwargs={"sockets": [listening]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=120)
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._server.should_exit = True
        self._thread.join()


def clock(work: Callable[[], httpx.Response]) -> float:
    start = time.perf_counter()
    answer = work()
    seconds = time.perf_counter() - start
    answer.raise_for_status()
    return 1000 * seconds


def pillow(data: bytes) -> float:
    start = time.perf_counter()
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").save(io.BytesIO(), "JPEG", **JPEG)
    return 1000 * (time.perf_counter() - start)


def measure(client: httpx.Client, data: bytes, runs: int, side: int) -> dict[str, float]:
    times: dict[str, list[float]] = {}

    def note(name: str, milliseconds: float) -> None:
        times.setdefault(name, []).append(milliseconds)

    def ask(place: str, path: str, **asked: object) -> float:
        return clock(lambda: client.post(f"{place}/{path}", json=asked))

    for run in range(runs):
        note("upload", clock(lambda: client.post("/photos", content=data)))
        info = client.post("/photos", content=data).json()
        place, width, height = f"/photos/{info['id']}", info["width"], info["height"]
        note("first", ask(place, "preview", side=side))
        for step in range(3):
            hint = {"x": width // 3 + 10 * step, "y": height // 2 + run, "color": "#3050c0"}
            steering = {"hints": [hint, {**hint, "x": width // 2}]}
            note("hint", ask(place, "preview", side=side, steering=steering))
            window = {"x": 100 * step, "y": 50, "width": 1024, "height": 1024}
            note("part", ask(place, "region", steering=steering, **window))
        note("render", ask(place, "render", steering=steering))
        note("pillow", pillow(data))
        client.delete(place)
    return {name: statistics.median(values) for name, values in times.items()}


def cold(data: bytes, large: bytes, side: int) -> tuple[float, int, int]:
    """Return seconds to the first colour, and memory settled and at its peak, MiB."""
    with open_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "koalarize", "serve", "--no-browser", "--port", str(port)]
    start = time.perf_counter()
    with (
        subprocess.Popen(words, stderr=subprocess.DEVNULL) as service,
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=120) as client,
    ):
        while True:
            with contextlib.suppress(httpx.ConnectError):
                client.get("/health").raise_for_status()
                break
            time.sleep(0.01)
        first = client.post("/photos", content=data).json()
        client.post(f"/photos/{first['id']}/preview", json={"side": side}).raise_for_status()
        seconds = time.perf_counter() - start
        measure(client, large, 2, side)
        told = Path(f"/proc/{service.pid}/status").read_text()
        settled, peak = (
            int(told.partition(f"{name}:")[2].split()[0]) >> 10 for name in ("VmRSS", "VmHWM")
        )
        service.terminate()
    return seconds, settled, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--megapixels", type=float, nargs="+", default=[2, 12, 24])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--side", type=int, default=1024)
    options = parser.parse_args()
    print(f"median of {options.runs} runs, ms; previews of {options.side} px")
    print("| MP | upload | first | hint | part | render | pillow | render / pillow |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, Service() as client:
        warm = make_picture(Path(folder), 0.3, False).read_bytes()
        measure(client, warm, 1, options.side)
        for megapixels in options.megapixels:
            data = make_picture(Path(folder), megapixels, False).read_bytes()
            found = measure(client, data, options.runs, options.side)
            row = [f"{value:.0f}" for value in found.values()]
            ratio = found["render"] / found["pillow"]
            print(f"| {megapixels:g} | {' | '.join(row)} | {ratio:.2f} |")
        small = make_picture(Path(folder), 2, False).read_bytes()
        found = [cold(small, data, options.side) for _ in range(3)]
    seconds, settled, peak = (statistics.median(values) for values in zip(*found, strict=True))
    print(f"cold {seconds:.2f} s; memory settled {settled:.0f} MiB, peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
