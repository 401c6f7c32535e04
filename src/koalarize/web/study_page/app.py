"""The test over HTTP: one page, and five requests it makes.

Not here: the session that is served (``contract`` says what is asked of it), the server itself
(``web.server``). Errors are JSON with one ``error`` sentence: 409 where page and session differ,
500 where a file fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, cast

from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi import Path as PathPart
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from koalarize.errors import KoalarizeError
from koalarize.web.server import Guard
from koalarize.web.study_page.contract import ConflictError, Study

__all__ = ["create_app"]

_HERE = Path(__file__).parent
_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{
        f"/{name}": (name, "text/javascript; charset=utf-8")
        for name in ("page.js", "elements.js", "report.js")
    },
}
#: Longest time a page may claim, milliseconds: a day.
_MOST_MS = 86_400_000


class Next(BaseModel):
    """Asks for the next trial."""

    model_config = ConfigDict(extra="forbid")

    practice: bool = False


class Reply(BaseModel):
    """An answer as the page sends it."""

    model_config = ConfigDict(extra="forbid")

    trial: str
    answer: str
    shown_ms: float = Field(ge=0, le=_MOST_MS, allow_inf_nan=False)
    reaction_ms: float = Field(ge=0, le=_MOST_MS, allow_inf_nan=False)
    interrupted: bool = False


def _study_of(request: Request) -> Study:
    return cast("Study", request.app.state.study)


_Study = Annotated[Study, Depends(_study_of)]
_router = APIRouter()


def create_app(study: Study) -> Guard:
    """Return the application of one session.

    Args:
        study: the session; the caller closes it.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.study = study
    app.add_exception_handler(KoalarizeError, _failed)
    for address, (name, kind) in _FILES.items():
        app.add_api_route(address, _file(name, kind), methods=["GET"])
    app.include_router(_router)
    return Guard(app)


@_router.get("/api/state")
def state(study: _Study) -> Mapping[str, object]:
    """Return where the session stands."""
    return study.state()


@_router.post("/api/next")
def next_trial(study: _Study, asked: Next) -> Response:
    """Open the next trial; 202 if its pictures are not ready yet."""
    opened = study.open(practice=asked.practice)
    return JSONResponse({"wait": True}, 202) if opened is None else JSONResponse(opened)


@_router.get("/picture/{token}")
def picture(study: _Study, token: Annotated[str, PathPart(max_length=64)]) -> Response:
    """Return a picture of the open trial, once."""
    data = study.picture(token)
    if data is None:
        return JSONResponse({"error": "there is no such picture"}, 404)
    return Response(data, media_type="image/png")


@_router.post("/api/answer")
def answer(study: _Study, reply: Reply) -> Mapping[str, object]:
    """Take an answer and return where the session stands then."""
    return study.answer(
        reply.trial,
        reply.answer,
        shown_ms=reply.shown_ms,
        reaction_ms=reply.reaction_ms,
        interrupted=reply.interrupted,
    )


@_router.get("/api/results")
def results(study: _Study) -> Mapping[str, object]:
    """Return the report of the finished session."""
    return study.results().to_dict()


def _failed(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 409 if isinstance(error, ConflictError) else 500)


def _file(name: str, kind: str) -> Callable[[], Response]:
    content = (_HERE / name).read_bytes()

    def send() -> Response:
        return Response(content, media_type=kind)

    return send
