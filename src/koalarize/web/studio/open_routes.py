"""The endpoints that need no uploaded photo: colours, facts, and a picture in, a picture out.

Not here: photos that are steered step by step (``routes``), the work itself (``work``).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

import koalarize
from koalarize.models.catalog import MODELS
from koalarize.steering.hints import Hint
from koalarize.steering.palette import Palette
from koalarize.steering.steering import MOST_ALTERNATIVES, MOST_HINTS, Steering
from koalarize.web.studio import schemas, work
from koalarize.web.studio.openapi import (
    FULL,
    UPLOADED,
    Name,
    kind_of,
    pictures,
    problems,
    send_file,
    upload_body,
    used,
)
from koalarize.web.studio.photo_store import read_photo

if TYPE_CHECKING:
    from koalarize.web.studio.app import Studio

__all__ = ["add_colorize", "add_colours", "add_facts"]


def add_colours(router: APIRouter, studio: Studio) -> None:
    """Add the endpoints of palettes and gamuts."""

    @router.post(
        "/references",
        operation_id="readReference",
        summary="The palette of a reference picture; nothing is kept",
        tags=["colours"],
        openapi_extra=upload_body(),
        responses=problems(*UPLOADED),
    )
    async def reference(request: Request, name: Name = "") -> schemas.ReferencePalette:
        sent = await studio.intake.read(request, name=name)

        def job() -> Palette:
            return _palette(studio, sent.picture, sent.name)

        palette = await studio.queue.run(job, request)
        return schemas.ReferencePalette.model_validate(palette.to_json())

    @router.get(
        "/gamut",
        operation_id="getGamut",
        summary="Which a* and b* exist at a lightness",
        tags=["colours"],
        responses=problems(422),
    )
    async def gamut(lightness: Annotated[float, Query(ge=0, le=100)]) -> schemas.Gamut:
        boundary = work.gamut_boundary(lightness)
        return schemas.Gamut(lightness=lightness, extent=work.EXTENT, boundary=boundary)

    @router.get(
        "/gamut.png",
        operation_id="drawGamut",
        summary="The plane of a* and b* at a lightness",
        tags=["colours"],
        response_class=Response,
        responses={**pictures("image/png"), **problems(422, 429, 503)},
    )
    async def gamut_picture(
        lightness: Annotated[float, Query(ge=0, le=100)],
        side: Annotated[int, Query(ge=16, le=1024)] = 256,
    ) -> Response:
        data = await studio.queue.run(lambda: work.gamut_picture(lightness, side))
        kept = {"cache-control": "private, max-age=31536000, immutable"}
        return Response(data, headers=kept, media_type="image/png")

    used(reference, gamut, gamut_picture)


def add_facts(router: APIRouter, studio: Studio) -> None:
    """Add the endpoints that say what there is."""

    @router.get(
        "/models",
        operation_id="listModels",
        summary="The models that may be asked for",
        tags=["facts"],
        responses=problems(429, 503),
    )
    async def models() -> schemas.ModelList:
        def job() -> schemas.ModelList:
            return schemas.ModelList(models=[_facts(studio, name) for name in studio.models.names])

        return await studio.queue.run(job)

    @router.get(
        "/limits",
        operation_id="getLimits",
        summary="What is taken at most",
        tags=["facts"],
        responses=problems(),
    )
    async def limits() -> schemas.Limits:
        chosen = studio.settings
        return schemas.Limits(
            max_bytes=chosen.max_bytes,
            max_pixels=chosen.max_pixels,
            workers=chosen.workers,
            queue=chosen.queue,
            timeout=chosen.timeout,
        )

    @router.get(
        "/health",
        operation_id="getHealth",
        summary="Whether the service is well",
        tags=["facts"],
        responses=problems(),
    )
    async def health() -> schemas.Health:
        return schemas.Health(
            status="ok",
            version=koalarize.__version__,
            busy=studio.queue.busy,
            waiting=studio.queue.waiting,
            photos=len(studio.photos),
        )

    used(models, limits, health)


def add_colorize(router: APIRouter, studio: Studio) -> None:
    """Add the endpoint for other programs."""
    default = studio.settings.model

    @router.post(
        "/colorize",
        operation_id="colorizePicture",
        summary="Colour a picture: bytes in, bytes out",
        tags=["colorize"],
        response_class=Response,
        openapi_extra=upload_body(reference=True),
        responses={**FULL, **problems(*UPLOADED)},
    )
    async def colorize(
        request: Request,
        model: Annotated[str, Query(min_length=1, max_length=100)] = default,
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
                palette = _palette(studio, sent.reference, "reference")
            steering = Steering(
                vividness, warmth, hints, size, alternative, palette, best, keep_color
            )
            colored = work.render(photo, studio.models.get(model), steering, format)
            return colored, photo.format

        data, own = await studio.queue.run(job, request)
        return send_file(data, kind_of(format, own), sent.name or "photo")

    used(colorize)


def _palette(studio: Studio, data: bytes, name: str) -> Palette:
    photo = read_photo(data, studio.settings)
    return Palette.of(photo, name=name or "reference", sha256=hashlib.sha256(data).hexdigest())


def _facts(studio: Studio, name: str) -> schemas.ModelFacts:
    info, card = studio.models.get(name).info, MODELS.get(name)
    return schemas.ModelFacts(
        name=name,
        summary="" if card is None else card.summary,
        licence="" if card is None else card.licence,
        parameters=0 if card is None else card.parameters,
        size=info.size,
        accepts_hints=info.accepts_hints,
        suggests=info.output == "logits",
        default=name == studio.settings.model,
    )
