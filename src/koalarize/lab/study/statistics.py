"""The numbers of the test: shares with their intervals, sensitivity, chance, people as clusters.

Not here: sessions and answers (``session``), which numbers are reported (``report``).
Plain Python; every function is checked against SciPy or numbers worked by hand.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

__all__ = ["Share", "binomial_p", "bootstrap_people", "sensitivity", "wilson"]

_NORMAL = NormalDist()
#: Resamples of the bootstrap over people; the generator's seed is fixed, so that a report is
#: the same each time it is made.
_RESAMPLES = 10_000
_BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Share:
    """How often something happened.

    Attributes:
        count: times it happened.
        n: times it could have.
    """

    count: int
    n: int

    @property
    def rate(self) -> float | None:
        """``count / n``, or None where nothing was asked."""
        return self.count / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval, or None where nothing was asked."""
        return wilson(self.count, self.n) if self.n else None


def wilson(count: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a proportion (Wilson 1927, no continuity correction).

    Args:
        count: successes, 0 to ``n``.
        n: trials, at least 1.
        confidence: between 0 and 1.

    Returns:
        Lower and upper bound, in [0, 1].
    """
    assert 0 <= count <= n
    assert n > 0
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    centre = (count + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(count * (n - count) / n + z * z / 4)
    # At the ends the bound is 0 or 1 itself, which rounding would miss.
    return (
        0.0 if count == 0 else max(0.0, centre - half),
        1.0 if count == n else min(1.0, centre + half),
    )


def binomial_p(count: int, n: int) -> float:
    """Return the exact two-sided p-value of ``count`` in ``n`` against chance, one half.

    It is the probability that fair coins give a count at least as far from ``n / 2``.
    """
    assert 0 <= count <= n
    ways = tail = 1
    for k in range(min(count, n - count)):
        ways = ways * (n - k) // (k + 1)  # n over k + 1
        tail += ways
    return min(1.0, 2 * tail / 2**n)  # whole numbers divide exactly however long they are


def sensitivity(real: Share, recoloured: Share) -> tuple[float, float]:
    """Return d' and the criterion c of somebody who judges pictures real or recoloured.

    A hit is a real picture judged real, a false alarm a recoloured one judged real. Each rate is
    (count + 0.5) / (n + 1), the log-linear correction of Hautus (1995), so that perfect answers
    stay finite.

    Args:
        real: real pictures judged real.
        recoloured: recoloured pictures judged real.

    Returns:
        d', 0 for who cannot tell and above 0 for who can; c, below 0 for who tends to say "real".
    """
    hit, alarm = (
        _NORMAL.inv_cdf((share.count + 0.5) / (share.n + 1)) for share in (real, recoloured)
    )
    return hit - alarm, -(hit + alarm) / 2


def bootstrap_people(people: Sequence[Share]) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of the pooled share when people are resampled.

    Answers of one person resemble each other; an interval over answers alone is then too narrow.
    People are resampled with replacement, each with all of their answers.

    Args:
        people: one share a person; those without an answer are left out.

    Returns:
        Lower and upper bound, or None for fewer than two people.
    """
    asked = [share for share in people if share.n]
    if len(asked) < 2:
        return None
    generator = random.Random(_BOOTSTRAP_SEED)
    rates: list[float] = []
    for _ in range(_RESAMPLES):
        drawn = generator.choices(asked, k=len(asked))
        rates.append(sum(share.count for share in drawn) / sum(share.n for share in drawn))
    rates.sort()
    return rates[round(0.025 * (_RESAMPLES - 1))], rates[round(0.975 * (_RESAMPLES - 1))]
