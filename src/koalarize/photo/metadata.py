"""What a picture's file says beside its pixels, carried as bytes.

Not here: how directories are laid out (``directories``), profiles (``profiles``).
"""

from __future__ import annotations

import dataclasses
import io
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from koalarize.photo.directories import EXIF, Directory, Field, TiffReader, directory_bytes
from koalarize.photo.places import Move, moved_subject, turning
from koalarize.photo.regions import moved_regions, turned_regions

__all__ = [
    "CREDENTIALS",
    "CREDENTIALS_FIELD",
    "EXIF_HEAD",
    "SUBJECTS",
    "Metadata",
    "directory_of_exif",
    "dpi_of_tiff",
    "exif_of_tiff",
    "iptc_resource",
    "metadata_of_tiff",
    "orientation_of_tiff",
    "orientation_of_xmp",
    "tiff_fields",
    "true_of_result",
]

EXIF_HEAD = b"Exif\0\0"
#: What is said of a file's content credentials.
CREDENTIALS = "its content credentials, true only of the original, are left out"
#: The field of a TIFF file that holds them (C2PA 2.1, A.3.3).
CREDENTIALS_FIELD = 52545
_XMP, _IPTC, _PHOTOSHOP, _ICC, _LAYERS = 700, 33723, 34377, 34675, 37724
#: TIFF tags that describe the file itself, not the picture: never copied into another file.
_TIFF_LAYOUT = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281}
    | {282, 283, 284, 288, 289, 290, 291, 292, 293, 296, 297, 317, 320, 321, 322, 323, 324, 325}
    | {301, 318, 319, CREDENTIALS_FIELD}  # what levels meant, which are sRGB now; a signature
    | {330, 332, 333, 334, 336, 338, 339, 340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519}
    | {520, 521, 529, 530, 531, 532, 559, _XMP, _IPTC, _PHOTOSHOP, _ICC, _LAYERS}
    | {32997, 32998}  # slices of a volume, of which one is a picture
    | set(range(50706, 50828))  # a digital negative's own: they would make a DNG of the copy
)
_TIFF_RESOLUTION = frozenset({282, 283, 296})
_ORIENTATION = 274
_COLOR_SPACE, _PIXELS_ACROSS, _PIXELS_DOWN = 40961, 40962, 40963
#: EXIF's fields that say where the subject of a picture lies: SubjectArea, SubjectLocation.
SUBJECTS = (37396, 41492)
_PER_CENTIMETER = 3


_SIGNATURES = frozenset({b"8BIM", b"PHUT", b"AgHg", b"DCSR", b"MeSa"})  # exiftool, Photoshop.pm
_IPTC_RESOURCE = 0x0404
_THUMBNAILS = frozenset({0x0409, 0x040C})
_RESOLUTION = 0x03ED
# What XMP says of the pixels' places, as an attribute or as an element.
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>))\s*[1-8]")
_DESCRIPTION, _IMAGEJ = 270, b"ImageJ="
#: How descriptions by tifffile, ImageJ and microscopes (OME-TIFF) begin, and what is in them.
_LAYOUT_TEXT = re.compile(
    rb'\{"shape": \[|ImageJ=|(?:<\?xml[^>]*>)?(?>\s+|<!--(?s:.)*?-->)*+<OME\s'
)
_IMAGEJ_LAYOUT = re.compile(rb"^(?:images|channels|slices|frames|hyperstack|mode)=.*\n?", re.M)
_NOTHING_BUT_LAYOUT = re.compile(rb'\{"shape": [^{}"]*(?:, "axes": "\w*")?\}')
_LAYOUT_LEFT_OUT = "its description, which tells how the file is laid out, is left out"
# What XMP says of what stands in a file beside its picture (films of Android's motion photos, maps
# of brightness), and of grey levels and their profile. Each byte is looked at a few times at most.
_UNTRUE = (
    rb"\w+:(?:MicroVideo|MotionPhoto)\w*|(?:hdrgm|HDRGainMap):\w+|exif:ColorSpace"
    rb"|photoshop:(?:ColorMode|ICCProfile)|crs:ConvertToGrayscale|tiff:(?:PhotometricInterpretation|SamplesPerPixel)"
)
_LEFT = re.compile(
    rb"(?<!\s)\s+(?:%b)\s*=\s*(?:\"[^\"]*\"|'[^']*')|<(%b)>[^<]*</\1>\s*" % (_UNTRUE, _UNTRUE)
)
# Camera Raw's ways to make a picture grey, which it would do to a result again.
_GREYED = re.compile(
    rb"(?<!\s)\s+crs:Saturation\s*=\s*(?:\"-100\"|'-100')|<crs:Saturation>-100</crs:Saturation>\s*"
)
_ELEMENTS_LEFT = tuple(
    (re.compile(rb"xmlns:(\w+)=[\"']" + re.escape(space) + rb"[\"']"), name)
    for space, name in (
        (b"http://ns.google.com/photos/1.0/container/", b"Directory"),  # what stands in the file
        (b"http://ns.adobe.com/xap/1.0/", b"Thumbnails"),  # which are grey
    )
)
_XMP_PAIRS = (
    (b"tiff:ImageWidth", b"tiff:ImageLength"),
    (b"tiff:XResolution", b"tiff:YResolution"),
    (b"exif:PixelXDimension", b"exif:PixelYDimension"),
    (b"stDim:w", b"stDim:h"),
)


