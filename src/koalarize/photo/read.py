"""From a Pillow image to upright sRGB arrays: modes, palettes, alpha, bit depth, orientation, EXIF.

Not here: color profiles (``profiles``), and what a person sees of it (``photo``). Pictures are
taken over in bands of rows, so that Pillow's copy and ours never need a third one beside them.
"""

from __future__ import annotations

import importlib
import math
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.errors import PhotoError
from koalarize.photo.exif_block import block_of, corrected, orientation_of
from koalarize.photo.lab import lab_to_pixels
from koalarize.photo.levels import wide_to_uint16
from koalarize.photo.mend import damaged
from koalarize.photo.places import turning
from koalarize.photo.planes import check_mask
from koalarize.photo.profiles import strip_to_srgb, through_profile
from koalarize.photo.shortage import is_short, webp_size
from koalarize.photo.sources import head_apart
from koalarize.photo.unread import BEGINNING, kind_of, step_for

__all__ = [
    "DECODE_ERRORS",
    "dpi_of",
    "exif_of",
    "is_neutral_throughout",
    "open_image",
    "pixels_of",
    "pixels_of_array",
    "too_large",
    "upright",
]

Array = npt.NDArray[Any]

_BAND_PIXELS = 1 << 18  # a band of RGB stays in the cache while it is looked at twice
_EXIF_HEAD = b"Exif\0\0"
_UNITS_OF_JFIF = (1, 2)  # the inch and the centimeter
_PER_CENTIMETER = 3
_MOST_BRANDS = 256  # bytes
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs")
# These start another program or draw vectors: never for a picture from somebody else. The others
# know their files but decode none.
_REFUSED = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})
# What Pillow's readers are known to raise on a damaged file.
DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    AssertionError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def open_image(stream: BinaryIO, name: str) -> Image.Image:
    """Open a picture by its content, without decoding it and without Pillow's global size limit.

    ``Image.open`` refuses what is larger than a global of its module, which threads share; here the
    same table of readers is asked, and the caller applies its own limit.

    Raises:
        PhotoError: if no reader knows the content, or the reader finds it damaged.
    """
    stream.seek(0)
    start = stream.read(BEGINNING)
    head = start[:16]
    if not head:
        raise PhotoError(f"{name} is empty (0 bytes): copy it again from where it came from.")
    heic = head[4:8] == b"ftyp" and head[8:12] in _HEIC
    if heic:
        _register_heif()
    tried: set[str] = set()
    failed: str | None = None
    for load_readers in (Image.preinit, Image.init):
        load_readers()
        for kind in [k for k in Image.ID if k not in tried and k not in _REFUSED]:
            tried.add(kind)
            factory, accept = Image.OPEN[kind]
            try:
                if accept and accept(head) is not True:
                    continue
                stream.seek(0)
                return factory(head_apart(stream) if kind == "WEBP" else stream, "")
            except (SyntaxError, struct.error, LookupError) as error:  # not of this kind, after all
                if accept and isinstance(error, SyntaxError):
                    failed = f"{kind} ({str(error).rstrip('.')})"
            except DECODE_ERRORS as error:
                stream.seek(0)
                size = webp_size(stream.read(30)) if kind == "WEBP" else None
                if size is not None and is_short(kind, size, error):
                    raise too_large(size, name) from MemoryError(str(error))
                if kind == "XPM":  # of which Pillow reads no named colours
                    raise PhotoError(f"{name} is an XPM of a rare kind: save it as PNG.") from error
                raise PhotoError(damaged(name, error, partly=False)) from error
    if (kind := kind_of(start)) is not None:
        raise PhotoError(f"{name} is not a picture in a known format but {kind}: {step_for(kind)}.")
    if failed and "-bit layers" in failed:
        raise PhotoError(
            f"{name} is a JPEG of a rare kind (of more than 8 bits, or lossless), which is not "
            "read: save it as PNG or TIFF."
        )
    if heic and "HEIF" not in Image.OPEN and not (failed and _is_also_avif(stream)):
        raise PhotoError(
            f"{name} is a HEIC picture: install the extra with `pip install 'koalarize[heif]'`, "
            "or save it as JPEG or PNG."
        )
    if failed:
        raise PhotoError(
            f"{name} cannot be read as {failed}, so it is damaged or of a rare kind: "
            "copy it again, or save it as PNG."
        )
    raise PhotoError(
        f"{name} is not a picture in a known format, or its beginning is damaged: "
        "give a JPEG, PNG, TIFF, WebP, BMP or AVIF file."
    )


def _is_also_avif(stream: BinaryIO) -> bool:
    """Tell whether a file of a brand that HEIC and AVIF share says that it is AVIF."""
    stream.seek(0)
    size = int.from_bytes(stream.read(4), "big")
    return b"avi" in stream.read(min(size, _MOST_BRANDS))


def _register_heif() -> None:
    """Let Pillow read HEIC, if the extra `heif` is installed."""
    try:
        heif = importlib.import_module("pillow_heif")
    except ImportError:
        return
    heif.register_heif_opener()


