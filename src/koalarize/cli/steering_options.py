"""The options of the command line that are made of fields: one each of ``Steering`` and of films'.

Not here: the fields, their bounds and their help (``steering.steering``, ``film.options``). Loads
nothing slow.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

import typer

from koalarize.errors import OptionError, PhotoError
from koalarize.film.options import FilmOptions, seconds_of
from koalarize.steering.fields import Bounds, bounds_of, check, help_of
from koalarize.steering.steering import PARTS, PLAIN, Steering

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


__all__ = [
    "COLORS",
    "FILMS",
    "color_options",
    "option_names",
    "option_of_one_picture",
    "read_film_options",
    "read_steering",
    "steering_options",
]

#: Headings of the help under which these options stand.
COLORS = "Colours"
FILMS = "Films"

_Command = TypeVar("_Command", bound=Callable[..., int])


def option_names() -> dict[str, str]:
    """Return the option of each field of ``Steering``."""
    return {field.name: _option(field) for field in dataclasses.fields(Steering)}


def option_of_one_picture(steering: Steering) -> str | None:
    """Return the option, of those asked, that is about places of one picture."""
    asked = (name for name in _PLACES if getattr(steering, name) != getattr(PLAIN, name))
    return next((option_names()[name] for name in asked), None)


def steering_options(command: _Command) -> _Command:
    """Give a command, in place of its ``**asked``, one option a field of what can be asked."""
    return _with_options(command, {COLORS: Steering, FILMS: FilmOptions})


def color_options(command: _Command) -> _Command:
    """Give a command of many pictures one option a field of ``Steering``, likewise.

    Its help leaves out what is about places of one picture: such a command refuses that.
    """
    return _with_options(command, {COLORS: Steering}, hidden=_PLACES)


def _with_options(
    command: _Command, kinds: Mapping[str, type[DataclassInstance]], hidden: Sequence[str] = ()
) -> _Command:
    signature = inspect.signature(command, eval_str=True)
    parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    names = [parameter.name for parameter in parameters]
    place = names.index("model") + 1
    parameters[place:place] = [
        _parameter(field, heading, hidden=field.name in hidden)
        for heading, kind in kinds.items()
        for field in dataclasses.fields(kind)
    ]
    made = cast(Any, command)
    made.__signature__ = signature.replace(parameters=parameters)
    made.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def read_steering(asked: Mapping[str, object]) -> Steering:
    """Return the steering that the words of a command line ask for.

    Args:
        asked: what each option was given; a default is left out.

    Raises:
        OptionError: if a value is not allowed, or the reference cannot be read.
    """
    return Steering(**_read(Steering, asked))  # type: ignore[arg-type]


def read_film_options(asked: Mapping[str, object]) -> FilmOptions:
    """Return how films are made, as the words of a command line ask for.

    Args:
        asked: what each option was given; a default is left out.

    Raises:
        OptionError: if a value is not allowed.
    """
    return FilmOptions(**_read(FilmOptions, asked))  # type: ignore[arg-type]


def _read(kind: type[DataclassInstance], asked: Mapping[str, object]) -> dict[str, object]:
    fields = [field for field in dataclasses.fields(kind) if asked.get(field.name) is not None]
    given = {field.name: asked[field.name] for field in fields}
    for name, noun in PARTS.items():
        text = given.get(name)
        if isinstance(text, str):
            given[name] = noun.parse(text)
        elif text is not None:
            given[name] = tuple(noun.parse(one) for one in cast("Sequence[str]", text))
    for name, read in _READERS.items():
        if name in given:
            given[name] = read(given[name])
    for field in fields:
        check(f"`{_option(field)}`", given[field.name], bounds_of(field))
    return given


def _parameter(field: dataclasses.Field[Any], heading: str, *, hidden: bool) -> inspect.Parameter:
    help, bounds = help_of(field), bounds_of(field)
    kind, default = bounds.kind, field.default
    if kind is None:
        kind, default = _kind(field), None
    elif not bounds.required:
        kind = cast(Any, kind) | None
    spelled = _option(field)
    option = typer.Option(
        f" /{spelled}" if default is True else spelled,
        metavar=help.metavar,
        help=help.text + _range(bounds, default),
        show_default=False,
        hidden=hidden,
        rich_help_panel=heading,
    )
    annotation: Any = Annotated[cast(Any, kind), option]
    return inspect.Parameter(
        field.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation
    )


def _option(field: dataclasses.Field[Any]) -> str:
    """Return a field's word; of what is usually on, the word that leaves it out."""
    no = "no-" if field.default is True else ""
    return help_of(field).option or f"--{no}{field.name.replace('_', '-')}"


def _range(bounds: Bounds, default: object) -> str:
    if bounds.low is None or bounds.high is None or bounds.kind is bool:
        return ""
    usual = "" if default is None else f", usually {default:g}"
    return f" [{bounds.low:g} to {bounds.high:g}{usual}]"


def _kind(field: dataclasses.Field[Any]) -> Any:
    """Return what stands on the command line for a field that is neither a number nor a switch."""
    if field.name in _FILES:
        return Path | None
    if field.name not in PARTS:
        return str | None
    return str | None if bounds_of(field).most is None else list[str] | None


def _palette(path: Any) -> object:
    from koalarize.colorizer.reference import read_reference

    try:
        palette, notes = read_reference(cast(Path, path))
    except PhotoError as error:
        raise OptionError(f"`--reference` is no picture: {error}") from error
    for note in notes:
        typer.echo(f"koalarize: note: {note}", err=True)
    return palette


#: Fields that are about places of one picture; a reach is that of hints.
_PLACES = ("hints", "crop", "reach")
#: Fields that are given as a file.
_FILES = ("reference", "shots", "frames")
#: How the words of a field that is no part with a reader of its own are read.
_READERS: dict[str, Callable[[Any], object]] = {
    "reference": _palette,
    "start": seconds_of,
    "stop": seconds_of,
}
