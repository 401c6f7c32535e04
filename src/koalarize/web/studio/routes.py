"""The endpoints of the studio: photos, and everything steered about them.

Not here: the work itself (``work``), uploads (``uploads``), errors (``problems``), endpoints that
need no photo (``open_routes``).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from koalarize.models.catalog import MODELS
from koalarize.steering.session import Session
from koalarize.steering.wire import SteeringAsked, steering_asked
from koalarize.web.studio import schemas, work
from koalarize.web.studio.open_routes import add_colorize, add_colours, add_facts
from koalarize.web.studio.openapi import (
    FULL,
    SHOWN,
    UPLOADED,
    WORKED,
    Id,
    Name,
    attachment,
    describe_errors,
    kind_of,
    problems,
    send_file,
    upload_body,
    used,
)
from koalarize.web.studio.photo_store import Entry

if TYPE_CHECKING:
    from koalarize.web.studio.app import Studio

__all__ = ["add_routes"]

_STATIC = Path(__file__).parent / "static"


def add_routes(app: FastAPI, studio: Studio) -> None:
    """Add every endpoint to an application."""
    router = APIRouter(prefix="/api/v1")
    _add_photos(router, studio)
    _add_steered(router, studio)
    _add_files(router, studio)
    add_colours(router, studio)
    add_facts(router, studio)
    add_colorize(router, studio)
    app.include_router(router)

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        if not (_STATIC / "index.html").is_file():
            return RedirectResponse("/api/v1/openapi.json")
        return FileResponse(_STATIC / "index.html", headers={"cache-control": "no-cache"})

    describe_errors(app)
    used(page)


def _add_photos(router: APIRouter, studio: Studio) -> None:
    def info(entry: Entry) -> schemas.PhotoInfo:
        return schemas.PhotoInfo(
            id=entry.id,
            name=entry.name,
            sha256=entry.id,
            width=entry.width,
            height=entry.height,
            format=entry.format,
            bytes=entry.bytes,
            grey=entry.grey,
            deep=entry.deep,
            exif=entry.exif,
            expires_in=int(studio.settings.expiry),
        )

    @router.post(
        "/photos",
        operation_id="uploadPhoto",
        summary="Upload a photo to steer",
        status_code=201,
        tags=["photos"],
        openapi_extra=upload_body(),
        responses={
            200: {"description": "It was here already", "model": schemas.PhotoInfo},
            **problems(*UPLOADED),
        },
    )
    async def upload(request: Request, response: Response, name: Name = "") -> schemas.PhotoInfo:
        sent = await studio.intake.read(request, name=name)
        entry, new = await studio.queue.run(
            lambda: studio.photos.add(sent.picture, sent.name), request
        )
        response.status_code = 201 if new else 200
        response.headers["location"] = f"/api/v1/photos/{entry.id}"
        return info(entry)

    @router.get(
        "/photos/{id}",
        operation_id="getPhoto",
        summary="What a photo is",
        tags=["photos"],
        responses=problems(404, 422),
    )
    async def get(id: Id) -> schemas.PhotoInfo:
        return info(studio.photos.get(id))

    @router.delete(
        "/photos/{id}",
        operation_id="deletePhoto",
        summary="Let a photo go",
        status_code=204,
        tags=["photos"],
        responses=problems(404, 422),
    )
    async def delete(id: Id) -> None:
        studio.photos.delete(id)

    used(upload, get, delete)


def _add_steered(router: APIRouter, studio: Studio) -> None:
    photos, queue, models = studio.photos, studio.queue, studio.models

    @router.post(
        "/photos/{id}/preview",
        operation_id="previewPhoto",
        summary="A small version of the coloured photo",
        tags=["steering"],
        response_class=Response,
        responses={**SHOWN, **problems(*WORKED)},
    )
    async def preview(request: Request, id: Id, asked: schemas.PreviewAsked) -> Response:
        entry = photos.get(id)
        steering = None if asked.grey else asked.steering.parse()
        data = await queue.run(
            lambda: work.preview(
                photos.open(entry), models, steering, side=asked.side, format=asked.format
            ),
            request,
        )
        return Response(data, media_type=f"image/{asked.format}")

    @router.post(
        "/photos/{id}/region",
        operation_id="regionOfPhoto",
        summary="A part of the full-size result",
        tags=["steering"],
        response_class=Response,
        responses={**SHOWN, **problems(*WORKED)},
    )
    async def region(request: Request, id: Id, asked: schemas.RegionAsked) -> Response:
        entry = photos.get(id)
        steering = None if asked.grey else asked.steering.parse()
        box = (asked.x, asked.y, asked.width, asked.height)
        data = await queue.run(
            lambda: work.region(
                photos.open(entry), models, steering, box, scale=asked.scale, format=asked.format
            ),
            request,
        )
        return Response(data, media_type=f"image/{asked.format}")

    @router.post(
        "/photos/{id}/suggestions",
        operation_id="suggestColors",
        summary="The colours that the network holds likely at a point",
        tags=["steering"],
        responses=problems(*WORKED),
    )
    async def suggestions(
        request: Request, id: Id, asked: schemas.SuggestionsAsked
    ) -> schemas.SuggestionsFound:
        entry, steering = photos.get(id), asked.steering.parse()
        lightness, now, found = await queue.run(
            lambda: work.suggestions(
                photos.open(entry), models, steering, asked.x, asked.y, asked.count
            ),
            request,
        )
        suggested = [
            schemas.SuggestionFound(
                color=one.color,
                a=round(one.a, 2),
                b=round(one.b, 2),
                probability=round(one.probability, 4),
            )
            for one in found
        ]
        return schemas.SuggestionsFound(
            lightness=round(lightness, 2), color=now, suggestions=suggested
        )

    @router.post(
        "/photos/{id}/alternatives",
        operation_id="listAlternatives",
        summary="Other plausible colourings",
        tags=["steering"],
        responses=problems(*WORKED),
    )
    async def alternatives(
        request: Request, id: Id, asked: schemas.AlternativesAsked
    ) -> schemas.AlternativesFound:
        entry, steering = photos.get(id), asked.steering.parse()
        found = await queue.run(
            lambda: work.alternatives(
                photos.open(entry), models, steering, count=asked.count, side=asked.side
            ),
            request,
        )
        return schemas.AlternativesFound(
            alternatives=[
                schemas.AlternativeFound(
                    alternative=number, difference=round(difference, 2), preview=data
                )
                for number, difference, data in found
            ]
        )

    used(preview, region, suggestions, alternatives)


def _add_files(router: APIRouter, studio: Studio) -> None:
    photos, queue = studio.photos, studio.queue

    @router.post(
        "/photos/{id}/render",
        operation_id="renderPhoto",
        summary="The full-size file with the original's metadata",
        tags=["files"],
        response_class=Response,
        responses={**FULL, **problems(*WORKED)},
    )
    async def render(request: Request, id: Id, asked: schemas.RenderAsked) -> Response:
        entry, (model, steering) = photos.get(id), asked.steering.parse()

        def job() -> bytes:
            photo = photos.open(entry).photo
            return work.render(photo, studio.models.get(model), steering, asked.format)

        data = await queue.run(job, request)
        return send_file(data, kind_of(asked.format, entry.format), entry.name)

    @router.post(
        "/photos/{id}/session",
        operation_id="saveSession",
        summary="The session as a file",
        tags=["files"],
        response_model=schemas.SessionFile,
        responses=problems(*WORKED),
    )
    async def save(id: Id, asked: schemas.SessionAsked) -> Response:
        entry, (model, steering) = photos.get(id), asked.steering.parse()
        card = MODELS.get(model)
        weights = None if card is None else card.sha256
        session = Session(entry.name, entry.id, model, steering, weights)
        name = f"{PurePosixPath(entry.name).stem}.koalarize.json"
        headers = {"content-disposition": attachment(name)}
        return Response(session.dumps(), headers=headers, media_type="application/json")

    @router.post(
        "/photos/{id}/session/open",
        operation_id="openSession",
        summary="The steering in a session's file",
        tags=["files"],
        response_model=schemas.SteeringAsked,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"$ref": "#/components/schemas/SessionFile"},
                    }
                },
            }
        },
        responses=problems(409, 408, 413, 415, *WORKED),
    )
    async def reopen(request: Request, id: Id) -> SteeringAsked:
        entry = photos.get(id)
        sent = await studio.intake.read(request)

        def job() -> SteeringAsked:
            session = Session.loads(sent.picture)
            session.check_hash(entry.id, entry.name)
            return steering_asked(session.steering, session.model)

        return await queue.run(job, request)

    used(render, save, reopen)
