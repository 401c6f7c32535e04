"""What the service computes: previews, parts, files, suggestions; plain functions for threads.

Not here: HTTP. Every colour comes from the ``Colorizer`` by the one path that all others take.
"""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.colorizer.chroma import Chroma, Painting
from koalarize.colorizer.colorizer import Colorizer, Making
from koalarize.colorizer.look import Look
from koalarize.colorizer.plan import plan
from koalarize.colorizer.plan import suggestions as likely
from koalarize.colorizer.prepare import framed, placed_size
from koalarize.colorizer.reference import notes_on, palette_from_photo
from koalarize.colorizer.several import in_strips
from koalarize.errors import OptionError, did_you_mean
from koalarize.photo.photo import Photo
from koalarize.photo.provenance import sealed
from koalarize.photo.rows import Rows
from koalarize.photo.white import over_white
from koalarize.steering.alternatives import Suggestion
from koalarize.steering.crop import Crop
from koalarize.steering.hints import check_inside
from koalarize.steering.palette import Palette
from koalarize.steering.steering import Steering
from koalarize.web.studio.photo_store import Opened
from koalarize.web.studio.reading import read_photo
from koalarize.web.studio.settings import Settings
from koalarize.web.studio.work_queue import Stop

__all__ = [
    "EXTENT",
    "Models",
    "Steered",
    "alternatives",
    "check_places",
    "encode",
    "gamut_boundary",
    "gamut_picture",
    "palette",
    "preview",
    "region",
    "render",
    "suggestions",
]

Array = npt.NDArray[Any]

#: No a* or b* of sRGB lies further from 0 than this.
EXTENT = 110.0
_MOST_OUTPUT = 4096
#: Of a photo's area: from a quarter on, a part made smaller comes sooner of the whole made smaller
#: (all of 24 MP at 0.3 on two cores, 2026-12-03: 0.3 s, then 0.04, and not 2.2), 0.2 Lab apart.
_LARGE = 4
_PART = 4_000_000  # pixels that are painted before work looks whether it is still wanted
_SAVE: Mapping[str, Mapping[str, Any]] = {
    "JPEG": {"quality": 90, "subsampling": 0},
    "WEBP": {"quality": 88, "method": 1},
    "PNG": {"compress_level": 1},
}


class Models:
    """The models of one service, each loaded when it is first asked for."""

    def __init__(self, loaders: Mapping[str, Callable[[], Colorizer]]) -> None:
        """Make it of what loads each name; a client can ask for nothing else."""
        self._loaders = dict(loaders)
        self._loaded: dict[str, Colorizer] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """What can be asked for."""
        return list(self._loaders)

    def get(self, name: str) -> Colorizer:
        """Return a model.

        Raises:
            OptionError: if there is none of this name.
        """
        if name not in self._loaders:
            near = did_you_mean(name, self._loaders) or f": known are {', '.join(self._loaders)}"
            raise OptionError(f"the model `{name}` is unknown{near}")
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._loaders[name]()
            return self._loaded[name]


@dataclass(frozen=True)
class Steered:
    """A photo with what is asked of its colours.

    Attributes:
        opened: the photo, as it is coloured: turned, restored and so on.
        model: the model's name.
        colorizer: that model.
        steering: what is asked.
    """

    opened: Opened
    model: str
    colorizer: Colorizer
    steering: Steering

    @classmethod
    def of(cls, opened: Opened, model: str, colorizer: Colorizer, steering: Steering) -> Steered:
        """Make it of a photo as it was uploaded."""
        return cls(opened.prepared(steering), model, colorizer, steering)

    @property
    def look(self) -> Look:
        """What the network sees, from the cache if it looked before."""
        size = self.steering.size
        photo = self.opened.photo
        return self.opened.looks.get(
            (self.model, size), lambda: self.colorizer.look(photo, size=size)
        )

    @property
    def chroma(self) -> Chroma:
        """How the photo is coloured, from the cache if it was asked for before."""
        shown = replace(self.steering, crop=None)  # no colour changes with it
        return self.opened.chromas.get((self.model, shown), lambda: plan(self.look, shown))


def check_places(opened: Opened, steering: Steering) -> None:
    """Check that hints and crop lie inside a photo as it is coloured.

    Raises:
        OptionError: if one does not.
    """
    width, height = placed_size(steering, (opened.photo.width, opened.photo.height))
    for hint in steering.hints:
        check_inside("the hint at", hint.x, hint.y, width=width, height=height)
    if steering.crop is not None:
        steering.crop.box(width, height)


