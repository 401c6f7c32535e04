"""Endpoints that show a photo as it is steered: previews, parts, likely colours, other colourings.

Not here: the work itself (``work``), files to keep (``files``).
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from koalarize.colorizer.chroma import Chroma
from koalarize.colorizer.prepare import placement
from koalarize.steering.steering import Steering
from koalarize.web.studio import schemas, work
from koalarize.web.studio.openapi import SHOWN, WORKED, Id, problems
from koalarize.web.studio.photo_store import Opened
from koalarize.web.studio.state import Shared, Studio
from koalarize.web.studio.strict import StrictRoute
from koalarize.web.studio.work_queue import Stop

__all__ = ["router"]

router = APIRouter(prefix="/photos/{id}", tags=["steering"], route_class=StrictRoute)


@router.post(
    "/preview",
    operation_id="previewPhoto",
    summary="A small version of the coloured photo",
    description=(
        "The photo, or its crop, with its longer side at most `side` pixels; never "
        "enlarged. With `grey` it is the original as it came, turned and straightened."
    ),
    response_class=Response,
    responses={**SHOWN, **problems(*WORKED)},
)
async def preview(
    studio: Shared, request: Request, id: Id, asked: schemas.PreviewAsked
) -> Response:
    entry, steering = studio.photos.get(id), asked.steering.parse()

    def job() -> bytes:
        with studio.photos.open(entry) as opened:
            crop = steering[1].crop
            if asked.grey and crop is None:
                shown, chroma = opened.straightened(placement(steering[1]), asked.side), None
            else:
                shown, chroma = _shown(studio, opened, steering, grey=asked.grey)
            return work.preview(shown, chroma, side=asked.side, format=asked.format, crop=crop)

    data = await studio.queue.run(job, request)
    return Response(data, media_type=f"image/{asked.format}")


@router.post(
    "/region",
    operation_id="regionOfPhoto",
    summary="A part of the full-size result",
    description=(
        "A rectangle of the whole photo, pixel for pixel as the file will have it, or "
        "smaller by `scale`. It is cut to the photo; the crop does not count."
    ),
    response_class=Response,
    responses={**SHOWN, **problems(*WORKED)},
)
async def region(studio: Shared, request: Request, id: Id, asked: schemas.RegionAsked) -> Response:
    entry, steering = studio.photos.get(id), asked.steering.parse()
    box = (asked.x, asked.y, asked.width, asked.height)

    def job() -> bytes:
        with studio.photos.open(entry) as opened:
            shown, chroma = _shown(studio, opened, steering, grey=asked.grey)
            return work.region(shown, chroma, box, scale=asked.scale, format=asked.format)

    data = await studio.queue.run(job, request)
    return Response(data, media_type=f"image/{asked.format}")


@router.post(
    "/suggestions",
    operation_id="suggestColors",
    summary="The colours that the network holds likely at a point",
    description=(
        "What the network holds likely at the point, given what is asked so far, in the "
        "light of that place; any of them can be the colour of a hint there."
    ),
    responses=problems(*WORKED),
)
async def suggestions(
    studio: Shared, request: Request, id: Id, asked: schemas.SuggestionsAsked
) -> schemas.SuggestionsFound:
    entry, steering = studio.photos.get(id), asked.steering.parse()

    def job() -> schemas.SuggestionsFound:
        with studio.photos.open(entry) as opened:
            steered = _steered(studio, opened, steering)
            lightness, now, found = work.suggestions(steered, asked.x, asked.y, asked.count)
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

    return await studio.queue.run(job, request)


@router.post(
    "/alternatives",
    operation_id="listAlternatives",
    summary="Other plausible colourings",
    description=(
        "Numbers for `steering.alternative`, with small previews. A number means the same "
        "colouring of a photo whatever else is asked."
    ),
    responses=problems(*WORKED),
)
async def alternatives(
    studio: Shared, request: Request, id: Id, asked: schemas.AlternativesAsked
) -> schemas.AlternativesFound:
    entry, steering, stop = studio.photos.get(id), asked.steering.parse(), Stop()

    def job() -> schemas.AlternativesFound:
        with studio.photos.open(entry) as opened:
            steered = _steered(studio, opened, steering)
            found = work.alternatives(steered, stop, count=asked.count, side=asked.side)
        return schemas.AlternativesFound(
            alternatives=[
                schemas.AlternativeFound(
                    alternative=number, difference=round(difference, 2), preview=data
                )
                for number, difference, data in found
            ]
        )

    return await studio.queue.run(job, request, stop=stop)


def _shown(
    studio: Studio, opened: Opened, asked: tuple[str, Steering], *, grey: bool
) -> tuple[Opened, Chroma | None]:
    """Return the photo to show and its chroma; the original in its place has none."""
    if grey:
        return opened.prepared(placement(asked[1])), None
    steered = _steered(studio, opened, asked)
    return steered.opened, steered.chroma


def _steered(studio: Studio, opened: Opened, asked: tuple[str, Steering]) -> work.Steered:
    model, steering = asked
    return work.Steered.of(opened, model, studio.models.get(model), steering)
