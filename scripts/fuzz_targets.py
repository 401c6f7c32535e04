"""What is fuzzed: targets that read what comes from a stranger, and whole inputs to begin with.

Not here: mutating, counting, keeping what is found (``fuzz``), lists and tables (``fuzz_records``).
"""

from __future__ import annotations

import dataclasses
import io
import struct
import zlib
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from fuzz_records import (
    journal_seeds,
    journal_target,
    recipe_seeds,
    recipe_target,
    shots_seeds,
    shots_target,
    table_seeds,
    table_target,
)

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 1 << 20
FORMATS = ("png", "jpg", "tif", "webp", "gif")


def photo_target() -> Callable[[bytes], None]:
    """Return what reads a file and writes it again in every kind."""
    import numpy as np

    from koalarize.photo.photo import Photo

    def target(data: bytes) -> None:
        tolerant = bool(data[-1:] and data[-1] & 1)
        pages = Photo.each(data, max_pixels=MOST_PIXELS, tolerant=tolerant)
        for number, photo in enumerate(islice(pages, 4)):
            if number == 0 and photo.pixels.size < 1 << 16:
                small = photo.pixels if photo.pixels.ndim == 3 else np.dstack([photo.pixels] * 3)
                kind = FORMATS[len(data) % len(FORMATS)]
                photo.notes_as(kind)
                photo.encode(small, format=kind)

    return target


def metadata_target() -> Callable[[bytes], None]:
    """Return what puts bytes, once or many times, where one kind of metadata stands.

    What is read has to come back: results are read again, and hold all that is not named as lost.
    """
    from koalarize.photo.photo import Photo
    from koalarize.photo.provenance import Provenance, mark_of, sealed, unsealed

    asked = Provenance("koalarize", "koala", "0" * 64, "{}", "1" * 64)

    def target(data: bytes) -> None:
        if len(data) < 3:
            return
        places = list(PLACES.values())
        photo = Photo.read(places[data[0] % len(places)](repeated(data[2:], data[1])))
        kind = FORMATS[data[1] % 4]
        marked = asked.mark(photo.metadata.xmp)
        if marked is not None:
            metadata = dataclasses.replace(photo.metadata, xmp=marked)
            photo = dataclasses.replace(photo, metadata=metadata)
        lost = photo.left_out(kind)
        pixels = photo.pixels if photo.pixels.ndim == 3 else photo.pixels[..., None].repeat(3, -1)
        result = sealed(photo.encode(pixels, format=kind))
        again = Photo.read(result)
        if marked is not None and "XMP" not in lost:
            mark = mark_of(result)
            assert mark is not None, "the mark is lost"
            assert mark.untouched, "the seal is broken"
        for name, before, after in (
            ("XMP", photo.metadata.xmp, unsealed(again.metadata.xmp or b"") or None),
            ("IPTC", photo.metadata.iptc, again.metadata.iptc),
            ("EXIF", photo.exif, again.exif if kind != "tif" else photo.exif),
        ):
            assert name in lost or before == after, f"{name} is lost in {kind}"
        if kind in ("png", "tif"):
            found = again.pixels if again.pixels.ndim == 3 else again.pixels[..., None]
            assert (found == pixels).all(), "other pixels"

    return target


