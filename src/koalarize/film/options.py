"""What a person may ask of a film beside the colours: coding, steadiness, a part of it.

Not here: what may be asked of the colours (``steering.steering``). The command line's options are
made of these fields. Loads nothing slow.
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le

from koalarize.errors import OptionError, did_you_mean
from koalarize.photo.arguments import path_of
from koalarize.steering.fields import Bounds, Help, check, check_all
from koalarize.steering.steering import Steering

__all__ = [
    "CODECS",
    "OF_PHOTOS",
    "OF_SHOTS",
    "PLAIN_FILM",
    "PRESETS",
    "THREADS",
    "FilmOptions",
    "seconds_of",
]

#: What of ``Steering`` a film cannot be asked: its frames keep their shape, its own chroma is
#: replaced, and other colourings are numbered for one picture only.
OF_PHOTOS = ("turn", "straighten", "crop", "faded", "negative", "keep_color", "alternative")
_OF_WHOLE_FILMS = ("size", "mark")
_OF_OTHER_KINDS = ("hints", "recolors", "reference")  # of a shot too, but no plain values
#: What of ``Steering`` each shot of a film can be asked as a plain value.
OF_SHOTS = tuple(
    field.name
    for field in dataclasses.fields(Steering)
    if field.name not in (*OF_PHOTOS, *_OF_WHOLE_FILMS, *_OF_OTHER_KINDS)
)

#: Codecs that are written -> FFmpeg's name of the encoder.
CODECS = {"x264": "libx264", "x265": "libx265", "prores": "prores_ks", "ffv1": "ffv1"}
#: Of the encoders and of the network, however many cores there are: with another number they give
#: other bits, and a film that is gone on with elsewhere would not be the one that was begun.
THREADS = 4
#: How long x264 and x265 take, from fast to small.
PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)


@dataclass(frozen=True)
class FilmOptions:
    """How a film is made.

    Raises:
        OptionError: if a value is not allowed.
    """

    codec: Annotated[
        str, Help(f"How films are coded: {', '.join(CODECS)}. [x264]", metavar="NAME")
    ] = "x264"
    crf: Annotated[
        Annotated[int, Ge(0), Le(51)] | None,
        Help("Of x264 and x265: less is better and larger; usually 18.", metavar="N"),
    ] = None
    preset: Annotated[
        str,
        Help(
            "Of x264 and x265: ultrafast to veryslow; slower is smaller. [medium]", metavar="NAME"
        ),
    ] = "medium"
    steadiness: Annotated[
        float,
        Ge(0),
        Le(1),
        Help("0 colours each frame alone, 1 holds colours longest.", metavar="SHARE"),
    ] = 0.9
    one_palette: Annotated[
        bool,
        Help("Let the palette of the whole film lead every shot."),
    ] = False
    start: Annotated[
        float | None,
        Help("Begin here, in seconds or H:MM:SS.", option="--from", metavar="TIME"),
    ] = None
    stop: Annotated[
        float | None,
        Help("End before this time.", option="--to", metavar="TIME"),
    ] = None
    shots: Annotated[
        Path | None,
        Help("Colour by a list that --list-shots wrote.", metavar="FILE"),
    ] = None
    frames: Annotated[
        Path | None,
        Help(
            "Carry the colours of frames that --export-frames wrote, and you coloured, through "
            "their shots.",
            metavar="FOLDER",
        ),
    ] = None

    def __post_init__(self) -> None:
        check_all(self)
        for name in ("start", "stop"):
            check(f"`{name}`", seconds := getattr(self, name), Bounds(float, required=False))
            if seconds is not None and not math.isfinite(seconds):
                raise OptionError(
                    f"`{name}` is {seconds} but must be a time: give seconds, or None"
                )
        for name, step in (("shots", "name the list"), ("frames", "name the folder")):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, path_of(name, given, OptionError, step))
        if self.codec not in CODECS:
            near = did_you_mean(self.codec, CODECS) or f": known are {', '.join(CODECS)}"
            raise OptionError(f"`codec` is `{self.codec}`, which is not written{near}")
        if self.preset not in PRESETS:
            near = did_you_mean(self.preset, PRESETS) or f": known are {', '.join(PRESETS)}"
            raise OptionError(f"`preset` is `{self.preset}`, which there is not{near}")
        if self.crf is not None and self.codec not in ("x264", "x265"):
            raise OptionError(
                f"`crf` is {self.crf} but {self.codec} has none: leave it out, or use x264 or x265"
            )
        if self.start is not None and self.stop is not None and self.stop <= self.start:
            raise OptionError(
                f"the film would end at {self.stop:g} s, before it begins at {self.start:g} s: "
                "give --to a later time than --from"
            )

    def coding(self) -> dict[str, object]:
        """Return what decides the bytes of a coded frame, as plain data."""
        return {name: getattr(self, name) for name in ("codec", "crf", "preset", "steadiness")}


#: A film as it is usually made.
PLAIN_FILM = FilmOptions()


def seconds_of(text: str) -> float:
    """Read a time: ``75``, ``75.5``, ``1:15`` or ``0:01:15.5``.

    Raises:
        OptionError: if it is none.
    """
    parts = text.strip().split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    wrong = any(not math.isfinite(number) or number < 0 for number in numbers)
    if not numbers or len(parts) > 3 or wrong or any(number >= 60 for number in numbers[1:]):
        raise OptionError(f"the time `{text}` must be seconds or H:MM:SS, as in `75.5` or `1:15`")
    return sum(number * 60**place for place, number in enumerate(reversed(numbers)))
