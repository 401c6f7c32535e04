"""TIFF files whose data are damaged: refused, or read as far as they go; libtiff prints nothing."""

from __future__ import annotations

import contextlib
import ctypes
import io
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from skimage import data

from koalarize.errors import PhotoError
from koalarize.photo import libtiff
from koalarize.photo.libtiff import gathered
from koalarize.photo.mend import DAMAGED
from koalarize.photo.photo import Photo
from koalarize.photo.tiff_segments import unpacked_by_libtiff
from photo_parts import saved

CAMERA = data.camera()[::2, ::2]


def damaged(packer):
    """Return a TIFF file with nonsense in the middle of its data."""
    levels = CAMERA > 128 if packer == "group4" else CAMERA
    rows = {278: 64} if packer != "group4" else {}
    whole = bytearray(saved(levels, "TIFF", compression=packer, tiffinfo=rows))
    middle = len(whole) // 2
    for place in range(middle, middle + 400):
        whole[place] = whole[place] ^ 0x5A if packer != "jpeg" else b"\xff\xcf"[place & 1]
    return bytes(whole)


@pytest.mark.parametrize("packer", ["group4", "jpeg", "tiff_adobe_deflate", "tiff_lzw"])
class TestDamage:
    def test_is_refused_and_libtiff_prints_nothing(self, packer, capfd):
        with pytest.raises(PhotoError, match=r"damaged or cut short \(.*--tolerant"):
            Photo.read(damaged(packer))
        assert capfd.readouterr().err == ""

    def test_is_read_as_far_as_it_goes_where_one_asks_for_it(self, packer):
        photo = Photo.read(damaged(packer), tolerant=True)
        assert photo.notes == (DAMAGED,)
        sound = Photo.read(saved(CAMERA > 128 if packer == "group4" else CAMERA, "TIFF"))
        assert np.abs(photo.lightness()[:40] - sound.lightness()[:40]).mean() < 3


def test_nothing_at_all_is_no_picture_even_where_one_asks_for_what_there_is():
    file = saved(CAMERA, "TIFF", compression="tiff_lzw", tiffinfo={278: 256})
    with pytest.raises(PhotoError, match=r"damaged or cut short .*came from\.$"):
        Photo.read(file[:8] + b"\xff" * 300 + file[308:], tolerant=True)


