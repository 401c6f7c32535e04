"""Connections of a local server: bounded in number, and in the time they may stay silent.

Not here: what is answered. uvicorn's own protocol with what it leaves to a proxy in front of it:
here there often is none.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

__all__ = ["Bounds", "bounded_protocol"]

_NO_HTTP = (
    "this is no HTTP/1.1 request: an address must be percent-encoded where it holds spaces or "
    "letters beyond ASCII (`?name=%C3%BCber%20uns.jpg`), and https:// is for a proxy before this "
    "server"
)


@dataclass(frozen=True)
class Bounds:
    """Bounds of a server's connections.

    Attributes:
        connections: open at once; more are closed as soon as they come.
        per_address: of them from one address.
        head: seconds until a request's head must be complete, from the first byte or the opening.
        linger: seconds for which the rest of a body that nobody read is thrown away.
        read: seconds a client may leave an answer lying.
    """

    connections: int = 128
    per_address: int = 64
    head: float = 10.0
    linger: float = 2.0
    read: float = 60.0


def bounded_protocol(bounds: Bounds) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol with these bounds, for one server's ``http`` setting."""
    open_now: dict[object, int] = {}

    class Bounded(H11Protocol):
        _clock: asyncio.TimerHandle | None = None
        _reader: asyncio.TimerHandle | None = None
        _address: object = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            address = cast("tuple[Any, ...] | None", transport.get_extra_info("peername"))
            name: object = address[0] if address else None
            of_address = open_now.get(name, 0)
            if of_address >= bounds.per_address or sum(open_now.values()) >= bounds.connections:
                transport.abort()  # type: ignore[attr-defined]
                return
            open_now[name] = of_address + 1
            self._address = (name,)
            super().connection_made(cast("asyncio.Transport", transport))
            self._watch(bounds.head)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._address is None:
                return  # it was refused
            (name,) = cast("tuple[object]", self._address)
            open_now[name] -= 1
            if not open_now[name]:
                del open_now[name]
            self._rest()
            self.resume_writing()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._address is None:
                return
            cycle = cast("RequestResponseCycle | None", self.cycle)
            between = cycle is None or cycle.response_complete
            super().data_received(data)
            if self.cycle is not cycle:
                self._rest()  # the head is complete
            elif between and self._clock is None:
                self._watch(bounds.head)

        def _unsupported_upgrade_warning(self) -> None:
            pass  # Java's client asks for HTTP/2 each time, and is answered in HTTP/1.1

        def send_400_response(self, msg: str) -> None:
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                super().send_400_response(_NO_HTTP)
            else:
                self.transport.abort()  # it has its answer, or a part of it

        def on_response_complete(self) -> None:
            unread = self.cycle.more_body
            super().on_response_complete()
            if unread:
                self._rest()
                self._watch(bounds.linger)

        def pause_writing(self) -> None:
            self._reader = self.loop.call_later(bounds.read, self.transport.abort)
            super().pause_writing()

        def resume_writing(self) -> None:
            if self._reader is not None:
                self._reader.cancel()
                self._reader = None
            super().resume_writing()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()
            # What is not read yet would keep a closed connection open.
            self.loop.call_later(bounds.read, self.transport.abort)

        def _watch(self, seconds: float) -> None:
            self._clock = self.loop.call_later(seconds, self.transport.abort)

        def _rest(self) -> None:
            if self._clock is not None:
                self._clock.cancel()
                self._clock = None

    return Bounded
