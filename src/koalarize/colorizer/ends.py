"""Where a photo's lightness begins and ends, told from the plain border of its scan.

Not here: what is stretched between them (``colorizer.prepare``, ``colorizer.answers``). A faded
print on the white paper of its border, or on a scanner's black ground, reaches from black to white
as a whole; the photo in it does not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from koalarize import color

__all__ = ["Stretch", "stretch_of"]

Float32 = npt.NDArray[np.float32]
#: What L* is lessened by and then multiplied with, to reach from 0 to 100.
Stretch = tuple[float, float]

# 2026-12-01, 4,500 training photos, the shipped weights: 55 of them are stretched otherwise by more
# than 2 %; their ab is off by 12.75 Lab units (root mean square), by 12.87 with the border counted.
# A script that was not kept.
_MOST_STRETCH = 4.0  # what is nearly blank is not stretched into noise
_ALIKE = 3.0  # L*: a line of a border is of one tone, to so much,
_PLAIN = 0.95  # on such a share of it
_MOST_BORDER = 0.25  # of each side may be border
_LAYERS = 2  # such as a scanner's ground, and the paper of a print on it
_EDGE = 0.015  # of a side: a print does not lie quite straight
_BEYOND = (5.0, 15.0)  # L* from which, and up to which, a border's tone counts less and less


def stretch_of(lightness: Float32, ends: tuple[float, float]) -> Stretch:
    """Return what makes a photo's lightness reach from black to white.

    Args:
        lightness: (h, w), or (N,) of a photo whose borders do not count, L*.
        ends: percentiles that become black and white.
    """
    low, high = (float(end) for end in np.percentile(lightness, ends))
    if lightness.ndim == 2 and (photo := _without_border(lightness)) is not None:
        black, white = np.percentile(photo, ends)
        beyond = np.array([black - low, high - white], np.float32)
        beyond *= color.smoothstep(beyond, *_BEYOND)  # smoothly, for films
        low, high = low + float(beyond[0]), high - float(beyond[1])
    scale = min(100 / max(high - low, 1e-3), _MOST_STRETCH)
    return (low + high) / 2 - 50 / scale, scale


def _without_border(lightness: Float32) -> Float32 | None:
    """Return the part of a scan (h, w) inside its plain border; None if it has none."""
    inside, sides = lightness, set[int]()
    for turn in range(4 * _LAYERS):  # the top, and each other side once it is the top
        rows = _border_of(inside)
        sides |= {turn % 4} if rows else set()
        inside = np.rot90(inside[rows:])
    return inside if len(sides) > 1 else None  # one is as often the ground or the sky


def _border_of(lightness: Float32) -> int:
    """Return how many rows at the top are of the first one's tone, or where that ends."""
    rows = lightness[: int(_MOST_BORDER * len(lightness))]
    if not rows.size:
        return 0
    tone = np.median(rows[0])
    plain = (np.abs(rows - tone) <= _ALIKE).mean(axis=1) >= _PLAIN
    count = len(plain) if plain.all() else int(plain.argmin())
    count = min(count + round(_EDGE * len(lightness)), len(lightness) - 1)
    return count if abs(float(np.median(lightness[count]) - tone)) >= _BEYOND[0] else 0
