"""What a data set holds: usable pictures, those left out by reason, their sizes.

Not here: reading (``sources``). Nothing is changed or kept in memory but counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from koalarize.lab.datasets.sources import decode_picture, named_pictures, passed_over

__all__ = ["Findings", "check_pictures"]

_CHUNK = 32
_WORKERS = 4


@dataclass
class Findings:
    """What was found in a data set.

    Attributes:
        usable: pictures to learn from.
        left_out: how many were left out, by reason, as in ``Pictures.left_out``.
        names: the first few names of each reason.
        bytes: size of all encoded pictures.
        sizes: how often each size (width, height) of a usable picture occurs.
        passed_over: files of other kinds, which training does not read, by their ending.
    """

    usable: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    names: dict[str, list[str]] = field(default_factory=dict)
    bytes: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)

    @property
    def seen(self) -> int:
        """All pictures looked at."""
        return self.usable + self.left_out.total()

    @property
    def median_short_side(self) -> int:
        """The short side (pixels) that half of the usable pictures do not exceed; 0 for none."""
        sides: Counter[int] = Counter()
        for size, count in self.sizes.items():
            sides[min(size)] += count
        below = 0
        for side in sorted(sides):
            below += sides[side]
            if 2 * below >= self.usable:
                return side
        return 0


def check_pictures(
    source: Path,
    *,
    min_chroma: float = 2.0,
    examples: int = 5,
    progress: Callable[[int], None] | None = None,
) -> Findings:
    """Look at every picture of a source, as training would.

    Args:
        source: as for ``named_pictures``.
        min_chroma: pictures whose mean chroma (Lab units) is below count as grey.
        examples: how many names of each reason are kept.
        progress: called with the number of pictures looked at.

    Raises:
        DataError: if the source is missing or of another kind.
    """
    findings = Findings(passed_over=passed_over(source))

    def judge(entry: tuple[str, bytes]) -> str | tuple[int, int]:
        result = decode_picture(entry[1], min_chroma=min_chroma)
        return result if isinstance(result, str) else (result.shape[1], result.shape[0])

    stream = named_pictures(source)
    with ThreadPoolExecutor(_WORKERS) as pool:
        while chunk := list(islice(stream, _CHUNK)):
            for (name, data), verdict in zip(chunk, pool.map(judge, chunk), strict=True):
                findings.bytes += len(data)
                if isinstance(verdict, tuple):
                    findings.usable += 1
                    findings.sizes[verdict] += 1
                else:
                    findings.left_out[verdict] += 1
                    names = findings.names.setdefault(verdict, [])
                    if len(names) < examples:
                        names.append(name)
            if progress is not None:
                progress(findings.seen)
    return findings
