"""What many pictures have in common is said of a few of them, with a count of the others.

Not here: the other lines of a run (``report``), what went wrong with one (``batch``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from koalarize.batch.plan import Outcome

__all__ = ["Causes"]

#: Up to so many pictures of one cause are named each; of more than that, the first ones.
_ALL_OF, _FIRST_OF = 10, 3
#: Causes that are told apart; what comes later is only counted.
_MOST_CAUSES = 1000
#: What differs between two sentences that say the same: names, and numbers.
_DIFFERS = re.compile(r"`[^`]*`|\d+")


@dataclass
class _Cause:
    count: int = 0
    first: list[Outcome] = field(default_factory=list["Outcome"])


class Causes:
    """Outcomes by what is said of them, apart from names and numbers.

    Attributes:
        left: how many came when there were too many causes.
    """

    def __init__(self) -> None:
        self.left = 0
        self._by_words: dict[str, _Cause] = {}

    def add(self, outcome: Outcome, said: str) -> None:
        """Take in an outcome.

        Args:
            outcome: of a picture.
            said: what a person is told of it.
        """
        said = said.replace(str(outcome.source), "``").replace(outcome.source.name, "``")
        words = _DIFFERS.sub("``", said)
        if words not in self._by_words and len(self._by_words) >= _MOST_CAUSES:
            self.left += 1
            return
        cause = self._by_words.setdefault(words, _Cause())
        cause.count += 1
        if len(cause.first) < _ALL_OF:
            cause.first.append(outcome)

    def __iter__(self) -> Iterator[tuple[Outcome, int]]:
        """Yield the outcomes that are named, each with how many like it are only counted."""
        for cause in self._by_words.values():
            named = cause.first if cause.count <= _ALL_OF else cause.first[:_FIRST_OF]
            for outcome in named[:-1]:
                yield outcome, 0
            yield named[-1], cause.count - len(named)
