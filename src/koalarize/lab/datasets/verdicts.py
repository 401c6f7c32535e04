"""Which pictures of a source are usable, noted at the first look for the runs that come later.

Not here: looking at them (``kept``), decoding (``sources``).
A note lies in the folder for what is fetched (``models.store.home``). It holds for the same bytes
only, whose hash it names, and for the versions of koalarize and Pillow that decoded them. It is a
cache: one that cannot be read or written is as none.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import PIL

import koalarize
from koalarize.errors import OutputError
from koalarize.models.store import home
from koalarize.photo.files import write_bytes

__all__ = ["Verdicts", "note", "noted"]

log = logging.getLogger(__name__)

_DECODING = 2  # raised where pictures come to other levels: 2 obeys ICC profiles


@dataclass(frozen=True)
class Verdicts:
    """What was found of a source's pictures, in order.

    Attributes:
        sha256: over their encoded bytes.
        left_out: number of a picture -> why it cannot be used; those not named can.
    """

    sha256: str
    left_out: Mapping[int, str] = field(default_factory=dict)


def noted(source: Path, rules: Mapping[str, object]) -> Verdicts | None:
    """Return what was noted of a source, or None.

    Args:
        source: as for ``sources.named_pictures``.
        rules: what else decides which pictures are usable.
    """
    try:
        found = json.loads(_place(source, rules).read_bytes())
        left_out = {int(number): str(reason) for number, reason in found["left_out"].items()}
        return Verdicts(str(found["sha256"]), left_out)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def note(source: Path, rules: Mapping[str, object], verdicts: Verdicts) -> None:
    """Note what was found of a source; see ``noted`` for the arguments."""
    place = _place(source, rules)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(json.dumps(asdict(verdicts)).encode(), place, overwrite=True)
    except (OSError, OutputError) as error:
        log.info("the next run will decode every picture again: %s", error)


def _place(source: Path, rules: Mapping[str, object]) -> Path:
    """Return the file of a note; its name is the hash of all that the verdicts hang on."""
    facts = {
        "source": str(source.resolve()),
        "rules": dict(rules),
        "koalarize": koalarize.__version__,
        "pillow": PIL.__version__,
        "decoding": _DECODING,
    }
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return home() / "pictures" / f"{name}.json"
