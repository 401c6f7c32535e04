"""Colored pixels as files of 8 bits, which Pillow writes: how each format is packed.

Not here: TIFF and 16-bit PNG (``encode16``), several pictures in a file (``containers``).
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from koalarize.errors import OutputError
from koalarize.photo.embed import JPEG_EXIF_ROOM, Held, png_texts, segments_of
from koalarize.photo.exif_block import without_orientation
from koalarize.photo.profiles import srgb_profile
from koalarize.photo.white import over_white

__all__ = [
    "OPTIONS",
    "WITHOUT_ALPHA",
    "Packing",
    "check_sides",
    "encode_by_pillow",
    "jpeg_options",
    "kept_in",
    "picture_of",
    "pillow_image",
    "saved",
]

Array = npt.NDArray[Any]
UInt8 = npt.NDArray[np.uint8]

#: How each format is written. Chroma is not subsampled where the format can do without: it is all
#: that a colored picture adds. scripts/measure_lossy.py, examples/, 2026-11-25: a fifth to a third
#: more bytes than at 95, 95 and 90 bring pixels within one grey level from 91, 83 and 90 % to 97,
#: 90 and 95 % (JPEG, WebP, AVIF).
OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "JPEG": {"quality": 97, "subsampling": 0},
        "PNG": {"compress_level": 4},
        "TIFF": {},
        "WEBP": {"quality": 98, "method": 4},
        "AVIF": {"quality": 95, "subsampling": "4:4:4"},
        "BMP": {},
        "GIF": {},
    }
)
WITHOUT_ALPHA = frozenset({"JPEG", "BMP"})
_END_OF_JPEG = b"\xff\xd9"
#: Pixels a side that libjpeg and libwebp write, and the most of AV1 (5.5.1).
_MOST_ACROSS = {"JPEG": 65500, "WEBP": 16383, "AVIF": 65536}
_CLEAR = 255  # the color of a GIF frame that is transparent, where there is one


@dataclass(frozen=True)
class Packing:
    """How a picture's own file was packed, where its colored version shall not be packed worse.

    Attributes:
        lossless: whether a format that can be either was lossless.
        tables: the quantization tables of a JPEG file, 64 numbers each.
    """

    lossless: bool = False
    tables: tuple[tuple[int, ...], ...] = ()


def encode_by_pillow(
    srgb: UInt8, alpha: UInt8 | None, kind: str, held: Held, packing: Packing
) -> bytes:
    """Encode a picture.

    Args:
        srgb: (H, W, 3).
        alpha: (H, W), or None.
        kind: Pillow's name of the format.
        held: what goes along.
        packing: of the picture's own file.

    Raises:
        OSError, ValueError, struct.error: if the format cannot hold the picture.
    """
    image = pillow_image(srgb, alpha)
    options: dict[str, Any] = dict(OPTIONS[kind])
    if kind in WITHOUT_ALPHA and alpha is not None:
        image = over_white(image)
    elif kind != "JPEG" and image.mode == "RGBX":
        image = image.convert("RGB")
    if kind == "GIF":
        image = _indexed(image)
    elif kind == "WEBP" and packing.lossless:
        options = {"lossless": True, "exact": True, "quality": 60, "method": 3}
    elif kind == "JPEG":
        options = jpeg_options(packing)
    return saved(image, kind, {**options, **kept_in(kind, held)})


def check_sides(width: int, height: int, kind: str) -> None:
    """Check that a format holds pictures of a size.

    Raises:
        OutputError: if not.
    """
    most = _MOST_ACROSS.get(kind)
    if most is not None and max(width, height) > most:
        raise OutputError(
            f"{width} × {height} pixels cannot be written as {kind}, which holds at most {most} "
            "a side: choose PNG or TIFF."
        )


def saved(image: Image.Image, kind: str, options: Mapping[str, object]) -> bytes:
    """Return the bytes of a file that Pillow writes.

    Into a file that the system knows Pillow encodes JPEG without the interpreter lock, so that
    threads encode side by side; not into ``io.BytesIO``. Here that file is one of memory, or a
    temporary one where the system gives none of memory.

    Raises:
        OutputError: if that file has no room: Pillow passes over some writes that were cut short.
    """
    with _spare_file() if kind == "JPEG" else io.BytesIO() as stream:
        try:
            image.save(stream, kind, **options)
        except OSError as error:
            if error.errno is None:  # what the format cannot hold
                raise
            raise OutputError(f"the {kind} file cannot be packed ({_advice(error)}") from error
        stream.seek(0)
        data = stream.read()
        if kind == "JPEG" and not data.endswith(_END_OF_JPEG):
            raise OutputError(f"the JPEG file cannot be packed ({_no_room(stream)}")
    return data


def _no_room(stream: BinaryIO) -> str:
    """Say why a file takes no more, and what a person can do."""
    try:
        os.lseek(stream.fileno(), 0, os.SEEK_END)
        os.write(stream.fileno(), b"\0")
    except OSError as error:
        return _advice(error)
    return "it was cut short): give the same command again"


def _advice(error: OSError) -> str:
    if error.errno == errno.EFBIG:
        return f"{error.strerror}): raise the limit that `ulimit -f` sets"
    return f"{error.strerror}): make room in memory and in `{tempfile.gettempdir()}`"


def _spare_file() -> BinaryIO:
    if hasattr(os, "memfd_create"):
        with suppress(OSError):  # a sandbox may forbid it
            return os.fdopen(os.memfd_create("koalarize"), "w+b")
    return cast(BinaryIO, tempfile.TemporaryFile())


def jpeg_options(packing: Packing) -> dict[str, object]:
    """Return how a JPEG file is written: nowhere coarser than the picture's own file."""
    options: dict[str, object] = dict(OPTIONS["JPEG"])
    if packing.tables:
        del options["quality"]  # by which Pillow would divide the tables once more
        options["qtables"] = _finer(packing.tables)
    return options


