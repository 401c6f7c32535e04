"""Straightening: the largest upright part, and levels made once by a good filter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fakes import FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.photo.photo import Photo
from koalarize.photo.straighten import straightened, straightened_size

SIZES = [(1, 1), (1, 40), (40, 1), (60, 40), (40, 60), (64, 64), (4000, 3000), (3, 1000)]
DEGREES = [-15.0, -7.3, -0.1, 0.1, 2.5, 15.0]


def fits(width: float, height: float, photo: tuple[int, int], degrees: float) -> bool:
    """Tell whether an upright rectangle lies within a turned photo about the same middle."""
    sin, cos = abs(math.sin(math.radians(degrees))), math.cos(math.radians(degrees))
    across, down = width * cos + height * sin, width * sin + height * cos
    return across <= photo[0] + 1e-4 and down <= photo[1] + 1e-4


@pytest.mark.parametrize("photo", SIZES[3:])
@pytest.mark.parametrize("degrees", DEGREES)
def test_the_part_is_inside_and_none_is_larger(photo, degrees):
    width, height = straightened_size(*photo, degrees)
    assert fits(width, height, photo, degrees)
    sin, cos = abs(math.sin(math.radians(degrees))), math.cos(math.radians(degrees))
    across = np.linspace(0, photo[0], 5001)
    down = np.minimum((photo[0] - across * cos) / sin, (photo[1] - across * sin) / cos)
    largest = (across * down).max()
    assert (width + 1) * (height + 1) >= largest


@pytest.mark.parametrize("photo", SIZES)
@pytest.mark.parametrize("degrees", [*DEGREES, 0.0])
def test_every_size_works(photo, degrees):
    width, height = photo
    if width * height > 10_000:
        return
    out = straightened(Photo(np.full((height, width), 77, np.uint8)), degrees)
    assert (out.width, out.height) == straightened_size(width, height, degrees)
    assert (out.pixels == 77).all()


def test_no_degrees_change_nothing():
    photo = Photo(data.camera())
    assert straightened(photo, 0.0) is photo


def wave(x, y):
    return 0.5 + 0.2 * np.sin(x / 7) + 0.2 * np.cos((x - 2 * y) / 11)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("degrees", [-11.0, 4.0])
def test_levels_are_those_of_their_places(dtype, degrees):
    """A smooth picture that is known everywhere: each level is what lies at its place."""
    y, x = np.mgrid[0:80, 0:120] + 0.5
    most = 1 if dtype is np.float32 else np.iinfo(dtype).max
    grey = (wave(x, y) * most + (dtype is not np.float32) * 0.5).astype(dtype)
    out = straightened(Photo(np.dstack([grey, grey, grey])), degrees, threads=1)
    y, x = np.mgrid[0 : out.height, 0 : out.width] + 0.5
    across, down = x - out.width / 2, y - out.height / 2
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    wanted = wave(60 + cos * across + sin * down, 40 + cos * down - sin * across)
    off = np.abs(out.pixels[..., 0] / most - wanted)[2:-2, 2:-2]
    assert off.max() < 0.0001 + (1 / 255 if dtype is np.uint8 else 0)
    assert np.array_equal(out.pixels[..., 0], out.pixels[..., 2])


def test_a_tilted_horizon_becomes_level():
    y, x = np.mgrid[0:200, 0:300]
    tilted = np.where(y - 100 < math.tan(math.radians(6)) * (x - 150), 220, 40).astype(np.uint8)
    level = straightened(Photo(tilted), -6).pixels
    horizon = (level > 130).sum(axis=0)
    assert np.ptp(horizon) <= 1


def test_alpha_comes_along():
    alpha = np.zeros((60, 90), np.uint8)
    alpha[:, 45:] = 255
    out = straightened(Photo(np.full((60, 90), 9, np.uint8), alpha), 3)
    assert out.alpha is not None
    assert out.alpha.shape == out.pixels.shape
    assert out.alpha[:, :10].max() == 0
    assert out.alpha[:, -10:].min() == 255


def test_the_file_says_its_size_and_keeps_lightness(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0xA002: 160, 0xA003: 120})
    source = tmp_path / "photo.png"
    Image.fromarray(data.camera()[100:220, 100:260]).save(source, exif=exif.tobytes())
    colored = Colorizer(FakeEngine())(source, straighten=-5.0)
    straight = straightened(Photo.read(source), -5)
    with Image.open(colored) as out:
        assert out.size == (straight.width, straight.height) == straightened_size(160, 120, -5)
        inner = out.getexif().get_ifd(0x8769)
        assert (inner[0xA002], inner[0xA003]) == out.size
    off = np.abs(Photo.read(colored).lightness() - straight.lightness())
    assert off.max() < 1
