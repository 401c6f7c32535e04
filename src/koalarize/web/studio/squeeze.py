"""The studio's own pages, scripts, styles and description, sent compressed to those who take it.

Not here: pictures, films and answers of endpoints, which pass through piece by piece (``routes``).
Stands right before the application, behind what answers HEAD (``strict``).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import lru_cache

from koalarize.web.server import App, Message, Receive, Send

__all__ = ["Squeeze"]

_KINDS = ("text/", "application/json", "image/svg+xml")
#: Bytes below which a head of its own costs more than it saves.
_LEAST = 1000


class Squeeze:
    """An ASGI application in front of another that sends what it has at some addresses as gzip."""

    def __init__(self, app: App, *, below: str, paths: Iterable[str]) -> None:
        """Stand before an application.

        Args:
            app: the application.
            below: what stands below this path is compressed, if it is text.
            paths: others that are.
        """
        self._app = app
        self._below = below
        self._paths = frozenset(paths)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        path = scope.get("path", "")
        ours = path.startswith(self._below) or path in self._paths
        if scope["type"] != "http" or scope["method"] != "GET" or not ours:
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        wanted = _takes_gzip(headers.get(b"accept-encoding", ""))
        start: Message = {}
        body = bytearray()

        async def squeezed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"vary", b"accept-encoding")]
                # A part of a file (206) is a part of its own bytes.
                if wanted and message["status"] == 200 and _is_text(message):
                    start = message
                    return
            elif start:
                body.extend(message.get("body", b""))
                if message.get("more_body", False):
                    return
                message = _with_body(start, bytes(body))
                await send(start)
            await send(message)

        await self._app(scope, receive, squeezed)


def _with_body(start: Message, body: bytes) -> Message:
    """Return the message of a whole body, and tell in the head what it is."""
    if len(body) >= _LEAST:
        body = _zipped(body)
        kept = [pair for pair in start["headers"] if pair[0] not in (b"content-length", b"etag")]
        tags = [value for name, value in start["headers"] if name == b"etag"]
        start["headers"] = [
            *kept,
            *((b"etag", b"W/" + tag) for tag in tags),  # other bytes, the same content
            (b"content-encoding", b"gzip"),
            (b"content-length", str(len(body)).encode()),
        ]
    return {"type": "http.response.body", "body": body}


def _is_text(start: Message) -> bool:
    kinds = [value for name, value in start["headers"] if name == b"content-type"]
    return any(kind.decode("latin-1").startswith(_KINDS) for kind in kinds)


def _takes_gzip(accepted: str) -> bool:
    """Whether an ``Accept-Encoding`` names gzip, and not only to refuse it."""
    for part in accepted.lower().split(","):
        name, _, share = part.replace(" ", "").partition(";q=")
        if name == "gzip":
            return share.strip("0.") != "" or not share
    return False


@lru_cache(maxsize=128)
def _zipped(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)
