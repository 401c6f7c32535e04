"""A session: which photo, and everything a person asked of its colours, as a JSON file.

Not here: pictures, networks. The page of ``koalarize serve`` saves sessions and
``koalarize photo.jpg --session file.json`` replays them to the identical result.
"""

from __future__ import annotations

import codecs
import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field, Strict, ValidationError

from koalarize.errors import OptionError
from koalarize.steering.fields import written_name
from koalarize.steering.hints import MOST_PIXELS
from koalarize.steering.steering import Steering
from koalarize.steering.wire import SteeringAsked, Strictly, reason, steering_asked, whole

__all__ = ["FORMAT", "OtherPhotoError", "Session", "SessionCopy", "SessionFile"]

#: Names the layout of the file; another number, another layout.
FORMAT = "koalarize-session-1"
_FORMATS = "koalarize-session-"
_MOST_BYTES = 4 << 20
_ORDER = "give Session(photo, sha256, model, steering)"
_Text = Annotated[str, Field(min_length=1)]
_Size = Annotated[int, BeforeValidator(whole), Strict(), Field(ge=1, le=MOST_PIXELS)]
_LOOKS = 512  # digits of a picture's looks


class SessionPhoto(Strictly):
    """Which photo a session belongs to."""

    name: _Text
    sha256: _Text
    pixels: _Text | None = Field(None, description="sha256 of the decoded picture")
    width: _Size | None = Field(None, description="of the upright picture, pixels")
    height: _Size | None = Field(None, description="of it")
    looks: str | None = Field(
        None,
        pattern=f"^[0-9a-f]{{{_LOOKS}}}$",
        description="16 x 16 mean lightnesses, two digits each: the same in a copy of another size",
    )


class SessionFile(Strictly):
    """A session, as `koalarize photo.jpg --session file.json` takes it."""

    format: Literal["koalarize-session-1"]
    photo: SessionPhoto
    weights: str | None
    steering: SteeringAsked


class OtherPhotoError(OptionError):
    """A session that belongs to another photo."""


@dataclass(frozen=True)
class SessionCopy:
    """What a picture has in common with smaller, larger and repacked copies of it.

    Attributes:
        width: of the upright picture, pixels.
        height: of it.
        looks: 16 x 16 mean lightnesses in 0..255, as hexadecimal digits.
    """

    width: int
    height: int
    looks: str


@dataclass(frozen=True)
class Session:
    """What was asked of one photo.

    Attributes:
        photo: the photo's file name, for people.
        sha256: of the photo's bytes.
        model: name of the model.
        steering: what was asked.
        weights: sha256 of the model's file, where it is known.
        pixels: sha256 of the decoded picture, with which a session goes whatever else its file
            says; None in sessions of earlier versions, which go with the bytes alone.
        copy: by which copies of another size are known; None in sessions of earlier versions.

    Raises:
        OptionError: if one of them is of a wrong type, or an empty text.
    """

    photo: str
    sha256: str
    model: str
    steering: Steering
    weights: str | None = None
    pixels: str | None = None
    copy: SessionCopy | None = None

    def __post_init__(self) -> None:
        for name in ("photo", "sha256", "model", "weights", "pixels"):
            value: object = getattr(self, name)
            if value is None and name in ("weights", "pixels"):
                continue
            if not isinstance(value, str):
                raise OptionError(
                    f"`{name}` is of type {type(value).__name__} but must be a text: {_ORDER}"
                )
            if not value:
                raise OptionError(f"`{name}` is '' but must be a text that is not empty: {_ORDER}")
        if not isinstance(cast("object", self.steering), Steering):
            raise OptionError(
                f"`steering` is of type {type(self.steering).__name__} but must be a Steering: "
                f"{_ORDER}"
            )

    def dumps(self) -> str:
        """Return it as JSON text."""
        copy = {} if self.copy is None else dataclasses.asdict(self.copy)
        document = SessionFile(
            format=FORMAT,
            photo=SessionPhoto(
                name=written_name(self.photo), sha256=self.sha256, pixels=self.pixels, **copy
            ),
            weights=self.weights,
            steering=steering_asked(self.steering, self.model),
        )
        return document.model_dump_json(indent=1) + "\n"

    @classmethod
    def loads(cls, text: str | bytes) -> Session:
        """Read JSON text; anything unknown or missing is an error.

        Raises:
            OptionError: if it is no session, or a value in it is not allowed.
        """
        if not isinstance(cast("object", text), (str, bytes)):
            raise OptionError(
                f"`text` is of type {type(text).__name__} but must be text or bytes: read a "
                "session's file by Session.read"
            )
        try:
            document = SessionFile.model_validate_json(_without_mark(text))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            if first["type"] == "json_invalid":
                raise OptionError(
                    "the session is no JSON: give a file that `koalarize serve` saved"
                ) from error
            if first["loc"] == ("format",) and str(first["input"]).startswith(_FORMATS):
                raise OptionError(
                    f"the session is of another version of koalarize (`{first['input']}`; this one "
                    f"reads `{FORMAT}`): open it with that version, or a newer one"
                ) from error
            raise OptionError(f"the session cannot be used: {reason(error)}") from error
        model, steering = document.steering.parse()
        photo, copy = document.photo, None
        if photo.width is not None and photo.height is not None and photo.looks is not None:
            copy = SessionCopy(photo.width, photo.height, photo.looks)
        return cls(photo.name, photo.sha256, model, steering, document.weights, photo.pixels, copy)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Session:
        """Read a session's file.

        Raises:
            OptionError: if it cannot be read or is no session.
        """
        if not isinstance(cast("object", path), (str, os.PathLike)):
            raise OptionError(
                f"`path` is of type {type(path).__name__} but must be a path: give the file that "
                "`koalarize serve` saved, or its text to Session.loads"
            )
        path = Path(path)
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise OptionError(f"`{path}` is no session: it has more than {_MOST_BYTES} bytes")
            return cls.loads(path.read_bytes())
        except OSError as error:
            raise OptionError(
                f"the session `{path}` cannot be read ({error.strerror}): check its name"
            ) from error

    def check(self, found: str, name: str, pixels: Callable[[], str]) -> bool:
        """Check that a file is the session's photo.

        Args:
            found: the sha256 of its bytes.
            name: what to call it.
            pixels: returns the sha256 of its decoded picture; asked only if the bytes are others.

        Returns:
            Whether its bytes are those of before; otherwise only the picture in it is.

        Raises:
            OtherPhotoError: if it is another picture.
        """
        if found == self.sha256:
            return True
        if self.pixels is not None and pixels() == self.pixels:
            return False
        raise OtherPhotoError(
            f"the session belongs to `{self.photo}` (sha256 {self.sha256[:12]}…) but `{name}` "
            f"is another picture ({found[:12]}…): give the photo it was made with"
        )


def _without_mark(text: str | bytes) -> str | bytes:
    """Return a text without the mark that editors of Windows put before UTF-8."""
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    return text.removeprefix(codecs.BOM_UTF8)
