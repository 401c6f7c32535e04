"""What PSD, JPEG 2000 and AVIF files say beside what Pillow reads of them: kept, or named."""

import io
import json
import shutil
import struct
import subprocess

import numpy as np
import pytest
from PIL import Image

from koalarize.errors import PhotoError
from koalarize.photo.boxes import avif_window, is_avif, is_deep_avif, jp2_parts
from koalarize.photo.photo import Photo
from photo_parts import saved, smooth

XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
IPTC = b"\x1c\x02\x78\x00\x07wedding"
LEFT_OUT = "what its boxes hold beside XMP, EXIF and IPTC is left out"
DEEP = "more than 8 bits a channel are read as 8"


def exif_block():
    exif = Image.Exif()
    exif[0x013B] = "Oma"
    return exif.tobytes().removeprefix(b"Exif\0\0")


def psd(levels, *resources):
    """A PSD file of one channel with image resources (Adobe Photoshop File Formats, 2019)."""
    parts = b""
    for number, content in resources:
        parts += b"8BIM" + struct.pack(">HHI", number, 0, len(content))
        parts += content + b"\0" * (len(content) % 2)
    head = b"8BPS" + struct.pack(">H6xH2I2H", 1, 1, *levels.shape, 8, 1)
    return head + struct.pack(">2I", 0, len(parts)) + parts + bytes(6) + levels.tobytes()


def box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content


def uuid(name, content):
    return box(b"uuid", bytes.fromhex(name) + content)


def test_what_photoshop_s_resources_say_is_kept():
    resolution = struct.pack(">I2HI2H", 300 << 16, 1, 1, 200 << 16, 1, 1)
    held = [(1005, resolution), (1028, IPTC), (1058, exif_block()), (1060, XMP)]
    photo = Photo.read(psd(smooth(), *held))
    assert np.array_equal(photo.pixels, smooth())
    assert photo.dpi == (300, 200)
    assert photo.exif == b"Exif\0\0" + exif_block()
    assert (photo.metadata.iptc, photo.metadata.xmp) == (IPTC, XMP)
    assert Photo.read(psd(smooth())).metadata == Photo(smooth()).metadata


@pytest.mark.parametrize("merged", [0, 1])
def test_a_psd_without_its_merged_picture_is_refused(merged):
    whole = psd(smooth(), (1057, struct.pack(">IB", 1, merged) + bytes(16)))
    if merged:
        assert np.array_equal(Photo.read(whole).pixels, smooth())
    else:
        with pytest.raises(PhotoError, match=r"holds layers only.*Maximize compatibility"):
            Photo.read(whole)


def test_what_boxes_of_jpeg_2000_say_is_kept():
    plain = saved(smooth(), "JPEG2000")
    said = [
        uuid("be7acfcb97a942e89c71999491e3afac", XMP),
        uuid("33c7a4d2b81d4723a0baf1a3e097ad38", IPTC),
        uuid(b"JpgTiffExif->JP2".hex(), exif_block()),
    ]
    photo = Photo.read(plain + b"".join(said))
    assert photo.exif == b"Exif\0\0" + exif_block()
    assert (photo.metadata.iptc, photo.metadata.xmp) == (IPTC, XMP)
    assert photo.notes == ()
    assert Photo.read(plain + uuid("b14bf8bd083d4b43a5ae8cd7d5a6ce03", b"II")).notes == (LEFT_OUT,)
    assert Photo.read(plain + box(b"xml ", b"<a/>")).notes == (LEFT_OUT,)


def test_boxes_that_exiftool_writes(tmp_path):
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    path = tmp_path / "told.jp2"
    path.write_bytes(saved(smooth(), "JPEG2000"))
    words = ["-EXIF:Artist=Oma", "-IPTC:Keywords=wedding", "-XMP:Description=attic"]
    subprocess.run(["exiftool", "-q", *words, path], check=True, timeout=60)
    photo = Photo.read(path)
    photo.write(np.dstack([photo.pixels] * 3), tmp_path / "colored.png")
    asked = ["exiftool", "-j", "-Artist", "-Keywords", "-Description", tmp_path / "colored.png"]
    (found,) = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    assert (found["Artist"], found["Keywords"], found["Description"]) == ("Oma", "wedding", "attic")


@pytest.mark.parametrize("bare", [False, True])
def test_colors_of_jpeg_2000_that_become_8_bits_are_named(bare):
    whole = bytearray(saved(smooth(channels=3), "JPEG2000", no_jp2=bare))
    assert Photo.read(bytes(whole)).notes == ()
    place = whole.index(b"\xff\x4f\xff\x51") + 42  # three times: depth, less one, and two steps
    whole[place : place + 9 : 3] = b"\x0f\x0f\x0f"
    assert Photo.read(bytes(whole)).notes == (DEEP,)


