"""Endpoints of films: upload, shots and their frames, colouring with progress, the results.

Not here: how films are kept (``film_store``), the work itself (``film_work``). The frame of a shot
is steered as a photo of its own (``photos``, ``steering``).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Annotated, TypeVar

from fastapi import APIRouter
from fastapi import Path as PathPart
from starlette.requests import Request
from starlette.responses import Response

from koalarize.errors import KoalarizeError, OptionError
from koalarize.steering.steering import Steering
from koalarize.web.studio import film_work
from koalarize.web.studio.film_file import FilmFile
from koalarize.web.studio.film_room import Claim
from koalarize.web.studio.film_schemas import FilmAsked, FilmInfo
from koalarize.web.studio.film_store import Film
from koalarize.web.studio.openapi import Id, Name, attachment, pictures, problems
from koalarize.web.studio.problems import Problem
from koalarize.web.studio.state import Shared, Studio
from koalarize.web.studio.strict import BYTES, StrictRoute
from koalarize.web.studio.uploads import safe_name

__all__ = ["router"]

router = APIRouter(tags=["films"], route_class=StrictRoute)

_T = TypeVar("_T")
_BUFFER = 1 << 20  # bytes of an upload that are written at once
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {"requestBody": {"required": True, "content": {BYTES: _BINARY}}}
_FILE = {
    200: {"description": "the file", "content": {"video/*": _BINARY, BYTES: _BINARY}},
    206: {
        "description": "the part that `Range` names, or several",
        "content": {BYTES: _BINARY, "multipart/byteranges": _BINARY},
    },
}
_LIST = {
    200: {
        "description": "the list, as `koalarize film.mp4 --shots` takes it",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@router.post(
    "/films",
    operation_id="uploadFilm",
    summary="Upload a film",
    description=(
        "The bytes of a film as the body. Its id is their sha256; a film that is here already "
        "is answered with 200. Then its shots are looked for: ask for it until `state` is "
        "`ready`. Needs the extra `video`."
    ),
    status_code=201,
    openapi_extra=_BODY,
    responses={
        200: {"description": "It was here already", "model": FilmInfo},
        **problems(400, 408, 413, 415, 429, 501, 503, 507),
    },
)
async def upload(studio: Shared, request: Request, response: Response, name: Name = "") -> FilmInfo:
    claimed = request.headers.get("content-length", "0")
    size = int(claimed) if claimed.isascii() and claimed.isdigit() and len(claimed) < 19 else 0
    partial = studio.films.partial(secrets.token_hex(8))
    try:
        with studio.films.room(size) as claim:
            digest = await _written(studio, request, partial, claim)
            film, new = await studio.queue.run(
                lambda: studio.films.add(partial, digest, safe_name(name)), request
            )
    except OSError as error:
        raise Problem(507, "the disk has no room for this film: free some") from error
    finally:
        partial.unlink(missing_ok=True)
    response.status_code = 201 if new else 200
    response.headers["location"] = f"films/{film.id}"  # a proxy may add a path
    return FilmInfo.of(film, studio.settings.expiry)


async def _written(studio: Studio, request: Request, partial: Path, claim: Claim) -> str:
    """Write a body to a file, piece by piece; return its sha256."""
    digest, waiting = hashlib.sha256(), bytearray()
    with partial.open("wb") as stream:

        def write(data: bytes) -> None:
            studio.films.grow(claim, claim.written + len(data))
            digest.update(data)
            stream.write(data)

        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise Problem(400, "the upload was cut off: send it again")
            waiting += message.get("body", b"")
            more = message.get("more_body", False)
            if len(waiting) >= _BUFFER or not more:
                await asyncio.to_thread(write, bytes(waiting))
                waiting.clear()
            if not more:
                break
    if not claim.written:
        raise Problem(415, "the upload is empty: send the bytes of a film", "not-a-film")
    return digest.hexdigest()


@router.get(
    "/films/{id}",
    operation_id="getFilm",
    summary="What a film is, its shots, and how far its colouring is",
    description="Asking counts as use.",
    responses=problems(404),
)
async def get(studio: Shared, id: Id) -> FilmInfo:
    return FilmInfo.of(studio.films.get(id), studio.settings.expiry)


@router.delete(
    "/films/{id}",
    operation_id="deleteFilm",
    summary="Let a film go",
    description="It and all that was made of it are removed at once; its colouring is ended.",
    status_code=204,
    responses=problems(404),
)
async def delete(studio: Shared, id: Id) -> None:
    await asyncio.to_thread(studio.films.delete, id)


@router.get(
    "/films/{id}/shots/{number}/frame",
    operation_id="getFrame",
    summary="The frame that stands for a shot",
    description=(
        "A grey PNG of the middle frame, upright, without the film's bars: upload it as a photo, "
        "and steer that."
    ),
    response_class=Response,
    responses={**pictures("image/png"), **problems(404, 409, 429, 503)},
)
async def frame(
    studio: Shared, request: Request, id: Id, number: Annotated[int, PathPart(ge=0, lt=1000)]
) -> Response:
    film = studio.films.get(id)
    data = await _computed(studio, request, film, lambda: film_work.frame_of(film, number))
    return Response(data, media_type="image/png")


@router.post(
    "/films/{id}/list",
    operation_id="listShots",
    summary="The list of a film's shots, with what is asked of them",
    description=(
        "`koalarize film.mp4 --shots film.shots.json` makes of it what `renderFilm` makes."
    ),
    response_class=Response,
    responses={**_LIST, **problems(400, 404, 408, 409, 413, 415, 429, 503)},
)
async def listed(studio: Shared, request: Request, id: Id, asked: FilmAsked) -> Response:
    film, wanted = studio.films.get(id), _asked(asked)
    data = await _computed(studio, request, film, lambda: film_work.list_of(film, wanted))
    headers = {"content-disposition": attachment(f"{_stem(film)}.shots.json")}
    return Response(data, headers=headers, media_type="application/json")


@router.post(
    "/films/{id}/render",
    operation_id="renderFilm",
    summary="Begin to colour a film",
    description=(
        "Goes on by itself: `getFilm` says how far it is, a DELETE here ends it. One film is "
        "coloured at a time; others wait. Shots that did not change since the last time are not "
        "made again."
    ),
    status_code=202,
    responses=problems(400, 404, 408, 409, 413, 415, 429, 503),
)
async def render(studio: Shared, request: Request, id: Id, asked: FilmAsked) -> FilmInfo:
    film, wanted = studio.films.get(id), _asked(asked)
    colorizer = await studio.queue.run(lambda: studio.models.get(asked.model), request)
    data, target = await _computed(
        studio,
        request,
        film,
        lambda: (film_work.list_of(film, wanted), film_work.target_of(film)),
    )
    studio.films.begin(
        film,
        lambda render: film_work.colored(film, colorizer, data, asked.steadiness, render),
        target,
    )
    return FilmInfo.of(film, studio.settings.expiry)


@router.delete(
    "/films/{id}/render",
    operation_id="cancelFilm",
    summary="End the colouring of a film",
    description="What is coloured already is kept: the next time goes on from there.",
    status_code=204,
    responses=problems(404),
)
async def cancel(studio: Shared, id: Id) -> None:
    film = studio.films.get(id)
    if film.render is not None:
        film.render.stop.ask()


@router.get(
    "/films/{id}/file",
    operation_id="getColoredFilm",
    summary="The coloured film",
    description=(
        "Is there once its colouring is done. A `Range` of bytes gives a part of it, so that a "
        "download that broke off goes on."
    ),
    response_class=FilmFile,
    responses={**_FILE, **problems(404, 416)},
)
async def file(studio: Shared, id: Id) -> FilmFile:
    film = studio.films.get(id)
    if film.render is None or film.render.state != "done" or not film.render.target.exists():
        raise Problem(404, "this film is not coloured yet: ask for that first")
    path = film.render.target
    headers = {"content-disposition": attachment(f"{_stem(film)}.color{path.suffix}")}
    return FilmFile(path, headers=headers, media_type=BYTES)


async def _computed(studio: Studio, request: Request, film: Film, work: Callable[[], _T]) -> _T:
    """Compute something of a film in a thread; its errors do not tell where the film lies.

    Raises:
        KoalarizeError: as the work does.
        Problem: as the queue does.
    """
    try:
        return await studio.queue.run(work, request)
    except KoalarizeError as error:
        raise type(error)(film.told(error)) from error


def _asked(asked: FilmAsked) -> dict[int, Steering]:
    """Return what is asked of each shot.

    Raises:
        OptionError: if a shot stands twice, or another model is asked for one.
    """
    found: dict[int, Steering] = {}
    for shot in asked.shots:
        model, steering = shot.steering.parse()
        if shot.number in found:
            raise OptionError(f"shot {shot.number} stands twice: name each once")
        if model != asked.model:
            raise OptionError(
                f"shot {shot.number} asks for the model `{model}` but the film for "
                f"`{asked.model}`: one model colours a film"
            )
        found[shot.number] = steering
    return found


def _stem(film: Film) -> str:
    return PurePosixPath(film.name).stem or "film"
