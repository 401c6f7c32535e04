"""The colours of a person's frames, carried through their shot along the motion, to both sides.

Not here: which frames a person has coloured (``film.anchors``), motion (``film.flow``), what the
network adds (``film.steady``). A shot is looked at as a whole before its first frame is coloured;
its small frames lie in a temporary file meanwhile, so that memory does not grow with its length.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast, overload

import cv2
import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.film.flow import Flow, Seen, Way, sampled, see
from koalarize.steering.hints import Hint

__all__ = ["Led", "Looks", "ShotFrames"]

Float32 = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

# Chosen on a film of two objects that cross before a moving camera, and of one before a zoom, each
# coloured at one frame: by the mean error of ab against the true colours, and by the share of the
# carried places that are off by more than 25 (0.2 %; 1.9 % without _TORN).
_TOLERANCE = 7.0  # L* by which a place may differ from where it was when it was coloured
_REGAIN = np.float32(0.04)  # by which a place that was lost may be trusted more a frame later
_CORRECTED = 2  # frames after which the drift of a way is taken off
_CORRECTED_BY = np.float32(0.2)  # by which a place may then be trusted more
_TORN = 0.7  # cells a cell by which a way may stretch unlike the whole frame
_HINTS = (8, 10)  # places down and across at which the network is told of them
_HINTED = 0.9  # share from which it is told
_WHOLE = 0.97  # mean share from which it need not be told
_SURE, _UNSURE = 0.7, 0.25  # trust from which a colour holds wholly, and below which not at all


@dataclass(frozen=True)
class Led:
    """What a person's frames say of one frame.

    Attributes:
        ab: (2, h, w), Lab units.
        share: (h, w) in [0, 1]: how far that holds at each place.
    """

    ab: Float32
    share: Float32

    def over(self, ab: Float32) -> Float32:
        """Lay it over (2, h, w) other colours."""
        return (ab + self.share * (self.ab - ab)).astype(np.float32, copy=False)

    def hints(self, lightness: Float32, film: tuple[int, int]) -> tuple[Hint, ...]:
        """Return some of it as hints, from which the network colours what nobody has coloured.

        Args:
            lightness: (h, w) L* of the frame.
            film: height and width in pixels, for the places of the hints.
        """
        rows, columns = lightness.shape
        if float(self.share.mean()) > _WHOLE:
            return ()
        held = cv2.erode(self.share, np.ones((5, 5), np.uint8))
        found: list[Hint] = []
        for top, bottom in itertools.pairwise(np.linspace(0, rows, _HINTS[0] + 1, dtype=int)):
            for left, right in itertools.pairwise(
                np.linspace(0, columns, _HINTS[1] + 1, dtype=int)
            ):
                part = held[top:bottom, left:right]
                if not part.size or float(part.max()) < _HINTED:
                    continue
                # Of the surest cells the one nearest to the middle.
                down, across = np.nonzero(part >= _HINTED)
                far = (down - part.shape[0] / 2) ** 2 + (across - part.shape[1] / 2) ** 2
                row, column = top + down[far.argmin()], left + across[far.argmin()]
                lab = np.array([lightness[row, column], *self.ab[:, row, column]], np.float32)
                x, y = (column + 0.5) * film[1] / columns, (row + 0.5) * film[0] / rows
                found.append(Hint(float(x), float(y), color.lab_to_hex(lab)))
        return tuple(found)


class _Shelf:
    """Arrays of one shape and kind in a temporary file."""

    def __init__(self, folder: Path, shape: tuple[int, ...], kind: type[np.generic]) -> None:
        self._file = cast("IO[bytes]", tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        self._shape, self._kind = shape, np.dtype(kind)
        self._size = int(np.prod(shape)) * self._kind.itemsize

    def put(self, number: int, array: Array) -> None:
        self._file.seek(number * self._size)
        self._file.write(np.ascontiguousarray(array, self._kind).tobytes())

    def get(self, number: int) -> Array:
        self._file.seek(number * self._size)
        return np.frombuffer(self._file.read(self._size), self._kind).reshape(self._shape)

    def close(self) -> None:
        self._file.close()


class Looks(Sequence[Seen]):
    """The small frames of one shot, in a temporary file."""

    def __init__(
        self, size: tuple[int, int], folder: Path, used: Callable[[], None] = lambda: None
    ) -> None:
        """Begin a shot.

        Args:
            size: height and width of the small grid.
            folder: where the temporary file is.
            used: called whenever a frame is added or taken; what it raises ends the work.
        """
        self._frames = _Shelf(folder, size, np.float16)
        self._used = used
        self._count = 0

    def add(self, lightness: Float32) -> None:
        """Take the next frame's (h, w) L*."""
        self._used()
        self._frames.put(self._count, lightness)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Seen: ...
    @overload
    def __getitem__(self, place: slice) -> list[Seen]: ...
    def __getitem__(self, place: int | slice) -> Seen | list[Seen]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(self._count))]
        if not 0 <= place < self._count:
            raise IndexError(place)
        self._used()
        return see(self._frames.get(place).astype(np.float32))

    def close(self) -> None:
        """Let the temporary file go."""
        self._frames.close()


