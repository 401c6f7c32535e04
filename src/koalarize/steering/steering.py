"""Steering: everything a person may ask of a colouring, each with its bounds and its help.

Not here: what is done to ab for it (``steering.apply``), the palette of a reference
(``steering.palette``), other colourings (``steering.alternatives``), steering as JSON
(``steering.wire``). Loads nothing slow, since the help of the command line is made of it.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le, MaxLen, MultipleOf

from koalarize.errors import OptionError, did_you_mean
from koalarize.steering.crop import Crop
from koalarize.steering.fields import Help, check_all
from koalarize.steering.hints import Hint
from koalarize.steering.recolor import Recolor

if TYPE_CHECKING:
    from koalarize.steering.palette import Palette

__all__ = [
    "MOST_ALTERNATIVES",
    "MOST_HINTS",
    "MOST_RECOLORS",
    "PARTS",
    "PLAIN",
    "Steering",
]

#: Alternatives are numbered from 1 to this; 0 is the network's own colouring.
MOST_ALTERNATIVES = 12
#: More hints than anybody sets by hand.
MOST_HINTS = 200
#: Characters of a value in an error.
_MOST_SHOWN = 60
#: More than there are hues to tell apart.
MOST_RECOLORS = 20
#: Fields whose values have fields of their own; each reads a text as well.
PARTS: Mapping[str, type[Hint] | type[Recolor] | type[Crop]] = MappingProxyType(
    {"hints": Hint, "recolors": Recolor, "crop": Crop}
)


@dataclass(frozen=True)
class Steering:
    """What a person asks of a colouring; every default means "as the network sees it".

    These fields are the only list of what can be asked: bounds and help stand beside each. The
    command line's options, the REST schema, the session's file, Python's keywords and the page's
    controls are made of them.

    Raises:
        OptionError: if a value is outside its bounds, or of another type.
    """

    vividness: Annotated[
        float,
        Ge(0),
        Le(5),
        Help("Factor on the chroma: 0 gives grey, 1.5 is bold; hue stays.", metavar="GAIN"),
    ] = 1.0
    warmth: Annotated[
        float,
        Ge(-1),
        Le(1),
        Help("White balance: -1 is cold, 1 is warm; grey stays nearly grey.", metavar="SHIFT"),
    ] = 0.0
    hints: Annotated[
        tuple[Hint, ...],
        MaxLen(MOST_HINTS),
        Help(
            "A colour at a point of the upright photo, or in a circle: X,Y,RADIUS=#RRGGBB; "
            "repeatable.",
            option="--hint",
            metavar="X,Y=#RRGGBB",
        ),
    ] = ()
    size: Annotated[
        Annotated[int, Ge(16), Le(2048)] | None,
        Help(
            "Shorter side at which the network looks; the model's own by default.", None, "PIXELS"
        ),
    ] = None
    alternative: Annotated[
        int,
        Ge(0),
        Le(MOST_ALTERNATIVES),
        Help("Number of another plausible colouring; 0 is the network's own.", metavar="N"),
    ] = 0
    reference: Annotated[
        "Palette | None",
        Help("A colour picture whose palette to take over.", metavar="FILE"),
    ] = None
    best: Annotated[
        bool,
        Help("Look at the mirrored photo too and average: calmer, twice the network's time."),
    ] = False
    keep_color: Annotated[
        bool,
        Help("Places that have a colour of their own keep it; for hand-tinted photos."),
    ] = False
    reach: Annotated[
        float,
        Ge(0.05),
        Le(3),
        Help(
            "How far hints reach, as a share of the shorter side; edges of lightness shorten it.",
            metavar="SHARE",
        ),
    ] = 0.5  # scripts/measure_steering.py, validation and scenes, 2026-11-25: docs/log.md
    tint: Annotated[
        float,
        Ge(-1),
        Le(1),
        Help("Across warmth: -1 is green, 1 is magenta; grey stays nearly grey.", metavar="SHIFT"),
    ] = 0.0
    recolors: Annotated[
        tuple[Recolor, ...],
        MaxLen(MOST_RECOLORS),
        Help(
            "What has one hue becomes another, in the whole photo; hints go before; repeatable.",
            option="--recolor",
            metavar="#RRGGBB=#RRGGBB",
        ),
    ] = ()
    faded: Annotated[
        bool,
        Help("For faded prints: lightness is stretched until it reaches from black to white."),
    ] = False
    negative: Annotated[bool, Help("For scans of negatives: the picture is inverted first.")] = (
        False
    )
    turn: Annotated[
        int,
        Ge(0),
        Le(270),
        MultipleOf(90),
        Help("Degrees clockwise; hints and crop are places of the turned photo.", None, "DEGREES"),
    ] = 0
    straighten: Annotated[
        float,
        Ge(-15),
        Le(15),
        Help(
            "Degrees clockwise beside `turn`, to level a horizon; the largest upright part stays.",
            metavar="DEGREES",
        ),
    ] = 0.0
    crop: Annotated[
        Crop | None,
        Help(
            "Keep this part of the turned photo; its colours are those of the whole.",
            metavar="X,Y,WIDTH,HEIGHT",
        ),
    ] = None
    mark: Annotated[
        bool,
        Help(
            "The result's XMP, or a film's comment, says that a program coloured it and how; "
            "--no-mark leaves that out."
        ),
    ] = True

    def __post_init__(self) -> None:
        for name, noun in PARTS.items():
            value = getattr(self, name)
            if name == "crop":
                _check_kinds(name, () if value is None else (value,), noun)
                continue
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise OptionError(
                    f"`{name}` is of type {type(value).__name__} but must be a list: write "
                    f"[{noun.__name__}.parse(TEXT), ...], or [] for none"
                )
            object.__setattr__(self, name, tuple(value))  # a list is what people write
            _check_kinds(name, getattr(self, name), noun)
        if self.reference is not None and not hasattr(self.reference, "lead"):
            raise OptionError(
                f"`reference` is of type {type(self.reference).__name__} but must be a Palette: "
                "give a picture beside the steering, as in `colorizer(picture, reference=...)`"
            )
        check_all(self)

    def changed(self, changes: Mapping[str, object]) -> "Steering":
        """Return it with some fields set.

        Raises:
            OptionError: if there is no such field, or this steering sets it already.
        """
        names = [field.name for field in dataclasses.fields(self)]
        for name, value in changes.items():
            if name not in names:
                known = did_you_mean(name, names) or f": known are {', '.join(names)}"
                raise OptionError(f"`{name}` is nothing that can be asked of a colouring{known}")
            if getattr(self, name) != getattr(PLAIN, name):
                raise OptionError(
                    f"`{name}` is given twice, as {_shown(getattr(self, name))} in `steering` and "
                    f"as {_shown(value)} beside it: leave one of them out"
                )
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


def _shown(value: object) -> str:
    """Return a value as it stands in a sentence; a palette has thousands of numbers."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."


def _parser(noun: type[Hint | Recolor | Crop]) -> str:
    """Return how to make one of a text, with where it is imported from."""
    return f"{noun.__name__}.parse(TEXT), from {noun.__module__}"


def _check_kinds(name: str, parts: Iterable[object], noun: type[Hint | Recolor | Crop]) -> None:
    for part in parts:
        if not isinstance(part, noun):
            raise OptionError(
                f"`{name}` has a value of type {type(part).__name__} but must have "
                f"{noun.__name__}: make it by {_parser(noun)}"
            )


#: The network's own colouring.
PLAIN = Steering()
