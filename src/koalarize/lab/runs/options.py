"""Read options from YAML and check them with pydantic: every key and every type.

Not here: which options there are (``recipe``), and what their values may be: a dataclass checks its
own in ``__post_init__``. Errors name the dotted key, its value, and what it must be.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Hashable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from koalarize.errors import OptionError, did_you_mean

__all__ = ["build", "fault_of", "read_yaml"]

Kind = TypeVar("Kind")
Place = tuple[int | str, ...]

#: What a recipe may hold, its aliases written out.
_MOST_VALUES = 100_000
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_KEY_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")
)
#: What a value must be, by pydantic's name of the fault.
_RULES = {
    "int_type": "be of type int",
    "int_from_float": "be of type int",
    "float_type": "be of type float",
    "bool_type": "be of type bool",
    "string_type": "be of type str",
    "tuple_type": "be a list",
    "dict_type": "hold keys and values",
    "dataclass_type": "hold keys and values",
}


def read_yaml(text: str) -> object:
    """Read YAML; ``1e-3`` is a number.

    Raises:
        yaml.YAMLError: if it is not YAML, or a value is not what its tag says.
        OptionError: if a key stands twice in one place, is no word, or aliases make it endless.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {})
        return loader.construct_document(node)
    except RecursionError as error:
        raise yaml.YAMLError("its lists and keys are nested too deeply") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise yaml.YAMLError(f"a value is not what its tag says: {error}") from error
    finally:
        loader.dispose()


