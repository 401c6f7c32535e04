"""A frame as players show it: upright, with square pixels.

Not here: what is known of a film (``film.facts``), pictures of frames (``film.anchors``).
"""

from __future__ import annotations

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.film.facts import Facts
from koalarize.film.light import light_of, srgb_curve, transfer_like
from koalarize.film.planes import reformatted
from koalarize.film.read import FilmFrame

__all__ = ["coded_grey", "coded_place", "shown_colors", "shown_grey", "shown_size"]

UInt8 = npt.NDArray[np.uint8]

_GREYS = ("gray", "ya")  # pixel formats whose numbers FFmpeg takes for full, whatever they say
_UNSPECIFIED = 2  # curve, as ISO/IEC 23091-2 numbers them


def shown_size(facts: Facts) -> tuple[int, int]:
    """Return width and height of a frame as players show it: upright, with square pixels."""
    width, height = max(1, round(facts.width * (facts.aspect or 1))), facts.height
    return (width, height) if facts.turns % 2 == 0 else (height, width)


def shown_grey(facts: Facts, frame: FilmFrame | av.VideoFrame) -> UInt8:
    """Return (h, w) the grey of a frame as players show it."""
    return _square(facts, facts.upright(coded_grey(facts, frame)))


def coded_grey(facts: Facts, frame: FilmFrame | av.VideoFrame) -> UInt8:
    """Return (H, W) the grey of a frame as it is coded, of the curve of sRGB and the full range."""
    picture = frame.picture if isinstance(frame, FilmFrame) else frame
    grey = reformatted(picture, "gray").to_ndarray().astype(np.uint8, copy=False)
    if facts.full_range is False and facts.pixel_format.startswith(_GREYS):
        grey = np.rint((np.clip(grey, 16, 235) - 16.0) * (255 / 219)).astype(np.uint8)
    curve = transfer_like(facts.transfer)
    if curve != transfer_like(_UNSPECIFIED):  # HDR, which a picture of 8 bits cannot say
        light = light_of(np.arange(256) / 255, curve)
        grey = np.rint(np.minimum(srgb_curve(light), 1) * 255).astype(np.uint8)[grey]
    return grey


def shown_colors(facts: Facts, picture: av.VideoFrame) -> UInt8:
    """Return (h, w, 3) the colours that a frame has, as players show them but for HDR."""
    srgb = np.moveaxis(picture.to_ndarray(format="rgb24").astype(np.uint8, copy=False), -1, 0)
    return _square(facts, np.ascontiguousarray(np.moveaxis(facts.upright(srgb), 0, -1)))


def _square(facts: Facts, shown: UInt8) -> UInt8:
    """Return an upright frame with square pixels."""
    if (shown.shape[1], shown.shape[0]) == shown_size(facts):
        return shown
    image = Image.fromarray(shown).resize(shown_size(facts), Image.Resampling.LANCZOS)
    return np.asarray(image)


def coded_place(facts: Facts, x: float, y: float) -> tuple[float, float]:
    """Return where a place of a frame as players show it lies in the frame as it is coded."""
    width, height = shown_size(facts)
    x = width - x if facts.mirrored else x
    for _ in range(facts.turns):
        x, y, width, height = height - y, x, height, width
    return max(0.0, x * facts.width / width), max(0.0, y)
