"""A film's own file: new pictures, and every other stream copied packet for packet.

Not here: how the pictures are coded (``film.encode``). The file appears whole or not at all.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer, OutputContainer
from av.error import ArgumentError, FFmpegError
from av.stream import Stream

from koalarize.errors import OutputError
from koalarize.film.container import FORMATS, MORE_TAGS, Held, name_of, set_out, tags_of
from koalarize.film.encode import Coding
from koalarize.film.facts import NOT_FILMS, Facts, open_film
from koalarize.film.mark import with_mark
from koalarize.film.packets import dated, demuxed
from koalarize.film.parts import Part
from koalarize.film.read import JUMP
from koalarize.film.store import Store
from koalarize.film.subtitles import Staying, trimmed
from koalarize.film.timecode import later
from koalarize.photo.files import advice, put_in_place
from koalarize.photo.provenance import Provenance

__all__ = ["Span", "write_film"]

#: Seconds from a packet to one whose time fell: two ticks in every container.
_APART = Fraction(1, 1000)
#: Seconds before its first sample that a decoder of sound may need.
_LEAD_IN = Fraction(1, 10)


@dataclass(frozen=True)
class Span:
    """What of a film is wanted.

    Attributes:
        start: seconds of its first frame; None from the beginning.
        stop: seconds before which it ends; None to the end.
    """

    start: float | None = None
    stop: float | None = None


@dataclass(frozen=True)
class _Around:
    """What a film's file is beside its pictures.

    Attributes:
        held: what the container holds of the film.
        span: what of the film is wanted.
        end: when the last frame ends, ticks of the film's time base.
        made: what made its colours, for the mark; None leaves that out.
    """

    held: Held
    span: Span
    end: int
    made: Provenance | None


def write_film(
    store: Store,
    parts: Sequence[Part],
    coding: Coding,
    target: Path,
    held: Held,
    span: Span,
    *,
    end: int,
    made: Provenance | None = None,
    overwrite: bool = False,
    whole: Callable[[Path], None] | None = None,
) -> tuple[str, ...]:
    """Write a film's file of its parts and the film's other streams.

    Args:
        store: holds the parts.
        parts: all of them, in order.
        coding: of the pictures.
        target: the file; appears whole or not at all.
        held: what the container holds.
        span: what of the film is wanted.
        end: when the last frame ends, ticks of the film's time base.
        made: what made its colours, for the mark; None leaves that out.
        overwrite: replace a file that is there.
        whole: called with the whole file once, before it gets its name.

    Returns:
        Streams that could not be held after all, a phrase each.

    Raises:
        OutputError: if it cannot be written; nothing is left behind.
    """
    around = _Around(held, span, end, made)
    temporary = store.folder / "film.part"  # one name, so that a killed run leaves no others
    lost: tuple[str, ...] = ()
    try:
        try:
            try:
                _write(temporary, target, store, parts, coding, around)
            except ArgumentError:  # some tracks of data show only here that they cannot be held
                held, lost = _without_data(held, coding)
                if not lost:
                    raise
                around = dataclasses.replace(around, held=held)
                _write(temporary, target, store, parts, coding, around)
            if target.exists() and not overwrite:
                raise OutputError(f"`{target}` has appeared meanwhile: choose another name.")
            if whole is not None:
                whole(temporary)
            store.finished(temporary)
            put_in_place(temporary, target)  # the parts are thrown away after it
        finally:
            temporary.unlink(missing_ok=True)
    except (FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"`{target}` cannot be written ({reason}): {advice(target, error.errno)}; "
            "what is coloured already is kept, and the same command goes on from there"
        ) from error
    return lost


def _write(
    temporary: Path,
    target: Path,
    store: Store,
    parts: Sequence[Part],
    coding: Coding,
    around: _Around,
) -> None:
    form = FORMATS[target.suffix.lower()]
    options = {"fflags": "+bitexact"}
    if form in ("mp4", "mov"):
        options["movflags"] = "+faststart" + MORE_TAGS * around.held.more_tags
    if around.held.blu_ray:
        options["mpegts_m2ts_mode"] = "1"
    with open_film(coding.facts.path) as source:
        out = av.open(str(temporary.absolute()), "w", format=form, container_options=options)
        try:
            _mux(out, source, store, parts, coding, around)
        finally:
            out.close()


def _without_data(held: Held, coding: Coding) -> tuple[Held, tuple[str, ...]]:
    """Return what is held without tracks of data, and the names of those."""
    with open_film(coding.facts.path) as source:
        data = [number for number in held.streams if source.streams[number].type == "data"]
        names = tuple(name_of(source.streams[number]) for number in data)
    kept = tuple(number for number in held.streams if number not in data)
    return dataclasses.replace(held, streams=kept), names


def _mux(
    out: OutputContainer,
    source: InputContainer,
    store: Store,
    parts: Sequence[Part],
    coding: Coding,
    around: _Around,
) -> None:
    facts, span, end = coding.facts, around.span, around.end
    stream, copied = set_out(out, coding, source, around.held.streams)
    kept = tags_of(source)
    out.metadata.update(kept if around.made is None else with_mark(kept, around.made))
    out.metadata["encoder"] = "koalarize"
    base = facts.time_base
    pts = [packet.pts for part in parts for packet in part.packets]
    begin = Fraction(0) if span.start is None else min(pts) * base
    stop = None if span.stop is None else end * base
    if begin:
        before = round((begin - facts.start * base) * facts.rate)
        for tags in (out.metadata, stream.metadata):
            _move_timecode(tags, before, facts.rate)
    _set_chapters(out, source, begin, stop)
    out.start_encoding()
    others = _others(source, copied, facts, begin, stop)
    if out.format.name not in ("mp4", "mov"):
        others = _shown(others, {copied[n].index: source.streams[n] for n in copied})
    if out.format.name == "avi":
        others = _ticked(others)
    waiting = next(others, None)
    for packet, time in _pictures(store, parts, facts, pts, end):
        while waiting is not None and waiting[1] < time - begin:
            out.mux_one(waiting[0])
            waiting = next(others, None)
        shift = round(begin / base)
        assert packet.pts is not None
        assert packet.dts is not None
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        packet.stream = stream
        packet.time_base = base
        out.mux_one(packet)
    while waiting is not None:
        out.mux_one(waiting[0])
        waiting = next(others, None)


def _pictures(
    store: Store, parts: Sequence[Part], facts: Facts, pts: list[int], end: int
) -> Iterator[tuple[av.Packet[Stream], Fraction]]:
    """Yield all packets of the pictures with their decoding times, in seconds too.

    Times of decoding are those of showing, in order, as much earlier as the order of coding asks.
    """
    shown = sorted(pts)
    place = {time: rank for rank, time in enumerate(shown)}
    delay = max(number - place[time] for number, time in enumerate(pts))
    step = max(1, round(1 / (facts.rate * facts.time_base)))
    number = 0
    for part in parts:
        for packet in store.packets(part):
            assert packet.pts is not None
            rank = place[packet.pts]
            after = shown[rank + 1] if rank + 1 < len(shown) else end
            packet.duration = max(1, after - packet.pts)
            early = number - delay
            packet.dts = shown[early] if early >= 0 else shown[0] + early * step
            yield packet, packet.dts * facts.time_base
            number += 1


def _others(
    source: InputContainer,
    copied: dict[int, Stream],
    facts: Facts,
    begin: Fraction,
    stop: Fraction | None,
) -> Iterator[tuple[av.Packet[Stream], Fraction]]:
    """Yield the packets of the other streams, with their times in seconds.

    Times stay as they are, but none falls: no container takes that. Where the clock of a stream
    starts afresh, as in joined recordings, it goes on with the pictures.
    """
    wanted = [source.streams[number] for number in copied if copied[number].type != "attachment"]
    if not wanted:
        return
    last: dict[int, int] = {}
    shifts = dict.fromkeys(copied, 0)
    lifted: set[int] = set()
    staying = Staying()
    for packet in dated(demuxed(source, wanted)):
        number, base = packet.stream_index, packet.time_base
        base = Fraction(base.numerator, base.denominator)
        if packet.dts is None and packet.pts is None:
            if number in last or not source.streams[number].disposition & NOT_FILMS:
                continue
            packet.pts = packet.dts = last[number] = 0  # a cover: one packet, at no time
            packet.stream = copied[number]
            yield packet, Fraction(0)
            continue
        said = packet.dts if packet.dts is not None else cast(int, packet.pts)
        dts = said + shifts[number]
        if number in last and (last[number] - dts) * base > JUMP:
            own = last[number] + (packet.duration or 1) - said
            shifts[number] = round(_shift_like(own * base, facts) / base)
            dts = said + shifts[number]
        apart = math.ceil(_APART / base)
        if number in last and dts < last[number] + apart * (number in lifted):
            dts = last[number] + apart
            lifted.add(number)
        else:
            lifted.discard(number)
        last[number] = dts
        up = dts - said
        at = ((said if packet.pts is None else packet.pts) + up) * base
        if source.streams[number].type == "subtitle" and (begin or stop is not None):
            late = trimmed(packet, at, begin, stop)
            up, at = up + late, at + late * base
        if begin and at < begin:
            staying.take(packet)
            continue
        if stop is not None and at >= stop:
            continue
        for one, held in staying.shown():
            if one == number and at - begin < _APART:
                continue  # this packet takes its place
            yield from _at_once(held, copied[one])
            ticks = round(begin / Fraction(held[0].time_base))
            last[one] = max(last[one], ticks + len(held))
        up -= round(begin / base)
        if up:
            packet.dts = said + up
            packet.pts = None if packet.pts is None else packet.pts + up
        packet.stream = copied[number]
        yield packet, (said + up) * base


def _at_once(
    packets: Sequence[av.Packet[Stream]], stream: Stream
) -> Iterator[tuple[av.Packet[Stream], Fraction]]:
    """Yield packets of one stream at the beginning, a tick apart."""
    for tick, packet in enumerate(packets):
        packet.pts = packet.dts = tick
        packet.stream = stream
        yield packet, Fraction(0)


def _shown(
    packets: Iterator[tuple[av.Packet[Stream], Fraction]], copied: dict[int, Stream]
) -> Iterator[tuple[av.Packet[Stream], Fraction]]:
    """Leave out what an edit list trims, for containers that have none; decoders start earlier.

    Args:
        packets: of the other streams, with their times in seconds.
        copied: number of a stream in the result -> that of the film.
    """
    for packet, time in packets:
        if packet.is_discard:
            stream = copied[packet.stream_index]
            first = (stream.start_time or 0) * Fraction(stream.time_base or 0)
            if not first - _LEAD_IN <= time < first:
                continue
        yield packet, time


def _ticked(
    packets: Iterator[tuple[av.Packet[Stream], Fraction]],
) -> Iterator[tuple[av.Packet[Stream], Fraction]]:
    """Give each packet a tick of its own: AVI counts sound in its packets, and rounds to those."""
    last: dict[int, int] = {}
    for packet, time in packets:
        number, base = packet.stream_index, packet.stream.time_base
        if packet.dts is not None and base:
            share = Fraction(packet.time_base) / Fraction(base)
            tick = math.floor(packet.dts * share + Fraction(1, 2))
            if tick <= last.get(number, tick - 1):
                tick = last[number] + 1
                up = math.ceil(tick / share) - packet.dts
                packet.dts += up
                packet.pts = None if packet.pts is None else packet.pts + up
            last[number] = tick
        yield packet, time


def _shift_like(own: Fraction, facts: Facts) -> Fraction:
    """Return by how much a clock that started afresh is moved: as the pictures, if they were.

    Args:
        own: seconds that would join the stream to its own end.
        facts: of the film; its pictures are looked through, not decoded.
    """
    shift, last = Fraction(0), None
    found: list[Fraction] = []
    with open_film(facts.path) as film:
        for packet in demuxed(film, [film.streams[facts.stream]]):
            if packet.dts is None:
                continue
            time = packet.dts * facts.time_base + shift
            if last is not None and last - time > JUMP:
                found.append(shift := shift + last + 1 / facts.rate - time)
                time = last + 1 / facts.rate
            last = time
    near = min(found, key=lambda one: abs(one - own), default=own)
    return near if abs(near - own) <= JUMP else own


def _move_timecode(tags: dict[str, str], frames: int, rate: Fraction) -> None:
    """Let a timecode be that of the first frame that is written; leave out one that is none."""
    for key in [key for key in tags if key.lower() == "timecode"]:
        moved = later(tags[key], frames, rate)
        if moved is None:
            del tags[key]
        else:
            tags[key] = moved


def _set_chapters(
    out: OutputContainer, source: InputContainer, begin: Fraction, stop: Fraction | None
) -> None:
    chapters: list[Any] = []
    for chapter in source.chapters():
        base = chapter["time_base"] or Fraction(1, 1000)
        first, last = chapter["start"] * base - begin, chapter["end"] * base - begin
        if stop is not None:
            last = min(last, stop - begin)
        if last <= 0 or (stop is not None and first >= stop - begin):
            continue
        changed = dict(chapter)
        changed["start"] = round(max(first, Fraction(0)) / base)
        changed["end"] = round(last / base)
        chapters.append(changed)
    if chapters:
        out.set_chapters(chapters)
