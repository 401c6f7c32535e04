"""Several encoded pictures as one file: GIF, WebP, PNG and AVIF animations, and MPO.

Not here: encoding a picture (``photo``), TIFF pages (``encode16``). Each picture comes as a file of
its own and covers the whole canvas, so that it shows the same whatever was shown before it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from PIL import Image

from koalarize.errors import OutputError
from koalarize.photo.encode8 import OPTIONS
from koalarize.photo.exif_block import without_orientation
from koalarize.photo.frames import Frame
from koalarize.photo.png_chunks import SIGNATURE, chunk, chunks_of

__all__ = ["JOINERS", "Encoded"]

_MOST_DELAY = 65535
_APP2 = 0xE2


@dataclass(frozen=True)
class Encoded:
    """A picture as a file, and what it is among the others."""

    data: bytes
    frame: Frame
    size: tuple[int, int]


def join_gif(pictures: Sequence[Encoded]) -> bytes:
    """Return a GIF animation; each frame has colors of its own."""
    width, height = pictures[0].size
    parts = [b"GIF89a", struct.pack("<2H3B", width, height, 0x70, 0, 0)]
    plays = pictures[0].frame.plays
    if plays != 1:
        parts.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", max(plays - 1, 0), 0))
    for number, picture in enumerate(pictures):
        parts.append(_gif_frame(picture, first=number == 0))
    return b"".join([*parts, b"\x3b"])


def _gif_frame(picture: Encoded, *, first: bool) -> bytes:
    """Return a frame of a GIF file with its own table of colors."""
    data = picture.data
    flags = data[10]
    colors = 3 << (flags & 7) + 1 if flags & 0x80 else 0
    table, at = data[13 : 13 + colors], 13 + colors
    clear: int | None = None
    kept = b""
    while data[at] == 0x21:  # extensions
        end = _end_of_blocks(data, at + 2)
        if data[at + 1] == 0xF9 and data[at + 3] & 1:
            clear = data[at + 6]
        elif data[at + 1] == 0xFE and first:  # a comment
            kept += data[at:end]
        at = end
    delay = min(round(picture.frame.duration / 10), _MOST_DELAY)
    # A transparent frame is taken away before the next one, another is painted over.
    how = 1 << 2 if clear is None else 2 << 2 | 1
    control = b"\x21\xf9\x04" + struct.pack("<BHBB", how, delay, clear or 0, 0)
    place, own = data[at : at + 9], data[at + 9]
    if not own & 0x80:
        own = own & 0x40 | 0x80 | flags & 7
    else:
        table = b""
    return kept + control + place + bytes([own]) + table + data[at + 10 : data.rindex(b"\x3b")]


def _end_of_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += data[at] + 1
    return at + 1


def join_png(pictures: Sequence[Encoded]) -> bytes:
    """Return a PNG animation."""
    count = sum(not picture.frame.aside for picture in pictures)
    plays = pictures[0].frame.plays
    out = [SIGNATURE]
    header = b""
    sequence = 0
    for number, picture in enumerate(pictures):
        started = False
        for kind, content in chunks_of(picture.data):
            if kind == b"IHDR" and number and content != header:
                raise OutputError("the frames differ in size or depth: choose TIFF")
            if kind == b"IHDR" and not number:
                header = content
            if kind == b"IDAT" and not started:
                started = True
                if not number:
                    out.append(chunk(b"acTL", struct.pack(">2I", count, plays)))
                if not picture.frame.aside:
                    out.append(chunk(b"fcTL", _control(sequence, picture)))
                    sequence += 1
            if kind == b"IDAT" and number:
                out.append(chunk(b"fdAT", struct.pack(">I", sequence) + content))
                sequence += 1
            elif not number and kind != b"IEND":
                out.append(chunk(kind, content))
    return b"".join([*out, chunk(b"IEND", b"")])


def _control(sequence: int, picture: Encoded) -> bytes:
    """Return the data of a frame's control chunk: it replaces what was shown."""
    delay = Fraction(picture.frame.duration / 1000).limit_denominator(1000)
    if delay.numerator > _MOST_DELAY:
        delay = Fraction(min(round(delay), _MOST_DELAY))
    return struct.pack(
        ">5I2H2B", sequence, *picture.size, 0, 0, delay.numerator, delay.denominator, 0, 0
    )


