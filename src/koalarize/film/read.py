"""The frames of a film, with times that always rise.

Not here: its facts (``film.facts``), the planes of a frame (``film.planes``), the other streams
(``film.write``). What cannot
be decoded is passed over and noted, so that the film goes on behind it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from koalarize.errors import FilmError
from koalarize.film.decoder import Decoder
from koalarize.film.facts import Facts, is_colored, open_film
from koalarize.film.holes import Spoilt, is_damage, lost_at_end
from koalarize.film.packets import readable
from koalarize.film.planes import reformatted
from koalarize.film.seek import Index, index_of

__all__ = ["JUMP", "FilmFrame", "Reading", "frame_index", "no_frame", "pictures_at"]

#: Seconds: a time that falls by more starts the clock of a stream afresh.
JUMP = 1.0
_EVEN = 12  # frames one step apart, and few others, that make a film one of a single rate
_HOLE = 3  # steps without a frame that are a hole in such a film
_SEEK_FROM = 10.0  # seconds: a span that begins earlier is reached soon enough without seeking
_LOOK_EVERY = 24  # frames: one of so many is looked at for colours of the film's own; more at first
_EARLIER = 1  # seconds before a key frame: some containers land behind what they are asked for


@dataclass(frozen=True)
class FilmFrame:
    """One frame of a film.

    Attributes:
        number: from 0, of the frames that could be decoded.
        pts: when it is shown, ticks of the film's time base; larger than that of the one before.
        duration: how long it says it is shown, ticks; 0 where nothing says.
        picture: the decoded frame.
    """

    number: int
    pts: int
    duration: int
    picture: av.VideoFrame


@dataclass
class Reading:
    """The frames of a film, and what was wrong with them.

    Attributes:
        facts: of the film.
        index: of the film, where it is known already.
        damaged: from and to, in seconds, of what could not be decoded.
        resized: how many frames had another size or pixel format and were brought to the first's.
        retimed: how many frames had no time, or one that did not rise.
        fields: how many frames are two fields, in a film that was taken for one of whole frames.
        colored: whether a frame that was looked at has colours: many a film begins black.
        read: bytes of its file up to where it has been read; 0 where nothing says.
    """

    facts: Facts
    index: Index | None = None
    damaged: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    resized: int = 0
    retimed: int = 0
    fields: int = 0
    colored: bool = False
    read: int = 0
    _even: int = 0
    _uneven: int = 0
    _waiting: list[int] = field(default_factory=list[int])  # ticks of packets that gave no frame
    _broken: list[int] = field(default_factory=list[int])  # ticks of packets that are not whole
    _lost: set[int] = field(default_factory=set[int])  # the same, though the container says nothing

    @property
    def step(self) -> int:
        """Ticks from one frame to the next, as a rule."""
        return max(1, round(1 / (self.facts.rate * self.facts.time_base)))

    def between(self, start: float | None, stop: float | None) -> Iterator[FilmFrame]:
        """Yield the frames of a span, numbered from 0 at its beginning.

        Args:
            start: seconds of the first frame; None from the beginning.
            stop: seconds before which it ends; None to the end.
        """
        yield from self._numbered(self._since(start), start, stop)

    def going_on(
        self, known: Sequence[int], again: int, stop: float | None, at: float | None = None
    ) -> Iterator[FilmFrame] | None:
        """Return the frames of a span of which the first are known, without decoding those.

        Args:
            known: ticks of the frames from the span's beginning on, rising.
            again: how many of them, the last, are wanted all the same.
            stop: as ``between`` takes it.
            at: seconds up to which the film has been read; None: nothing of it.

        Returns:
            Frames numbered from the span's beginning; None where the film must be read from there,
            since it cannot be sought in, or since that saves little.
        """
        place = len(known) - again
        if place <= 0 or not self._is_far(float(known[place] * self.facts.time_base), at):
            return None
        if at is not None:  # it will be asked again, of later frames
            self.index = self.index or _index(self.facts)
        index = self.index or _index(self.facts, float(known[-1] * self.facts.time_base))
        if index is None or index.between(known[0], known[-1]) != list(known):
            return None
        entry = index.entry(known[place])
        for last, pts in itertools.pairwise(known):
            if entry is not None and pts <= entry:
                self._watch(last, pts, self.step)
        frames = self._sought(index, known[place])
        return None if frames is None else self._numbered(frames, None, stop, place)

    @property
    def share(self) -> float:
        """How much of the film's file has been read, from 0 to 1; 0 where nothing says."""
        try:
            return min(1.0, self.read / self.facts.path.stat().st_size)
        except OSError:  # the film's file has gone; what is open is read on
            return 0.0

    @property
    def is_sound(self) -> bool:
        """Whether nothing was wrong with the frames so far."""
        return not (self.damaged or self.resized or self.retimed)

    def _numbered(
        self,
        frames: Iterator[FilmFrame],
        start: float | None,
        stop: float | None,
        number: int = 0,
    ) -> Iterator[FilmFrame]:
        for frame in frames:
            seconds = float(frame.pts * self.facts.time_base)
            if stop is not None and seconds >= stop - 1e-6:
                return
            if start is None or seconds >= start - 1e-6:
                yield dataclasses.replace(frame, number=number)
                number += 1

    def _since(self, start: float | None) -> Iterator[FilmFrame]:
        """Return frames from shortly before a time on, or from the beginning."""
        if start is not None and self._is_far(start):
            index = self.index or _index(self.facts, start)
            ticks = math.ceil(Fraction(start - 1e-6) / self.facts.time_base)
            found = None if index is None else self._sought(index, ticks)
            if found is not None:
                return found
        return self.frames()

    def _is_far(self, seconds: float, at: float | None = None) -> bool:
        """Tell whether it takes long to read up to a time, from another or from the beginning."""
        return seconds - (self.facts.begin if at is None else at) > _SEEK_FROM

    def _sought(self, index: Index, ticks: int) -> Iterator[FilmFrame] | None:
        """Return the frames from a time on; None where seeking cannot be trusted."""
        entry = index.entry(ticks)
        if entry is None:
            return None
        frames = self.frames(entry)
        try:
            first = _sought(frames, index, entry, ticks)
        except _ElsewhereError:
            frames.close()
            self.damaged, self.resized, self.retimed = [], 0, 0
            self._even = self._uneven = 0
            return None
        return itertools.chain([first], frames)

    def frames(self, entry: int | None = None) -> Generator[FilmFrame]:
        """Yield every frame that can be decoded, in the order of showing.

        Args:
            entry: ticks of a key frame at which to begin; None begins with the film.
        """
        facts = self.facts
        step = self.step
        last: int | None = None
        shift = number = 0
        with contextlib.ExitStack() as opened:
            container = opened.enter_context(open_film(facts.path))
            stream = container.streams[facts.stream]
            assert isinstance(stream, VideoStream)
            decoder = Decoder(facts.path, stream, opened)
            spoilt = Spoilt(stream.codec_context.name)
            if entry is not None:
                container.seek(entry - math.ceil(_EARLIER / facts.time_base), stream=stream)
            for picture in self._decoded(container, stream, decoder):
                pts = picture.pts if picture.pts is not None else picture.dts
                if entry is not None and (pts is None or pts < entry):
                    continue
                duration = picture.duration or 0
                if pts is None:
                    pts = 0 if last is None else last + step
                    self.retimed += 1
                else:
                    pts += shift
                if last is not None and pts <= last:
                    self.retimed += 1
                    near = min(step, duration or step)
                    if float((last - pts) * facts.time_base) > JUMP:
                        shift += last + step - pts
                    else:  # less than a frame, so that those behind it keep their own times
                        near //= 2
                    pts = last + max(1, near)
                if spoilt.is_shown(picture, picture.pts in self._lost):
                    self._note(pts, step)
                if last is not None:
                    self._watch(last, pts, step)
                last = pts
                self.fields += picture.interlaced_frame and not facts.interlaced
                if _is_looked_at(number) and not (self.colored or picture.is_corrupt):
                    self.colored = is_colored(picture)
                yield FilmFrame(number, pts, duration, self._fitted(picture))
                number += 1
        if last is not None and (facts.cut_short or self._ends_early(last)):
            end = round(Fraction(facts.end) / facts.time_base)
            self._note(last + step, max(step, end - last - step))

    def _ends_early(self, last: int) -> bool:
        """Tell whether the end of the film could not be read."""
        missing = self.facts.end - float((last + self.step) * self.facts.time_base)
        return missing > JUMP and lost_at_end(self.facts, last)

    def _decoded(
        self, container: InputContainer, stream: VideoStream, decoder: Decoder
    ) -> Iterator[av.VideoFrame]:
        for packet in readable(lambda: container.demux(stream)):
            if self.facts.lists_frames and packet.pts is not None and not packet.is_discard:
                self._waiting.append(packet.pts)
            if packet.is_corrupt and packet.pts is not None:
                self._broken.append(packet.pts)
            self.read = max(self.read, (packet.pos or 0) + packet.size)
            pictures: list[av.VideoFrame] = []
            damaged = True
            with contextlib.suppress(FFmpegError):
                pictures, damaged = decoder.frames(packet)
            if damaged and packet.pts is not None:
                self._lost.add(packet.pts)
                self._note(packet.pts, packet.duration or 1)
            yield from pictures

    def _watch(self, last: int, pts: int, step: int) -> None:
        """Note a hole in a film of one rate: containers skip in silence what they cannot read."""
        if 0.5 * step <= pts - last <= 1.5 * step:
            self._even += 1
        elif (
            self._even >= max(_EVEN, 8 * self._uneven)
            and pts - last > _HOLE * step
            and self._is_damage(last, pts)
        ):
            self._note(last + step, pts - last - step)
        else:
            self._uneven += 1
        self._waiting = [one for one in self._waiting if one > pts]

    def _is_damage(self, last: int, pts: int) -> bool:
        """Tell whether a hole between two frames was filmed, and cannot be read."""
        if self.facts.lists_frames:
            return any(last < one < pts for one in self._waiting)
        return is_damage(self.facts, last, pts, self._broken)

    def _note(self, pts: int, duration: int) -> None:
        """Note that what begins at ``pts`` could not be decoded."""
        base = self.facts.time_base
        begin, end = float(pts * base), float((pts + duration) * base)
        if self.damaged and begin <= self.damaged[-1][1] + 0.5:
            first = self.damaged[-1]
            self.damaged[-1] = (min(first[0], begin), max(first[1], end))
        else:
            self.damaged.append((begin, end))

    def _fitted(self, picture: av.VideoFrame) -> av.VideoFrame:
        """Return a frame of the film's size and pixel format."""
        facts = self.facts
        same = (picture.width, picture.height) == (facts.width, facts.height)
        if same and picture.format.name == facts.pixel_format:
            return picture
        self.resized += 1
        made = reformatted(picture, facts.pixel_format, (facts.width, facts.height))
        made.pts = picture.pts
        return made


