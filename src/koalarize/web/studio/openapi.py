"""How endpoints describe themselves in OpenAPI, and how they send files.

Not here: the endpoints (``routes``).
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, get_args
from urllib.parse import quote

from fastapi import FastAPI, Query
from fastapi import Path as PathPart
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from koalarize.photo.files import FORMATS, MEDIA_TYPES, extension_of, written_format
from koalarize.web.studio import schemas
from koalarize.web.studio.problems import MEDIA_TYPE, SLUGS, Problem
from koalarize.web.studio.strict import BYTES
from koalarize.web.studio.uploads import safe_name

__all__ = [
    "FULL",
    "NOTES",
    "SHOWN",
    "TAGS",
    "UPLOADED",
    "WORKED",
    "Id",
    "Name",
    "Tolerant",
    "accepted",
    "attachment",
    "complete",
    "kind_of",
    "noted",
    "notes_header",
    "pictures",
    "problems",
    "send_file",
    "upload_body",
]

_CHUNK = 1 << 16
#: The header of an answer that says something in words.
NOTES = "Koalarize-Notes"
TAGS: list[dict[str, object]] = [
    {"name": "colorize", "description": "One picture in, one picture out: for other programs."},
    {"name": "photos", "description": "Photos that are kept a while, to be steered step by step."},
    {"name": "steering", "description": "Looking at a photo as it would be coloured."},
    {"name": "files", "description": "The files a person keeps."},
    {"name": "films", "description": "Films, with the extra `video`: shots, colouring, results."},
    {"name": "colours", "description": "Palettes, and the colours that exist."},
    {"name": "facts", "description": "What there is and what is taken."},
]
#: Headers of answers by status, and of the files of some endpoints.
_HEADERS = {
    "401": ("WWW-Authenticate", "`Bearer`"),
    "429": ("Retry-After", "seconds after which to ask again"),
    "503": ("Retry-After", "seconds; what took too long would take as long again"),
}
_OPERATION_HEADERS = {
    ("uploadPhoto", "200"): ("Location", "the address of the photo, relative to this one"),
    ("uploadPhoto", "201"): ("Location", "the address of the photo, relative to this one"),
    ("uploadFilm", "200"): ("Location", "the address of the film, relative to this one"),
    ("uploadFilm", "201"): ("Location", "the address of the film, relative to this one"),
    ("listShots", "200"): ("Content-Disposition", "the name of the file (RFC 6266)"),
    ("getColoredFilm", "200"): ("Content-Disposition", "the name of the file (RFC 6266)"),
    ("renderPhoto", "200"): ("Content-Disposition", "the name of the file (RFC 6266)"),
    ("colorizePicture", "200"): ("Content-Disposition", "the name of the file (RFC 6266)"),
    ("saveSession", "200"): ("Content-Disposition", "the name of the file (RFC 6266)"),
}
_PICTURE = {"type": "string", "format": "binary", "description": "a JPEG, PNG, TIFF, WebP …"}

Id = Annotated[str, PathPart(pattern="^[0-9a-f]{64}$", description="of `PhotoInfo`")]
Name = Annotated[str, Query(max_length=1000, description="the file's name, for the result's")]
Tolerant = Annotated[bool, Query(description="read a damaged picture as far as it goes")]


def problems(*statuses: int) -> dict[int | str, dict[str, object]]:
    """Describe the errors of an endpoint."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {"description": SLUGS[status][1], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in (*statuses, 401, 403, 421, 422)
    }


