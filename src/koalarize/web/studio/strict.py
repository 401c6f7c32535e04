"""Endpoints that ignore nothing: unknown query keys are errors; HEAD answers where GET does.

An address that stands in the description as it is, is no ``{id}`` of another one.

Not here: unknown keys of JSON (``schemas``), how large a body may be (``bodies``).
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, get_args, get_origin

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from koalarize.errors import OptionError, did_you_mean
from koalarize.web.server import App, Message, Receive, Send
from koalarize.web.studio.problems import Problem, described

__all__ = ["BYTES", "Head", "StrictRoute", "asked_method"]

#: The media type of bytes of any kind.
BYTES = "application/octet-stream"

_MOST_KEYS = 1000  # of one JSON object: more than any that is asked for has
_ASKED = "koalarize.asked_method"  # key of a scope
_SMALL = 1 << 14  # bytes of JSON that cost the loop less than a thread would
_AS_DESCRIBED = "send the object that the description shows"


class StrictRoute(APIRoute):
    """An endpoint without unknown or repeated query keys, which reads large JSON in a thread."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[object, object, Response]]:
        """Return what answers a request."""
        handler = super().get_route_handler()
        known = _query_keys(self.dependant)
        lists = _list_keys(self.dependant)

        async def handle(request: Request) -> Response:
            for name in request.query_params:
                if name not in known:
                    near = did_you_mean(name, known)
                    near = near or (f": known are {', '.join(known)}" if known else ": it has none")
                    raise OptionError(f"`{name[:60]}` is no parameter of this address{near}")
                given = request.query_params.getlist(name)
                if len(given) > 1 and name not in lists:
                    raise OptionError(f"`{name}` is given {len(given)} times: give it once")
            response = await handler(_JsonRequest(request.scope, request.receive))
            kind = response.headers.get("content-type", "")
            if kind.startswith("image/") and _wants_bytes(request.headers.get("accept", "")):
                response.headers["content-type"] = BYTES
            return response

        return handle

    def matches(self, scope: Message) -> tuple[Match, Message]:
        """Return whether a request is for this endpoint, and what Starlette adds to its scope."""
        found = super().matches(scope)
        if found[0] is Match.NONE or not self.param_convertors or described(scope) is None:
            return found
        return Match.NONE, {}


def _wants_bytes(accept: str) -> bool:
    """Whether a client takes bytes and no picture by name."""
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    pictures = any(kind.startswith("image/") or kind == "*/*" for kind in kinds)
    return BYTES in kinds and not pictures


def _query_keys(dependant: Dependant) -> list[str]:
    """Return the query parameters of an endpoint and of what it depends on."""
    own = [field.alias for field in dependant.query_params]
    return own + [key for part in dependant.dependencies for key in _query_keys(part)]


def _list_keys(dependant: Dependant) -> set[str]:
    """Return those of the query parameters that may be given several times."""
    found = {
        field.alias for field in dependant.query_params if _is_list(field.field_info.annotation)
    }
    return found.union(*(_list_keys(part) for part in dependant.dependencies))


def _is_list(annotation: object) -> bool:
    return any(get_origin(one) is list for one in (annotation, *get_args(annotation)))


class _JsonRequest(Request):
    async def json(self) -> Any:
        body = await self.body()
        if len(body) <= _SMALL:
            return _parse(body)
        return await asyncio.to_thread(_parse, body)


def _parse(body: bytes) -> object:
    """Return what a body says in JSON.

    Raises:
        Problem: 400 if it cannot be read, 422 for an object with too many keys, or one twice.
        json.JSONDecodeError: if it is no JSON.
    """
    try:
        return json.loads(body, object_pairs_hook=_object)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise Problem(400, f"the body is nested too deeply: {_AS_DESCRIBED}") from error
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is not in UTF-8: {_AS_DESCRIBED}") from error
    except ValueError as error:
        text = "the body holds a number with more digits than can be read"
        raise Problem(400, f"{text}: {_AS_DESCRIBED}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; each key too many would become an error of its own."""
    if len(pairs) > _MOST_KEYS:
        raise Problem(422, f"an object of the body has more than {_MOST_KEYS} keys")
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise Problem(422, f"`{twice[:60]}` stands twice in an object of the body: give it once")
    return found


class Head:
    """An ASGI application in front of another that answers HEAD as GET, without the body."""

    def __init__(self, app: App) -> None:
        """Stand before an application."""
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def headers_only(message: Message) -> None:
            await send({**message, "body": b""} if "body" in message else message)

        asked = {**scope, "method": "GET", _ASKED: "HEAD"}
        try:
            await self._app(asked, receive, headers_only)
        finally:
            if "route" in asked:
                scope["route"] = asked["route"]  # for the log


def asked_method(scope: Message) -> str:
    """Return the method that a client asked by, which ``Head`` replaces."""
    return scope.get(_ASKED, scope["method"])
