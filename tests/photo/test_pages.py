"""TIFF files of several pages: all of them in and out."""

import io

import numpy as np
import pytest
import tifffile
from skimage import data

from fakes import FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OutputError, PhotoError
from koalarize.photo.encode16 import TIFF_HEAD
from koalarize.photo.photo import Photo
from photo_parts import smooth


def scene(height, width):
    """A part of a photo, with edges."""
    return data.camera()[60 : 60 + height, 150 : 150 + width].copy()


@pytest.fixture
def album(tmp_path):
    """Three pages of different sizes and depths, and a reduced copy that is no page."""
    path = tmp_path / "album.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(scene(160, 200), photometric="minisblack", description="first", metadata=None)
        file.write(smooth(4, 5), photometric="minisblack", subfiletype=1, metadata=None)
        deep = scene(150, 175).astype(np.uint16) * 257
        file.write(deep, photometric="minisblack", description="second", metadata=None)
        file.write(scene(120, 240)[::-1], photometric="minisblack", metadata=None)
    return path


def test_each_page_is_read(album):
    first = Photo.read(album)
    assert first.pages == 3
    assert first.pixels.shape == (160, 200)
    assert Photo.read(album, page=1).pixels.dtype == np.uint16
    assert np.array_equal(Photo.read(album, page=2).pixels, scene(120, 240)[::-1])
    with pytest.raises(PhotoError, match="has 3 pages"):
        Photo.read(album, page=3)


def test_all_pages_are_colored(album):
    colored = Colorizer(FakeEngine()).file(album)
    assert colored.notes == ()
    with tifffile.TiffFile(colored.written) as file:
        pages = [page.asarray() for page in file.pages]
        assert [page.tags[270].value for page in file.pages[:2]] == ["first", "second"]
    assert [page.shape for page in pages] == [(160, 200, 3), (150, 175, 3), (120, 240, 3)]
    assert [page.dtype for page in pages] == [np.uint8, np.uint16, np.uint8]
    for number, page in enumerate(pages):
        kept = Photo.read(album, page=number).lightness()
        assert np.abs(Photo.read(page).lightness() - kept).max() < 1.5
        assert np.ptp(page.astype(int), axis=-1).max() > 9


def test_another_format_takes_the_first_and_says_so(album, tmp_path):
    colored = Colorizer(FakeEngine()).file(album, tmp_path / "first.png")
    assert colored.notes == ("page 1 of 3: the others are left out",)
    assert Photo.read(colored.written).pixels.shape[:2] == (160, 200)


def test_one_page_is_one_page(tmp_path):
    photo = Photo(smooth())
    path = photo.write(np.dstack([smooth()] * 3), tmp_path / "one.tif")
    assert Photo.read(path).pages == 1
    assert photo.notes_as("TIFF") == ()


def test_a_damaged_page_leaves_no_file(album, tmp_path):
    whole = album.read_bytes()
    with tifffile.TiffFile(album) as file:
        at = file.pages[3].tags[273].valueoffset
    (tmp_path / "bad.tif").write_bytes(whole[:at] + b"\xff\xff\xff\x0f" + whole[at + 4 :])
    with pytest.raises(PhotoError):
        Colorizer(FakeEngine()).file(tmp_path / "bad.tif")
    assert not (tmp_path / "bad.color.tif").exists()


def test_more_than_tiff_can_address_is_refused():
    photo = Photo(smooth())
    with pytest.raises(ValueError, match="4 GiB"):
        photo.tiff_page(np.dstack([smooth()] * 3), (1 << 32) - 100, last=True)
    page = photo.tiff_page(np.dstack([smooth()] * 3), len(TIFF_HEAD), last=True)
    assert tifffile.imread(io.BytesIO(TIFF_HEAD + page)).shape == (24, 36, 3)


def test_the_album_is_not_written_over(album):
    with pytest.raises(OutputError, match="is the original"):
        Colorizer(FakeEngine()).file(album, album, overwrite=True)
