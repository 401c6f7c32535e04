"""What a file of several pictures says of each: when a frame is shown, where a stereo pair lies.

Not here: TIFF pages (``tiff_pixels``), pixels (``decode``), writing (``containers``).
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from PIL import GifImagePlugin, Image

from koalarize.photo.directories import TiffReader
from koalarize.photo.jpeg_segments import segment_places

__all__ = [
    "ANIMATIONS",
    "Frame",
    "MpoPart",
    "frame_of",
    "is_lossless_webp",
    "later_frames",
    "mpo_parts",
    "webp_chunks",
]

#: Formats that hold animations, by Pillow's names.
ANIMATIONS = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
_APP1, _APP2 = 0xE1, 0xE2
_MPF = b"MPF\0"
_ENTRIES = 0xB002
_ENTRY = 16  # bytes
_MOST_PICTURES = 1000
_MOST_CHUNKS = 1 << 16
_LARGE_PREVIEW = 0x010000  # kinds of a picture that is a smaller copy of another
# What says in a picture's own segments that it is a map of brightness or depth: Adobe's and Apple's
# namespaces in XMP, and ISO 21496-1.
_MAPS = (
    b"http://ns.adobe.com/hdr-gain-map/",
    b"http://ns.apple.com/HDRGainMap/",
    b"http://ns.apple.com/pixeldatainfo/",
    b"urn:iso:std:iso:ts:21496:-1",
)


@dataclass(frozen=True)
class Frame:
    """What a picture is among those of its file.

    Attributes:
        duration: how long it is shown, milliseconds; 0 where nothing is said.
        plays: how often the pictures are shown in all; 0 is for ever.
        aside: whether it is shown only where animations are not, and is none of them.
        kind: of a picture in an MPO file, as CIPA DC-007 numbers them.
    """

    duration: float = 0.0
    plays: int = 1
    aside: bool = False
    kind: int = 0


def frame_of(image: Image.Image) -> Frame | None:
    """Return what an animation says of the frame that has been decoded; None if it is none."""
    if image.format not in ANIMATIONS or getattr(image, "n_frames", 1) < 2:
        return None
    duration, loop = image.info.get("duration", 0), image.info.get("loop")
    duration = float(duration) if isinstance(duration, (int, float)) else 0.0
    plays = 0 if image.format == "AVIF" else 1
    if isinstance(loop, int):  # GIF counts how often they are shown again
        plays = loop + (image.format == "GIF" and loop > 0)
    aside = image.tell() == 0 and bool(getattr(image, "default_image", False))
    return Frame(duration if math.isfinite(duration) and duration > 0 else 0.0, plays, aside)


def later_frames(image: Image.Image) -> Iterator[Image.Image]:
    """Yield an animation itself at each frame but the one it was opened at, not yet decoded.

    That is the first, but in HEIC files, where it is the one that the file calls its primary.
    """
    opened = image.tell()
    for number in range(getattr(image, "n_frames", 1)):
        if number != opened:
            _leave_levels(image)
            image.seek(number)
            yield image


def _leave_levels(image: Image.Image) -> None:
    """Bring a GIF whose palette is a ramp of greys to colours before a frame is laid over it.

    Pillow takes such a frame for levels, and then the numbers of another palette for levels too.
    """
    if not (isinstance(image, GifImagePlugin.GifImageFile) and image.mode == "L"):
        return
    image.load()
    clear = image.info.get("transparency")
    mode = "RGB" if clear is None else "RGBA"
    beneath = image.dispose  # what is laid over the frame before the next one comes
    if beneath is not None:  # one number everywhere
        level = beneath.getpixel((0, 0))
        sides = (level,) * 3 if clear is None else (level, level, level, 0)
        image.dispose = Image.core.fill(mode, beneath.size, sides)
    levels = image.im
    image.im = (
        levels.convert("RGB", 0) if clear is None else levels.convert_transparent(mode, clear)
    )
    image._mode = mode  # pyright: ignore[reportPrivateUsage]
    image.info.pop("transparency", None)


@dataclass(frozen=True)
class MpoPart:
    """A picture of an MPO file: where it lies, and what it is."""

    at: int
    size: int
    frame: Frame

    def stream(self, whole: BinaryIO) -> BinaryIO:
        """Return the JPEG file that it is."""
        whole.seek(self.at)
        return io.BytesIO(whole.read(self.size))


def mpo_parts(stream: BinaryIO) -> tuple[list[MpoPart], int, bool]:
    """Return the pictures of a JPEG file with a list of several (CIPA DC-007), if it has one.

    Returns:
        The pictures; how many others there are: previews, maps of brightness or depth, and pictures
        of another size than the first; whether the file ends before all are there.

    Raises:
        ValueError: if the list is damaged.
        struct.error: if it is damaged.
    """
    found = _list_of_pictures(stream)
    if found is None:
        return [], 0, False
    at, block = found
    reader = TiffReader(io.BytesIO(block))
    entries = reader.directory(reader.first)[0].fields.get(_ENTRIES)
    if entries is None or len(entries.data) > _MOST_PICTURES * _ENTRY:
        raise ValueError("no list of pictures")
    parts: list[MpoPart] = []
    for place in range(0, len(entries.data) - _ENTRY + 1, _ENTRY):
        kind, size, offset = struct.unpack_from(reader.order + "3I", entries.data, place)
        parts.append(MpoPart(at + offset if parts else 0, size, Frame(kind=kind)))
    first, end = _size_of(stream), stream.seek(0, io.SEEK_END)
    fitting = [part for part in parts[1:] if _fits(part, stream, first)]
    others = [part for part in parts[1:] if part not in fitting]
    missing = [part for part in others if part.at + part.size > end]
    return [*parts[:1], *fitting], len(others) - len(missing), bool(missing)


def _fits(part: MpoPart, stream: BinaryIO, size: tuple[int, int] | None) -> bool:
    if part.frame.kind & 0xFF0000 == _LARGE_PREVIEW:
        return False
    picture = part.stream(stream)
    return _size_of(picture) == size and not _is_map(picture)


def _is_map(stream: BinaryIO) -> bool:
    """Tell whether a JPEG file says of itself that it is a map of brightness or depth."""
    for marker, at, size in segment_places(stream):
        if marker in (_APP1, _APP2):
            stream.seek(at)
            data = stream.read(size)
            if any(name in data for name in _MAPS):
                return True
    return False


def _size_of(stream: BinaryIO) -> tuple[int, int] | None:
    """Return width and height that a JPEG file states."""
    for marker, at, size in segment_places(stream):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and size >= 7:
            stream.seek(at + 1)
            height, width = struct.unpack(">2H", stream.read(4))
            return width, height
    return None


def _list_of_pictures(stream: BinaryIO) -> tuple[int, bytes] | None:
    """Return where the TIFF structure of the list stands, and its bytes."""
    for marker, at, size in segment_places(stream):
        if marker == _APP2:
            stream.seek(at)
            data = stream.read(size)
            if data.startswith(_MPF):
                return at + len(_MPF), data[len(_MPF) :]
    return None


def webp_chunks(stream: BinaryIO) -> list[bytes]:
    """Return the kinds of the chunks of a WebP file, those of its frames too."""
    kinds: list[bytes] = []
    at = 12
    while len(kinds) < _MOST_CHUNKS:
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            break
        kind, size = struct.unpack("<4sI", head)
        kinds.append(kind)
        # A frame is a list of chunks behind sixteen bytes of its own.
        at += 8 + (16 if kind == b"ANMF" else size + size % 2)
    return kinds


def is_lossless_webp(stream: BinaryIO) -> bool:
    """Tell whether the first picture of a WebP file is packed without loss."""
    packed = (kind for kind in webp_chunks(stream) if kind in (b"VP8L", b"VP8 "))
    return next(packed, b"") == b"VP8L"
