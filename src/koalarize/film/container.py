"""What the containers of films hold: their streams, tried on an empty one.

Not here: what is written into them (``film.write``).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.stream import VideoStream

from koalarize.film.encode import Coding, set_up
from koalarize.film.facts import open_film
from koalarize.film.options import CODECS

__all__ = ["FORMATS", "Held", "held_by", "name_of", "set_out"]

#: Endings of films that can be written -> FFmpeg's name of the container.
FORMATS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".avi": "avi",
    ".ts": "mpegts",
    ".m2ts": "mpegts",
    ".mts": "mpegts",
    ".nut": "nut",
    ".webm": "webm",
}
_KINDS = {
    "audio": "sound",
    "subtitle": "subtitles",
    "data": "data",
    "attachment": "an attachment",
    "video": "a second picture",
    "unknown": "an unknown stream",
}


@dataclass(frozen=True)
class Held:
    """What a container can hold of a film.

    Attributes:
        streams: numbers of the film's other streams that are copied.
        lost: the others, a phrase each.
        fits: whether the pictures themselves can be held.
    """

    streams: tuple[int, ...]
    lost: tuple[str, ...]
    fits: bool


def held_by(ending: str, coding: Coding) -> Held:
    """Find out what a container can hold of a film, by trying on an empty one.

    Args:
        ending: of ``FORMATS``.
        coding: of the pictures.
    """
    facts = coding.facts
    held: list[int] = []
    lost: list[str] = []
    with open_film(facts.path) as source:
        fits = _holds(ending, coding, source, [])
        for stream in source.streams:
            if stream.index == facts.stream or _is_made_again(stream, ending):
                continue
            if fits and _holds(ending, coding, source, [*held, stream.index]):
                held.append(stream.index)
            else:
                lost.append(name_of(stream))
    return Held(tuple(held), tuple(lost), fits)


def _holds(ending: str, coding: Coding, source: InputContainer, streams: list[int]) -> bool:
    try:
        out = av.open(io.BytesIO(), "w", format=FORMATS[ending])
        try:
            set_out(out, coding, source, streams)
            out.start_encoding()
        finally:
            out.close()
    except (FFmpegError, ValueError, TypeError, NotImplementedError, AttributeError):
        return False
    return True


def name_of(stream: Stream) -> str:
    """Return what a stream is, in few words."""
    kind = _KINDS.get(stream.type, stream.type)
    context = cast(Any, stream).codec_context
    return kind if context is None else f"{kind} ({context.name})"


def _is_made_again(stream: Stream, ending: str) -> bool:
    """Tell whether a container makes a stream itself, of a tag of the pictures: a timecode."""
    return stream.type == "data" and "timecode" in stream.metadata and ending != ".mkv"


def set_out(
    out: OutputContainer, coding: Coding, source: InputContainer, streams: Sequence[int]
) -> tuple[VideoStream, dict[int, Stream]]:
    """Give a container its streams, in the order of the film's.

    Returns:
        The stream of the pictures, and the others by their number in the film.
    """
    facts = coding.facts
    made: VideoStream | None = None
    copied: dict[int, Stream] = {}
    for stream in source.streams:
        if stream.index == facts.stream:
            codec = CODECS[coding.options.codec]
            made = cast(VideoStream, out.add_stream(codec, rate=facts.rate))
            set_up(made.codec_context, coding)
            made.time_base = facts.time_base
            if facts.rotation:
                made.set_display_rotation(facts.rotation)
            _describe(made, stream)
        elif stream.index in streams:
            copied[stream.index] = _copy_of(out, stream)
            _describe(copied[stream.index], stream)
    assert made is not None
    return made, copied


def _copy_of(out: OutputContainer, stream: Stream) -> Stream:
    if stream.type == "attachment":
        one = cast(Any, stream)
        return out.add_attachment(one.name or "attachment", one.mimetype or "", one.data)
    return cast(Stream, out.add_stream_from_template(cast(Any, stream)))


def _describe(made: Stream, stream: Stream) -> None:
    made.metadata.update(stream.metadata)
    made.disposition = stream.disposition