def test_a_cut_file_is_filled_up_and_not_called_damaged_too():
    file = io.BytesIO()
    tifffile.imwrite(file, CAMERA, compression="zlib", rowsperstrip=32)
    whole = file.getvalue()
    photo = Photo.read(whole[: len(whole) * 2 // 3], tolerant=True)
    assert photo.notes == ("it is cut short: what is missing of it is filled up",)
    assert np.array_equal(photo.pixels[:100], CAMERA[:100])


def test_a_damaged_strip_that_is_unpacked_alone_is_an_error(capfd):
    with pytest.raises((ValueError, OSError)):
        unpacked_by_libtiff(b"\x80\xff\xff\xff\x00\x01" * 9, 5, 4000)
    assert capfd.readouterr().err == ""


def test_what_others_do_with_libtiff_is_still_heard_by_them(monkeypatch):
    told = []
    before = libtiff._HANDLER(lambda module, text, values: told.append(module))
    with gathered() as said:
        libtiff._hear(b"Fax4Decode", b"Bad code word", None)
    monkeypatch.setattr(libtiff._Before, "handler", before)
    libtiff._hear(b"TheirDecode", b"", None)
    assert (said, told) == (["Fax4Decode"], [b"TheirDecode"])


def test_where_libtiff_is_hidden_pictures_are_read_all_the_same(monkeypatch):
    monkeypatch.setattr(libtiff._Before, "tried", False)
    hidden = SimpleNamespace(**vars(ctypes) | {"CDLL": lambda name: object()})
    monkeypatch.setattr(libtiff, "ctypes", hidden)  # not for who else loads a library meanwhile
    assert np.array_equal(Photo.read(saved(CAMERA, "TIFF", compression="tiff_lzw")).pixels, CAMERA)


#: Layouts of 16-bit color in four parts, of which Pillow would drop half.
DEEP = {
    "strips": {"compression": "zlib", "rowsperstrip": 16},
    "one strip": {"compression": "zlib", "rowsperstrip": 64},
    "tiles": {"compression": "zlib", "tile": (32, 32)},
    "planes": {"compression": "zlib", "planarconfig": "separate"},
}
#: Layouts of 8 bits, which libtiff unpacks where they are sound.
SHALLOW = {"8 bits": {"compression": "zlib"}, "8 bits in tiles": DEEP["tiles"]}


def turned_bit(packed):
    """Return deflated data with a bit turned, so that all bytes and more are unpacked of them."""
    wanted = len(zlib.decompress(packed))
    for place in range(len(packed) // 3, len(packed) - 4):
        for bit in range(8):
            bad = bytearray(packed)
            bad[place] ^= 1 << bit
            with contextlib.suppress(zlib.error):
                unpacker = zlib.decompressobj()
                if len(unpacker.decompress(bad, wanted)) == wanted and not unpacker.eof:
                    return bytes(bad)
    raise AssertionError("no bit does")


@pytest.mark.parametrize("layout", DEEP | SHALLOW)
def test_damage_that_unpacks_to_enough_bytes_is_told_by_the_checksum(layout):
    levels = data.astronaut()[:64, :64]
    levels = levels.astype(np.uint16) * 257 if layout in DEEP else levels
    file = io.BytesIO()
    planes = np.moveaxis(levels, -1, 0) if layout == "planes" else levels
    tifffile.imwrite(file, planes, photometric="rgb", **(DEEP | SHALLOW)[layout])
    whole = bytearray(file.getvalue())
    assert Photo.read(bytes(whole)).notes == ()
    with tifffile.TiffFile(io.BytesIO(whole)) as found:
        start, size = found.pages[0].dataoffsets[-1], found.pages[0].databytecounts[-1]
    whole[start : start + size] = turned_bit(bytes(whole[start : start + size]))
    with pytest.raises(PhotoError, match=r"damaged or cut short \(.*--tolerant"):
        Photo.read(bytes(whole))
    photo = Photo.read(bytes(whole), tolerant=True)
    assert photo.notes == (DAMAGED,)
    assert np.array_equal(photo.pixels[:16], levels[:16]) or layout == "planes"


@pytest.mark.parametrize("packer", ["tiff_adobe_deflate", "tiff_lzw"])
def test_a_picture_in_one_damaged_strip_is_read_as_far_as_it_goes(packer):
    whole = saved(CAMERA, "TIFF", compression=packer, tiffinfo={278: 256})
    middle = len(whole) // 2
    bad = whole[:middle] + b"\xff\xfe" * 200 + whole[middle + 400 :]
    with pytest.raises(PhotoError, match="--tolerant"):
        Photo.read(bad)
    photo = Photo.read(bad, tolerant=True)
    assert photo.notes == (DAMAGED,)
    assert np.array_equal(photo.pixels[:80], CAMERA[:80])


class TestDamageOfDeepColor:
    def parts(self, layout):
        levels = data.astronaut()[:64, :64].astype(np.uint16) * 257
        planes = np.moveaxis(levels, -1, 0) if layout == "planes" else levels
        file = io.BytesIO()
        tifffile.imwrite(file, planes, photometric="rgb", **DEEP[layout])
        with tifffile.TiffFile(io.BytesIO(file.getvalue())) as found:
            last = found.pages[0].dataoffsets[-1], found.pages[0].databytecounts[-1]
        return bytearray(file.getvalue()), last, levels

    @pytest.mark.parametrize("layout", DEEP)
    def test_is_read_as_far_as_it_goes(self, layout):
        whole, (start, size), levels = self.parts(layout)
        middle = start + size // 2
        whole[middle : middle + 90] = b"\xff\xfe" * 45
        with pytest.raises(PhotoError, match=r"damaged or cut short \(.*--tolerant"):
            Photo.read(bytes(whole))
        photo = Photo.read(bytes(whole), tolerant=True)
        assert photo.notes == (DAMAGED,)
        assert photo.pixels.dtype == np.uint16
        assert np.array_equal(photo.pixels[:24, :, :2], levels[:24, :, :2])

    @pytest.mark.parametrize("layout", DEEP)
    def test_a_cut_file_is_filled_up(self, layout):
        whole, (start, size), levels = self.parts(layout)
        cut = bytes(whole[: start + size // 2])
        photo = Photo.read(cut, tolerant=True)
        assert photo.notes == ("it is cut short: what is missing of it is filled up",)
        assert np.array_equal(photo.pixels[:24, :, :2], levels[:24, :, :2])

    def test_nothing_at_all_is_no_picture(self):
        whole, (start, size), _ = self.parts("one strip")
        whole[start : start + size] = bytes(size)
        with pytest.raises(PhotoError, match=r"damaged or cut short .*came from\.$"):
            Photo.read(bytes(whole), tolerant=True)


def test_damaged_tiles_of_lzw_leave_the_others():
    file = saved(data.astronaut()[:64, :64], "TIFF", compression="tiff_lzw", tiffinfo={278: 16})
    with tifffile.TiffFile(io.BytesIO(file)) as found:
        start, size = found.pages[0].dataoffsets[-1], found.pages[0].databytecounts[-1]
    packed = file[start : start + size]
    assert len(unpacked_by_libtiff(packed, 5, 64 * 16 * 3)) == 64 * 16 * 3
    bad = packed[:200] + b"\xff\xff" * 50 + packed[300:]
    assert len(unpacked_by_libtiff(bad, 5, 64 * 16 * 3, tolerant=True)) < 64 * 16 * 3
