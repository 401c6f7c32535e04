"""TIFF files whose data are damaged: refused, or read as far as they go; libtiff prints nothing."""

from __future__ import annotations

import ctypes
import io
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from skimage import data

from koalarize.errors import PhotoError
from koalarize.photo import libtiff
from koalarize.photo.decode import DAMAGED
from koalarize.photo.libtiff import gathered
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
    with pytest.raises(PhotoError, match="damaged or cut short"):
        Photo.read(file[:99] + bytes(200) + file[299:], tolerant=True)


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
