"""The chunks of a PNG file: what Pillow need not see is taken out and kept as bytes.

Not here: pixels (``read``). A damaged or huge chunk beside the pixels never hinders reading them.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from koalarize.photo.matrix_profiles import color_profile_of, profile_of_gamma
from koalarize.photo.metadata import CREDENTIALS, EXIF_HEAD, Metadata, iptc_resource
from koalarize.photo.profiles import srgb_profile

__all__ = [
    "SIGNATURE",
    "XMP_KEYWORD",
    "PngParts",
    "chunk",
    "chunks_of",
    "has_sound_pixels",
    "inflated_as_far_as_it_goes",
    "is_png",
    "png_parts",
]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = b"XML:com.adobe.xmp"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_COLOR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
_CREDENTIALS = b"caBX"  # C2PA 2.1, A.3.2
_KIND_OF_COLOR = 25  # where a PNG file says whether it has color
_RAW_PROFILE = b"Raw profile type "
_IPTC_MARK = b"\x1c"  # what each record begins with
#: Texts and profiles of a file that take more than this unpacked, together, are carried packed, or
#: left out.
_MOST_BYTES = 1 << 26
#: What is behind so many chunks is not looked at: 8 kB each of 500 megapixels of 48 bits are fewer.
_MOST_CHUNKS = 1 << 19
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_EMPTY = 12  # bytes of a chunk without data
_PIECE = 1 << 20  # bytes


@dataclass(frozen=True)
class PngParts:
    """A PNG file apart: the file that Pillow reads, and what was taken out of it."""

    stream: BinaryIO
    metadata: Metadata = field(default_factory=Metadata)
    exif: bytes | None = None
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    at: int
    size: int
    whole: bool

    @property
    def is_beside(self) -> bool:
        """Whether the picture can be decoded without it."""
        return bool(self.kind[0] & 0x20) and self.kind not in (b"fdAT", b"fcTL", b"acTL")


def is_png(head: bytes) -> bool:
    """Tell whether a file begins as a PNG."""
    return head.startswith(SIGNATURE)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and data of the whole chunks of a PNG file."""
    stream = io.BytesIO(data)
    return [(one.kind, _data_of(stream, one)[0]) for one in _chunks(stream) if one.whole]


def png_parts(stream: BinaryIO) -> PngParts:
    """Take a PNG file apart; a file without anything to take out stays the stream it is."""
    chunks = list(_chunks(stream))
    texts: list[tuple[bytes, bytes]] = []
    notes: list[str] = []
    found: dict[str, bytes] = {}
    removed: set[int] = set()
    says: dict[bytes, bytes] = {}  # of its colors
    room = _Room()
    for one in chunks:
        if not (one.is_beside and one.whole):
            continue
        data, sound = _data_of(stream, one)
        name = one.kind.decode("latin-1")
        if not sound:
            notes.append(f"the damaged chunk {name} is left out")
        elif one.kind == b"eXIf":
            found["exif"] = EXIF_HEAD + data.removeprefix(EXIF_HEAD)
        elif one.kind == b"iCCP":
            icc = room.inflated(data.partition(b"\0")[2][1:])
            says.setdefault(one.kind, b"")
            if icc is not None and len(icc) < 1 << 20:
                continue
            if icc is None:
                notes.append("its damaged color profile is left out")
            else:
                found["icc"] = icc
        elif one.kind in _COLOR_CHUNKS:
            says.setdefault(one.kind, data)
            continue
        elif one.kind == _CREDENTIALS:
            notes.append(CREDENTIALS)
            continue
        elif one.kind not in _TEXTS:
            continue
        elif not _take_text(one.kind, data, found, room):
            texts.append((one.kind, data))
        removed.add(one.at)
    icc, more = _profile_of(says, stream)
    icc, notes = icc or found.get("icc"), [*notes, *more]
    ended = bool(chunks) and chunks[-1].kind == b"IEND"
    if not ended:
        notes.append("the mark of its end is missing")
    metadata = Metadata(found.get("xmp"), photoshop=found.get("photoshop"), texts=tuple(texts))
    if removed or not ended:
        stream = _without(stream, chunks, removed)
    return PngParts(stream, metadata, found.get("exif"), icc, tuple(notes))


