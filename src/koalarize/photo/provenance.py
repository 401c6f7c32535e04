"""The mark in a result's file: that koalarize coloured it, from which bytes, how, and a seal.

Not here: XMP of the photo's own (``metadata``), who decides what is written (``batch``).
The mark is XMP: IPTC's ``DigitalSourceType`` for everybody, and fields of our own. It holds no
time, so that equal runs give equal files. The seal is a hash of the whole file, by which a later
run knows whether anybody has changed it since.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol

from koalarize.photo.files import FORMATS
from koalarize.photo.jpeg_segments import XMP_ROOM
from koalarize.photo.png_chunks import SIGNATURE

__all__ = [
    "SOURCE_TYPE",
    "Mark",
    "Provenance",
    "has_mark",
    "holds_mark",
    "is_marked",
    "mark_of",
    "read_mark",
    "sealed",
    "sealed_parts",
    "unsealed",
]

_Data = bytes | memoryview | mmap.mmap

_SPACE = "urn:koalarize:1:"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
#: What IPTC calls a picture of which a trained program has made a part.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_TOKEN = f'="{_SPACE}"'.encode()
_SEAL = b'koalarize:Seal="'
_DIGITS = 64
_OPEN_SEAL = _SEAL + b"0" * _DIGITS
# None of these looks at any byte more than a few times, whatever XMP a stranger sends: what begins
# with white space begins where that begins, and what may be long ends at a sign of its own.
_EMPTY = re.compile(rb"<rdf:Description\b[^<>]*/>\s*")
_OWN_SPACE = re.compile(rb"xmlns:koalarize=[\"']urn:koalarize:1:[\"']")
_OWN = re.compile(
    rb"(?<!\s)\s+koalarize:\w+\s*=\s*(?:\"[^\"]*\"|'[^']*')"
    rb"|<koalarize:(\w+)>[^<]*</koalarize:\1>\s*"
)
_FIELD = re.compile(rb"koalarize:(\w+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)')|>([^<]*)<)")
_ABOUT = re.compile(rb"rdf:about=(\"[^\"]*\"|'[^']*')")
_PACKET_END = re.compile(rb"<\?xpacket\s+end")
_SOURCE_TYPE = re.compile(
    rb"(?<!\s)\s+(\w+):DigitalSourceType\s*=\s*[\"']([^\"']*)[\"']"
    rb"|<(\w+):DigitalSourceType>([^<]*)</\3:DigitalSourceType>"
    rb"|<(\w+):DigitalSourceType\s+rdf:resource=[\"']([^\"']*)[\"']\s*/>"
)
_PACKET = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    b'</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
)
_END = b"</rdf:RDF>"
#: RDF that is closed at once; what lies in its attributes holds no ">".
_CLOSED = re.compile(rb"<rdf:RDF\b([^<>]*)/>")
#: How XML writes what would end an attribute or be changed in it; "&" is first. The module of the
#: standard library that does this loads its web client too.
_ESCAPES = (
    ("&", "&amp;"),
    (">", "&gt;"),
    ("<", "&lt;"),
    ("\n", "&#10;"),
    ("\r", "&#13;"),
    ("\t", "&#9;"),
    ('"', "&quot;"),
)
#: Kinds of files that hold no XMP and so no mark.
_UNMARKED = frozenset({"BMP", "GIF"})
#: What of a file is hashed at once.
_BLOCK = 1 << 20


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...


@dataclass(frozen=True)
class Provenance:
    """What a result was made of.

    Attributes:
        software: name and version.
        model: the model's name.
        weights: what tells the model from all others: the sha256 of its file, with its contract
            where it is somebody else's, of a blend all of them; None where that is not known.
        settings: what was asked, as JSON.
        source: sha256 of the picture's file, where there was one.
    """

    software: str
    model: str
    weights: str | None
    settings: str
    source: str | None = None

    def is_like(self, other: Provenance) -> bool:
        """Tell whether another was coloured by the same weights with the same settings."""
        mine, others = ((p.model, p.weights, p.settings) for p in (self, other))
        return mine == others

    def mark(self, xmp: bytes | None) -> bytes | None:
        """Return a photo's XMP with the mark added.

        All else in it stays, but that another ``DigitalSourceType``, true of the original, goes
        into a field of ours.

        Returns:
            None if the XMP has no place for it, or grew beyond what a JPEG file holds.
        """
        packet = _OWN.sub(b"", _EMPTY.sub(_unless_own, xmp)) if xmp else _PACKET
        if _END not in packet:
            packet = _CLOSED.sub(rb"<rdf:RDF\1>\n" + _END, packet, count=1)
        place = packet.rfind(_END)
        if place < 0:
            return None
        packet, before = _without_source_type(packet)
        place = packet.rfind(_END)
        found = _ABOUT.search(packet)
        about = found[1] if found else b'""'
        packet = packet[:place] + self._description(about, before) + packet[place:]
        if len(packet) > XMP_ROOM:
            packet = _unpadded(packet)
        return packet if len(packet) <= XMP_ROOM or len(xmp or b"") > XMP_ROOM else None

    def _description(self, about: bytes, before: str | None) -> bytes:
        fields = {
            "Software": self.software,
            "Model": self.model,
            "Weights": self.weights,
            "Settings": self.settings,
            "Source": self.source,
            "OriginalSourceType": before if before != SOURCE_TYPE else None,
        }
        words = [
            f"koalarize:{name}={_quoted(text)}" for name, text in fields.items() if text is not None
        ]
        text = (
            f'xmlns:koalarize="{_SPACE}" xmlns:Iptc4xmpExt="{_IPTC}" '
            f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}" {" ".join(words)} '
        )
        return b'<rdf:Description rdf:about=%s %s%s"/>\n' % (about, text.encode(), _OPEN_SEAL)


@dataclass(frozen=True)
class Mark:
    """What a file says of its own making.

    Attributes:
        provenance: what it was made of.
        untouched: whether no byte of it was changed since.
    """

    provenance: Provenance
    untouched: bool


def _quoted(text: str) -> str:
    for character, escaped in _ESCAPES:
        text = text.replace(character, escaped)
    return f'"{text}"'


def _unquoted(text: str) -> str:
    text = text.replace("&apos;", "'")
    for character, escaped in reversed(_ESCAPES):
        text = text.replace(escaped, character)
    return text


def _unless_own(found: re.Match[bytes]) -> bytes:
    """Return an empty description, or nothing if it is one of ours."""
    return b"" if _OWN_SPACE.search(found[0]) else found[0]


def _unpadded(packet: bytes) -> bytes:
    """Return XMP without the white space before its end, which is room for changes."""
    found = _PACKET_END.search(packet)
    if found is None:
        return packet
    return packet[: found.start()].rstrip() + b"\n" + packet[found.start() :]


def _without_source_type(packet: bytes) -> tuple[bytes, str | None]:
    """Return XMP without IPTC's source type, and what that was."""
    before: str | None = None
    prefixes = set(re.findall(rb"xmlns:(\w+)=[\"']" + re.escape(_IPTC.encode()), packet))

    def leave(found: re.Match[bytes]) -> bytes:
        nonlocal before
        prefix, value = next((found[n], found[n + 1]) for n in (1, 3, 5) if found[n] is not None)
        if prefix not in prefixes:
            return found[0]
        before = value.decode("utf-8", "replace")
        return b""

    return _SOURCE_TYPE.sub(leave, packet), before


