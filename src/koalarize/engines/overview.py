"""A second look at a picture, at a smaller size: what is seen as a whole steadies the colours.

Not here: how large and how heavy it is (``engine``), running networks (``onnx``), resizing
(``sized``).
A network sees other things at other sizes, and what noise or another size of the file changes at
one it hardly changes at the other: their mean is steadier than the first alone (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.engines.engine import ModelInfo, Overview
from koalarize.engines.sized import resized, shown_at

__all__ = ["logits_of", "overview_of"]

Float32 = npt.NDArray[np.float32]


def logits_of(
    ask: Callable[[Float32, Float32 | None], Float32],
    lightness: Float32,
    hints: Float32 | None,
    info: ModelInfo,
) -> Float32:
    """Return the logits of pictures of one size, those of the overview joined to them.

    Args:
        ask: runs the network: (B, H, W) L* and (B, 3, H, W) hints, or None, to (B, Q, h, w).
        lightness: (B, H, W), as ``Engine.run`` takes it.
        hints: (B, 3, H, W) or None, the same.
        info: what the network is.

    Returns:
        (B, Q, h, w), on the network's grid of the whole size: the weighted mean of both looks'
        logits, which is that of the distributions' logarithms.
    """
    logits = ask(lightness, hints)
    small = overview_of(lightness, hints, info)
    if small is None:
        return logits
    assert info.overview is not None
    seen, weight = ask(*small), np.float32(info.overview.weight)
    # What the border of the padding covers is no part of the picture.
    shape = _shape(lightness, info.overview)
    for axis, side, padded in zip((2, 3), shape, small[0].shape[1:], strict=True):
        count, new = seen.shape[axis], logits.shape[axis]
        places = (np.arange(new) + 0.5) * (side * count / padded / new) - 0.5
        seen = color.along(seen, places, axis)
    seen *= weight
    seen += logits
    seen /= 1 + weight
    return seen


def overview_of(
    lightness: Float32, hints: Float32 | None, info: ModelInfo
) -> tuple[Float32, Float32 | None] | None:
    """Return what the network sees at its second look, L* and hints; None where it takes none.

    Args:
        lightness: (B, H, W), as ``Engine.run`` takes it; what is no larger gets no overview.
        hints: (B, 3, H, W) or None, the same.
        info: what the network is.
    """
    if info.overview is None or min(lightness.shape[1:]) <= info.overview.size:
        return None
    return shown_at(lightness, hints, _shape(lightness, info.overview), info)


def _shape(lightness: Float32, overview: Overview) -> tuple[int, int]:
    """Return the height and width of the overview of pictures (B, H, W), unpadded."""
    return resized(lightness, min(lightness.shape[1:]), overview.size)
