"""Steering as query parameters, made of its fields: for programs that send one picture.

Not here: steering as JSON (``steering.wire``). A reference picture is a part of the form instead.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Annotated, Any

from fastapi import Depends, Query

from koalarize.steering.fields import bounds_of, help_of
from koalarize.steering.steering import PARTS, Steering
from koalarize.steering.wire import SteeringAsked

__all__ = ["FromQuery"]

_FIELDS = {field.name: field for field in dataclasses.fields(Steering)}
_EXAMPLES = {
    "hint": [["120,300=#c03020"]],
    "recolor": [["#3050c0=#6f4a2c"]],
    "crop": ["20,10,640,480"],
}


def _asked(**values: Any) -> tuple[str, Steering]:
    """Return the model's name and the steering that a query asks for.

    Raises:
        OptionError: if a value is not allowed.
    """
    for name, noun in PARTS.items():
        text: Any = values[name]
        if isinstance(text, str):
            values[name] = noun.parse(text)
        elif bounds_of(_FIELDS[name]).most is not None:
            values[name] = tuple(noun.parse(one) for one in text or ())
    return values.pop("model"), Steering(**values)


def _parameters() -> list[inspect.Parameter]:
    """Return the parameters of ``_asked`` as FastAPI reads them."""
    model = SteeringAsked.model_fields["model"]
    marks = Query(min_length=1, max_length=100, description=model.description)
    found = [
        _keyword("model", Annotated[str, marks], model.default),
    ]
    for field in dataclasses.fields(Steering):
        if field.name not in _SPELLED:
            continue
        bounds, text, spelled = bounds_of(field), help_of(field).text, _SPELLED[field.name]
        examples = _EXAMPLES.get(spelled)
        if field.name in PARTS and bounds.most is None:
            marks = Query(alias=spelled, description=text, examples=examples)
            found.append(_keyword(field.name, Annotated[str | None, marks], None))
        elif bounds.most is None:
            finite = False if bounds.kind is float else None
            marks = Query(alias=spelled, description=text, allow_inf_nan=finite)
            found.append(_keyword(field.name, Annotated[field.type, marks], field.default))
        else:
            marks = Query(
                alias=spelled, description=text, max_length=bounds.most, examples=examples
            )
            found.append(_keyword(field.name, Annotated[list[str] | None, marks], None))
    return found


def _keyword(name: str, annotation: Any, default: object) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _spelled() -> dict[str, str]:
    """Return how each field is spelled in a query: as on the command line, or as it is called."""
    found: dict[str, str] = {}
    for field in dataclasses.fields(Steering):
        if field.name != "reference":
            found[field.name] = (help_of(field).option or field.name).removeprefix("--")
    return found


_SPELLED = _spelled()
_asked.__signature__ = inspect.Signature(_parameters())  # type: ignore[attr-defined]

#: A parameter of an endpoint: the model's name and the steering.
FromQuery = Annotated[tuple[str, Steering], Depends(_asked)]
