"""Metadata: carried as bytes, true of the upright picture, and named where it cannot stay."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from koalarize.photo.frames import Frame
from koalarize.photo.metadata import CREDENTIALS, Metadata
from koalarize.photo.pages import encode_pages
from koalarize.photo.photo import Photo
from koalarize.photo.png_chunks import chunk, png_parts
from photo_parts import colored, opened, saved, smooth, some_exif

XMP = (
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF><rdf:Description tiff:Orientation=\"6\" "
    "tiff:ImageWidth='36' tiff:ImageLength='24' exif:PixelXDimension='36' "
    "exif:PixelYDimension='24' dc:title='Großmutter, Zürich ©'/></rdf:RDF></x:xmpmeta>"
).encode()
IPTC = b"\x1c\x02\x78\x00\x07wedding"
HOLD_XMP = ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"]


def resource(number, data):
    head = b"8BIM" + struct.pack(">HHI", number, 0, len(data))
    return head + data + b"\0" * (len(data) % 2)


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments, **options):
    encoded = saved(smooth(), "JPEG", quality=95, **options)
    return encoded[:2] + b"".join(segments) + encoded[2:]


def png(*chunks):
    encoded = saved(smooth(), "PNG")
    return encoded[:33] + b"".join(chunk(*one) for one in chunks) + encoded[33:]


def again(photo, kind=None):
    """The photo that is read from what the photo writes."""
    return Photo.read(photo.encode(colored(photo), format=kind))


@pytest.fixture
def full():
    """A photo of a JPEG file with everything that one can hold."""
    return Photo.read(
        jpeg(
            segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
            segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, IPTC) + resource(0x0421, b"abc")),
            segment(0xE4, b"a maker's own"),
            segment(0xFE, b"one"),
            segment(0xFE, "zwölf".encode()),
            exif=some_exif(6),
            dpi=(300, 200),
        )
    )


def test_what_a_jpeg_holds_is_read(full):
    kept = full.metadata
    assert b'Orientation="1"' in kept.xmp
    assert "Großmutter, Zürich ©".encode() in kept.xmp
    assert kept.iptc == IPTC
    assert kept.comments == (b"one", "zwölf".encode())
    assert kept.segments == ((0xE4, b"a maker's own"),)


def test_jpeg_to_jpeg_loses_nothing(full):
    assert full.left_out() == ()
    assert again(full).metadata == full.metadata


@pytest.mark.parametrize("kind", HOLD_XMP)
def test_xmp_is_carried(full, kind):
    assert again(full, kind).metadata.xmp == full.metadata.xmp


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_photoshop_and_iptc_are_carried(full, kind):
    kept = again(full, kind).metadata
    assert kept.photoshop == full.metadata.photoshop
    assert kept.iptc == IPTC


def test_resources_of_other_programs_hide_no_iptc():
    """Adobe's PhotoDeluxe wrote its own among those of Photoshop."""
    foreign = resource(1, b"abcd").replace(b"8BIM", b"PHUT")
    photo = Photo.read(jpeg(segment(0xED, b"Photoshop 3.0\0" + foreign + resource(0x0404, IPTC))))
    assert again(photo).metadata.iptc == IPTC
    assert again(photo).metadata.photoshop.startswith(foreign)


def test_iptc_stands_in_its_own_tiff_field(full):
    with tifffile.TiffFile(io.BytesIO(full.encode(colored(full), format="TIFF"))) as file:
        tags = file.pages[0].tags
        assert bytes(tags[33723].value) == IPTC
        assert bytes(tags[700].value) == full.metadata.xmp


def test_comments_become_png_text(full):
    texts = opened(full.encode(colored(full), format="PNG")).text
    assert texts["Comment"] == "zwölf"  # the last of two under one name
    packed = full.encode(colored(full), format="PNG")
    assert b"Comment\0\0\0\0\0one" in packed


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("PNG", ("JPEG segments",)),
        ("TIFF", ("comment", "JPEG segments")),
        ("WEBP", ("IPTC", "comment", "JPEG segments", "resolution")),
        ("BMP", ("EXIF", "XMP", "IPTC", "comment", "JPEG segments")),
    ],
)
def test_what_a_format_cannot_hold_is_named(full, kind, names):
    assert full.left_out(kind) == names


