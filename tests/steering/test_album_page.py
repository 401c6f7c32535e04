"""A coloured page with prints on it: it keeps its colour, and is no part of the prints' toning."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from fakes import FakeEngine
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.photo.photo import Photo

CREAM = (236, 222, 190)
SEPIA = np.array([8.0, 22.0], np.float32)
PLACES = ((20, 20), (20, 170), (170, 20), (170, 170))
PRINT = data.camera()[::4, ::4]


def album(toned):
    """Return a cream page with four prints, of which the first ones are sepia."""
    grain = np.random.default_rng(0).normal(0, 2, (320, 320, 1))
    page = np.clip(CREAM + grain, 0, 255).astype(np.uint8)
    lightness = color.grey_to_lightness(PRINT)
    tone = np.sin(np.pi * lightness / 100)[..., None] * SEPIA
    sepia = color.lab_to_srgb(np.dstack([lightness, tone]).astype(np.float32), dtype=np.uint8)
    for number, (top, left) in enumerate(PLACES):
        print_ = sepia if number < toned else np.dstack([PRINT] * 3)
        page[top : top + 128, left : left + 128] = print_
    return page


def of_print(pixels, number):
    """Return a print without its edge."""
    top, left = PLACES[number]
    return pixels[top + 12 : top + 116, left + 12 : left + 116]


@pytest.mark.parametrize("toned", [0, 1, 3, 4])
def test_the_page_keeps_its_colour(toned):
    pixels = album(toned)
    out = Colorizer(FakeEngine())(pixels, keep_color=True)
    assert (out[:12] == pixels[:12]).all(axis=-1).mean() > 0.99
    assert (out[304:] == pixels[304:]).all(axis=-1).mean() > 0.99


@pytest.mark.parametrize("toned", [0, 1, 2, 3])
def test_a_grey_print_on_it_is_coloured(toned):
    out = Colorizer(FakeEngine())(album(toned), keep_color=True)
    ab = color.srgb_to_lab(of_print(out, 3))[..., 1:].reshape(-1, 2)
    assert np.median(ab, axis=0) == pytest.approx((20, -10), abs=2)


@pytest.mark.parametrize("toned", [3, 4])
def test_prints_that_are_toned_alike_are_coloured(toned):
    out = Colorizer(FakeEngine())(album(toned), keep_color=True)
    ab = color.srgb_to_lab(of_print(out, 0))[..., 1:].reshape(-1, 2)
    assert np.median(ab, axis=0) == pytest.approx((20, -10), abs=2)


def test_the_network_is_not_shown_the_page_s_colour():
    """Prints would be coloured to go with it, all of them yellow."""
    engine = FakeEngine()
    colorizer = Colorizer(engine)
    tint = colorizer.look(Photo.read(album(0))).tint
    assert tint is not None
    assert tint.page.mean() > 0.3
    assert tint.patches() == []
    colorizer(album(0), keep_color=True)
    assert engine.seen[-1][1] is None or not engine.seen[-1][1][2].any()


def test_a_photo_without_a_page_has_none():
    rows = album(4)[20:148, 20:148]
    look = Colorizer(FakeEngine()).look(Photo.read(rows))
    assert look.tint is None
