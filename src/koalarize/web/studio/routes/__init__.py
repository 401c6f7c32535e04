"""The endpoints of the REST API, one router a subject.

Not here: the work itself (``work``), uploads (``uploads``), errors (``problems``).
"""

from __future__ import annotations

from fastapi import APIRouter

from koalarize.web.studio.routes import colorize, colours, facts, files, films, photos, steering

__all__ = ["router"]

router = APIRouter()
for _part in (photos, steering, files, films, colours, facts, colorize):
    router.include_router(_part.router)