def holds_mark(name: str | PurePath) -> bool:
    """Tell by a result's name whether its kind of file has a place for the mark."""
    return FORMATS.get(PurePath(name).suffix.lower()) not in _UNMARKED


def has_mark(xmp: bytes | None) -> bool:
    """Tell whether XMP holds our mark."""
    return xmp is not None and _TOKEN in xmp


def is_marked(path: Path) -> bool:
    """Tell whether a file has our mark; one that cannot be read has none."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as d:
            return d.find(_TOKEN) >= 0
    except (OSError, ValueError):  # an empty file has no map
        return False


def read_mark(path: Path) -> Mark | None:
    """Return the mark of a file, or None if it has none or cannot be read."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as d:
            return mark_of(d)
    except (OSError, ValueError):
        return None


def mark_of(data: bytes | mmap.mmap) -> Mark | None:
    """Return the mark of a file's bytes, or None if they have none."""
    at = data.find(_TOKEN)
    if at < 0:
        return None
    # What stands before may look like a mark; ours is in or below the tag that names it.
    begin = max(0, at - XMP_ROOM, data.rfind(b"<", max(0, at - XMP_ROOM), at))
    packet = data[begin : at + 2 * XMP_ROOM]
    fields: dict[str, str] = {}
    for found in _FIELD.finditer(packet[: packet.find(_END) if _END in packet else None]):
        value = next((part for part in found.groups()[1:] if part is not None), b"")
        text = _unquoted(value.decode("utf-8", "replace"))
        fields.setdefault(found[1].decode(), text)
    made = Provenance(
        fields.get("Software", ""),
        fields.get("Model", ""),
        fields.get("Weights"),
        fields.get("Settings", ""),
        fields.get("Source"),
    )
    seal = data.find(_SEAL, begin) + len(_SEAL)
    untouched = seal >= len(_SEAL) and fields.get("Seal") == _digest([data], seal)
    return Mark(made, untouched)


