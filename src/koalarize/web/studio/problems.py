"""Errors as problem details (RFC 9457): ``application/problem+json`` with a sentence for people.

Not here: what raises them. Every answer of the service that is an error is made here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.types import Scope

from koalarize.errors import KoalarizeError, PhotoError
from koalarize.steering.hints import HEX_COLOR
from koalarize.steering.session import OtherPhotoError

__all__ = ["MEDIA_TYPE", "SLUGS", "Problem", "answer", "described", "install", "refusal"]

_LOG = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
#: Status -> (last part of the type, title).
SLUGS: Mapping[int, tuple[str, str]] = {
    400: ("bad-request", "Bad request"),
    401: ("token-needed", "A token is needed"),
    403: ("other-origin", "Asked by another site's page"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    406: ("not-acceptable", "No acceptable format"),
    408: ("too-slow", "The upload was too slow"),
    409: ("other-photo", "The session belongs to another photo"),
    413: ("too-large", "Too large"),
    415: ("not-a-picture", "Cannot be read as a picture"),
    416: ("no-such-part", "No such part of the file"),
    421: ("other-host", "Another host's name"),
    422: ("not-allowed", "A value is not allowed"),
    429: ("busy", "Too many requests at once"),
    500: ("bug", "A bug in koalarize"),
    501: ("not-installed", "A part of koalarize is not installed"),
    503: ("timed-out", "Took too long"),
    507: ("no-room", "No room left"),
}
#: Problems that share their status with another: last part of the type -> title.
_OTHERS: Mapping[str, str] = {
    "damaged": "The picture is damaged",
    "encoded": "The body is encoded",
    "not-a-film": "Not a film",
    "working": "Work on it goes on",
}
_RETRY_AFTER = {429: "1", 503: "5"}
_MOST_ERRORS = 20
_MOST_SHOWN = 60  # characters of a value in a sentence
#: What a text must be whose pattern is not met; all other patterns are those of ids.
_PATTERNS = {HEX_COLOR: "be #rrggbb or #rgb: give the colour's value, as in `#c03020`"}
_ID = "be 64 digits of 0-9 and a-f: give the `id` that the upload answered"


class Problem(HTTPException):  # FastAPI lets no other error pass out of the reading of a body
    """An answer that is an error.

    Attributes:
        status: of HTTP.
        sentence: for a person.
        slug: last part of the type, where the status alone does not say it.
    """

    def __init__(self, status: int, sentence: str, slug: str | None = None) -> None:
        """Make one; the rest follows from the status."""
        super().__init__(status, sentence)
        self.status = status
        self.sentence = sentence
        self.slug = slug


def refusal(status: int, detail: str) -> tuple[str, bytes]:
    """Return content type and body of an error."""
    return MEDIA_TYPE, _body(status, detail)


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as an answer, for what stands before the endpoints or behind them."""
    return _answer(problem.status, problem.sentence, headers=headers, slug=problem.slug)


def _body(
    status: int,
    detail: str,
    errors: Sequence[Mapping[str, str]] = (),
    named: str | None = None,
) -> bytes:
    slug, title = SLUGS.get(status, ("error", "Error"))
    if named is not None:
        slug, title = named, _OTHERS[named]
    problem: dict[str, Any] = {
        "type": f"urn:koalarize:problem:{slug}",
        "title": title,
        "status": status,
        "detail": detail,
    }
    if errors:
        problem["errors"] = list(errors)
    return json.dumps(problem, ensure_ascii=False).encode("utf-8", "replace")