def fault_of(error: yaml.YAMLError) -> str:
    """Return in one line what is not YAML; of a tab, where it stands and what to write."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None and repr("\t") in str(getattr(error, "problem", "")):
        return (
            f"line {mark.line + 1} has a tab in column {mark.column + 1}, where YAML takes spaces "
            "alone: write spaces"
        )
    return " ".join(str(error).split())


def _count(node: yaml.Node, counted: dict[int, int]) -> int:
    """Return how many values a node stands for, each alias written out.

    Raises:
        OptionError: if there are too many, or no end of them.
    """
    if id(node) not in counted:
        counted[id(node)] = _MOST_VALUES  # for itself, if it is met below
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        counted[id(node)] = 1 + sum(_count(part, counted) for part in inner)
    if counted[id(node)] > _MOST_VALUES:
        raise OptionError(
            f"the recipe's aliases stand for more than {_MOST_VALUES:,} values: write out what is "
            "meant"
        )
    return counted[id(node)]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses a key given twice.

    Numbers are YAML 1.2's: PyYAML, which reads 1.1, takes ``010`` for 8 and ``1:30`` for 90.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag not in _KEY_TAGS and key.tag != "tag:yaml.org,2002:merge":
                raise OptionError(
                    f"`{key.value}` in line {line} of the recipe is a {key.tag.rpartition(':')[2]} "
                    "but a key must be a word"
                )
            same = (key.tag, str(key.value))
            if same in lines:
                raise OptionError(
                    f"`{key.value}` stands twice in the recipe, in line {lines[same]} and line "
                    f"{line}: keep one of them"
                )
            lines[same] = line
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in _NUMBERS]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_INT, _FLOAT = _NUMBERS
for _tag, _form in (
    (_INT, r"[-+]?(0|[1-9][\d_]*|0x[\da-fA-F]+)$"),
    (_FLOAT, r"[-+]?(\d[\d_]*\.[\d_]*|\.\d[\d_]*|\.(inf|Inf|INF))$|\.(nan|NaN|NAN)$"),
    (_FLOAT, r"[-+]?(\d[\d_]*\.?[\d_]*|\.[\d_]+)[eE][-+]?\d+$"),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_form), list("-+.0123456789"))


def build(kind: type[Kind], values: object, where: str = "") -> Kind:
    """Build a frozen dataclass from plain values; every key and type is checked.

    Args:
        kind: the dataclass.
        values: what YAML or JSON give.
        where: dotted key of the values, for errors.

    Raises:
        OptionError: naming the key, its value, and what it must be.
    """
    if not isinstance(values, dict):
        raise OptionError(f"`{where}` is {values!r} but must hold keys and values")
    # As JSON: lists may be tuples there, while text is no number and 1 is no bool. Dates are text.
    text = json.dumps([values], default=str)
    try:
        return typing.cast(Kind, _adapter(kind).validate_json(text)[0])
    except ValidationError as error:
        raise OptionError(_explained(error, kind, where)) from error


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    # In a tuple: pydantic takes no configuration for a dataclass that stands alone.
    held: Any = types.GenericAlias(tuple, (kind,))
    return TypeAdapter(held, config=ConfigDict(strict=True, extra="forbid"))


def _explained(error: ValidationError, kind: type[Any], where: str) -> str:
    """Return one sentence about the first fault; an unknown key may be the cause of others."""
    faults = error.errors(include_url=False)
    fault = next((f for f in faults if f["type"] == "unexpected_keyword_argument"), faults[0])
    place, holder = _located(fault["loc"][1:], kind)
    if isinstance(fault["input"], dict):  # keys and values where a word may stand too: which key?
        for other in faults:
            inner = _located(other["loc"][1:], kind)
            if len(inner[0]) > len(place) and inner[0][: len(place)] == place:
                fault, (place, holder) = other, inner
                break
    if fault["type"] == "unexpected_keyword_argument":
        known = [field.name for field in dataclasses.fields(holder)]
        key, colon, value = str(place[-1]).partition(":")
        if colon and key in known:  # YAML takes `{split:9}` for one key without a value
            return (
                f"`{_dotted(where, place)}` lacks a space behind its colon: write `{key}: {value}`"
            )
        return (
            f"`{_dotted(where, place)}` is not a key of a recipe"
            f"{did_you_mean(str(place[-1]), known)} (known here: {', '.join(known)})"
        )
    if fault["type"] == "too_long":
        count, wanted = len(fault["input"]), fault.get("ctx", {})["max_length"]
        return f"`{_dotted(where, place)}` has {count} values but must have {wanted}"
    if fault["type"] == "missing" and isinstance(place[-1], int):
        count = len(fault["input"])
        wanted = count + sum(f["loc"][:-1] == fault["loc"][:-1] for f in faults)
        return f"`{_dotted(where, place[:-1])}` has {count} values but must have {wanted}"
    if fault["type"] == "missing":
        return f"`{_dotted(where, place)}` is missing"
    rules = [_rule(f) for f in faults if _located(f["loc"][1:], kind)[0] == place]
    hint = typing.get_type_hints(holder).get(str(place[-1]))
    if type(None) in typing.get_args(hint):
        rules.append("be null")
    rule = " or ".join(dict.fromkeys(rules))
    step = _quotes(fault["input"], rules)
    return f"`{_dotted(where, place)}` is {fault['input']!r} but must {rule}{step}"


def _rule(fault: ErrorDetails) -> str:
    """Return what a value must be, after "must"."""
    if fault["type"] == "literal_error":  # of a closed set of words
        return f"be {fault.get('ctx', {})['expected'].replace(chr(39), '')}"
    return _RULES.get(fault["type"], f"be otherwise: {fault['msg']}")


def _quotes(value: object, rules: Sequence[str]) -> str:
    """Return what quotes or digits would mend: YAML reads ``no`` as False, ``1e3`` as a float."""
    if isinstance(value, float) and value.is_integer() and rules[0] == _RULES["int_type"]:
        return f": write {int(value)}"
    if isinstance(value, (bool, int, float)) and rules == [_RULES["string_type"]]:
        return "; a word that YAML takes for something else, as no, off or 2024, stands in quotes"
    if isinstance(value, str) and {_RULES["int_type"], _RULES["float_type"]} & {*rules}:
        with suppress(yaml.YAMLError):
            if isinstance(read_yaml(value), (int, float)):
                return ": write it without quotes"
    return ""


def _located(location: Sequence[int | str], kind: type[Any]) -> tuple[Place, type[Any]]:
    """Return where a fault is, without pydantic's names of a union's members, and in what."""
    place: list[int | str] = []
    hint: Any = kind
    holder = kind
    for step in location:
        members = _members(hint)
        if len(members) > 1:
            hint = next((m for m in members if getattr(m, "__name__", "") == step), members[0])
            continue
        place.append(step)
        hint = members[0] if members else Any
        arguments = typing.get_args(hint)
        if dataclasses.is_dataclass(hint):
            holder = typing.cast(type[Any], hint)
            hint = typing.get_type_hints(hint).get(str(step), Any)
        elif typing.get_origin(hint) is tuple and isinstance(step, int):
            hint = arguments[0 if arguments[-1] is ... else min(step, len(arguments) - 1)]
        else:
            hint = arguments[-1] if arguments else Any
    return tuple(place), holder


def _members(hint: Any) -> list[Any]:
    """Return the members of a union except None; else the type itself."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return [member for member in typing.get_args(hint) if member is not type(None)]
    return [hint]


def _dotted(where: str, place: Place) -> str:
    text = where
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
