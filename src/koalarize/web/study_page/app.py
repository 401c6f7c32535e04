"""The test over HTTP: one page, and five requests it makes.

Not here: what a request does (``lab.study``), the server itself (``web.server``). Errors are
JSON with one ``error`` sentence: 409 where page and session differ, 500 where a file fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Response
from fastapi import Path as PathPart
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from koalarize.errors import KoalarizeError
from koalarize.lab.study.study import ConflictError, Study
from koalarize.web.server import Guard

__all__ = ["create_app"]

_HERE = Path(__file__).parent
_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
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


def create_app(study: Study) -> Guard:
    """Return the application of one session.

    Args:
        study: the session; closed by whoever made it.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    for address, (name, kind) in _FILES.items():
        app.add_api_route(address, _file(name, kind), methods=["GET"])

    @app.exception_handler(KoalarizeError)
    def failed(request: Request, error: KoalarizeError) -> JSONResponse:
        status = 409 if isinstance(error, ConflictError) else 500
        return JSONResponse({"error": str(error)}, status)

    @app.get("/api/state")
    def state() -> dict[str, Any]:
        return study.state()

    @app.post("/api/next")
    def next_trial(asked: Next) -> JSONResponse:
        opened = study.open(practice=asked.practice)
        return JSONResponse({"wait": True}, 202) if opened is None else JSONResponse(opened)

    @app.get("/picture/{token}")
    def picture(token: Annotated[str, PathPart(max_length=64)]) -> Response:
        data = study.picture(token)
        if data is None:
            return JSONResponse({"error": "there is no such picture"}, 404)
        return Response(data, media_type="image/png")

    @app.post("/api/answer")
    def answer(reply: Reply) -> dict[str, Any]:
        return study.answer(
            reply.trial,
            reply.answer,
            shown_ms=reply.shown_ms,
            reaction_ms=reply.reaction_ms,
            interrupted=reply.interrupted,
        )

    @app.get("/api/results")
    def results() -> dict[str, Any]:
        return study.results().to_dict()

    used = (failed, state, next_trial, picture, answer, results)
    assert all(used)  # the decorators keep them; this only says so to type checkers
    return Guard(app)


def _file(name: str, kind: str) -> Any:
    content = (_HERE / name).read_bytes()

    def send() -> Response:
        return Response(content, media_type=kind)

    return send
