"""Where a photo's lightness begins and ends: faded prints with the border of their scan."""

import io

import numpy as np
import pytest
from PIL import Image

from fakes import ClassifyingEngine, OneByOne
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.ends import stretch_of
from koalarize.colorizer.prepare import frames_prepared, unprepared
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN, Steering

ENDS = (0.5, 99.5)
FADED = np.random.default_rng(0).uniform(40, 75, (80, 120)).astype(np.float32)  # L*


def framed(*borders, photo=FADED):
    """A photo inside of borders: tone, rows and columns of each, from the innermost."""
    for tone, rows, columns in borders:
        photo = np.pad(photo, ((rows, rows), (columns, columns)), constant_values=tone)
    return photo


def reach(lightness):
    low, scale = stretch_of(lightness, ENDS)
    return low, low + 100 / scale


class TestBorders:
    @pytest.mark.parametrize("tone", [2, 98])
    def test_a_plain_border_is_none_of_the_photo(self, tone):
        found = reach(framed((tone, 8, 10)))
        assert found == pytest.approx(reach(FADED), abs=0.5)
        assert found != pytest.approx(np.percentile(framed((tone, 8, 10)), ENDS), abs=9)

    def test_paper_on_the_ground_of_a_scanner_is_none_either(self):
        found = reach(framed((97, 6, 8), (1, 10, 6)))
        assert found == pytest.approx(reach(FADED), abs=0.5)

    def test_a_print_that_does_not_lie_quite_straight(self):
        levels = Image.fromarray(FADED).rotate(0.6, expand=True, fillcolor=98)
        found = reach(framed((98, 8, 10), photo=np.asarray(levels)))
        assert found == pytest.approx(reach(FADED), abs=2)

    def test_the_ground_of_a_photo_at_one_side_is_of_it(self):
        photo = np.vstack([FADED, np.full((15, 120), 5, np.float32)])
        assert reach(photo) == pytest.approx(np.percentile(photo, ENDS), abs=0.01)

    def test_a_smooth_sky_is_of_the_photo(self):
        ramp = np.repeat(np.linspace(99, 30, 80, dtype=np.float32)[:, None], 120, axis=1)
        for photo in (ramp, ramp.T):
            assert reach(photo) == pytest.approx(np.percentile(photo, ENDS), abs=0.01)

    @pytest.mark.parametrize("shape", [(1, 1), (1, 90), (90, 1), (4, 5)])
    def test_small_and_thin_photos(self, shape):
        assert stretch_of(np.full(shape, 50, np.float32), ENDS) == pytest.approx((37.5, 4))


class Seeing(OneByOne):
    """Remembers what it was shown."""

    info = ModelInfo("seeing", 16, False, 80)

    def one(self, lightness, hints):
        self.shown = lightness
        return Prediction(np.zeros((2, *lightness.shape), np.float32))


def test_a_network_sees_a_faded_print_in_its_border_from_black_to_white():
    engine = Seeing()
    Colorizer(engine).photo(levels_of(framed((104, 16, 20))))
    inside = engine.shown[20:-20, 24:90]
    assert np.percentile(inside, 2) < 15
    assert np.percentile(inside, 98) > 85


def levels_of(lightness):
    return Photo(np.rint(lightness * 2.3).astype(np.uint8))


class TestFaded:
    def test_a_print_with_a_border_reaches_from_black_to_white(self):
        whole = framed((104, 8, 10))
        out = Colorizer(ClassifyingEngine()).photo(levels_of(whole), Steering(faded=True)).photo
        inside = Photo(out.pixels[12:-12, 14:-14]).lightness()
        assert inside.min() < 3
        assert inside.max() > 97

    def test_what_is_transparent_does_not_count(self):
        photo = levels_of(FADED)
        pixels, alpha = photo.pixels.copy(), np.full_like(photo.pixels, 255)
        pixels[:40], alpha[:40] = 0, 0
        out = Colorizer(ClassifyingEngine()).photo(Photo(pixels, alpha), Steering(faded=True)).photo
        assert Photo(out.pixels[40:]).lightness().min() < 3

    def test_frames_are_restored_alike(self):
        bright = FADED.copy()
        bright[10:30, 10:30], bright[50:70, 10:30] = 105, 0
        frames = [levels_of(FADED), levels_of(bright)]
        asked = Steering(faded=True, turn=90, vividness=1.2)
        first, second = frames_prepared(iter(frames), asked)
        same = np.rot90(np.abs(bright - FADED) == 0, -1)
        assert np.array_equal(first.pixels[same], second.pixels[same])
        assert np.ptp(first.pixels) > 250
        assert unprepared(asked) == Steering(vividness=1.2)
        assert [one.pixels.shape for one in frames_prepared(iter(frames), PLAIN)] == [(80, 120)] * 2

    def test_an_animation_of_faded_frames_does_not_flicker(self):
        bright = FADED.copy()
        bright[10:30, 10:30], bright[50:70, 10:30] = 105, 0
        first, second = (Image.fromarray(levels_of(one).pixels) for one in (FADED, bright))
        packed = io.BytesIO()
        first.save(packed, "PNG", save_all=True, append_images=[second])
        steering = Steering(faded=True, vividness=0)
        result = Colorizer(ClassifyingEngine()).data(packed.getvalue(), steering).data
        one, other = (photo.pixels for photo in Photo.each(result))
        assert np.array_equal(one[bright == FADED], other[bright == FADED])