def test_a_resolution_that_exif_holds_is_not_called_lost():
    source = saved(smooth(), "TIFF", dpi=(300, 200), tiffinfo={271: "A maker", 274: 6})
    photo = Photo.read(source)
    assert photo.dpi == (200, 300)
    for kind in ("WEBP", "AVIF", "JPEG"):
        assert photo.left_out(kind) == ()
        exif = opened(photo.encode(colored(photo), format=kind)).getexif()
        assert [exif[tag] for tag in (282, 283, 296)] == [200, 300, 2]
    assert Photo.read(saved(smooth(), "TIFF", dpi=(300, 200))).left_out("WEBP") == ("resolution",)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_comment_in_utf_16_is_in_the_order_of_the_file(order):
    words = "Zürich".encode("utf-16-" + ("le" if order == "<" else "be"))
    exif = Image.Exif()
    exif.endian = order
    exif[0x8769] = {0x9286: b"UNICODE\0" + words}
    photo = Photo.read(saved(smooth(), "JPEG", exif=exif))
    assert order == ("<" if b"II*" in photo.exif else ">")
    written = photo.encode(colored(photo), format="TIFF")
    assert b"UNICODE\0" + "Zürich".encode("utf-16-le") in written


def test_xmp_of_a_turned_picture_is_true_of_the_upright_one(full):
    assert b"tiff:ImageWidth='24'" in full.metadata.xmp
    assert b"exif:PixelYDimension='36'" in full.metadata.xmp


def test_xmp_elements_are_corrected_too():
    xmp = b"<tiff:Orientation>8</tiff:Orientation><tiff:ImageWidth>9</tiff:ImageWidth>"
    assert Metadata(xmp).upright(3, (6, 4)).xmp == xmp.replace(b">8<", b">1<")


def test_sizes_and_resolution_in_exif_turn():
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x011B] = 6, 300.0, 200.0
    exif[0x8769] = {0xA002: 36, 0xA003: 24}
    source = jpeg(exif=exif.tobytes())
    out = opened(Photo.read(source).encode(smooth(36, 24, 3))).getexif()
    assert (out[0x011A], out[0x011B]) == (200, 300)
    assert (out.get_ifd(0x8769)[0xA002], out.get_ifd(0x8769)[0xA003]) == (24, 36)
    assert out[0x0112] == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("frames", [1, 2])
def test_letters_in_exif_survive(kind, frames):
    """Artist, beyond ASCII, as exiftool writes it; and orientation, for which some write anew."""
    words = "Großmutter".encode() + b"\0"
    entries = struct.pack("<2H2I", 0x0112, 3, 1, 1) + struct.pack("<2H2I", 0x013B, 2, 12, 38)
    block = b"Exif\0\0II*\0\x08\0\0\0\2\0" + entries + bytes(4) + words
    photo = Photo(smooth(), exif=block, pages=frames, frame=Frame() if frames > 1 else None)
    if frames == 1 or kind == "JPEG":
        encoded = photo.encode(colored(photo), format=kind)
    else:
        encoded = b"".join(encode_pages([(photo, colored(photo))] * frames, kind))
    assert words in encoded