def _is_looked_at(number: int) -> bool:
    """Tell whether a frame is looked at for colours: of short films, and of a beginning, more."""
    return number % _LOOK_EVERY == 0 or (number < _LOOK_EVERY and number.bit_count() == 1)


class _ElsewhereError(Exception):
    """Seeking led to other frames than the film's list of times says."""


def _sought(frames: Iterator[FilmFrame], index: Index, entry: int, ticks: int) -> FilmFrame:
    """Return the first frame of a span, after the frames before it were as the list says.

    Raises:
        _ElsewhereError: if they were not.
    """
    wanted: int | None = entry
    try:
        for frame in frames:
            if frame.pts != wanted:
                break
            if frame.pts >= ticks:
                return frame
            wanted = index.next(frame.pts + 1)
    except FFmpegError as error:  # a container that cannot be sought in
        raise _ElsewhereError from error
    raise _ElsewhereError


def _index(facts: Facts, start: float | None = None) -> Index | None:
    """Return the times of a film's frames, at least up to a time; None where none can be told."""
    with open_film(facts.path) as container:
        stream = container.streams[facts.stream]
        assert isinstance(stream, VideoStream)
        until = None if start is None else math.ceil(Fraction(start) / facts.time_base)
        return index_of(container, stream, until)


def frame_index(facts: Facts) -> Index:
    """Return the times of all frames of a film: the number of a frame is its place among them.

    Where the file does not say them the film is read through; decoding then begins only at its
    beginning.
    """
    found = _index(facts)
    return found or Index([frame.pts for frame in Reading(facts).frames()], [])


def pictures_at(facts: Facts, index: Index, times: Sequence[int]) -> Iterator[FilmFrame]:
    """Yield the frames shown at some times, exactly as reading the whole film gives them.

    Args:
        facts: of the film.
        index: of the film.
        times: ticks, of frames, rising.
    """
    if index.keys:
        for ticks in times:
            start = float(ticks * facts.time_base)
            yield from itertools.islice(Reading(facts, index).between(start, None), 1)
        return
    wanted = set(times)
    for frame in Reading(facts).frames():
        if frame.pts in wanted:
            yield frame


def no_frame(facts: Facts) -> FilmError:
    """Return the error of a span of a film that has no frame."""
    from koalarize.film.shot_list import clock

    own = f" it has frames from {clock(facts.begin)} to {clock(facts.end)}, by its own clock"
    return FilmError(
        f"`{facts.path}` has no frame in what is asked for: check --from and --to;{own}"
    )
