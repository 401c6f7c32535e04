"""Show a network a grid at another size, and ask it about a grid of any size.

Not here: photos (``colorizer.grid``), which size (``engine``). Blends and teachers ask so: each
network has its own size; and so does a second look (``overview``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.engines.engine import Engine, ModelInfo

__all__ = ["LEAST_MASK", "ask_at_own_size", "resized", "shown_at"]

Float32 = npt.NDArray[np.float32]

LEAST_MASK = 0.1  # share of a hint in a place of a smaller grid that still counts as one


def resized(lightness: Float32, side: int, size: int) -> tuple[int, int]:
    """Return the height and width of a grid (B, h, w) where its side is brought to a size."""
    height, width = lightness.shape[1:]
    scale = size / side
    return max(1, round(height * scale)), max(1, round(width * scale))


def shown_at(
    lightness: Float32, hints: Float32 | None, shape: tuple[int, int], info: ModelInfo
) -> tuple[Float32, Float32 | None]:
    """Return what a network sees of a grid at another size, padded by reflection.

    Args:
        lightness: (B, h, w), L*, of any size.
        hints: (B, 3, h, w), planes a*, b* and mask, or None.
        shape: height and width that they are brought to before the border, lower right, is added.
        info: the network.

    Returns:
        (B, H, W) and (B, 3, H, W), or None where there are no hints.
    """
    rows, columns = info.padded(*shape)
    border = ((0, 0), (0, rows - shape[0]), (0, columns - shape[1]))

    def shown(planes: Float32) -> Float32:
        return np.pad(color.resize(planes, *shape), border, mode="reflect")

    given = None if hints is None else np.stack([_hints(shown(planes)) for planes in hints])
    return shown(lightness), given


def ask_at_own_size(engine: Engine, lightness: Float32, hints: Float32 | None = None) -> Float32:
    """Return the chroma that a network would be shown with alone.

    Args:
        engine: runs it.
        lightness: (B, h, w), L*, of any size.
        hints: (B, 3, h, w), planes a*, b* and mask, or None.

    Returns:
        (B, 2, h, w) in Lab units, its ``chroma_gain`` included.
    """
    info = engine.info
    height, width = lightness.shape[1:]
    side = max(height, width) if info.fixed_size is not None else min(height, width)
    small = resized(lightness, side, info.size)
    planes, given = shown_at(lightness, hints, small, info)
    padded = planes.shape[1:]
    ab = engine.run(planes, given).ab
    found: list[Float32] = []
    for answer in ab:
        whole = answer if answer.shape[1:] == padded else color.resize(answer, *padded)
        found.append(color.resize(whole[:, : small[0], : small[1]], height, width))
    return np.stack(found) * np.float32(info.chroma_gain)


def _hints(planes: Float32) -> Float32:
    """Return hint planes (3, h, w) that were resized: whole where a hint is, else none."""
    a, b, mask = planes
    there = mask > LEAST_MASK
    share = np.where(there, mask, 1)
    return np.stack([a * there / share, b * there / share, there]).astype(np.float32)
