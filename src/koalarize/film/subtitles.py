"""Subtitles of a part of a film: those that it shows, for as long as it lasts.

Not here: the other packets of a part, and their times in the result (``film.write``).
"""

from __future__ import annotations

import math
from fractions import Fraction

import av
from av.stream import Stream

__all__ = ["Staying", "trimmed"]

_PGS = "hdmv_pgs_subtitle"
#: In a packet of PGS: its first byte where a picture begins, and the places of two numbers there.
_BEGINS, _STATE, _OBJECTS = 0x16, 10, 13
_GOES_ON = 0  # state of a picture that needs those before it


def trimmed(packet: av.Packet[Stream], at: Fraction, begin: Fraction, stop: Fraction | None) -> int:
    """Shorten a subtitle to what of it a span shows; return by how many ticks it begins later.

    Args:
        packet: of the subtitles; one without a duration stays as it is.
        at: seconds of its beginning.
        begin: seconds of the span's.
        stop: seconds of the span's end; None where that is the film's.
    """
    base = Fraction(packet.time_base)
    until = at + (packet.duration or 0) * base
    if at < until and begin < until:
        late = max(0, math.ceil((begin - at) / base))
        until = until if stop is None else min(until, stop)
        packet.duration = max(1, math.floor((until - at) / base) - late)
        return late
    return 0


class Staying:
    """Subtitles that say no duration and stay until the next, as Blu-rays have them (PGS)."""

    def __init__(self) -> None:
        """Begin before a span, with none."""
        self._shown: dict[int, list[av.Packet[Stream]]] = {}

    def take(self, packet: av.Packet[Stream]) -> None:
        """Take a packet before the span; what is no such subtitle is passed over."""
        stream = packet.stream
        if (
            stream.type != "subtitle"
            or stream.codec_context.codec.canonical_name != _PGS
            or packet.duration
        ):
            return
        data, number = bytes(packet), packet.stream_index
        if len(data) > _OBJECTS and data[0] == _BEGINS:
            if not data[_OBJECTS]:  # it takes away what was shown
                self._shown.pop(number, None)
            elif data[_STATE] != _GOES_ON:
                self._shown[number] = []
        if number in self._shown:
            self._shown[number].append(packet)

    def shown(self) -> list[tuple[int, list[av.Packet[Stream]]]]:
        """Return the packets of what is shown where the span begins, by stream, and forget them."""
        found, self._shown = self._shown, {}
        return list(found.items())