def preview(
    opened: Opened,
    chroma: Chroma | None,
    *,
    side: int,
    format: str,
    crop: Crop | None = None,
) -> bytes:
    """Return a small version of the coloured photo, or of the original where chroma is None.

    Raises:
        OptionError: if the crop reaches beyond the photo.
    """
    photo = opened.photo
    whole = (0, 0, photo.width, photo.height)
    left, top, right, bottom = whole if crop is None else crop.box(photo.width, photo.height)
    # As much of the whole is made as gives the part its size.
    longest = max(photo.width, photo.height)
    small = opened.small(min(round(side * longest / max(right - left, bottom - top)), longest))
    return encode(*_part_of(small, photo, (left, top, right, bottom), chroma), format)


def _part_of(
    small: Photo, photo: Photo, box: tuple[int, int, int, int], chroma: Chroma | None
) -> tuple[Array, Array | None]:
    """Return pixels and alpha of a part of a small version; left to bottom are of the photo."""
    across, down = small.width / photo.width, small.height / photo.height
    left, top = round(box[0] * across), round(box[1] * down)
    area = (left, top, max(left + 1, round(box[2] * across)), max(top + 1, round(box[3] * down)))
    part = (slice(area[1], area[3]), slice(area[0], area[2]))
    pixels = small.pixels[part] if chroma is None else chroma.paint(small.pixels, area=area)
    return pixels, None if small.alpha is None else small.alpha[part]


def region(
    opened: Opened,
    chroma: Chroma | None,
    box: tuple[int, int, int, int],
    *,
    scale: float,
    format: str,
) -> bytes:
    """Return a part of the full-size result.

    Args:
        opened: the photo.
        chroma: how it is coloured; None is the original.
        box: left, top, width and height, pixels of the photo; cut to it.
        scale: 0.05 to 1.
        format: ``jpeg``, ``webp`` or ``png``.

    Raises:
        OptionError: if nothing of the photo is inside, or the result were too large.
    """
    photo = opened.photo
    left, top, width, height = box
    right, bottom = min(left + width, photo.width), min(top + height, photo.height)
    if left >= photo.width or top >= photo.height:
        raise OptionError(
            f"the part at {left},{top} lies outside the photo, "
            f"which is {photo.width} x {photo.height} pixels"
        )
    size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    if max(size) > _MOST_OUTPUT:
        raise OptionError(
            f"the part would be {size[0]} x {size[1]} pixels but at most {_MOST_OUTPUT} a side are "
            "sent: ask for less, or lower `scale`"
        )
    if scale < 1 and (right - left) * (bottom - top) * _LARGE >= photo.width * photo.height:
        small = opened.small(max(1, round(scale * max(photo.width, photo.height))))
        return encode(*_part_of(small, photo, (left, top, right, bottom), chroma), format)
    if chroma is None:
        pixels = photo.pixels[top:bottom, left:right]
    else:
        pixels = chroma.paint(photo.pixels, area=(left, top, right, bottom))
    alpha = None if photo.alpha is None else photo.alpha[top:bottom, left:right]
    part = Opened(Photo(np.ascontiguousarray(pixels), alpha)).small(max(size))
    return encode(part.pixels, part.alpha, format)


def render(steered: Steered, format: str | None, stop: Stop, source: str | None = None) -> bytes:
    """Return the full-size file, exactly as the command line would write it.

    Args:
        steered: the photo and what is asked.
        format: of the file; the photo's own by default.
        stop: looked at between parts.
        source: sha256 of the photo's file.

    Raises:
        Stopped: if it was asked to stop, within a part of the photo.
        OptionError: if the crop reaches beyond the photo.
    """
    photo, steering = steered.opened.photo, steered.steering
    srgb: Array | Rows
    if in_strips(photo, steering, format):
        srgb = _Wanted(steered.chroma.painting(photo.pixels), stop)
    else:
        srgb = _painted(steered, stop)
    result = steered.colorizer.marked(framed(photo, steering), steering, Making(source))
    return sealed(*result.encode_parts(srgb, format=format, threads=0))


@dataclass(frozen=True)
class _Wanted:
    """Rows of a painting that are made as long as somebody wants them."""

    painting: Painting
    stop: Stop

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.painting.shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return self.painting.dtype

    def rows(self, top: int, bottom: int, *, threads: int = 1) -> Array:
        self.stop.check()
        return self.painting.rows(top, bottom, threads=threads)


