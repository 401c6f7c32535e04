"""Endpoints of the files a person keeps of a photo: the coloured picture and the session.

Not here: what a session is (``steering.session``), how pictures are shown (``steering``).
"""

from __future__ import annotations

from pathlib import PurePosixPath

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from koalarize.colorizer.copies import copy_facts, replayed
from koalarize.models.catalog import card_of
from koalarize.photo.photo import Photo
from koalarize.steering.session import Session, SessionCopy, SessionFile
from koalarize.steering.wire import SteeringAsked, steering_asked
from koalarize.web.studio import schemas, work
from koalarize.web.studio.openapi import (
    FULL,
    WORKED,
    Id,
    accepted,
    attachment,
    kind_of,
    noted,
    notes_header,
    problems,
    send_file,
)
from koalarize.web.studio.state import Shared
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

    def told() -> tuple[str, SessionCopy]:
        studio.models.get(model)  # one that nothing can open is no session
        with studio.photos.open(entry) as opened:
            work.check_places(opened, steering)
            return opened.photo.digest(), copy_facts(opened.photo)

    pixels, copy = await studio.queue.run(told, request)
    session = Session(entry.name, entry.id, model, steering, weights, pixels, copy)
    name = f"{PurePosixPath(entry.name).stem}.koalarize.json"
    headers = {"content-disposition": attachment(name)}
    return Response(session.dumps(), headers=headers, media_type="application/json")


@router.post(
    "/session/open",
    operation_id="openSession",
    summary="The steering in a session's file",
    description=(
        "Takes the file that `saveSession` gave for this photo, or for another copy of its "
        "picture; then places in it are brought to this one's size."
    ),
    openapi_extra=_SESSION_BODY,
    responses={
        200: {"headers": notes_header("that places were brought to the size of another copy")},
        **problems(409, *WORKED),
    },
)
async def reopen(studio: Shared, request: Request, response: Response, id: Id) -> SteeringAsked:
    entry = studio.photos.get(id)

    def picture() -> Photo:
        with studio.photos.open(entry) as opened:
            return opened.photo

    def opened(text: bytes) -> tuple[SteeringAsked, str | None]:
        session = Session.loads(text)
        steering, note = replayed(session, session.steering, entry.id, entry.name, picture)
        with studio.photos.open(entry) as photo:
            work.check_places(photo, steering)  # one that was edited by hand may lie anywhere
        moved = steering != session.steering  # a page needs no word on a caption that changed
        return steering_asked(steering, session.model), note if moved else None

    async with studio.uploads.read(request) as sent:
        steering, note = await studio.queue.run(lambda: opened(sent.picture), request)
    response.headers.update(noted([note] if note else []))
    return steering