@dataclass(frozen=True)
class Metadata:
    """What a file says beside EXIF, resolution and profile.

    Attributes:
        xmp: the XMP packet.
        more_xmp: what a JPEG file holds of XMP beyond its first packet.
        photoshop: Photoshop's image resources, of which one is IPTC.
        comments: comments of a JPEG or GIF file.
        texts: kind and data of the text chunks of a PNG file.
        segments: marker and data of other application segments of a JPEG file.
    """

    xmp: bytes | None = None
    more_xmp: bytes | None = None
    photoshop: bytes | None = None
    comments: tuple[bytes, ...] = ()
    texts: tuple[tuple[bytes, bytes], ...] = ()
    segments: tuple[tuple[int, bytes], ...] = ()

    def carried(self) -> Metadata:
        """Return what is true of a result: sRGB without thumbnails, films and maps beside it."""
        xmp = self.xmp
        if xmp is not None:
            xmp = _GREYED.sub(b"", _LEFT.sub(b"", xmp))
            for space, name in _ELEMENTS_LEFT:
                found = space.search(xmp)
                xmp = xmp if found is None else _without(xmp, found[1] + b":" + name)
        return dataclasses.replace(self, xmp=xmp)

    def upright(self, orientation: int, size: tuple[int, int]) -> Metadata:
        """Return what is true of the picture once it has been turned upright.

        Args:
            orientation: what it was, as EXIF counts.
            size: width and height that it had, pixels.
        """
        move = turning(orientation, size)
        xmp, resources = self.xmp, self.photoshop
        if xmp is not None:
            xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
            xmp = xmp if move is None else turned_regions(xmp, move)
            if orientation >= 5:
                for one, other in _XMP_PAIRS:
                    xmp = xmp.replace(one, b"\0").replace(other, one).replace(b"\0", other)
        if resources is not None:
            stale = _THUMBNAILS | ({_RESOLUTION} if orientation >= 5 else set[int]())
            resources = b"".join(
                whole for number, _, whole in _resources(resources) if number not in stale
            )
        return dataclasses.replace(self, xmp=xmp, photoshop=resources or None)

    def part(self, move: Move) -> Metadata:
        """Return what is true of a part of the picture.

        Args:
            move: what has become of the picture.
        """
        xmp = self.xmp
        if xmp is not None:
            xmp = moved_regions(xmp, move)
            for one, other in (_XMP_PAIRS[0], _XMP_PAIRS[2]):
                for name, pixels in zip((one, other), move.after, strict=True):
                    found = rb"(" + name + rb"\s*(?:=\s*[\"']|>))\s*\d+"
                    xmp = re.sub(found, rb"\g<1>%d" % pixels, xmp)
        return dataclasses.replace(self, xmp=xmp)

    @property
    def iptc(self) -> bytes | None:
        """The IPTC records."""
        resources = _resources(self.photoshop or b"")
        return next((data for number, data, _ in resources if number == _IPTC_RESOURCE), None)


