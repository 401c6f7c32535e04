"""Reading uploads: raw bodies and multipart forms; what they hold together is bounded.

Not here: what the bytes are (``photo_store``), bytes and time of one body (``bodies``). Nothing of
an upload touches a disk before it is known to be a picture.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from koalarize.web.studio.problems import Problem
from koalarize.web.studio.settings import Settings

__all__ = ["Upload", "UploadReader", "safe_name"]

_MOST_NAME = 120
_PARTS = ("picture", "reference")


@dataclass(frozen=True)
class Upload:
    """What a client sent.

    Attributes:
        picture: the bytes of the picture.
        name: the client's name of it, made harmless; may be empty.
        reference: the bytes of a reference picture, if one was sent.
    """

    picture: bytes
    name: str
    reference: bytes | None = None


class _InMemoryParser(MultiPartParser):
    """Starlette's parser, which never spools a part to the disk: bodies are bounded already."""

    spool_max_size = 1 << 62


class UploadReader:
    """Reads uploads for one application and counts what those under way hold."""

    def __init__(self, settings: Settings) -> None:
        """Make one with the limits of the application."""
        self._settings = settings
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request, *, name: str = "") -> AsyncGenerator[Upload, None]:
        """Read the body of a request: raw, or a form with `picture` and perhaps `reference`.

        Its bytes are counted until the context ends: while it waits for its turn as well.

        Raises:
            Problem: 400, 408, 413, 415 or 429.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        claimed = self._claimed(request)
        held = [0]
        try:
            chunks = self._chunks(request, claimed, held)
            if kind == "multipart/form-data":
                sent = await self._form(request, chunks, name)
            else:
                body = bytearray()
                async for chunk in chunks:
                    body += chunk
                sent = Upload(bytes(body), safe_name(name))
                del body
            yield sent
        finally:
            self._held -= held[0]

    def _claimed(self, request: Request) -> int:
        """Check the length that the client announces, before anything is read."""
        text = request.headers.get("content-length", "0")
        claimed = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
        if self._held + claimed > self._settings.upload_memory:
            raise Problem(429, "too many uploads at once: try again in a second")
        return claimed

    async def _chunks(
        self, request: Request, claimed: int, held: list[int]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the body; what it holds is noted in ``held``."""
        held[0] = claimed
        self._held += claimed
        total = 0
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise Problem(400, "the upload was cut off: send it again")
            chunk = message.get("body", b"")
            total += len(chunk)
            if total > held[0]:
                self._held += total - held[0]
                held[0] = total
                if self._held > self._settings.upload_memory:
                    raise Problem(429, "too many uploads at once: try again in a second")
            if chunk:
                yield chunk
            if not message.get("more_body", False):
                return

    async def _form(
        self, request: Request, chunks: AsyncGenerator[bytes, None], name: str
    ) -> Upload:
        if "boundary=" not in request.headers["content-type"].lower():
            raise Problem(400, "the form has no boundary: let the HTTP library write the header")
        parser = _InMemoryParser(request.headers, chunks, max_files=2, max_fields=8)
        try:
            form = await parser.parse()
        except (MultiPartException, ValueError, KeyError) as error:
            raise Problem(400, f"the form cannot be read ({error}): send it again") from error
        try:
            parts: dict[str, bytes] = {}
            for key, value in form.multi_items():
                if key not in _PARTS or not isinstance(value, UploadFile) or key in parts:
                    raise Problem(
                        400,
                        "the form must hold the file `picture`, and at most `reference` besides",
                    )
                name = (value.filename or name) if key == "picture" and not name else name
                parts[key] = await value.read()
            if "picture" not in parts:
                raise Problem(400, "the form holds no file `picture`")
            return Upload(parts["picture"], safe_name(name), parts.get("reference"))
        finally:
            await form.close()


def safe_name(name: str) -> str:
    """Return the last part of a client's file name, without what could do harm in a header."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    kept = "".join(letter for letter in last if letter.isprintable() and letter not in '"\\/:*?<>|')
    return kept.strip(". ")[-_MOST_NAME:]
