"""Flip averaging, colours that are kept, and calm on pictures that show nothing to colour."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from skimage import data

from fakes import ClassifyingEngine, FakeEngine, OneByOne
from koalarize import color
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.plan import plan, suggestions
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.errors import OptionError
from koalarize.photo.photo import Photo
from koalarize.steering.blank import _all_around, calmness
from koalarize.steering.hints import Hint
from koalarize.steering.own_colors import MOST_PATCHES, find_tint
from koalarize.steering.session import Session
from koalarize.steering.steering import Steering

EXAMPLES = Path(__file__).parents[2] / "examples"
BEST = Steering(best=True)
KEEP = Steering(keep_color=True)


@pytest.fixture(scope="module")
def koala():
    return Colorizer.load("koala", threads=1)


@pytest.fixture(scope="module")
def cup():
    """The coffee cup, its saucer tinted blue by hand: pixels and where the tint is."""
    grey = np.asarray(Image.open(EXAMPLES / "coffee.jpg"))
    return tinted(grey, (170, 120, 440, 330), (5.0, -38.0))


def tinted(grey, box, ab, tone=(0.0, 0.0)):
    """Return a grey picture with an ellipse of a tint on toned ground, and the ellipse."""
    mask = Image.new("L", grey.shape[::-1], 0)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    inside = np.asarray(mask) > 0
    lightness = color.grey_to_lightness(grey)
    light = np.where((lightness > 5) & (lightness < 95), 1, 0.1)
    lab = np.empty((*grey.shape, 3), np.float32)
    lab[..., 0] = lightness
    for i in range(2):
        lab[..., i + 1] = np.where(inside, ab[i] * light, tone[i] * lightness / 100)
    return color.lab_to_srgb(color.map_to_gamut(lab), dtype=np.uint8), inside


def ab_of(srgb):
    return color.srgb_to_lab(srgb)[..., 1:]


def scene(width=150, height=96):
    """A grey photo-like picture without any symmetry."""
    coarse = np.random.default_rng(3).integers(30, 226, (6, 9), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


class LeaningEngine(OneByOne):
    """Answers by lightness and place, and follows hints: mirrored pictures get other colours."""

    def __init__(self, output, *, fixed_size=None):
        self.info = ModelInfo("leaning", 16, True, 64, 0.5, output, 1.1, fixed_size)
        self.shapes = []

    def one(self, lightness, hints):
        self.shapes.append(lightness.shape)
        height, width = lightness.shape[0] // 4, lightness.shape[1] // 4
        small = color.resize(lightness[None], height, width)[0] / 100
        across = np.linspace(0, 1, width, dtype=np.float32)[None]
        a, b = 60 * small * across, 40 * (small - across)
        if hints is not None:
            drawn = color.resize(hints, height, width)
            a, b = a + 2 * drawn[0], b + 2 * drawn[1]
        if self.info.output == "ab":
            return Prediction(np.stack([a, b]).astype(np.float32))
        bins = color.ab_bins()
        far = (bins[:, 0, None, None] - a) ** 2 + (bins[:, 1, None, None] - b) ** 2
        logits = (-far / 400).astype(np.float32)
        return Prediction(color.decode_ab(logits, temperature=0.5), logits)


class TestBest:
    @pytest.mark.parametrize("output", ["ab", "logits"])
    @pytest.mark.parametrize("fixed_size", [None, 64])
    @pytest.mark.parametrize("size", [(150, 96), (96, 150), (128, 64), (97, 64), (5, 1), (1, 1)])
    def test_the_mirrored_photo_gets_the_mirrored_colours(self, output, fixed_size, size):
        colorizer = Colorizer(LeaningEngine(output, fixed_size=fixed_size), threads=1)
        grey = scene(*size)
        there = colorizer(grey, steering=BEST).astype(int)
        back = colorizer(np.ascontiguousarray(grey[:, ::-1]), steering=BEST)[:, ::-1].astype(int)
        assert np.abs(there - back).max() <= 1
        if size == (150, 96):
            plain = colorizer(grey).astype(int)
            mirrored = colorizer(np.ascontiguousarray(grey[:, ::-1]))[:, ::-1].astype(int)
            assert np.abs(plain - mirrored).mean() > 3

    @pytest.mark.parametrize("output", ["ab", "logits"])
    def test_with_hints(self, output):
        colorizer = Colorizer(LeaningEngine(output), threads=1)
        grey = scene()
        hint, mirror = Hint(30.5, 40, "#a06050", 6), Hint(119.5, 40, "#a06050", 6)
        there = colorizer(grey, best=True, hints=[hint])
        back = colorizer(np.ascontiguousarray(grey[:, ::-1]), best=True, hints=[mirror])[:, ::-1]
        difference = np.abs(ab_of(there) - ab_of(np.ascontiguousarray(back)))
        assert difference.mean() < 0.5  # a hint snaps to the pixel at its left on the grid
        unasked = ab_of(colorizer(grey, best=True))[40, 30]
        assert np.linalg.norm(unasked - hint.ab) > 20
        assert np.linalg.norm(ab_of(there)[40, 30] - hint.ab) < 12

    def test_symmetric_input_gets_symmetric_colours(self):
        grey = np.concatenate([scene(75), scene(75)[:, ::-1]], axis=1)
        colored = Colorizer(LeaningEngine("logits"), threads=1)(grey, best=True).astype(int)
        assert np.abs(colored - colored[:, ::-1]).max() <= 1

    def test_probabilities_are_averaged(self):
        """Where each way a half is sure of another colour, both stay equally likely."""
        photo = Photo.read(scene(160, 96))
        look = Colorizer(ClassifyingEngine()).look(photo)
        one = suggestions(look, Steering(), (20, 40), 6)
        both = suggestions(look, BEST, (20, 40), 6)
        red = next(found for found in one if found.a > 30)
        green = next(found for found in both if found.a < -10)
        assert not any(found.a < -10 for found in one)
        assert red.probability == pytest.approx(0.6, abs=0.1)
        assert green.probability == pytest.approx(0.48, abs=0.1)

    def test_the_network_runs_twice_and_only_once_a_view(self):
        engine = LeaningEngine("ab")
        colorizer = Colorizer(engine)
        look = colorizer.look(Photo.read(scene()))
        for warmth in (0.0, 0.5):
            plan(look, Steering(warmth=warmth, best=True))
        assert len(engine.shapes) == 2

    def test_a_person_has_colours_with_every_option(self):
        colorizer = Colorizer(ClassifyingEngine())
        photo = Photo.read(scene())
        hints = (Hint(20, 20, "#3050c0"),)
        steering = Steering(1.2, 0.3, hints, 80, 1, None, best=True, keep_color=True)
        assert colorizer(photo, steering).pixels.shape == (96, 150, 3)


class TestKeepColor:
    def test_tinted_places_stay_and_the_rest_is_coloured(self, koala, cup):
        pixels, inside = cup
        out = koala(pixels, keep_color=True)
        own = np.hypot(*np.moveaxis(ab_of(pixels), -1, 0))
        sure = inside & (own > 6)
        same = (out == pixels).all(axis=-1)
        assert same[sure].mean() > 0.999
        outside = np.hypot(*np.moveaxis(ab_of(out), -1, 0))[~inside]
        assert outside.mean() > 5
        assert np.array_equal(koala(pixels), koala(pixels, keep_color=False))
        assert np.abs(ab_of(koala(pixels))[sure] - ab_of(pixels)[sure]).mean() > 15

    def test_no_halo_around_the_tint(self, koala, cup):
        """Just outside, colours are those of further outside, neither the tint nor grey."""
        pixels, inside = cup
        out = np.hypot(*np.moveaxis(ab_of(koala(pixels, keep_color=True)), -1, 0))
        plain = np.hypot(*np.moveaxis(ab_of(koala(pixels)), -1, 0))
        near = grown(inside, 5) & ~grown(inside, 1)
        far = grown(inside, 41) & ~grown(inside, 21)
        assert out[near].mean() > 0.6 * out[far].mean()
        assert out[near].mean() > 0.4 * plain[near].mean()

    def test_lightness_stays(self, koala, cup):
        pixels, _ = cup
        out = koala(pixels, keep_color=True, vividness=1.5, warmth=0.5)
        moved = np.abs(color.srgb_to_lab(out)[..., 0] - color.srgb_to_lab(pixels)[..., 0])
        assert moved.max() < 1.2

    def test_the_network_is_shown_the_tint(self, cup):
        pixels, inside = cup
        engine = FakeEngine(size=128)
        Colorizer(engine)(pixels, keep_color=True)
        (_, planes) = engine.seen[-1]
        mask = planes[2] > 0
        assert 0 < mask.sum() <= MOST_PATCHES * 25
        assert planes[1][mask].mean() < -25
        assert planes[1][mask].max() < -4
        rows, columns = np.nonzero(mask)
        scale = pixels.shape[0] / 128
        inside_hits = inside[(rows * scale).astype(int), (columns * scale).astype(int)]
        assert inside_hits.mean() > 0.95

    def test_a_model_without_hints_keeps_colours_too(self, cup):
        pixels, inside = cup
        engine = FakeEngine(accepts_hints=False)
        out = Colorizer(engine)(pixels, keep_color=True)
        assert engine.seen[-1][1] is None
        sure = inside & (np.hypot(*np.moveaxis(ab_of(pixels), -1, 0)) > 6)
        assert (out == pixels).all(axis=-1)[sure].mean() > 0.999

    def test_an_own_hint_goes_before_the_tint(self, cup):
        pixels, _ = cup
        hint = Hint(300, 160, "#a06050", 20)
        out = Colorizer(FakeEngine())(pixels, keep_color=True, hints=[hint])
        assert ab_of(pixels)[160, 300, 1] < -30
        assert np.linalg.norm(ab_of(out)[160, 300] - hint.ab) < 12  # sRGB has no more there

    @pytest.mark.parametrize("tone", [(6.0, 24.0), (9.0, -4.0), (-4.0, -22.0)])
    def test_an_even_toning_is_no_tint(self, tone):
        grey = np.asarray(Image.open(EXAMPLES / "coffee.jpg"))
        toned, _ = tinted(grey, (-9, -9, -8, -8), (0, 0), tone)
        buffer = io.BytesIO()
        Image.fromarray(toned).save(buffer, "JPEG", quality=75)
        photo = Photo.read(buffer.getvalue())
        colorizer = Colorizer(FakeEngine())
        assert not photo.is_grey
        assert colorizer.look(photo).tint is None
        assert np.array_equal(colorizer(photo, KEEP).pixels, colorizer(photo, Steering()).pixels)

    def test_a_tint_on_toned_paper(self):
        grey = np.asarray(Image.open(EXAMPLES / "coffee.jpg"))
        pixels, inside = tinted(grey, (170, 120, 440, 330), (5.0, -38.0), (6.0, 24.0))
        tint = Colorizer(FakeEngine(size=128)).look(Photo.read(pixels)).tint
        assert tint is not None
        assert tint.clear
        small = color.resize(inside[None].astype(np.float32), *tint.share.shape)[0]
        assert tint.share[small < 0.01].mean() < 0.05
        assert tint.share[small > 0.99].mean() > 0.7
        out = Colorizer(FakeEngine())(pixels, keep_color=True)
        assert np.array_equal(out[220:230, 300:310], pixels[220:230, 300:310])
        assert ab_of(out)[~grown(inside, 9)].mean(0) == pytest.approx((20, -10), abs=3)

    def test_grey_pictures_are_as_without(self, koala):
        grey = np.asarray(Image.open(EXAMPLES / "chelsea.jpg"))
        for picture in (grey, np.dstack([grey] * 3)):
            assert np.array_equal(koala(picture, keep_color=True), koala(grey))

    def test_noise_of_a_scanner_is_no_tint(self):
        grey = np.asarray(Image.open(EXAMPLES / "chelsea.jpg")).astype(np.float32)[..., None]
        noise = np.random.default_rng(0).normal(0, 5, (*grey.shape[:2], 3))
        noisy = np.clip(grey + noise, 0, 255).astype(np.uint8)
        assert Colorizer(FakeEngine(size=128)).look(Photo.read(noisy)).tint is None

    @pytest.mark.parametrize("dtype", [np.uint16, np.float32])
    def test_deep_colour(self, cup, dtype):
        pixels = cup[0][:200, 100:400]
        deep = pixels / np.float32(255) if dtype is np.float32 else pixels.astype(dtype) * 257
        out = Colorizer(FakeEngine())(deep, keep_color=True)
        assert np.array_equal(out[180, 200], deep[180, 200])

    def test_a_part_is_as_in_the_whole(self, cup):
        colorizer = Colorizer(FakeEngine(), threads=1)
        photo = Photo.read(cup[0])
        guidance = plan(colorizer.look(photo), KEEP)
        whole = guidance.paint(photo.pixels)
        part = guidance.paint(photo.pixels, area=(150, 101, 333, 287))
        assert np.array_equal(part, whole[101:287, 150:333])

    @pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 3)])
    def test_tiny_colour_pictures(self, shape):
        out = Colorizer(FakeEngine())(
            np.full((*shape, 3), (250, 60, 20), np.uint8), keep_color=True
        )
        assert out.shape == (*shape, 3)

    def test_ink_and_stamps_say_nothing_of_the_photo(self):
        lightness, ab = np.full((200, 300), 50, np.float32), np.zeros((2, 200, 300), np.float32)
        ab[:, 40:44, 30:150] = np.float32([40, -70])[:, None, None]
        tint = find_tint(lightness, ab)
        assert tint.patches() == []
        assert tint.kept().share[42, 90] > 0.9
        ab[:, 100:160, 200:260] = np.float32([40, -70])[:, None, None]
        assert find_tint(lightness, ab).patches()

    def test_patches_are_few_and_spread_out(self):
        ab = np.full((2, 200, 300), 30, np.float32)
        lightness = np.random.default_rng(0).uniform(20, 80, (200, 300)).astype(np.float32)
        ab[0, :, 150:] = -30
        patches = find_tint(lightness, ab).patches()
        assert 10 < len(patches) <= MOST_PATCHES
        rows = {row // 50 for row, *_ in patches}
        assert rows == {0, 1, 2, 3}


class TestWhereItIsAsked:
    def test_sessions(self):
        steering = Steering(best=True, keep_color=True)
        session = Session("a.png", "ab" * 32, "koala", steering)
        assert Session.loads(session.dumps()) == session
        document = json.loads(session.dumps())
        del document["steering"]["best"], document["steering"]["keep_color"]
        assert Session.loads(json.dumps(document)).steering == Steering()
        document["steering"]["best"] = 1
        with pytest.raises(OptionError, match=r"`steering\.best` is 1 but must be true or false"):
            Session.loads(json.dumps(document))

    def test_the_service_takes_them(self):
        pytest.importorskip("fastapi")
        from koalarize.web.studio.schemas import SteeringAsked

        asked = SteeringAsked.model_validate({"best": True, "keep_color": True})
        assert asked.parse()[1] == Steering(best=True, keep_color=True)
        with pytest.raises(ValueError, match="best"):
            SteeringAsked.model_validate({"best": "yes"})

    def test_help(self, capsys):
        assert main(["photo.jpg", "--help"]) == 0
        shown = capsys.readouterr().out
        assert "--best" in shown
        assert "--keep-color" in shown

    def test_the_command_line_notes_colours_once(self, tmp_path, monkeypatch, capsys, cup):
        fake = Colorizer(FakeEngine())
        monkeypatch.setattr("koalarize.colorizer.colorizer.Colorizer.load", lambda *_, **__: fake)
        for name in ("a.png", "b.png"):
            Image.fromarray(cup[0]).save(tmp_path / name)
        Image.fromarray(scene()).save(tmp_path / "grey.png")
        assert main([str(tmp_path), "-o", str(tmp_path / "out")]) == 0
        said = capsys.readouterr().err
        assert said.count("--keep-color") == 1
        assert "2 pictures have colours already" in said
        assert main([str(tmp_path), "-o", str(tmp_path / "kept"), "--keep-color", "--best"]) == 0
        assert capsys.readouterr().err == ""
        kept = np.asarray(Image.open(tmp_path / "kept" / "a.color.png"))
        assert np.array_equal(kept[225, 305], cup[0][225, 305])
        assert main([str(tmp_path / "grey.png")]) == 0
        assert capsys.readouterr().err == ""

    def test_no_place_beside_a_session(self, tmp_path, capsys):
        path = tmp_path / "s.json"
        path.write_text(json.dumps({}))
        assert main(["a.png", "--session", str(path), "--keep-color"]) == 2
        assert "--keep-color" in capsys.readouterr().err


class TestCalm:
    def test_nothing_to_colour_stays_calm(self, koala):
        noise = np.random.default_rng(0)
        pictures = {
            "black": np.zeros((90, 120), np.uint8),
            "white": np.full((90, 120), 255, np.uint8),
            "grey": np.full((90, 120), 128, np.uint8),
            "noise": noise.integers(0, 256, (300, 400)).astype(np.uint8),
            "large noise": noise.integers(0, 256, (900, 900)).astype(np.uint8),
            "grain": np.clip(noise.normal(128, 40, (192, 256)), 0, 255).astype(np.uint8),
            "text": page(255, 0),
            "scan": page(225, 40, grain=6),
            "blackboard": page(20, 230),
            "drawing": drawing(),
            "night": night(),
            "ramp": np.tile(np.arange(256, dtype=np.uint8), (200, 1)),
            "gentle ramp": np.tile(np.linspace(80, 160, 900).astype(np.uint8), (700, 1)),
        }
        for name, picture in pictures.items():
            assert color.colorfulness(koala(picture)) < 12, name

    @pytest.mark.parametrize("shape", [(20, 2000), (500, 1), (2000, 20)])
    def test_strips_stay_calm(self, koala, shape):
        grey = np.asarray(Image.open(EXAMPLES / "rocket.jpg").resize((2000, 2000)))
        top = min(600, 2000 - shape[0])
        out = koala(np.ascontiguousarray(grey[top : top + shape[0], : shape[1]]))
        assert out.shape == (*shape, 3)
        assert color.colorfulness(out) < 20

    @pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
    def test_photos_are_left_alone(self, name):
        photo = Photo.read(EXAMPLES / f"{name}.jpg")
        assert (Colorizer(FakeEngine(size=192)).look(photo).calm == 1).all()

    def test_a_thing_on_white_is_left_alone(self):
        image = Image.new("L", (300, 300), 255)
        ImageDraw.Draw(image).ellipse((110, 110, 190, 190), fill=110)
        assert calmness(color.grey_to_lightness(np.asarray(image))) > 0.9

    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
    def test_tiny_grids(self, shape):
        grid = np.random.default_rng(0).uniform(0, 100, shape).astype(np.float32)
        assert 0 <= calmness(grid) <= 1

    @pytest.mark.parametrize("shape", [(1, 1), (3, 40), (41, 30)])
    def test_strokes_are_wiped_out_as_by_a_filter_of_ranks(self, shape):
        mask = np.random.default_rng(0).random(shape) > 0.03
        mask[: shape[0] // 2, : shape[1] // 2] = True
        image = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))
        ranked = np.asarray(image.filter(ImageFilter.MinFilter(9))) > 0
        assert np.array_equal(_all_around(mask), ranked)


def grown(mask, size):
    image = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.MaxFilter(size))) > 0


def page(paper, ink, grain=0):
    image = Image.new("L", (600, 800), paper)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(18)
    for top in range(30, 760, 27):
        draw.text((30, top), "the koala sleeps in a tall gum tree while it rains", ink, font)
    noise = np.random.default_rng(0).normal(0, grain, (800, 600))
    return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)


def drawing():
    image = Image.new("L", (500, 500), 245)
    draw = ImageDraw.Draw(image)
    draw.ellipse((120, 90, 380, 350), outline=20, width=4)
    draw.rectangle((40, 380, 200, 470), outline=20, width=4)
    draw.line((250, 350, 250, 480), fill=20, width=4)
    return np.asarray(image)


def night():
    image = Image.new("L", (480, 320), 6)
    draw = ImageDraw.Draw(image)
    for i, left in enumerate(range(0, 480, 60)):
        top = 90 + 37 * i % 130
        draw.rectangle((left, top, left + 52, 320), fill=12 + i)
        draw.rectangle((left + 20, top + 30, left + 27, top + 40), fill=220)
    return np.asarray(image)


def sepia(grey, border):
    """The usual filter, whose brightest levels are clipped, with a white border around it."""
    toned = grey[..., None] * np.array([1.351, 1.203, 0.937])
    sides = ((border, border), (border, border), (0, 0))
    return np.pad(np.clip(toned, 0, 255).astype(np.uint8), sides, constant_values=255)


@pytest.mark.parametrize("border", [0, 25, 50, 100])
@pytest.mark.parametrize("name", ["camera", "astronaut", "coffee"])
def test_sepia_by_filter_with_a_white_border_is_a_toning(name, border):
    picture = getattr(data, name)()
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float64)
    look = Colorizer(FakeEngine(size=256)).look(Photo.read(sepia(grey, border)))
    assert not look.has_colors
