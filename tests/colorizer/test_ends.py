"""Where a photo's lightness begins and ends: faded prints with the border of their scan."""

import io

import numpy as np
import pytest
from PIL import Image

from fakes import ClassifyingEngine, FakeEngine, OneByOne
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.ends import mat_of, stretch_of
from koalarize.colorizer.prepare import frames_prepared, unprepared
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.photo.photo import Photo
from koalarize.steering.hints import Hint
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


class TestMats:
    def test_one_is_found_as_far_as_it_reaches(self):
        inside = framed((0, 8, 10), photo=np.ones(FADED.shape, np.float32)) > 0
        for tone in (10, 57, 95):  # also of a tone of the photo's own
            found = mat_of(framed((tone, 8, 10)))
            assert not (found & inside).any()
            assert found.mean() == pytest.approx((~inside).mean(), abs=0.06)

    def test_one_in_another_is_found_too(self):
        found = mat_of(framed((95, 6, 8), (20, 10, 6)))
        assert found[:14].all()
        assert not found[20:-20, 18:-18].any()

    @pytest.mark.parametrize("other", [100, 70])
    def test_paper_may_be_torn_or_taped(self, other):
        scan = framed((93, 8, 10))
        whole, (height, width) = mat_of(scan), scan.shape
        down, across = np.mgrid[0:height, 0:width]
        scan[down / height + across / width < 0.2] = other  # a corner
        assert np.array_equal(mat_of(scan), whole)
        ground = framed((50, 8, 10))  # no paper
        ground[down / height + across / width < 0.2] = other
        assert mat_of(ground) is None

    def test_the_ground_around_a_thing_is_none(self):
        down, across = np.mgrid[-1:1:80j, -1:1:120j]
        round_thing = np.where(down**2 + across**2 < 0.5, FADED, 85).astype(np.float32)
        assert mat_of(round_thing) is None

    def test_borders_at_some_sides_are_none(self):
        assert mat_of(np.pad(FADED, ((8, 8), (10, 0)), constant_values=50)) is None
        assert mat_of(np.pad(FADED, ((20, 20), (0, 0)), constant_values=2)) is None  # of a film

    @pytest.mark.parametrize("shape", [(1, 1), (1, 90), (90, 1), (4, 5), (60, 60)])
    def test_small_and_plain_photos_have_none(self, shape):
        assert mat_of(np.full(shape, 50, np.float32)) is None

    def test_it_stays_grey_but_for_hints(self):
        things = np.repeat(np.repeat(FADED[:10, :15], 8, axis=0), 8, axis=1)  # no mere noise
        photo = levels_of(framed((57, 16, 20), photo=things))
        colorizer = Colorizer(FakeEngine(size=96))
        found = colorizer.photo(photo).photo.pixels.astype(int)
        spread = np.ptp(found, axis=-1)
        assert spread[:8].max() <= 1
        assert spread[24:-24, 28:-28].mean() > 20
        hinted = colorizer.photo(photo, Steering(hints=(Hint(6, 6, "#c82828"),)))
        assert np.ptp(hinted.photo.pixels[6, 6].astype(int)) > 20


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
