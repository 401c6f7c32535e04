"""Endpoints that say what there is: models, limits, health.

Not here: the models themselves (``models.catalog``).
"""

from __future__ import annotations

from fastapi import APIRouter

import koalarize
from koalarize.models.catalog import ForeignCard, card_of
from koalarize.steering.wire import SteeringAsked
from koalarize.web.studio import schemas
from koalarize.web.studio.openapi import problems
from koalarize.web.studio.state import Shared, Studio
from koalarize.web.studio.strict import StrictRoute

__all__ = ["router"]

router = APIRouter(tags=["facts"], route_class=StrictRoute)


@router.get(
    "/models",
    operation_id="listModels",
    summary="The models that may be asked for",
    description=("Names for `steering.model`, and what each can do."),
    responses=problems(429, 503),
)
async def models(studio: Shared) -> schemas.ModelList:
    def job() -> schemas.ModelList:
        return schemas.ModelList(models=[_facts(studio, name) for name in studio.models.names])

    return await studio.queue.run(job)


@router.get(
    "/steering",
    operation_id="getSteering",
    summary="The JSON schema of what may be asked: bounds, defaults and help",
    description=("Pages and programs make their controls of it."),
    responses=problems(),
)
async def steering() -> dict[str, object]:
    return SteeringAsked.model_json_schema()


@router.get(
    "/limits",
    operation_id="getLimits",
    summary="What is taken at most",
    description="Sizes, and how many requests work and wait at once.",
    responses=problems(),
)
async def limits(studio: Shared) -> schemas.Limits:
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
    description=("Needs no token."),
    responses=problems(),
)
async def health(studio: Shared) -> schemas.Health:
    return schemas.Health(
        status="ok",
        version=koalarize.__version__,
        busy=studio.queue.busy,
        waiting=studio.queue.waiting,
        photos=len(studio.photos),
    )


def _facts(studio: Studio, name: str) -> schemas.ModelFacts:
    card = card_of(name)
    if isinstance(card, ForeignCard):  # up to 1 GB: not loaded before it is asked to colour
        return schemas.ModelFacts(
            name=name,
            summary=card.summary,
            licence=card.licence,
            parameters=card.parameters,
            size=card.contract.size,
            accepts_hints=False,
            suggests=False,
            default=False,
        )
    info = studio.models.get(name).info
    return schemas.ModelFacts(
        name=name,
        summary="" if card is None else card.summary,
        licence="" if card is None else card.licence,
        parameters=0 if card is None else card.parameters,
        size=info.size,
        accepts_hints=info.accepts_hints,
        suggests=info.suggests,
        default=name == SteeringAsked.model_fields["model"].default,
    )
