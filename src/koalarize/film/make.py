"""A film on its way from frames to coded parts: cuts, steady colours, chroma, packets.

Not here: what is done with the parts (``film.write``), from file to file (``film.film``).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from koalarize.colorizer.bars import Bars
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OptionError, OutputError
from koalarize.film.anchors import Shots, anchor_ab
from koalarize.film.ask import Asker, small_size
from koalarize.film.bars import hints_within, within
from koalarize.film.coder import Coder, Progress
from koalarize.film.encode import Coding, Encoder
from koalarize.film.flow import Seen, see
from koalarize.film.lead import Led, ShotFrames
from koalarize.film.paint import Painter
from koalarize.film.parts import Part, times_of, what_is_kept
from koalarize.film.read import FilmFrame, Reading, no_frame
from koalarize.film.shots import CutFinder, thumbnail
from koalarize.film.steady import Settled, State, Steady, dimmed
from koalarize.film.store import Store
from koalarize.film.track import track
from koalarize.photo.files import advice
from koalarize.steering.hints import Hint
from koalarize.steering.steering import Steering

__all__ = ["Making"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

#: Frames: a cut ends a part that has so many.
LEAST_PART = 48
#: Frames: a part ends at the next key frame; also an encoder's longest group.
MOST_PART = 250
_WARM_UP = 14  # frames before a part that the finder of cuts must have seen


@dataclass
class _Open:
    """A frame on its way to the encoder."""

    frame: FilmFrame
    shown: tuple[av.VideoFrame, Array]
    seen: Seen


@dataclass
class Making:
    """A film on its way from frames to parts.

    Attributes:
        colorizer: colours pictures.
        coding: of the film.
        steering: what is asked of the colours.
        store: keeps the parts.
        progress: called after each frame, and while one is looked at ahead of its colouring.
        shots: what a person says of them; None where cuts are to be found.
        bars: of the film, which stay grey.
        cuts: seconds at which shots begin, of what was read now.
        asked: how many frames the network looked at.
        resumed: frames that were there from an earlier run.
        end: ticks at which the last frame ends.
    """

    colorizer: Colorizer
    coding: Coding
    steering: Steering
    store: Store
    progress: Callable[[Progress], None] | None = None
    shots: Shots | None = None
    bars: Bars | None = None
    cuts: list[float] = field(default_factory=list[float])
    asked: int = 0
    resumed: int = 0
    end: int = 0

    def __post_init__(self) -> None:
        facts = self.coding.facts
        self.reading = Reading(facts)
        self._inner = within(facts, self.bars)
        self._size = small_size(self._inner, self.colorizer, self.steering)
        self._painter = Painter.of(self.coding, self.bars)
        self._coder = Coder(self.coding, self._painter, self.store, self.progress)
        self._asker = Asker(self.colorizer, self._inner)
        self._steady = Steady(self._ask, self.coding.options.steadiness, self._lead)
        self._looker = Encoder(self.coding)
        self._open: deque[_Open] = deque()
        self._since = 0
        self._carried: State | None = None
        self._first = 0  # frames before are there already
        self._shot = -1
        self._now = self.steering
        self._key = ""
        self._hints: dict[int, tuple[Hint, ...]] = {}
        self._led: ShotFrames | None = None
        self._ahead = Reading(facts).between(self.coding.options.start, self.coding.options.stop)
        self._next: FilmFrame | None = None  # of those ahead, the one that was read too far

    @property
    def parts(self) -> list[Part]:
        """The parts that the film needs; all of them after ``run``."""
        return self._coder.parts

    def run(self) -> None:
        """Make the parts that are not there yet.

        Raises:
            FilmError: if nothing of the film is wanted.
            OutputError: if the parts cannot be written.
        """
        try:
            if self.shots is None:
                self._reuse(0)
            else:
                self._check_shots(self.shots)
            self._run()
        except OSError as error:
            kept = what_is_kept(self.coding.facts.path.name, self.parts)
            raise OutputError(
                f"`{self.store.folder}` cannot be written ({error.strerror}): "
                f"{advice(self.store.folder, error.errno)}; {kept}"
            ) from error
        finally:
            self._coder.stop()
            if self._led is not None:
                self._led.close()
            if not self.parts:
                self.store.discard()
        if not self.parts:
            raise no_frame(self.coding.facts)

    def _check_shots(self, shots: Shots) -> None:
        """Ask the network once for each kind of listed shot, so that none is refused hours later.

        Raises:
            OptionError: naming the first shot of which it cannot do what is asked.
        """
        if any(shot.keeps_color for shot in shots.shots) and not self.coding.holds_chroma:
            raise OptionError(
                "`keep_color` cannot keep the colours of this film, whose matrix is not written "
                f"(number {self.coding.facts.matrix} of ISO/IEC 23091-2): leave it out"
            )
        asked: set[frozenset[str]] = set()
        grey = np.full(self._size, 50, np.float32)
        for number, shot in enumerate(shots.shots, 1):
            kind = frozenset([name for name, _ in shot.changes] + ["hints"] * bool(shot.hints))
            if kind in asked or not kind & {"hints", "reference"}:
                continue
            asked.add(kind)
            hints = tuple(one.hint for one in shot.hints)
            steering = dataclasses.replace(shot.steering(self.steering), hints=hints)
            try:
                self._asker.ask(grey, steering)
            except OptionError as error:
                raise OptionError(f"shot {number} of the list: {error}") from error

    def _look(self, frame: FilmFrame) -> _Open:
        """Look at a frame on the small grid."""
        shown = self._looker.luma(frame)
        return _Open(frame, shown, see(self._painter.lightness(shown[1], *self._size)))

    def _run(self) -> None:
        if self.shots is not None:
            self._run_listed()
            return
        finder = CutFinder(since=self.parts[-1].since if self.parts else 0)
        waiting: deque[_Open] = deque()
        known = times_of(self.parts) if self.parts and self.parts[-1].sound else []
        for frame in self._frames(known, _WARM_UP):
            if frame.number < self._first - _WARM_UP:
                continue
            one = self._look(frame)
            if frame.number < self._first:
                finder.warm(thumbnail(one.seen.lightness))
                continue
            waiting.append(one)
            for cut in finder.push(thumbnail(one.seen.lightness)):
                self._take(waiting.popleft(), cut=cut)
        for cut in finder.finish():
            self._take(waiting.popleft(), cut=cut)
        self._end_shot(least=0)

    def _run_listed(self) -> None:
        """Make the shots of a person's list that are not there yet."""
        frames = self._frames()
        while (frame := next(frames, None)) is not None:
            if frame.number < self._first:
                continue
            if self._take_listed(frame) and self._first > frame.number:
                frames = self._later(frame) or frames
        self._end_shot(least=0)

    def _later(self, frame: FilmFrame) -> Iterator[FilmFrame] | None:
        """Return the frames behind the parts that are there, if a frame is far from them."""
        if not (self.parts[-1].sound and self.reading.is_sound):
            return None
        reading = Reading(self.coding.facts, self.reading.index, colored=self.reading.colored)
        stop = self.coding.options.stop
        found = reading.going_on(times_of(self.parts), 1, stop, self._seconds(frame))
        if found is None:
            return None
        self.reading = reading
        return self._noting_end(found)

    def _frames(self, known: Sequence[int] = (), again: int = 0) -> Iterator[FilmFrame]:
        """Yield the frames that are wanted, numbered from 0; note when they end.

        Args:
            known: times of the first of them, which need not be read.
            again: how many of those, the last, must be read all the same.
        """
        options = self.coding.options
        frames = self.reading.going_on(known, again, options.stop) if known else None
        yield from self._noting_end(frames or self.reading.between(options.start, options.stop))

    def _noting_end(self, frames: Iterator[FilmFrame]) -> Iterator[FilmFrame]:
        for frame in frames:
            self.end = frame.pts + (frame.duration or self.reading.step)
            if frame.number < self._first:  # it is only read
                self._coder.tell()
            yield frame

    def _seconds(self, frame: FilmFrame) -> float:
        return float(frame.pts * self.coding.facts.time_base)

    def _shot_of(self, frame: FilmFrame) -> int:
        """Return the number of the listed shot that a frame belongs to."""
        seconds = self._seconds(frame) + 6e-4  # a list is written to the millisecond
        assert self.shots is not None
        starts = [shot.start for shot in self.shots.shots]
        return max(0, int(np.searchsorted(starts, seconds, side="right")) - 1)

    def _ask(self, number: int, lightness: Float32) -> Float32:
        if self._now.keep_color:
            return np.zeros((2, *lightness.shape), np.float32)
        self.asked += 1
        hints, led = self._hints.get(number, ()), self._lead(number)
        if led is not None and self.colorizer.info.accepts_hints:
            told = led.hints(lightness, (self._inner.height, self._inner.width))
            hints += tuple(dataclasses.replace(one, reach=self._now.reach) for one in told)
        steering = dataclasses.replace(self._now, hints=hints) if hints else self._now
        return self._asker.ask(lightness, steering)

    def _lead(self, number: int) -> Led | None:
        return None if self._led is None else self._led.at(number)

    def _lead_shot(self, number: int, first: int) -> None:
        """Follow what a person says of a listed shot through it, before it is coloured.

        Args:
            number: of the shot.
            first: number of its first frame.
        """
        if self._led is not None:
            self._led.close()
            self._led = None
        assert self.shots is not None
        anchors = self.shots.anchors.get(number)
        hints = hints_within(self.shots.shots[number].hints, self.coding.facts, self.bars)
        if not (anchors or hints) or self._is_whole(first):
            return
        facts, size = self.coding.facts, self._size
        led = self._led = ShotFrames(first, size, self.store.folder, self._coder.tell)
        times: list[int] = []
        for frame in self._scouted(number, first):
            times.append(frame.pts)
            led.looks.add(self._look(frame).seen.lightness)
        seconds = [float(pts * facts.time_base) for pts in times]
        film = (self._inner.height, self._inner.width)
        reach = self.shots.shots[number].steering(self.steering).reach
        found = track(led.looks, seconds, hints, film, reach) if hints else ()
        self._hints = dict(enumerate(found, first))
        if not anchors:
            led.close()
            self._led = None
        else:
            at = [first + int(np.argmin(np.abs(np.subtract(times, one.pts)))) for one in anchors]
            given = (anchor_ab(one, facts, size, self.bars) for one in anchors)
            led.lead(dict(zip(at, given, strict=True)))

    def _scouted(self, number: int, first: int) -> Iterator[FilmFrame]:
        """Yield the frames of a listed shot, ahead of its colouring; what is there is not read."""
        if self.parts and self.parts[-1].sound:
            ahead = Reading(self.coding.facts, self.reading.index)
            at = None if self._next is None else self._seconds(self._next)
            known = times_of(self.parts)[:first]
            found = ahead.going_on(known, 1, self.coding.options.stop, at)
            self.reading.index = ahead.index
            if found is not None:
                self._ahead, self._next = found, None
        while (frame := self._next or next(self._ahead, None)) is not None:
            self._next = None
            at = self._shot_of(frame)
            if at > number:
                self._next = frame
                return
            if at == number:
                yield frame

    def _reuse(self, first: int) -> None:
        """Take over the parts that are there already from a frame on."""
        found = self.store.parts(first, self._key)
        for part in found:
            self._coder.keep(part)
        frames = sum(part.frames for part in found)
        self.resumed += frames
        self._first = first + frames
        if found and found[-1].open:
            self._carried = self.store.state(found[-1])

    def _take_listed(self, frame: FilmFrame) -> bool:
        """Take a frame of a film whose shots a person has listed; return whether it begins one."""
        number, first = self._shot_of(frame), frame.number
        cut = number != self._shot
        if cut:
            self._end_shot(least=0)
            self._reuse_shot(number, first)
            while self._is_whole(first) and self.store.parts(self._first, self._key_of(number + 1)):
                number, first = number + 1, self._first
                self._reuse_shot(number, first)
            self._lead_shot(number, first)
        if frame.number >= self._first:
            self._take(self._look(frame), cut=cut)
        return cut

    def _reuse_shot(self, number: int, first: int) -> None:
        """Begin a listed shot with its parts that are there already."""
        assert self.shots is not None
        self._shot, self._key = number, self._key_of(number)
        self._now = self.shots.shots[number].steering(self.steering)
        self._reuse(first)

    def _is_whole(self, first: int) -> bool:
        """Tell whether all of the listed shot that begins at a frame is there already."""
        return self._first > first and not self.parts[-1].open

    def _key_of(self, number: int) -> str:
        """Return what a listed shot is made of; nothing is made of one that there is not."""
        assert self.shots is not None
        if number >= len(self.shots.shots):
            return ""
        steering = dataclasses.replace(self.steering, mark=True)  # the mark is in no part
        made_of = f"{self.shots.key(number)} {steering!r}"
        return hashlib.sha256(made_of.encode()).hexdigest()

    def _take(self, one: _Open, *, cut: bool) -> None:
        """Take a frame of which it is known whether it begins a shot."""
        number = one.frame.number
        if cut:
            self._end_shot(least=LEAST_PART)
            self.cuts.append(self._seconds(one.frame))
            self._since = 0
        self._open.append(one)
        self._since += 1
        if self._carried is not None:
            self._steady.restore(self._carried, one.seen)
            self._since += self.parts[-1].since
            self._carried = None
            return
        held = self._led is not None and number in self._led.held
        self._settle(self._steady.push(number, one.seen, cut=False, key=held))
        carried = self._steady.state
        if self._coder.frames >= MOST_PART and carried is not None:
            self._close(carried)

    def _end_shot(self, *, least: int) -> None:
        """Settle what is open; end the part if it has frames enough."""
        self._settle(self._steady.finish())
        if self._coder.frames >= max(1, least):
            self._close(None)

    def _settle(self, settled: Sequence[Settled]) -> None:
        """Colour and code frames whose ab is known."""
        for one in settled:
            ready = self._open.popleft()
            assert ready.frame.number == one.number
            led = self._lead(one.number)
            ab = dimmed(one.ab, one.seen.lightness, None if led is None else led.share)
            ab = None if self._now.keep_color else ab
            self._coder.add(ready.frame, ready.shown, one.seen.lightness, ab, self._key)

    def _close(self, carried: State | None) -> None:
        """End the part that is being made."""
        since = self._since - len(self._open)
        sound = self.reading.is_sound and all(part.sound for part in self.parts[-1:])
        self._coder.close(since=since, state=carried, sound=sound, read=self.reading.share)