def too_large(size: tuple[int, int], name: str) -> PhotoError:
    """Return the error for a picture that memory does not hold."""
    return PhotoError(
        f"{name} ({size[0]} × {size[1]} pixels) does not fit in memory: close other programs, or "
        "make it smaller."
    )


def pixels_of(image: Image.Image, name: str) -> tuple[Array, Array | None, tuple[str, ...]]:
    """Decode a picture into sRGB pixels and alpha; (H, W) if it is grey, whatever its mode says.

    Returns:
        Pixels (H, W) or (H, W, 3), uint8, or uint16 for deep grey; alpha (H, W) of the same dtype,
        or None; notes on levels and profile. Orientation is not applied yet.
    """
    alpha: Array | None = None
    notes: tuple[str, ...] = ()
    icc = image.info.get("icc_profile")
    if image.mode in ("I", "F"):
        values = np.asarray(image)
        if image.format == "PPM" and image.mode == "I":
            values = values.astype(np.uint16)  # 16-bit levels, however dark the picture
        pixels, notes = wide_to_uint16(values, name)
    elif image.mode.startswith("I;16"):
        pixels, alpha = _deep_grey(image)
    else:
        convert, profiled, notes = _strip_converter(image, icc, name)
        pixels, alpha = _take_bands(image, convert)
        icc = None if profiled else icc
    if isinstance(icc, bytes) and icc:
        pixels, told = through_profile(pixels, icc)
        notes = (*notes, *told)
    return pixels, alpha, notes


def pixels_of_array(array: Array) -> tuple[Array, Array | None]:
    """Check an array and split it into pixels and alpha, as ``pixels_of`` does; floats stay.

    Raises:
        PhotoError: if its shape, dtype or values are none of a picture.
    """
    check_mask(array, "array")
    array = np.asarray(array)
    shape = array.shape
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 2, 3, 4)):
        raise PhotoError(
            f"the array has shape {shape} but must be (H, W) or (H, W, C) with C from 1 to 4: "
            "give one picture, channels last."
        )
    if 0 in shape:
        raise PhotoError(f"the array has shape {shape}: a picture needs at least one pixel.")
    array = _checked_values(array)
    alpha = None
    if array.ndim == 3 and shape[2] in (2, 4):
        alpha, array = np.ascontiguousarray(array[..., -1]), array[..., :-1]
    if array.ndim == 3 and (array.shape[2] == 1 or is_neutral_throughout(array)):
        array = array[..., 0]
    return np.ascontiguousarray(array), alpha


