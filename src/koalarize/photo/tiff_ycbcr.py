"""YCbCr of TIFF files, where several pixels may share one colour: from strips and tiles to sRGB.

Not here: how they are unpacked (``tiff_pixels``), YCbCr packed as JPEG, which Pillow reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from koalarize.photo.gather import band_tops

if TYPE_CHECKING:
    from tifffile import TiffPage

__all__ = ["is_subsampled", "sharing_of", "unit_bytes", "units_to_samples", "ycbcr_to_srgb"]

Array = npt.NDArray[Any]

_SUBSAMPLING, _COEFFICIENTS, _ENDS = 530, 529, 532
_USUAL_SHARING = (2, 2)  # where a file does not say (TIFF 6.0, section 21)
_USUAL_WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in the luminance (BT.601)
_USUAL_ENDS = (0, 255, 128, 255, 128, 255)  # black and white of each channel
_SIDES = (1, 2, 4)


def is_subsampled(said: tuple[int, ...]) -> bool:
    """Tell whether pixels share colours, by what a file's field 530 says; () where it has none."""
    return (said or _USUAL_SHARING) != (1, 1)


def sharing_of(page: TiffPage) -> tuple[int, int]:
    """Return how many pixels across and down share one colour.

    Raises:
        ValueError: if it is none of the numbers that there are.
    """
    found = page.tags.get(_SUBSAMPLING)
    across, down = _USUAL_SHARING if found is None else tuple(found.value)[:2]
    if across not in _SIDES or down not in _SIDES:
        raise ValueError(f"{across} × {down} pixels share a colour")
    return int(across), int(down)


def unit_bytes(rows: int, columns: int, sharing: tuple[int, int]) -> int:
    """Return how many bytes a part of 8 bits has, whose units are whole at its edges too."""
    across, down = sharing
    return -(-rows // down) * -(-columns // across) * (across * down + 2)


def units_to_samples(data: bytes, rows: int, columns: int, sharing: tuple[int, int]) -> Array:
    """Return samples of units, each of which is its pixels' luminances, row by row, Cb and Cr.

    Args:
        data: the part.
        rows: of it.
        columns: of it.
        sharing: of ``sharing_of``.

    Returns:
        (rows, columns, 3) uint8; the pixels of a unit get the same Cb and Cr.

    Raises:
        ValueError: if there are fewer bytes.
    """
    across, down = sharing
    size = unit_bytes(rows, columns, sharing)
    if len(data) < size:
        raise ValueError("image file is truncated")
    high, wide = -(-rows // down), -(-columns // across)
    units = np.frombuffer(data, np.uint8, size).reshape(high, wide, across * down + 2)
    samples = np.empty((high, down, wide, across, 3), np.uint8)
    samples[..., 0] = units[..., :-2].reshape(high, wide, down, across).swapaxes(1, 2)
    samples[..., 1:] = units[:, None, :, None, -2:]
    return samples.reshape(high * down, wide * across, 3)[:rows, :columns]


def ycbcr_to_srgb(values: Array, page: TiffPage) -> None:
    """Bring YCbCr to sRGB by the weights and the black and white that a page states (TIFF 6.0, 20).

    Args:
        values: (H, W, 3 or more) uint8; the first three channels are overwritten. Zeros in all of
            them are no colour that there is, but stand for what is missing: they stay black.
        page: tifffile's page.
    """
    red, green, blue = _numbers(page, _COEFFICIENTS, _USUAL_WEIGHTS)
    ends = np.array(_numbers(page, _ENDS, _USUAL_ENDS), np.float32)
    spans = ends[1::2] - ends[::2]
    if not (spans.all() and green):
        raise ValueError("its black and white, or its weights of colours, are damaged")
    low = ends[::2]
    factors = np.array([255, 127, 127], np.float32) / spans
    tops = band_tops(*values.shape[:2])
    for top in tops:
        band = values[top : top + tops.step, :, :3]
        missing = ~band.any(-1)
        y, cb, cr = np.moveaxis((band - low) * factors, -1, 0)
        r = y + cr * np.float32(2 - 2 * red)
        b = y + cb * np.float32(2 - 2 * blue)
        g = (y - np.float32(red) * r - np.float32(blue) * b) / np.float32(green)
        srgb = np.clip(np.rint(np.stack([r, g, b], -1)), 0, 255)
        srgb[missing] = 0
        band[...] = srgb


def _numbers(page: TiffPage, tag: int, usual: tuple[float, ...]) -> tuple[float, ...]:
    """Return the fractions of a field, or what they are where it is missing."""
    found = page.tags.get(tag)
    if found is None:
        return usual
    said = tuple(found.value)
    if len(said) != 2 * len(usual) or not all(said[1::2]):
        raise ValueError(f"its field {tag} is damaged")
    return tuple(above / below for above, below in zip(said[::2], said[1::2], strict=True))
