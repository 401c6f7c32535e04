"""Endpoints of the uploaded photos: upload, look up, delete.

Not here: how photos are kept (``photo_store``) and read (``uploads``).
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from koalarize.web.studio import schemas
from koalarize.web.studio.openapi import UPLOADED, Id, Name, Tolerant, problems, upload_body
from koalarize.web.studio.photo_store import Entry
from koalarize.web.studio.state import Shared, Studio
from koalarize.web.studio.strict import StrictRoute

__all__ = ["router"]

router = APIRouter(tags=["photos"], route_class=StrictRoute)


@router.post(
    "/photos",
    operation_id="uploadPhoto",
    summary="Upload a photo to steer",
    description=(
        "The bytes of a picture, or a form with the file `picture`. The id is the sha256 "
        "of the bytes, so that a photo that is here already is answered with 200. It "
        "leaves after hours without use. A damaged one is refused (415, `damaged`) unless "
        "`tolerant` is true; then `notes` say what is not there."
    ),
    status_code=201,
    openapi_extra=upload_body(),
    responses={
        200: {"description": "It was here already", "model": schemas.PhotoInfo},
        **problems(*UPLOADED),
    },
)
async def upload(
    studio: Shared,
    request: Request,
    response: Response,
    name: Name = "",
    tolerant: Tolerant = False,
) -> schemas.PhotoInfo:
    async with studio.uploads.read(request, name=name) as sent:
        entry, new = await studio.queue.run(
            lambda: studio.photos.add(sent.picture, sent.name, tolerant=tolerant), request
        )
    response.status_code = 201 if new else 200
    response.headers["location"] = f"photos/{entry.id}"  # a proxy may add a path
    return _info(studio, entry)


@router.get(
    "/photos/{id}",
    operation_id="getPhoto",
    summary="What a photo is",
    description=("Size, format and name. Asking counts as use."),
    responses=problems(404, 422),
)
async def get(studio: Shared, id: Id) -> schemas.PhotoInfo:
    return _info(studio, studio.photos.get(id))


@router.delete(
    "/photos/{id}",
    operation_id="deletePhoto",
    summary="Let a photo go",
    description=("Its bytes and all that was made of it are removed at once."),
    status_code=204,
    responses=problems(404, 422),
)
async def delete(studio: Shared, id: Id) -> None:
    studio.photos.delete(id)


@router.post(
    "/photos/leave",
    operation_id="leavePhotos",
    summary="Say that a page was closed: its photos and films leave in minutes unless it returns",
    description=(
        "A page that is closed says which photos and films it had. They leave in minutes unless "
        "somebody asks for them; ids that are unknown do not matter."
    ),
    status_code=204,
    responses=problems(400, 408, 413, 415, 422),
)
async def leave(studio: Shared, asked: schemas.LeaveAsked) -> None:
    studio.photos.leave(asked.ids)
    studio.films.leave(asked.ids)


def _info(studio: Studio, entry: Entry) -> schemas.PhotoInfo:
    return schemas.PhotoInfo(
        id=entry.id,
        name=entry.name,
        sha256=entry.id,
        width=entry.width,
        height=entry.height,
        format=entry.format,
        bytes=entry.bytes,
        grey=entry.grey,
        negative=entry.negative,
        deep=entry.deep,
        exif=entry.exif,
        pages=entry.pages,
        notes=list(entry.notes),
        expires_in=int(studio.settings.expiry),
    )
