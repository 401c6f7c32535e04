"""A session: which photo, and everything a person asked of its colours, as a JSON file.

Not here: pictures, networks. The page of ``koalarize serve`` saves sessions and
``koalarize photo.jpg --session file.json`` replays them to the identical result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from koalarize.errors import OptionError, did_you_mean
from koalarize.steering.hints import Hint
from koalarize.steering.palette import Palette
from koalarize.steering.steering import Steering

__all__ = [
    "FORMAT",
    "MOST_HINTS",
    "OtherPhotoError",
    "Session",
    "steering_from_json",
    "steering_to_json",
]

#: Names the layout of the file; another number, another layout.
FORMAT = "koalarize-session-1"
#: More hints than anybody sets by hand.
MOST_HINTS = 200
_MOST_BYTES = 4 << 20
_STEERING = (
    "model",
    "size",
    "vividness",
    "warmth",
    "alternative",
    "best",
    "keep_color",
    "hints",
    "reference",
)
_HINT = ("x", "y", "color", "radius")


class OtherPhotoError(OptionError):
    """A session that belongs to another photo."""


@dataclass(frozen=True)
class Session:
    """What was asked of one photo.

    Attributes:
        photo: the photo's file name, for people.
        sha256: of the photo's bytes; a session goes with these bytes only.
        model: name of the model.
        weights: sha256 of the model's file, where it is known.
        steering: what was asked.
    """

    photo: str
    sha256: str
    model: str
    steering: Steering
    weights: str | None = None

    def dumps(self) -> str:
        """Return it as JSON text."""
        photo = {"name": self.photo, "sha256": self.sha256}
        document = {
            "format": FORMAT,
            "photo": photo,
            "weights": self.weights,
            "steering": steering_to_json(self.steering, self.model),
        }
        return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    @classmethod
    def loads(cls, text: str | bytes) -> Session:
        """Read JSON text; anything unknown or missing is an error.

        Raises:
            OptionError: if it is no session, or a value in it is not allowed.
        """
        try:
            data: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise OptionError(f"the session is not JSON ({error}): save it again") from error
        facts = _object(data, "the session", ("format", "photo", "weights", "steering"))
        if facts.get("format") != FORMAT:
            raise OptionError(
                f"the session's `format` is {json.dumps(facts.get('format'))} but must be "
                f'"{FORMAT}": save it again with this version'
            )
        photo = _object(facts.get("photo"), "the session's `photo`", ("name", "sha256"))
        weights = facts.get("weights")
        model, steering = steering_from_json(facts.get("steering"))
        return cls(
            _text(photo.get("name"), "photo.name"),
            _text(photo.get("sha256"), "photo.sha256"),
            model,
            steering,
            None if weights is None else _text(weights, "weights"),
        )

    @classmethod
    def read(cls, path: Path) -> Session:
        """Read a session's file.

        Raises:
            OptionError: if it cannot be read or is no session.
        """
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise OptionError(f"`{path}` is no session: it has more than {_MOST_BYTES} bytes")
            return cls.loads(path.read_bytes())
        except OSError as error:
            raise OptionError(
                f"the session `{path}` cannot be read ({error.strerror}): check its name"
            ) from error

    def check(self, data: bytes, name: str) -> None:
        """Check that these are the bytes of the session's photo.

        Args:
            data: the file.
            name: what to call it.

        Raises:
            OtherPhotoError: if they are others.
        """
        self.check_hash(hashlib.sha256(data).hexdigest(), name)

    def check_hash(self, found: str, name: str) -> None:
        """Check that this is the sha256 of the session's photo; raises as ``check`` does."""
        if found != self.sha256:
            raise OtherPhotoError(
                f"the session belongs to `{self.photo}` (sha256 {self.sha256[:12]}…) but `{name}` "
                f"is another picture ({found[:12]}…): give the photo it was made with, unchanged"
            )


def steering_to_json(steering: Steering, model: str) -> dict[str, Any]:
    """Return steering as plain data, in the order in which people read it."""
    hints = [
        {"x": hint.x, "y": hint.y, "color": hint.color, "radius": hint.radius}
        for hint in steering.hints
    ]
    reference = steering.reference
    return {
        "model": model,
        "size": steering.size,
        "vividness": steering.vividness,
        "warmth": steering.warmth,
        "alternative": steering.alternative,
        "best": steering.best,
        "keep_color": steering.keep_color,
        "hints": hints,
        "reference": None if reference is None else reference.to_json(),
    }


def steering_from_json(data: object) -> tuple[str, Steering]:
    """Read what ``steering_to_json`` gives; what is left out has its default.

    Returns:
        The model's name and the steering.

    Raises:
        OptionError: if a key is unknown or a value is not allowed.
    """
    facts = _object(data, "`steering`", _STEERING)
    default = Steering()
    size, reference = facts.get("size"), facts.get("reference")
    hints = facts.get("hints", [])
    if not isinstance(hints, list) or len(cast("list[object]", hints)) > MOST_HINTS:
        raise OptionError(f"`hints` must be a list of at most {MOST_HINTS} hints")
    return _text(facts.get("model", "koala"), "model"), Steering(
        vividness=_number(facts.get("vividness", default.vividness), "vividness"),
        warmth=_number(facts.get("warmth", default.warmth), "warmth"),
        hints=tuple(_hint(hint) for hint in cast("list[object]", hints)),
        size=None if size is None else _whole(size, "size"),
        alternative=_whole(facts.get("alternative", default.alternative), "alternative"),
        reference=None if reference is None else Palette.from_json(reference),
        best=_switch(facts.get("best", default.best), "best"),
        keep_color=_switch(facts.get("keep_color", default.keep_color), "keep_color"),
    )


def _hint(data: object) -> Hint:
    facts = _object(data, "a hint", _HINT)
    radius = facts.get("radius")
    return Hint(
        _number(facts.get("x"), "x"),
        _number(facts.get("y"), "y"),
        _text(facts.get("color"), "color"),
        None if radius is None else _number(radius, "radius"),
    )


def _object(data: object, what: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise OptionError(f"{what} must be an object with {', '.join(known)}")
    facts = cast("dict[str, Any]", data)
    for key in facts:
        if key not in known:
            raise OptionError(f"{what} has an unknown key `{key}`{did_you_mean(key, known)}")
    return facts


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise OptionError(f"`{name}` is {json.dumps(value)} but must be a text")
    return value


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise OptionError(f"`{name}` is {json.dumps(value)} but must be a number")
    return float(value)


def _switch(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise OptionError(f"`{name}` is {json.dumps(value)} but must be true or false")
    return value


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise OptionError(f"`{name}` is {json.dumps(value)} but must be a whole number")
    return value
