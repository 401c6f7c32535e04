"""Where the frames of a film stand in its file, so that a span is read without all that is before.

Not here: reading frames (``film.read``). Packets are looked at, never decoded. A film whose times
cannot be trusted has no such list, and is read from its beginning.
"""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass

from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

__all__ = ["Index", "index_of"]

_MOST_REORDERED = 32  # frames by which coding and showing may differ in their order
_MARGIN = 2  # key frames back: what follows the last one may still use what is before it


@dataclass(frozen=True)
class Index:
    """The times of a film's frames.

    Attributes:
        times: of every frame that is shown, ticks, rising.
        keys: of those at which decoding can begin.
    """

    times: list[int]
    keys: list[int]

    def entry(self, ticks: int) -> int | None:
        """Return the time at which decoding begins for a frame; None: at the film's beginning."""
        place = bisect.bisect_right(self.keys, ticks) - _MARGIN
        return self.keys[place] if place > 0 else None

    def between(self, first: int, last: int) -> list[int]:
        """Return the times from one to another, both included."""
        return self.times[bisect.bisect_left(self.times, first) : bisect.bisect(self.times, last)]

    def next(self, ticks: int) -> int | None:
        """Return the time of the first frame at or behind a time; None where there is none."""
        place = bisect.bisect_left(self.times, ticks)
        return self.times[place] if place < len(self.times) else None


def index_of(
    container: InputContainer, stream: VideoStream, until: int | None = None
) -> Index | None:
    """List the times of a film's frames.

    Args:
        container: the film, at its beginning.
        stream: the pictures.
        until: ticks up to which the list must go; None for the whole film.

    Returns:
        None where a time is missing, stands twice or falls, or a packet is damaged.
    """
    times: list[int] = []
    keys: list[int] = []
    highest: list[int] = []  # of the times up to each packet
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            if packet.pts is None or packet.is_corrupt:
                return None
            place = len(highest) - _MOST_REORDERED
            if place >= 0 and packet.pts <= highest[place]:
                return None
            highest.append(packet.pts if not highest else max(highest[-1], packet.pts))
            if packet.is_discard:
                continue
            times.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
            if until is not None and place >= 0 and highest[place] > until:
                break
    except FFmpegError:
        return None
    times.sort()
    if any(one == other for one, other in itertools.pairwise(times)):
        return None
    return Index(times, sorted(keys))
