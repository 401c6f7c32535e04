"""JPEG files of which sectors are lost, with zeros in their place: never read in silence."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from koalarize.errors import PhotoError
from koalarize.photo.mend import DAMAGED
from koalarize.photo.photo import Photo
from koalarize.photo.sectors import lost_bytes
from photo_parts import saved

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
