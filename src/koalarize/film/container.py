"""What the containers of films hold: their streams, tried on an empty one.

Not here: what is written into them (``film.write``).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from koalarize.film.encode import Coding, set_up
from koalarize.film.facts import NOT_FILMS, Facts, open_film
from koalarize.film.options import CODECS

__all__ = ["FORMATS", "MORE_TAGS", "Held", "held_by", "name_of", "set_out", "tags_of"]

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
}
#: The option of MP4 and MOV to hold tags of any name; others then show the usual ones less well.
MORE_TAGS = "+use_metadata_tags"
#: What a container says of itself, not of the film.
_OWN_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder")
#: What mkvmerge counts of a stream, by the beginnings of its tags: it is not so of new pictures.
_COUNTED = ("bps", "duration", "number_of_", "_statistics_")
#: Containers that hold how a film is turned, and those that hold chapters.
_TURNED = frozenset({"mp4", "mov", "matroska"})
_CHAPTERED = _TURNED | {"nut"}
_UNTAGGED = frozenset({"ffv1", "prores"})  # codecs that leave it to the container what a pixel is
_STREAMED = frozenset({"x264", "x265"})  # codecs of transport streams
#: What transport streams hold, by FFmpeg's names; all else is put there as data that nobody plays.
_OF_STREAMS = frozenset(
    [
        "h264",
        "hevc",
        "mpeg1video",
        "mpeg2video",
        "mpeg4",
        "vc1",
        "mp1",
        "mp2",
        "mp3",
        "aac",
        "aac_latm",
        "ac3",
        "eac3",
        "dts",
        "opus",
        "s302m",
        "dvb_subtitle",
        "dvb_teletext",
    ]
)
#: The sound that they hold as Blu-rays and AVCHD cameras write them, in packets of 192 bytes.
_SOUND_OF_BLU_RAYS = frozenset({"ac3", "eac3", "dts", "truehd", "pcm_bluray"})
_OF_BLU_RAYS = _SOUND_OF_BLU_RAYS | {"h264", "hevc", "mpeg2video", "vc1", "hdmv_pgs_subtitle"}
_BLU_RAYS = (".m2ts", ".mts")
_AVIF = ("avis", "avif")
_UNSPECIFIED = 2
_DISCARDED = 48  # what FFmpeg says of a stream that it reads itself
_LATE = 0.1  # seconds: sound that begins later is clearly late
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
        lost: the others, and what else it does not hold, a phrase each.
        fits: whether the pictures themselves can be held.
        tags_lost: names of the film's tags that cannot be held.
        more_tags: whether ``MORE_TAGS`` is needed to hold the others.
        blu_ray: whether it is a transport stream as Blu-rays have it.
        films: how many of the streams that are copied are films too, such as other cameras.
    """

    streams: tuple[int, ...]
    lost: tuple[str, ...]
    fits: bool
    tags_lost: tuple[str, ...] = ()
    more_tags: bool = False
    blu_ray: bool = False
    films: int = 0


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
        streamed = FORMATS[ending] != "mpegts" or coding.options.codec in _STREAMED
        fits = streamed and _holds(ending, coding, source, [])
        blu_ray = ending in _BLU_RAYS and _sounds_of_blu_rays(source)
        for stream in source.streams:
            timecode, streams = _is_timecode(stream), [*held, stream.index]
            if stream.index == facts.stream or (timecode and _is_mp4(ending)):
                continue
            if _is_chapters(stream) or _is_still_of_avif(source, stream):
                continue
            shown = not timecode and _is_shown(ending, stream, blu_ray=blu_ray)
            if fits and shown and _holds(ending, coding, source, streams):
                held = streams
            else:
                lost.append(name_of(stream))
        if fits:
            lost += _unsaid(ending, coding, source, held)
        tags = tags_of(source) if fits else {}
        cover = any(source.streams[number].disposition & NOT_FILMS for number in held)
        films = [n for n in held if _is_film(source.streams[n])]
    tags_lost = _tags_lost(ending, tags)
    more_tags = bool(tags_lost) and _is_mp4(ending) and not cover  # FFmpeg writes one of the two
    if more_tags:
        tags_lost = _tags_lost(ending, tags, {"movflags": MORE_TAGS})
    return Held(tuple(held), tuple(lost), fits, tags_lost, more_tags, blu_ray, len(films))


def tags_of(source: InputContainer) -> dict[str, str]:
    """Return what a file says of its film."""
    return {key: text for key, text in source.metadata.items() if key.lower() not in _OWN_TAGS}


def _tags_lost(
    ending: str, tags: dict[str, str], options: dict[str, str] | None = None
) -> tuple[str, ...]:
    """Return the names of tags that a container does not hold, by writing and reading them."""
    if not tags:
        return ()
    memory = io.BytesIO()
    with av.open(memory, "w", format=FORMATS[ending], container_options=options or {}) as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        out.metadata.update(tags)
        out.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        out.mux(stream.encode(None))
    memory.seek(0)
    with av.open(memory, metadata_errors="replace") as written:
        held = {key.lower() for key in written.metadata}
    if _is_mp4(ending):
        held.add("timecode")  # of which it makes a track
    return tuple(key for key in tags if key.lower() not in held)


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
    if _is_timecode(stream):
        return "the timecode track"
    kind = _KINDS.get(stream.type, stream.type)
    if stream.disposition & Disposition.attached_pic:
        kind = "a cover"
    context = cast(Any, stream).codec_context
    return kind if context is None else f"{kind} ({context.name})"


