"""What the page's JavaScript is told: the model, its own modules' constants, tables, fields.

Not here: files (``site``). The page colours by the same arithmetic as the program. Each constant
has its one place in the module that uses it; the page gets it from there.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from hashlib import sha256
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

import koalarize
from koalarize.color import DELTA, convert, violets
from koalarize.colorizer import (
    answers,
    bars,
    ends,
    grid,
    look,
    merge,
    pages,
    prepare,
    prints,
    tables,
)
from koalarize.engines import sized
from koalarize.engines.engine import ModelInfo
from koalarize.errors import OptionError
from koalarize.photo.provenance import SOURCE_TYPE
from koalarize.steering import alternatives, apply, blank, hints, reach, recolor, small, spread
from koalarize.steering.session import FORMAT
from koalarize.steering.wire import SteeringAsked

__all__ = ["HERE", "MODULES", "Tables", "facts_of", "schema", "tables_of"]

#: Fields of ``Steering`` that the page obeys; of the others it only has what they are usually.
HERE = frozenset(
    {
        "crop",
        "faded",
        "hints",
        "mark",
        "negative",
        "reach",
        "recolors",
        "straighten",
        "tint",
        "turn",
        "vividness",
        "warmth",
    }
)
#: Whose constants the page's modules use, by the name of the module in ``js/color``.
MODULES: dict[str, ModuleType] = {
    "alternatives": alternatives,
    "answers": answers,
    "apply": apply,
    "bars": bars,
    "blank": blank,
    "ends": ends,
    "grid": grid,
    "hints": hints,
    "look": look,
    "merge": merge,
    "pages": pages,
    "prepare": prepare,
    "prints": prints,
    "reach": reach,
    "recolor": recolor,
    "sized": sized,
    "small": small,
    "spread": spread,
    "violets": violets,
}


@dataclass(frozen=True)
class Tables:
    """What the arithmetic of a pixel looks up, as one run of bytes.

    Attributes:
        data: all of it, little-endian.
        index: name -> type, first byte and number of values.
    """

    data: bytes
    index: dict[str, dict[str, str | int]]


def tables_of() -> Tables:
    """Return the tables of 8-bit photos."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "roots": tables.root_table(),
        "chroma": tables.chroma_table(),
        "luminance": tables.luminance_of(255),
        "levels": tables.levels(),
    }
    data = b""
    index: dict[str, dict[str, str | int]] = {}
    for name, array in arrays.items():
        index[name] = {"type": str(array.dtype), "start": len(data), "length": array.size}
        data += np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return Tables(data, index)


def facts_of(info: ModelInfo, file: str, weights: bytes, summary: str = "") -> bytes:
    """Return the page's facts as JSON.

    Args:
        info: of the model.
        file: its name in the site.
        weights: the bytes of that file.
        summary: one sentence on it.

    Raises:
        OptionError: if the page cannot run such a model.
    """
    if info.output != "logits" or not info.accepts_hints or info.fixed_size or info.authors:
        raise OptionError(
            f"`--model` is `{info.name}` but the page runs models that classify and take hints: "
            "use `koala`, `koala-int8`, or one exported by `koalarize lab export`"
        )
    overview = None if info.overview is None else dataclasses.asdict(info.overview)
    model = {
        "name": info.name,
        "summary": summary,
        "sha256": sha256(weights).hexdigest(),
        "file": file,
        "bytes": len(weights),
        "stride": info.stride,
        "size": info.size,
        "temperature": info.temperature,
        "chroma_gain": info.chroma_gain,
        "bins": info.bins.centres.tolist(),
        "overview": overview,
        "violets": info.violets,
    }
    numbers = {"DELTA": DELTA, "STEPS": tables.STEPS, "FLOOR": tables.FLOOR}
    numbers |= {"CEILING": tables.CEILING, "GAMUT_LEVELS": tables.GAMUT_LEVELS}
    facts = {
        "version": koalarize.__version__,
        "model": model,
        "schema": schema(),
        "sessionFormat": FORMAT,
        "sourceType": SOURCE_TYPE,
        "constants": {name: _constants_of(module) for name, module in MODULES.items()},
        "numbers": numbers | {"GAMUT_HUES": tables.GAMUT_HUES},
        "light": (convert.LINEAR_FROM_XYZ * np.float32(tables.STEPS)).tolist(),
        "tables": tables_of().index,
    }
    return json.dumps(facts, separators=(",", ":")).encode()


def schema() -> dict[str, dict[str, dict[str, object]]]:
    """Return the JSON schema of what may be asked, with a mark at what the page obeys.

    The page makes a control of each number and each switch: what it does not obey has no type.
    """
    found = SteeringAsked.model_json_schema()
    properties: dict[str, dict[str, object]] = found["properties"]
    for name, field in properties.items():
        field["here"] = name in HERE
        if name not in HERE:
            field.pop("type", None)
    return {"properties": properties}


def _constants_of(module: ModuleType) -> dict[str, Any]:
    """Return a module's numbers that stand in capitals, lists of such, and how shares fall."""
    found: dict[str, Any] = {}
    for name, value in vars(module).items():
        plain = _plain(value)
        if name.isupper() and plain is not None:
            found[name] = plain
    return found


def _plain(value: object) -> Any:
    """Return a constant as JSON holds it; None of what is no number, list of such or ``Fall``."""
    if isinstance(value, spread.Fall):
        return value._asdict()
    if isinstance(value, int | float | np.floating) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, tuple) and value and all(_plain(one) is not None for one in value):
        return [_plain(one) for one in value]
    return None