def _answer(
    status: int,
    detail: str,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    slug: str | None = None,
) -> Response:
    kept = dict(headers or {})
    if status in _RETRY_AFTER:
        kept["retry-after"] = _RETRY_AFTER[status]
    return Response(_body(status, detail, errors, slug), status, kept, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make an application answer every error as a problem."""
    app.add_exception_handler(Problem, _of_problem)
    app.add_exception_handler(KoalarizeError, _of_person)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(MemoryError, _of_memory)
    app.add_exception_handler(Exception, _of_bug)


def _of_problem(request: Request, error: Exception) -> Response:
    return answer(cast("Problem", error))


def _of_person(request: Request, error: Exception) -> Response:
    status = 415 if isinstance(error, PhotoError) else 422
    return _answer(409 if isinstance(error, OtherPhotoError) else status, str(error))


def _of_validation(request: Request, error: Exception) -> Response:
    found = cast("RequestValidationError", error).errors()
    if any(one["type"] == "json_invalid" for one in found):
        return _answer(400, "the body is not JSON: send the object that the description shows")
    errors = [
        {"where": ".".join(str(part) for part in one["loc"]), "message": _rule(one)}
        for one in found[:_MOST_ERRORS]
    ]
    return _answer(422, _sentence(found[0]), errors)


def _sentence(error: Mapping[str, Any]) -> str:
    """Return what is wrong with a value: where, what it is, what it must be."""
    _, *place = error["loc"]  # without `body`, `query` or `path`
    if not place and error["loc"] == ("body",):
        return "the body must be a JSON object: send one as `Content-Type: application/json`"
    where = f"`{'.'.join(str(part) for part in place)}`" if place else "the body"
    if error["type"] == "missing":
        return f"{where} is missing: it must be given"
    if error["type"] == "extra_forbidden":
        return (
            f"{where} is an unknown key: leave it out, or see /api/v1/docs for those that there are"
        )
    try:
        given = repr(error["input"])
    except ValueError:  # a whole number of thousands of digits
        given = "a number"
    given = given if len(given) <= _MOST_SHOWN else f"{given[: _MOST_SHOWN - 3]}..."
    rule = _rule(error).partition(", unable")[0].removeprefix("Value error, ")
    must = rule.partition(" should ")[2]
    return f"{where} is {given} but must {must}" if must else f"{where} is {given}: {rule}"


def _rule(error: Mapping[str, Any]) -> str:
    """Return what a value must be, with no regular expression and no word of Python's in it."""
    if "dictionary" in error["msg"]:
        return "Input should be an object: see /api/v1/docs for its keys"
    if error["type"] == "string_pattern_mismatch":
        return f"String should {_PATTERNS.get(error['ctx']['pattern'], _ID)}"
    return str(error["msg"]).replace(" after validation", "")


def _of_http(request: Request, error: Exception) -> Response:
    http = cast("HTTPException", error)
    detail = str(http.detail)
    if http.status_code == 404:
        detail = "there is nothing at this address: see /api/v1/docs"
    headers = {name.lower(): text for name, text in (http.headers or {}).items()}
    if http.status_code == 405:
        headers["allow"] = ", ".join(sorted(_methods(request)))
        detail = f"`{request.method}` is not for this address: it takes {headers['allow']}"
    return _answer(http.status_code, detail, headers=headers)


def described(scope: Scope) -> Mapping[str, object] | None:
    """Return what the description says of an address as it stands; None if it has no such one."""
    path = scope["path"].removeprefix(_root(scope))
    return scope["app"].openapi()["paths"].get(path)


def _root(scope: Scope) -> str:
    """Return the path under which the application is; a mount moves that of what it answers."""
    return scope.get("app_root_path", scope.get("root_path", ""))


def _methods(request: Request) -> set[str]:
    """Return all methods of an address: Starlette names those of its first endpoint only."""
    scope = {**request.scope, "root_path": _root(request.scope)}
    found = {
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        for route in request.app.routes
        if route.matches({**scope, "method": method})[0] is Match.FULL
        and (method == "GET" or not isinstance(route, Mount))  # mounted are files
    }
    return found | ({"HEAD"} if "GET" in found else set())


def _of_memory(request: Request, error: Exception) -> Response:
    return _answer(507, "not enough memory for this picture now: try again, or a smaller one")


def _of_bug(request: Request, error: Exception) -> Response:
    return _answer(500, "something went wrong that should not: please report it")
