"""Turn, straighten, negative and crop over REST: what is shown and what is saved."""

from __future__ import annotations

import io
import json

import numpy as np
from PIL import Image

from koalarize.photo.photo import Photo
from koalarize.photo.straighten import straightened, straightened_size
from koalarize.web.studio import photo_store
from rest import API, client, image_of, picture, place_of, problem, studio_of


def test_a_turned_photo_is_shown_and_saved_turned(service, photo):
    for path, extra in (("preview", {}), ("preview", {"grey": True}), ("render", {})):
        asked = {"format": "png", "steering": {"turn": 90}, **extra}
        assert image_of(service.post(f"{photo}/{path}", json=asked)).size == (50, 70)
    part = {"x": 40, "y": 60, "width": 99, "height": 99, "steering": {"turn": 90}}
    assert image_of(service.post(f"{photo}/region", json=part)).size == (10, 10)
    hinted = {"x": 45.0, "y": 65.0, "count": 1}
    outside = service.post(f"{photo}/suggestions", json=hinted)
    problem(outside, 422, "not-allowed", "outside the photo")
    inside = service.post(f"{photo}/suggestions", json={**hinted, "steering": {"turn": 90}})
    assert inside.is_success


def test_a_straightened_photo_is_shown_and_saved_so(service, photo):
    size = straightened_size(70, 50, 4.5)
    for path, extra in (("preview", {}), ("preview", {"grey": True}), ("render", {})):
        asked = {"format": "png", "steering": {"straighten": 4.5}, **extra}
        assert image_of(service.post(f"{photo}/{path}", json=asked)).size == size
    said = service.post(f"{photo}/render", json={"steering": {"straighten": 15.1}})
    problem(said, 422, "not-allowed", "less than or equal to 15")


def test_of_a_large_photo_a_small_version_is_straightened_to_be_shown(service, monkeypatch):
    place = place_of(service.post(f"{API}/photos", content=picture(400, 300)))
    widths = []
    work = photo_store.prepared
    monkeypatch.setattr(
        photo_store, "prepared", lambda *a, **k: (widths.append(a[0].width), work(*a, **k))[1]
    )
    asked = {"format": "png", "side": 50, "steering": {"straighten": 4.5}}
    before = image_of(service.post(f"{place}/preview", json={**asked, "grey": True}))
    assert widths and max(widths) < 150
    assert before.size == image_of(service.post(f"{place}/preview", json=asked)).size
    level = straightened(Photo.read(picture(400, 300)), 4.5)
    wanted = (
        Image.fromarray(level.pixels).convert("L").resize(before.size, Image.Resampling.LANCZOS)
    )
    off = np.abs(np.asarray(before.convert("L"), float) - np.asarray(wanted, float))
    assert off.mean() < 2


def test_a_session_whose_places_lie_outside_is_refused_when_it_is_opened(service, photo):
    text = service.post(f"{photo}/session", json={"steering": {"turn": 90}}).json()
    for steering, word in (
        ({"turn": 90, "hints": [{"x": 60, "y": 1, "color": "#fff"}]}, "50 x 70 pixels"),
        ({"crop": {"x": 1, "y": 0, "width": 70, "height": 9}}, "reaches beyond the photo"),
    ):
        edited = json.dumps({**text, "steering": {**text["steering"], "turn": 0, **steering}})
        said = service.post(f"{photo}/session/open", content=edited)
        problem(said, 422, "not-allowed", word)


def test_a_negative_is_inverted(service):
    negative = picture(70, 50, "PNG")
    place = place_of(service.post(f"{API}/photos", content=negative))
    asked = {"format": "png", "steering": {"negative": True}}
    made = np.asarray(image_of(service.post(f"{place}/render", json=asked)).convert("L"), float)
    with Image.open(io.BytesIO(negative)) as image:
        grey = np.asarray(image.convert("L"), float)
    assert np.corrcoef(made.ravel(), grey.ravel())[0, 1] < -0.95
    before = service.post(f"{place}/preview", json={**asked, "grey": True})
    assert np.array_equal(np.asarray(image_of(before).convert("L")), grey)
    query = service.post(f"{API}/colorize?negative=true&format=png", content=negative)
    assert np.array_equal(np.asarray(image_of(query).convert("L")), made)


def test_colour_film_is_told(service):
    rng = np.random.default_rng(0)
    film = (rng.integers(40, 200, (40, 60, 1)) * [0.9, 0.58, 0.36]).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(film).save(buffer, "PNG")
    assert service.post(f"{API}/photos", content=buffer.getvalue()).json()["negative"] is True
    assert service.post(f"{API}/photos", content=picture()).json()["negative"] is False


def test_a_crop_is_what_previews_and_files_show(service, photo):
    crop = {"x": 10, "y": 5, "width": 40, "height": 20}
    asked = {"format": "png", "steering": {"crop": crop}}
    saved = np.asarray(image_of(service.post(f"{photo}/render", json=asked)))
    whole = np.asarray(image_of(service.post(f"{photo}/render", json={"format": "png"})))
    assert np.array_equal(saved, whole[5:25, 10:50])
    shown = image_of(service.post(f"{photo}/preview", json={**asked, "side": 20}))
    assert shown.size == (20, 10)
    shown = image_of(service.post(f"{photo}/preview", json={**asked, "grey": True}))
    assert shown.size == (40, 20)
    beyond = {"steering": {"crop": {**crop, "width": 61}}}
    for path in ("preview", "render"):
        said = service.post(f"{photo}/{path}", json=beyond)
        problem(said, 422, "not-allowed", "reaches beyond the photo")


def test_in_the_query(service, exif):
    said = service.post(f"{API}/colorize?turn=270&crop=1,2,30,40&format=png", content=exif)
    assert image_of(said).size == (30, 40)
    said = service.post(f"{API}/colorize?crop=1,2,30", content=exif)
    problem(said, 422, "not-allowed", "X,Y,WIDTH,HEIGHT")
    said = service.post(f"{API}/colorize?turn=45", content=exif)
    problem(said, 422, "not-allowed", "multiple of 90")


def test_a_crop_changes_no_colour_and_plans_none():
    with client() as opened:
        place = place_of(opened.post(f"{API}/photos", content=picture()))
        for width in (10, 20):
            crop = {"x": 0, "y": 0, "width": width, "height": 9}
            opened.post(f"{place}/preview", json={"steering": {"crop": crop}})
        (kept,) = studio_of(opened.app).photos._opened.values()
        assert len(kept.chromas._things) == 1


def test_what_is_turned_counts_as_memory():
    with client() as opened:
        place = place_of(opened.post(f"{API}/photos", content=picture(400, 300)))
        store = studio_of(opened.app).photos
        (kept,) = store._opened.values()
        before = kept.bytes
        opened.post(f"{place}/preview", json={"grey": True, "steering": {"turn": 90}})
        assert kept.bytes >= before + 400 * 300
        while kept.shed():
            pass
        assert kept.bytes == before
