"""TIFF files of several pages: all of them in and out."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data

from fakes import FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OptionError, OutputError, PhotoError
from koalarize.photo.directories import TiffReader
from koalarize.photo.encode16 import TIFF_HEAD
from koalarize.photo.metadata import Metadata
from koalarize.photo.pages import notes_of_pages
from koalarize.photo.photo import Photo
from koalarize.steering.crop import Crop
from koalarize.steering.hints import Hint
from koalarize.steering.steering import Steering
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
    assert tifffile.imread(io.BytesIO(b"".join([TIFF_HEAD, *page]))).shape == (24, 36, 3)


def test_the_album_is_not_written_over(album):
    with pytest.raises(OutputError, match="is the original"):
        Colorizer(FakeEngine()).file(album, album, overwrite=True)


def test_hints_act_on_the_first_page_only(album):
    engine = FakeEngine()
    hint = Hint.parse("150,100,20=#c03020")
    colored = Colorizer(engine).file(album, steering=Steering(hints=(hint,)))
    assert colored.notes == ("hints act on page 1 only",)
    hinted = [hints is not None for _, hints in engine.seen]
    assert hinted == [False, True, False, False]


def test_a_cut_page_is_filled_where_one_asks_for_it(album, tmp_path):
    with tifffile.TiffFile(album) as file:
        (at,), (count,) = file.pages[3].dataoffsets, file.pages[3].databytecounts
        place = file.pages[3].tags[273].valueoffset
    whole = bytearray(album.read_bytes())
    whole += whole[at : at + count // 2]
    whole[place : place + 4] = (len(whole) - count // 2).to_bytes(4, "little")
    (tmp_path / "cut.tif").write_bytes(whole)
    with pytest.raises(PhotoError, match="page 3 of"):
        Colorizer(FakeEngine()).file(tmp_path / "cut.tif")
    colored = Colorizer(FakeEngine()).file(tmp_path / "cut.tif", tolerant=True)
    note = "page 3: it is cut short: what is missing of it is filled up"
    assert colored.notes == (note,)
    kept = Photo.read(colored.written, page=2).lightness()
    assert np.abs(kept[:50] - Photo.read(album, page=2).lightness()[:50]).max() < 1.5


def test_notes_name_their_pages():
    found = notes_of_pages([("a", "b"), ("a",), (), ("a",), ("c",)], "page")
    assert found == ("pages 1 to 2, 4: a", "page 1: b", "page 5: c")


def test_pages_through_bytes_and_calls(album, caplog):
    colorizer = Colorizer(FakeEngine())
    made = colorizer(album.read_bytes())
    with tifffile.TiffFile(io.BytesIO(made)) as file:
        assert len(file.pages) == 3
    with album.open("rb") as stream:
        assert colorizer(stream) == made
    assert caplog.messages == []
    first = colorizer.data(album.read_bytes(), format="jpg")
    note = "page 1 of 3: the others are left out"
    assert first.notes == (note,)


def test_a_call_logs_what_is_lost(tmp_path, caplog):
    photo = Photo(smooth(), metadata=Metadata(comments=(b"words",)))
    path = photo.write(np.dstack([smooth()] * 3), tmp_path / "one.jpg")
    colorizer = Colorizer(FakeEngine())
    cut = path.read_bytes()[:-2]
    colorizer(cut)
    path.write_bytes(cut)
    colorizer(path)
    note = "the mark of its end is missing; all its pixels are there"
    assert caplog.messages == [f"the given data: {note}", f"`{path}`: {note}"]


def test_a_crop_that_fits_the_first_page_only_names_the_other(tmp_path):
    pages = (smooth(), smooth(height=10))
    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        for page in pages:
            file.write(page, photometric="minisblack")
    asked = Steering(crop=Crop(0, 0, 20, 20))
    with pytest.raises(OptionError, match=r"^page 2 of 2: the crop 0,0,20,20 reaches beyond"):
        Colorizer(FakeEngine()).file(tmp_path / "two.tif", steering=asked)


def test_a_call_logs_what_an_image_loses(caplog):
    colorizer = Colorizer(FakeEngine())
    colorizer(Image.fromarray(smooth()))
    assert caplog.messages == []
    colorizer(Image.fromarray(smooth().astype(np.int32)))
    levels = "its levels reach 233: they are taken as 8 bits"
    sixteen = "a PIL image cannot hold its 16 bits in colour"
    assert caplog.messages == [f"the given image: {levels}", f"the given image: {sixteen}"]


def test_a_page_is_read_without_a_copy_of_the_file(album):
    read = []

    class Watched(io.FileIO):
        def read(self, size=-1):
            data = super().read(size)
            read.append(len(data))
            return data

        def readall(self):
            raise AssertionError("the whole file is read")

    with Watched(album) as stream:
        assert Photo.read(stream, page=2).pixels.shape == (120, 240)
    assert max(read) < album.stat().st_size


def test_a_file_cut_behind_a_page_says_so_and_keeps_those_before():
    """It said "(Missing dimensions)", and `--tolerant` read the first page only."""
    file, page = io.BytesIO(), Image.new("L", (40, 30), 90)
    page.save(file, "TIFF", save_all=True, append_images=[page, page])
    third = TiffReader(io.BytesIO(file.getvalue())).chain()[2]
    cut = file.getvalue()[: third + 40]
    with pytest.raises(PhotoError, match=r"\(it ends before what says where page 3 lies\)"):
        Photo.read(cut)
    read = list(Photo.each(cut, tolerant=True))
    assert [photo.pages for photo in read] == [2, 2]
    assert "it is cut short before page 3" in read[0].notes
