"""The file of a coloured film, whole or a part of it: a download that broke off goes on.

Not here: films and their colouring (``film_store``, ``film_work``).
"""

from __future__ import annotations

import re

from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from koalarize.web.studio.problems import Problem, answer
from koalarize.web.studio.strict import asked_method

__all__ = ["FilmFile"]

_PART = re.compile(r"\s*(\d{0,18})-(\d{0,18})\s*")


class FilmFile(FileResponse):
    """A file of which a client may ask for parts (``Range``); HEAD reads nothing of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        refused = False

        async def told(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == 416:
                refused = True
                headers = {
                    name.decode(): value.decode()
                    for name, value in message["headers"]
                    if name == b"content-range"
                }
                problem = Problem(
                    416, "the file ends before the part that is asked for: ask for all of it"
                )
                await answer(problem, headers)(scope, receive, send)
            elif not refused:
                await send(message)

        # What is no range counts as none (RFC 9110, 14.2).
        headers = [
            (name, value)
            for name, value in scope["headers"]
            if name != b"range" or _is_range(value.decode("latin-1"))
        ]
        asked = {**scope, "headers": headers, "method": asked_method(scope)}
        await super().__call__(asked, receive, told)


def _is_range(text: str) -> bool:
    """Whether a header names parts of a file, in bytes."""
    unit, _, parts = text.partition("=")
    found = [_PART.fullmatch(part) for part in parts.split(",")]
    return unit.strip().lower() == "bytes" and all(
        one is not None and (one[1] or one[2]) and int(one[1] or 0) <= int(one[2] or one[1] or 0)
        for one in found
    )