def repeated(data: bytes, how: int) -> bytes:
    """Return bytes as they are, or with their middle third up to 300,000 bytes long."""
    if how % 4:
        return data
    third = len(data) // 3
    middle = data[third : 2 * third] or b" "
    return data[:third] + middle * (300_000 // len(middle)) + data[2 * third :]


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _in_png(kind: bytes, before: bytes = b"", *, packed: bool = False) -> Callable[[bytes], bytes]:
    plain = _picture("PNG")

    def place(data: bytes) -> bytes:
        data = before + (zlib.compress(data, 1) if packed else data)
        return plain[:33] + _png_chunk(kind, data) + plain[33:]

    return place


def _in_jpeg(marker: int, before: bytes = b"") -> Callable[[bytes], bytes]:
    plain = _picture("JPEG")

    def place(data: bytes) -> bytes:
        data = (before + data)[:65533]
        return (
            plain[:2]
            + b"\xff"
            + bytes([marker])
            + struct.pack(">H", len(data) + 2)
            + data
            + plain[2:]
        )

    return place


def _in_tiff(tag: int, kind: int) -> Callable[[bytes], bytes]:
    def place(data: bytes) -> bytes:
        buffer = io.BytesIO()
        image = _image()
        image.save(buffer, "TIFF", tiffinfo=_fields(tag, kind, data))
        return buffer.getvalue()

    return place


def _fields(tag: int, kind: int, data: bytes) -> object:
    from PIL import TiffImagePlugin

    fields = TiffImagePlugin.ImageFileDirectory_v2()
    fields.tagtype[tag] = kind
    fields[tag] = data
    return fields


def _as_tiff(data: bytes) -> bytes:
    """Return a TIFF file whose directory's fields are the bytes."""
    entries = data[: len(data) // 12 * 12][: 12 * 60]
    own = ((256, 4), (257, 2), (258, 8), (259, 1), (262, 1), (273, 0), (277, 1), (279, 8))
    count = len(own) + len(entries) // 12
    end = 8 + 2 + 12 * count + 4
    fields = b"".join(
        struct.pack("<HHII", tag, 4, 1, end if tag == 273 else value) for tag, value in own
    )
    rest = bytes(range(0, 240, 30)) + data[len(entries) :]
    return b"II*\0\x08\0\0\0" + struct.pack("<H", count) + fields + entries + bytes(4) + rest


def _in_webp(kind: bytes) -> Callable[[bytes], bytes]:
    def place(data: bytes) -> bytes:
        buffer = io.BytesIO()
        _image().save(buffer, "WEBP", **{"exif" if kind == b"EXIF" else "xmp": data})
        return buffer.getvalue()

    return place


def _image() -> Image.Image:
    from PIL import Image

    return Image.frombytes("RGB", (4, 2), bytes(range(0, 240, 10)))


def _picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    _image().save(buffer, kind)
    return buffer.getvalue()


#: Where metadata stands: what makes a small file of some bytes.
PLACES = {
    "png xmp": _in_png(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0"),
    "png xmp packed": _in_png(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0", packed=True),
    "png raw profile": _in_png(b"zTXt", b"Raw profile type ", packed=False),
    "png iptc": _in_png(b"zTXt", b"Raw profile type iptc\0\0", packed=True),
    "png exif": _in_png(b"eXIf"),
    "png profile": _in_png(b"iCCP", b"x\0\0", packed=True),
    "png gamma": _in_png(b"gAMA"),
    "png text": _in_png(b"tEXt"),
    "jpeg xmp": _in_jpeg(0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
    "jpeg exif": _in_jpeg(0xE1, b"Exif\0\0"),
    "jpeg more xmp": _in_jpeg(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32),
    "jpeg profile": _in_jpeg(0xE2, b"ICC_PROFILE\0\1\1"),
    "jpeg pictures": _in_jpeg(0xE2, b"MPF\0"),
    "jpeg iptc": _in_jpeg(0xED, b"Photoshop 3.0\0"),
    "jpeg comment": _in_jpeg(0xFE),
    "tiff xmp": _in_tiff(700, 1),
    "tiff iptc": _in_tiff(33723, 7),
    "tiff photoshop": _in_tiff(34377, 1),
    "tiff profile": _in_tiff(34675, 7),
    "tiff fields": _as_tiff,
    "webp exif": _in_webp(b"EXIF"),
    "webp xmp": _in_webp(b"XMP "),
}


def metadata_seeds() -> list[bytes]:
    """Return sound metadata for each place, short and long."""
    from PIL import Image, ImageCms

    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A maker"
    exif[0x8769] = {0x9003: "1931:05:04 12:00:00", 0x927C: b"own", 0xA002: 4, 0xA003: 2}
    exif[0x8825] = {1: "N", 2: (47.0, 22.0, 10.0)}
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    iptc = b"8BIM\x04\x04\0\0\0\0\0\x0c\x1c\x02\x78\x00\x07wedding"
    kinds = (b"xmlns:koalarize='urn:koalarize:1:' koalarize:Model='m'", b"tiff:Orientation='6'")
    xmps = [
        b"<rdf:RDF><rdf:Description rdf:about='' %s/>  </rdf:RDF>  <?xpacket end='w'?>" % words
        for words in (*kinds, b"xmlns:I='http://iptc.org/std/Iptc4xmpExt/2008-02-29/' I:D='k'")
    ]
    seeds = list[bytes]()
    for number, name in enumerate(PLACES):
        told = {"exif": [block], "profile": [profile], "iptc": [iptc], "photoshop": [iptc]}
        words = told.get(name.split()[-1], xmps if "xmp" in name else [b"words\0of a text"])
        words = [block[8:200]] if name == "tiff fields" else words
        seeds += [bytes([number, how]) + one for one in words for how in (0, 1, 2)]
    return seeds


def session_target() -> Callable[[bytes], None]:
    """Return what reads a session."""
    from koalarize.steering.session import Session

    def target(data: bytes) -> None:
        Session.loads(Session.loads(data).dumps())

    return target


def hint_target() -> Callable[[bytes], None]:
    """Return what reads a hint of the command line."""
    from koalarize.steering.hints import Hint

    def target(data: bytes) -> None:
        Hint.parse(data.decode("utf-8", "replace"))

    return target


TARGETS = {
    "photo": photo_target,
    "metadata": metadata_target,
    "session": session_target,
    "hint": hint_target,
    "shots": shots_target,
    "recipe": recipe_target,
    "table": table_target,
    "journal": journal_target,
}


def photo_seeds() -> list[bytes]:
    """Draw small files of every kind, with all kinds of metadata."""
    import numpy as np
    import tifffile
    from PIL import Image

    from koalarize.photo.metadata import Metadata
    from koalarize.photo.photo import Photo

    down, across = np.mgrid[0:24, 0:32]
    color = np.stack([across * 7, down * 9, across * 3 + down * 4], -1).astype(np.uint8)
    grey = Image.fromarray(color).convert("L")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A maker"
    exif[0x8769] = {0x9003: "1931:05:04 12:00:00", 0x927C: b"own"}
    metadata = Metadata(
        b"<x:xmpmeta tiff:Orientation='6'/>",
        photoshop=b"8BIM\x04\x04\0\0\0\0\0\x0c\x1c\x02\x78\x00\x07wedding",
        comments=(b"words",),
        texts=((b"tEXt", b"Title\0words"),),
    )
    full = Photo(
        color, color[..., 0].copy(), exif=exif.tobytes(), dpi=(300, 200), metadata=metadata
    )
    deep = Photo(color.astype(np.uint16) * 257, full.alpha.astype(np.uint16) * 257)  # type: ignore[union-attr]
    seeds = [full.encode(color, format=kind) for kind in ("png", "jpg", "tif", "webp", "bmp")]
    seeds += [deep.encode(deep.pixels, format=kind) for kind in ("png", "tif")]

    def saved(image: Image.Image, kind: str, **options: object) -> None:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        seeds.append(buffer.getvalue())

    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK"):
        for kind in ("TIFF", "PNG", "GIF", "PPM", "TGA", "PCX", "JPEG2000", "BMP"):
            try:
                saved(Image.fromarray(color).convert(mode), kind)
            except (OSError, ValueError):
                continue
    for packed in ("group4", "tiff_lzw", "jpeg", "packbits", "tiff_adobe_deflate"):
        image = grey.convert("1") if packed == "group4" else Image.fromarray(color)
        saved(image, "TIFF", compression=packed)
    for kind in ("GIF", "PNG", "WEBP", "MPO", "TIFF"):
        more = [grey.rotate(angle) for angle in (90, 180)]
        saved(grey, kind, save_all=True, append_images=[one.resize(grey.size) for one in more])
    saved(grey, "JPEG", progressive=True)
    for planar in ("contig", "separate"):
        for values in (color, deep.pixels, color.astype(np.float32) / 255):
            buffer = io.BytesIO()
            tifffile.imwrite(
                buffer,
                values if planar == "contig" else np.moveaxis(values, -1, 0),
                photometric="rgb",
                planarconfig=planar,
                predictor=2 if values.dtype.kind == "u" else None,
                compression="zlib",
            )
            seeds.append(buffer.getvalue())
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, color, photometric="rgb", tile=(16, 16), bigtiff=True)
    return [*seeds, buffer.getvalue()]


def seeds_of(name: str) -> list[bytes]:
    """Return whole inputs of a target."""
    made = {
        "photo": photo_seeds,
        "metadata": metadata_seeds,
        "shots": shots_seeds,
        "recipe": recipe_seeds,
        "table": table_seeds,
        "journal": journal_seeds,
    }
    if name in made:
        return made[name]()
    if name == "hint":
        return [b"1,2=#c03020", b"10.5,20,30=#fff", b"1,2,3@0.5=#102030", b"=,#"]
    from koalarize.steering.hints import Hint
    from koalarize.steering.session import Session
    from koalarize.steering.steering import Steering

    steering = Steering(vividness=1.5, hints=(Hint(3, 4, "#c03020", 5),), alternative=2)
    return [Session("a.jpg", "0" * 64, "koala", steering).dumps().encode(), b"{}", b"[1e999]"]
