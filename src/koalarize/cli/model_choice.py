"""Which model a command line asks for, and what a person is asked before one is fetched.

Not here: fetching (``models.download``), opening (``models.open``), the list (``cli.models``).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from koalarize.cli.terminal import stages
from koalarize.errors import ModelError, OptionError

if TYPE_CHECKING:
    from koalarize.colorizer.colorizer import Colorizer
    from koalarize.models.catalog import ForeignCard

__all__ = [
    "MODELS",
    "BlendChroma",
    "Faithful",
    "Model",
    "ModelChoice",
    "Offline",
    "Yes",
    "bring",
    "fetch_missing",
]

#: Under which heading of the help options of the model stand.
MODELS = "Models"

Model = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="A name that `koalarize models` lists, an .onnx file, or a blend: A,B:2. [koala]",
        show_default=False,
        rich_help_panel=MODELS,
    ),
]
Faithful = Annotated[
    bool,
    typer.Option(
        "--faithful",
        help="Show the photo to other people's model just as its authors do.",
        rich_help_panel=MODELS,
    ),
]
BlendChroma = Annotated[
    float | None,
    typer.Option(
        "--blend-chroma",
        metavar="LAB",
        help="Most Lab units that a blend's chroma leaves its first model's. [20]",
        show_default=False,
        rich_help_panel=MODELS,
    ),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        "-y",
        help="Fetch a model that is not here yet, unasked.",
        rich_help_panel=MODELS,
    ),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline", help="Never fetch.", envvar="KOALARIZE_OFFLINE", rich_help_panel=MODELS
    ),
]


@dataclass(frozen=True)
class ModelChoice:
    """What a command line says of the model.

    Attributes:
        model: a name, a file, or a blend of several.
        faithful: show photos to it as its authors do.
        most_chroma: Lab units that a blend's chroma may leave its first model's; None is usual.
        yes: fetch without a question.
        offline: never fetch.
    """

    model: str
    faithful: bool = False
    most_chroma: float | None = None
    yes: bool = False
    offline: bool = False

    def load(self, *, threads: int = 0) -> Colorizer:
        """Load the model; if it is not here, fetch it with the person's leave.

        Args:
            threads: how many threads a picture may use; 0 takes one a core.

        Raises:
            ModelError: if it cannot be loaded, or is not here and not to be fetched.
            OptionError: if it is unknown, or an option does not fit it.
        """
        from koalarize.colorizer.colorizer import Colorizer
        from koalarize.engines.blend import MOST_CHROMA
        from koalarize.models.open import parts_of

        most = self.most_chroma
        if most is not None and len(parts_of(self.model)) == 1:
            raise OptionError(
                f"`--blend-chroma` is for a blend but `--model` is `{self.model}` alone: name "
                "others with commas between them, or leave it out"
            )
        fetch_missing(self.model, yes=self.yes, offline=self.offline)
        return Colorizer.load(
            self.model,
            threads=threads,
            faithful=self.faithful,
            most_chroma=MOST_CHROMA if most is None else most,
        )


def fetch_missing(model: str, *, yes: bool = False, offline: bool = False) -> None:
    """Fetch what a model needs and is not here, after one question or with ``yes``.

    Raises:
        ModelError: if it may not be fetched, or cannot be.
    """
    from koalarize.models.open import missing
    from koalarize.models.store import by_hand, megabytes, place_of

    for card in missing(model):
        if offline:
            raise ModelError(
                f"the model `{card.name}` is not on this machine and `--offline` fetches nothing; "
                f"{by_hand(card)}"
            )
        asks = sys.stdin.isatty() and sys.stderr.isatty()
        if not yes and not asks:
            raise ModelError(
                f"the model `{card.name}` is not on this machine ({megabytes(card)}): add `--yes` "
                f"to fetch it, or run `koalarize models download {card.name}` once; {by_hand(card)}"
            )
        accepted = False
        if not yes:
            needs = [] if card.memory is None else [f"needs {card.memory:,} MiB of memory"]
            needs += [] if card.times is None else [f"takes {card.times:g} times koala's time"]
            consent = "".join(f"; {part}" for part in (*needs, card.consent) if part)
            question = (
                f"`{card.name}` is not here. Fetch {megabytes(card)} from {card.addresses[0]} to "
                f"{place_of(card)} (licence {card.licence}, export {card.export_licence}{consent})?"
            )
            if not typer.confirm(question, err=True):
                raise ModelError(f"the model `{card.name}` was not fetched: choose another one")
            accepted = True
        bring(card, accepted=accepted)


def bring(card: ForeignCard, *, accepted: bool, mirrors: Sequence[str] = ()) -> Path:
    """Fetch a model with a bar that shows how far it is; return its file.

    Raises:
        ModelError: if consent lacks, or no address gives the file.
        OutputError: if it cannot be written.
    """
    from koalarize.models.download import download

    with stages(_amount) as show:
        return download(card, accepted=accepted, mirrors=mirrors, progress=show)


def _amount(stage: str, done: int, total: int | None) -> str:
    del stage
    return (
        f"{done / 1e6:,.0f} MB" if total is None else f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
    )