def join_webp(pictures: Sequence[Encoded]) -> bytes:
    """Return a WebP animation."""
    parts: dict[bytes, bytes] = {}
    frames: list[bytes] = []
    clear = False
    for number, picture in enumerate(pictures):
        bits = b""
        for kind, content in _riff_chunks(picture.data):
            if kind in (b"ALPH", b"VP8 ", b"VP8L"):
                clear |= kind == b"ALPH" or (kind == b"VP8L" and bool(content[4] & 0x10))
                bits += _riff(kind, content)
            elif not number:
                parts[kind] = content
        width, height = picture.size
        sides = _three(width - 1) + _three(height - 1)
        delay = _three(min(round(picture.frame.duration), (1 << 24) - 1))
        frames.append(_riff(b"ANMF", bytes(6) + sides + delay + b"\x02" + bits))
    has = {name: name in parts for name in (b"ICCP", b"EXIF", b"XMP ")}
    flags = 2 | clear << 4 | has[b"ICCP"] << 5 | has[b"EXIF"] << 3 | has[b"XMP "] << 2
    width, height = pictures[0].size
    extended = bytes([flags, 0, 0, 0]) + _three(width - 1) + _three(height - 1)
    body = [b"WEBP", _riff(b"VP8X", extended)]
    body += [_riff(b"ICCP", parts[b"ICCP"])] * has[b"ICCP"]
    plays = min(pictures[0].frame.plays, _MOST_DELAY)
    body += [_riff(b"ANIM", struct.pack("<IH", 0, plays)), *frames]
    body += [_riff(kind, parts[kind]) for kind in (b"EXIF", b"XMP ") if has[kind]]
    whole = b"".join(body)
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def _riff(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _riff_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        found.append((kind, data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return found


def _three(value: int) -> bytes:
    return struct.pack("<I", value)[:3]


def join_avif(pictures: Sequence[Encoded]) -> bytes:
    """Return an AVIF animation of pictures that come as PNG files; it plays for ever.

    Its frames are packed with regard to each other, so that all of them are decoded at once.
    """
    shown = [picture for picture in pictures if not picture.frame.aside]
    images = [Image.open(io.BytesIO(picture.data)) for picture in shown]
    kept = {name: images[0].info.get(name) for name in ("exif", "xmp", "icc_profile")}
    if isinstance(kept["exif"], bytes):
        kept["exif"] = without_orientation(kept["exif"])
    clear = any(image.mode == "RGBA" for image in images)
    frames = [image.convert("RGBA" if clear else "RGB") for image in images]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "AVIF",
        save_all=True,
        append_images=frames[1:],
        duration=[max(1, round(picture.frame.duration)) for picture in shown],
        **OPTIONS["AVIF"],
        **{name: value for name, value in kept.items() if value},
    )
    return buffer.getvalue()


def join_mpo(pictures: Sequence[Encoded]) -> bytes:
    """Return an MPO file (CIPA DC-007): JPEG files behind each other, and a list of them."""
    first = pictures[0].data
    at = 2
    while first[at] == 0xFF and first[at + 1] in (0xE0, 0xE1):  # JFIF and EXIF stand first
        at += 2 + struct.unpack_from(">H", first, at + 2)[0]
    count = len(pictures)
    fields = 2 + 3 * 12 + 4
    size = 8 + fields + 16 * count
    base = at + 4 + 4  # what the places are counted from
    lengths = [len(first) + 4 + 4 + size, *(len(picture.data) for picture in pictures[1:])]
    entries, place = b"", 0
    for picture, length in zip(pictures, lengths, strict=True):
        offset = place - base if place else 0
        entries += struct.pack("<3I2H", picture.frame.kind, length, offset, 0, 0)
        place += length
    listed = b"II*\0" + struct.pack("<IH", 8, 3)
    listed += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
    listed += struct.pack("<HHII", 0xB001, 4, 1, count)
    listed += struct.pack("<HHII", 0xB002, 7, 16 * count, 8 + fields)
    listed += struct.pack("<I", 0) + entries
    segment = bytes([0xFF, _APP2]) + struct.pack(">H", 2 + 4 + size) + b"MPF\0" + listed
    rest = b"".join(picture.data for picture in pictures[1:])
    return first[:at] + segment + first[at:] + rest


#: What joins encoded pictures into a file of a format.
JOINERS: Mapping[str, Callable[[Sequence[Encoded]], bytes]] = MappingProxyType(
    {"GIF": join_gif, "PNG": join_png, "WEBP": join_webp, "AVIF": join_avif, "JPEG": join_mpo}
)
