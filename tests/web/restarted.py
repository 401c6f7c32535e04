"""A studio in this process, with stand-ins for the network, that a test stops and starts again."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass

import uvicorn

from koalarize.web.studio.app import create_app
from koalarize.web.studio.settings import Settings
from rest import MODELS


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Here:
    """A service at an address of its own; one that was stopped has forgotten all when it starts."""

    port: int
    server: uvicorn.Server | None = None
    thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        app = create_app(Settings(), models=MODELS)
        config = uvicorn.Config(app, port=self.port, log_level="critical")
        server = self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=server.run, daemon=True)
        self.thread.start()
        while not server.started:
            assert self.thread.is_alive()
            time.sleep(0.01)

    def stop(self) -> None:
        if self.server is None or self.thread is None:
            return
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.server = self.thread = None


@contextlib.contextmanager
def here() -> Generator[Here]:
    """Serve for as long as the context lasts."""
    service = Here(_free_port())
    service.start()
    try:
        yield service
    finally:
        service.stop()