class ShotFrames:
    """The frames of one shot, and what a person's frames say of each.

    Attributes:
        looks: the frames.
        held: numbers of those that a person has coloured.
    """

    def __init__(
        self,
        first: int,
        size: tuple[int, int],
        folder: Path,
        used: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin a shot.

        Args:
            first: number of its first frame.
            size: height and width of the small grid.
            folder: where its temporary files are.
            used: as ``Looks`` takes it.
        """
        self._first = first
        self._flow = Flow(*size)
        self.looks = Looks(size, folder, used)
        self._led = _Shelf(folder, (3, *size), np.int8)  # a*, b*, and the share in 1 / 127
        self.held: frozenset[int] = frozenset()

    def lead(self, colors: Mapping[int, Float32]) -> None:
        """Carry colours from the frames that have them to all others.

        Args:
            colors: number of a frame -> (2, h, w) its ab; every number is one of the shot's.
        """
        known = sorted(number - self._first for number in colors)
        assert known
        assert known[0] >= 0
        assert known[-1] < len(self.looks)
        self.held = frozenset(colors)
        for place, at in enumerate(known):
            ab = colors[at + self._first]
            self._keep(at, ab, np.ones(ab.shape[1:], np.float32))
            end = known[place + 1] if place + 1 < len(known) else len(self.looks)
            self._carry(at, ab, range(at + 1, end), None)
            before = known[place - 1] if place else None
            begin = -1 if before is None else before
            self._carry(at, ab, range(at - 1, begin, -1), before)

    def at(self, number: int) -> Led:
        """Return what is said of a frame."""
        found = self._led.get(number - self._first)
        return Led(found[:2].astype(np.float32), found[2].astype(np.float32) / np.float32(127))

    def close(self) -> None:
        """Let the temporary files go."""
        self.looks.close()
        self._led.close()

    def _carry(self, at: int, ab: Float32, places: range, other: int | None) -> None:
        """Carry the colours of one frame through some places.

        Args:
            at: the place of that frame.
            ab: its colours.
            places: where to, the nearest first.
            other: the place of the frame with colours at the other end, if its own have been
                carried there: then both count, each as near as it is.
        """
        far = near = self.looks[at]
        way = self._flow.start()
        for count, place in enumerate(places, 1):
            here = self.looks[place]
            way = self._on(here, near, far, way)
            if count % _CORRECTED == 0:
                way = self._corrected(here, far, way)
            carried, holds = way.take(ab), color.smoothstep(way.trust, _UNSURE, _SURE)
            if other is not None:
                led = self.at(place + self._first)
                mine = holds * np.float32((place - other) / (at - other))
                its = led.share * np.float32((at - place) / (at - other))
                weight = mine / np.maximum(mine + its, np.float32(1e-6))
                carried = cast(Float32, led.ab + weight * (carried - led.ab))
                holds = np.maximum(holds, led.share)
            self._keep(place, carried, holds)
            near = here

    def _on(self, here: Seen, near: Seen, far: Seen, way: Way) -> Way:
        """Return the way from a frame to the coloured one, over its neighbour.

        A place is trusted if it looks as it looked when it was coloured; what was lost on the way
        is trusted again only slowly, since what looks alike is often something else.
        """
        start = self._flow.start()
        across, down = self._flow.between(here, near)
        x, y = start.x + across, start.y + down
        before = sampled(way.trust, x, y)
        x, y = sampled(way.x, x, y), sampled(way.y, x, y)
        alike = _alike(here, far, x, y, before)
        return Way(x, y, np.minimum(alike, before + _REGAIN))

    def _corrected(self, here: Seen, far: Seen, way: Way) -> Way:
        """Return a way without the drift of its steps: what it brings is laid onto the frame."""
        start = self._flow.start()
        brought = dataclasses.replace(far, shown=sampled(far.shown, way.x, way.y))
        across, down = self._flow.between(here, brought)
        x, y = start.x + across, start.y + down
        x, y = sampled(way.x, x, y), sampled(way.y, x, y)
        alike = _alike(here, far, x, y, way.trust)
        better = alike > _alike(here, far, way.x, way.y, way.trust)
        regained = np.maximum(way.trust, np.minimum(alike, way.trust + _CORRECTED_BY))
        chosen = [
            cast(Float32, np.where(better, one, other))
            for one, other in ((x, way.x), (y, way.y), (regained, way.trust))
        ]
        return Way(*chosen)

    def _keep(self, place: int, ab: Float32, share: Float32) -> None:
        kept = np.empty((3, *share.shape), np.float32)
        kept[:2], kept[2] = np.clip(ab, -127, 127), share * 127
        self._led.put(place, np.rint(kept))


def _alike(here: Seen, far: Seen, x: Float32, y: Float32, weight: Float32) -> Float32:
    """Return (h, w) in [0, 1]: how far a frame looks as another one does at some places.

    Brightness and contrast of what is trusted are matched first.
    """
    was, now = sampled(far.lightness, x, y), here.lightness
    height, width = now.shape
    inside = (x > -1) & (y > -1) & (x < width) & (y < height)
    weight = weight * inside
    total = max(float(weight.sum()), 1.0)
    mean_was, mean_now = (float((weight * one).sum()) / total for one in (was, now))
    spread_was, spread_now = (
        float((weight * (one - np.float32(mean)) ** 2).sum()) / total
        for one, mean in ((was, mean_was), (now, mean_now))
    )
    gain = np.float32(np.clip((spread_was / max(spread_now, 1e-3)) ** 0.5, 0.5, 2.0))
    apart = (was - np.float32(mean_was)) - gain * (now - np.float32(mean_now))
    apart = cast(Float32, cv2.GaussianBlur(apart, (0, 0), 0.8))
    squared = cast(Float32, cv2.blur(apart * apart, (5, 5), borderType=cv2.BORDER_REFLECT))
    alike = np.exp(squared * np.float32(-1 / (2 * _TOLERANCE**2))) * inside
    return (alike * _whole(x, y)).astype(np.float32, copy=False)


def _whole(x: Float32, y: Float32) -> Float32:
    """Return (h, w) in [0, 1]: 0 where a way tears or folds, unlike the frame as a whole."""
    apart = np.zeros_like(x)
    for plane in (x, y):
        for axis in (0, 1):
            slope = cast(Float32, np.gradient(plane, axis=axis))
            apart += (slope - np.float32(np.median(slope[::4, ::4]))) ** 2
    apart = cast(Float32, cv2.blur(apart, (5, 5), borderType=cv2.BORDER_REFLECT))
    return cast(Float32, np.clip(np.float32(2) - np.sqrt(apart) / np.float32(_TORN), 0, 1))
