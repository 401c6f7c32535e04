"""Kinds of pictures that few programs write: read as these mean them, or refused by name."""

import io
import struct
import sys

import numpy as np
import pytest
from PIL import Image

from koalarize.errors import PhotoError
from koalarize.photo.boxes import DEEP
from koalarize.photo.photo import Photo
from photo_parts import saved, smooth


def fits(bits, values):
    cards = (f"SIMPLE  = {'T':>20}", f"BITPIX  = {bits:20}", f"NAXIS   = {2:20}")
    cards += (f"NAXIS1  = {4:20}", f"NAXIS2  = {3:20}", f"BZERO   = {32768:20}", "END")
    head = "".join(card.ljust(80) for card in cards).encode().ljust(2880)
    return head + values.tobytes().ljust(2880, b"\0")


def test_black_of_an_xbm_is_black():
    words = b"#define a_width 16\n#define a_height 1\nstatic char a_bits[] = {\n0xff, 0x00 };\n"
    assert Photo.read(words).pixels.tolist() == [[0] * 8 + [255] * 8]  # 1 is black
    shown = Image.open(io.BytesIO(words))  # what Pillow shows is what is coloured
    assert np.array_equal(Photo.read(shown).pixels, np.asarray(shown.convert("L")))


def test_an_xpm_with_colours_by_name_is_no_damage():
    words = b'/* XPM */\nstatic char *a[] = {\n"1 1 1 1",\n"a c black",\n"a"};\n'
    with pytest.raises(PhotoError, match=r"is an XPM of a rare kind: save it as PNG\.$"):
        Photo.read(words)


@pytest.mark.parametrize(
    ("brands", "said"),
    [(b"mif1heic", "is a HEIC picture: install"), (b"mif1avif", "cannot be read as AVIF")],
)
def test_a_brand_that_heic_and_avif_share_is_told_by_the_others(brands, said, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    with pytest.raises(PhotoError, match=said):
        Photo.read(struct.pack(">I", 24) + b"ftypmif1\0\0\0\0" + brands + bytes(500))


def test_fits_of_more_than_8_bits_is_refused():
    with pytest.raises(PhotoError, match="is a FITS file of more than 8 bits: save it as TIFF"):
        Photo.read(fits(16, np.zeros((3, 4), ">i2")))


def test_bits_that_sgi_loses_are_said():
    head = struct.pack(">hBBHHHHii", 474, 0, 2, 2, 4, 3, 1, 0, 65535).ljust(512, b"\0")
    assert Photo.read(head + bytes(24)).notes == (DEEP,)
    assert Photo.read(saved(smooth(), "SGI")).notes == ()


def test_a_deep_or_lossless_jpeg_is_no_damage():
    encoded = bytearray(saved(smooth(), "JPEG"))
    encoded[encoded.index(b"\xff\xc0") + 4] = 12  # bits
    with pytest.raises(PhotoError, match=r"JPEG of a rare kind .* save it as PNG or TIFF"):
        Photo.read(bytes(encoded))
