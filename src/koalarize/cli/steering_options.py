"""The options of the command line that steer: made of the fields of ``Steering``, one each.

Not here: the fields, their bounds and their help (``steering.steering``). Loads nothing slow.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import typer

from koalarize.steering.fields import Bounds, bounds_of, check, help_of
from koalarize.steering.steering import PARTS, Steering

__all__ = ["option_names", "read_steering", "steering_options"]

_Command = TypeVar("_Command", bound=Callable[..., int])


def option_names() -> dict[str, str]:
    """Return the option of each field of ``Steering``."""
    return {field.name: _option(field) for field in dataclasses.fields(Steering)}


def steering_options(command: _Command) -> _Command:
    """Give a command, in place of its ``**asked``, one option a field of ``Steering``."""
    signature = inspect.signature(command, eval_str=True)
    parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    names = [parameter.name for parameter in parameters]
    place = names.index("model") + 1
    parameters[place:place] = [_parameter(field) for field in dataclasses.fields(Steering)]
    made = cast(Any, command)
    made.__signature__ = signature.replace(parameters=parameters)
    made.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def read_steering(asked: Mapping[str, object]) -> Steering:
    """Return the steering that the words of a command line ask for.

    Args:
        asked: what each option was given; a default is left out.

    Raises:
        OptionError: if a value is not allowed.
        PhotoError: if the reference cannot be read.
    """
    given = dict(asked)
    for name, noun in PARTS.items():
        text = given.get(name)
        if isinstance(text, str):
            given[name] = noun.parse(text)
        elif text is not None:
            given[name] = tuple(noun.parse(one) for one in cast("Sequence[str]", text))
    if given.get("reference") is not None:
        from koalarize.colorizer.reference import palette_of

        given["reference"] = palette_of(cast("Path", given["reference"]))
    given = {name: value for name, value in given.items() if value is not None}
    for field in dataclasses.fields(Steering):
        if field.name in given:
            check(f"`{_option(field)}`", given[field.name], bounds_of(field))
    return Steering(**given)  # type: ignore[arg-type]


def _parameter(field: dataclasses.Field[Any]) -> inspect.Parameter:
    help, bounds = help_of(field), bounds_of(field)
    kind, default = bounds.kind, field.default
    if kind is None:
        kind, default = _kind(field), None
    elif not bounds.required:
        kind = cast(Any, kind) | None
    option = typer.Option(
        _option(field),
        metavar=help.metavar,
        help=help.text + _range(bounds, default),
        show_default=False,
    )
    annotation: Any = Annotated[cast(Any, kind), option]
    return inspect.Parameter(
        field.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation
    )


def _option(field: dataclasses.Field[Any]) -> str:
    return help_of(field).option or f"--{field.name.replace('_', '-')}"


def _range(bounds: Bounds, default: object) -> str:
    if bounds.low is None or bounds.high is None or bounds.kind is bool:
        return ""
    usual = "" if default is None else f", usually {default:g}"
    return f" [{bounds.low:g} to {bounds.high:g}{usual}]"


def _kind(field: dataclasses.Field[Any]) -> Any:
    """Return what stands on the command line for a field that is neither a number nor a switch."""
    if field.name not in PARTS:
        return Path | None
    return str | None if bounds_of(field).most is None else list[str] | None
