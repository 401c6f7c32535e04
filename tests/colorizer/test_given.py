"""What people give in Python: wrong kinds are named, right ones told apart by type checkers."""

from __future__ import annotations

import copy
import io
import pickle
import typing
from importlib import resources

import numpy as np
import pytest
from PIL import Image

import koalarize
from fakes import FakeEngine
from koalarize.colorizer.colorize import colorize
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.given import steering_of
from koalarize.errors import ModelError, OptionError, OutputError, PhotoError
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

    def test_a_mask_is_not_ignored(self, colorizer):
        some = np.ma.masked_less(LEVELS / np.float32(255), 0.01)
        told = r"`array` has [1-9]\d* masked values but must have none: .* `array\.filled\(0\)`"
        with pytest.raises(PhotoError, match=told):
            colorizer(some)
        with pytest.raises(PhotoError, match="`pixels` has"):
            Photo(np.ma.masked_equal(LEVELS, 3))
        with pytest.raises(PhotoError, match="`alpha` has"):
            Photo(LEVELS, np.ma.masked_equal(LEVELS, 3))
        nothing = np.ma.masked_array(LEVELS, mask=False)
        assert np.array_equal(colorizer(nothing), colorizer(LEVELS))

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

    @pytest.mark.parametrize(
        ("limit", "told"),
        [
            ({"page": -1}, "`page` is -1 but must be 0 or more"),
            ({"page": "1"}, "`page` is '1' but must be a whole number: the first page is 0"),
            ({"page": True}, "`page` is True but must be a whole number"),
            ({"page": 1.5}, r"`page` is 1\.5 but must be a whole number"),
            ({"max_pixels": "1"}, "`max_pixels` is '1' but must be a whole number: as 500_000_000"),
            ({"max_pixels": 0}, "`max_pixels` is 0 but must be 1 or more"),
            ({"tolerant": "no"}, "`tolerant` is 'no' but must be true or false"),
        ],
    )
    def test_of_what_is_read(self, limit, told):
        with pytest.raises(PhotoError, match=told):
            Photo.read(png(), **limit)

    @pytest.mark.parametrize("wrong", [3, None, [], png()])
    def test_of_paths(self, colorizer, tmp_path, wrong):
        path = tmp_path / "a.png"
        path.write_bytes(png())
        found = type(wrong).__name__
        with pytest.raises(PhotoError, match=rf"`source` is of type {found} but .* use `data` for"):
            colorizer.file(wrong)
        with pytest.raises(OptionError, match=rf"`path` is of type {found} but must be a path: "):
            Session.read(wrong)
        if wrong is not None:  # which stands for the usual name
            with pytest.raises(OutputError, match=rf"`target` is of type {found} but must be a pa"):
                colorizer.file(path, wrong)
        with pytest.raises(OutputError, match=rf"`path` is of type {found} but must be a path"):
            Photo(LEVELS).write(np.dstack([LEVELS] * 3), wrong)
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("wrong", [3, [], b"PNG"])
    def test_of_formats(self, colorizer, wrong):
        with pytest.raises(OutputError, match=r"`format` is .*, which is not written.* use one of"):
            colorizer.data(png(), format=wrong)

    @pytest.mark.parametrize("wrong", [3, "koala"])
    def test_of_engines_looks_sessions_and_pixels(self, colorizer, wrong):
        found = type(wrong).__name__
        with pytest.raises(ModelError, match=rf"`engine` is of type {found} but .*\.load\("):
            Colorizer(wrong)
        with pytest.raises(OutputError, match=rf"`srgb` is of type {found} but must be uint8"):
            Photo(LEVELS).encode(wrong)
        with pytest.raises(OptionError, match="`size` is '64' but must be a whole number"):
            colorizer.look(Photo(LEVELS), size=typing.cast("int", "64"))
        with pytest.raises(OptionError, match="`size` is 2049 but must be from 1 to 2048"):
            colorizer.look(Photo(LEVELS), size=2049)
        with pytest.raises(OptionError, match=r"`text` is of type int but .* by Session\.read"):
            Session.loads(typing.cast("str", 3))


def test_a_file_that_exists_says_where_overwriting_is_allowed(colorizer, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png())
    colorizer(path)
    with pytest.raises(koalarize.OutputError, match=r"overwrite=True of `Colorizer\.file`"):
        colorizer(path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"output": "b.png"}, r"`Colorizer\.file` takes the file to write, as `target`"),
        ({"overwrite": True}, r"`Colorizer\.file` takes it"),
        ({"threads": 1}, r"`Colorizer\.load` takes it"),
        ({"tolerant": True}, r"`Colorizer\.file`, `Colorizer\.data` and `Photo\.read` take it"),
        ({"self": 1}, "known are vividness, warmth"),
    ],
)
def test_what_another_call_takes_is_said_with_the_call(wrong, said):
    with pytest.raises(OptionError, match=f"`{next(iter(wrong))}` is nothing .*{said}"):
        steering_of(Steering(), wrong)


def test_a_damaged_file_says_what_python_calls_reading_it_in_part():
    with pytest.raises(PhotoError, match=r"--tolerant`, in Python `tolerant=True`"):
        Photo.read(png()[:-40])


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


def test_a_look_is_sent_to_another_process_with_what_is_known():
    look = Colorizer(FakeEngine()).look(Photo(LEVELS))
    calm = look.calm
    look.answers.plain()
    for again in (pickle.loads(pickle.dumps(look)), copy.copy(look)):
        assert np.array_equal(again.calm, calm)
        assert np.array_equal(again.lightness, look.lightness)
        assert again.answers.plain().prediction.ab.shape == (2, 16, 24)
        assert again.tint is None
