"""What people give in Python: wrong kinds are named, right ones told apart by type checkers."""

from __future__ import annotations

import io
import typing
from importlib import resources

import numpy as np
import pytest
from PIL import Image

import koalarize
from fakes import FakeEngine
from koalarize.colorizer.colorize import colorize
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OptionError, PhotoError
from koalarize.photo.photo import Photo
from koalarize.steering.session import Session
from koalarize.steering.steering import Steering

LEVELS = np.arange(24 * 36, dtype=np.uint16).reshape(24, 36).astype(np.uint8)


def png():
    buffer = io.BytesIO()
    Image.fromarray(LEVELS).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def colorizer():
    return Colorizer(FakeEngine())


def test_checkers_of_types_see_the_package_and_what_each_kind_of_picture_gives():
    assert resources.files(koalarize).joinpath("py.typed").is_file()
    for call in (colorize, Colorizer.__call__):
        given = [typing.get_type_hints(one)["return"] for one in typing.get_overloads(call)]
        assert len(given) == len(set(map(str, given))) == 5


class TestWrongKinds:
    def test_of_steering(self, colorizer, tmp_path):
        wrong = typing.cast("Steering", {"vividness": 1.2})
        path = tmp_path / "a.png"
        path.write_bytes(png())
        for call in (
            lambda: colorizer(LEVELS, wrong),
            lambda: colorizer.photo(Photo(LEVELS), wrong),
            lambda: colorizer.file(path, steering=wrong),
            lambda: colorizer.data(png(), wrong),
        ):
            with pytest.raises(OptionError, match=r"`steering` is of type dict but must be"):
                call()

    def test_of_pictures(self, colorizer):
        with pytest.raises(PhotoError, match=r"`photo` is of type str but .* Photo\.read"):
            colorizer.photo("a.png")
        with pytest.raises(PhotoError, match=r"`photo` is of type ndarray but"):
            colorizer.look(LEVELS)
        with pytest.raises(PhotoError, match=r"`picture` is of type str but .* use `file`"):
            colorizer.data("a.png")

    def test_of_references(self):
        with pytest.raises(OptionError, match=r"`reference` is of type str .* reference=\.\.\."):
            Steering(reference=typing.cast("None", "sunset.jpg"))

    def test_of_arrays(self, colorizer):
        with pytest.raises(PhotoError, match=r"dtype bool .* `array\.astype\(np\.uint8\) \* 255`"):
            colorizer(LEVELS > 99)

    @pytest.mark.parametrize(
        ("pixels", "alpha", "told"),
        [
            ([[1]], None, "`pixels` is of type list"),
            (LEVELS.astype(np.int64), None, "`pixels` is int64 of shape"),
            (np.dstack([LEVELS] * 4), None, r"`pixels` is uint8 of shape \(24, 36, 4\)"),
            (LEVELS, LEVELS[1:], r"`alpha` has shape \(23, 36\) but"),
        ],
    )
    def test_of_planes(self, pixels, alpha, told):
        with pytest.raises(PhotoError, match=told):
            Photo(pixels, alpha)

    def test_of_arguments(self, colorizer, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(png())
        with pytest.raises(OptionError, match="`threads` is '2' but must be a whole number"):
            Colorizer.load(threads=typing.cast("int", "2"))
        with pytest.raises(OptionError, match="`threads` is -1 but must be from 0"):
            Colorizer(FakeEngine(), threads=-1)
        with pytest.raises(OptionError, match="`most_chroma` is '9' but must be a number"):
            Colorizer.load(most_chroma=typing.cast("float", "9"))
        wrong = typing.cast("bool", "no")  # which counts as true
        with pytest.raises(OptionError, match="`overwrite` is 'no' but must be true or false"):
            colorizer.file(path, overwrite=wrong)
        with pytest.raises(OptionError, match="`tolerant` is 'no' but must be true or false"):
            colorizer.data(png(), tolerant=wrong)

    def test_of_pages(self):
        with pytest.raises(PhotoError, match="`page` is -1 but must be 0 or more"):
            Photo.read(png(), page=-1)


def test_a_file_that_exists_says_where_overwriting_is_allowed(colorizer, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png())
    colorizer(path)
    with pytest.raises(koalarize.OutputError, match=r"overwrite=True of `Colorizer\.file`"):
        colorizer(path)


def test_sessions_are_read_by_a_path_as_text():
    with pytest.raises(OptionError, match=r"`no\.json` cannot be read"):
        Session.read("no.json")


def test_all_pictures_of_a_binary_file_are_read():
    (photo,) = Photo.each(io.BytesIO(png()))
    assert np.array_equal(photo.pixels, LEVELS)


def test_what_is_printed_is_short(colorizer):
    photo = Photo(LEVELS, alpha=LEVELS)
    assert repr(photo) == "Photo(PNG, 36 × 24 uint8 grey with alpha)"
    assert repr(colorizer) == "Colorizer(fake)"
    assert len(repr(colorizer.data(png()))) < 200


@pytest.mark.parametrize(
    ("kind", "called"), [("TIFF", "page"), ("GIF", "frame"), ("MPO", "picture")]
)
def test_of_a_pil_image_of_several_pictures_one_is_coloured_and_a_note_says_so(
    colorizer, caplog, kind, called
):
    file = io.BytesIO()
    first, *others = [Image.fromarray(LEVELS ^ number) for number in (0, 1, 2)]
    first.save(file, kind, save_all=True, append_images=others)
    image = Image.open(file)
    for number in range(3):
        image.seek(number)
        colorizer(image)  # all of them, in a loop: one note is enough
    colorizer(first)
    (told,) = caplog.messages
    assert f"{called} 1 of several: the others are left out" in told
