"""A film read: which stream is the film, its facts, its frames with times that always rise.

Not here: the planes of a frame (``film.planes``), the other streams (``film.write``). What cannot
be decoded is passed over and noted, so that the film goes on behind it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from koalarize.errors import FilmError
from koalarize.film.planes import chroma_planes, layout_of

__all__ = ["NOT_FILMS", "Facts", "FilmFrame", "Reading", "frames_at", "open_film", "read_facts"]

#: What marks a stream of pictures that is no film.
NOT_FILMS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_LOOKED_AT = 5  # frames at the start, to learn whether a film is interlaced
_MOST_ERRORS = 1000  # in a row, of a container that cannot be read on
_COLORED = 4.0  # 8-bit steps: standard deviation of chroma; film grain in it stays below 2
_EVEN = 12  # frames one step apart, and few others, that make a film one of a single rate
_HOLE = 3  # steps without a frame that are a hole in such a film
_JUMP = 1.0  # seconds: a time that falls by more starts the clock of a stream afresh


@dataclass(frozen=True)
class Facts:
    """What is known of a film before it is read through.

    Attributes:
        path: the file.
        stream: number of the stream that is the film.
        codec: FFmpeg's name of how it is coded.
        width: pixels.
        height: pixels.
        pixel_format: FFmpeg's name.
        time_base: seconds a tick of its times.
        rate: frames a second, or a guess.
        frames: how many it should have; 0 where nothing says.
        seconds: how long it should be; 0 where nothing says.
        start: ticks: the time of its first frame.
        aspect: width of a pixel to its height; None where nothing says.
        rotation: degrees by which players turn it.
        interlaced: whether its frames are two fields each.
        primaries: of its colours, as ISO/IEC 23091-2 numbers them; 2 where nothing says.
        transfer: the same for its curve.
        matrix: the same for its matrix.
        full_range: whether black is 0; None where nothing says.
        colored: whether it clearly has colours of its own.
    """

    path: Path
    stream: int
    codec: str
    width: int
    height: int
    pixel_format: str
    time_base: Fraction
    rate: Fraction
    frames: int
    seconds: float
    start: int
    aspect: Fraction | None
    rotation: int
    interlaced: bool
    primaries: int
    transfer: int
    matrix: int
    full_range: bool | None
    colored: bool = False


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
        damaged: from and to, in seconds, of what could not be decoded.
        resized: how many frames had another size or pixel format and were brought to the first's.
        retimed: how many frames had no time, or one that did not rise.
    """

    facts: Facts
    damaged: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    resized: int = 0
    retimed: int = 0
    _even: int = 0
    _uneven: int = 0

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
        number = 0
        for frame in self.frames():
            seconds = float(frame.pts * self.facts.time_base)
            if stop is not None and seconds >= stop - 1e-6:
                return
            if start is None or seconds >= start - 1e-6:
                yield dataclasses.replace(frame, number=number)
                number += 1

    def frames(self) -> Iterator[FilmFrame]:
        """Yield every frame that can be decoded, in the order of showing."""
        facts = self.facts
        step = self.step
        last: int | None = None
        shift = number = 0
        with open_film(facts.path) as container:
            stream = container.streams[facts.stream]
            assert isinstance(stream, VideoStream)
            stream.thread_type = "AUTO"  # type: ignore[assignment]
            for picture in self._decoded(container, stream):
                pts = picture.pts if picture.pts is not None else picture.dts
                duration = picture.duration or 0
                if pts is None:
                    pts = 0 if last is None else last + step
                    self.retimed += 1
                else:
                    pts += shift
                if last is not None and pts <= last:
                    self.retimed += 1
                    if float((last - pts) * facts.time_base) > _JUMP:
                        shift += last + step - pts
                    pts = last + max(1, min(step, duration or step))
                if picture.is_corrupt:
                    self._note(pts, step)
                if last is not None:
                    self._watch(last, pts, step)
                last = pts
                yield FilmFrame(number, pts, duration, self._fitted(picture))
                number += 1

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
        errors = 0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except FFmpegError:
                errors += 1
                if errors > _MOST_ERRORS:
                    return
                packets = container.demux(stream)
                continue
            errors = 0
            try:
                yield from packet.decode()
            except FFmpegError:
                if packet.pts is not None:
                    self._note(packet.pts, packet.duration or 1)

    def _watch(self, last: int, pts: int, step: int) -> None:
        """Note a hole in a film of one rate: containers skip in silence what they cannot read."""
        if 0.5 * step <= pts - last <= 1.5 * step:
            self._even += 1
        elif self._even >= max(_EVEN, 8 * self._uneven) and pts - last > _HOLE * step:
            self._note(last + step, pts - last - step)
        else:
            self._uneven += 1

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
        made = picture.reformat(facts.width, facts.height, facts.pixel_format)
        made.pts = picture.pts
        return made


