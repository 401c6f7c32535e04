"""Bodies of requests: one limit for every address, in bytes and in time.

Not here: what uploads hold together in memory (``uploads``), how JSON is read (``strict``).
Stands before the endpoints, so that none of them can be written without it.
"""

from __future__ import annotations

import asyncio
import time

from koalarize.web.server import App, Message, Receive, Send
from koalarize.web.studio.problems import Problem, answer
from koalarize.web.studio.settings import Settings

__all__ = ["FORM_OVERHEAD", "BodyLimit"]

#: What a form adds to its pictures, bytes.
FORM_OVERHEAD = 1 << 16


class BodyLimit:
    """An ASGI application in front of another whose requests' bodies are bounded.

    - More bytes than the address takes: 413, at once if the length is announced.
    - A body that stalls, or comes so slowly that it takes too long in all: 408.
    - A compressed body: 415 with a sentence, since it would be read as something else.
    """

    def __init__(
        self, app: App, settings: Settings, *, uploads: frozenset[str], films: str
    ) -> None:
        """Stand before an application.

        Args:
            app: the application.
            settings: the limits.
            uploads: the paths that take pictures.
            films: the path that takes films.
        """
        self._app = app
        self._settings = settings
        self._uploads = uploads
        self._films = films

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        settings, path = self._settings, scope["path"]
        most, overhead, seconds = settings.max_json, 0, settings.upload_seconds
        if path == self._films:
            most, seconds = settings.max_film, settings.film_seconds
        elif path in self._uploads:
            most, overhead = settings.max_bytes, FORM_OVERHEAD
        pace = (seconds, settings.upload_rate, settings.upload_idle)
        body = _Body(receive, (most, overhead), pace)
        try:
            body.check(dict(scope["headers"]))
        except Problem as problem:
            await answer(problem)(scope, receive, send)
            return
        await self._app(scope, body.receive, send)


class _Body:
    """The body of one request, counted and timed as it comes."""

    def __init__(
        self, receive: Receive, most: tuple[int, int], pace: tuple[float, int, float]
    ) -> None:
        self._receive = receive
        seconds, self._rate, self._idle = pace
        self._end = time.monotonic() + seconds
        self._shown, overhead = most
        self._most = self._shown + overhead
        self._total = 0
        self._whole = False

    def check(self, headers: dict[bytes, bytes]) -> None:
        """Check what the client announces, before anything is read."""
        coding = headers.get(b"content-encoding", b"identity").strip().lower()
        if coding not in (b"identity", b""):
            raise Problem(
                415,
                f"the body is encoded as {coding.decode('latin-1')[:40]} but is taken only as it "
                "is: leave Content-Encoding out",
                "encoded",
            )
        claimed = headers.get(b"content-length", b"0")
        if claimed.isdigit() and (len(claimed) > 18 or int(claimed) > self._most):
            raise self._too_large()

    def _too_large(self) -> Problem:
        return Problem(413, f"the body has more than the {self._shown:,} bytes that are taken")

    async def receive(self) -> Message:
        """Return the next message, as an ASGI server would."""
        if self._whole:
            return await self._receive()
        end = self._end + self._total / self._rate
        patience = min(self._idle, end - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(patience, 0))
        except TimeoutError as error:
            raise Problem(408, "the body stalled or took too long: send it again") from error
        if message["type"] == "http.disconnect":
            self._whole = True
            return message
        self._total += len(message.get("body", b""))
        if self._total > self._most:
            raise self._too_large()
        self._whole = not message.get("more_body", False)
        return message