@pytest.mark.parametrize("orientation", range(1, 9))
def test_faces_turn_with_the_picture(orientation):
    levels = np.zeros((20, 40), np.uint8)
    levels[5, 12] = 255  # a face's middle
    x, y = 12.5 / 40, 5.5 / 20
    told = (
        f"<x tiff:Orientation='{orientation}' stDim:w='40' stDim:h='20'>"
        f"<mwg-rs:Area stArea:w='0.25' stArea:h='0.1' stArea:x='{x}' stArea:y='{y}'/>"
        f"<mwg-rs:Area><stArea:x>{x}</stArea:x><stArea:y>{y}</stArea:y></mwg-rs:Area>"
        f"<z MPReg:Rectangle='{x - 0.125:.9g}, {y - 0.05:.9g}, 0.25, 0.1'/></x>"
    )
    whole = saved(levels, "PNG")
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + told.encode())
    photo = Photo.read(whole[:33] + text + whole[33:])
    (down, across), height, width = np.argwhere(photo.pixels)[0], photo.height, photo.width
    x, y, wide, high = (across + 0.5) / width, (down + 0.5) / height, 0.25, 0.1
    sides = "stDim:w=40 stDim:h=20"
    if width == 20:
        wide, high, sides = high, wide, "stDim:h=40 stDim:w=20"
    assert photo.metadata.xmp.decode().replace("'", "") == (
        f"<x tiff:Orientation=1 {sides}>"
        f"<mwg-rs:Area stArea:w={wide} stArea:h={high} stArea:x={x:.9g} stArea:y={y:.9g}/>"
        f"<mwg-rs:Area><stArea:x>{x:.9g}</stArea:x><stArea:y>{y:.9g}</stArea:y></mwg-rs:Area>"
        f"<z MPReg:Rectangle={x - wide / 2:.9g}, {y - high / 2:.9g}, {wide}, {high}/></x>"
    )


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG"])
def test_what_is_said_of_the_colors_becomes_srgb(kind):
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 65535, 0xA002: 36}
    photo = Photo.read(saved(smooth(), kind, exif=exif.tobytes()))
    assert opened(photo.encode(colored(photo))).getexif().get_ifd(0x8769) == {0xA001: 1, 0xA002: 36}
    grey = (
        b"<x photoshop:ColorMode='1' dc:a='b'><photoshop:ICCProfile>Dot Gain</photoshop:ICCProfile>"
    )
    assert Metadata(grey).carried().xmp == b"<x dc:a='b'>"


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_an_orientation_that_is_none_is_taken_as_upright(kind):
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x011B] = 9, 300.0, 200.0
    exif[0x8769] = {0xA002: 36, 0xA003: 24}
    photo = Photo.read(saved(smooth(), kind, exif=exif.tobytes(), dpi=(300, 200)))
    assert (photo.height, photo.width, photo.dpi) == (24, 36, (300, 200))
    out = opened(photo.encode(smooth(24, 36, 3))).getexif()
    assert (out[0x011A], out[0x011B]) == (300, 200)
    assert (out.get_ifd(0x8769)[0xA002], out.get_ifd(0x8769)[0xA003]) == (36, 24)


@pytest.mark.parametrize("depth", [1, 257])
def test_a_tiff_whose_orientation_stands_only_in_xmp(depth):
    """Pillow turns 8 bits by it; 16 bits of colour are turned by us."""
    levels = smooth(channels=3).astype(np.uint8 if depth == 1 else np.uint16) * depth
    buffer = io.BytesIO()
    extra = [(700, 1, len(XMP), XMP, True)]
    resolution = {"resolution": (300, 200), "resolutionunit": "inch"}
    tifffile.imwrite(buffer, levels, extratags=extra, metadata=None, **resolution)
    photo = Photo.read(buffer.getvalue())
    assert np.array_equal(photo.pixels, np.rot90(levels, -1))
    assert photo.dpi == (200, 300)
    assert b'Orientation="1"' in photo.metadata.xmp
    assert b"tiff:ImageWidth='24'" in photo.metadata.xmp


def test_xmp_larger_than_a_segment_is_carried_in_parts():
    name, more = b"0" * 32, b"<more/>" * 20_000
    parts = [more[at : at + 60_000] for at in range(0, len(more), 60_000)]
    source = jpeg(
        *(
            segment(
                0xE1,
                b"http://ns.adobe.com/xmp/extension/\0"
                + name
                + struct.pack(">II", len(more), 60_000 * number)
                + part,
            )
            for number, part in reversed(list(enumerate(parts)))
        )
    )
    photo = Photo.read(source)
    assert photo.metadata.more_xmp == more
    assert again(photo).metadata.more_xmp == more
    assert photo.left_out("PNG") == ("extended XMP",)


def test_xmp_too_large_for_a_jpeg_is_named():
    photo = Photo(smooth(), metadata=Metadata(b"x" * 70_000))
    assert photo.left_out("JPEG") == ("XMP",)
    assert again(photo, "JPEG").metadata.xmp is None
    assert again(photo, "PNG").metadata.xmp == b"x" * 70_000


