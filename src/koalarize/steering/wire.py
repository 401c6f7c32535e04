"""Steering as JSON: the one schema of sessions and of the REST service, made of its fields.

Not here: the fields and their bounds (``steering.steering``), the session's file
(``steering.session``). Unknown keys, wrong kinds and values outside their bounds are refused.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    ValidationError,
    WithJsonSchema,
    create_model,
)

from koalarize.errors import OptionError, did_you_mean
from koalarize.steering.fields import Help
from koalarize.steering.hints import Hint
from koalarize.steering.palette import MOST_AB, WEIGHTS, Palette
from koalarize.steering.steering import PARTS, Steering

__all__ = ["PaletteJson", "SteeringAsked", "Strictly", "read", "reason", "steering_asked", "whole"]

_Model = TypeVar("_Model", bound=BaseModel)

#: What people call the kinds of JSON.
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list",
    "model": "an object",
}
_AB_SCHEMA = {"type": "number", "minimum": -MOST_AB, "maximum": MOST_AB}
_WEIGHT_SCHEMA = {"type": "integer", "minimum": 1, "maximum": WEIGHTS}
_BIN_SCHEMA = {"type": "integer", "minimum": 0, "maximum": 259}  # of the default bins


def _tuple_schema(*members: Mapping[str, object]) -> dict[str, object]:
    """Describe a list of a fixed length."""
    size = len(members)
    return {"type": "array", "prefixItems": list(members), "minItems": size, "maxItems": size}


_PALETTE_SCHEMA = {
    "title": "Palette",
    "description": "The palette of a reference picture, as `POST /references` gives it.",
    "type": "object",
    "required": ["name", "sha256", "bands"],
    "properties": {
        "name": {"type": "string"},
        "sha256": {"type": "string"},
        "bands": {
            "description": "Of the dark, the middle and the light tones: colours as a*, b* and a "
            "weight, each colour once. Pairs of an ab bin and its weight, of 0.3, are read too.",
            "type": "array",
            "items": {
                "type": "array",
                "items": {
                    "anyOf": [
                        _tuple_schema(_AB_SCHEMA, _AB_SCHEMA, _WEIGHT_SCHEMA),
                        _tuple_schema(_BIN_SCHEMA, _WEIGHT_SCHEMA),
                    ]
                },
                "uniqueItems": True,
                "minItems": 1,
                "maxItems": 1000,
            },
            "minItems": 3,
            "maxItems": 3,
        },
        "swatches": {"type": "array", "items": {"type": "string"}},
    },
    "additionalProperties": False,
}

#: How a palette stands in JSON.
PaletteJson = Annotated[
    Palette,
    PlainValidator(lambda data: data if isinstance(data, Palette) else Palette.from_json(data)),
    PlainSerializer(Palette.to_json),
    WithJsonSchema(_PALETTE_SCHEMA),
]


class Strictly(BaseModel):
    """Refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def whole(value: object) -> object:
    """Take 5.0 for 5, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _strict(annotation: Any) -> Any:
    """Return an annotation with every kind taken as it is: no text for a number, no 1 for true."""
    if annotation is float:
        return Annotated[float, Strict(), Field(allow_inf_nan=False)]
    if annotation in (int, bool, str):
        return Annotated[annotation, Strict()]
    if annotation is Palette:
        return PaletteJson
    if dataclasses.is_dataclass(annotation):
        return _model_of(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        # The last mark runs first: bounds after it would be none of JSON Schema's.
        points = [BeforeValidator(whole)] if arguments[0] is int else []
        return Annotated[_strict(arguments[0]), *arguments[1:], *points]
    if origin in (Union, types.UnionType):
        return Union[tuple(_strict(member) for member in arguments)]  # noqa: UP007
    if origin is tuple:
        return list[_strict(arguments[0])]
    return annotation


@cache
def _model_of(noun: Any) -> type[BaseModel]:
    """Return a strict model with the fields, bounds, defaults and help of a dataclass."""
    hints = get_type_hints(noun, localns={"Palette": Palette}, include_extras=True)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(noun):
        help = next(mark for mark in hints[field.name].__metadata__ if isinstance(mark, Help))
        required = field.default is dataclasses.MISSING
        default = ... if required else [] if field.default == () else field.default
        described = Field(default, description=help.text, pattern=help.pattern)
        fields[field.name] = (_strict(hints[field.name]), described)
    made = create_model(f"{noun.__name__}Asked", __base__=Strictly, **fields)
    made.__doc__ = (noun.__doc__ or "").partition("\n")[0]
    return made


_Fields: Any = _model_of(Steering)


class SteeringAsked(_Fields):
    """Everything that may be asked of a colouring, and of which model."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"vividness": 1.2, "hints": [{"x": 120, "y": 300, "color": "#c03020"}]},
                {"recolors": [{"was": "#3050c0", "becomes": "#6f4a2c"}], "turn": 90},
            ]
        }
    )

    model: Annotated[str, Strict()] = Field(
        "koala", min_length=1, max_length=100, description="Of `GET /models`."
    )

    def parse(self) -> tuple[str, Steering]:
        """Return the model's name and the steering.

        Raises:
            OptionError: if a value is not allowed.
        """
        values: dict[str, Any] = {name: getattr(self, name) for name in _names()}
        for name, noun in PARTS.items():
            part: Any = values[name]
            if isinstance(part, list):
                models = cast("list[BaseModel]", part)
                values[name] = tuple(noun(**model.model_dump()) for model in models)
            elif part is not None:
                values[name] = noun(**part.model_dump())
        return self.model, Steering(**values)


def _names() -> list[str]:
    return [field.name for field in dataclasses.fields(Steering)]


def steering_asked(steering: Steering, model: str) -> SteeringAsked:
    """Return steering and its model as what stands in JSON.

    Raises:
        OptionError: if the model's name is none.
    """
    values: dict[str, Any] = {name: getattr(steering, name) for name in _names()}
    for name in PARTS:
        part = values[name]
        if isinstance(part, tuple):
            values[name] = [dataclasses.asdict(cast("Hint", one)) for one in part]
        elif part is not None:
            values[name] = dataclasses.asdict(part)
    return read(SteeringAsked, {"model": model, **values})


def read(noun: type[_Model], data: object) -> _Model:
    """Read plain data as a model.

    Raises:
        OptionError: if a key is unknown or missing, or a value is not allowed.
    """
    try:
        return noun.model_validate(data)
    except ValidationError as error:
        raise OptionError(reason(error)) from error


def reason(error: ValidationError) -> str:
    """Return the first thing that is wrong as a sentence: where, what it is, what it must be."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the document"
    if first["type"] == "extra_forbidden":
        where, _, key = place.rpartition(".")
        where = f"`{where}`" if where else "the document"
        if key in _known():
            return f"{where} has the key `{key}`, which belongs in another place: move it there"
        return f"{where} has an unknown key `{key}`{did_you_mean(key, _known())}"
    if first["type"] == "missing":
        return f"`{place}` is missing: it must be given"
    if first["type"] == "string_pattern_mismatch":
        return f"`{place}` is {_shown(first['input'])} but must look like #rrggbb"
    kind = first["type"].partition("_")[0]
    must = f"be {_KINDS[kind]}" if kind in _KINDS else first["msg"].partition("should ")[2]
    return f"`{place}` is {_shown(first['input'])} but must {must or first['msg']}"


def _known() -> list[str]:
    parts = [field.name for noun in PARTS.values() for field in dataclasses.fields(noun)]
    return list(dict.fromkeys([*_names(), "model", *parts]))


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number"
    return text if len(text) <= 60 else f"{text[:57]}..."
