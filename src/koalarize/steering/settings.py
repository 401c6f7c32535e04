"""What was asked, as one short text: the same text for the same wishes, on every day.

Not here: sessions and REST (``wire``), which hold every field. Loads nothing slow.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json

from koalarize.steering.palette import Palette
from koalarize.steering.steering import PLAIN, Steering

__all__ = ["settings_text"]

#: Longer texts are named by their hash: more than this no mark needs.
_MOST = 8000


def settings_text(steering: Steering, **of_files: bool) -> str:
    """Return the fields that differ from the network's own colouring as JSON, sorted by name.

    Args:
        steering: what is asked of the colouring.
        **of_files: what else is asked, of files: ``layer``; only what is true counts.
    """
    asked: dict[str, object] = {
        field.name: _plain(getattr(steering, field.name))
        for field in dataclasses.fields(steering)
        if getattr(steering, field.name) != getattr(PLAIN, field.name)
    }
    asked |= {name: True for name, wanted in of_files.items() if wanted}
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if len(text) > _MOST:
        return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest()})
    return text


def _plain(value: object) -> object:
    if isinstance(value, Palette):
        data = json.dumps(value.to_json(), sort_keys=True)
        return {"name": value.name, "palette": hashlib.sha256(data.encode()).hexdigest()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = dataclasses.asdict(value)
        return {name: _plain(part) for name, part in given.items() if part is not None}
    if isinstance(value, float) and value.is_integer():  # 5 and 5.0 are one wish
        return int(value)
    if isinstance(value, tuple):
        return [_plain(part) for part in value]  # pyright: ignore[reportUnknownVariableType]
    return value