@pytest.mark.parametrize("brand", [b"avif", b"mif1"])
def test_an_avif_of_10_bits_is_known_by_its_box(brand):
    whole = bytearray(saved(smooth(), "AVIF"))
    whole[8:12] = brand
    assert is_avif(bytes(whole[:64]))
    assert not is_deep_avif(io.BytesIO(whole))
    whole[whole.index(b"av1C") + 6] |= 0x40
    assert is_deep_avif(io.BytesIO(whole))


@pytest.mark.parametrize("tail", [b"\0\0\0\1uuid", b"\0\0\0\2uuid", b"\0\0\0\0uuid", b"\0\0\1\0uu"])
def test_damaged_boxes_are_no_bug(tail):
    found = jp2_parts(io.BytesIO(saved(smooth(), "JPEG2000") + tail))
    assert (found.metadata.xmp, found.exif, found.icc) == (None, None, None)
    assert set(found.notes) <= {LEFT_OUT}


def test_exif_of_an_avif_that_its_boxes_turn_keeps_its_letters():
    """Pillow writes such a block anew, with question marks, on reading and on writing."""
    letters = "Grüße".encode()
    exif = Image.Exif()
    exif[0x0113], exif[0x010E] = 6, "x" * len(letters)
    whole = saved(smooth(), "AVIF", exif=exif.tobytes()).replace(b"x" * len(letters), letters)
    assert whole.count(b"\x01\x13\0\x03") == 1
    whole = whole.replace(b"\x01\x13\0\x03", b"\x01\x12\0\x03")  # turned, as no box says
    photo = Photo.read(whole)
    assert (photo.width, photo.height) == (36, 24)
    assert letters in photo.exif


def with_aperture(avif, numbers):
    """Give the picture of a file by libavif a clean aperture, behind its other properties."""

    def at(kind):
        return avif.index(kind) - 4

    def longer(kind, count, end=b""):
        place = at(kind)
        size = int.from_bytes(avif[place : place + 4], "big")
        whole = avif[place + 4 : place + size] + end
        return avif[:place] + struct.pack(">I", size + count) + whole + avif[place + size :]

    properties = avif[at(b"ipco") + 8 : at(b"ipma")]
    count, place = 0, 0
    while place < len(properties):
        count, place = count + 1, place + int.from_bytes(properties[place : place + 4], "big")
    avif = longer(b"ipco", 40, box(b"clap", struct.pack(">4IiIiI", *numbers)))
    place = at(b"ipma") + 18  # version, count, number of the picture, number of its properties
    chosen = avif[place + 1 : place + 1 + avif[place]] + bytes([0x80 | (count + 1)])
    avif = avif[:place] + bytes([len(chosen)]) + chosen + avif[place + len(chosen) :]
    for kind, more in ((b"ipma", 1), (b"iprp", 41), (b"meta", 41)):
        avif = longer(kind, more)
    place = at(b"iloc") + 16  # one picture in one piece
    (start,) = struct.unpack_from(">I", avif, place + 6)
    return avif[: place + 6] + struct.pack(">I", start + 41) + avif[place + 10 :]


SHOWN = (30, 1, 16, 1, 2, 1, -2, 1)  # of 36 x 24: from 5, 2


@pytest.mark.parametrize("orientation", [1, 6])
def test_an_avif_shows_its_clean_aperture(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    whole = saved(smooth(), "AVIF", exif=exif.tobytes(), quality=100)
    shown = Photo.read(whole).pixels
    part = Photo.read(with_aperture(whole, SHOWN)).pixels
    if orientation == 6:
        shown, part = np.rot90(shown), np.rot90(part)
    assert part.shape == (16, 30)
    assert np.array_equal(part, shown[2:18, 5:35])


@pytest.mark.parametrize("numbers", [(30, 0, *SHOWN[2:]), (99, *SHOWN[1:]), (0, *SHOWN[1:])])
def test_an_aperture_that_lies_outside_counts_for_nothing(numbers):
    whole = with_aperture(saved(smooth(), "AVIF"), numbers)
    assert Photo.read(whole).pixels.shape == smooth().shape


def test_damaged_properties_of_an_avif_show_all_of_it():
    whole = with_aperture(saved(smooth(), "AVIF"), SHOWN)
    for kind in (b"pitm", b"ipma", b"ipco", b"clap"):
        assert avif_window(io.BytesIO(whole.replace(kind, b"none")), (36, 24)) is None
    for end in range(0, len(whole), 7):
        assert avif_window(io.BytesIO(whole[:end]), (36, 24)) in (None, (5, 2, 35, 18))
