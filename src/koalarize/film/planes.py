"""The planes of a decoded frame: luma read, chroma written, in any planar layout.

Not here: what the numbers mean (``film.levels``). Pictures are never turned into RGB and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import av
import numpy as np
import numpy.typing as npt

__all__ = ["Layout", "chroma_planes", "layout_of", "luma", "reformatted"]

Array = npt.NDArray[Any]

_RGB, _UNSPECIFIED = 0, 2  # matrices, as ISO/IEC 23091-2 numbers them


@dataclass(frozen=True)
class Layout:
    """How a pixel format lays out its samples.

    Attributes:
        name: FFmpeg's name.
        depth: bits a sample.
        across: luma samples to one of chroma, along a row; 0 where there is no chroma.
        down: the same along a column.
        shift: how far samples stand above the lowest bit of their 16.
        plain: whether luma has a plane of its own, of native bytes.
        rgb: whether it holds red, green and blue.
        alpha: whether it holds transparency.
    """

    name: str
    depth: int
    across: int
    down: int
    shift: int
    plain: bool
    rgb: bool
    alpha: bool


def layout_of(name: str) -> Layout:
    """Return how a pixel format lays out its samples."""
    form = av.VideoFormat(name, 64, 64)
    parts = form.components
    depth = parts[0].bits
    grey = name.startswith(("gray", "ya", "mono"))
    deep_top = name.startswith(("p0", "p2", "p4")) and depth > 8
    rgb = form.is_rgb or form.has_palette
    packed = not form.is_planar and not grey
    plain = not (rgb or packed or form.is_big_endian or name.startswith(("mono", "ya")))
    return Layout(
        name,
        depth,
        0 if grey else 64 // max(1, form.chroma_width(64)),
        0 if grey else 64 // max(1, form.chroma_height(64)),
        16 - depth if deep_top else 0,
        plain,
        rgb,
        name.startswith(("yuva", "ya", "rgba", "bgra", "argb", "abgr", "gbrap")),
    )


def luma(frame: av.VideoFrame, layout: Layout) -> Array:
    """Return (H, W) the luma of a frame: its own memory, except where samples stand shifted."""
    samples = _samples(frame, 0, layout.depth)[: frame.height, : frame.width]
    return samples >> layout.shift if layout.shift else samples


def reformatted(
    frame: av.VideoFrame, name: str, size: tuple[int, int] | None = None
) -> av.VideoFrame:
    """Return a frame in another pixel format, its luma as it is.

    FFmpeg would mix chroma into luma where it changes the matrix, and refuses those that it cannot
    compute, such as YCgCo.

    Args:
        frame: stays as it is.
        name: FFmpeg's, of the pixel format.
        size: width and height, pixels; None keeps them.
    """
    width, height = size or (frame.width, frame.height)
    matrix = frame.colorspace
    if int(matrix) != _RGB:
        frame.colorspace = _UNSPECIFIED
    try:
        return frame.reformat(width, height, name)
    finally:
        frame.colorspace = matrix


def chroma_planes(frame: av.VideoFrame, layout: Layout) -> tuple[Array, Array]:
    """Return Cb and Cr of a planar frame, to be written to."""
    width = -(-frame.width // layout.across)
    height = -(-frame.height // layout.down)
    cb, cr = (_samples(frame, plane, layout.depth)[:height, :width] for plane in (1, 2))
    return cb, cr


def _samples(frame: av.VideoFrame, number: int, depth: int) -> Array:
    plane = frame.planes[number]
    dtype = np.uint8 if depth <= 8 else np.dtype("<u2")
    line = plane.line_size // np.dtype(dtype).itemsize
    memory = np.frombuffer(cast(Any, plane), dtype)
    return memory[: plane.height * line].reshape(plane.height, line)