def sealed(*parts: _Data) -> bytes:
    """Return a file, given in parts, with the seal of its mark filled in; as it is without one."""
    return b"".join(sealed_parts(*parts))


def sealed_parts(*parts: _Data) -> list[memoryview]:
    """Return the parts of what ``sealed`` gives; they look at the memory of those given."""
    start = 0
    views = [memoryview(part) for part in parts]
    for number, (part, view) in enumerate(zip(parts, views, strict=True)):
        found = _find(part, _OPEN_SEAL)
        if found >= 0:
            at = start + found + len(_SEAL)
            digits = _digest(parts, at).encode()
            inside = at - start
            pieces = [view[:inside], memoryview(digits), view[inside + _DIGITS :]]
            if (crc := _png_crc(part, inside, digits)) is not None:
                place, value = crc
                middle, end = view[inside + _DIGITS : place], view[place + 4 :]
                pieces[2:] = [middle, memoryview(value), end]
            return [*views[:number], *pieces, *views[number + 1 :]]
        start += len(view)
    return views


def unsealed(xmp: bytes) -> bytes:
    """Return XMP of a result for another file, whose own seal is still to be filled in."""
    return re.sub(_SEAL + rb"[0-9a-f]{64}", _OPEN_SEAL, xmp)


def _find(data: _Data, word: bytes) -> int:
    if isinstance(data, memoryview):
        found = re.search(re.escape(word), data)
        return found.start() if found else -1
    return data.find(word)


def _digest(parts: tuple[_Data, ...] | list[bytes | mmap.mmap], at: int) -> str:
    """Return the hash of a file whose seal, at ``at``, counts as zeros."""
    digest = hashlib.sha256()
    start = 0
    zeros = b"0" * _DIGITS
    for part in parts:
        inside = at - start
        length = len(part)
        if 0 <= inside < length:
            _update(digest, part, 0, inside)
            digest.update(zeros)
            after = inside + _DIGITS
            if (crc := _png_crc(part, inside, zeros)) is not None:
                _update(digest, part, after, crc[0])
                digest.update(crc[1])
                after = crc[0] + 4
            _update(digest, part, after, length)
        else:
            _update(digest, part, 0, length)
        start += length
    return digest.hexdigest()


def _update(digest: _Hash, part: _Data, start: int, stop: int) -> None:
    for at in range(start, stop, _BLOCK):
        digest.update(part[at : min(at + _BLOCK, stop)])


def _png_crc(part: _Data, at: int, digits: bytes) -> tuple[int, bytes] | None:
    """Return where the checksum of the PNG chunk with the seal stands, and what it becomes."""
    if bytes(part[: len(SIGNATURE)]) != SIGNATURE:
        return None
    start, end = 0, len(SIGNATURE) - 4
    while end + 4 <= at:
        start = end + 4
        end = start + 8 + int.from_bytes(part[start : start + 4], "big")
    if not start or at < start + 8 or at + _DIGITS > end or end + 4 > len(part):
        return None
    chunk = bytes(part[start + 4 : at]) + digits + bytes(part[at + _DIGITS : end])
    return end, struct.pack(">I", zlib.crc32(chunk))
