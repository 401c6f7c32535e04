"""What the tests of photo share."""

import io
import struct

import numpy as np
import png
import tifffile
from PIL import Image

from koalarize.photo.files import FORMATS
from koalarize.photo.photo import Photo

WRITTEN = sorted(set(FORMATS.values()) - {"GIF"})  # of 256 colors, only for animations


LOSSLESS = ["PNG", "TIFF", "BMP"]


WITH_EXIF = ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"]


WITH_PROFILE = WITH_EXIF


WITH_DPI = ["JPEG", "PNG", "TIFF", "BMP"]


WITH_ALPHA = ["PNG", "TIFF", "WEBP", "AVIF"]


def smooth(height=24, width=36, channels=1):
    """A picture that lossy formats keep: ramps that differ across, down and between channels."""
    down, across = np.mgrid[0:height, 0:width]
    ramps = [across * 160 / width + 20 + down * 60 / height, 200 - down * 150 / height, across + 90]
    picture = np.stack(ramps, axis=-1).astype(np.uint8)
    return picture[..., 0].copy() if channels == 1 else picture


def colored(picture):
    """What a colorizer would hand to ``encode``."""
    levels = np.iinfo(picture.pixels.dtype).max
    grey = picture.pixels if picture.is_grey else picture.pixels[..., 1]
    return np.stack([grey, levels - grey, grey // 2], axis=-1)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def some_exif(orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "A maker"
    exif[0x8769] = {0x9003: "1931:05:04 12:00:00", 0x927C: b"maker's own"}
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 1.0)}
    return exif.tobytes()


def deep_photo(height, alpha, dtype=np.uint16):
    rng = np.random.default_rng(height)
    shape = (height, 701)  # 300 rows are more than one chunk, and do not divide evenly
    levels = np.iinfo(dtype).max + 1
    picture = Photo(
        rng.integers(0, levels, shape, dtype=dtype),
        alpha=rng.integers(0, levels, shape, dtype=dtype) if alpha else None,
        exif=some_exif(),
        dpi=(300.0, 200.0),
    )
    return picture, rng.integers(0, levels, (*shape, 3), dtype=dtype)


def independent(encoded, kind):
    """Decode without Pillow."""
    if kind == "TIFF":
        return tifffile.imread(io.BytesIO(encoded))
    width, height, lines, _ = png.Reader(bytes=encoded).asDirect()
    return np.vstack([np.asarray(line) for line in lines]).reshape(height, width, -1)


class OneWay(io.RawIOBase):
    """A stream that cannot seek, as a pipe."""

    def __init__(self, content):
        self._left = content

    def readable(self):
        return True

    def readinto(self, buffer):
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def png_chunk(kind, content):
    import zlib

    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


# Adobe RGB (1998), section 4.3.5, and sRGB of IEC 61966-2-1; both D65.
XYZ_FROM_SRGB = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)


XYZ_FROM_ADOBE = np.array(
    [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
)


ADOBE_FROM_XYZ = np.linalg.inv(XYZ_FROM_ADOBE)


def icc(space, tags):
    """Build a version 2 ICC profile; an independent builder to that of the package."""
    start = 132 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        table += struct.pack(">4sII", tag, start + len(body), len(value))
        body += value.ljust(-(-len(value) // 4) * 4, b"\0")
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x02100000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28 + xyz(D50)[8:]
    return header.ljust(128, b"\0") + table + body


def xyz(values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))


def gamma(exponent):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))


def description(words):
    ascii_words = words.encode() + b"\0"
    head = b"desc\0\0\0\0" + struct.pack(">I", len(ascii_words)) + ascii_words
    return head + b"\0" * (4 + 4 + 2 + 1 + 67)


D50 = (0.9642, 1.0, 0.8249)


def grey_profile(exponent):
    tags = {b"desc": description("grey"), b"wtpt": xyz(D50), b"kTRC": gamma(exponent)}
    return icc(b"GRAY", tags)


def adobe_profile():
    # The colorants of Adobe RGB (1998) adapted to D50, as in Adobe's own profile.
    tags = {
        b"desc": description("like Adobe RGB"),
        b"wtpt": xyz(D50),
        b"rXYZ": xyz((0.60974, 0.31111, 0.01947)),
        b"gXYZ": xyz((0.20528, 0.62567, 0.06087)),
        b"bXYZ": xyz((0.14919, 0.06322, 0.74457)),
        **{name: gamma(563 / 256) for name in (b"rTRC", b"gTRC", b"bTRC")},
    }
    return icc(b"RGB ", tags)
