"""A photo looked at once, to be steered often: its working grid, its own colours, its answers.

Not here: the order of steering (``colorizer.plan``), what steering does to ab (``steering.apply``).
The ``Colorizer`` looks; the studio keeps one look a photo, so that a change of a hint costs one run
of the network and no look at the photo.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.colorizer.answers import Answers, Locked
from koalarize.colorizer.bars import bars_of, filled_in, filled_side, mirrored_over
from koalarize.colorizer.ends import mat_of
from koalarize.colorizer.grid import Grid
from koalarize.colorizer.prints import SIDE, Box, Prints, has_page, prints_of
from koalarize.engines.engine import Engine
from koalarize.photo.photo import Photo
from koalarize.steering.alternatives import Anchor, alternative_anchors
from koalarize.steering.blank import calmness
from koalarize.steering.fields import Bounds, check
from koalarize.steering.own_colors import Tint, find_tint
from koalarize.steering.steering import MOST_ALTERNATIVES

__all__ = ["LAYERS", "Look", "Page"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

#: Pages in one another: an album's or a scanner's, and the paper of each print.
LAYERS = 2
_GAP = 2  # how much larger than the grid a photo is that is reduced before it is resized
_BAND_PIXELS = 1 << 20
_MOST_SQUARES = 8  # of the side in which prints are looked for: a long picture is looked at smaller
_LEAST_SHOWN = 16  # pixels: of fewer nothing is told
#: Four scenes of 16 to 48 pixels (2026-12-03) are told as photos so, and noise still is as noise.
_MOST_ENLARGED = 4
_SIZE = Bounds(int, 1, 2048, required=False)  # films ask for less than ``Steering.size`` takes


@dataclass(frozen=True)
class Page:
    """A page of an album, or what lay on a scanner together: each print is looked at by itself.

    Attributes:
        prints: where they lie.
        boxes: of each, pixels of the photo.
        inner: what of each is looked at: all but its edges.
        looks: at each, in this order.
    """

    prints: Prints
    boxes: tuple[Box, ...]
    inner: tuple[Box, ...]
    looks: tuple[Look, ...]

    def place(self, number: int, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the photo lies in what is looked at of a print, or next to it."""
        left, top, right, bottom = self.inner[number]
        return min(max(x, left), right - 1) - left, min(max(y, top), bottom - 1) - top

    def number(self, x: float, y: float) -> int | None:
        """Return which print's box a point of the photo is in, counted from 0; None if none's."""
        for number, (left, top, right, bottom) in enumerate(self.boxes):
            if left <= x < right and top <= y < bottom:
                return number
        return None


class Look(Locked):
    """What one network sees of one photo at one working size; safe from several threads.

    Attributes:
        grid: the working grid.
        lightness: (h, w), L* on it.
        answers: what the network says.
        page: the prints in the photo, if it is a page with some.
    """

    def __init__(
        self, engine: Engine, photo: Photo, size: int | None = None, *, layers: int = LAYERS
    ) -> None:
        """Look at a photo; people call ``Colorizer.look``.

        Args:
            engine: runs the network.
            photo: the photo.
            size: shorter side at which the network looks, pixels; the model's own by default.
            layers: how many pages may lie in one another whose prints are looked at by themselves;
                0 looks at the whole, as at a photo that a model is shown as its authors do.

        Raises:
            OptionError: if the size is not allowed.
        """
        super().__init__()
        check("`size`", size, _SIZE)
        self.grid = Grid.of((photo.height, photo.width), size, engine.info)
        self.lightness, self._own_ab = _shrunk(photo, *self.grid.shape)
        self._small = _enlarged(photo, *self.grid.shape)
        self._filled = filled_side(self.lightness) if photo.is_partial else None
        seen = self.lightness
        if self._filled is not None:
            seen = mirrored_over(seen, self._filled)
        self.answers = Answers(engine, self.grid, seen)
        apart = layers > 0 and engine.info.way is None and has_page(self.lightness)
        self.page = _page(engine, photo, size, layers - 1) if apart else None
        self._tint: Tint | None = None
        self._calm: Float32 | None = None
        self._anchors: list[list[Anchor]] | None = None

    @property
    def calm(self) -> Float32:
        """Factor (h, w) on the chroma; 1 where something is shown, 0 on a mat, bars and a page.

        Of a page that has prints they count as the page: they are looked at by themselves.
        """
        if self._calm is None:
            self._calm = self._factor()
        return self._calm

    def _factor(self) -> Float32:
        shows = calmness(self.lightness)
        if self._small is not None:
            shows = max(shows, calmness(self._small))
        calm = np.full(self.lightness.shape, shows, np.float32)
        if (mat := mat_of(self.lightness)) is not None:
            calm[mat] = 0
        # 2026-12-02, 1,000 validation photos: 17 have bars by this, of which one is a flower's
        # dark ground; grey bars at two sides had a mean chroma of 13 to 15 (40 photos).
        bars = bars_of(self.lightness)
        if self._filled is not None and bars is None:
            calm[filled_in(self.lightness, self._filled)] = 0
        if bars is not None:
            photo = bars.inside(calm).copy()
            calm[:] = 0
            bars.inside(calm)[:] = photo
        if self.page is not None:
            calm *= color.resize(self.page.prints.other[None], *self.grid.shape)[0]
        return calm

    @property
    def tint(self) -> Tint | None:
        """The colours that the photo has of its own; None if it is grey or evenly toned."""
        with self._lock:
            if self._own_ab is not None and self._tint is None:
                self._tint = find_tint(self.lightness, self._own_ab)
                self._own_ab = None
            return self._tint

    @property
    def has_colors(self) -> bool:
        """Whether the photo has colours of its own that nobody would overlook."""
        return self.tint is not None and self.tint.clear

    def lightness_at(self, x: float, y: float) -> float:
        """Return L* on the working grid at a point of the photo.

        Raises:
            OptionError: if the point is outside the photo.
        """
        return float(self.lightness[self.grid.cell(x, y)])

    def count_alternatives(self) -> int:
        """Return how many other plausible colourings there are; on a page, of what has most.

        Raises:
            OptionError: if the model knows no distributions.
        """
        if self.page is None:
            return len(self.alternatives())
        looks = self.page.looks
        return max(look.count_alternatives() for look in looks)

    def alternatives(self) -> list[list[Anchor]]:
        """Return the points that bring about each other plausible colouring, found only once.

        They follow from the photo, the model and the size alone, so that a number means the same
        colouring whatever the hints.

        Raises:
            OptionError: if the model knows no distributions.
        """
        with self._lock:
            if self._anchors is None:
                plain = self.answers.plain()
                logits = plain.prediction.distributions(self.answers.info.name)
                cells = (logits.shape[1], logits.shape[2])
                height, width = self.grid.shown(cells, plain.lightness.shape)
                lightness = color.resize(plain.lightness[None], *cells)[0]
                self._anchors = alternative_anchors(
                    logits[:, :height, :width],
                    self.answers.info.bins,
                    lightness[:height, :width],
                    MOST_ALTERNATIVES,
                    temperature=self.answers.info.temperature,
                )
            return self._anchors


