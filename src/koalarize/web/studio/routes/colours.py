"""Endpoints of colours that need no uploaded photo: palettes of references, gamuts.

Not here: colour science (``color``).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from koalarize.steering.wire import PaletteJson
from koalarize.web.studio import schemas, work
from koalarize.web.studio.openapi import (
    UPLOADED,
    Name,
    noted,
    notes_header,
    pictures,
    problems,
    upload_body,
)
from koalarize.web.studio.state import Shared
from koalarize.web.studio.strict import StrictRoute

__all__ = ["router"]

router = APIRouter(tags=["colours"], route_class=StrictRoute)

_Lightness = Annotated[float, Query(ge=0, le=100)]


@router.post(
    "/references",
    operation_id="readReference",
    summary="The palette of a reference picture; nothing is kept",
    description=("Goes into `steering.reference`. A form holds it as the file `picture`."),
    openapi_extra=upload_body(),
    responses={
        200: {"headers": notes_header("what its colours lack")},
        **problems(*UPLOADED),
    },
)
async def reference(
    studio: Shared, request: Request, response: Response, name: Name = ""
) -> PaletteJson:
    async with studio.uploads.read(request, name=name) as sent:
        palette, notes = await studio.queue.run(
            lambda: work.palette(sent.picture, sent.name, studio.settings), request
        )
    response.headers.update(noted(notes))
    return palette


@router.get(
    "/gamut",
    operation_id="getGamut",
    summary="Which a* and b* exist at a lightness",
    description=("The outermost colours that sRGB has at this L*, by hue."),
    responses=problems(422),
)
async def gamut(lightness: _Lightness) -> schemas.Gamut:
    boundary = work.gamut_boundary(lightness)
    return schemas.Gamut(lightness=lightness, extent=work.EXTENT, boundary=boundary)


@router.get(
    "/gamut.png",
    operation_id="drawGamut",
    summary="The plane of a* and b* at a lightness",
    description=("A PNG, a* to the right and b* upwards, clear where sRGB has no colour."),
    response_class=Response,
    responses={**pictures("image/png"), **problems(422, 429, 503)},
)
async def gamut_picture(
    studio: Shared,
    lightness: _Lightness,
    side: Annotated[int, Query(ge=16, le=1024)] = 256,
) -> Response:
    data = await studio.queue.run(lambda: work.gamut_picture(lightness, side))
    kept = {"cache-control": "private, max-age=31536000, immutable"}
    return Response(data, headers=kept, media_type="image/png")
