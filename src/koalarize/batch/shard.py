"""One part of a job that several machines share, told by names alone.

Not here: which name counts (``naming``).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from koalarize.errors import OptionError

__all__ = ["Shard"]


@dataclass(frozen=True)
class Shard:
    """One part of a job that several machines share: part ``number`` of ``count``, from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``i/n``.

        Raises:
            OptionError: if it is none.
        """
        number, _, count = text.partition("/")
        if number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
            return cls(int(number), int(count))
        raise OptionError(f"`--shard` is `{text}` but must be like 3/8: the third part of eight")

    def holds(self, name: str) -> bool:
        """Tell whether a name belongs to this part; it always belongs to exactly one."""
        return zlib.crc32(name.encode("utf-8", "surrogateescape")) % self.count == self.number - 1