@pytest.mark.parametrize(("kind", "notes"), [("JPEG", 1), ("WEBP", 1), ("PNG", 0), ("TIFF", 0)])
def test_bits_that_a_format_cannot_hold_are_named(kind, notes):
    photo = Photo(smooth().astype(np.uint16))
    assert photo.notes_as(kind) == (f"{kind} cannot hold its 16 bits",) * notes


def test_stale_thumbnails_of_photoshop_are_dropped():
    block = resource(0x040C, b"a grey thumbnail") + resource(0x0404, IPTC)
    assert Metadata(photoshop=block).upright(1, (6, 4)).photoshop == resource(0x0404, IPTC)


class TestPng:
    def test_texts_are_carried_as_bytes(self):
        texts = (
            (b"tEXt", b"Title\0Gro\xdfmutter"),
            (b"zTXt", b"Long\0\0" + zlib.compress(b"words " * 100)),
            (b"iTXt", "Author\0\0\0\0\0Иван".encode()),
        )
        photo = Photo.read(png(*texts))
        assert photo.metadata.texts == texts
        assert again(photo).metadata.texts == texts
        assert photo.left_out("JPEG") == ("PNG text",)
        deep = Photo.read((smooth().astype(np.uint16)) * 257)
        deep = Photo(deep.pixels, metadata=photo.metadata)
        assert again(deep).metadata.texts == texts

    @pytest.mark.parametrize(
        ("kind", "head"),
        [(b"iTXt", b"\0\0\0\0"), (b"iTXt", b"\1\0\0\0"), (b"zTXt", b"\0"), (b"tEXt", b"")],
    )
    def test_xmp(self, kind, head):
        packed = kind == b"zTXt" or head[:1] == b"\1"  # libvips packs it as zTXt
        content = zlib.compress(XMP) if packed else XMP
        photo = Photo.read(png((kind, b"XML:com.adobe.xmp\0" + head + content)))
        assert photo.pixels.shape == (36, 24)  # XMP alone says that it is turned
        assert photo.metadata.xmp == Metadata(XMP).upright(6, (6, 4)).xmp
        assert opened(photo.encode(colored(photo))).info["XML:com.adobe.xmp"]

    @pytest.mark.parametrize("head", [b"", b"Exif\0\0"])
    @pytest.mark.parametrize("name", [b"exif", b"APP1"])
    def test_exif_in_a_raw_profile(self, name, head):
        block = head + some_exif(6).removeprefix(b"Exif\0\0")
        text = b"\n%s\n%8d\n%s\n" % (name, len(block), block.hex().encode())
        chunk_of_it = (b"zTXt", b"Raw profile type " + name + b"\0\0" + zlib.compress(text))
        photo = Photo.read(png(chunk_of_it))
        assert photo.pixels.shape == (36, 24)
        exif = opened(photo.encode(colored(photo))).getexif()
        assert exif[0x010F] == "A maker"
        assert exif[0x0112] == 1
        assert photo.metadata.texts == ()

    @pytest.mark.parametrize("name", [b"iptc", b"IPTC profile"])  # the second is exiftool's
    @pytest.mark.parametrize(
        "block", [b"Photoshop 3.0\0" + resource(0x0404, IPTC), resource(0x0404, IPTC), IPTC]
    )
    def test_iptc_in_a_raw_profile(self, block, name):
        text = b"\n%s\n%8d\n%s\n" % (name, len(block), block.hex().encode())
        photo = Photo.read(png((b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text))))
        assert again(photo, "JPEG").metadata.iptc == IPTC

    def test_a_plain_file_is_not_copied(self):
        stream = io.BytesIO(saved(smooth(), "PNG"))
        assert png_parts(stream).stream is stream

    def test_texts_after_the_pixels(self):
        info = PngInfo()
        info.add(b"tEXt", b"Title\0behind", after_idat=True)
        photo = Photo.read(saved(smooth(), "PNG", pnginfo=info))
        assert photo.metadata.texts == ((b"tEXt", b"Title\0behind"),)


