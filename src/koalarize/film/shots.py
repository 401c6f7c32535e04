"""Where one shot ends and the next begins, found while the film is read.

Not here: a person's own list of shots (``film.shot_list``). Thumbnails are compared without their
means, so that flicker is no cut; a cut must stand out from its neighbours, so that motion is none;
and what was seen before must not come back behind it, even moved, so that a flash is none.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["LEAST_FRAMES", "LOOK_AHEAD", "CutFinder", "thumbnail"]

Float32 = npt.NDArray[np.float32]

_SIDE = (32, 18)  # cells across and down
_LEAST = 6.0  # L*: mean difference of two frames of different shots
_TIMES = 3.0  # of the median of the differences around
_AROUND = 6  # frames before and after, whose median counts
#: A shot has at least so many frames.
LEAST_FRAMES = 6
#: Frames behind a frame that must be seen before it is known whether it begins a shot.
LOOK_AHEAD = _AROUND
_FLASH = 4  # frames: what is back after so many was never gone
# Chosen on pans over 200 photos (1 to 8 pixels of 128 a frame) and cuts from photo to photo,
# 2026-12-02: behind three other frames 87 to 95 % of the pans are known again, 1 % of the cuts.
_MOVED = (8, 4)  # cells across and down by which a scene may have moved meanwhile
_LIKE = 0.6  # of their contrast, by which two frames of one scene differ at most


def thumbnail(lightness: Float32) -> Float32:
    """Return a small frame of L* without its mean."""
    small = cv2.resize(lightness, _SIDE, interpolation=cv2.INTER_AREA)
    return (small - small.mean()).astype(np.float32)


class CutFinder:
    """Says of each frame whether it begins a shot, ``LOOK_AHEAD`` frames later."""

    def __init__(self, *, since: int = 0) -> None:
        """Begin.

        Args:
            since: frames since the last cut, where a film is gone on with.
        """
        self._thumbs: deque[Float32] = deque(maxlen=2 * _AROUND + 2)
        self._scores: deque[float] = deque(maxlen=2 * _AROUND + 1)
        self._seen = 0
        self._decided = 0
        self._since = since

    def push(self, thumb: Float32) -> list[bool]:
        """Take the next frame; return what is decided by it, for frames in their order."""
        self._take(thumb)
        return [self._decide()] if self._seen - self._decided > LOOK_AHEAD else []

    def warm(self, thumb: Float32) -> None:
        """Take a frame of which an earlier run has decided."""
        self._take(thumb)
        self._decided = self._seen

    def _take(self, thumb: Float32) -> None:
        before = self._thumbs[-1] if self._thumbs else None
        self._scores.append(0.0 if before is None else _apart(before, thumb))
        self._thumbs.append(thumb)
        self._seen += 1

    def finish(self) -> list[bool]:
        """Return what is decided of the last frames."""
        return [self._decide() for _ in range(self._seen - self._decided)]

    def _decide(self) -> bool:
        back = self._seen - self._decided  # the frame is the back-th last one
        self._decided += 1
        self._since += 1
        if self._decided == 1:
            return True
        if self._since <= LEAST_FRAMES:
            return False
        place = len(self._scores) - back
        score = self._scores[place]
        others = [
            other
            for at, other in enumerate(self._scores)
            if at != place and abs(at - place) <= _AROUND
        ]
        usual = float(np.median(others)) if others else 0.0
        if score <= _LEAST or score <= _TIMES * usual:
            return False
        thumbs = list(self._thumbs)
        at = len(thumbs) - back
        later, earlier = thumbs[at : at + _FLASH + 1], thumbs[max(0, at - 1 - _FLASH) : at]
        if min(_apart(one, other) for one in earlier for other in later) <= _LEAST:
            return False
        if self._is_flash(place, max(_LEAST, _TIMES * usual)):
            return False
        self._since = 1
        return True

    def _is_flash(self, place: int, least: float) -> bool:
        """Tell whether a jump leads into or out of a flash: two jumps, and the same scene around.

        Args:
            place: of the jump among the scores.
            least: score of a jump.
        """
        near = range(max(1, place - _FLASH), min(len(self._scores), place + _FLASH + 1))
        before = len(self._thumbs) - len(self._scores) - 1  # from a score to the frame before it
        return any(
            _is_like(
                self._thumbs[min(place, at) + before], self._thumbs[max(place, at) + before + 1]
            )
            for at in near
            if at != place and self._scores[at] > least
        )


def _apart(one: Float32, other: Float32) -> float:
    return float(np.abs(one - other).mean())


def _is_like(one: Float32, other: Float32) -> bool:
    """Tell whether two thumbnails show one scene, which may have moved from one to the other."""
    across, down = _MOVED
    width, height = _SIDE[0] - 2 * across, _SIDE[1] - 2 * down
    middle = one[down : down + height, across : across + width]
    windows = np.lib.stride_tricks.sliding_window_view(other, (height, width))
    cells = (-2, -1)
    moved = windows - windows.mean(cells, keepdims=True)
    still = middle - middle.mean()
    contrast = (np.abs(moved).mean(cells) + np.abs(still).mean()) / 2
    return bool((np.abs(moved - still).mean(cells) <= _LIKE * contrast).any())
