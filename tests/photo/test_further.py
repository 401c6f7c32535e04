"""What stands in a file beside its picture: films, maps, more pictures; named, not promised."""

import struct
import sys
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image, ImageFile

from koalarize.photo.boxes import DEEP
from koalarize.photo.containers import Encoded, join_mpo
from koalarize.photo.frames import Frame
from koalarize.photo.metadata import CREDENTIALS, Metadata
from koalarize.photo.photo import Photo
from photo_parts import png_chunk, saved, smooth

FURTHER = "a further picture in it (a preview or a map of brightness) is left out"
BEHIND = "what stands behind its picture in the file is left out"
XMP_NAME, ISO_NAME = b"http://ns.adobe.com/xap/1.0/\0", b"urn:iso:std:iso:ts:21496:-1\0"
SPACE = b"xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/'"
LIST = (
    b"<x:xmpmeta><rdf:Description xmlns:C='http://ns.google.com/photos/1.0/container/'%s>"
    b"%s<dc:title>attic</dc:title></rdf:Description></x:xmpmeta>"
)
LISTED = b"<C:Directory><rdf:Seq><rdf:li><C:Item I:Length='%d'/></rdf:li></rdf:Seq></C:Directory>\n"


def jpeg(*segments):
    """A JPEG file of ``smooth()`` with pairs of marker and data before its own segments."""
    encoded = saved(smooth(), "JPEG", quality=95)
    told = (struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in segments)
    return encoded[:2] + b"".join(told) + encoded[2:]


def several(*files):
    frames = [Frame(kind=0 if number else 0x030000) for number in range(len(files))]
    pairs = zip(files, frames, strict=True)
    return join_mpo([Encoded(file, frame, (36, 24)) for file, frame in pairs])


@pytest.mark.parametrize(
    "told", [(0xE1, XMP_NAME + b"<x %s hdrgm:GainMapMax='2'/>" % SPACE), (0xE2, ISO_NAME + b"\0\0")]
)
def test_a_map_of_brightness_as_large_as_the_picture_is_no_picture(told):
    said = (0xE1, XMP_NAME + LIST % (b" hdrgm:Version='1.0'", LISTED % 9))
    photo = Photo.read(several(jpeg(said), jpeg(told)))
    assert (photo.format, photo.pages, photo.notes) == ("JPEG", 1, (FURTHER,))
    assert photo.metadata.xmp == LIST % (b"", b"")
    assert Photo.read(several(jpeg(), jpeg())).pages == 2


def test_a_picture_behind_the_picture_is_named_though_nothing_lists_it():
    photo = Photo.read(jpeg() + jpeg())
    assert np.array_equal(photo.pixels, Photo.read(jpeg()).pixels)
    assert photo.notes == (BEHIND,)
    assert Photo.read(jpeg() + bytes(999)).notes == ()


@pytest.mark.parametrize("left", [0, 2, 60])
def test_a_picture_that_is_cut_off_is_not_called_a_preview(left):
    second = jpeg()
    whole = several(jpeg(), second)
    photo = Photo.read(whole[: len(whole) - len(second) + left])
    assert photo.notes == ("it is cut short: a further picture that it lists is missing",)


@pytest.mark.parametrize(("missing", "notes"), [(0, (FURTHER,)), (1, (BEHIND,))])
def test_a_picture_that_only_xmp_lists_is_named_if_it_is_there(missing, notes):
    depth = jpeg()[missing:]
    said = LIST % (b"", LISTED % len(jpeg()))
    photo = Photo.read(jpeg((0xE1, XMP_NAME + said)) + depth)
    assert photo.notes == notes
    assert photo.metadata.xmp == LIST % (b"", b"")


def test_grey_thumbnails_in_xmp_are_dropped():
    words = b"<x xmlns:xap='http://ns.adobe.com/xap/1.0/'>%s<xap:Rating>4</xap:Rating></x>"
    thumbnails = b"<xap:Thumbnails><rdf:Alt><G:image>/9j/</G:image></rdf:Alt></xap:Thumbnails>\n"
    assert Metadata(words % thumbnails).carried().xmp == words % b""
    assert Metadata(words % thumbnails[:20]).carried().xmp == words % thumbnails[:20]


def test_a_png_s_content_credentials_are_named():
    encoded = saved(smooth(), "PNG")
    assert Photo.read(encoded[:33] + png_chunk(b"caBX", b"jumb") + encoded[33:]).notes == (
        CREDENTIALS,
    )


