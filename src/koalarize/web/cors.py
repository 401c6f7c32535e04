"""Pages of other origins that a person lets use the service (CORS).

Not here: who may come in otherwise (``web.server``). Cookies never count for them: a page of
another origin sends the token as ``Authorization: Bearer``, where one is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from koalarize.errors import OptionError
from koalarize.web.server import App, Message, Receive, Send

__all__ = ["Cors", "checked_origin"]

_METHODS = b"GET, HEAD, POST, DELETE"
_TAKEN = b"authorization, content-type, accept, range"
#: Headers of answers that a page may read.
_SHOWN = b"content-disposition, content-range, location, retry-after, koalarize-notes"
_SECONDS = b"600"
_PORTS = {"http": 80, "https": 443}


def checked_origin(text: str) -> str:
    """Return an origin as browsers send it.

    Raises:
        OptionError: if it is none; ``*`` is none, since any page could then use the service.
    """
    try:
        parts = urlsplit(text.strip().rstrip("/"))
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    beside = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in _PORTS or not parts.hostname or beside:
        raise OptionError(
            f"the origin `{text}` must be a scheme and a host, as in `https://photos.example`: "
            "name each page's own"
        )
    shown = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{shown}"


class Cors:
    """An ASGI application in front of another that tells browsers which origins may read it."""

    def __init__(self, app: App, origins: Sequence[str]) -> None:
        """Stand before an application that lets these origins in itself."""
        self._app = app
        self._origins = frozenset(checked_origin(origin).encode() for origin in origins)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http" or not self._origins:
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        origin = headers.get(b"origin", b"")
        known = origin in self._origins
        if known and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            asked = [
                (b"access-control-allow-origin", origin),
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _TAKEN),
                (b"access-control-max-age", _SECONDS),
                (b"vary", b"origin"),
            ]
            await send({"type": "http.response.start", "status": 204, "headers": asked})
            await send({"type": "http.response.body", "body": b""})
            return

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"vary", b"origin")]
                if known:
                    message["headers"] = [
                        *(pair for pair in message["headers"] if pair[0] != _RESOURCE),
                        (_RESOURCE, b"cross-origin"),
                        (b"access-control-allow-origin", origin),
                        (b"access-control-expose-headers", _SHOWN),
                    ]
            await send(message)

        await self._app(scope, receive, opened)


_RESOURCE = b"cross-origin-resource-policy"
