"""Frames that a person colours elsewhere: one a shot written out, and read as colours of that shot.

Not here: how their colours go through the shot (``film.lead``), the list of shots
(``film.shot_list``). A frame is known by its number in the film, as in ``ref_000123.png``.
"""

from __future__ import annotations

import bisect
import dataclasses
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.colorizer.bars import Bars
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OptionError, OutputError
from koalarize.film.bars import bars_of_film, colored_still, hints_within, part_shown
from koalarize.film.facts import Facts
from koalarize.film.options import FilmOptions
from koalarize.film.read import FilmFrame, Reading, frame_index, pictures_at
from koalarize.film.seek import Index
from koalarize.film.shot_list import Shot, clock, gaps_in, read_shots
from koalarize.film.shown import coded_place, shown_grey, shown_size
from koalarize.film.spread import find_shots
from koalarize.photo.files import make_folder, read_extensions, sha256_of, write_bytes
from koalarize.photo.photo import Photo
from koalarize.steering.steering import Steering

__all__ = [
    "Anchor",
    "Exported",
    "Shots",
    "anchor_ab",
    "coded_place",
    "export_frames",
    "middle_of",
    "shots_of",
    "shown_grey",
    "shown_size",
]

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

_NAME = re.compile(r"ref_(\d{1,9})(?:\.[^.]+)*\.[^.]+")
_OTHER_SHAPE = 0.04  # by which the proportions of a picture may differ from the film's
_GREY = 1.5  # Lab units: mean chroma below which nobody has coloured a picture
_OUTSIDE = 2e-3  # seconds of a film outside all shots that are more than rounding
_TOLERANCE = 1e-3  # seconds: a list is written to the millisecond


@dataclass(frozen=True)
class Anchor:
    """A frame that a person has coloured.

    Attributes:
        pts: when it is shown, ticks of the film's time base.
        number: of the frame, from 0.
        path: of the picture.
        sha256: of the picture.
    """

    pts: int
    number: int
    path: Path
    sha256: str


@dataclass(frozen=True)
class Shots:
    """The shots of a film that are known before it is coloured.

    Attributes:
        shots: in order.
        anchors: of a shot, by its number from 0: the frames of it that a person has coloured.
        notes: what of what was given is not used, a phrase each.
    """

    shots: Sequence[Shot]
    anchors: Mapping[int, tuple[Anchor, ...]] = dataclasses.field(
        default_factory=dict[int, tuple[Anchor, ...]]
    )
    notes: tuple[str, ...] = ()

    def key(self, number: int) -> str:
        """Return what a shot is made of, as one text."""
        anchors = [(one.pts, one.sha256) for one in self.anchors.get(number, ())]
        return repr((dataclasses.replace(self.shots[number], frames=()), anchors))

    def around(self, first: float, end: float, *, whole: bool) -> list[str]:
        """Return what is to be said of a film outside the shots, and of shots behind it.

        Args:
            first: seconds at which what is coloured begins.
            end: seconds at which it ends.
            whole: whether the film ends there too.
        """
        begin, last = self.shots[0].start, self.shots[-1].stop
        spans = (("first", max(0.0, first), begin), ("last", last, end))
        outside = [
            f"{clock(since)} to {clock(min(until, end))} is in no shot of the list: it is coloured "
            f"with the {name} shot"
            for name, since, until in spans
            if until - since > _OUTSIDE and since < end
        ]
        unused = [
            f"shot {number} of the list begins at {clock(shot.start)}, but the film ends at "
            f"{clock(end)}: it is not used"
            for number, shot in enumerate(self.shots, 1)
            if whole and shot.start >= end
        ]
        return outside + unused


