"""What a plan comes to: pictures and films by reason, time and space.

Not here: the plan (``plan``).
"""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from koalarize.batch.plan import Outcome, Task
from koalarize.color import thread_count

if TYPE_CHECKING:
    from koalarize.batch.journal import Journal
    from koalarize.batch.rates import Rates
    from koalarize.film.result import Outlook

__all__ = [
    "Cost",
    "Forecast",
    "film_cost",
    "lack_of_room",
    "lasting",
    "time_and_room",
    "total_of_films",
]

#: Seconds a picture, however small, and seconds a byte of its file, on one core, where no journal
#: knows better: the steps at the network's size, and the others of a JPEG file of 2.3 MB, which
#: TIFF files of 60 megapixels fit (tables of docs/performance.md, 2026-11-30). Bytes of results for
#: a byte of pictures are an estimate.
_USUAL_SECONDS, _USUAL_RATES = 0.1, (0.17e-6, 1.3)
#: Seconds a picture, on one core, that other models take more than koala: both cores' time of
#: `python benchmarks/rivals.py --runs 1` at 0db165c, 2026-11-30 (benchmarks/README.md).
_USUAL_MORE = {
    "koala": 0.0,
    "koala-int8": 0.0,
    "eccv16": 1.1,
    "siggraph17": 2.7,
    "ddcolor-tiny-256": 0.8,
    "ddcolor-tiny": 3.6,
    "ddcolor": 8.9,
    "ddcolor-artistic": 8.9,
}
#: Of films, where no journal knows better: processor seconds a frame, and a pixel more; bytes a
#: pixel with each codec. Measured with `koala`, CRF 18, `medium`, of drawn films with grain of
#: 320x240, 640x480 and 1920x1080, which they fit to a twentieth, 2026-11-29. The other codecs'
#: bytes: pans over two photos with grain, 8 bits, of 320x240, 640x480 and 1280x720, 2026-12-03:
#: 0.52 to 0.76 and 0.52 to 0.69 of prores and ffv1; x265 takes half of x264's.
_USUAL_FILMS = (0.018, 0.085e-6)
_USUAL_ROOM = {"x264": 0.08, "x265": 0.04, "prores": 0.65, "ffv1": 0.6}
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Cost:
    """About what a plan takes.

    Attributes:
        seconds: of wall time.
        room: bytes of the results.
        usual: whether no journal knew how long such files took.
    """

    seconds: float
    room: float
    usual: bool


