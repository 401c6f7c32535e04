"""The endpoint for other programs: a picture in, a picture out.

Not here: photos that are steered step by step (``steering``), the work itself (``work``).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from koalarize.web.studio import schemas, work
from koalarize.web.studio.openapi import (
    FULL,
    UPLOADED,
    Name,
    Tolerant,
    accepted,
    kind_of,
    problems,
    send_file,
    upload_body,
)
from koalarize.web.studio.photo_store import Opened
from koalarize.web.studio.query import FromQuery
from koalarize.web.studio.reading import read_photo
from koalarize.web.studio.state import Shared
from koalarize.web.studio.strict import StrictRoute
from koalarize.web.studio.uploads import Upload
from koalarize.web.studio.work_queue import Stop

__all__ = ["router"]

router = APIRouter(tags=["colorize"], route_class=StrictRoute)


@router.post(
    "/colorize",
    operation_id="colorizePicture",
    summary="Colour a picture: bytes in, bytes out",
    description=(
        "The body is the picture, or a form with the files `picture` and perhaps "
        "`reference`. What is asked stands in the query, spelled as on the command line. "
        "Nothing is kept."
    ),
    response_class=Response,
    openapi_extra=upload_body(reference=True),
    responses={**FULL, **problems(406, *UPLOADED)},
)
async def colorize(
    studio: Shared,
    request: Request,
    asked: FromQuery,
    format: Annotated[
        schemas.Output | None, Query(description="the picture's own by default")
    ] = None,
    name: Name = "",
    tolerant: Tolerant = False,
) -> Response:
    (model, steering), stop = asked, Stop()
    format = accepted(request, format)

    def colored(sent: Upload) -> tuple[bytes, str, tuple[str, ...]]:
        photo = read_photo(sent.picture, studio.settings, tolerant=tolerant)
        digest = hashlib.sha256(sent.picture).hexdigest()
        asked, noted = steering, ()
        if sent.reference is not None:
            palette, noted = work.palette(sent.reference, "reference", studio.settings)
            asked = replace(steering, reference=palette)
        steered = work.Steered.of(Opened(photo), model, studio.models.get(model), asked)
        data = work.render(steered, format, stop, digest)
        return data, photo.format, (*photo.notes_as(format), *noted)

    async with studio.uploads.read(request, name=name) as sent:
        data, own, notes = await studio.queue.run(lambda: colored(sent), request, stop=stop)
    return send_file(data, kind_of(format, own), sent.name or "photo", notes)
