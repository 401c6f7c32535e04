"""Sessions on other copies of their picture: smaller, larger, packed again."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from koalarize.colorizer.copies import copy_facts, replayed
from koalarize.photo.photo import Photo
from koalarize.photo.straighten import straightened_size
from koalarize.steering.crop import Crop
from koalarize.steering.hints import Hint
from koalarize.steering.session import OtherPhotoError, Session
from koalarize.steering.steering import Steering

SIZE = (600, 400)
ASKED = Steering(
    hints=(Hint(x=300, y=100, color="#c03020", radius=12), Hint(x=599, y=399, color="#20c030")),
    crop=Crop(60, 40, 480, 320),
)


def scene(seed=1):
    small = np.random.default_rng(seed).integers(20, 235, (9, 13)).astype(np.uint8)
    return Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC)


def packed(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def session_of(image, steering=ASKED):
    photo = Photo.read(packed(image, "PNG"))
    return Session("oma.png", "12" * 32, "koala", steering, None, photo.digest(), copy_facts(photo))


def opened(session, image, kind="JPEG", **options):
    data = packed(image, kind, **options)
    return replayed(session, session.steering, "56" * 32, "b.jpg", lambda: Photo.read(data))


@pytest.mark.parametrize("size", [(200, 133), (300, 200), (301, 201), (900, 600), (1200, 800)])
def test_places_come_to_the_size_of_the_copy(size):
    steering, said = opened(session_of(scene()), scene().resize(size), quality=60)
    across, down = size[0] / 600, size[1] / 400
    first, last = steering.hints
    assert (first.x, first.y) == pytest.approx((300.5 * across - 0.5, 100.5 * down - 0.5))
    assert first.radius == pytest.approx(12 * across, rel=0.01)
    assert last.x <= size[0] - 1
    assert last.y <= size[1] - 1
    assert last.radius is None
    assert steering.crop is not None
    left, top, right, bottom = steering.crop.box(*size)
    assert (left, top) == (round(60 * across), round(40 * down))
    assert (right, bottom) == (round(540 * across), round(360 * down))
    assert said is not None
    assert f"from 600 × 400 to {size[0]} × {size[1]} pixels" in said


def test_a_copy_packed_again_keeps_all_places():
    steering, said = opened(session_of(scene()), scene(), quality=50)
    assert steering == ASKED
    assert said == "`b.jpg` is another copy of the picture that the session was saved with"


@pytest.mark.parametrize(("turn", "straighten"), [(90, 0.0), (270, 0.0), (0, 3.0), (90, -2.0)])
def test_places_are_those_of_the_turned_photo(turn, straighten):
    """A hint in the middle and a crop of all of it stay so."""

    def placed(width, height):
        size = (height, width) if turn else (width, height)
        return straightened_size(*size, straighten) if straighten else size

    whole, wanted = placed(600, 400), placed(300, 200)
    middle = Hint(x=whole[0] / 2 - 0.5, y=whole[1] / 2 - 0.5, color="#c03020")
    asked = Steering(hints=(middle,), turn=turn, straighten=straighten, crop=Crop(0, 0, *whole))
    steering, _ = opened(session_of(scene(), asked), scene().resize((300, 200)))
    hint = steering.hints[0]
    assert (hint.x, hint.y) == pytest.approx((wanted[0] / 2 - 0.5, wanted[1] / 2 - 0.5))
    assert steering.crop == Crop(0, 0, *wanted)


@pytest.mark.parametrize(
    "other",
    [
        scene(2).resize((300, 200)),
        scene().crop((12, 8, 588, 392)).resize((300, 200)),  # other places
        scene().crop((0, 0, 600, 390)),  # another shape
        scene().resize((300, 190)),
        scene().transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    ],
)
def test_another_picture_is_refused(other):
    with pytest.raises(OtherPhotoError, match=r"`b\.jpg` is another picture"):
        opened(session_of(scene()), other)


def test_a_session_without_looks_goes_with_its_picture_alone():
    session = dataclasses.replace(session_of(scene()), copy=None)
    with pytest.raises(OtherPhotoError):
        opened(session, scene().resize((300, 200)))
    assert opened(session, scene(), "PNG")[0] == ASKED
    assert Session.loads(session.dumps()) == session


def test_what_tells_a_copy_is_in_the_file():
    session = session_of(scene())
    assert Session.loads(session.dumps()) == session
    document = json.loads(session.dumps())
    assert document["photo"]["width"] == 600
    assert len(document["photo"]["looks"]) == 512


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (17, 16)])
def test_the_smallest_have_looks(size):
    photo = Photo.read(packed(scene().resize(size), "PNG"))
    assert len(copy_facts(photo).looks) == 512


def test_looks_are_mean_lightnesses():
    pixels = np.zeros((33, 16), np.uint8)
    pixels[:, 8:] = 255
    looks = np.frombuffer(bytes.fromhex(copy_facts(Photo.read(pixels)).looks), np.uint8)
    assert (looks.reshape(16, 16)[:, :8] == 0).all()
    assert (looks.reshape(16, 16)[:, 8:] == 255).all()


def test_chunks_of_rows_change_nothing(monkeypatch):
    photo = Photo.read(packed(scene(), "PNG"))
    whole = copy_facts(photo)
    monkeypatch.setattr("koalarize.colorizer.copies._ROWS", 7000)
    assert copy_facts(photo) == whole
