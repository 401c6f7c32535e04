"""The endpoint for other programs: a picture in, a picture out.

Not here: photos that are steered step by step (``steering``), the work itself (``work``).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from koalarize.steering.hints import Hint
from koalarize.steering.steering import MOST_ALTERNATIVES, MOST_HINTS, Steering
from koalarize.web.studio import schemas, work
from koalarize.web.studio.openapi import (
    FULL,
    UPLOADED,
    Name,
    kind_of,
    problems,
    send_file,
    upload_body,
)
from koalarize.web.studio.photo_store import read_photo
from koalarize.web.studio.state import Shared

__all__ = ["router"]

router = APIRouter(tags=["colorize"])


@router.post(
    "/colorize",
    operation_id="colorizePicture",
    summary="Colour a picture: bytes in, bytes out",
    response_class=Response,
    openapi_extra=upload_body(reference=True),
    responses={**FULL, **problems(*UPLOADED)},
)
async def colorize(
    studio: Shared,
    request: Request,
    model: Annotated[str, Query(min_length=1, max_length=100)] = "koala",
    vividness: Annotated[float, Query(ge=0, le=3, allow_inf_nan=False)] = 1.0,
    warmth: Annotated[float, Query(ge=-1, le=1, allow_inf_nan=False)] = 0.0,
    size: Annotated[int | None, Query(ge=32, le=1024)] = None,
    alternative: Annotated[int, Query(ge=0, le=MOST_ALTERNATIVES)] = 0,
    best: bool = False,
    keep_color: bool = False,
    hint: Annotated[
        list[str] | None,
        Query(
            max_length=MOST_HINTS,
            description="X,Y=#RRGGBB or X,Y,RADIUS=#RRGGBB; repeatable",
            examples=[["120,300=#c03020"]],
        ),
    ] = None,
    format: Annotated[
        schemas.Output | None, Query(description="the picture's own by default")
    ] = None,
    name: Name = "",
) -> Response:
    hints = tuple(Hint.parse(text) for text in hint or ())
    sent = await studio.intake.read(request, name=name)

    def job() -> tuple[bytes, str]:
        photo = read_photo(sent.picture, studio.settings)
        palette = None
        if sent.reference is not None:
            palette = work.palette(sent.reference, "reference", studio.settings)
        steering = Steering(vividness, warmth, hints, size, alternative, palette, best, keep_color)
        colored = work.render(photo, studio.models.get(model), steering, format)
        return colored, photo.format

    data, own = await studio.queue.run(job, request)
    return send_file(data, kind_of(format, own), sent.name or "photo")
