"""Endpoints of the files a person keeps of a photo: the coloured picture and the session.

Not here: what a session is (``steering.session``), how pictures are shown (``steering``).
"""

from __future__ import annotations

from pathlib import PurePosixPath

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from koalarize.models.catalog import card_of
from koalarize.steering.session import Session, SessionFile
from koalarize.steering.wire import SteeringAsked, steering_asked
from koalarize.web.studio import schemas, work
from koalarize.web.studio.openapi import (
    FULL,
    WORKED,
    Id,
    accepted,
    attachment,
    kind_of,
    problems,
    send_file,
)
from koalarize.web.studio.photo_store import Entry
from koalarize.web.studio.state import Shared, Studio
from koalarize.web.studio.strict import StrictRoute
from koalarize.web.studio.work_queue import Stop

__all__ = ["router"]

router = APIRouter(prefix="/photos/{id}", tags=["files"], route_class=StrictRoute)

_SESSION_FILE = {"schema": {"$ref": "#/components/schemas/SessionFile"}}
_SESSION_BODY = {
    "requestBody": {"required": True, "content": {"application/json": _SESSION_FILE}},
}


@router.post(
    "/render",
    operation_id="renderPhoto",
    summary="The full-size file with the original's metadata",
    description=(
        "Exactly the file that the command line would write. It has no deadline, and "
        "stops when the client leaves."
    ),
    response_class=Response,
    responses={**FULL, **problems(406, *WORKED)},
)
async def render(studio: Shared, request: Request, id: Id, asked: schemas.RenderAsked) -> Response:
    entry, (model, steering) = studio.photos.get(id), asked.steering.parse()

    stop, format = Stop(), accepted(request, asked.format)

    def job() -> tuple[bytes, tuple[str, ...]]:
        with studio.photos.open(entry) as opened:
            steered = work.Steered.of(opened, model, studio.models.get(model), steering)
            data = work.render(steered, format, stop, entry.id)
            return data, opened.photo.notes_as(format)

    data, notes = await studio.queue.run(job, request, stop=stop, hurried=False)
    return send_file(data, kind_of(format, entry.format), entry.name, notes)


@router.post(
    "/session",
    operation_id="saveSession",
    summary="The session as a file",
    description=(
        "Everything asked of the photo, with its hash: `koalarize photo.jpg --session "
        "file.json` makes the identical picture."
    ),
    response_model=SessionFile,
    responses=problems(*WORKED),
)
async def save(studio: Shared, request: Request, id: Id, asked: schemas.SessionAsked) -> Response:
    entry, (model, steering) = studio.photos.get(id), asked.steering.parse()
    card = card_of(model)
    weights = None if card is None else card.sha256
    pixels = await studio.queue.run(lambda: _digest(studio, entry), request)
    session = Session(entry.name, entry.id, model, steering, weights, pixels)
    name = f"{PurePosixPath(entry.name).stem}.koalarize.json"
    headers = {"content-disposition": attachment(name)}
    return Response(session.dumps(), headers=headers, media_type="application/json")


@router.post(
    "/session/open",
    operation_id="openSession",
    summary="The steering in a session's file",
    description=("Takes the file that `saveSession` gave for this photo."),
    openapi_extra=_SESSION_BODY,
    responses=problems(409, *WORKED),
)
async def reopen(studio: Shared, request: Request, id: Id) -> SteeringAsked:
    entry = studio.photos.get(id)

    def opened(text: bytes) -> SteeringAsked:
        session = Session.loads(text)
        session.check(entry.id, entry.name, lambda: _digest(studio, entry))
        return steering_asked(session.steering, session.model)

    async with studio.uploads.read(request) as sent:
        return await studio.queue.run(lambda: opened(sent.picture), request)


def _digest(studio: Studio, entry: Entry) -> str:
    with studio.photos.open(entry) as opened:
        return opened.photo.digest()