def open_film(path: Path) -> InputContainer:
    """Open a film.

    Raises:
        FilmError: if it cannot be opened.
    """
    if not path.exists():
        raise FilmError(f"`{path}` does not exist: check the name")
    if path.is_dir():
        raise FilmError(f"`{path}` is a folder but must be a film: name a file")
    if path.stat().st_size == 0:
        raise FilmError(f"`{path}` is empty: copy the film again")
    if path.name.startswith("._"):
        raise FilmError(
            f"`{path}` is what macOS keeps beside a file, no film: use `{path.name[2:]}`"
        )
    try:
        return av.open(str(path), metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FilmError(
            f"`{path}` cannot be read as a film ({reason}): check that it plays elsewhere"
        ) from error


def frames_at(facts: Facts, seconds: Sequence[float]) -> Iterator[av.VideoFrame]:
    """Yield the frames shown at some times, without reading what lies between.

    Args:
        facts: of the film.
        seconds: rising.
    """
    with open_film(facts.path) as container:
        stream = container.streams[facts.stream]
        assert isinstance(stream, VideoStream)
        for wanted in seconds:
            ticks = round(Fraction(wanted) / facts.time_base)
            with contextlib.suppress(FFmpegError):
                container.seek(ticks, stream=stream)
                last: av.VideoFrame | None = None
                for frame in container.decode(stream):
                    if frame.pts is not None and frame.pts > ticks and last is not None:
                        break
                    last = frame
                    if frame.pts is not None and frame.pts >= ticks:
                        break
                if last is not None:
                    yield last


def read_facts(path: Path) -> Facts:
    """Read what is known of a film before it is read through.

    Raises:
        FilmError: if it is no film, or none that can be decoded.
    """
    with open_film(path) as container:
        stream = _main_stream(container, path)
        first: av.VideoFrame | None = None
        interlaced = False
        looked_at = 0
        for packet in container.demux(stream):
            try:
                pictures = packet.decode()
            except FFmpegError:
                continue
            for picture in pictures:
                first = first or picture
                interlaced |= picture.interlaced_frame
                looked_at += 1
            if looked_at >= _LOOKED_AT:
                break
        if first is None:
            raise FilmError(
                f"`{path}` has no frame that can be decoded ({stream.codec_context.name}): "
                "it is damaged, encrypted, or was cut off; check that it plays elsewhere"
            )
        return _facts(path, container, stream, first, interlaced)


def _main_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the stream that is the film: not a cover, not a thumbnail; the largest."""
    films = [stream for stream in container.streams.video if not stream.disposition & NOT_FILMS]
    if not films:
        covers = " but a cover picture" if container.streams.video else ""
        raise FilmError(f"`{path}` has no moving pictures{covers}: name a film")
    best = max(films, key=lambda one: (bool(one.disposition & Disposition.default), one.frames))
    try:
        known = bool(best.codec_context.name)
    except Exception:  # noqa: BLE001  # a stream that FFmpeg has no decoder for has no context
        known = False
    if not known:
        raise FilmError(
            f"`{path}` is coded in a way that FFmpeg cannot decode here, or is encrypted: "
            "convert it to another format first"
        )
    return best


def _facts(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    first: av.VideoFrame,
    interlaced: bool,
) -> Facts:
    context = stream.codec_context
    base = stream.time_base or Fraction(1, 1000)
    rate = stream.guessed_rate or stream.average_rate or Fraction(25)
    seconds = float(stream.duration * base) if stream.duration else 0.0
    if not seconds and container.duration:
        seconds = container.duration / av.time_base
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio
    ranges = {1: False, 2: True}
    return Facts(
        path=path,
        stream=stream.index,
        codec=context.name,
        width=first.width,
        height=first.height,
        pixel_format=first.format.name,
        time_base=Fraction(base.numerator, base.denominator),
        rate=Fraction(rate.numerator, rate.denominator),
        frames=stream.frames or round(seconds * float(rate)),
        seconds=seconds,
        start=first.pts or 0,
        aspect=Fraction(aspect.numerator, aspect.denominator) if aspect else None,
        rotation=first.rotation,
        interlaced=interlaced,
        primaries=int(context.color_primaries),
        transfer=int(context.color_trc),
        matrix=int(first.colorspace),
        full_range=ranges.get(int(first.color_range)),
        colored=_is_colored(first),
    )


def _is_colored(picture: av.VideoFrame) -> bool:
    """Tell whether a frame has colours that nobody would overlook: chroma that differs in it."""
    layout = layout_of(picture.format.name)
    if not layout.plain or not layout.across or len(picture.planes) < 3:
        return False
    unit = 2 ** (layout.depth - 8)
    spread = [float(plane.std()) / unit for plane in chroma_planes(picture, layout)]
    return max(spread) > _COLORED
