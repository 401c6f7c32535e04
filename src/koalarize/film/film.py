"""A film from file to file: read, coloured steadily, coded in parts, written whole.

Not here: photos (``colorizer``), the command line (``cli.films``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import FilmError, OptionError, OutputError
from koalarize.film.ask import Asker, small_size
from koalarize.film.encode import Coding, Encoder, coding_of
from koalarize.film.flow import Seen, see
from koalarize.film.levels import Levels
from koalarize.film.names import film_path, work_folder
from koalarize.film.options import PLAIN_FILM, FilmOptions
from koalarize.film.paint import Painter
from koalarize.film.parts import Part, PartWriter, Store
from koalarize.film.read import Facts, FilmFrame, Reading, read_facts
from koalarize.film.shots import CutFinder, thumbnail
from koalarize.film.steady import Settled, State, Steady
from koalarize.film.write import FORMATS, Held, Span, held_by, write_film
from koalarize.photo.files import check_place
from koalarize.steering.steering import PLAIN, Steering

__all__ = ["FilmResult", "Progress", "color_film"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

_LEAST_PART = 48  # frames: a cut ends a part that has so many
_MOST_PART = 250  # frames: a part ends at the next key frame; also an encoder's longest group
_WARM_UP = 14  # frames before a part that the finder of cuts must have seen
_FAR = 1 << 30


@dataclass(frozen=True)
class Progress:
    """How far a film is.

    Attributes:
        done: frames.
        total: frames, as far as anybody knows; 0 where nothing says.
        bytes: coded so far.
    """

    done: int
    total: int
    bytes: int


@dataclass(frozen=True)
class FilmResult:
    """A coloured film.

    Attributes:
        path: of the file.
        frames: how many it has.
        shots: how many shots were found in what was coloured now.
        asked: how many frames the network looked at now.
        resumed: frames that an earlier, interrupted run had coloured.
        damaged: from and to, in seconds, of what could not be read.
        notes: what of the film is not in the result, a phrase each.
    """

    path: Path
    frames: int
    shots: int = 0
    asked: int = 0
    resumed: int = 0
    damaged: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = ()


#: What may be asked of a photo's own pixels.
_OF_PHOTOS = ("faded", "turn", "crop")


def color_film(
    colorizer: Colorizer,
    source: Path,
    target: Path | None = None,
    steering: Steering = PLAIN,
    options: FilmOptions = PLAIN_FILM,
    *,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> FilmResult:
    """Colour a film into another file.

    Luma is what it was; chroma is new, and steady within a shot. Times of frames and all packets
    of other streams stay as they are. A run that was stopped goes on where it was.

    Args:
        colorizer: colours pictures.
        source: the film; it is never replaced.
        target: the file to write; by default ``film.color.mp4`` beside the film.
        steering: what is asked of the colours.
        options: how the film is made.
        overwrite: replace ``target`` if it exists.
        progress: called now and then.

    Raises:
        FilmError: if the film cannot be read.
        OutputError: if the result cannot be written; nothing is left half-written under its name.
        OptionError: if something cannot be asked of a film.
    """
    if steering.hints:
        raise OptionError(
            "`--hint` is for pictures: of a film, hints stand in the list that --list-shots writes"
        )
    for name in _OF_PHOTOS:
        if getattr(steering, name):
            raise OptionError(
                f"`--{name}` changes a photo itself: a film keeps its frames as they are"
            )
    facts = read_facts(source)
    coding = coding_of(facts, options)
    path, held = _target(coding, target)
    _check(path, source, overwrite)
    Encoder(coding)  # refused now, not after an hour
    store = Store(work_folder(path), _key(colorizer, facts, steering, options))
    made = _Making(colorizer, coding, steering, store, progress)
    made.run()
    notes = [f"{what} cannot be held by {path.suffix}" for what in held.lost]
    notes += [*coding.losses, *_oddities(made.reading)]
    span = Span(options.start, options.stop)
    write_film(store, made.parts, coding, path, held, span, end=made.end, overwrite=overwrite)
    store.remove()
    return FilmResult(
        path,
        sum(part.frames for part in made.parts),
        made.shots,
        made.asked,
        made.resumed,
        tuple(made.reading.damaged),
        tuple(notes),
    )


def _target(coding: Coding, target: Path | None) -> tuple[Path, Held]:
    """Return the file to write, and what its container holds: the film's own, or Matroska."""
    source = coding.facts.path
    if target is not None:
        ending = target.suffix.lower()
        if ending not in FORMATS:
            raise OutputError(
                f"`{target}` ends with `{ending}`, which is no film that is written: "
                f"use one of {', '.join(FORMATS)}"
            )
        held = held_by(ending, coding)
        if not held.fits:
            raise OutputError(
                f"`{target}` cannot hold pictures coded as {coding.options.codec}: use .mkv"
            )
        return target, held
    path = film_path(source)
    held = held_by(path.suffix.lower(), coding)
    other = film_path(source, ".mkv")
    if path == other or (held.fits and not held.lost):
        return path, held
    wider = held_by(".mkv", coding)
    if not held.fits or len(wider.lost) < len(held.lost):
        return other, wider
    return path, held


