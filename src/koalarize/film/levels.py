"""What the numbers in a film's planes mean: depth, range, matrix; L* of luma, chroma of ab.

Not here: the planes themselves (``film.planes``), sRGB and Lab (``color``). A film's luma is never
written; chroma is chosen so that the colour has the hue that is wanted and luma as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.film.light import (
    in_primaries,
    light_of,
    primaries_like,
    signal_of,
    srgb_curve,
    transfer_like,
)

__all__ = ["AB_STEPS", "Levels", "ab_index", "matrix_like"]

Float32 = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

#: Kr and Kb of those matrices of ISO/IEC 23091-2 in which Cb and Cr are differences from luma.
_MATRICES = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
_BT2020 = (10, 14)  # constant luminance, and ICtCp: luma of greys is that of matrix 9
_USUAL_CURVE = 1  # that of sRGB, near enough
_MOST_SD = 576  # rows: what is higher is taken for BT.709 where a film does not say
#: The table of chroma: so many lightnesses, and so many steps of a* and b* from -_REACH to _REACH.
_SHADES = 128
AB_STEPS = 33
_REACH = 112.0


@dataclass(frozen=True)
class Levels:
    """What the numbers of a film mean.

    Attributes:
        depth: bits a sample.
        full: whether black is 0 and white the largest number, rather than 16 and 235 of 8 bits.
        kr: share of red in luma.
        kb: share of blue.
        transfer: the curve, as ``light.transfer_like`` gives it.
        primaries: as ``light.primaries_like`` gives them.
    """

    depth: int
    full: bool
    kr: float
    kb: float
    transfer: int = 1
    primaries: int = 1

    @classmethod
    def of(
        cls,
        depth: int,
        *,
        full: bool,
        matrix: int,
        height: int,
        transfer: int = 2,
        primaries: int = 2,
    ) -> Levels:
        """Return what the numbers mean.

        Args:
            depth: bits a sample.
            full: whether the range is full.
            matrix: its number in ISO/IEC 23091-2; 2 where the film does not say.
            height: of the film, by which players guess where it does not say.
            transfer: number of its curve, in the same way.
            primaries: number of its primaries.
        """
        matrix = matrix_like(matrix, height)
        kr, kb = _MATRICES[matrix]
        primaries = primaries_like(primaries, matrix)
        return cls(depth, full, kr, kb, transfer_like(transfer), primaries)

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """The type of a sample."""
        return np.uint8 if self.depth <= 8 else np.uint16

    @property
    def neutral(self) -> int:
        """The number of a chroma sample of grey."""
        return 1 << (self.depth - 1)

    def lightness(self) -> Float32:
        """Return L* of each luma number, (2 ** depth,)."""
        return _lightness(self._luma(), self.transfer)

    def shade_rows(self) -> Float32:
        """Return the first row of each luma number's shade in ``chroma_table``, (2 ** depth,)."""
        shade = np.rint(self._luma() * (_SHADES - 1))
        return (shade * AB_STEPS).astype(np.float32)

    def chroma_table(self) -> Float32:
        """Return (shades * a steps, b steps, 2): Cb and Cr as the film's numbers."""
        span = (2**self.depth - 1) if self.full else 224 * 2 ** (self.depth - 8)
        chroma = _chroma(self.kr, self.kb, self.transfer, self.primaries)
        return chroma * np.float32(span) + np.float32(self.neutral)

    def _luma(self) -> npt.NDArray[np.float64]:
        numbers = np.arange(2**self.depth, dtype=np.float64)
        if self.full:
            return numbers / (2**self.depth - 1)
        unit = 2.0 ** (self.depth - 8)
        return np.clip((numbers / unit - 16) / 219, 0, 1)


def matrix_like(matrix: int, height: int) -> int:
    """Return the matrix in which chroma is written: of grey pictures all have the same luma.

    Args:
        matrix: the film's, as ISO/IEC 23091-2 numbers it; 2 where nothing says.
        height: of the film, by which players guess where nothing says.
    """
    if matrix in _MATRICES:
        return matrix
    if matrix in _BT2020:
        return 9
    return 6 if height <= _MOST_SD else 1


def ab_index(ab: Float32) -> Float32:
    """Return a* or b* as places on the axes of ``Levels.chroma_table``."""
    return (ab + np.float32(_REACH)) * np.float32((AB_STEPS - 1) / (2 * _REACH))


def _lightness(luma: npt.NDArray[np.float64], transfer: int) -> Float32:
    """Return L* of luma in [0, 1]; what is brighter than diffuse white has 100."""
    if transfer != _USUAL_CURVE:
        luma = np.minimum(srgb_curve(light_of(luma, transfer)), 1)
    return color.grey_to_lightness(np.rint(luma * 65535).astype(np.uint16))


@lru_cache(maxsize=8)
def _chroma(kr: float, kb: float, transfer: int, primaries: int) -> Float32:
    """Return (shades * a steps, b steps, 2) Cb and Cr in [-0.5, 0.5] for each luma and ab.

    The colour of that L*, a* and b* has nearly the luma wanted; its differences from its own luma
    are put onto the luma wanted, less where a channel would leave [0, 1]: luma stays exact.
    """
    luma = np.linspace(0, 1, _SHADES)
    axis = np.linspace(-_REACH, _REACH, AB_STEPS)
    lab = np.empty((_SHADES, AB_STEPS, AB_STEPS, 3), np.float32)
    lab[..., 0] = _lightness(luma, transfer)[:, None, None]
    lab[..., 1] = axis[:, None]
    lab[..., 2] = axis
    brighter = np.maximum(light_of(luma, transfer), 1)[:, None, None, None]
    light = in_primaries(color.lab_to_linear(lab).astype(np.float64) * brighter, primaries)
    coded = signal_of(light, transfer)
    # Term by term: a product of matrices may differ in its last digit from process to process.
    own = kr * coded[..., 0] + (1 - kr - kb) * coded[..., 1] + kb * coded[..., 2]
    apart = coded - own[..., None]
    level = luma[:, None, None, None]
    room = np.where(apart > 0, 1 - level, level) / np.maximum(np.abs(apart), 1e-9)
    apart *= np.minimum(1, room.min(axis=-1, keepdims=True))
    pair = np.stack([apart[..., 2] / (2 * (1 - kb)), apart[..., 0] / (2 * (1 - kr))], axis=-1)
    return pair.astype(np.float32).reshape(_SHADES * AB_STEPS, AB_STEPS, 2)