def _painted(steered: Steered, stop: Stop) -> Array:
    """Return the pixels of the part of a photo that is wanted."""
    photo, crop, chroma = steered.opened.photo, steered.steering.crop, steered.chroma
    left, first, right, last = (
        (0, 0, photo.width, photo.height) if crop is None else crop.box(photo.width, photo.height)
    )
    deep = photo.pixels.dtype == np.uint16
    srgb = np.empty((last - first, right - left, 3), np.uint16 if deep else np.uint8)
    rows = max(1, _PART // (right - left))
    for top in range(first, last, rows):
        stop.check()
        bottom = min(top + rows, last)
        area = (left, top, right, bottom)
        srgb[top - first : bottom - first] = chroma.paint(photo.pixels, area=area)
    stop.check()
    return srgb


def suggestions(
    steered: Steered, x: float, y: float, count: int
) -> tuple[float, str, list[Suggestion]]:
    """Return L* at a point, the colour that is there now, and what else is likely."""
    look = steered.look
    lightness = look.lightness_at(x, y)
    found = likely(look, steered.steering, (x, y), count)
    height, width = look.grid.photo
    now = steered.chroma.at(x / width, y / height, lightness)
    return lightness, color.lab_to_hex(now), found


def alternatives(
    steered: Steered, stop: Stop, *, count: int, side: int
) -> list[tuple[int, float, str]]:
    """Return number, difference from number 0 and preview (a data URL) of each colouring.

    Raises:
        Stopped: if it was asked to stop, before the next of them.
    """
    small = steered.opened.small(side)
    found: list[tuple[int, float, str]] = []
    first: npt.NDArray[np.float32] | None = None
    for number in range(min(count, steered.look.count_alternatives()) + 1):
        stop.check()
        other = replace(steered, steering=replace(steered.steering, alternative=number))
        srgb = other.chroma.paint(small.pixels)
        ab = color.srgb_to_lab(srgb)[..., 1:]
        first = ab if first is None else first
        difference = float(np.linalg.norm(ab - first, axis=-1).mean())
        data = base64.b64encode(encode(srgb, small.alpha, "jpeg")).decode("ascii")
        found.append((number, difference, f"data:image/jpeg;base64,{data}"))
    return found


def palette(data: bytes, name: str, settings: Settings) -> tuple[Palette, tuple[str, ...]]:
    """Return the palette of an upload, and what to say of its colours.

    Raises:
        PhotoError: if it is no picture.
        Problem: 413 if it has too many pixels.
    """
    photo = read_photo(data, settings)
    digest = hashlib.sha256(data).hexdigest()
    found = palette_from_photo(photo, name=name or "reference", sha256=digest)
    return found, notes_on(photo, found)


def encode(
    pixels: npt.NDArray[np.generic], alpha: npt.NDArray[np.generic] | None, format: str
) -> bytes:
    """Encode 8-bit levels for showing: no metadata; without alpha over white."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    kind = format.upper()
    if alpha is not None:
        opacity = Image.fromarray(np.ascontiguousarray(alpha))
        if kind == "JPEG":
            image = over_white(image, opacity)
        else:
            image = image.convert("RGB")
            image.putalpha(opacity)
    buffer = io.BytesIO()
    image.save(buffer, kind, **_SAVE[kind])
    return buffer.getvalue()


def gamut_boundary(lightness: float) -> list[list[float]]:
    """Return the outermost a* and b* at a lightness, a pair each 5 degrees of hue."""
    hue = np.radians(np.arange(0, 360, 5))
    lab = np.stack([np.full(72, lightness), 150 * np.cos(hue), 150 * np.sin(hue)], 1)
    edge = color.map_to_gamut(lab.astype(np.float32))[:, 1:]
    return [[round(float(a), 2), round(float(b), 2)] for a, b in edge]


def gamut_picture(lightness: float, side: int) -> bytes:
    """Return a PNG of the plane of a* (right) and b* (up) at a lightness; clear outside sRGB."""
    axis = (np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32(2 * EXTENT / side)
    axis -= np.float32(EXTENT)
    lab = np.empty((side, side, 3), np.float32)
    lab[..., 0], lab[..., 1], lab[..., 2] = lightness, axis[None, :], -axis[:, None]
    inside = color.in_gamut(lab, tolerance=2e-3)
    srgb = color.lab_to_srgb(lab, dtype=np.uint8)
    srgb[~inside] = 0
    return encode(srgb, (inside * np.uint8(255)).astype(np.uint8), "png")
