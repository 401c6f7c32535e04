"""Whether frames are missing in a film because its file cannot be read there.

Not here: files that break off (``film.ending``), frames that cannot be decoded (``film.read``).
Readers of containers pass over in silence what they cannot read. What they have passed over shows
in the places of the packets before and behind it; where packet follows packet, nothing was filmed.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator, Sequence

from av import Packet, VideoFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.frame import PictureType

from koalarize.film.facts import Facts, open_film

__all__ = ["Spoilt", "is_damage", "lost_at_end"]

#: Containers in which packet follows packet, with a few bytes between them.
_DENSE = ("matroska", "flv")
_LEAST = 512  # bytes between two packets that are more than what stands there as a rule
_TIMES = 8  # of the usual number, the same
_NEAR = 1.0  # seconds around a hole in which a packet that is not whole has to do with it
_MISSING = 1.0  # seconds that are missing at an end that could not be read, at least
_SHARE = 0.25  # of the bytes that those seconds have as a rule, the same
#: Codecs that carry the state of their coder from one frame to the next, though each is an I.
_CARRIED = frozenset({"ffv1"})


class Spoilt:
    """Tells which decoded frames show damage: also those that are made of damaged ones."""

    def __init__(self, codec: str = "") -> None:
        """Begin with the film, or at a key frame.

        Args:
            codec: FFmpeg's name of the film's codec.
        """
        self._goes_on = False
        self._alone = codec not in _CARRIED

    def is_shown(self, picture: VideoFrame, lost: bool = False) -> bool:
        """Tell whether a frame shows what could not be read; take each, in the order of showing.

        Others are made of a damaged frame up to the next that stands for itself, but hardly ever of
        one that lies between two.

        Args:
            picture: the frame.
            lost: whether it is damaged though its decoder does not say so.
        """
        damaged = lost or picture.is_corrupt
        if damaged:
            self._goes_on = self._goes_on or picture.pict_type != PictureType.B
        elif picture.key_frame or (self._alone and picture.pict_type == PictureType.I):
            self._goes_on = False
        return damaged or self._goes_on


def is_damage(facts: Facts, last: int, pts: int, broken: Sequence[int]) -> bool:
    """Tell whether a hole between two frames is a place that cannot be read, rather than a pause.

    Args:
        facts: of the film.
        last: ticks of the frame before the hole.
        pts: ticks of the frame behind it.
        broken: ticks of packets that the container calls damaged.

    Returns:
        True also where the container does not say.
    """
    with open_film(facts.path) as container:
        if "mpegts" in container.format.name:
            near = _NEAR / facts.time_base
            return any(last - near <= one <= pts + near for one in broken)
        if not _is_dense(container):
            return True
        before: int | None = None
        between: list[int] = []
        for packet in _packets(container, facts, last):
            if before is not None and packet.pos is not None:
                between.append(packet.pos - before)
            before = None if packet.pos is None else packet.pos + packet.size
            behind = packet.stream_index == facts.stream and packet.dts is not None
            if behind and packet.dts is not None and packet.dts > pts:
                break
    usual = statistics.median(between) if between else 0
    return max(between, default=0) > max(_LEAST, _TIMES * usual)


def lost_at_end(facts: Facts, last: int) -> bool:
    """Tell whether the end of a film's file cannot be read, though all of it is there.

    Args:
        facts: of the film.
        last: ticks of the last frame that was read.
    """
    with open_film(facts.path) as container:
        if "matroska" not in container.format.name:
            return False
        place, end = 0, facts.begin
        for packet in _packets(container, facts, last):
            time = packet.pts if packet.pts is not None else packet.dts
            if packet.pos is not None and time is not None:
                place = max(place, packet.pos + packet.size)
                end = max(end, float((time + (packet.duration or 0)) * packet.time_base))
    missing = facts.end - end
    size = facts.path.stat().st_size
    usual = size / max(facts.end - facts.begin, _MISSING)
    return missing > _MISSING and size - place > _SHARE * missing * usual


def _is_dense(container: InputContainer) -> bool:
    return any(name in container.format.name for name in _DENSE)


def _packets(container: InputContainer, facts: Facts, ticks: int) -> Iterator[Packet[Stream]]:
    """Yield the packets of all streams from shortly before a time on, as they stand in the file."""
    with contextlib.suppress(FFmpegError):
        container.seek(ticks, stream=container.streams[facts.stream])
        for packet in container.demux():
            if packet.size:
                yield packet
