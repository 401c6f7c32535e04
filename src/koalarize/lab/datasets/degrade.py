"""Make the lightness of a training crop look like that of an old photo.

Not here: colours, which stay those of the original: the network learns what it would have seen.
Each fault is drawn for itself, so that most degraded crops show one or two of them. Whether a
degraded crop stands for itself or beside its undegraded self is up to ``batches``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from koalarize.errors import OptionError

__all__ = ["DegradeOptions", "degrade"]

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DegradeOptions:
    """How often which fault of old photos is drawn; each is a share in [0, 1].

    Attributes:
        share: of the crops that are degraded at all; the others are chances among those.
        paired: whether the degraded crops are second looks at other crops of their batch, to learn
            from what the network says of those (Zheng et al. 2016, "stability training") instead of
            from the true colours. Exactly ``share`` of a batch, rounded, at most half of it.
        shrink: lost detail: brought down to a third or more of its size and up again.
        fade: range and middle of the tones change (blacks to L* 25, whites down to 70).
        blur: Gaussian, up to 1.2 pixels.
        grain: Gaussian noise, up to 5 L*, fine or coarse.
        compress: JPEG, quality 20 to 70.
        scratch: up to four thin, nearly upright lines, light or dark.
        resize: of the steps whose copies the network sees at another size, from 3/4 to 11/8 of the
            crops', all copies of a step alike; only where they are ``paired``.
    """

    share: float = 0.25
    paired: bool = False
    shrink: float = 0.0
    fade: float = 0.6
    blur: float = 0.3
    grain: float = 0.4
    compress: float = 0.2
    scratch: float = 0.15
    resize: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise OptionError(f"`degrade.{name}` is {value} but must be a share in [0, 1]")
        if self.resize and not self.paired:
            raise OptionError(
                f"`degrade.resize` is {self.resize} but only copies beside their undegraded selves "
                "are seen at another size: set `degrade.paired`, or leave it out"
            )

    def copies(self, rows: int) -> int:
        """Return how many of the rows of a batch are degraded copies of the rows before them."""
        return min(round(self.share * rows), rows // 2) if self.paired else 0


def degrade(lightness: Float32, options: DegradeOptions, rng: np.random.Generator) -> None:
    """Put faults on L* (H, W) in [0, 100], in place; ``options.share`` is the caller's to draw."""
    if options.shrink and rng.random() < options.shrink:
        factor = rng.uniform(0.33, 0.8)
        _through_image(lightness, lambda image: _shrunk(image, factor))
    drawn = rng.random(5)
    if drawn[0] < options.fade:
        _fade(lightness, rng)
    if drawn[1] < options.blur:
        radius = rng.uniform(0.3, 1.2)
        _through_image(lightness, lambda image: image.filter(ImageFilter.GaussianBlur(radius)))
    if drawn[2] < options.scratch:
        _through_image(lightness, lambda image: _scratched(image, rng))
    if drawn[3] < options.grain:
        np.add(lightness, _grain(lightness.shape, rng), out=lightness)
    if drawn[4] < options.compress:
        quality = int(rng.integers(20, 71))
        _through_image(lightness, lambda image: _compressed(image, quality))
    np.clip(lightness, 0, 100, out=lightness)


def _fade(lightness: Float32, rng: np.random.Generator) -> None:
    low, high = rng.uniform(0, 25), rng.uniform(70, 100)
    gamma = math.exp(rng.uniform(-0.35, 0.35))
    lightness[...] = low + (high - low) * (np.clip(lightness, 0, 100) / 100) ** np.float32(gamma)


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> Float32:
    strength = np.float32(rng.uniform(1, 5))
    noise = rng.standard_normal(shape, np.float32)
    if rng.random() < 0.5:  # coarse: the mean of four neighbours, at the same strength
        noise = (noise + np.roll(noise, 1, 0)) * np.float32(math.sqrt(0.5))
        noise = (noise + np.roll(noise, 1, 1)) * np.float32(math.sqrt(0.5))
    return (noise * strength).astype(np.float32, copy=False)


def _shrunk(image: Image.Image, factor: float) -> Image.Image:
    small = image.resize(
        (max(1, round(image.width * factor)), max(1, round(image.height * factor))),
        Image.Resampling.LANCZOS,
    )
    return small.resize(image.size, Image.Resampling.BICUBIC)


def _scratched(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    draw = ImageDraw.Draw(image)
    width, height = image.size
    for _ in range(int(rng.integers(1, 5))):
        left = rng.uniform(0, width)
        top, length = rng.uniform(-0.5, 0.8) * height, rng.uniform(0.2, 1.5) * height
        lean = rng.uniform(-0.05, 0.05) * length
        shade = int(rng.choice((rng.integers(200, 256), rng.integers(0, 60))))
        draw.line((left, top, left + lean, top + length), fill=shade, width=1)
    return image


def _compressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def _through_image(
    lightness: Float32,
    change: Callable[[Image.Image], Image.Image],
) -> None:
    image = Image.fromarray(np.clip(lightness * 2.55 + 0.5, 0, 255).astype(np.uint8))
    lightness[...] = np.asarray(change(image), np.float32) / 2.55
