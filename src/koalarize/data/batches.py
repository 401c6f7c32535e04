"""Training batches: random resized crops, flips and colour hints, each batch a pure function.

Not here: reading pictures (``sources``), validation (``training.module``).
Batch number n of a run depends on the seed and n alone, whatever the number of workers, so a run
that was stopped goes on with exactly the batches it would have had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from koalarize import color
from koalarize.data.sources import Pictures
from koalarize.errors import OptionError

__all__ = ["Batches", "CropOptions", "HintOptions", "SegmentSampler", "draw_hints", "random_crop"]

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class CropOptions:
    """How a picture becomes a training crop.

    Attributes:
        sizes: sides of the square crops; every batch takes the next one.
        area: smallest and largest share of the picture's area.
        ratio: smallest and largest aspect ratio of the region.
        flip: mirror half of the crops.
    """

    sizes: tuple[int, ...] = (128,)
    area: tuple[float, float] = (0.4, 1.0)
    ratio: tuple[float, float] = (0.75, 1.333)
    flip: bool = True

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 1:
            raise OptionError(f"`crop.sizes` is {self.sizes} but must hold sides of at least 1")
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise OptionError(f"`crop.area` is {self.area} but must be two shares in (0, 1]")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise OptionError(f"`crop.ratio` is {self.ratio} but must be two ratios above 0")


@dataclass(frozen=True)
class HintOptions:
    """How many colour hints a training crop carries.

    Attributes:
        none: share of crops without any hint.
        most: the largest number of hints; small numbers are drawn more often.
        patch: smallest and largest side of a hint, pixels.
    """

    none: float = 0.6
    most: int = 40
    patch: tuple[int, int] = (1, 9)

    def __post_init__(self) -> None:
        if not 0 <= self.none <= 1:
            raise OptionError(f"`hints.none` is {self.none} but must be a share in [0, 1]")
        if self.most < 1:
            raise OptionError(f"`hints.most` is {self.most} but must be at least 1")
        if not 1 <= self.patch[0] <= self.patch[1]:
            raise OptionError(f"`hints.patch` is {self.patch} but must be two sides, from 1 up")


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Batch number -> lab (B, 3, S, S) in Lab units and hint planes (B, 3, S, S)."""

    def __init__(
        self,
        pictures: Pictures,
        *,
        batch: int,
        crop: CropOptions,
        hints: HintOptions | None,
        seed: int,
    ) -> None:
        self.pictures = pictures
        self.batch = batch
        self.crop = crop
        self.hints = hints
        self.seed = seed

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Return batch ``number`` of an endless run over the pictures, reshuffled every epoch."""
        size = self.crop.sizes[number % len(self.crop.sizes)]
        lab = np.empty((self.batch, 3, size, size), np.float32)
        hints = np.zeros((self.batch, 3, size, size), np.float32)
        for row in range(self.batch):
            sample = number * self.batch + row
            epoch, place = divmod(sample, len(self.pictures))
            rng = np.random.default_rng((self.seed, sample))
            picture = self.pictures.arrays[_order(self.seed, epoch, len(self.pictures))[place]]
            pixels = random_crop(picture, size, self.crop, rng)
            lab[row] = color.srgb_to_lab(pixels).transpose(2, 0, 1)
            if self.hints is not None:
                draw_hints(lab[row, 1:], hints[row], self.hints, rng)
        return torch.from_numpy(lab), torch.from_numpy(hints)


class SegmentSampler(Sampler[int]):
    """The numbers of the batches from where a run stands to the end of the segment it is in.

    Args:
        segment: batches between two checkpoints.
        total: batches of the whole run.
        position: returns how many batches the run has learnt from; asked at every pass. A trainer's
            own count of epochs is not asked: after a resume it may be one ahead.
    """

    def __init__(self, segment: int, total: int, position: Callable[[], int]) -> None:
        self.segment = segment
        self.total = total
        self.position = position

    def __iter__(self) -> Iterator[int]:
        start = self.position()
        end = (start // self.segment + 1) * self.segment
        return iter(range(start, min(end, self.total)))

    def __len__(self) -> int:
        return min(self.segment, self.total)


def random_crop(picture: UInt8, size: int, options: CropOptions, rng: np.random.Generator) -> UInt8:
    """Cut a random region out of (H, W, 3), bring it to (size, size, 3), maybe mirrored."""
    height, width = picture.shape[:2]
    low, high = (math.log(ratio) for ratio in options.ratio)
    box_width, box_height = float(min(height, width)), float(min(height, width))
    for _ in range(10):
        area = height * width * rng.uniform(*options.area)
        ratio = math.exp(rng.uniform(low, high))
        w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if w <= width and h <= height:
            box_width, box_height = w, h
            break
    left = rng.uniform(0, width - box_width)
    top = rng.uniform(0, height - box_height)
    image = Image.fromarray(picture).resize(
        (size, size),
        Image.Resampling.BICUBIC,
        box=(left, top, left + box_width, top + box_height),
    )
    if options.flip and rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(image)


def draw_hints(
    ab: npt.NDArray[np.float32],
    planes: npt.NDArray[np.float32],
    options: HintOptions,
    rng: np.random.Generator,
) -> None:
    """Write random hints into ``planes`` (3, H, W): the true ab of small patches and a mask."""
    if rng.random() < options.none:
        return
    height, width = ab.shape[1:]
    count = min(options.most, int(rng.geometric(0.125)))
    for _ in range(count):
        side = int(rng.integers(options.patch[0], options.patch[1] + 1))
        top = int(rng.integers(0, height - side + 1))
        left = int(rng.integers(0, width - side + 1))
        patch = (slice(top, top + side), slice(left, left + side))
        planes[(slice(2), *patch)] = ab[(slice(None), *patch)].mean(axis=(1, 2), keepdims=True)
        planes[(2, *patch)] = 1


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng((seed, epoch, count)).permutation(count)
