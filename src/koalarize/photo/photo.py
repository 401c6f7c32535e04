"""Photo in, photo out: pixels and everything worth keeping, from and to files, bytes and arrays.

Not here: anything about color science (``color``) or a network. A ``Photo`` is what the
``Colorizer`` takes lightness from, and what turns the colored pixels back into the same kind of
file: format, alpha, EXIF, resolution and bit depth stay; the profile becomes sRGB.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.color import by_rows, grey_to_lightness, srgb_to_lab
from koalarize.errors import OutputError, did_you_mean
from koalarize.photo.arguments import check_srgb
from koalarize.photo.decode import CALLED, Decoded, Limits, decode_image
from koalarize.photo.embed import Held, left_out, listed, png_texts
from koalarize.photo.encode8 import (
    OPTIONS,
    WITHOUT_ALPHA,
    Packing,
    check_sides,
    kept_in,
    picture_of,
)
from koalarize.photo.encode_jpeg import encode_shallow
from koalarize.photo.files import FORMATS, check_output, write_bytes, written_format
from koalarize.photo.frames import Frame
from koalarize.photo.mend import DAMAGED, FILLED
from koalarize.photo.metadata import Metadata, tiff_fields
from koalarize.photo.planes import check_planes, described
from koalarize.photo.profiles import srgb_profile
from koalarize.photo.provenance import sealed
from koalarize.photo.read import DECODE_ERRORS, pixels_of_array
from koalarize.photo.rows import Rows, at_depth, to_depth
from koalarize.photo.sources import opened, seekable
from koalarize.photo.streams import decode_pictures, decode_stream

__all__ = ["MAX_PIXELS", "Photo", "output_format"]

Array = npt.NDArray[Any]
Source = str | os.PathLike[str] | bytes | bytearray | BinaryIO | Image.Image | Array

_CHUNK_PIXELS = 1 << 18

#: Pictures with more pixels are refused before they are decoded.
MAX_PIXELS = 500_000_000

_WITH_16_BITS = frozenset({"PNG", "TIFF"})


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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
        pages: how many pages, frames or pictures the file has, of which this is one.
        frame: what it is among them, where they are not pages.
        packing: how its file was packed.

    Raises:
        PhotoError: if pixels or alpha are none of these.
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
    frame: Frame | None = None
    packing: Packing = field(default_factory=Packing)

    def __post_init__(self) -> None:
        check_planes(self.pixels, self.alpha)

    def __repr__(self) -> str:
        return f"Photo({self.format}, {described(self.pixels, self.alpha)})"

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
            page: which page, frame or picture of a file with several, from 0.

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
            with opened(path) as stream:
                return cls._of(decode_stream(stream, f"`{path}`", limits), path)
        return cls._of(decode_stream(seekable(source), "the given file", limits))

    @classmethod
    def each(
        cls,
        source: str | os.PathLike[str] | bytes | BinaryIO,
        *,
        max_pixels: int = MAX_PIXELS,
        tolerant: bool = False,
    ) -> Generator[Photo]:
        """Read all pictures of a file, one at a time: pages, frames, a stereo pair.

        Args:
            source: a path, bytes or a binary file.
            max_pixels: as ``read`` takes it.
            tolerant: as ``read`` takes it; of an animation that is cut short fewer than ``pages``
                may come.

        Raises:
            PhotoError: as ``read`` says.
        """
        limits = Limits(max_pixels, tolerant)
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            with opened(path) as stream:
                for decoded in decode_pictures(stream, f"`{path}`", limits):
                    yield cls._of(decoded, path)
            return
        given = isinstance(source, (bytes, bytearray, memoryview))
        stream = io.BytesIO(source) if given else seekable(source)
        for decoded in decode_pictures(stream, "the given data", limits):
            yield cls._of(decoded)

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
            decoded.frame,
            decoded.packing,
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
    def called(self) -> str:
        """What each picture of its file is called, if there are several."""
        return CALLED.get(self.format, "picture")

    @property
    def is_partial(self) -> bool:
        """Whether its file was read as far as it goes: part of the photo may be filled up."""
        return bool({DAMAGED, FILLED} & set(self.notes))

    @property
    def is_grey(self) -> bool:
        """Whether ``pixels`` is (H, W)."""
        return self.pixels.ndim == 2

    def digest(self) -> str:
        """Return the sha256 of the picture itself: of size, depth, pixels and alpha."""
        found = hashlib.sha256(f"{self.pixels.shape} {self.pixels.dtype}".encode())
        for plane in (self.pixels, self.alpha):
            if plane is not None:
                found.update(np.ascontiguousarray(plane).data)
        return found.hexdigest()

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

    def encode(self, srgb: Array, *, format: str | None = None, threads: int = 1) -> bytes:
        """Encode colored pixels as a file with this photo's alpha, EXIF, resolution and depth.

        Args:
            srgb: (H, W, 3) of this photo's size; uint8, uint16, or floating point in [0, 1]. More
                than 8 bits are written as 16 in PNG and TIFF, else rounded to 8.
            format: Pillow's name of a format, or an extension; the photo's own by default, or PNG
                where that cannot be written.
            threads: how many share the work, where the format lets them; 0 takes one a core.

        Where the format holds no alpha (JPEG, BMP) the picture is laid over white.

        Raises:
            OutputError: if the format is unknown or cannot hold the picture.
        """
        return b"".join(self.encode_parts(srgb, format=format, threads=threads))

    def encode_parts(
        self, srgb: Array | Rows, *, format: str | None = None, threads: int = 1
    ) -> list[bytes]:
        """Return the parts of the file that ``encode`` makes, which is not held twice then.

        Args:
            srgb: as ``encode`` takes it; as ``Rows`` it is made while TIFF, PNG or JPEG is written.
            format: as ``encode`` takes it.
            threads: as ``encode`` takes it.
        """
        kind = output_format(format, self)
        self._check_size(srgb)
        check_sides(self.width, self.height, kind)
        ready = isinstance(srgb, np.ndarray)
        try:
            if kind == "TIFF" or (kind == "PNG" and not (ready and srgb.dtype == np.uint8)):
                return self._encode_ourselves(srgb, kind, threads)
            held, alpha = Held(self.exif, self.dpi, self.metadata), self._alpha_as(np.uint8)
            shallow = at_depth(srgb, np.uint8)
            return encode_shallow(shallow, alpha, kind, held, self.packing, threads)
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
        data = sealed(self.encode(srgb, format=target.suffix))
        return write_bytes(data, target, overwrite=overwrite)

    def left_out(self, format: str | None = None) -> tuple[str, ...]:
        """Return the names of what a format cannot hold of this photo's metadata.

        Args:
            format: as ``encode`` takes it.
        """
        held = Held(self.exif, self.dpi, self.metadata)
        return left_out(held, output_format(format, self))

    def notes_as(self, format: str | None = None, *, pages: int = 1) -> tuple[str, ...]:
        """Return what of the file a result in a format lacks, a phrase each.

        Args:
            format: as ``encode`` takes it.
            pages: how many pages the result has.
        """
        notes = self.notes
        if self.pages > pages:
            notes = (*notes, f"{self.called} 1 of {self.pages}: the others are left out")
        kind = output_format(format, self)
        lost = self.left_out(kind)
        if self.alpha is not None and kind in WITHOUT_ALPHA:
            lost = (*lost, "transparency")
        if self.pixels.dtype != np.uint8 and kind not in _WITH_16_BITS:
            lost = (*lost, "16 bits")
        elif self.pixels.dtype != np.uint8 and kind == "PNG" and pages > 1:
            notes = (*notes, "16 bits of an animation are written as 8")
        if kind == "TIFF" and self.frame is not None and self.frame.duration:
            lost = (*lost, "timing")
        if kind == "AVIF" and pages > 1 and self.frame is not None and self.frame.plays:
            lost = (*lost, "number of plays")
        if kind == "GIF":
            notes = (*notes, "GIF holds 256 colours a frame")
        return (*notes, f"{kind} cannot hold its {listed(lost)}") if lost else notes

    def to_image(self, srgb: Array) -> Image.Image:
        """Return colored pixels as an 8-bit PIL image, RGB or RGBA; ``info`` holds the rest."""
        self._check_size(srgb)
        image = picture_of(to_depth(srgb, np.uint8), self._alpha_as(np.uint8))
        kept = kept_in("PNG", Held(self.exif, self.dpi, self.metadata))
        del kept["pnginfo"]
        image.info.update(kept)
        return image

    def _check_size(self, srgb: Array | Rows) -> None:
        check_srgb(srgb, (self.height, self.width, 3))

    def _alpha_as(self, depth: type[np.uint8] | type[np.uint16]) -> Array | None:
        return None if self.alpha is None else to_depth(self.alpha, depth)

    def tiff_page(
        self, srgb: Array | Rows, at: int, *, last: bool, threads: int = 1
    ) -> list[bytes]:
        """Encode colored pixels as a page of a TIFF file.

        Args:
            srgb: as ``encode_parts`` takes it.
            at: where the page will stand in the file.
            last: whether no page will follow.
            threads: as ``encode`` takes it.

        Raises:
            OutputError: if the pixels are not of this photo.
            ValueError: if the file grows beyond what TIFF can address.
        """
        from koalarize.photo.encode16 import Kept, tiff_page

        self._check_size(srgb)
        depth = np.uint8 if srgb.dtype == np.uint8 else np.uint16
        kept = Kept(srgb_profile(), self.exif, self.dpi, fields=tiff_fields(self.metadata))
        alpha = self._alpha_as(depth)
        return tiff_page(at_depth(srgb, depth), alpha, kept, at, last=last, threads=threads)

    def _encode_ourselves(self, srgb: Array | Rows, kind: str, threads: int) -> list[bytes]:
        from koalarize.photo.encode16 import TIFF_HEAD, Kept, encode_png

        if kind == "TIFF":
            page = self.tiff_page(srgb, len(TIFF_HEAD), last=True, threads=threads)
            return [TIFF_HEAD, *page]
        depth = np.uint8 if srgb.dtype == np.uint8 else np.uint16
        kept = Kept(srgb_profile(), self.exif, self.dpi, tuple(png_texts(self.metadata)))
        return encode_png(at_depth(srgb, depth), self._alpha_as(depth), kept, threads=threads)


def output_format(asked: str | None, photo: Photo, *, moving: bool = False) -> str:
    """Return Pillow's name of the format that a photo is written in.

    Args:
        asked: a name or an extension; None for the photo's own.
        photo: the photo.
        moving: whether all frames of its animation are written.

    Raises:
        OutputError: if it is not written.
    """
    if asked is None:
        return written_format(photo.format, moving=moving)
    word = str(asked)  # of any other type it names no format
    kind = FORMATS.get("." + word.lower().removeprefix("."), word.upper())
    if kind not in OPTIONS:
        raise OutputError(
            f"`format` is {asked}, which is not written{did_you_mean(kind, OPTIONS)}: "
            f"use one of {', '.join(OPTIONS)}."
        )
    return kind
