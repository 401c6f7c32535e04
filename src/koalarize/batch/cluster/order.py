"""What a worker is told: once, of the whole run, and of each picture.

Not here: doing it (``worker``), deciding it (``plan``).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

from koalarize.batch.cluster.notes import Announced
from koalarize.batch.cluster.sources import Entry, Source
from koalarize.batch.cluster.stores import Store, Version
from koalarize.batch.plan import BatchOptions
from koalarize.batch.standing import Standing, settings_of
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.blend import MOST_CHROMA
from koalarize.engines.engine import CPU
from koalarize.photo.provenance import Provenance
from koalarize.steering.steering import Steering

__all__ = ["Check", "Model", "Order", "PortionTask", "Signed", "how_asked", "settings_hash"]

#: What a worker looks at before it colours: whether the place is free; whether picture or result
#: are those of the known row; the mark of a result that no row tells of; nothing. Results that are
#: not, or no longer, those of a row are compared with what was announced first.
Check = Literal["free", "source", "result", "mark", "none"]


@dataclass(frozen=True)
class Model:
    """Which network colours.

    Attributes:
        name: as ``Colorizer.load`` takes it.
        faithful: likewise.
        most_chroma: likewise.
        provider: likewise.
    """

    name: str = "koala"
    faithful: bool = False
    most_chroma: float = MOST_CHROMA
    provider: str = CPU

    def load(self) -> Colorizer:
        """Load it with one thread; raises ModelError and OptionError."""
        return Colorizer.load(
            self.name,
            threads=1,
            faithful=self.faithful,
            most_chroma=self.most_chroma,
            provider=self.provider,
        )


@dataclass(frozen=True)
class Order:
    """All that a worker is told once.

    Attributes:
        source: where pictures come from.
        output: where results go.
        steering: what is asked of the colours.
        options: what is asked of files.
        model: which network colours.
        asked: what results will say of their making; a worker with other weights or another version
            of koalarize refuses to work.
        run: the name of the run.
        table: whether results are rows of tables, and whether those hold plain bytes rather than
            Hugging Face's struct.
    """

    source: Source
    output: Store
    steering: Steering
    options: BatchOptions
    model: Model
    asked: Provenance
    run: str
    table: Literal["", "struct", "bytes"] = ""


@dataclass(frozen=True)
class PortionTask:
    """One picture with everything decided.

    Attributes:
        entry: the picture.
        slot: the key of its result, or its own where results are rows.
        number: which of the names it wanted this is, from 1.
        why: how what stands there stood when the plan was made.
        check: what must be looked at before it is coloured.
        model: which made the known result.
        weights: of that model.
        settings: as ``settings_hash`` names all that the known result was asked.
        source_sha256: of the picture's bytes when the known result was made.
        made: the version of the known result.
        made_sha256: of the known result's bytes.
        elsewhere: whether the known result was made from another INPUT; it is then this picture's
            only if ``source_sha256`` is that of this picture.
        result: the table that holds the known result.
        notes: what a person should know of the name.
        announced: what runs that ended were about to write there of this picture, without a mark.
        in_input: whether what stands there is a picture of INPUT, unless it is a result.
    """

    entry: Entry
    slot: str
    number: int = 1
    why: Standing = Standing.FREE
    check: Check = "free"
    model: str = ""
    weights: str | None = None
    settings: str = ""
    source_sha256: str | None = None
    made: Version = field(default_factory=Version)
    made_sha256: str | None = None
    elsewhere: bool = False
    result: str | None = None
    notes: tuple[str, ...] = ()
    announced: tuple[Announced, ...] = ()
    in_input: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as it travels between processes."""
        return {**dataclasses.asdict(self), "why": self.why.name}

    @classmethod
    def from_json(cls, plain: Mapping[str, object]) -> PortionTask:
        """Return the task that ``to_json`` made this of."""
        found = cast("dict[str, Any]", plain)
        entry = dict(found["entry"])
        entry["version"] = Version(**entry["version"])
        given: dict[str, Any] = {
            **found,
            "entry": Entry(**entry),
            "why": Standing[found["why"]],
            "made": Version(**found["made"]),
            "notes": tuple(found["notes"]),
            "announced": tuple(Announced(**one) for one in found["announced"]),
        }
        return cls(**given)


def settings_hash(asked: Provenance) -> str:
    """Return what names all that is asked, and of which model, in a row."""
    return hashlib.sha256(settings_of(asked).encode()).hexdigest()


class Signed(Protocol):
    """What tells how a result was made, as a row and a note do.

    Attributes:
        model: the model's name.
        weights: what tells them from others.
        settings: as ``settings_hash`` names all three.
    """

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    @property
    def weights(self) -> str | None:
        """What tells them from others."""
        ...

    @property
    def settings(self) -> str:
        """What names all three."""
        ...


def how_asked(made: Signed, asked: Provenance) -> Standing:
    """Return how the making of a result stands to what is asked: ``DONE`` if it is the same.

    Returns:
        ``MODEL`` if only model or weights differ, else ``SETTINGS``.
    """
    if made.settings == settings_hash(asked):
        return Standing.DONE
    by_it = dataclasses.replace(asked, model=made.model, weights=made.weights)
    return Standing.MODEL if made.settings == settings_hash(by_it) else Standing.SETTINGS