def _without(xmp: bytes, name: bytes) -> bytes:
    """Return XMP without an element, the first of its name."""
    before, _, rest = xmp.partition(b"<" + name)
    _, end, after = rest.partition(b"</%s>" % name)
    return before + after.lstrip() if end else xmp


def _resources(block: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield number, data and all bytes of each of Photoshop's resources; stop at a damaged one."""
    at = 0
    while block[at : at + 4] in _SIGNATURES and at + 12 <= len(block):
        (number,) = struct.unpack_from(">H", block, at + 4)
        start = at + 6 + (block[at + 6] + 2) // 2 * 2  # a name, padded to an even length
        if start + 4 > len(block):
            return
        (size,) = struct.unpack_from(">I", block, start)
        end = start + 4 + size
        if end > len(block):
            return
        yield number, block[start + 4 : end], block[at:end].ljust(end - at + size % 2, b"\0")
        at = end + size % 2


def iptc_resource(records: bytes) -> bytes:
    """Return IPTC records as one of Photoshop's resources."""
    head = b"8BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(records))
    return head + records + b"\0" * (len(records) % 2)


def metadata_of_tiff(fields: Directory) -> Metadata:
    """Return what a TIFF file's fields hold for ``Metadata``."""
    xmp, photoshop, iptc = (
        fields.fields[tag].data if tag in fields.fields else None
        for tag in (_XMP, _PHOTOSHOP, _IPTC)
    )
    if iptc and not any(number == _IPTC_RESOURCE for number, _, _ in _resources(photoshop or b"")):
        if iptc[:1] != b"\x1c" and iptc[3:4] == b"\x1c":  # words of the other byte order
            swapped = (iptc[at : at + 4][::-1] for at in range(0, len(iptc), 4))
            iptc = b"".join(swapped)
        as_photoshop_has_it = iptc[:4] in _SIGNATURES  # ImageMagick writes it so
        photoshop = (photoshop or b"") + (iptc if as_photoshop_has_it else iptc_resource(iptc))
    return Metadata(xmp, photoshop=photoshop)


def tiff_fields(metadata: Metadata) -> dict[int, Field]:
    """Return the fields that hold ``Metadata`` in a TIFF file."""
    held = ((_XMP, 1, metadata.xmp), (_IPTC, 7, metadata.iptc), (_PHOTOSHOP, 1, metadata.photoshop))
    return {tag: Field(kind, len(data), data) for tag, kind, data in held if data}


def orientation_of_tiff(fields: Directory) -> int:
    """Return the orientation, 1 to 8, that a TIFF file's fields or else its XMP state, or 1."""
    stated = fields.number(_ORIENTATION, 1)
    if _ORIENTATION not in fields.fields and _XMP in fields.fields:
        stated = orientation_of_xmp(fields.fields[_XMP].data)
    return stated if 1 <= stated <= 8 else 1


def orientation_of_xmp(xmp: bytes) -> int:
    """Return the orientation, 1 to 8, that XMP states, or 1."""
    found = _XMP_ORIENTATION.search(xmp)
    return int(found[0][-1:]) if found else 1


def true_of_result(fields: Directory) -> tuple[Directory, tuple[str, ...]]:
    """Return a TIFF file's fields with a description that is true of a coloured copy, and a note.

    Some programs describe in it how the file is laid out (shape, channels, grey), and read it so.
    """
    said = fields.fields.get(_DESCRIPTION)
    text = said.data.rstrip(b"\0") if said is not None else b""
    if not (begun := _LAYOUT_TEXT.match(text)):
        return fields, ()
    kept = {tag: value for tag, value in fields.fields.items() if tag != _DESCRIPTION}
    if begun[0] == _IMAGEJ:
        text = _IMAGEJ_LAYOUT.sub(b"", text) + b"\0"
        kept[_DESCRIPTION] = Field(2, len(text), text)
        return Directory(kept, fields.below), ()
    notes = () if _NOTHING_BUT_LAYOUT.fullmatch(text) else (_LAYOUT_LEFT_OUT,)
    return Directory(kept, fields.below), notes


def exif_of_tiff(fields: Directory, orientation: int, size: tuple[int, int]) -> bytes | None:
    """Return the EXIF block that says what a TIFF file's fields say of the picture.

    Args:
        fields: of the file.
        orientation: of the picture, which is left out, since pixels come upright.
        size: width and height that the file states.
    """
    move = turning(orientation, size)
    stays = _TIFF_LAYOUT - _TIFF_RESOLUTION
    kept = {tag: value for tag, value in fields.fields.items() if tag not in stays}
    if orientation >= 5 and kept.keys() >= _TIFF_RESOLUTION:
        kept[282], kept[283] = kept[283], kept[282]
    below = {tag: inner for tag, inner in fields.below.items() if inner.fields}
    if kept.keys() <= _TIFF_RESOLUTION and not below:  # a resolution alone is no EXIF data
        return None
    if orientation >= 5 and EXIF in below:
        below[EXIF] = _swapped(below[EXIF], _PIXELS_ACROSS, _PIXELS_DOWN)
    if move is not None and EXIF in below:
        below[EXIF] = _with_subject_moved(below[EXIF], move)
    if EXIF in below and _COLOR_SPACE in below[EXIF].fields:
        fields_in_srgb = {**below[EXIF].fields, _COLOR_SPACE: Field(3, 1, b"\1\0")}
        below[EXIF] = Directory(fields_in_srgb, below[EXIF].below)
    return EXIF_HEAD + b"II*\0\x08\0\0\0" + directory_bytes(Directory(kept, below), 8)


def directory_of_exif(exif: bytes) -> Directory:
    """Return the fields of an EXIF block that another TIFF file can take.

    Raises:
        ValueError: if the block is damaged.
    """
    reader = TiffReader(io.BytesIO(exif.removeprefix(EXIF_HEAD)))
    found = reader.described(reader.first)
    stays = _TIFF_LAYOUT - _TIFF_RESOLUTION
    kept = {tag: value for tag, value in found.fields.items() if tag not in stays}
    return Directory(kept, {tag: inner for tag, inner in found.below.items() if inner.fields})


def dpi_of_tiff(fields: Directory) -> tuple[float, float] | None:
    """Return the dots per inch, if a TIFF file's fields state sensible ones."""
    unit = fields.number(296, 2)
    both: list[float] = []
    for tag in (282, 283):
        value = fields.fields.get(tag)
        if value is None or value.kind != 5 or unit not in (2, _PER_CENTIMETER):
            return None
        above, under = struct.unpack("<II", value.data[:8])
        both.append(above / under * (2.54 if unit == _PER_CENTIMETER else 1) if under else 0)
    if not all(math.isfinite(v) and 1 < v < 1e6 for v in both):
        return None
    return both[0], both[1]


def _with_subject_moved(directory: Directory, move: Move) -> Directory:
    fields = dict(directory.fields)
    for tag in SUBJECTS:
        found = fields.pop(tag, None)
        moved = None if found is None else moved_subject(found.numbers, move)
        if moved is not None:
            fields[tag] = Field(3, len(moved), struct.pack(f"<{len(moved)}H", *moved))
    return Directory(fields, directory.below)


def _swapped(directory: Directory, one: int, other: int) -> Directory:
    fields = dict(directory.fields)
    first, second = fields.pop(one, None), fields.pop(other, None)
    if second is not None:
        fields[one] = second
    if first is not None:
        fields[other] = first
    return Directory(fields, directory.below)
