"""The ab bins over which a classifying network predicts: centres, encode, decode.

Not here: conversions (``color.convert``), networks (``lab.networks``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.color.convert import srgb_to_lab

__all__ = [
    "AB_GRID",
    "BIN_STEPS",
    "Bins",
    "ab_bins",
    "decode_ab",
    "default_bins",
    "encode_ab",
    "grid_bins",
]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

#: Distance between neighbouring ab bins, in Lab units (Zhang, Isola, Efros 2016).
AB_GRID = 10
#: The least and the largest step of ``grid_bins``, in Lab units.
BIN_STEPS = (5, 40)

_ROOM = 1 << 10  # for steps of b* from the least to the largest
_CHUNK_PIXELS = 1 << 14  # small enough that the temporaries of a chunk stay in the L2 cache


@dataclass(frozen=True, eq=False)
class Bins:
    """The ab bins of a classifying network; its own, so that networks with others work too.

    Attributes:
        centres: (Q, 2) float32, Lab units; not to be written to.
    """

    centres: Float32

    def __len__(self) -> int:
        return len(self.centres)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bins) and np.array_equal(self.centres, other.centres)

    def __hash__(self) -> int:
        return hash(self.centres.tobytes())

    def encode(
        self, ab: Array, *, neighbours: int = 5, sigma: float = 5.0
    ) -> tuple[npt.NDArray[np.int16], Float32]:
        """Encode ab softly over the nearest bins (Zhang, Isola, Efros 2016, section 2.2).

        Args:
            ab: (..., 2), Lab units.
            neighbours: over how many nearest bins; all of them where there are fewer.
            sigma: width of the Gaussian of the distance, Lab units.

        Returns:
            Bin numbers (..., neighbours), nearest first, and their weights (..., neighbours), which
            add up to 1.
        """
        neighbours = min(neighbours, len(self))
        points = np.asarray(ab, np.float32).reshape(-1, 2)
        numbers = np.empty((len(points), neighbours), np.int16)
        weights = np.empty((len(points), neighbours), np.float32)
        for start in range(0, len(points), _CHUNK_PIXELS):
            part = points[start : start + _CHUNK_PIXELS]
            squared = self._squared_distances(part)
            rows = np.arange(len(part))
            near = np.empty((len(part), neighbours), np.float32)
            for place in range(neighbours):  # a tenth of the time of sorting all of them
                found = squared.argmin(1)  # of several the first
                numbers[start : start + len(part), place] = found
                near[:, place] = squared[rows, found]
                squared[rows, found] = np.inf
            weight = np.exp((near[:, :1] - near) / np.float32(2 * sigma**2))
            weights[start : start + len(part)] = weight / weight.sum(1, keepdims=True)
        shape = (*np.shape(ab)[:-1], neighbours)
        return numbers.reshape(shape), weights.reshape(shape)

    def decode(self, logits: Array, *, temperature: float = 0.38) -> Float32:
        """Decode bin logits into ab by the annealed mean (Zhang, Isola, Efros 2016, equation 5).

        Args:
            logits: (..., Q, h, w), unnormalised log probabilities of the bins.
            temperature: 1 gives the mean of the distribution (calm), near 0 its mode (vivid).

        Returns:
            (..., 2, h, w) float32, Lab units.
        """
        if not temperature > 0:
            raise ValueError(f"`temperature` is {temperature} but must be above 0")
        sharp = np.asarray(logits, np.float32) * np.float32(1 / temperature)
        sharp -= sharp.max(axis=-3, keepdims=True)
        np.exp(sharp, out=sharp)
        total = sharp.sum(axis=-3, keepdims=True)
        *batch, bins, height, width = sharp.shape
        mean = self.centres.T @ sharp.reshape(*batch, bins, height * width)
        return mean.reshape(*batch, 2, height, width) / total

    def nearest(self, ab: Float32) -> npt.NDArray[np.intp]:
        """Return (N,) the number of the bin nearest to each of (N, 2), Lab units."""
        numbers = np.empty(len(ab), np.intp)
        for start in range(0, len(ab), _CHUNK_PIXELS):
            part = ab[start : start + _CHUNK_PIXELS]
            numbers[start : start + len(part)] = self._squared_distances(part).argmin(1)
        return numbers

    def _squared_distances(self, ab: Float32) -> Float32:
        """Return (N, Q) from each of (N, 2) to each centre; the two axes apart, which is faster."""
        from_a = ab[:, :1] - self.centres[:, 0]
        from_b = ab[:, 1:] - self.centres[:, 1]
        return np.square(from_a) + np.square(from_b)

    @cached_property
    def distances(self) -> Float32:
        """(Q, Q) from each centre to each other, Lab units."""
        return np.linalg.norm(self.centres[:, None] - self.centres, axis=-1).astype(np.float32)

    @cached_property
    def softness(self) -> npt.NDArray[np.float64]:
        """(Q, Q): over which bins a colour in the middle of each bin is spread when encoded."""
        numbers, weights = self.encode(self.centres)
        table = np.zeros((len(self), len(self)))
        np.put_along_axis(table, numbers.astype(np.int64), weights.astype(np.float64), 1)
        return table


def default_bins() -> Bins:
    """Return the bins of step ``AB_GRID``, over which the shipped models classify."""
    return grid_bins(AB_GRID)


@lru_cache(maxsize=8)
def grid_bins(step: int) -> Bins:
    """Return the bins of a square grid of ab that sRGB colours fall into.

    The grid contains (0, 0); a bin counts if it is the nearest one of some sRGB colour, so every
    colour lies within half a step of its bin on each axis. Order is by a*, then b*. A step of 10
    gives 260 bins, one of 20 gives 74.

    Args:
        step: distance between neighbouring bins, Lab units, within ``BIN_STEPS``.

    Raises:
        ValueError: if the step lies outside these bounds.
    """
    lowest, highest = BIN_STEPS
    if not lowest <= step <= highest:
        raise ValueError(f"`step` is {step} but must be from {lowest} to {highest} Lab units")
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    ab = srgb_to_lab(lattice)[..., 1:].reshape(-1, 2)
    places = np.rint(ab / step).astype(np.int64)
    numbers = np.unique(places[:, 0] * _ROOM + places[:, 1] + _ROOM // 2)  # fast for plain numbers
    bins = np.stack([numbers // _ROOM, numbers % _ROOM - _ROOM // 2], -1).astype(np.float32) * step
    bins.setflags(write=False)
    return Bins(bins)


def ab_bins() -> Float32:
    """Return (Q, 2) the centres of ``default_bins``. The array is shared: do not write to it."""
    return default_bins().centres


def encode_ab(
    ab: Array, *, neighbours: int = 5, sigma: float = 5.0
) -> tuple[npt.NDArray[np.int16], Float32]:
    """Encode ab over ``default_bins``, as ``Bins.encode`` does."""
    return default_bins().encode(ab, neighbours=neighbours, sigma=sigma)


def decode_ab(logits: Array, *, temperature: float = 0.38) -> Float32:
    """Decode logits over ``default_bins``, as ``Bins.decode`` does."""
    return default_bins().decode(logits, temperature=temperature)
