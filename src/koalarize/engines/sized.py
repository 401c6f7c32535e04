"""Ask a network about a grid of any size: brought to the network's own, and back.

Not here: photos (``colorizer.grid``). Blends and teachers ask so: each network has its own size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.engines.engine import Engine
from koalarize.engines.overview import smaller_hints

__all__ = ["ask_at_own_size"]

Float32 = npt.NDArray[np.float32]


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
    scale = info.size / side
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    padded = info.padded(*small)
    border = ((0, 0), (0, padded[0] - small[0]), (0, padded[1] - small[1]))

    def shown(planes: Float32) -> Float32:
        return np.pad(color.resize(planes, *small), border, mode="reflect")

    given = None if hints is None else np.stack([smaller_hints(shown(planes)) for planes in hints])
    ab = engine.run(shown(lightness), given).ab
    found: list[Float32] = []
    for answer in ab:
        whole = answer if answer.shape[1:] == padded else color.resize(answer, *padded)
        found.append(color.resize(whole[:, : small[0], : small[1]], height, width))
    return np.stack(found) * np.float32(info.chroma_gain)
