"""What a field that a person may set declares beside itself: its bounds and its help.

Not here: the fields (``steering.steering``, ``steering.hints``). Loads nothing slow, since the help
of the command line is made of it.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import re
from collections.abc import Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsFloat, get_args

from annotated_types import Ge, Le, MaxLen, MultipleOf

from koalarize.errors import OptionError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["EXACT", "Bounds", "Help", "bounds_of", "check", "check_all", "help_of", "written_name"]

#: Control characters, bytes that are no UTF-8, and the two signs that XML refuses.
_NO_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
#: How numbers stand in errors: 5.0000001 is not 5, and 1000000 is not 1e+06.
EXACT = ".15g"


@dataclass(frozen=True)
class Help:
    """What a field is for, as every page and help text says it.

    Attributes:
        text: one plain sentence.
        option: its word on the command line, where that is not the field's own name.
        metavar: what stands for its value there.
        pattern: regular expression that a text must match.
    """

    text: str
    option: str | None = None
    metavar: str | None = None
    pattern: str | None = None


@dataclass(frozen=True)
class Bounds:
    """What values a field takes.

    Attributes:
        kind: ``float``, ``int`` or ``bool``; None for anything else.
        low: the least; None where there is no bound.
        high: the most.
        most: how many items at most.
        step: what it must be a multiple of.
        required: whether None, which stands for "as usual", is no value of it.
    """

    kind: type | None
    low: float | None = None
    high: float | None = None
    most: int | None = None
    step: float | None = None
    required: bool = True


def written_name(name: str) -> str:
    """Return a file's name as JSON and XML can hold it: what is no text in it is escaped."""
    return _NO_TEXT.sub(lambda sign: sign.group().encode("unicode_escape").decode("ascii"), name)


def help_of(field: dataclasses.Field[object]) -> Help:
    """Return what a field is for."""
    annotation: Any = field.type
    return next(mark for mark in annotation.__metadata__ if isinstance(mark, Help))


def bounds_of(field: dataclasses.Field[object]) -> Bounds:
    """Return what values a field takes."""
    annotation: Any = field.type
    marks = list(annotation.__metadata__)
    kind = annotation.__origin__
    for member in get_args(kind):  # a bound number or None
        if hasattr(member, "__metadata__"):
            marks += member.__metadata__
            kind = member.__origin__
    return Bounds(
        kind if kind in (float, int, bool) else None,
        next((float(mark.ge) for mark in marks if isinstance(mark, Ge)), None),  # type: ignore[arg-type]
        next((float(mark.le) for mark in marks if isinstance(mark, Le)), None),  # type: ignore[arg-type]
        next((mark.max_length for mark in marks if isinstance(mark, MaxLen)), None),
        next((float(mark.multiple_of) for mark in marks if isinstance(mark, MultipleOf)), None),  # type: ignore[arg-type]
        required=type(None) not in get_args(annotation.__origin__),
    )


def check(name: str, value: object, bounds: Bounds) -> None:
    """Check that a value is within bounds.

    Raises:
        OptionError: if it is not.
    """
    if bounds.most is not None and isinstance(value, Sized) and len(value) > bounds.most:
        raise OptionError(f"{name} are {len(value)} but must be at most {bounds.most}")
    if bounds.kind is None or (value is None and not bounds.required):
        return
    if bounds.kind is bool:
        if not isinstance(value, bool):
            raise OptionError(f"{name} is {value!r} but must be true or false")
        return
    kinds = numbers.Integral if bounds.kind is int else numbers.Real
    if isinstance(value, bool) or not (
        isinstance(value, SupportsFloat) and isinstance(value, kinds)
    ):
        what = "a whole number" if bounds.kind is int else "a number"
        raise OptionError(f"{name} is {value!r} but must be {what}")
    _check_range(name, _finite(value), bounds)


def _check_range(name: str, value: float, bounds: Bounds) -> None:
    if bounds.low is None or bounds.high is None:
        return
    if not bounds.low <= value <= bounds.high:
        span = f"{bounds.low:{EXACT}} to {bounds.high:{EXACT}}"
        raise OptionError(f"{name} is {value:{EXACT}} but must be from {span}")
    if bounds.step is not None and value % bounds.step:
        raise OptionError(f"{name} is {value:{EXACT}} but must be a multiple of {bounds.step:g}")


def _finite(value: SupportsFloat) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf


def check_all(value: DataclassInstance, owner: str = "") -> None:
    """Check every field of a dataclass whose fields declare their bounds.

    Numbers of other packages, as NumPy's, become Python's, so that JSON can hold them.

    Args:
        value: the dataclass.
        owner: what stands before a field's name in the error, as in "the hint's ".

    Raises:
        OptionError: if a value is outside its bounds.
    """
    for field in dataclasses.fields(value):
        given, bounds = getattr(value, field.name), bounds_of(field)
        check(f"{owner}`{field.name}`", given, bounds)
        if bounds.kind in (int, float) and given is not None and type(given) not in (int, float):
            plain = int(given) if isinstance(given, numbers.Integral) else float(given)
            object.__setattr__(value, field.name, plain)
