"""Training batches: random resized crops, flips and colour hints, each batch a pure function.

Not here: reading pictures (``sources``), validation (``lab.training.module``).
Batch number n of a run depends on the seed and n alone, whatever the number of workers, so a run
that was stopped and resumed has exactly the batches of one never stopped.
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
from koalarize.errors import OptionError, did_you_mean
from koalarize.lab.datasets.degrade import DegradeOptions, degrade
from koalarize.lab.datasets.sources import Pictures
from koalarize.lab.datasets.squash import squash_area, squash_bilinear

__all__ = ["Batches", "CropOptions", "HintOptions", "SegmentSampler", "draw_hints", "random_crop"]

UInt8 = npt.NDArray[np.uint8]

#: The modes that bring a picture to ``resize`` before they cut.
_RESIZING = ("resize-crop", "squash-crop")
_PLACES = 8  # looked at for a single hint


@dataclass(frozen=True)
class CropOptions:
    """How a picture becomes a training crop.

    Attributes:
        mode: ``random-resized`` cuts a region of random area and shape; ``resize-crop`` brings the
            shorter side to ``resize`` and cuts a square of ``sizes``; ``squash-crop`` squashes the
            picture to a square of ``resize`` and cuts the same (the first article);
            ``squash-area`` brings the whole picture to a square, each pixel the mean of the area it
            covers (the second article).
        sizes: sides of the square crops; every batch takes the next one.
        resize: shorter side before the crop, for ``resize-crop`` and ``squash-crop``.
        area: smallest and largest share of the picture's area, for ``random-resized``.
        ratio: smallest and largest aspect ratio of the region, for ``random-resized``.
        flip: mirror half of the crops.
    """

    mode: str = "random-resized"
    sizes: tuple[int, ...] = (128,)
    resize: int | None = None
    area: tuple[float, float] = (0.4, 1.0)
    ratio: tuple[float, float] = (0.75, 1.333)
    flip: bool = True

    def __post_init__(self) -> None:
        if self.mode not in _CROPS:
            raise OptionError(
                f"`crop.mode` is {self.mode!r} but must be one of {tuple(_CROPS)}"
                f"{did_you_mean(self.mode, _CROPS)}"
            )
        if not self.sizes or min(self.sizes) < 1:
            raise OptionError(f"`crop.sizes` is {self.sizes} but must hold sides of at least 1")
        if self.mode in _RESIZING and (self.resize or 0) < max(self.sizes):
            raise OptionError(
                f"`crop.resize` is {self.resize} but must be at least the largest of `crop.sizes`, "
                f"{max(self.sizes)}"
            )
        if self.mode not in _RESIZING and self.resize is not None:
            raise OptionError(
                f"`crop.resize` is {self.resize} but `crop.mode` is {self.mode!r}: leave it out, "
                f"or use one of the modes {_RESIZING}"
            )
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise OptionError(f"`crop.area` is {self.area} but must be two shares in (0, 1]")
        if not 0 < self.ratio[0] <= self.ratio[1] < math.inf:
            raise OptionError(
                f"`crop.ratio` is {self.ratio} but must be two finite ratios above 0, the smaller "
                "one first"
            )


@dataclass(frozen=True)
class HintOptions:
    """How many colour hints a training crop carries.

    Attributes:
        none: share of crops without any hint.
        most: the largest number of hints; small numbers are drawn more often.
        patch: smallest and largest side of a hint, pixels.
        single: share of the crops with hints that carry exactly one, at a saturated place, as
            people set them.
    """

    none: float = 0.6
    most: int = 40
    patch: tuple[int, int] = (1, 9)
    single: float = 0.0

    def __post_init__(self) -> None:
        for name in ("none", "single"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(
                    f"`hints.{name}` is {getattr(self, name)} but must be a share in [0, 1]"
                )
        if self.most < 1:
            raise OptionError(f"`hints.most` is {self.most} but must be at least 1")
        if not 1 <= self.patch[0] <= self.patch[1]:
            raise OptionError(f"`hints.patch` is {self.patch} but must be two sides, from 1 up")


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Batch number -> lab (B, 3, S, S) in Lab units and hint planes (B, 3, S, S).

    Args:
        pictures: to cut from; each is seen once before any is seen again.
        batch: rows of a batch, over all processes.
        crop: how a picture becomes a crop.
        hints: how many colour hints a crop carries; None for none.
        seed: of every choice.
        degrading: faults of old photos to put on L; None for none.
        rank: which share of the rows this process makes.
        world: how many shares there are, a divisor of ``batch``; B is ``batch / world``.

    With paired degrading the last ``degrading.copies(B)`` rows are the rows just before them, hints
    and all, with faults on L; the others have none.
    """

    def __init__(
        self,
        pictures: Pictures,
        *,
        batch: int,
        crop: CropOptions,
        hints: HintOptions | None,
        seed: int,
        degrading: DegradeOptions | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        assert batch % world == 0
        self.pictures = pictures
        self.rows = batch // world
        self.copies = 0 if degrading is None else degrading.copies(self.rows)
        self.fresh = self.rows - self.copies  # rows with a picture of their own
        self.rank = rank
        self.world = world
        self.crop = crop
        self.hints = hints
        self.degrading = degrading
        self.seed = seed

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Return batch ``number`` of an endless run over the pictures, reshuffled every epoch."""
        size = self.crop.sizes[number % len(self.crop.sizes)]
        lab = np.empty((self.rows, 3, size, size), np.float32)
        hints = np.zeros((self.rows, 3, size, size), np.float32)
        for row in range(self.fresh):
            sample = (number * self.world + self.rank) * self.fresh + row
            epoch, turn = divmod(sample, len(self.pictures))
            rng = np.random.default_rng((self.seed, sample))
            picture = self.pictures.arrays[_order(self.seed, epoch, len(self.pictures))[turn]]
            pixels = random_crop(picture, size, self.crop, rng)
            lab[row] = color.srgb_to_lab(pixels).transpose(2, 0, 1)
            if self.hints is not None:
                draw_hints(lab[row, 1:], hints[row], self.hints, rng)
            if self.degrading is None:
                continue
            if self.copies and row >= self.fresh - self.copies:
                lab[row + self.copies], hints[row + self.copies] = lab[row], hints[row]
                degrade(lab[row + self.copies, 0], self.degrading, rng)
            elif not self.copies and rng.random() < self.degrading.share:
                degrade(lab[row, 0], self.degrading, rng)
        return torch.from_numpy(lab), torch.from_numpy(hints)


class SegmentSampler(Sampler[int]):
    """The numbers of the batches from where a run stands to the end of the segment it is in.

    Args:
        segment: steps between two checkpoints.
        total: steps of the whole run.
        position: returns how many steps the run has taken; asked at every pass.
        accumulate: batches a step learns from.

    It has no length, since the last segment may be shorter: a trainer comes to its end to find it.
    """

    def __init__(
        self, segment: int, total: int, position: Callable[[], int], *, accumulate: int = 1
    ) -> None:
        self.segment = segment
        self.total = total
        self.position = position
        self.accumulate = accumulate

    def __iter__(self) -> Iterator[int]:
        start = self.position()
        end = min((start // self.segment + 1) * self.segment, self.total)
        return iter(range(start * self.accumulate, end * self.accumulate))


def random_crop(picture: UInt8, size: int, options: CropOptions, rng: np.random.Generator) -> UInt8:
    """Make a square (size, size, 3) of a picture (H, W, 3) as the options say, maybe mirrored."""
    image = _CROPS[options.mode](Image.fromarray(picture), size, options, rng)
    if options.flip and rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(image)


def _random_resized(
    image: Image.Image, size: int, options: CropOptions, rng: np.random.Generator
) -> Image.Image:
    width, height = image.size
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
    return image.resize(
        (size, size),
        Image.Resampling.BICUBIC,
        box=(left, top, left + box_width, top + box_height),
    )


def _resize_crop(
    image: Image.Image, size: int, options: CropOptions, rng: np.random.Generator
) -> Image.Image:
    width, height = image.size
    assert options.resize is not None
    scale = options.resize / min(width, height)
    wide, high = (
        max(options.resize, round(width * scale)),
        max(options.resize, round(height * scale)),
    )
    left, top = int(rng.integers(0, wide - size + 1)), int(rng.integers(0, high - size + 1))
    # Only what the crop shows is resized: the same pixels as of the whole picture, sooner.
    box = (
        left * width / wide,
        top * height / high,
        (left + size) * width / wide,
        (top + size) * height / high,
    )
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def _squash_crop(
    image: Image.Image, size: int, options: CropOptions, rng: np.random.Generator
) -> Image.Image:
    assert options.resize is not None
    left, top = (int(place) for place in rng.integers(0, options.resize - size + 1, 2))
    squashed = squash_bilinear(image, options.resize)
    return squashed.crop((left, top, left + size, top + size))


def _squash_area(
    image: Image.Image, size: int, options: CropOptions, rng: np.random.Generator
) -> Image.Image:
    return squash_area(image, size)


_CROPS: dict[str, Callable[[Image.Image, int, CropOptions, np.random.Generator], Image.Image]] = {
    "random-resized": _random_resized,
    "resize-crop": _resize_crop,
    "squash-crop": _squash_crop,
    "squash-area": _squash_area,
}


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
    if options.single > 0 and rng.random() < options.single:
        _draw_single(ab, planes, options, rng)
        return
    count = min(options.most, int(rng.geometric(0.125)))
    for _ in range(count):
        side = int(rng.integers(options.patch[0], options.patch[1] + 1))
        top = int(rng.integers(0, height - side + 1))
        left = int(rng.integers(0, width - side + 1))
        patch = (slice(top, top + side), slice(left, left + side))
        planes[(slice(2), *patch)] = ab[(slice(None), *patch)].mean(axis=(1, 2), keepdims=True)
        planes[(2, *patch)] = 1


def _draw_single(
    ab: npt.NDArray[np.float32],
    planes: npt.NDArray[np.float32],
    options: HintOptions,
    rng: np.random.Generator,
) -> None:
    """Write one hint: the true ab of the most saturated of eight random places."""
    height, width = ab.shape[1:]
    side = int(rng.integers(options.patch[0], options.patch[1] + 1))
    tops = rng.integers(0, height - side + 1, _PLACES)
    lefts = rng.integers(0, width - side + 1, _PLACES)
    parts = [
        (slice(top, top + side), slice(left, left + side))
        for top, left in zip(tops, lefts, strict=True)
    ]
    means = [ab[(slice(None), *part)].mean(axis=(1, 2)) for part in parts]
    best = int(np.argmax([np.hypot(a, b) for a, b in means]))
    planes[(slice(2), *parts[best])] = means[best][:, None, None]
    planes[(2, *parts[best])] = 1


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng((seed, epoch, count)).permutation(count)
