"""Where each place of a frame was in another one: dense optical flow, joined over many frames.

Not here: what is carried along (``film.steady``). Works on small frames of L* whose brightness and
contrast are matched, so that flicker is no motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Flow", "Seen", "Way", "sampled", "see"]

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
_Plane = TypeVar("_Plane", bound=npt.NDArray[Any])

_LEAST_CONTRAST = 4.0  # L*: standard deviation below which a frame is not stretched further
_TOLERANCE = 5.0  # L* by which a place may differ from what it is said to be
_GAIN = 2.5  # 8-bit numbers to an L* of the matched frame
_MATCHED = 16.0  # L*: the standard deviation of a matched frame


@dataclass(frozen=True)
class Seen:
    """A frame on the small grid.

    Attributes:
        lightness: (h, w) L*.
        matched: (h, w) L* with the mean taken off, stretched to one contrast.
        shown: (h, w) the same in 8 bits, for the flow.
    """

    lightness: Float32
    matched: Float32
    shown: UInt8


@dataclass(frozen=True)
class Way:
    """Where each place of a frame lies in another frame, and how surely.

    Attributes:
        x: (h, w) cells from the left of the other frame.
        y: (h, w) cells from its top.
        trust: (h, w) in [0, 1].
    """

    x: Float32
    y: Float32
    trust: Float32

    def take(self, planes: Float32) -> Float32:
        """Bring what belongs to the other frame here, (C, h, w)."""
        return np.stack([sampled(plane, self.x, self.y) for plane in planes])


def see(lightness: Float32) -> Seen:
    """Make a frame ready to be compared with others.

    Args:
        lightness: (h, w) L*.
    """
    mean, deviation = float(lightness.mean()), float(lightness.std())
    stretch = np.float32(_MATCHED / max(deviation, _LEAST_CONTRAST))
    matched = (lightness - np.float32(mean)) * stretch
    smooth = cast(Float32, cv2.GaussianBlur(matched, (0, 0), 0.8))
    shown = np.clip(smooth * np.float32(_GAIN) + 128, 0, 255).astype(np.uint8)
    return Seen(lightness, smooth, shown)


class Flow:
    """Finds ways between frames of one size."""

    def __init__(self, height: int, width: int) -> None:
        """Make ready for frames of a size, cells."""
        self._small = min(height, width) < 24  # DIS needs a few patches
        self._x, self._y = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )

    def start(self) -> Way:
        """Return the way of a frame to itself."""
        return Way(self._x, self._y, np.ones_like(self._x))

    def between(self, here: Seen, there: Seen) -> tuple[Float32, Float32]:
        """Return how far each place of a frame moves to another one, cells across and down."""
        if self._small:
            still = np.zeros_like(self._x)
            return still, still
        # A new one each time: a used one remembers, and a film gone on with would differ.
        dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        moved = dis.calc(here.shown, there.shown, None)
        return moved[..., 0], moved[..., 1]

    def on(self, here: Seen, near: Seen, far: Seen, way: Way) -> Way:
        """Return the way from a frame to a far one, over its neighbour.

        Args:
            here: the frame.
            near: its neighbour.
            far: the far frame; its own neighbour where the way begins.
            way: from the neighbour to the far frame.
        """
        across, down = self.between(here, near)
        x, y = self._x + across, self._y + down
        height, width = here.matched.shape
        if way.x is not self._x:
            x, y = (sampled(way.x, x, y), sampled(way.y, x, y))
        inside = (x > -1) & (y > -1) & (x < width) & (y < height)
        apart = sampled(far.matched, x, y) - here.matched
        squared = cast(Float32, cv2.blur(apart * apart, (5, 5), borderType=cv2.BORDER_REFLECT))
        trust = np.exp(squared * np.float32(-1 / (2 * _TOLERANCE**2)))
        trust *= inside
        return Way(x, y, trust)


def sampled(plane: _Plane, x: Float32, y: Float32) -> _Plane:
    """Return (h, w) what a plane has at fractional places; beyond its edge, what the edge has."""
    found = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cast(_Plane, found)
