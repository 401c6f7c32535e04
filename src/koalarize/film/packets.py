"""The packets of a film's streams as they stand in its file, each with a time of decoding.

Not here: which of them are copied, and their times in the result (``film.write``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream

__all__ = ["dated", "demuxed"]

_MOST_ERRORS = 1000  # in a row, of a container that cannot be read on


def demuxed(source: InputContainer, wanted: list[Stream]) -> Iterator[av.Packet[Stream]]:
    """Yield packets, past places that cannot be read."""
    errors = 0
    packets = source.demux(wanted)
    while errors < _MOST_ERRORS:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError:
            errors += 1
            packets = source.demux(wanted)
            continue
        if packet.size:
            yield packet


def dated(packets: Iterable[av.Packet[Stream]]) -> Iterator[av.Packet[Stream]]:
    """Yield packets; the first of a second film get the times of decoding that Matroska leaves out.

    Frames are coded in another order than they are shown. Where the time of decoding is missing,
    the time of showing must not stand for it: it falls from one packet to the next.
    """
    undated: dict[int, list[av.Packet[Stream]]] = {}
    for packet in packets:
        number = packet.stream_index
        if packet.stream.type == "video" and packet.dts is None and packet.pts is not None:
            undated.setdefault(number, []).append(packet)
            continue
        before = undated.pop(number, [])
        for back, one in zip(range(len(before), 0, -1), before, strict=True):
            if packet.dts is not None:
                one.dts = packet.dts - back * max(1, one.duration or 1)
            yield one
        yield packet
    for rest in undated.values():
        yield from rest
