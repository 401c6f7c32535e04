"""The packets of a film's streams as they stand in its file, past what cannot be read of it.

Not here: decoding them (``film.read``), which are copied, and their times in the result
(``film.write``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream

__all__ = ["dated", "demuxed", "readable"]

_Kind = TypeVar("_Kind", bound=Stream)

_MOST_ERRORS = 1000  # in a row, of a container that cannot be read on


def readable(ask: Callable[[], Iterator[av.Packet[_Kind]]]) -> Iterator[av.Packet[_Kind]]:
    """Yield packets, past places that cannot be read.

    Args:
        ask: begins to read, from where the container stands; asked again after each error.
    """
    errors = 0
    packets = ask()
    while errors <= _MOST_ERRORS:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError:
            errors += 1
            packets = ask()
            continue
        errors = 0
        yield packet


def demuxed(source: InputContainer, wanted: list[Stream]) -> Iterator[av.Packet[Stream]]:
    """Yield the packets that hold anything, past places that cannot be read."""
    return (packet for packet in readable(lambda: source.demux(wanted)) if packet.size)


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
