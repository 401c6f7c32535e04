"""Steering: hints that hold, warmth, references, likely colours, other colourings."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from PIL import Image

from fakes import BINS, ClassifyingEngine, bin_of, logits_of
from koalarize import color
from koalarize.color import Bins, default_bins
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.plan import plan, suggestions
from koalarize.colorizer.reference import palette_from_photo, palette_of
from koalarize.errors import OptionError, PhotoError
from koalarize.photo.photo import Photo
from koalarize.steering.alternatives import alternative_anchors, modes, probabilities, suggest
from koalarize.steering.apply import balanced
from koalarize.steering.hints import Hint, HintPlace
from koalarize.steering.palette import Palette
from koalarize.steering.spread import spread
from koalarize.steering.steering import Steering

DEFAULT = default_bins()


@pytest.fixture
def engine():
    return ClassifyingEngine()


@pytest.fixture
def colorizer(engine):
    return Colorizer(engine)


@pytest.fixture
def photo():
    """Dark on the left, light on the right, with a little grain."""
    grain = np.random.default_rng(0).integers(0, 12, (120, 160))
    return Photo.read((np.where(np.arange(160) < 80, 90, 140) + grain).astype(np.uint8))


def ab_of(srgb):
    return color.srgb_to_lab(srgb)[..., 1:]


class TestSteering:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("vividness", -0.1),
            ("vividness", float("nan")),
            ("warmth", 1.01),
            ("warmth", float("nan")),
            ("size", 0),
            ("alternative", -1),
            ("alternative", 13),
        ],
    )
    def test_values_must_make_sense(self, field, value):
        with pytest.raises(OptionError, match=field):
            Steering(**{field: value})

    def test_one_path_for_keywords_and_steering(self, colorizer, photo):
        hints = (Hint(40, 60, "#3050c0"),)
        one = colorizer(photo, vividness=0.8, hints=hints, size=48, warmth=0.5, alternative=1)
        two = colorizer(photo, steering=Steering(0.8, 0.5, hints, 48, 1))
        assert np.array_equal(one.pixels, two.pixels)
        assert not np.array_equal(one.pixels, colorizer(photo).pixels)

    def test_a_part_is_as_in_the_whole(self, colorizer, photo):
        guidance = plan(colorizer.look(photo), Steering())
        whole = guidance.paint(photo.pixels)
        for left, top, right, bottom in ((0, 0, 160, 120), (13, 7, 90, 120), (159, 119, 160, 120)):
            part = guidance.paint(photo.pixels, area=(left, top, right, bottom))
            assert np.array_equal(part, whole[top:bottom, left:right])

    def test_a_view_asks_the_network_once(self, colorizer, engine, photo):
        look = colorizer.look(photo)
        for warmth in (0, 0.5, 1):
            plan(look, Steering(warmth=warmth))
        suggestions(look, Steering(), (10, 10), 4)
        look.alternatives()
        assert engine.runs == 1

    def test_lightness_stays(self, colorizer, photo):
        reference = palette_from_photo(Photo.read(np.full((8, 8, 3), (250, 90, 0), np.uint8)))
        hints = (Hint(20, 20, "#00ff00"),)
        out = colorizer(photo, Steering(2.0, 1.0, hints, alternative=1, reference=reference)).pixels
        difference = color.srgb_to_lab(out)[..., 0] - photo.lightness()
        assert np.abs(difference).max() < 1


class TestHints:
    @pytest.mark.parametrize("asked", ["#3050c0", "#808080", "#a06030"])
    def test_the_place_gets_the_colour(self, colorizer, photo, asked):
        hint = Hint(40, 60, asked)
        ab = ab_of(colorizer(photo, hints=[hint]).pixels)
        lightness = photo.lightness()[60, 40]
        wanted = color.map_to_gamut(np.float32([[lightness, *hint.ab]]))[0, 1:]
        assert ab[58:63, 38:43].reshape(-1, 2).mean(0) == pytest.approx(wanted, abs=4)

    def test_unlike_places_keep_theirs(self):
        ab = np.zeros((2, 40, 40), np.float32)
        ab[0, :, 20:] = 40
        lightness = np.where(np.arange(40) < 20, 30, 70).astype(np.float32) * np.ones((40, 1))
        hint = Hint(18, 20, "#3050c0")
        out = spread(ab, ab, lightness.astype(np.float32), places([hint]))
        assert out[:, 20, 18] == pytest.approx(hint.ab, abs=0.01)
        assert np.abs(out - ab)[:, 20, 21].max() < 0.1 * np.hypot(*hint.ab)

    def test_far_places_keep_theirs_though_they_look_alike(self):
        ab, lightness = np.zeros((2, 40, 120), np.float32), np.full((40, 120), 50, np.float32)
        hint = Hint(2, 20, "#3050c0")
        change = np.hypot(*spread(ab, ab, lightness, places([hint])))[20]
        assert change[2] == pytest.approx(np.hypot(*hint.ab), rel=1e-4)
        assert (np.diff(change[2:]) <= 1e-4).all()
        assert change[-1] < 0.12 * change[2]  # three shorter sides away
        assert np.hypot(*spread(ab, ab, lightness, places([hint]), reach=0.1))[20, -1] < 0.01

    def test_neighbours_do_not_add_up(self):
        ab, lightness = np.zeros((2, 30, 30), np.float32), np.full((30, 30), 50, np.float32)
        hints = [Hint(10, 15, "#3050c0"), Hint(11, 15, "#3050c0"), Hint(10, 16, "#3050c0")]
        out = spread(ab, ab, lightness, places(hints))
        assert np.hypot(*out).max() <= np.hypot(*hints[0].ab) * 1.001

    def test_hints_apart_support_the_answer_where_none_is_near(self):
        lightness = np.full((60, 60), 50, np.float32)
        plain, hinted = np.zeros((2, 60, 60), np.float32), np.full((2, 60, 60), 30, np.float32)
        far = (slice(None), 30, 30)

        def there(*at):
            hints = [Hint(x + 0.5, y + 0.5, "#a06040") for x, y in at]
            return float(spread(plain, hinted, lightness, places(hints))[far].mean())

        one = there((2, 2))
        apart = there((2, 2), (57, 2), (2, 57), (57, 57))
        close = there((2, 2), (3, 2), (2, 3), (3, 3))
        assert 30 > apart > one + 5
        assert close == pytest.approx(one, abs=0.5)

    def test_hints_that_support_one_another_take_chroma_off_the_answer(self):
        lightness, answer = np.full((60, 60), 50, np.float32), np.full((2, 60, 60), 30, np.float32)
        lightness[30, 30] = 100  # no other effect of the hints comes to what looks so unlike them

        def there(*at):
            hints = [HintPlace(row, column, (30.0, 30.0)) for row, column in at]
            made = spread(answer, answer, lightness, hints, doubt=doubt)
            return float(made[:, 30, 30].mean())

        doubt = 1.8
        all_round = ((2, 2), (57, 2), (2, 57), (57, 57), (30, 2), (57, 30))
        assert there((2, 2)) == pytest.approx(30, rel=0.01)
        assert there((2, 2), (3, 2), (2, 3)) == pytest.approx(30, rel=0.03)
        assert 22 < there(*all_round) < 26
        doubt = 1.0  # a network whose chroma nothing makes up for has nothing to lose
        assert there(*all_round) == pytest.approx(30, rel=0.01)

    def test_the_gain_does_not_touch_them(self):
        ab, lightness = np.zeros((2, 30, 30), np.float32), np.full((30, 30), 50, np.float32)
        hint = Hint(10, 15, "#3050c0")
        out = spread(ab, ab, lightness, places([hint]), gain=1.5)
        assert out[:, 15, 10] * 1.5 == pytest.approx(hint.ab, abs=0.01)

    def test_around_a_hint_that_the_network_followed_the_gain_is_taken_back(self):
        hint = Hint(10, 15, "#3050c0")
        ab = np.array(hint.ab, np.float32)[:, None, None] * np.ones((1, 30, 300), np.float32)
        ab[:, :, 8:9] = 0  # grey things keep theirs: nothing times a gain
        lightness = np.full((30, 300), 50, np.float32)
        out = spread(ab, ab, lightness, places([hint]), gain=1.5) * 1.5
        assert out[:, 15, 12] == pytest.approx(hint.ab, rel=0.02)
        assert out[:, 15, 290] == pytest.approx(1.5 * np.array(hint.ab), rel=0.01)
        assert np.hypot(*out[:, 15, 8]) < 0.3 * np.hypot(*hint.ab)

    def test_each_hint_rules_alone_where_it_is(self):
        ab, lightness = np.zeros((2, 40, 40), np.float32), np.full((40, 40), 50, np.float32)
        hints = [Hint(10, 20, "#3050c0"), Hint(14, 20, "#c03020")]
        out = spread(ab, ab, lightness, places(hints))
        for hint in hints:
            assert out[:, 20, int(hint.x)] == pytest.approx(hint.ab, abs=1)

    def test_a_brush_covers_its_circle(self):
        ab, lightness = np.zeros((2, 40, 40), np.float32), np.full((40, 40), 50, np.float32)
        place = HintPlace(20, 20, (40.0, 10.0), radius=12.0)
        out = spread(ab, ab, lightness, [place], reach=0.05)
        assert out[:, 20, 30] == pytest.approx(place.ab, rel=0.01)
        assert np.abs(out[:, 20, 39]).max() < np.abs(out[:, 20, 30]).max() / 2


def places(hints):
    """Of hints whose points are cells."""
    return [HintPlace(int(hint.y), int(hint.x), hint.ab) for hint in hints]


class TestWarmth:
    def test_neutral_is_nothing(self):
        ab = np.random.default_rng(0).normal(0, 20, (2, 5, 5)).astype(np.float32)
        assert balanced(ab, 0.0) is ab

    def test_warm_is_yellow_and_cold_is_blue(self, colorizer, photo):
        cold, neutral, warm = (
            ab_of(colorizer(photo, Steering(warmth=warmth)).pixels).mean((0, 1))
            for warmth in (-1, 0, 1)
        )
        assert cold[1] < neutral[1] - 5 < neutral[1] + 5 < warm[1]

    def test_grey_moves_least(self):
        ab = np.zeros((2, 1, 2), np.float32)
        ab[0, 0, 1] = 40
        shift = np.linalg.norm(balanced(ab, 1.0) - ab, axis=0)[0]
        assert shift[0] < 5 < 15 < shift[1]

    def test_no_vividness_is_grey(self, colorizer, photo):
        out = colorizer(photo, Steering(0.0, 1.0)).pixels
        assert np.array_equal(out, np.repeat(photo.pixels[..., None], 3, -1))


class TestSuggestions:
    def test_modes_are_found_in_order(self):
        likely = probabilities(logits_of({(50, 30): 0.6, (10, -40): 0.3, (0, 0): 0.1}, 1, 1))
        found = modes(likely[:, 0, 0], DEFAULT, 5)
        assert [(round(m.a), round(m.b)) for m in found[:3]] == [(50, 30), (10, -40), (0, 0)]
        assert found[0].probability == pytest.approx(0.6, abs=0.01)

    def test_neighbouring_bins_are_one_colour(self):
        shares = {(30, 30): 0.3, (40, 30): 0.25, (30, 40): 0.2, (-40, 40): 0.25}
        found = modes(probabilities(logits_of(shares, 1, 1))[:, 0, 0], DEFAULT, 5, least=0.05)
        assert len(found) == 2
        assert found[0].probability == pytest.approx(0.75, abs=0.02)

    def test_colours_have_the_lightness_of_the_spot(self):
        likely = probabilities(logits_of({(50, 30): 0.6, (10, -40): 0.4}, 1, 1))[:, 0, 0]
        for lightness in (20.0, 60.0, 90.0):
            for one in suggest(likely, DEFAULT, lightness, 4):
                srgb = np.uint8([[int(one.color[i : i + 2], 16) for i in (1, 3, 5)]])
                lab = color.srgb_to_lab(srgb)[0]
                assert lab[0] == pytest.approx(lightness, abs=0.6)
                assert lab[1:] == pytest.approx((one.a, one.b), abs=1.5)

    def test_what_looks_the_same_is_said_once(self):
        likely = probabilities(logits_of({(50, 30): 0.6, (10, -40): 0.4}, 1, 1))[:, 0, 0]
        assert len(suggest(likely, DEFAULT, 0.0, 4)) == 1

    def test_they_follow_the_place_and_the_hints(self, colorizer, photo):
        look = colorizer.look(photo)
        left = suggestions(look, Steering(), (20, 60), 4)
        right = suggestions(look, Steering(), (140, 60), 4)
        assert left[0].a > 30
        assert right[0].a < -20
        hinted = suggestions(look, Steering(hints=(Hint(20, 60, "#2040ff"),)), (30, 60), 4)
        assert hinted[0].b < -30

    @pytest.mark.parametrize("point", [(160, 0), (0, 120), (-1, 5)])
    def test_outside(self, colorizer, photo, point):
        with pytest.raises(OptionError, match="outside"):
            suggestions(colorizer.look(photo), Steering(), point, 4)

    def test_a_model_without_distributions(self, photo):
        from fakes import FakeEngine

        look = Colorizer(FakeEngine()).look(photo)
        with pytest.raises(OptionError, match="not how likely"):
            suggestions(look, Steering(), (1, 1), 4)
        with pytest.raises(OptionError, match="not how likely"):
            look.alternatives()
        with pytest.raises(OptionError, match="not how likely"):
            plan(look, Steering(reference=palette_from_photo(photo)))


class TestAlternatives:
    def test_they_differ_and_stay_plausible(self, colorizer, photo):
        look = colorizer.look(photo)
        count = len(look.alternatives())
        assert count >= 2
        pictures = [
            ab_of(colorizer(photo, Steering(alternative=k)).pixels) for k in range(count + 1)
        ]
        for one, other in itertools.combinations(pictures[:3], 2):
            assert np.linalg.norm(one - other, axis=-1).mean() > 2
        for picture in pictures:  # the network is sure of the right half
            assert picture[:, 110:].mean((0, 1))[0] < -10

    def test_each_is_of_one_piece(self, colorizer, photo):
        ab = ab_of(colorizer(photo, Steering(alternative=1)).pixels)
        assert ab[10:110, 10:60].std((0, 1)).max() < 6

    def test_the_same_again(self, photo):
        logits = ClassifyingEngine().one(np.zeros((64, 96), np.float32), None).logits
        lightness = np.random.default_rng(1).uniform(0, 100, (16, 24)).astype(np.float32)
        first, second = (alternative_anchors(logits, DEFAULT, lightness, 4) for _ in range(2))
        assert first == second
        for anchors in first:
            assert anchors
            assert all(0 <= one.row < 16 and 0 <= one.column < 24 for one in anchors)

    def test_a_hint_wins(self, colorizer, photo):
        hint = Hint(40, 60, "#808080")
        ab = ab_of(colorizer(photo, Steering(hints=(hint,), alternative=1)).pixels)
        assert np.abs(ab[58:63, 38:43]).mean() < 5

    def test_a_number_too_high(self, colorizer, photo):
        with pytest.raises(OptionError, match="this photo has"):
            colorizer(photo, alternative=12)

    @pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 7)])
    def test_any_shape(self, colorizer, shape):
        look = colorizer.look(Photo.read(np.full(shape, 100, np.uint8)))
        for number in range(len(look.alternatives()) + 1):
            plan(look, Steering(alternative=number))


class TestReference:
    @pytest.mark.parametrize(
        ("srgb", "check"),
        [
            ((240, 130, 40), lambda ab: ab[0] > 5 and ab[1] > 10),
            ((80, 120, 190), lambda ab: ab[1] < -10),
            ((128, 128, 128), lambda ab: np.hypot(*ab) < 6),
        ],
    )
    def test_the_picture_follows(self, colorizer, photo, srgb, check):
        reference = Photo.read(np.full((20, 30, 3), srgb, np.uint8))
        out = colorizer(photo, reference=reference)
        assert check(ab_of(out.pixels)[:, :70].mean((0, 1)))

    def test_by_lightness(self):
        pixels = np.full((40, 40, 3), (20, 40, 110), np.uint8)
        pixels[20:] = (250, 210, 120)
        histogram = palette_from_photo(Photo.read(pixels)).histogram(DEFAULT)
        means = histogram @ BINS
        assert means[0, 1] < -20
        assert means[2, 1] > 20

    def test_a_hint_is_not_led(self, colorizer, photo):
        reference = Photo.read(np.full((20, 30, 3), (240, 130, 40), np.uint8))
        hint = Hint(40, 60, "#3050c0")
        ab = ab_of(colorizer(photo, reference=reference, hints=[hint]).pixels)
        assert ab[60, 40] == pytest.approx(hint.ab, abs=6)

    def test_of_a_file(self, tmp_path):
        Image.new("RGB", (9, 9), (200, 30, 30)).save(tmp_path / "red.png")
        palette = palette_of(tmp_path / "red.png")
        assert palette.name == "red.png"
        assert len(palette.sha256) == 64
        assert palette_of(palette) is palette
        assert palette_of(None) is None
        with pytest.raises(PhotoError, match=r"none\.png"):
            palette_of(tmp_path / "none.png")

    def test_json_and_back(self):
        pixels = np.random.default_rng(0).integers(0, 256, (30, 30, 3)).astype(np.uint8)
        palette = palette_from_photo(Photo.read(pixels), name="bunt.jpg")
        assert Palette.from_json(json.loads(json.dumps(palette.to_json()))) == palette
        assert 1 <= len(palette.swatches) <= 8

    def test_a_palette_of_0_3_means_the_same(self):
        pixels = np.random.default_rng(1).integers(0, 256, (30, 30, 3)).astype(np.uint8)
        palette = palette_from_photo(Photo.read(pixels), name="bunt.jpg")
        old = palette.to_json()
        old["bands"] = [[[bin_of(a, b), weight] for a, b, weight in band] for band in old["bands"]]
        assert Palette.from_json(old) == palette

    def test_a_network_with_other_bins_is_led_too(self):
        coarse = Bins(np.float32([(0, 0), (60, 40), (-40, 40), (20, -60)]))
        reference = palette_from_photo(Photo.read(np.full((9, 9, 3), (250, 90, 40), np.uint8)))
        logits = np.zeros((4, 6, 8), np.float32)
        led = reference.lead(logits, coarse, np.full((6, 8), 60, np.float32))
        assert led[:, 3, 3].argmax() == 1

    def test_what_is_clear_does_not_count(self):
        pixels = np.full((10, 10, 4), (200, 30, 30, 255), np.uint8)
        pixels[:5] = (0, 0, 255, 0)
        assert (palette_from_photo(Photo.read(pixels)).histogram(DEFAULT) @ BINS)[1, 1] > 0

    @pytest.mark.parametrize(
        "change",
        [
            {"bands": [[[1, 1]], [[1, 1]]]},
            {"bands": [[[1, 1]], [[1, 1]], []]},
            {"bands": [[[1, 1]], [[1, 1]], [[260, 1]]]},
            {"bands": [[[1, 1]], [[1, 1]], [[1, 0]]]},
            {"bands": [[[1, 1]], [[1, 1]], [[1, 1], [1, 2]]]},
            {"bands": [[[1, 1]], [[1, 1]], [[1, 1.5]]]},
            {"bands": [[[1, 1, 1]], [[1, 1, 1]], [[151, 1, 1]]]},
            {"bands": [[[1, 1, 1]], [[1, 1, 1]], [[1, 1, 1], [1, 1, 2]]]},
            {"bands": [[[1, 1, 1]], [[1, 1, 1]], [["1", 1, 1]]]},
            {"bands": 5},
            {"name": 5},
            {"colour": 1},
        ],
    )
    def test_wrong_json(self, change):
        palette = palette_from_photo(
            Photo.read(np.full((4, 4, 3), (9, 200, 9), np.uint8)), name="x"
        )
        with pytest.raises(OptionError, match="palette"):
            Palette.from_json({**palette.to_json(), **change})