def _page(engine: Engine, photo: Photo, size: int | None, layers: int) -> Page | None:
    """Return the looks at the prints on a page; None if the photo is none.

    Args:
        engine: runs the network.
        photo: which may be a page.
        size: as ``Look`` takes it.
        layers: how many pages each print may hold in turn.
    """
    height, width = photo.height, photo.width
    scale = min(SIDE / min(height, width), (_MOST_SQUARES * SIDE**2 / (height * width)) ** 0.5)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    prints = prints_of(_shrunk(photo, rows, columns)[0])
    if prints is None:
        return None
    inner = prints.scaled(height, width, inner=True)
    looks = (Look(engine, _part(photo, box), size, layers=layers) for box in inner)
    return Page(prints, prints.scaled(height, width), inner, tuple(looks))


def _part(photo: Photo, box: Box) -> Photo:
    """Return a part of a photo, to be looked at: its pixels alone."""
    left, top, right, bottom = box
    return dataclasses.replace(photo, pixels=photo.pixels[top:bottom, left:right], alpha=None)


def _enlarged(photo: Photo, height: int, width: int) -> Float32 | None:
    """Return L* of a photo smaller than its grid, each pixel a square; None of others.

    Resized smoothly it is without any edge, as shading is.
    """
    side = min(height // photo.height, width // photo.width, _MOST_ENLARGED)
    if side < 2 or min(photo.height, photo.width) < _LEAST_SHOWN:
        return None
    return np.kron(photo.lightness(), np.ones((side, side), np.float32))


def _shrunk(photo: Photo, height: int, width: int) -> tuple[Float32, Float32 | None]:
    """Return L* (height, width) of a photo brought to its working size, and ab if it is not grey.

    Photos of any depth are shrunk alike, so that the same photo gets the same colours in any.
    """
    if photo.pixels.dtype == np.uint8:
        image = Image.fromarray(photo.pixels).resize(
            (width, height), Image.Resampling.BICUBIC, reducing_gap=_GAP
        )
        small = np.asarray(image)
    else:
        small = _shrunk_deep(photo.pixels, height, width)
    if small.ndim == 2 and small.dtype == np.uint8:
        return color.grey_to_lightness(small), None
    lab = color.srgb_to_lab(small if small.ndim == 3 else np.repeat(small[..., None], 3, -1))
    lightness = np.ascontiguousarray(lab[..., 0])
    if small.ndim == 2:
        return lightness, None
    return lightness, np.ascontiguousarray(np.moveaxis(lab[..., 1:], -1, 0))


def _shrunk_deep(pixels: Array, height: int, width: int) -> Float32:
    """Return (height, width) or (height, width, 3) sRGB in [0, 1] of pixels of more than 8 bits."""
    reduced = _reduced(pixels, height, width)
    most = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)

    def shrunk(plane: Array) -> Float32:
        image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
        small = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.float32)
        return np.clip(small / np.float32(most), np.float32(0), np.float32(1))

    if reduced.ndim == 2:
        return shrunk(reduced)
    return np.stack([shrunk(reduced[..., channel]) for channel in range(3)], axis=-1)


def _reduced(pixels: Array, height: int, width: int) -> Array:
    """Return pixels, of a large photo the means of squares of them, band by band.

    What is left is at least ``_GAP`` times as large as the grid, so that it is still shrunk
    smoothly.
    """
    rows, columns = pixels.shape[:2]
    side = min(rows // height, columns // width) // _GAP
    if side < 2:
        return pixels
    step = max(1, _BAND_PIXELS // (side * columns))
    rows, columns = rows // side, columns // side
    reduced = np.empty((rows, columns, *pixels.shape[2:]), np.float32)
    for top in range(0, rows, step):
        bottom = min(top + step, rows)
        band = pixels[top * side : bottom * side, : columns * side]
        squares = band.reshape(bottom - top, side, columns, side, *pixels.shape[2:])
        squares.mean((1, 3), dtype=np.float32, out=reduced[top:bottom])
    return reduced