@dataclass(frozen=True)
class Exported:
    """Frames written out, to be coloured elsewhere.

    Attributes:
        paths: the pictures, one a shot.
        notes: shots of which none could be written, a phrase each.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def shots_of(
    facts: Facts, options: FilmOptions, progress: Callable[[int], None] | None = None
) -> Shots | None:
    """Return the shots that a person's list or a person's frames say; None if there is neither.

    Args:
        facts: of the film.
        options: how it is to be made.
        progress: as ``find_shots`` takes it, where shots must be found.

    Raises:
        OptionError: if the list or a frame cannot be used.
        PhotoError: if a picture cannot be read.
        FilmError: if nothing of the film is wanted.
    """
    listed = None if options.shots is None else read_shots(options.shots)
    notes: list[str] = []
    for number, shot in enumerate(listed or (), 1):
        _check_hints(shot, f"shot {number} of `{options.shots}`", facts)
        if shot.hints:
            left = len(shot.hints) - len(hints_within(shot.hints, facts, bars_of_film(facts)))
            notes += [f"a hint of shot {number} is in the film's bars: it is not used"] * bool(left)
    for start, stop in () if listed is None else gaps_in(listed):
        span = f"{clock(start)} to {clock(stop)}"
        notes.append(f"{span} is in no shot of the list: it is coloured with the shot before it")
    paths = [] if listed is None else [path for shot in listed for path in shot.frames]
    if options.frames is not None:
        paths += _frames_in(options.frames)
    if not paths:
        return None if listed is None else Shots(listed, notes=tuple(notes))
    if listed is None:
        listed = [Shot(start, stop) for start, stop in find_shots(facts, options, progress)]
    anchors, grey = _anchors(paths, facts)
    found: dict[int, tuple[Anchor, ...]] = {}
    for anchor in anchors:
        number = _shot_of(anchor, listed, facts)
        if listed[number].keeps_color:
            raise OptionError(
                f"`{anchor.path}` has colours for shot {number + 1}, which keeps its own "
                "(`keep_color`): leave one of them out"
            )
        found[number] = (*found.get(number, ()), anchor)
    if grey:
        notes.append(f"{grey} of {len(anchors) + grey} reference frames are grey and say nothing")
    return Shots(listed, found, tuple(notes))


def _check_hints(shot: Shot, name: str, facts: Facts) -> None:
    for one in shot.hints:
        x, y = one.hint.x, one.hint.y
        if not (0 <= x <= facts.width and 0 <= y <= facts.height):
            raise OptionError(
                f"a hint of {name} is at {x:g}, {y:g}, but the film is coded at "
                f"{facts.width}x{facts.height} pixels: give it a place within"
            )


def _frames_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise OptionError(
            f"`--frames` is `{folder}`, which is no folder: --export-frames writes one"
        )
    kinds = read_extensions()
    found = [
        path
        for path in sorted(folder.iterdir())
        if _NAME.fullmatch(path.name) and path.suffix.lower() in kinds
    ]
    if not found:
        raise OptionError(
            f"`{folder}` has no picture called as `ref_000123.png`: --export-frames writes them"
        )
    return found


def _anchors(paths: Sequence[Path], facts: Facts) -> tuple[list[Anchor], int]:
    """Return the coloured ones of some frames, in order, and how many have no coloured one."""
    times = frame_index(facts).times
    found: dict[int, Anchor] = {}
    grey: set[int] = set()
    for path in paths:
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise OptionError(f"`{path}` must be called by its frame's number: `ref_000123.png`")
        number = int(match[1])
        if number >= len(times):
            raise OptionError(
                f"`{path}` is frame {number} but the film has frames 0 to {len(times) - 1}: "
                "call it by its number"
            )
        if _is_grey(path, facts):
            grey.add(number)
        elif number in found:
            raise OptionError(
                f"`{path}` and `{found[number].path}` are both frame {number}: take one away"
            )
        else:
            found[number] = Anchor(times[number], number, path, sha256_of(path))
    if not found:
        raise OptionError(
            f"none of the {len(grey)} reference frames beside `{paths[0]}` has colours: colour "
            "them first, in an image editor or by another model"
        )
    return [found[number] for number in sorted(found)], len(grey - found.keys())


def _shot_of(anchor: Anchor, shots: Sequence[Shot], facts: Facts) -> int:
    seconds = float(anchor.pts * facts.time_base)
    for number, shot in enumerate(shots):
        if shot.start - _TOLERANCE <= seconds < shot.stop - _TOLERANCE:
            return number
    raise OptionError(
        f"`{anchor.path}` is shown at {clock(seconds)}, in no shot of what is coloured "
        f"({clock(shots[0].start)} to {clock(shots[-1].stop)}): take it away, or widen that"
    )


def _is_grey(path: Path, facts: Facts) -> bool:
    """Tell whether nobody has coloured a picture; check that it is a whole frame.

    Raises:
        OptionError: if it has other proportions than the film.
    """
    photo = Photo.read(path)
    width, height = shown_size(facts)
    apart = (photo.width / photo.height) / (width / height)
    if not 1 - _OTHER_SHAPE <= apart <= 1 + _OTHER_SHAPE:
        raise OptionError(
            f"`{path}` has {photo.width}x{photo.height} pixels but a frame is shown at "
            f"{width}x{height}: it may have another size, but must show the whole frame"
        )
    if photo.is_grey:
        return True
    ab = _small_ab(photo, (64, 64))
    return float(np.hypot(ab[0], ab[1]).mean()) < _GREY


def anchor_ab(
    anchor: Anchor, facts: Facts, size: tuple[int, int], bars: Bars | None = None
) -> Float32:
    """Return (2, h, w) ab of a person's frame on the small grid of the film, without bars.

    Raises:
        PhotoError: if it cannot be read.
    """
    photo = Photo.read(anchor.path)
    rows, columns = part_shown(facts, bars, photo.height, photo.width)
    photo = Photo(photo.pixels[rows, columns])
    return facts.coded(_small_ab(photo, size if facts.turns % 2 == 0 else (size[1], size[0])))


def _small_ab(photo: Photo, size: tuple[int, int]) -> Float32:
    """Return (2, h, w) ab of a picture, brought to a size."""
    pixels = photo.pixels
    while pixels.shape[0] >= 4 * size[0] and pixels.shape[1] >= 4 * size[1]:
        half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
        pixels = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA)
    if pixels.ndim == 2:
        return np.zeros((2, *size), np.float32)
    ab = color.srgb_to_lab(pixels)[..., 1:]
    small = cv2.resize(ab, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.moveaxis(cast(Float32, small), -1, 0), np.float32)


def middle_of(facts: Facts, index: Index, start: float, stop: float) -> int | None:
    """Return the time of the middle frame of a shot, ticks; None if it has none."""
    first, last = (
        bisect.bisect_left(index.times, round((time - _TOLERANCE) / facts.time_base))
        for time in (start, stop)
    )
    return index.times[(first + last) // 2] if first < last else None


def export_frames(
    colorizer: Colorizer | None,
    facts: Facts,
    folder: Path,
    steering: Steering,
    options: FilmOptions,
    *,
    overwrite: bool = False,
) -> Exported:
    """Write the middle frame of each shot, upright and with square pixels, to be coloured.

    Where that cannot be decoded, it is the nearest frame of the shot that can.

    Args:
        colorizer: colours them as a beginning; None writes them grey.
        facts: of the film.
        folder: made where it is missing.
        steering: what is asked of the colours.
        options: what of the film, and its list of shots if it has one.
        overwrite: replace frames that are there.

    Raises:
        FilmError: if nothing of the film is wanted.
        OutputError: if they cannot be written, or are there already.
    """
    if options.shots is None:
        shots = [Shot(start, stop) for start, stop in find_shots(facts, options)]
    else:
        shots = [shot for shot in read_shots(options.shots) if not shot.keeps_color]
    index = frame_index(facts)
    middles = [middle_of(facts, index, shot.start, shot.stop) for shot in shots]
    wanted = {pts: shot for pts, shot in zip(middles, shots, strict=True) if pts is not None}
    places = {pts: number for number, pts in enumerate(index.times)}
    for path in (folder / f"ref_{places[pts]:06d}.png" for pts in wanted):
        if path.exists() and not overwrite:
            raise OutputError(
                f"`{path}` exists already and may have been coloured: move it, or add --overwrite."
            )
    make_folder(folder)
    made: dict[int, Path] = {}

    def write(frame: FilmFrame, pts: int) -> None:
        shown = grey = shown_grey(facts, frame)
        if colorizer is not None:
            asked = wanted[pts].steering(steering)
            shown = colored_still(colorizer, facts, grey, asked)
        buffer = io.BytesIO()
        Image.fromarray(shown).save(buffer, "PNG")
        made[pts] = folder / f"ref_{places[frame.pts]:06d}.png"
        write_bytes(buffer.getvalue(), made[pts], overwrite=overwrite)

    for frame in pictures_at(facts, index, sorted(wanted)):
        if frame.pts in wanted:  # else it is the next one that can be decoded
            write(frame, frame.pts)
    notes: list[str] = []
    for pts, shot in wanted.items():
        if pts not in made:
            near = _nearest(facts, index, shot, pts)
            if near is None:
                span = f"{clock(shot.start)} to {clock(shot.stop)}"
                notes.append(f"no frame from {span} can be decoded: that shot is left out")
            else:
                write(near, pts)
    return Exported(tuple(made[pts] for pts in wanted if pts in made), tuple(notes))


def _nearest(facts: Facts, index: Index, shot: Shot, pts: int) -> FilmFrame | None:
    """Return the frame of a shot that can be decoded and is nearest to a time, ticks."""
    found: FilmFrame | None = None
    start = shot.start - _TOLERANCE
    for frame in Reading(facts, index).between(start, shot.stop - _TOLERANCE):
        if frame.pts != index.next(frame.pts):
            continue  # the list of times does not know it
        if found is None or abs(frame.pts - pts) < abs(found.pts - pts):
            found = frame
        if frame.pts > pts:
            break
    return found
