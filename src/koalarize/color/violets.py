"""Dark violets, which networks paint far more often than there are any, made paler.

Not here: where it is done (``engines.engine``).
A network that is in doubt between a blue coat and a brown one answers with their mean: a violet
that neither is. The clothes of old photos come out violet so.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from koalarize.color.planes import resize, smoothstep

__all__ = ["PALED", "asked_hues", "paled"]

Float32 = npt.NDArray[np.float32]

#: Share of its chroma that the darkest violet loses (docs/log.md, 2026-12-02).
PALED = 0.7

_VIOLET, _WIDTH = 318.0, 55.0  # degrees: where navy and dark red meet, and how far it is from there
_DARK, _BRIGHT = 45.0, 75.0  # L* up to which it is told wholly, and from which not at all
_GREY = 3.0  # Lab units of chroma: what is duller has no hue to speak of
_SAME, _OTHER = 20.0, 45.0  # degrees up to which hues are the same, and from which they are not


def paled(
    ab: Float32, lightness: Float32, hints: Float32 | None = None, *, share: float = PALED
) -> Float32:
    """Return ab with paler dark violets, but for hues that a hint asks for.

    Args:
        ab: (B, 2, h, w), Lab units, answers of a network.
        lightness: (B, H, W), L* of the same pictures on a grid as fine or finer.
        hints: (B, 3, H, W), planes a*, b* and mask that it was given, or None.
        share: of its chroma that the darkest violet loses, 0 to 1.

    Returns:
        (B, 2, h, w) float32.
    """
    if lightness.shape[1:] != ab.shape[2:]:
        lightness = resize(lightness, *ab.shape[2:])
    away = _apart(np.arctan2(ab[:, 1], ab[:, 0]), np.radians(_VIOLET))
    near = np.cos(np.minimum(away / np.float32(_WIDTH), 1) * np.float32(np.pi / 2)) ** 2
    loss = near * (1 - smoothstep(lightness, _DARK, _BRIGHT)) * np.float32(share)
    if hints is not None:
        loss *= 1 - np.stack([asked_hues(*pair) for pair in zip(ab, hints, strict=True)])
    return (ab * (1 - loss)[:, None]).astype(np.float32)


def asked_hues(ab: Float32, hints: Float32) -> Float32:
    """Return how much each colour has the hue of a hint, and so was asked for: 0 to 1.

    Args:
        ab: (2, h, w), Lab units.
        hints: (3, H, W), planes a*, b* and mask.
    """
    given = np.unique(hints[:2, hints[2] > 0].T, axis=0)
    given = given[np.hypot(*given.T) > _GREY]
    hue, share = np.arctan2(ab[1], ab[0]), np.zeros(ab.shape[1:], np.float32)
    steps = np.unique(np.degrees(np.arctan2(given[:, 1], given[:, 0])).round())
    for step in np.radians(steps):
        np.maximum(share, 1 - smoothstep(_apart(hue, step), _SAME, _OTHER), out=share)
    return share


def _apart(hue: Float32, other: float) -> Float32:
    """Return how many degrees hues, in radians, are from another."""
    away = np.abs((hue - other + np.pi) % (2 * np.pi) - np.pi)
    return np.degrees(away).astype(np.float32)
