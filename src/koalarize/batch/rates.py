"""What pictures, or films, took so far: the measure of what others will take.

Not here: the forecast (``forecast``), who keeps it (``journal``, ``cluster.index``).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["Pace", "Rates"]


class Pace(NamedTuple):
    """What files took so far, for each byte of them: seconds, bytes of results, files."""

    seconds: float
    room: float
    files: float


class Rates(Protocol):
    """What knows how long pictures took, as a ``Journal``."""

    def rates(self, model: str) -> Pace | None:
        """Return what pictures took with a model so far."""
        ...
