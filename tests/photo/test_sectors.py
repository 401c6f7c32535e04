"""JPEG files of which sectors (zeros are in their place) or rows are lost: not read in silence."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from koalarize.errors import PhotoError
from koalarize.photo.mend import DAMAGED, FILLED
from koalarize.photo.photo import Photo
from koalarize.photo.sectors import lost_bytes
from photo_parts import saved, some_exif

WHOLE = saved(data.camera(), "JPEG", quality=90)
SECTOR = 512
MIDDLE = len(WHOLE) // 2 // SECTOR * SECTOR


def holed(whole=WHOLE, first=MIDDLE, size=2 * SECTOR):
    return whole[:first] + bytes(size) + whole[first + size :]


def padded_head(whole):
    """Return a JPEG file whose first sectors are a segment of zeros, as cameras pad them."""
    segment = b"\xff\xe3" + (4 * SECTOR).to_bytes(2, "big") + bytes(4 * SECTOR - 2)
    return whole[:2] + segment + whole[2:]


@pytest.mark.parametrize(
    ("file", "lost"),
    [
        (holed(), 2 * SECTOR),
        (holed(saved(data.camera(), "JPEG", progressive=True), 20 * SECTOR), 2 * SECTOR),
        (holed(padded_head(WHOLE), 50 * SECTOR), 2 * SECTOR),
        (WHOLE[:MIDDLE] + bytes(len(WHOLE) - MIDDLE), len(WHOLE) - MIDDLE),
        (WHOLE[:MIDDLE] + bytes(2 * len(WHOLE)), 2 * len(WHOLE)),
    ],
)
def test_lost_sectors_are_refused_and_read_where_one_asks_for_it(file, lost):
    with pytest.raises(PhotoError, match=rf"{lost:,} bytes of its pixels are lost.*--tolerant"):
        Photo.read(file)
    photo = Photo.read(file, tolerant=True)
    assert photo.notes in ((DAMAGED,), ("it is cut short: what is missing of it is filled up",))
    moved = np.abs(photo.pixels[:64].astype(int) - Photo.read(WHOLE).pixels[:64])
    assert moved.mean() < 5  # what stands before the hole


def test_a_hole_across_the_blocks_that_are_read_at_once(monkeypatch):
    monkeypatch.setattr("koalarize.photo.sectors._BLOCK", SECTOR)
    assert lost_bytes(io.BytesIO(holed(size=5 * SECTOR))) == 5 * SECTOR


@pytest.mark.parametrize(
    "file",
    [
        WHOLE,
        WHOLE + bytes(-len(WHOLE) % SECTOR + 4 * SECTOR),  # padding behind the end
        WHOLE + b"\1" * (-len(WHOLE) % SECTOR) + bytes(SECTOR) + b"\1",  # of something else there
        padded_head(WHOLE),
        holed(first=MIDDLE + 7),  # zeros that no disk has made
        saved(np.full((3000, 3000), 255, np.uint8), "JPEG", optimize=True),  # its code is zeros
    ],
)
def test_zeros_that_belong_there_are_no_loss(file):
    assert lost_bytes(io.BytesIO(file)) == 0


def test_a_plain_surface_has_zeros():
    plain = saved(np.full((3000, 3000), 255, np.uint8), "JPEG", optimize=True)
    assert bytes(8 * SECTOR) in plain
    assert Image.open(io.BytesIO(plain)).size == (3000, 3000)


def shorter(whole, share, mark=b"\xff\xd9"):
    """Return a JPEG file whose last pixels are missing before the mark of its end."""
    return whole[: int(len(whole) * share)].removesuffix(b"\xff") + mark


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}, {"optimize": True}])
def test_pixels_that_are_missing_before_the_end_are_no_surface(options, share):
    whole = saved(data.camera()[:200, :200], "JPEG", **options)
    missing = shorter(whole, share)
    with pytest.raises(PhotoError, match=r"data end before its picture does.*--tolerant"):
        Photo.read(missing)
    photo = Photo.read(missing, tolerant=True)
    assert photo.notes == (FILLED,)
    rows = slice(int(200 * share) - 40)
    assert np.array_equal(photo.pixels[rows], Photo.read(whole).pixels[rows])


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
def test_missing_pixels_are_found_however_the_picture_is_turned(orientation):
    whole = saved(data.camera()[250:450, 200:400], "JPEG", exif=some_exif(orientation))
    with pytest.raises(PhotoError, match="data end before its picture does"):
        Photo.read(shorter(whole, 0.7))


def test_a_plain_corner_is_no_missing_one():
    levels = data.camera()[:200, :200].copy()
    levels[150:] = 128
    for kind in ({}, {"progressive": True}, {"restart_marker_rows": 1}):
        for shade in (levels, np.dstack([levels] * 3)):
            assert Photo.read(saved(shade, "JPEG", **kind)).notes == ()
    for size in ((1, 1), (3, 5), (7, 300), (300, 7)):
        assert Photo.read(saved(np.full(size, 99, np.uint8), "JPEG")).notes == ()