def _profile_of(
    says: Mapping[bytes, bytes], stream: BinaryIO
) -> tuple[bytes | None, tuple[str, ...]]:
    """Return the profile that a file states by numbers, and notes; cICP goes before iCCP."""
    code = says.get(b"cICP", b"")
    if len(code) == 4:
        icc, notes = color_profile_of(code[0], code[1], grey=_is_grey(stream))
        if notes and b"iCCP" in says:
            return None, ()  # the profile is there for those who do not read cICP
        return icc or (srgb_profile() if b"iCCP" in says else None), notes
    gamma, primaries = says.get(b"gAMA", b""), says.get(b"cHRM", b"")
    if len(gamma) != 4 or any(kind in says for kind in (b"iCCP", b"sRGB", b"cICP")):
        return None, ()
    places = struct.unpack(">8I", primaries) if len(primaries) == 32 else None
    points = None if places is None else tuple(place / 100_000 for place in places)
    exponent = struct.unpack(">I", gamma)[0] / 100_000
    return profile_of_gamma(exponent, points, grey=_is_grey(stream)), ()


def _is_grey(stream: BinaryIO) -> bool:
    stream.seek(_KIND_OF_COLOR)
    return not (stream.read(1) or b"\0")[0] & 2  # a file may end before it


def _chunks(stream: BinaryIO) -> Iterator[_Chunk]:
    end = stream.seek(0, io.SEEK_END)
    at = len(SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        if at + 8 > end:
            return
        stream.seek(at)
        size, kind = struct.unpack(">I4s", stream.read(8))
        yield _Chunk(kind, at, size, at + size + _EMPTY <= end)
        if kind == b"IEND":
            return
        at += size + _EMPTY


def _data_of(stream: BinaryIO, one: _Chunk) -> tuple[bytes, bool]:
    """Return a chunk's data, and whether its checksum is right."""
    stream.seek(one.at + 8)
    data = stream.read(one.size)
    (checksum,) = struct.unpack(">I", stream.read(4))
    return data, zlib.crc32(one.kind + data) == checksum


def has_sound_pixels(stream: BinaryIO) -> bool:
    """Tell whether the pixels of a PNG file are those that were written.

    Damage may unpack to enough bytes, at which a decoder ends, and looks at no checksum. One of a
    chunk may be wrong by itself: what unpacks to what its own checksum says is sound.
    """
    packed = [one for one in _chunks(stream) if one.whole and one.kind in (b"IDAT", b"fdAT")]
    wrong = {one.kind for one in packed if not _has_right_sum(stream, one)}
    if wrong != {b"IDAT"}:
        return not wrong
    unpacker = zlib.decompressobj()
    try:
        for one in packed:
            if one.kind == b"IDAT":
                for piece in _pieces_of(stream, one.at + 8, one.size):
                    while piece and unpacker.decompress(piece, _PIECE):
                        piece = unpacker.unconsumed_tail
        unpacker.flush()
    except zlib.error:
        return False
    return unpacker.eof


def _has_right_sum(stream: BinaryIO, one: _Chunk) -> bool:
    found = zlib.crc32(one.kind)
    for piece in _pieces_of(stream, one.at + 8, one.size):
        found = zlib.crc32(piece, found)
    return stream.read(4) == found.to_bytes(4, "big")


def _pieces_of(stream: BinaryIO, at: int, size: int) -> Iterator[bytes]:
    """Yield the bytes of a part of a file, and leave it behind them."""
    stream.seek(at)
    while size and (piece := stream.read(min(size, _PIECE))):
        size -= len(piece)
        yield piece


def _without(stream: BinaryIO, chunks: list[_Chunk], removed: set[int]) -> BinaryIO:
    kept = io.BytesIO()
    kept.write(SIGNATURE)
    for one in chunks:
        if one.at not in removed:
            stream.seek(one.at)
            kept.write(stream.read(one.size + _EMPTY))
    if not (chunks and chunks[-1].kind == b"IEND"):
        kept.write(chunk(b"IEND", b""))
    kept.seek(0)
    return kept


def _take_text(kind: bytes, data: bytes, found: dict[str, bytes], room: _Room) -> bool:
    """Put a text that is XMP, EXIF or IPTC where it belongs; False for any other text."""
    keyword, _, rest = data.partition(b"\0")
    if keyword == XMP_KEYWORD:
        packed, content = kind == b"zTXt", rest[1:] if kind == b"zTXt" else rest  # as libvips does
        if kind == b"iTXt":
            packed, content = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        content = room.inflated(content) if packed and content else content
        if content is not None:
            found.setdefault("xmp", content)
        return content is not None
    if not keyword.startswith(_RAW_PROFILE):
        return False
    text = room.inflated(rest[1:]) if kind == b"zTXt" else rest
    try:
        # A line with the profile's name, of one word or two, its length, and hexadecimal bytes.
        content = bytes.fromhex((text or b"").lstrip().split(b"\n", 2)[2].decode("ascii"))
    except (ValueError, IndexError):
        return False
    return _take_profile(keyword.removeprefix(_RAW_PROFILE).lower(), content, found)


def _take_profile(name: bytes, content: bytes, found: dict[str, bytes]) -> bool:
    if name in (b"exif", b"app1") and content.startswith((EXIF_HEAD, b"II*\0", b"MM\0*")):
        found.setdefault("exif", EXIF_HEAD + content.removeprefix(EXIF_HEAD))
    elif name == b"xmp":
        found.setdefault("xmp", content)
    elif name == b"app1" and b"<x:xmpmeta" in content:
        found.setdefault("xmp", content.partition(b"\0")[2])
    elif name in (b"iptc", b"8bim"):
        is_bare = content.startswith(_IPTC_MARK)  # which ImageMagick and exiftool may both write
        content = iptc_resource(content) if is_bare else content.removeprefix(b"Photoshop 3.0\0")
        found.setdefault("photoshop", content)
    else:
        return False
    return True


class _Room:
    """What is left of the bytes that texts and profiles of a file may take unpacked."""

    def __init__(self) -> None:
        self._left = _MOST_BYTES

    def inflated(self, data: bytes) -> bytes | None:
        """Unpack a text or a profile; None if it is damaged or beyond all measure."""
        if self._left <= 0:
            return None
        unpacker = zlib.decompressobj()
        try:
            content = unpacker.decompress(data, self._left)
        except zlib.error:
            return None
        self._left -= len(content)
        return content if unpacker.eof else None


def inflated_as_far_as_it_goes(data: bytes) -> bytes:
    """Return a PNG file of which the missing pixels are zeros, for one that is cut short.

    Raises:
        ValueError: if not even its header is there.
    """
    stream = io.BytesIO(data)
    chunks = list(_chunks(stream))
    if not chunks or chunks[0].kind != b"IHDR" or not chunks[0].whole:
        raise ValueError("no header")
    header, _ = _data_of(stream, chunks[0])
    width, height, bits, kind = struct.unpack(">2I2B", header[:10])
    row = 1 + (width * bits * _SAMPLES.get(kind, 4) + 7) // 8
    size = height * row + (8 * (height + 8) if header[12] else 0)
    raw = bytearray()
    unpacker = zlib.decompressobj()
    before = [chunk(b"IHDR", header)]
    for one in chunks[1:]:
        stream.seek(one.at + 8)
        content = stream.read(one.size)
        if one.kind == b"IDAT":
            try:
                raw += unpacker.decompress(content, max(size - len(raw), 1))
            except zlib.error:
                break
        elif one.kind in (b"PLTE", b"tRNS", b"pHYs") and one.whole:
            before.append(chunk(one.kind, content))
    raw += bytes(max(0, size - len(raw)))
    packed = chunk(b"IDAT", zlib.compress(raw, 1))
    return b"".join([SIGNATURE, *before, packed, chunk(b"IEND", b"")])