def pictures(*kinds: str) -> dict[int | str, dict[str, object]]:
    """Describe an answer that is a picture of one of these media types."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (*kinds, BYTES)}
    return {200: {"description": "the picture", "content": content}}


def files(*kinds: str) -> dict[int | str, dict[str, object]]:
    """Describe an answer that is a file of one of these media types, with notes on it."""
    described = pictures(*kinds)
    described[200]["headers"] = notes_header("what of the picture is not in the file")
    return described


def notes_header(what: str) -> dict[str, object]:
    """Describe the header that says something in words."""
    text = f"{what}: a JSON list of phrases; absent if nothing"
    return {NOTES: {"description": text, "schema": {"type": "string"}}}


def noted(notes: Sequence[str]) -> dict[str, str]:
    """Return the header that says notes, their JSON list in ASCII; none if there are none."""
    return {NOTES: json.dumps(notes)} if notes else {}


def upload_body(*, reference: bool = False) -> dict[str, object]:
    """Describe a raw body or a form that holds a picture."""
    parts = {"picture": _PICTURE, **({"reference": _PICTURE} if reference else {})}
    form = {"type": "object", "properties": parts, "required": ["picture"]}
    content = {
        "application/octet-stream": {"schema": _PICTURE},
        "multipart/form-data": {"schema": {**form, "additionalProperties": False}},
    }
    return {"requestBody": {"required": True, "content": content}}


WORKED = (400, 404, 408, 413, 415, 422, 429, 503, 507)
UPLOADED = (400, 408, 413, 415, 422, 429, 503, 507)
SHOWN = pictures("image/jpeg", "image/webp", "image/png")
FULL = files(*MEDIA_TYPES.values())


def complete(app: FastAPI) -> None:
    """Complete the description: problems for FastAPI's own 422, the token, headers, examples."""
    original = app.openapi

    def described() -> dict[str, Any]:
        document = original()
        if "ProblemDetails" in document["components"]["schemas"]:
            return document  # complete: every request to an `{id}` asks for it
        found = document["components"]["schemas"]
        found.pop("HTTPValidationError", None)
        found.pop("ValidationError", None)
        found["ProblemDetails"] = schemas.ProblemDetails.model_json_schema()
        document["components"]["securitySchemes"] = {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "The token of `koalarize serve`, where it asks for one.",
            }
        }
        document["security"] = [{"token": []}, {}]
        for path in document["paths"].values():
            for operation in path.values():
                _add_headers(operation)
        return document

    app.openapi = described  # type: ignore[method-assign]


def _add_headers(operation: dict[str, Any]) -> None:
    """Add the headers of the answers of an endpoint."""
    for status, response in operation["responses"].items():
        own = _OPERATION_HEADERS.get((operation["operationId"], status))
        for name, text in filter(None, (own, _HEADERS.get(status))):
            headers = response.setdefault("headers", {})
            headers[name] = {"description": text, "schema": {"type": "string"}}


def kind_of(asked: str | None, own: str) -> str:
    """Return Pillow's name of the format that a result has."""
    return written_format(own) if asked is None else FORMATS["." + asked]


def accepted(request: Request, asked: schemas.Output | None) -> schemas.Output | None:
    """Return the format that is asked for: in so many words, or by the `Accept` header.

    Returns:
        None where the picture's own will do.

    Raises:
        Problem: 406 if none that can be written is acceptable.
    """
    header = request.headers.get("accept", "*/*")
    shares: dict[str, float] = {}
    for part in header.split(","):
        kind, *marks = (text.strip().lower() for text in part.split(";"))
        share = next((mark[2:] for mark in marks if mark.startswith("q=")), "1")
        try:
            shares[kind] = float(share)
        except ValueError:
            shares[kind] = 0.0
    if asked is not None or any(shares.get(kind, 0) > 0 for kind in ("*/*", "image/*", BYTES)):
        return asked
    ours: dict[str, schemas.Output] = {f"image/{name}": name for name in get_args(schemas.Output)}
    found = [kind for kind in shares if kind in ours and shares[kind] > 0]
    if not found:
        raise Problem(406, f"the `Accept` header takes none of {', '.join(ours)}: name one of them")
    return ours[max(found, key=lambda kind: shares[kind])]


def send_file(data: bytes, kind: str, name: str, notes: Sequence[str]) -> Response:
    """Send a file piece by piece, so that a slow reader holds only what is not sent yet.

    Args:
        data: the file.
        kind: Pillow's name of its format.
        name: of the picture it was made of.
        notes: what of that picture is not in the file.
    """
    own = PurePosixPath(safe_name(name) or "photo")
    kept = FORMATS.get(own.suffix.lower()) == kind
    ending = own.suffix if kept else extension_of(kind)
    headers = {
        "content-length": str(len(data)),
        "content-disposition": attachment(f"{own.stem}.color{ending}"),
        **noted(notes),
    }

    async def pieces() -> AsyncGenerator[memoryview, None]:
        view = memoryview(data)
        for start in range(0, len(view), _CHUNK):
            yield view[start : start + _CHUNK]

    return StreamingResponse(pieces(), headers=headers, media_type=MEDIA_TYPES[kind])


def attachment(name: str) -> str:
    """Return a Content-Disposition that every browser reads (RFC 6266)."""
    plain = name.encode("ascii", "replace").decode("ascii").replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
