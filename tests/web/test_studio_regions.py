"""Parts of a photo over HTTP: large ones made smaller, and places that lie outside it."""

from __future__ import annotations

import numpy as np
import pytest

from koalarize.colorizer.chroma import Chroma
from rest import HINTED, image_of, problem


def test_a_large_part_made_smaller_is_that_of_the_preview(service, photo, monkeypatch):
    asked = {"format": "png", "steering": HINTED}
    wanted = np.asarray(image_of(service.post(f"{photo}/preview", json=asked | {"side": 35})))
    painted = []
    paint = Chroma.paint
    monkeypatch.setattr(
        Chroma, "paint", lambda *a, **k: (painted.append(a[1].shape), paint(*a, **k))[1]
    )
    box = {"x": 20, "y": 10, "width": 40, "height": 30, "scale": 0.5}
    part = np.asarray(image_of(service.post(f"{photo}/region", json=asked | box)))
    assert np.array_equal(part, wanted[5:20, 10:30])
    assert painted == [(25, 35)]
    small = {"x": 20, "y": 10, "width": 20, "height": 10, "scale": 0.5}
    assert image_of(service.post(f"{photo}/region", json=asked | small)).size == (10, 5)
    assert painted[1:] == [(50, 70)]  # the photo is not made smaller for a small part of it


@pytest.mark.parametrize(
    ("steering", "word"),
    [
        ({"hints": [{"x": 70, "y": 1, "color": "#fff"}]}, "outside the photo"),
        ({"turn": 90, "hints": [{"x": 60, "y": 1, "color": "#fff"}]}, "50 x 70 pixels"),
        ({"crop": {"x": 1, "y": 0, "width": 70, "height": 9}}, "reaches beyond the photo"),
        ({"model": "koalo"}, "did you mean `koala`"),
    ],
)
def test_a_session_that_nothing_could_open_is_not_saved(service, photo, steering, word):
    said = service.post(f"{photo}/session", json={"steering": steering})
    problem(said, 422, "not-allowed", word)
