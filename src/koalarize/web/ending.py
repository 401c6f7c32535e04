"""How a local server ends: what runs is finished for a while, and ended by a second Ctrl-C.

Not here: where it listens and who may come in (``web.server``). A closed terminal (SIGHUP) ends it
as SIGTERM does, since photos would stay in the temporary folder of a process that dies of it.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

import uvicorn

__all__ = ["Server"]

_LOG = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A server that tells when it answers, and ends in order."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        """Make one.

        Args:
            config: of uvicorn.
            started: called once the server answers.
        """
        super().__init__(config)
        self._answers = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if not self.should_exit:
            self._answers()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Hear SIGHUP too for as long as the context lasts."""
        with super().capture_signals(), _hung_up(self.handle_exit):
            yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what runs finish, or end it, and close the application in any case."""
        patience = self.config.timeout_graceful_shutdown
        if self.server_state.tasks:
            _LOG.warning("finishing what runs, up to %s s; Ctrl-C again ends it at once", patience)
        await super().shutdown(sockets)
        if self.force_exit:
            for task in self.server_state.tasks:
                task.cancel()
            await self.lifespan.shutdown()


@contextmanager
def _hung_up(end: Callable[[int, FrameType | None], None]) -> Generator[None, None, None]:
    """Call something when the terminal is closed, unless that is to be outlived (``nohup``)."""
    heard = getattr(signal, "SIGHUP", None)  # Windows has none
    main = threading.current_thread() is threading.main_thread()
    if heard is None or not main or signal.getsignal(heard) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(heard, end)
    try:
        yield
    finally:
        signal.signal(heard, before)
