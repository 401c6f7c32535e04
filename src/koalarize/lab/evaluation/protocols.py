"""The protocols of an evaluation: how pictures come to their size, and what is asked of a network.

Not here: the scores (``lab.metrics``), the comparison (``evaluate``).
``colorizer`` is what a person gets; the others ask the network alone: its own ab at the size of the
picture, in floating point, without the guided filter and its cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.color import Float32
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.grid import Grid
from koalarize.engines.engine import Engine
from koalarize.errors import OptionError, did_you_mean
from koalarize.lab.datasets.sources import Fit
from koalarize.lab.datasets.squash import squash_area, squash_bilinear
from koalarize.lab.metrics.metrics import Measured

__all__ = ["PROTOCOLS", "Procedure", "network_alone", "procedure", "resize_rule"]

Picture = npt.NDArray[np.uint8]

_SHORT_SIDE = 256


@dataclass(frozen=True)
class Procedure:
    """How an evaluation goes about it.

    Attributes:
        name: of ``PROTOCOLS``.
        coloring: what is scored, for the report.
        alone: whether the network is asked for its own ab; else the Colorizer colours.
        side: of the squares that pictures are squashed to, pixels; None keeps their shape.
        squash: what squashes them.
        short_side: what a longer short side is brought down to, pixels, where shapes are kept.
    """

    name: str
    coloring: str = "the network's own ab at the size of the picture, floating point"
    alone: bool = True
    side: int | None = None
    squash: Callable[[Image.Image, int], Image.Image] = squash_bilinear
    short_side: int = _SHORT_SIDE

    @property
    def fit(self) -> Fit | None:
        """What brings a picture to its size, where it is squashed."""
        return None if self.side is None else partial(_squashed, self.squash, self.side)

    @property
    def resize(self) -> str:
        """The rule by which pictures come to their size, in words."""
        if self.side is None:
            return resize_rule(self.short_side)
        by_area = self.squash is squash_area
        way = "means of areas" if by_area else f"Pillow {version('pillow')} bilinear"
        return f"squashed to {self.side} x {self.side} px, {way}"

    def color(self, engine: Engine) -> Callable[[Picture], Measured]:
        """Return what colours pictures with an engine."""
        if self.alone:
            return partial(network_alone, engine)
        colorizer = Colorizer(engine)
        return lambda pixels: Measured(colorizer(pixels))


#: Name -> procedure. Article A squashes to 224 bilinearly, article B to 128 by area.
PROTOCOLS: dict[str, Procedure] = {
    each.name: each
    for each in (
        Procedure("colorizer", "8-bit pictures of the Colorizer", alone=False),
        Procedure("direct"),
        Procedure("article-a", side=224),
        Procedure("article-b", side=128, squash=squash_area),
    )
}


def procedure(name: str, short_side: int | None) -> Procedure:
    """Return the procedure of a name.

    Args:
        name: of ``PROTOCOLS``.
        short_side: what a longer short side is brought down to, pixels; 256 by default.

    Raises:
        OptionError: if there is none, or it squashes pictures and has no use for ``short_side``.
    """
    found = PROTOCOLS.get(name)
    if found is None:
        raise OptionError(
            f"`protocol` is {name!r} but must be one of {tuple(PROTOCOLS)}"
            f"{did_you_mean(name, PROTOCOLS)}"
        )
    if short_side is None:
        return found
    if found.side is not None:
        raise OptionError(
            f"`short_side` is {short_side} but the protocol `{name}` squashes pictures to "
            f"{found.side} x {found.side}: leave it out, or use the protocol `direct`"
        )
    return Procedure(found.name, found.coloring, found.alone, short_side=short_side)


def resize_rule(short_side: int) -> str:
    """Say how pictures come to their size where they keep their shape."""
    return f"short side at most {short_side} px, Pillow {version('pillow')} Lanczos, never enlarged"


def network_alone(engine: Engine, pixels: Picture) -> Measured:
    """Colour a picture with a network's own ab at the picture's size, and nothing else.

    The picture is padded by reflection to the network's stride. An answer on a coarser grid comes
    to the picture's size bilinearly. Colours that sRGB has not are clipped per channel.

    Args:
        engine: runs the network.
        pixels: (H, W, 3) the original.

    Raises:
        OptionError: if the network is bound to another size.
    """
    height, width = pixels.shape[:2]
    info = engine.info
    if info.fixed_size is not None and (height, width) != (info.fixed_size, info.fixed_size):
        raise OptionError(
            f"the picture is {width} x {height} but the model `{info.name}` only works at "
            f"{info.fixed_size} x {info.fixed_size}: use the protocol `colorizer`, or `article-b` "
            "if that is 128"
        )
    lightness = color.srgb_to_lab(pixels)[..., :1]  # (H, W, 1)
    grid = Grid((height, width), (height, width), info.padded(height, width))
    ab = engine.run(grid.pad(lightness[None, ..., 0]), None).of(0).ab  # (2, h, w)
    if ab.shape[1:] != grid.padded:
        ab = color.resize(ab, *grid.padded)
    ab = np.moveaxis(ab[:, :height, :width] * np.float32(info.chroma_gain), 0, -1)
    lab: Float32 = np.concatenate([lightness, ab], axis=-1)
    return Measured(color.lab_to_srgb(lab, dtype=np.uint8), lab)


def _squashed(
    squash: Callable[[Image.Image, int], Image.Image], side: int, image: Image.Image
) -> Image.Image:
    return squash(image, side)
