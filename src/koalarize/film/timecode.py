"""The timecode of a film of which only a part is written.

Not here: tracks of timecode, which MP4 makes itself (``film.container``).
"""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["later"]

_CODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")


def later(code: str, frames: int, rate: Fraction) -> str | None:
    """Return the timecode some frames later, as SMPTE ST 12-1 counts them.

    Args:
        code: ``HH:MM:SS:FF``; with ``;`` or ``.`` before the frames, numbers are dropped.
        frames: how many, 0 or more.
        rate: of the film, frames a second.

    Returns:
        None if ``code`` is no timecode of that rate.
    """
    found = _CODE.fullmatch(code.strip())
    base = round(rate)
    if found is None or base < 1:
        return None
    hours, minutes, seconds, rest = (int(found[number]) for number in (1, 2, 3, 5))
    drop = 2 * (base // 30) if found[4] != ":" else 0  # numbers left out a minute, but each tenth
    if minutes > 59 or seconds > 59 or rest >= base:
        return None
    minutes += 60 * hours
    count = (60 * minutes + seconds) * base + rest - drop * (minutes - minutes // 10) + frames
    minute, ten = 60 * base - drop, 600 * base - 9 * drop
    count %= 144 * ten
    tens, within = divmod(count, ten)
    dropped = max(0, (within - drop) // minute) if drop else 0
    count += drop * (9 * tens + dropped)
    clock, rest = divmod(count, base)
    hours, minutes, seconds = clock // 3600, clock // 60 % 60, clock % 60
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{found[4]}{rest:02d}"