def test_content_credentials_of_webp_and_avif_are_named():
    encoded = saved(smooth(), "WEBP", xmp=b"<x/>") + b"C2PA\4\0\0\0jumb"
    whole = b"RIFF" + struct.pack("<I", len(encoded) - 8) + encoded[8:]
    assert Photo.read(whole).notes == (CREDENTIALS,)
    signed = bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + b"jumb"
    for told, notes in ((signed, (CREDENTIALS,)), (signed[::-1], ())):
        box = struct.pack(">I4s", 8 + len(told), b"uuid") + told
        assert Photo.read(saved(smooth(), "AVIF") + box).notes == notes


def test_what_a_thermal_camera_says_of_a_jpeg_is_kept():
    told = (0xE1, b"FLIR\0\1\0\0heat")
    photo = Photo.read(jpeg(told))
    assert photo.metadata.segments == (told,)
    assert b"FLIR\0\1\0\0heat" in photo.encode(smooth(channels=3))


class StandIn(ImageFile.ImageFile):
    """What pillow-heif gives: opened at the picture that is the file's primary."""

    format = "HEIF"
    format_description = "a stand-in"
    said: ClassVar = {}
    n_frames = 3

    def _open(self):
        self.fp.read(12)
        self._mode, self._size, self._at = "RGB", (36, 24), 1
        self.info.update(self.said)

    def tell(self):
        return self._at

    def seek(self, frame):
        self._at, self.info = frame, dict(self.said)

    def load(self):
        self.im = Image.new("RGB", self._size, (50 * self._at,) * 3).im


@pytest.fixture
def heic(monkeypatch):
    def register_heif_opener():
        monkeypatch.setitem(Image.OPEN, "HEIF", (StandIn, lambda head: head[8:12] == b"heic"))
        monkeypatch.setattr(Image, "ID", [*Image.ID, "HEIF"])

    opener = SimpleNamespace(register_heif_opener=register_heif_opener)
    monkeypatch.setitem(sys.modules, "pillow_heif", opener)
    return b"\0\0\0\x0cftypheic"


class TestHeic:
    def test_each_picture_comes_once_and_the_primary_first(self, heic):
        assert [int(photo.pixels.max()) for photo in Photo.each(heic)] == [50, 0, 100]

    @pytest.mark.parametrize(
        ("said", "note"),
        [
            ({"bit_depth": 10}, DEEP),
            ({"depth_images": ["one"]}, FURTHER),
            ({"aux": {"urn:com:apple:photo:2020:aux:hdrgainmap": [4]}}, FURTHER),
        ],
    )
    def test_what_is_left_out_is_named(self, heic, monkeypatch, said, note):
        monkeypatch.setattr(StandIn, "said", said)
        assert [photo.notes for photo in Photo.each(heic)] == [(note,)] * 3

    def test_its_content_credentials_are_named(self, heic):
        signed = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
        heic += struct.pack(">I4s", 24, b"uuid") + signed
        assert [photo.notes for photo in Photo.each(heic)] == [(CREDENTIALS,)] * 3

    def test_its_colors_are_those_of_its_numbers(self, heic, monkeypatch):
        numbers = {"color_primaries": 12, "transfer_characteristics": 8}
        monkeypatch.setattr(StandIn, "said", {"nclx_profile": numbers, "bit_depth": 8})
        levels = [int(photo.pixels.max()) for photo in Photo.each(heic)]
        assert np.abs(np.array(levels) - [122, 0, 168]).max() <= 1  # 50 and 100 / 255 as light

    def test_its_xmp_does_not_turn_it(self, heic, monkeypatch):
        monkeypatch.setattr(StandIn, "said", {"xmp": b"<x tiff:Orientation='6'/>"})
        assert Photo.read(heic).pixels.shape == (24, 36)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("said", [b'="6"', b"='6'", b' = "6"', b">\n6<"])
def test_xmp_turns_a_picture_however_it_is_written(kind, said):
    xmp = b"<x tiff:Orientation%s/>" % said
    if kind == "JPEG":
        whole = jpeg((0xE1, XMP_NAME + xmp))
    elif kind == "PNG":
        whole = saved(smooth(), kind)
        text = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
        whole = whole[:33] + text + whole[33:]
    elif kind == "TIFF":
        whole = saved(smooth(), kind, tiffinfo={700: xmp}, dpi=(300, 200))
    else:
        whole = saved(smooth(), kind, xmp=xmp)
    photo = Photo.read(whole)
    assert photo.pixels.shape[:2] == ((24, 36) if kind == "AVIF" else (36, 24))
    assert photo.dpi == ((200, 300) if kind == "TIFF" else None)
    assert photo.metadata.xmp.count(b"1") == 1
    assert b"6" not in photo.metadata.xmp