def picture_of(srgb: UInt8, alpha: UInt8 | None) -> Image.Image:
    """Return a PIL image, RGB or RGBA, which shares no memory with the arrays."""
    image = Image.fromarray(srgb)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    return image


def pillow_image(srgb: UInt8, alpha: UInt8 | None) -> Image.Image:
    """Return a PIL image to be encoded: RGB, RGBX or RGBA; without a copy where that is possible.

    Pillow gives each pixel four bytes. Where an array has that layout, as a merged picture and its
    rows have, Pillow looks at its memory, and alpha is laid beside the colors.
    """
    height, width = srgb.shape[:2]
    whole = srgb.base
    if (
        not isinstance(whole, np.ndarray)
        or whole.shape[1:] != (width, 4)
        or whole.dtype != np.uint8
        or not whole.flags.c_contiguous
        or srgb.strides != whole.strides
        or (srgb.ctypes.data - whole.ctypes.data) % (4 * width)
    ):
        return picture_of(srgb, alpha)
    top = (srgb.ctypes.data - whole.ctypes.data) // (4 * width)
    whole = whole[top : top + height]
    mode = "RGBX" if alpha is None else "RGBA"
    if alpha is not None:
        whole[..., 3] = alpha
    return Image.frombuffer(mode, (width, height), whole, "raw", mode, 0, 1)


def kept_in(kind: str, held: Held) -> dict[str, object]:
    """Return what ``Image.save`` shall embed; formats ignore what they cannot hold."""
    if kind == "GIF":
        comment = b"\n".join(held.metadata.comments)  # as Pillow reads several
        return {"comment": comment} if comment else {}
    kept: dict[str, object] = {"icc_profile": srgb_profile()}
    if held.dpi:
        kept["dpi"] = held.dpi
    exif = held.exif
    if kind == "AVIF" and exif:
        exif = without_orientation(exif)
    if exif and not (kind == "JPEG" and len(exif) > JPEG_EXIF_ROOM):
        kept["exif"] = exif
    if kind == "JPEG":
        kept["extra"] = segments_of(held.metadata)
    elif kind == "PNG":
        kept["pnginfo"] = texts = PngImagePlugin.PngInfo()
        for name, data in png_texts(held.metadata):
            texts.add(name, data)
    elif held.metadata.xmp:
        kept["xmp"] = held.metadata.xmp
    return kept


def _indexed(image: Image.Image) -> Image.Image:
    """Return an image of 256 colors of its own, one of them clear where it has alpha."""
    opaque = over_white(image)
    if image.mode != "RGBA":
        return opaque.quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    indexed = opaque.quantize(_CLEAR, dither=Image.Dither.FLOYDSTEINBERG)
    clear = image.getchannel("A").point([255] * 128 + [0] * 128)
    indexed.paste(_CLEAR, mask=clear)
    indexed.info["transparency"] = _CLEAR
    return indexed


def _finer(own: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return tables for luma and chroma, at each place the finer of the usual and the own."""
    luma, chroma = _usual_tables()
    own_chroma = own[1] if len(own) > 1 else own[0]
    return [
        [min(pair) for pair in zip(luma, own[0], strict=True)],
        [min(pair) for pair in zip(chroma, own_chroma, strict=True)],
    ]


@lru_cache(maxsize=1)
def _usual_tables() -> tuple[list[int], list[int]]:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", **OPTIONS["JPEG"])
    with Image.open(buffer) as image:
        tables: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
    return list(tables[0]), list(tables[1])