class TestTiff:
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_every_field_of_the_picture_is_carried(self, order):
        words = "Großmutter, Zürich ©".encode() + b"\0"
        extra = [
            (270, 2, len(words), words, True),
            (285, 2, 6, b"page 1", True),
            (33550, 12, 3, (0.5, 0.25, 0.0), True),
            (34735, 3, 4, (1, 1, 0, 7), True),
        ]
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, smooth(), extratags=extra, byteorder=order, metadata=None)
        photo = Photo.read(buffer.getvalue())
        with tifffile.TiffFile(io.BytesIO(photo.encode(colored(photo)))) as file:
            tags = file.pages[0].tags
            assert tags[270].value == "Großmutter, Zürich ©"
            assert tags[285].value == "page 1"
            assert tags[33550].value == (0.5, 0.25, 0.0)
            assert tags[34735].value == (1, 1, 0, 7)
            assert 274 not in tags or tags[274].value == 1

    def test_what_is_not_true_of_the_result_is_left_out(self):
        curve, white = (301, 3, 256, tuple(range(0, 65536, 256)), True), (318, 5, 1, (1, 3), True)
        buffer = io.BytesIO()
        signed = (52545, 7, 4, b"jumb", True)
        tifffile.imwrite(buffer, smooth(), extratags=[curve, white, signed], metadata=None)
        photo = Photo.read(buffer.getvalue())
        assert photo.notes == (CREDENTIALS,)
        with tifffile.TiffFile(io.BytesIO(photo.encode(colored(photo)))) as file:
            assert not {301, 318, 52545} & set(file.pages[0].tags.keys())

    def test_a_resolution_that_only_exif_states_is_kept(self):
        exif = Image.Exif()
        exif[0x011A], exif[0x011B], exif[0x0128] = 300.0, 200.0, 3
        photo = Photo.read(saved(smooth(), "PNG", exif=exif.tobytes()))
        written = opened(photo.encode(colored(photo), format="TIFF"))
        assert [written.tag_v2[tag] for tag in (282, 283, 296)] == [300, 200, 3]

    def test_bytes_of_text_survive_into_a_jpeg(self):
        words = "Иван".encode() + b"\0"
        buffer = io.BytesIO()
        extra = [(315, 2, len(words), words, True)]
        tifffile.imwrite(buffer, smooth(), extratags=extra, metadata=None)
        photo = Photo.read(buffer.getvalue())
        assert words in photo.encode(colored(photo), format="JPEG")

    @pytest.mark.parametrize("held", [IPTC, resource(0x0404, IPTC)])
    def test_iptc_field_alone(self, held):
        buffer = io.BytesIO()
        extra = [(33723, 7, len(held), held, True), (700, 1, len(XMP), XMP, True)]
        tifffile.imwrite(buffer, smooth(), extratags=extra, metadata=None)
        photo = Photo.read(buffer.getvalue())
        assert photo.metadata.iptc == IPTC
        assert again(photo, "JPEG").metadata.iptc == IPTC


@pytest.mark.parametrize("between", [b"", b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data"])
def test_the_film_of_a_motion_photo_is_named_and_no_longer_promised(between):
    film = between + b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\x11" * 300
    said = b" GCamera:MotionPhoto='1' GCamera:MicroVideoOffset=\"324\""
    told = b"<GCamera:MotionPhotoVersion>1</GCamera:MotionPhotoVersion>"
    xmp = XMP.replace(b" dc:title", said + b" dc:title").replace(
        b"</rdf:RDF>", told + b"</rdf:RDF>"
    )
    whole = jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
    assert Photo.read(whole).notes == ()
    photo = Photo.read(whole + film)
    assert photo.notes == ("the film behind its picture is left out",)
    told = ("what stands behind its picture in the file is left out",)
    assert Photo.read(whole + b"\0\0\1\x0aImage_UTC_Data17SEFH\x6b\0\0\0SEFT").notes == told
    assert Photo.read(whole + bytes(100) + b"\r\n").notes == ()
    assert (
        photo.metadata.xmp
        == Photo.read(jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP))).metadata.xmp
    )


def test_a_gif_s_comment_becomes_png_text():
    photo = Photo.read(saved(smooth(), "GIF", comment=b"from the attic"))
    assert opened(photo.encode(colored(photo))).text["Comment"] == "from the attic"