def upright(array: Array, orientation: int) -> Array:
    """Apply an EXIF orientation (1..8) to (H, W) or (H, W, C); contiguous, no copy for 1."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def exif_of(image: Image.Image) -> tuple[bytes | None, int, tuple[str, ...]]:
    """Return the EXIF block with its orientation set to 1, the orientation it had, and notes.

    The thumbnail, which shows the grey picture, is unhooked; all else keeps its bytes and place, so
    that maker notes, which hold absolute offsets, stay readable. Call it on a decoded image: Pillow
    turns a TIFF itself. The EXIF data of a TIFF file are its own fields (``metadata``).
    """
    orientation = 1
    try:
        orientation = orientation_of(image)
        raw = block_of(image)
        if raw is not None:
            block = raw.removeprefix(_EXIF_HEAD)
            move = turning(orientation, image.size)
            return _EXIF_HEAD + corrected(block, move), orientation, ()
    except DECODE_ERRORS:
        return None, orientation, ("its damaged EXIF data is left out",)
    return None, orientation, ()


def dpi_of(image: Image.Image) -> tuple[float, float] | None:
    """Return the dots per inch, if the picture states sensible ones; call it before decoding.

    Pillow turns the pixels of a TIFF when it decodes them, but not the resolution: here it is
    turned with them. A JPEG file whose EXIF states none has 72 by Pillow, and none here.
    """
    own = image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in _UNITS_OF_JFIF
    try:
        across, down = _dpi_of_exif(image) if own else (float(v) for v in image.info["dpi"])
    except DECODE_ERRORS:
        return None
    # 1 x 1 is what Pillow makes of a TIFF that states no unit.
    if not all(math.isfinite(v) and 1 < v < 1e6 for v in (across, down)):
        return None
    turned = image.format == "TIFF" and orientation_of(image) >= 5
    return (down, across) if turned else (across, down)


def _dpi_of_exif(image: Image.Image) -> tuple[float, float]:
    exif = image.getexif()
    scale = 2.54 if exif.get(296) == _PER_CENTIMETER else 1.0
    return float(exif[282]) * scale, float(exif[283]) * scale


def _strip_converter(
    image: Image.Image, icc: bytes | None, name: str
) -> tuple[Callable[[Image.Image], Image.Image], bool, tuple[str, ...]]:
    """Return what brings a band to L, LA, RGB or RGBA, whether that used the profile, and notes."""
    mode, clear = image.mode, image.has_transparency_data
    if mode == "CMYK":
        convert, notes = strip_to_srgb(icc)
        return convert, True, notes
    if mode == "LAB":
        return lambda strip: Image.fromarray(lab_to_pixels(np.asarray(strip), name)), True, ()
    if mode in ("1", "L", "LA", "La"):
        target = "LA" if clear else "L"
    else:
        target = "RGBA" if clear else "RGB"
    if mode == target:
        return _as_it_is, False, ()
    return partial(_converted, target), False, ()


def _as_it_is(strip: Image.Image) -> Image.Image:
    return strip


def _converted(mode: str, strip: Image.Image) -> Image.Image:
    return strip.convert(mode)


def _take_bands(
    image: Image.Image, convert: Callable[[Image.Image], Image.Image]
) -> tuple[Array, Array | None]:
    """Copy the picture band by band; color is stored only from the first colored pixel on."""
    width, height = image.size
    rows = max(1, _BAND_PIXELS // width)
    grey: Array = np.empty((height, width), np.uint8)
    srgb: Array | None = None
    alpha: Array | None = None
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = convert(image.crop((0, top, width, bottom)))
        if srgb is None and strip.mode == "RGB" and (level := _neutral_level(strip)) is not None:
            grey[top:bottom] = level
            continue
        band = np.asarray(strip).reshape(bottom - top, width, -1)
        if band.shape[2] in (2, 4):
            alpha = np.empty((height, width), np.uint8) if alpha is None else alpha
            alpha[top:bottom] = band[..., -1]
            band = band[..., :-1]
        if srgb is None and not _is_neutral(band):
            srgb = np.empty((height, width, 3), np.uint8)
            srgb[:top] = grey[:top, :, None]
            grey = srgb[..., 0]
        if srgb is not None:
            srgb[top:bottom] = band
        else:
            grey[top:bottom] = band[..., 0]
    return (grey if srgb is None else srgb), alpha


def _neutral_level(strip: Image.Image) -> Array | None:
    """Return the levels (h, w) of an RGB image whose channels are equal; None if they are not.

    Channel by channel, so that no copy of all four bytes of each of Pillow's pixels is made.
    """
    red = strip.tobytes("raw", "R")
    if not red == strip.tobytes("raw", "G") == strip.tobytes("raw", "B"):
        return None
    return np.frombuffer(red, np.uint8).reshape(strip.height, strip.width)


def _is_neutral(srgb: Array) -> bool:
    """Tell whether (..., 1) or (..., 3) holds no color at all."""
    if srgb.shape[-1] == 1:
        return True
    r, g, b = srgb[..., 0], srgb[..., 1], srgb[..., 2]
    return bool(np.array_equal(r, g) and np.array_equal(g, b))


def _deep_grey(image: Image.Image) -> tuple[Array, Array | None]:
    """Decode 16-bit grey, with the two things about it that Pillow leaves to its caller."""
    width, height = image.size
    tags = getattr(image, "tag_v2", {})
    twelve = tags.get(258) == (12,)
    inverted = tags.get(262) == 0  # as film scanners write negatives
    clear = image.info.get("transparency")
    pixels = np.empty((height, width), np.uint16)
    alpha: Array | None = None
    if isinstance(clear, int):  # one level of a PNG that is fully transparent
        alpha = np.empty_like(pixels)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = np.asarray(image.crop((0, top, width, bottom)))
        if alpha is not None:
            alpha[top:bottom] = np.where(band == clear, 0, 65535)
        if twelve:
            band = band.astype(np.uint32) * 65535 // 4095
        pixels[top:bottom] = np.subtract(65535, band) if inverted else band
    return pixels, alpha


def _checked_values(array: Array) -> Array:
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "b":
        raise PhotoError(
            "the array has dtype bool but must be uint8, uint16 or floating point in [0, 1]: "
            "bring it to levels with `array.astype(np.uint8) * 255`."
        )
    if array.dtype.kind != "f":
        raise PhotoError(
            f"the array has dtype {array.dtype} but must be uint8, uint16 or floating point in "
            "[0, 1]: convert it with `astype`."
        )
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise PhotoError("the array has values that are not finite: replace them before colouring.")
    if low < -1e-4 or high > 1 + 1e-4:
        step = (
            "divide them by their white" if low >= 0 else "take (array - black) / (white - black)"
        )
        raise PhotoError(
            f"the array has floating-point values from {low:g} to {high:g} but they must be in "
            f"[0, 1]: {step}."
        )
    array = array.astype(np.float32, copy=False)
    return array if low >= 0 and high <= 1 else np.clip(array, 0, 1)


def is_neutral_throughout(srgb: Array) -> bool:
    """Tell whether (H, W, 3) holds no color at all."""
    rows = max(1, _BAND_PIXELS // srgb.shape[1])
    parts = (srgb[top : top + rows] for top in range(0, len(srgb), rows))
    return all(_is_neutral(part) for part in parts)
