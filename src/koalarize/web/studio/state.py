"""What the endpoints of one application share, and how an endpoint comes to it.

Not here: the application (``app``), what each endpoint does (``routes``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import Request

from koalarize.web.studio.film_store import FilmStore
from koalarize.web.studio.photo_store import PhotoStore
from koalarize.web.studio.settings import Settings
from koalarize.web.studio.uploads import UploadReader
from koalarize.web.studio.work import Models
from koalarize.web.studio.work_queue import WorkQueue

__all__ = ["PREFIX", "Shared", "Studio", "studio_of"]

#: Where the REST API stands.
PREFIX = "/api/v1"


@dataclass(frozen=True)
class Studio:
    """What the endpoints share.

    Attributes:
        settings: the limits.
        models: by name.
        queue: where work is done.
        photos: the uploaded ones.
        films: the uploaded ones.
        uploads: reads uploads.
    """

    settings: Settings
    models: Models
    queue: WorkQueue
    photos: PhotoStore
    films: FilmStore
    uploads: UploadReader


def studio_of(request: Request) -> Studio:
    """Return what the application of a request shares."""
    return cast("Studio", request.app.state.studio)


#: A parameter of an endpoint that needs it.
Shared = Annotated[Studio, Depends(studio_of)]
