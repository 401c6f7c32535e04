"""What is known of a film's result: before it is coloured, and afterwards.

Not here: how a film is coloured (``film.film``), which file it becomes (``film.target``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from koalarize.film.shot_list import clock

__all__ = ["FilmResult", "Outlook"]

_MOST = 5  # spans that are named


@dataclass(frozen=True)
class FilmResult:
    """A coloured film.

    Attributes:
        path: of the file.
        frames: how many it has.
        shots: how many shots were found in what was coloured now.
        asked: how many frames the network looked at now.
        resumed: frames that an earlier, interrupted run had coloured.
        damaged: from and to, in seconds, of what could not be read.
        notes: what of the film is not in the result, a phrase each.
    """

    path: Path
    frames: int
    shots: int = 0
    asked: int = 0
    resumed: int = 0
    damaged: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def damage(self) -> str | None:
        """Which seconds could not be read, as a sentence; None if it was read whole."""
        if not self.damaged:
            return None
        spans = [f"{clock(begin)} to {clock(end)}" for begin, end in self.damaged]
        what = "is" if len(spans) == 1 else "are"
        return f"{_listed(spans)} {what} damaged and could not be read whole; the rest is coloured"


@dataclass(frozen=True)
class Outlook:
    """What is known of a film's result before the film is coloured.

    Attributes:
        path: of its file.
        begun: whether parts are there: of a run that was stopped, or of one with a list of shots.
            What was made otherwise than is asked now is made again all the same.
        lost: what of the film is not in it, a phrase each.
        frames: how many of it are wanted, as far as anything says.
        seconds: how long they last.
        pixels: of a frame.
        codec: in which it will be coded, by ``film.options``.
    """

    path: Path
    begun: bool
    lost: tuple[str, ...]
    frames: int
    seconds: float
    pixels: int
    codec: str = "x264"


def _listed(spans: Sequence[str]) -> str:
    more = f" and {len(spans) - _MOST} more spans" if len(spans) > _MOST else ""
    return ", ".join(spans[:_MOST]) + more
