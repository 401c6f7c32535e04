"""From an opened picture to upright pixels with everything worth keeping.

Not here: which reader takes which file (``streams``), Pillow's modes (``read``), what a person sees
of it (``photo``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.errors import PhotoError
from koalarize.photo.arguments import check_count, check_switch
from koalarize.photo.boxes import Window
from koalarize.photo.encode8 import Packing
from koalarize.photo.frames import Frame, frame_of
from koalarize.photo.libtiff import gathered, is_whole, of_pixels
from koalarize.photo.mend import DAMAGED, WHOLE_ONLY, damaged
from koalarize.photo.metadata import Metadata
from koalarize.photo.read import (
    DECODE_ERRORS,
    dpi_of,
    exif_of,
    pixels_of,
    too_large,
    upright,
)
from koalarize.photo.samples import Samples, srgb_of_samples
from koalarize.photo.shortage import is_short

__all__ = [
    "CALLED",
    "Beside",
    "Decoded",
    "Limits",
    "check_size",
    "decode_image",
    "give_back",
    "turned",
]

Array = npt.NDArray[Any]

#: Formats of which a file may hold several pictures, and what they are called there.
CALLED = {
    "TIFF": "page",
    "DCX": "page",
    "GIF": "frame",
    "PNG": "frame",
    "WEBP": "frame",
    "AVIF": "frame",
    "FLI": "frame",
    "MPO": "picture",
    "HEIF": "picture",
}

_SHALLOW = {"L;2": 3, "L;4": 15}  # how Pillow calls grey of few bits, and its white


@dataclass(frozen=True)
class Limits:
    """What is read at all.

    Attributes:
        max_pixels: pictures with more are refused before they are decoded.
        tolerant: read a picture that is cut short as far as it goes.
        page: which page, frame or picture of the file is read, from 0.
    """

    max_pixels: int
    tolerant: bool = False
    page: int = 0

    def __post_init__(self) -> None:
        check_count("page", self.page, 0, "the first page is 0")
        check_count("max_pixels", self.max_pixels, 1, "as 500_000_000")
        check_switch("tolerant", self.tolerant)


@dataclass(frozen=True)
class Beside:
    """What stands in a file beside the picture that Pillow is given.

    Attributes:
        metadata: XMP and the like.
        exif: an EXIF block that Pillow does not see.
        icc: a profile that Pillow does not see.
        notes: what has been left out of the file.
        samples: gives the samples where Pillow would drop half of their bits.
        lossless: whether a format that can be either is lossless here.
        pages: how many pictures the file has, where Pillow need not look at all of them.
        window: what is shown of the picture, before it is turned; None is all of it.
    """

    metadata: Metadata = field(default_factory=Metadata)
    exif: bytes | None = None
    icc: bytes | None = None
    notes: tuple[str, ...] = ()
    samples: Callable[[], Samples] | None = None
    lossless: bool = False
    pages: int = 0
    window: Window | None = None


@dataclass(frozen=True)
class Decoded:
    """An upright picture, as ``Photo`` holds it, and notes on what its file kept back."""

    pixels: Array
    alpha: Array | None
    format: str
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()
    pages: int = 1
    frame: Frame | None = None
    packing: Packing = field(default_factory=Packing)

    @property
    def called(self) -> str:
        """What each picture of a file with several is called."""
        return CALLED.get(self.format, "picture")


def decode_image(
    image: Image.Image, name: str, limits: Limits, beside: Beside | None = None, *, own: bool
) -> Decoded:
    """Decode an image that Pillow has opened.

    Args:
        image: the image.
        name: what to call it in an error.
        limits: what is read at all.
        beside: what its file holds that Pillow has not been given.
        own: whether the image may be changed and closed.

    Raises:
        PhotoError: if it is damaged or too large.
    """
    check_size(image.size, name, limits.max_pixels)
    beside = beside or Beside()
    kind = image.format or "PNG"
    if own:
        give_back(image, beside)
    metadata = _of_pillow(image, beside.metadata)
    try:
        dpi = dpi_of(image)
        if beside.samples is None:
            damage = _load(image, limits)
            pixels, alpha, told = pixels_of(image, name)
            if kind == "XBM" and own:  # in which 1 is black (X11R6, XReadBitmapFile)
                pixels = np.invert(pixels)
            samples = Samples(pixels, alpha, notes=(*told, *damage))
        else:
            samples = srgb_of_samples(beside.samples(), image.info.get("icc_profile"), name)
        if beside.window is not None:
            samples = _shown(samples, beside.window)
        exif, orientation, torn = exif_of(image)
        pages, lost = beside.pages or 1, tuple[str, ...]()
        if not beside.pages and kind in CALLED and own:
            pages, lost = _pages_of(image, limits)
        frame = frame_of(image) if not lost else None
    except MemoryError as error:
        raise too_large(image.size, name) from error
    except DECODE_ERRORS as error:
        if is_short(kind, image.size, error):
            raise too_large(image.size, name) from MemoryError(str(error))
        if not own and _is_closed(image):
            step = "give it inside of its `with`, or `image.copy()`"
            raise PhotoError(f"{name} is closed, so its pixels are gone: {step}.") from error
        partly = not limits.tolerant and kind not in WHOLE_ONLY
        raise PhotoError(damaged(name, error, partly=partly)) from error
    packing = _packing_of(image, beside)
    if own:
        Image.Image.close(image)  # frees Pillow's copy before ours is turned; the file stays open
    notes = (*beside.notes, *samples.notes, *torn, *lost)
    decoded = Decoded(
        samples.values, samples.alpha, kind, exif, dpi, metadata, notes, pages, frame, packing
    )
    return turned(decoded, orientation)


def _is_closed(image: Image.Image) -> bool:
    """Tell whether an image was closed, or its file before it was read."""
    file = getattr(image, "fp", None)
    if getattr(image, "tile", ()) and (file is None or file.closed):
        return True
    try:
        image.load()
    except ValueError as error:
        return "closed" in str(error)
    except DECODE_ERRORS:
        pass
    return False


def _shown(samples: Samples, window: Window) -> Samples:
    """Return what is shown of a picture."""
    left, top, right, bottom = window
    values, alpha = samples.values[top:bottom, left:right], samples.alpha
    clear = None if alpha is None else alpha[top:bottom, left:right]
    return dataclasses.replace(samples, values=values, alpha=clear)


def _pages_of(image: Image.Image, limits: Limits) -> tuple[int, tuple[str, ...]]:
    """Return how many pictures there are, and a note if those behind the first are damaged."""
    try:
        return getattr(image, "n_frames", 1), ()
    except DECODE_ERRORS:
        if not limits.tolerant:
            raise
        return 1, ("what stands behind its first picture is damaged and left out",)


def _packing_of(image: Image.Image, beside: Beside) -> Packing:
    tables: dict[int, list[int]] = getattr(image, "quantization", None) or {}
    sound = all(len(table) == 64 for table in tables.values())
    found = tuple(tuple(tables[key]) for key in sorted(tables)) if sound else ()
    return Packing(beside.lossless, found)


def give_back(image: Image.Image, beside: Beside) -> None:
    """Show Pillow what it needs of that which was taken out of the file; once, before it decodes.

    The transparent level of a PNG is brought to 8 bits, as Pillow brings the pixels.
    """
    for key, value in (
        ("exif", beside.exif),
        ("icc_profile", beside.icc),
        ("xmp", beside.metadata.xmp),
    ):
        if value is not None:
            image.info[key] = value
    clear, tiles = image.info.get("transparency"), getattr(image, "tile", ())
    if image.format == "PNG" and isinstance(clear, int) and tiles:
        white = _SHALLOW.get(tiles[0].args)
        if white is not None:
            image.info["transparency"] = (clear & white) * (255 // white)


def _of_pillow(image: Image.Image, metadata: Metadata) -> Metadata:
    """Return the metadata with what only Pillow reads: XMP of WebP and AVIF, comments of GIF."""
    xmp, comment = image.info.get("xmp"), image.info.get("comment")
    if metadata.xmp is None and isinstance(xmp, bytes) and xmp:
        metadata = dataclasses.replace(metadata, xmp=xmp)
    if not metadata.comments and isinstance(comment, bytes) and comment:
        metadata = dataclasses.replace(metadata, comments=(comment,))
    return metadata


def _load(image: Image.Image, limits: Limits) -> tuple[str, ...]:
    """Decode a picture whose size has been checked already, past Pillow's own limit on TIFF.

    Returns:
        A note if it is damaged, and read as far as it goes.

    Raises:
        OSError: if it is damaged, and not to be read so.
    """
    size = getattr(image, "_tile_size", None)
    if size is not None and getattr(image, "_im", 0) is None:
        image.im = Image.core.new(image.mode, size)
    with gathered() as said:
        try:
            image.load()
        except OSError as error:
            whole = image.format != "TIFF" or is_whole(said)
            if not (limits.tolerant and whole) or getattr(image, "tile", ()):  # not all is there
                raise
            if is_short(image.format or "", image.size, error):
                raise
            image.load()  # its decoder is not asked again: what it gave is in the image
            if image.getbbox() is None:  # nothing
                raise
            return (DAMAGED,)
    decoder = of_pixels(said)
    if decoder is None:
        return ()
    if not limits.tolerant:
        raise OSError(f"{decoder} finds bad data")
    return (DAMAGED,)


def turned(decoded: Decoded, orientation: int) -> Decoded:
    """Turn a picture and what is said of it upright."""
    alpha, dpi = decoded.alpha, decoded.dpi
    height, width = decoded.pixels.shape[:2]
    if dpi and orientation >= 5:
        dpi = (dpi[1], dpi[0])
    return dataclasses.replace(
        decoded,
        pixels=upright(decoded.pixels, orientation),
        alpha=None if alpha is None else upright(alpha, orientation),
        dpi=dpi,
        metadata=decoded.metadata.carried().upright(orientation, (width, height)),
    )


def check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    """Check that a picture has pixels, and not too many.

    Raises:
        PhotoError: if not.
    """
    width, height = size
    if not (width > 0 and height > 0):
        raise PhotoError(f"{name} is {width} × {height} pixels: a picture needs at least one.")
    if width * height > max_pixels:
        raise PhotoError(
            f"{name} has {width} × {height} = {width * height:,} pixels but at most "
            f"{max_pixels:,} are read: make it smaller, or raise `max_pixels`."
        )
