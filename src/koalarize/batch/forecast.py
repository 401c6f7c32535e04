"""What a plan comes to: pictures by reason, time and space.

Not here: the plan (``plan``).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from koalarize.batch.plan import Outcome, Task

__all__ = ["Forecast", "Rates"]

#: Seconds and bytes of results for a byte of pictures, where no journal knows better: an estimate
#: for JPEG files on one core, not measured; a journal's own rates replace it.
_USUAL_RATES = (0.06e-6, 1.3)
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


class Rates(Protocol):
    """What knows how long pictures took, as a ``Journal``."""

    def rates(self) -> tuple[float, float] | None:
        """Return seconds, and bytes of results, for each byte of pictures so far."""
        ...


class Forecast:
    """Counts a plan."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._bytes = 0

    def add(self, decided: Task | Outcome) -> None:
        """Count what was decided for a picture."""
        if isinstance(decided, Outcome):
            self.counts[decided.status] += 1
            failed = "failed, " if decided.status == "failed" else ""
            self._reasons[f"{failed}{decided.reason}"] += 1
            return
        size = 0
        with contextlib.suppress(OSError):  # colouring will say so
            size = decided.source.stat().st_size
        self.add_task(decided.why.value, size)

    def add_task(self, why: str, size: int) -> None:
        """Count a picture that is to be coloured.

        Args:
            why: in few words.
            size: bytes of its file.
        """
        self.counts["colored"] += 1
        self._reasons[f"to colour, {why}"] += 1
        self._bytes += size

    def sentence(self, journals: Iterable[Rates], workers: int) -> str:
        """Return the counts, and about how long it takes and what room it needs."""
        known = next((rates for one in journals if (rates := one.rates()) is not None), None)
        seconds, ratio = known or _USUAL_RATES
        parts = [f"{count} {reason}" for reason, count in self._reasons.most_common()]
        if not self.counts["colored"]:
            return ", ".join(parts)
        time = _time(self._bytes * seconds / workers)
        basis = "by the journal" if known else "by the usual rates"
        return f"{', '.join(parts)}; about {time} and {_size(self._bytes * ratio)}, {basis}"


def _time(seconds: float) -> str:
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(1.0, seconds):.0f} s"


def _size(size: float) -> str:
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} {_UNITS[-1]}"
