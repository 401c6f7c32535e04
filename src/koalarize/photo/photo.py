"""Photo in, photo out: pixels and everything worth keeping, from and to files, bytes and arrays.

Not here: anything about color science (``color``) or a network. A ``Photo`` is what the
``Colorizer`` takes lightness from, and what turns the colored pixels back into the same kind of
file: format, alpha, EXIF, resolution and bit depth stay; the profile becomes sRGB.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.color import by_rows, grey_to_lightness, srgb_to_lab
from koalarize.errors import OutputError, PhotoError, did_you_mean
from koalarize.photo.decode import Decoded, Limits, decode_image, decode_stream
from koalarize.photo.embed import JPEG_EXIF_ROOM, Held, left_out, png_texts, segments_of
from koalarize.photo.files import (
    EXTENSIONS,
    FORMATS,
    check_output,
    output_path,
    write_bytes,
    written_format,
)
from koalarize.photo.metadata import Metadata, tiff_fields
from koalarize.photo.profiles import srgb_profile
from koalarize.photo.read import DECODE_ERRORS, pixels_of_array
from koalarize.photo.white import over_white

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "MAX_PIXELS",
    "Photo",
    "check_output",
    "output_path",
    "write_bytes",
]

Array = npt.NDArray[Any]
Source = str | os.PathLike[str] | bytes | bytearray | BinaryIO | Image.Image | Array

_CHUNK_PIXELS = 1 << 18

#: Pictures with more pixels are refused before they are decoded.
MAX_PIXELS = 500_000_000

# How each format is written. Chroma is never subsampled: it is all that a colored picture adds.
_OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "JPEG": {"quality": 95, "subsampling": 0},
        "PNG": {"compress_level": 4},
        "TIFF": {},
        "WEBP": {"quality": 95, "method": 4},
        "AVIF": {"quality": 90, "subsampling": "4:4:4"},
        "BMP": {},
    }
)
_WITHOUT_ALPHA = frozenset({"JPEG", "BMP"})
_WITH_16_BITS = frozenset({"PNG", "TIFF"})


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A picture and what its colored version inherits from it.

    Attributes:
        pixels: (H, W) or (H, W, 3), sRGB-encoded and upright. uint8, or uint16 for deep grey; given
            arrays keep uint16, and floating point becomes float32 in [0, 1]. A picture whose three
            channels are equal everywhere is (H, W).
        alpha: (H, W) of the dtype of ``pixels``, or None.
        format: Pillow's name of the format it came from; PNG for arrays.
        exif: the EXIF block with orientation 1 and without its thumbnail, or None.
        dpi: dots per inch across and down, or None.
        source: the file it was read from; never written over.
        metadata: what else the file says: XMP, IPTC, comments, texts.
        notes: what of the file is not in the photo, a phrase each.
        pages: how many pages the file has, of which this is one.
    """

    pixels: Array
    alpha: Array | None = None
    format: str = "PNG"
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    source: Path | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()
    pages: int = 1

    @classmethod
    def read(
        cls,
        source: Source,
        *,
        max_pixels: int = MAX_PIXELS,
        tolerant: bool = False,
        page: int = 0,
    ) -> Photo:
        """Read a picture from a path, bytes, a binary file, a PIL image or an array.

        Of several frames or pages the first is read. A path or bytes may hold any format that
        Pillow decodes by itself. Arrays are (H, W), (H, W, 1..4) of uint8, uint16 or floating point
        in [0, 1]; two and four channels end with alpha; they are not copied where possible.

        Args:
            source: the picture.
            max_pixels: pictures with more are refused before they are decoded.
            tolerant: read a file that is cut short as far as it goes; ``notes`` says so.
            page: which page of a TIFF file, from 0.

        Raises:
            PhotoError: if it is missing, empty, damaged, too large or not a picture.
        """
        limits = Limits(max_pixels, tolerant, page)
        if isinstance(source, np.ndarray):
            return cls(*pixels_of_array(source))
        if isinstance(source, Image.Image):
            return cls._of(decode_image(source, "the given image", limits, own=False))
        if isinstance(source, (bytes, bytearray, memoryview)):
            return cls._of(decode_stream(io.BytesIO(source), "the given data", limits))
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            try:
                with path.open("rb") as stream:
                    return cls._of(decode_stream(stream, f"`{path}`", limits), path)
            except OSError as error:
                raise PhotoError(_unreadable(path, error)) from error
        if hasattr(source, "read"):
            return cls._of(decode_stream(_seekable(source), "the given file", limits))
        raise PhotoError(
            f"`source` is a {type(source).__name__} but must be a path, bytes, a binary file, "
            "a PIL image or a NumPy array: convert it first."
        )

    @classmethod
    def _of(cls, decoded: Decoded, path: Path | None = None) -> Photo:
        return cls(
            decoded.pixels,
            decoded.alpha,
            decoded.format,
            decoded.exif,
            decoded.dpi,
            path,
            decoded.metadata,
            decoded.notes,
            decoded.pages,
        )

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.shape[1])

    @property
    def is_grey(self) -> bool:
        """Whether ``pixels`` is (H, W)."""
        return self.pixels.ndim == 2

    def lightness(self, *, threads: int = 1) -> npt.NDArray[np.float32]:
        """Return L* (H, W) float32 in [0, 100]; of a colored picture, that of its colors."""
        if self.is_grey and self.pixels.dtype.kind == "u":
            return grey_to_lightness(self.pixels)
        lightness = np.empty((self.height, self.width), np.float32)

        def convert(start: int, stop: int) -> None:
            rows = self.pixels[start:stop]
            if rows.ndim == 2:
                rows = np.broadcast_to(rows[..., None], (*rows.shape, 3))
            lightness[start:stop] = srgb_to_lab(rows)[..., 0]

        by_rows(convert, self.height, max(1, _CHUNK_PIXELS // self.width), threads)
        return lightness

    def encode(self, srgb: Array, *, format: str | None = None) -> bytes:
        """Encode colored pixels as a file with this photo's alpha, EXIF, resolution and depth.

        Args:
            srgb: (H, W, 3) of this photo's size; uint8, uint16, or floating point in [0, 1]. More
                than 8 bits are written as 16 in PNG and TIFF, else rounded to 8.
            format: Pillow's name of a format, or an extension; the photo's own by default, or PNG
                where that cannot be written.

        Where the format holds no alpha (JPEG, BMP) the picture is laid over white.

        Raises:
            OutputError: if the format is unknown or cannot hold the picture.
        """
        kind = _output_format(format, self.format)
        self._check_size(srgb)
        try:
            if kind == "TIFF" or (kind == "PNG" and srgb.dtype != np.uint8):
                return self._encode_ourselves(srgb, kind)
            buffer = io.BytesIO()
            self._pillow_image(srgb, alpha=kind not in _WITHOUT_ALPHA).save(
                buffer, kind, **_OPTIONS[kind], **self._kept(kind)
            )
            return buffer.getvalue()
        except DECODE_ERRORS as error:
            raise OutputError(
                f"{self.width} × {self.height} pixels cannot be written as {kind} ({error}): "
                "choose PNG or TIFF."
            ) from error

    def write(self, srgb: Array, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Encode colored pixels and write them to a file whose extension names the format.

        The file appears whole or not at all. The photo's own file is never written over.

        Raises:
            OutputError: if the extension is unknown, the file exists (and not ``overwrite``), or
                the folder is missing, full or not writable.
        """
        target = check_output(path, source=self.source, overwrite=overwrite)
        data = self.encode(srgb, format=target.suffix)
        return write_bytes(data, target, overwrite=overwrite)

    def left_out(self, format: str | None = None) -> tuple[str, ...]:
        """Return the names of what a format cannot hold of this photo's metadata.

        Args:
            format: as ``encode`` takes it.
        """
        held = Held(self.exif, self.dpi, self.metadata)
        return left_out(held, _output_format(format, self.format))

    def notes_as(self, format: str | None = None, *, pages: int = 1) -> tuple[str, ...]:
        """Return what of the file a result in a format lacks, a phrase each.

        Args:
            format: as ``encode`` takes it.
            pages: how many pages the result has.
        """
        notes = self.notes
        if self.pages > pages:
            notes = (*notes, f"page 1 of {self.pages}: the others are left out")
        kind = _output_format(format, self.format)
        lost = self.left_out(kind)
        if self.alpha is not None and kind in _WITHOUT_ALPHA:
            lost = (*lost, "transparency")
        if self.pixels.dtype != np.uint8 and kind not in _WITH_16_BITS:
            lost = (*lost, "16 bits")
        if not lost:
            return notes
        return (*notes, f"{kind} cannot hold its {_listed(lost)}")

    def to_image(self, srgb: Array) -> Image.Image:
        """Return colored pixels as an 8-bit PIL image, RGB or RGBA; ``info`` holds the rest."""
        self._check_size(srgb)
        image = self._pillow_image(srgb, alpha=True)
        kept = self._kept("PNG")
        del kept["pnginfo"]
        image.info.update(kept)
        return image

    def _check_size(self, srgb: Array) -> None:
        expected = (self.height, self.width, 3)
        if srgb.shape != expected or srgb.dtype.kind not in "uf":
            raise OutputError(
                f"`srgb` is {srgb.dtype} of shape {srgb.shape} but must be uint8, uint16 or "
                f"floating point of shape {expected}: give the colored pixels of this photo."
            )

    def _pillow_image(self, srgb: Array, *, alpha: bool) -> Image.Image:
        pixels = _to_depth(srgb, np.uint8)
        if self.alpha is None:
            return Image.fromarray(pixels)
        image, opacity = Image.fromarray(pixels), Image.fromarray(_to_depth(self.alpha, np.uint8))
        if not alpha:
            return over_white(image, opacity)
        image.putalpha(opacity)
        return image

    def tiff_page(self, srgb: Array, at: int, *, last: bool) -> bytes:
        """Encode colored pixels as a page of a TIFF file.

        Args:
            srgb: as ``encode`` takes it.
            at: where the page will stand in the file.
            last: whether no page will follow.

        Raises:
            OutputError: if the pixels are not of this photo.
            ValueError: if the file grows beyond what TIFF can address.
        """
        from koalarize.photo.encode16 import Kept, tiff_page

        self._check_size(srgb)
        depth = np.uint8 if srgb.dtype == np.uint8 else np.uint16
        fields = tiff_fields(self.metadata)
        kept = Kept(srgb_profile(), self.exif, self.dpi, fields=fields)
        alpha = None if self.alpha is None else _to_depth(self.alpha, depth)
        return tiff_page(_to_depth(srgb, depth), alpha, kept, at, last=last)

    def _encode_ourselves(self, srgb: Array, kind: str) -> bytes:
        from koalarize.photo.encode16 import TIFF_HEAD, Kept, encode_png16

        if kind == "TIFF":
            return TIFF_HEAD + self.tiff_page(srgb, len(TIFF_HEAD), last=True)
        chunks = tuple(png_texts(self.metadata))
        kept = Kept(srgb_profile(), self.exif, self.dpi, chunks)
        alpha = None if self.alpha is None else _to_depth(self.alpha, np.uint16)
        return encode_png16(_to_depth(srgb, np.uint16), alpha, kept)

    def _kept(self, kind: str) -> dict[str, Any]:
        """Return what ``Image.save`` shall embed; formats ignore what they cannot hold."""
        kept: dict[str, Any] = {"icc_profile": srgb_profile()}
        if self.dpi:
            kept["dpi"] = self.dpi
        if self.exif and not (kind == "JPEG" and len(self.exif) > JPEG_EXIF_ROOM):
            kept["exif"] = self.exif
        if kind == "JPEG":
            kept["extra"] = segments_of(self.metadata)
        elif kind == "PNG":
            from PIL.PngImagePlugin import PngInfo

            kept["pnginfo"] = texts = PngInfo()
            for name, data in png_texts(self.metadata):
                texts.add(name, data)
        elif self.metadata.xmp:
            kept["xmp"] = self.metadata.xmp
        return kept


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _output_format(asked: str | None, own: str) -> str:
    if asked is None:
        return written_format(own)
    kind = FORMATS.get("." + asked.lower().removeprefix("."), asked.upper())
    if kind not in _OPTIONS:
        raise OutputError(
            f"`format` is {asked}, which is not written{did_you_mean(kind, _OPTIONS)}: "
            f"use one of {', '.join(_OPTIONS)}."
        )
    return kind


def _seekable(stream: Any) -> BinaryIO:
    try:
        if stream.seekable() and isinstance(stream.read(0), bytes):
            return cast("BinaryIO", stream)
        data = stream.read()
    except (OSError, AttributeError, ValueError) as error:
        raise PhotoError(f"the given file cannot be read ({error}): open it again.") from error
    if not isinstance(data, bytes):
        raise PhotoError("the given file is open as text but must be binary: open it with `rb`.")
    return io.BytesIO(data)


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"`{path}` does not exist: check its name and folder."
    if path.is_dir():
        return f"`{path}` is a folder but must be a picture: name a file in it."
    return f"`{path}` cannot be opened ({error.strerror or error}): check its permissions."


def _to_depth(values: Array, dtype: type[np.uint8] | type[np.uint16]) -> Array:
    """Round levels to another depth: full scale stays full scale."""
    if values.dtype == dtype:
        return np.ascontiguousarray(values)
    levels = np.iinfo(dtype).max
    if values.dtype.kind == "f":
        return (np.clip(values, 0, 1) * np.float32(levels) + np.float32(0.5)).astype(dtype)
    given = np.iinfo(values.dtype).max
    table = (np.arange(given + 1, dtype=np.int64) * levels + given // 2) // given
    return table.astype(dtype)[values]