def _check(path: Path, source: Path, overwrite: bool) -> None:
    check_place(path)
    if not path.exists():
        return
    if path.samefile(source):
        raise OutputError(
            f"`{path}` is the original and is never written over: choose another name."
        )
    if not overwrite:
        raise OutputError(f"`{path}` exists already: choose another name, or add --overwrite.")


def _key(colorizer: Colorizer, facts: Facts, steering: Steering, options: FilmOptions) -> str:
    """Return what a film is made of and how, as one text."""
    found = facts.path.stat()
    what = {
        "film": [facts.path.name, found.st_size, found.st_mtime_ns],
        "model": dataclasses.asdict(colorizer.info) | {"bins": len(colorizer.info.bins)},
        "steering": repr(steering),
        "coding": options.coding(),
        "span": [options.start, options.stop],
        "versions": [av.__version__, np.__version__],
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()


def _oddities(reading: Reading) -> list[str]:
    notes: list[str] = []
    if reading.resized:
        notes.append(f"{reading.resized} frames of another size were brought to the first one's")
    if reading.retimed:
        notes.append(f"{reading.retimed} frames had no time of their own, or one that fell")
    return notes


@dataclass
class _Open:
    """A frame on its way to the encoder."""

    frame: FilmFrame
    shown: tuple[av.VideoFrame, Array]
    seen: Seen


@dataclass
class _Making:
    """A film on its way from frames to parts."""

    colorizer: Colorizer
    coding: Coding
    steering: Steering
    store: Store
    progress: Callable[[Progress], None] | None
    parts: list[Part] = field(default_factory=list[Part])
    shots: int = 0
    asked: int = 0
    resumed: int = 0
    end: int = 0

    def __post_init__(self) -> None:
        facts, options = self.coding.facts, self.coding.options
        self.reading = Reading(facts)
        self._size = small_size(facts, self.colorizer, self.steering)
        levels = Levels.of(
            self.coding.target.depth,
            full=self.coding.full_range,
            matrix=self.coding.matrix,
            height=facts.height,
        )
        target = self.coding.target
        planes = (-(-facts.height // target.down), -(-facts.width // target.across))
        self._painter = Painter(levels, planes, interlaced=facts.interlaced)
        self._asker = Asker(self.colorizer, facts)
        self._steady = Steady(self._ask, options.steadiness)
        self._encoder: Encoder | None = None
        self._writer: PartWriter | None = None
        self._open: deque[_Open] = deque()
        self._since = 0
        self._left = _FAR
        self._carried: State | None = None

    def run(self) -> None:
        """Make the parts that are not there yet."""
        self.parts = self.store.parts()
        first = self.parts[-1].first + self.parts[-1].frames if self.parts else 0
        self.resumed = sum(part.frames for part in self.parts)
        if self.parts and self.parts[-1].open:
            self._carried = self.store.state(self.parts[-1])
        cuts = CutFinder(since=self.parts[-1].since if self.parts else 0)
        waiting: deque[_Open] = deque()
        taken = 0
        encoder = Encoder(self.coding)
        try:
            for frame in self.reading.frames():
                if self._is_late(frame):
                    break
                if self._is_early(frame):
                    continue
                self.end = frame.pts + (frame.duration or self._step)
                number, taken = taken, taken + 1
                if number < first - _WARM_UP:
                    continue
                one = self._look(encoder, dataclasses.replace(frame, number=number))
                if number < first:
                    cuts.warm(thumbnail(one.seen.lightness))
                    continue
                waiting.append(one)
                for cut in cuts.push(thumbnail(one.seen.lightness)):
                    self._take(waiting.popleft(), cut=cut)
            self._left = len(self._open) + len(waiting)
            for cut in cuts.finish():
                self._take(waiting.popleft(), cut=cut)
            self._settle(self._steady.finish())
            self._close(open_shot=False)
        except OSError as error:
            raise OutputError(
                f"`{self.store.folder}` cannot be written ({error.strerror}): check its free "
                "space; what is coloured already is kept, and the same command goes on from there"
            ) from error
        finally:
            if self._writer is not None:
                self._writer.__exit__(None, None, None)
            if not self.parts:
                self.store.remove()
        if not self.parts:
            raise FilmError(
                f"`{self.coding.facts.path}` has no frame in what is asked for: "
                "check --from and --to"
            )

    @property
    def _step(self) -> int:
        facts = self.coding.facts
        return max(1, round(1 / (facts.rate * facts.time_base)))

    def _is_early(self, frame: FilmFrame) -> bool:
        start = self.coding.options.start
        return start is not None and self._seconds(frame) < start - 1e-6

    def _is_late(self, frame: FilmFrame) -> bool:
        stop = self.coding.options.stop
        return stop is not None and self._seconds(frame) >= stop - 1e-6

    def _seconds(self, frame: FilmFrame) -> float:
        return float(frame.pts * self.coding.facts.time_base)

    def _look(self, encoder: Encoder, frame: FilmFrame) -> _Open:
        shown = encoder.luma(frame)
        return _Open(frame, shown, see(self._painter.lightness(shown[1], *self._size)))

    def _ask(self, number: int, lightness: Float32) -> Float32:
        del number
        self.asked += 1
        return self._asker.ask(lightness, self.steering)

    def _take(self, one: _Open, *, cut: bool) -> None:
        """Take a frame of which it is known whether it begins a shot."""
        number = one.frame.number
        if cut:
            self._settle(self._steady.finish())
            if self._writer is not None and self._writer.frames >= _LEAST_PART:
                self._close(open_shot=False)
            self.shots += 1
            self._since = 0
        self._open.append(one)
        self._since += 1
        if self._carried is not None:
            self._steady.restore(self._carried, one.seen)
            self._since += self.parts[-1].since
            self._carried = None
            return
        self._settle(self._steady.push(number, one.seen, cut=False))
        writer, carried = self._writer, self._steady.state
        if writer is not None and writer.frames >= _MOST_PART and carried is not None:
            self._close(open_shot=True)

    def _settle(self, settled: list[Settled]) -> None:
        """Colour and code frames whose ab is known."""
        for one in settled:
            ready = self._open.popleft()
            assert ready.frame.number == one.number
            if self._writer is None or self._encoder is None:
                number = len(self.parts)
                self._writer = self.store.begin(number, one.number, "")
                self._encoder = Encoder(self.coding)
            luma = ready.shown[1]
            cb, cr = self._painter.chroma(luma, one.ab, one.seen.lightness)
            self._left -= 1
            for packet in self._encoder.encode(ready.frame, ready.shown, cb, cr, self._left):
                self._writer.add(packet)
            self._writer.frames += 1
            self._report()

    def _close(self, *, open_shot: bool) -> None:
        """End the part that is being made."""
        writer, encoder = self._writer, self._encoder
        if writer is None or encoder is None:
            return
        for packet in encoder.finish():
            writer.add(packet)
        state = self._steady.state if open_shot else None
        behind = len(self._open)
        part = writer.commit(encoder.header, since=self._since - behind, state=state)
        self.parts.append(part)
        self._writer = self._encoder = None

    def _report(self) -> None:
        if self.progress is None or self._writer is None:
            return
        coded = sum(one.size for part in self.parts for one in part.packets) + self._writer.size
        done = sum(part.frames for part in self.parts) + self._writer.frames
        self.progress(Progress(done, self.coding.facts.frames, coded))
