"""What every local page shares: choosing a port, starting and stopping the server, guarding it.

Not here: any page. Stands below ``web``'s applications, which hand their ASGI app to ``serve``.
Nothing leaves the machine: the default address is 127.0.0.1 and no page may load from elsewhere.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
import threading
import webbrowser
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from koalarize.errors import OptionError
from koalarize.web.token_page import token_page

if TYPE_CHECKING:
    import uvicorn

    from koalarize.web.connections import Bounds

__all__ = [
    "CONTENT_POLICY",
    "DEFAULT_PORT",
    "LEAST_TOKEN",
    "App",
    "Guard",
    "Message",
    "Receive",
    "Send",
    "checked_token",
    "new_token",
    "open_socket",
    "serve",
    "server_config",
]

DEFAULT_PORT = 8765
#: How long open requests may take to end after Ctrl-C, seconds.
_PATIENCE = 3
#: Characters of the shortest token that is taken, so that nobody guesses it over the network.
LEAST_TOKEN = 16
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

#: Scripts, styles and pictures from this server only; blobs are what a page makes of its answers.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    b"content-security-policy": CONTENT_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}

#: What an ASGI server and an application tell each other.
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
#: An ASGI application, such as FastAPI's.
App = Callable[[Message, Receive, Send], Awaitable[None]]


def new_token() -> str:
    """Return 128 random bits as 22 letters that fit in an address."""
    return secrets.token_urlsafe(16)


def checked_token(token: str) -> str:
    """Return a token without the space around it, such as the end of a file's line.

    Raises:
        OptionError: if it is too short, or holds what no header can.
    """
    token = token.strip()
    if len(token) < LEAST_TOKEN or not token.isprintable():
        raise OptionError(
            f"the token has {len(token)} characters but must have at least {LEAST_TOKEN}, all of "
            "them printable: leave it out to have one drawn"
        )
    return token


class Guard:
    """An ASGI application in front of another that lets in only those who may come in.

    - A request must name this machine in its Host header: a foreign page whose name was pointed at
      127.0.0.1 (DNS rebinding) is refused with 421.
    - A request that changes something must not come from another origin, and none may be what
      another site's page loads (``Sec-Fetch-Site``): 403. Following a link is allowed.
    - With a token, the first visit must carry it (``/?token=...``), a cookie named by the port
      remembers a hash of it, and a program sends it as ``Authorization: Bearer ...``; all others
      are refused with 401.
    - Every answer carries a content security policy and, unless it says otherwise, ``no-store``.
    """

    def __init__(
        self,
        app: App,
        *,
        hosts: Sequence[str] = (),
        token: str | None = None,
        public: Collection[str] = (),
        origins: Collection[str] = (),
        refusal: Callable[[int, str], tuple[str, bytes]] | None = None,
        elsewhere: str = "open the one it printed",
    ) -> None:
        """Guard an application.

        Args:
            app: the application behind.
            hosts: names in a Host header to accept besides ``localhost`` and 127.0.0.1, without
                port. With 0.0.0.0 or :: in it, which mean every network card, any plain IP address
                is accepted, since a rebound name never is one. With ``*`` every name is.
            token: a secret that a visitor must bring; None asks for none.
            public: paths that need no token.
            origins: other origins whose pages may use it, as ``https://photos.example``; their
                cookies do not count.
            refusal: makes content type and body of a refusal from its status and sentence; plain
                text by default.
            elsewhere: what to do, for those who come under another name.
        """
        self._app = app
        self._hosts = _LOCAL_NAMES | {host.lower().strip("[]") for host in hosts}
        self._any_address = bool({"0.0.0.0", "::"} & self._hosts)
        self._token = None if token is None else checked_token(token)
        self._public = frozenset(public)
        self._origins = frozenset(origins)
        self._body_of = refusal or _plain_text
        self._elsewhere = elsewhere

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refusal(scope, headers)
        if refused is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif refused is not None and refused[0] == 401 and _is_person(scope, headers):
            body, policy = token_page(wrong=any(name == "token" for name, _ in _query(scope)))
            extra = [(b"content-security-policy", policy.encode())]
            await _answer(send, 401, body, extra, kind="text/html; charset=utf-8")
        elif refused is not None:
            kind, body = self._body_of(*refused)
            challenge = [(b"www-authenticate", b"Bearer")] if refused[0] == 401 else []
            await _answer(send, refused[0], body, challenge, kind=kind)
        elif self._brings_token(scope):
            name, value = self._cookie(headers)
            cookie = f"{name}={value}; Path=/; HttpOnly; SameSite=Strict"
            # Never to another server, and below the path at which a proxy may have put this one.
            back = "./" + quote(scope["path"].rpartition("/")[2])
            others = [pair for pair in _query(scope) if pair[0] != "token"]
            back += f"?{urlencode(others)}" if others else ""
            extra = [(b"set-cookie", cookie.encode()), (b"location", back.encode())]
            await _answer(send, 303, b"", extra)
        else:
            await self._app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Message, headers: dict[bytes, str]) -> tuple[int, str] | None:
        host = headers.get(b"host", "")
        if not self._is_ours(host):
            asked = f", and `{host[:60]}` is none" if host else ""
            return 421, f"this server answers only under its own address{asked}: {self._elsewhere}"
        method = scope.get("method", "GET")
        origin = headers.get(b"origin")
        if origin in self._origins:
            bearer = self._brings_bearer(headers) or scope["path"] in self._public
            return None if self._token is None or bearer else (401, "send the token as Bearer")
        changes = method not in _READING or scope["type"] == "websocket"
        if changes and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, (
                f"a page of `{origin[:60]}` asked `{host[:60]}`, and other pages are refused: open "
                "the server's own page; a proxy before it must pass on the `Host` it was asked for"
            )
        site, mode = headers.get(b"sec-fetch-site", ""), headers.get(b"sec-fetch-mode", "")
        followed = mode == "navigate" and headers.get(b"sec-fetch-dest", "") == "document"
        if site == "cross-site" and not (followed and method == "GET"):
            return 403, "requests from other sites' pages are refused"
        known = scope["path"] in self._public or self._brings_token(scope)
        if self._token is not None and not known:
            if self._brings_bearer(headers):
                return None
            if not self._brings_cookie(headers):
                return 401, "open the whole address that was printed, with its token"
        return None

    def _brings_bearer(self, headers: dict[bytes, str]) -> bool:
        scheme, _, bearer = headers.get(b"authorization", "").partition(" ")
        # A header's bytes are read as Latin-1; programs send UTF-8.
        known = self._token is not None and _equal(bearer.strip(), self._token, "latin-1")
        return scheme.lower() == "bearer" and known

    def _brings_cookie(self, headers: dict[bytes, str]) -> bool:
        """Whether one of the cookies is ours; what other programs of this host set is theirs."""
        wanted, value = self._cookie(headers)
        pairs = (part.strip().partition("=") for part in headers.get(b"cookie", "").split(";"))
        return any(name == wanted and _equal(text, value) for name, _, text in pairs)

    def _cookie(self, headers: dict[bytes, str]) -> tuple[str, str]:
        """Return name and value of the cookie: cookies know no ports, and a token stays secret."""
        assert self._token is not None
        try:
            port = urlsplit(f"//{headers.get(b'host', '')}").port
        except ValueError:
            port = None
        digest = hmac.digest(self._token.encode(), b"koalarize cookie", "sha256")
        return f"koalarize-{port or 80}", digest.hex()

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        known = bool({name, "*"} & self._hosts)
        return known or (self._any_address and _is_address(name))

    def _brings_token(self, scope: Message) -> bool:
        if self._token is None or scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return False
        given = [value for name, value in _query(scope) if name == "token"]
        return any(_equal(text, self._token) for text in given)


def _is_person(scope: Message, headers: dict[bytes, str]) -> bool:
    """Whether somebody opens the first page in a browser."""
    asks = scope["method"] == "GET" and scope["path"] == "/"
    return asks and "text/html" in headers.get(b"accept", "")


def _query(scope: Message) -> list[tuple[str, str]]:
    text: str = scope.get("query_string", b"").decode("latin-1")
    return parse_qsl(text, keep_blank_values=True)


def _equal(given: str, secret: str, coding: str = "utf-8") -> bool:
    return hmac.compare_digest(given.encode(coding, "replace"), secret.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            added = [(name, value) for name, value in _HEADERS.items() if name not in present]
            message["headers"] = [*message.get("headers", []), *added]
        await send(message)

    return sender


def _plain_text(status: int, text: str) -> tuple[str, bytes]:
    return "text/plain; charset=utf-8", text.encode()


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    extra: Sequence[tuple[bytes, bytes]] = (),
    *,
    kind: str = "text/plain; charset=utf-8",
) -> None:
    given = {name for name, _ in extra}
    kept = [(name, value) for name, value in _HEADERS.items() if name not in given]
    headers = [(b"content-type", kind.encode()), *kept, *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def open_socket(host: str, port: int | None) -> socket.socket:
    """Open the socket to listen on.

    Args:
        host: address of a network card; 127.0.0.1 is this machine only.
        port: 0 takes any free one; None takes ``DEFAULT_PORT``, or any free one if that is taken.

    Raises:
        OptionError: if the port is no port or is taken, or the address is not of this machine.
    """
    if port is not None and not 0 <= port <= 65535:
        raise OptionError(f"`--port` is {port} but must be 0 to 65535; 0 takes any free one")
    for number in (DEFAULT_PORT, 0) if port is None else (port,):
        try:
            found = socket.getaddrinfo(host.strip("[]"), number, type=socket.SOCK_STREAM)
            family, *_, address = found[0]
        except OSError as error:
            raise OptionError(f"`{host}` is no address of this machine: use 127.0.0.1") from error
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            # On Windows this option would let two servers share one port.
            if hasattr(socket, "AF_UNIX"):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(128)
        except OSError as error:
            opened.close()
            if port is None and number:
                continue
            raise OptionError(
                f"port {number} of {host} cannot be used ({error.strerror or error}): "
                "choose another `--port`, or leave it out"
            ) from error
        return opened
    raise AssertionError("a free port is always tried last")


def serve(
    app: App,
    host: str = "127.0.0.1",
    port: int | None = None,
    open_browser: bool = True,
    *,
    announce: Callable[[str], None] = lambda address: None,
    path: str = "/",
    patience: int = _PATIENCE,
) -> None:
    """Serve an application until Ctrl-C, SIGTERM or SIGHUP; open requests are let finish.

    Args:
        app: the application, best behind a ``Guard``.
        host: address of a network card.
        port: as ``open_socket`` takes it.
        open_browser: open the page in the person's browser once the server answers.
        announce: called with the page's address once the server answers.
        path: of the first page, such as ``/?token=...``.
        patience: how long open requests may take to end after Ctrl-C, seconds.

    Raises:
        OptionError: as ``open_socket`` says.
    """
    from koalarize.web.ending import Server

    listening = open_socket(host, port)
    host = host.strip("[]")
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    shown = f"[{shown}]" if ":" in shown else shown
    address = f"http://{shown}:{listening.getsockname()[1]}{path}"

    def started() -> None:
        announce(address)
        if open_browser:
            # Some browsers, those of a text terminal, return only when they are left.
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

    try:
        Server(server_config(app, patience=patience), started).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in order and passes the signal on; it was how to stop us
    finally:
        listening.close()


def server_config(
    app: App, *, patience: int = _PATIENCE, bounds: Bounds | None = None
) -> uvicorn.Config:
    """Return how an application is served.

    Args:
        app: the application.
        patience: how long open requests may take to end after Ctrl-C, seconds.
        bounds: of the connections; those of ``Bounds`` by default.
    """
    import uvicorn

    from koalarize.web.connections import Bounds, bounded_protocol

    return uvicorn.Config(
        app,
        http=bounded_protocol(bounds or Bounds()),
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=patience,
    )