class Forecast:
    """Counts a plan.

    Pictures in work at once have one core each; films, one after the other, have all of them.
    """

    def __init__(self, model: str) -> None:
        """Begin at nothing.

        Args:
            model: by its name, or of a blend by all of them with commas; each has times of its own.
        """
        self._model = model
        self._parts = [part.strip() for part in model.split(",")]
        self.counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._bytes = 0
        self._films: list[tuple[Outlook, int]] = []

    def add(self, decided: Task | Outcome) -> None:
        """Count what was decided for a picture."""
        if isinstance(decided, Outcome):
            self.counts[decided.status] += 1
            failed = decided.status == "failed"
            self._reasons[f"failed ({decided.reason})" if failed else decided.reason] += 1
            return
        size = 0
        with contextlib.suppress(OSError):  # colouring will say so
            size = decided.source.stat().st_size
        if decided.film is None:
            self.add_task(decided.said, size)
            return
        self.counts["colored"] += 1
        self._reasons[f"films to colour ({decided.said})"] += 1
        self._films.append((decided.film, size))

    def add_task(self, why: str, size: int) -> None:
        """Count a picture that is to be coloured.

        Args:
            why: in few words.
            size: bytes of its file.
        """
        self.counts["colored"] += 1
        self._reasons[f"to colour ({why})"] += 1
        self._bytes += size

    def sentence(
        self, journals: Iterable[Rates], workers: int, of_films: Iterable[Journal] = ()
    ) -> str:
        """Return the counts, and about how long it takes and what room it needs.

        Args:
            journals: that may know how long pictures took.
            workers: pictures in work at once.
            of_films: journals that may know how long films took.
        """
        parts = [
            f"{count} {reason.replace('films', 'film') if count == 1 else reason}"
            for reason, count in self._reasons.most_common()
        ]
        if not self.counts["colored"]:
            return ", ".join(parts)
        cost = self.cost(journals, workers, of_films)
        films = [film for film, _ in self._films]
        known = set(self._parts) <= _USUAL_MORE.keys() and not (films and self._more)
        whose = "usual rates" if known else "usual rates of `koala`; this model may take longer"
        rates = whose if cost.usual else "journal"
        return f"{', '.join(parts)}; {_total(films, cost.seconds, cost.room, rates)}"

    @property
    def _more(self) -> float:
        """Seconds a picture that the model, or all of a blend, takes more than koala."""
        return sum(_USUAL_MORE.get(part, 0.0) for part in self._parts)

    def _usual(self, pictures: float, size: float) -> float:
        """Return the usual seconds of some pictures that have some bytes together, on one core."""
        return pictures * (_USUAL_SECONDS + self._more) + size * _USUAL_RATES[0]

    def cost(
        self, journals: Iterable[Rates], workers: int, of_films: Iterable[Journal] = ()
    ) -> Cost:
        """Return about how long it takes and what room it needs, as ``sentence`` says it."""
        known = next((rates for one in journals if (rates := one.rates(self._model))), None)
        pictures = self.counts["colored"] - len(self._films)
        time, room = self._usual(pictures, self._bytes) / workers, self._bytes * _USUAL_RATES[1]
        usual = known is None and pictures > 0
        if known is not None:  # the journal's pictures may be much larger, or smaller, than these
            time *= known.seconds / self._usual(known.files, 1)
            room = self._bytes * known.room
        films = [film for film, _ in self._films]
        if films:
            known_of_films = (one.rates(self._model, films=True) for one in of_films)
            rates = next(filter(None, known_of_films), None)
            size = sum(size for _, size in self._films)
            more = _cost(films) if rates is None else (size * rates.seconds, size * rates.room)
            time, room, usual = time + more[0], room + more[1], usual or rates is None
        return Cost(time, room, usual)


def total_of_films(films: Sequence[Outlook]) -> str:
    """Return how long films last, how long they take, and what room they need, by usual rates."""
    return _total(films, *_cost(films), "usual rates")


def _total(films: Sequence[Outlook], seconds: float, room: float, rates: str) -> str:
    length = f"the films last {lasting(sum(film.seconds for film in films))}; " if films else ""
    return f"{length}{time_and_room(seconds, room)}, by the {rates}"


def _cost(films: Sequence[Outlook]) -> tuple[float, float]:
    costs = [film_cost(film) for film in films]
    return sum(seconds for seconds, _ in costs), sum(room for _, room in costs)


def film_cost(film: Outlook) -> tuple[float, float]:
    """Return about how many seconds a film takes on all cores, and the bytes of its result."""
    a_frame, a_pixel = _USUAL_FILMS
    seconds = film.frames * (a_frame + a_pixel * film.pixels) / thread_count(0)
    return seconds, film.frames * film.pixels * _USUAL_ROOM[film.codec]


def time_and_room(seconds: float, room: float) -> str:
    """Return seconds and bytes as people say them."""
    return f"about {lasting(seconds)} and {_size(room)}"


def lack_of_room(room: float, folder: Path) -> str | None:
    """Return what to say where results have no room; None where they have, or nobody knows.

    Args:
        room: bytes of the results.
        folder: of the results, which need not be there yet.
    """
    place = next((at for at in (folder, *folder.absolute().parents) if at.is_dir()), folder)
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return None
    if free >= room:
        return None
    return (
        f"the results take about {_size(room)} but `{folder}` has room for {_size(free)}: make "
        "room, or name another folder with -o"
    )


def lasting(seconds: float) -> str:
    """Return seconds as people say them."""
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
