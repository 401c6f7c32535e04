"""A session and other copies of its picture: smaller, larger, or packed again.

Not here: what a session is (``steering.session``). A copy is told by its looks, sixteen by sixteen
mean lightnesses: what shows the same in the same shape is the same picture.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from koalarize.colorizer.prepare import placed_size
from koalarize.photo.photo import Photo
from koalarize.steering.crop import Crop
from koalarize.steering.hints import Hint
from koalarize.steering.session import OtherPhotoError, Session, SessionCopy
from koalarize.steering.steering import Steering

__all__ = ["copy_facts", "replayed"]

_SIDE = 16
_ROWS = 1 << 20  # pixels that are looked at at once
#: Of 256 levels. Of 60 grey scenes of 384 x 256 (2026-12-03) copies from a third to twice the
#: size, as JPEG of quality 50, differ by 1.8 and 9 at most, the nearest of 1,770 pairs of scenes by
#: 27, and scenes cut by 2 % at each side by 2.2 and 20 at least.
_MEAN, _MOST = 2.0, 12


def copy_facts(photo: Photo) -> SessionCopy:
    """Return what tells a picture from others whatever its size: its size and looks."""
    return SessionCopy(photo.width, photo.height, _looks(photo).tobytes().hex())


def replayed(
    session: Session, steering: Steering, sha256: str, name: str, picture: Callable[[], Photo]
) -> tuple[Steering, str | None]:
    """Return a session's steering for a file, which may hold another copy of its picture.

    Args:
        session: that of the picture.
        steering: the session's, with what is asked besides; places in it are the session's.
        sha256: of the file's bytes.
        name: what to call it.
        picture: returns what it holds; asked only if the bytes are others.

    Returns:
        What to ask of the file's picture, and a sentence if it is not the file of before.

    Raises:
        OtherPhotoError: if it is another picture.
    """
    found: list[Photo] = []

    def pixels() -> str:
        found.append(picture())
        return found[0].digest()

    try:
        same = session.check(sha256, name, pixels)
    except OtherPhotoError:
        before = session.copy
        if before is None:
            raise
        photo = found[0] if found else picture()
        if not _alike(before, photo):
            raise
        now = (photo.width, photo.height)
        said = f"`{name}` is another copy of the picture that the session was saved with"
        if now == (before.width, before.height):
            return steering, said
        size, other = f"{before.width} × {before.height}", f"{now[0]} × {now[1]}"
        said += f": places in it were brought from {size} to {other} pixels"
        return _scaled(steering, (before.width, before.height), now), said
    said = f"`{name}` was changed since the session was saved, but its picture is the same"
    return steering, None if same else said


def _alike(before: SessionCopy, photo: Photo) -> bool:
    """Whether a photo has the shape of another, to a pixel of the smaller, and shows the same."""
    sizes = sorted([(before.width, before.height), (photo.width, photo.height)])
    (width, height), (across, down) = sizes
    if min(abs(width - across * height / down), abs(height - down * width / across)) > 1:
        return False
    levels = np.frombuffer(bytes.fromhex(before.looks), np.uint8).astype(np.int16)
    apart = np.abs(levels - _looks(photo).reshape(-1))
    return bool(apart.mean() <= _MEAN and apart.max() <= _MOST)


def _looks(photo: Photo) -> npt.NDArray[np.uint8]:
    """Return (16, 16) mean lightnesses in 0..255."""
    many = max(1, _ROWS // photo.width)
    rows = [
        _means(dataclasses.replace(photo, pixels=photo.pixels[top : top + many], alpha=None))
        for top in range(0, photo.height, many)
    ]
    means = _shares(np.concatenate(rows).T).T
    return np.clip(np.rint(means * 2.55), 0, 255).astype(np.uint8)


def _means(photo: Photo) -> npt.NDArray[np.float64]:
    """Return (H, 16) mean lightnesses of a photo's rows."""
    return _shares(photo.lightness())


def _shares(lines: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return (N, 16) means of equal parts of lines (N, M), pixels cut where parts end in them."""
    count = lines.shape[1]
    sums = np.zeros((len(lines), count + 1))
    np.cumsum(lines, axis=1, out=sums[:, 1:])
    ends = np.arange(_SIDE + 1) * (count / _SIDE)
    whole = np.minimum(ends.astype(int), count - 1)
    until = sums[:, whole] + (ends - whole) * (sums[:, whole + 1] - sums[:, whole])
    return np.diff(until, axis=1) * (_SIDE / count)


def _scaled(steering: Steering, before: tuple[int, int], now: tuple[int, int]) -> Steering:
    """Return steering with the places of one size, width and height, brought to another."""
    (old_width, old_height), (width, height) = (placed_size(steering, one) for one in (before, now))
    across, down = width / old_width, height / old_height

    def hint(one: Hint) -> Hint:
        radius = None if one.radius is None else one.radius * math.sqrt(across * down)
        x, y = (one.x + 0.5) * across - 0.5, (one.y + 0.5) * down - 0.5
        x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
        return dataclasses.replace(one, x=x, y=y, radius=radius)

    crop = steering.crop
    if crop is not None:
        left, top = round(crop.x * across), round(crop.y * down)
        left, top = min(left, width - 1), min(top, height - 1)
        right, bottom = round((crop.x + crop.width) * across), round((crop.y + crop.height) * down)
        crop = Crop(
            left,
            top,
            max(1, min(right, width) - left),
            max(1, min(bottom, height) - top),
        )
    hints = tuple(hint(one) for one in steering.hints)
    return dataclasses.replace(steering, hints=hints, crop=crop)