def _sounds_of_blu_rays(source: InputContainer) -> bool:
    """Tell whether Blu-rays have all sound of a film: players there find no other."""
    names = {stream.codec_context.codec.canonical_name for stream in source.streams.audio}
    return names <= _SOUND_OF_BLU_RAYS


def _is_shown(ending: str, stream: Stream, *, blu_ray: bool) -> bool:
    """Tell whether players show a stream: some containers take what they have no place for."""
    form = FORMATS[ending]
    if form == "mov":
        return not stream.disposition & NOT_FILMS
    if form not in ("avi", "mpegts"):
        return True
    if stream.type == "attachment" or stream.disposition & NOT_FILMS:
        return False
    context = cast(Any, stream).codec_context
    if form == "mpegts" and stream.type != "data" and context is not None:
        return context.codec.canonical_name in (_OF_BLU_RAYS if blu_ray else _OF_STREAMS)
    return True


def _unsaid(
    ending: str, coding: Coding, source: InputContainer, held: Sequence[int]
) -> Iterator[str]:
    """Yield what a container takes without a word and does not hold, a phrase each."""
    form, facts = FORMATS[ending], coding.facts
    if (facts.rotation or facts.mirrored) and form not in _TURNED:
        yield f"how it is turned ({_turned(facts)})"
    untagged = coding.options.codec in _UNTAGGED and form not in ("mp4", "mov")
    if untagged and facts.aspect not in (None, 1):
        yield f"the shape of its pixels ({facts.aspect.numerator}:{facts.aspect.denominator})"
    if form == "avi" and coding.options.codec == "ffv1" and facts.matrix != _UNSPECIFIED:
        yield "what its colours are (matrix, range)"
    if form not in _CHAPTERED and source.chapters():
        yield "its chapters"
    if form != "avi":
        return
    for number in held:
        stream = source.streams[number]
        if stream.type == "audio" and stream.start_time is not None and stream.time_base:
            late = float(stream.start_time * stream.time_base) - (coding.options.start or 0.0)
            if late > _LATE:
                yield f"that {name_of(stream)} begins {late:.2f} s late"


def _turned(facts: Facts) -> str:
    mirrored = ["mirrored"] * facts.mirrored
    return " and ".join([f"{facts.rotation} degrees to the left"] * bool(facts.rotation) + mirrored)


def _is_film(stream: Stream) -> bool:
    return stream.type == "video" and not stream.disposition & NOT_FILMS


def _is_timecode(stream: Stream) -> bool:
    """Tell whether a stream is a timecode: MP4 makes it itself, of a tag of the pictures."""
    return stream.type == "data" and "timecode" in stream.metadata


def _is_chapters(stream: Stream) -> bool:
    """Tell whether a stream is MP4's list of chapters, which FFmpeg itself reads and writes."""
    return stream.type == "data" and getattr(stream, "discard", 0) == _DISCARDED


def _is_still_of_avif(source: InputContainer, stream: Stream) -> bool:
    """Tell whether a stream is the single picture that an AVIF animation shows as a photo."""
    is_avif = source.metadata.get("major_brand") in _AVIF
    return is_avif and stream.type == "video" and stream.frames == 1


def _is_mp4(ending: str) -> bool:
    return FORMATS[ending] in ("mp4", "mov")


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
            if facts.interlaced == (facts.field_order > 1):  # else it says nothing, or not so
                made.codec_context.field_order = facts.field_order
            made.time_base = facts.time_base
            if facts.rotation or facts.mirrored:
                made.set_display_rotation(facts.rotation, hflip=facts.mirrored)
            _describe(made, stream, but=("alpha_mode", "encoder", *_COUNTED))
        elif stream.index in streams:
            part = coding.options.start is not None or coding.options.stop is not None
            copied[stream.index] = _copy_of(out, source, stream)
            _describe(copied[stream.index], stream, but=_COUNTED if part else ())
    assert made is not None
    return made, copied


def _copy_of(out: OutputContainer, source: InputContainer, stream: Stream) -> Stream:
    if stream.type == "attachment":
        one = cast(Any, stream)
        return out.add_attachment(one.name or "attachment", one.mimetype or "", one.data)
    if out.format.name == "matroska" and stream.disposition & Disposition.attached_pic:
        return _cover(out, source, stream)
    return cast(Stream, out.add_stream_from_template(cast(Any, stream)))


def _cover(out: OutputContainer, source: InputContainer, stream: Stream) -> Stream:
    """Attach a cover, as Matroska holds it: as a stream players would take it for a second film.

    Raises:
        ValueError: if it cannot be read.
    """
    with open_film(Path(source.name)) as again:
        packets = again.demux(again.streams[stream.index])
        data = next((bytes(packet) for packet in packets if packet.size), b"")
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    if kind == "jpeg" and not data.startswith(b"\xff\xd8"):
        raise ValueError("no picture that an attachment can be")
    tags = stream.metadata
    name = tags.get("filename") or f"cover.{kind.replace('e', '')}"
    return out.add_attachment(name, tags.get("mimetype") or f"image/{kind}", data)


def _describe(made: Stream, stream: Stream, *, but: Sequence[str]) -> None:
    """Give a stream what the film says of it, but for tags whose names begin so."""
    tags = stream.metadata.items()
    made.metadata.update(
        {key: text for key, text in tags if not key.lower().startswith(tuple(but))}
    )
    if made.type == stream.type:
        made.disposition = stream.disposition
