import dataclasses
import io
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import koalarize
from fakes import FakeEngine
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.reference import palette_of
from koalarize.errors import OptionError, OutputError, PhotoError
from koalarize.photo.photo import Photo
from koalarize.steering.crop import Crop
from koalarize.steering.hints import Hint
from koalarize.steering.steering import Steering


@pytest.fixture
def grey():
    ramp = np.linspace(60, 190, 120 * 90).reshape(90, 120)
    ramp[40:60, 50:70] += 20  # shading without an edge would not be coloured
    return ramp.astype(np.uint8)


@pytest.fixture
def colorizer():
    return Colorizer(FakeEngine())


def bound_to(size):
    """Return an engine that takes pictures of one size only, and says so."""
    engine = FakeEngine(stride=1, grid=1, size=size, accepts_hints=False)
    engine.info = dataclasses.replace(engine.info, fixed_size=size)
    return engine


def mean_ab(srgb):
    return color.srgb_to_lab(np.asarray(srgb))[..., 1:].reshape(-1, 2).mean(0)


class TestWhatGoesInComesOut:
    def test_array(self, colorizer, grey):
        out = colorizer(grey)
        assert out.dtype == np.uint8
        assert out.shape == (90, 120, 3)
        assert mean_ab(out) == pytest.approx((20, -10), abs=1)

    @pytest.mark.parametrize("shape", [(150, 210), (150, 210, 3), (620, 700)])
    @pytest.mark.parametrize("dtype", [np.uint16, np.float32])
    def test_a_photo_is_seen_alike_in_every_depth(self, shape, dtype):
        levels = np.random.default_rng(3).integers(0, 256, shape, np.uint8)  # the finest detail
        deep = levels.astype(dtype) * 257 if dtype == np.uint16 else levels.astype(dtype) / 255
        looks = [Colorizer(FakeEngine()).look(Photo(one), size=60) for one in (levels, deep)]
        seen, other = (look.lightness for look in looks)
        assert np.abs(seen - other).max() < 0.5  # half a unit is a rounded level

    @pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
    def test_array_dtypes(self, colorizer, grey, dtype):
        given = grey.astype(dtype) * 257 if dtype == np.uint16 else (grey / 255).astype(dtype)
        out = colorizer(given)
        assert out.dtype == dtype
        assert out.shape == (90, 120, 3)

    def test_array_with_alpha(self, colorizer, grey):
        alpha = np.arange(grey.size).reshape(grey.shape).astype(np.uint8)
        out = colorizer(np.stack([grey, alpha], -1))
        assert out.shape == (90, 120, 4)
        assert np.array_equal(out[..., 3], alpha)

    def test_image(self, colorizer, grey):
        out = colorizer(Image.fromarray(grey))
        assert isinstance(out, Image.Image)
        assert (out.mode, out.size) == ("RGB", (120, 90))

    def test_bytes(self, colorizer, grey):
        buffer = io.BytesIO()
        Image.fromarray(grey).save(buffer, "PNG")
        out = colorizer(buffer.getvalue())
        assert Image.open(io.BytesIO(out)).format == "PNG"

    def test_photo(self, colorizer, grey):
        out = colorizer(Photo.read(grey))
        assert isinstance(out, Photo)
        assert out.pixels.shape == (90, 120, 3)

    def test_path(self, colorizer, grey, tmp_path):
        source = tmp_path / "photo.png"
        Image.fromarray(grey).save(source)
        before = source.read_bytes()
        assert colorizer(source) == tmp_path / "photo.color.png"
        made = colorizer.file(str(source), tmp_path / "new.jpg")
        assert made.path == tmp_path / "new.jpg"
        assert made.photo.pixels.shape == (90, 120, 3)
        assert not made.had_colors
        assert source.read_bytes() == before
        with pytest.raises(OutputError, match=r"photo\.color\.png"):
            colorizer(source)
        assert colorizer.file(source, overwrite=True).path == tmp_path / "photo.color.png"


class TestWorkingSize:
    @pytest.mark.parametrize(
        "shape", [(1, 1), (1, 20), (20, 1), (7, 5), (40, 800), (800, 40), (64, 64), (333, 100)]
    )
    def test_any_shape(self, shape):
        engine = FakeEngine()
        grey = np.full(shape, 128, np.uint8)
        out = Colorizer(engine)(grey)
        assert out.shape == (*shape, 3)
        height, width = engine.seen[0][0].shape
        assert height * width <= (8 * 64**2) * 2.2  # padding of the thinnest side included

    def test_aspect_is_kept(self):
        engine = FakeEngine(stride=1, grid=1)
        Colorizer(engine)(np.full((300, 600), 90, np.uint8))
        assert engine.seen[0][0].shape == (64, 128)
        Colorizer(engine)(np.full((300, 600), 90, np.uint8), size=50)
        assert engine.seen[1][0].shape == (50, 100)

    def test_the_padding_is_a_reflection(self):
        engine = FakeEngine(size=40)
        ramp = np.tile(np.arange(40, dtype=np.uint8) * 5, (40, 1))
        Colorizer(engine)(ramp)
        seen = engine.seen[0][0]
        assert seen.shape == (64, 64)
        assert np.allclose(seen[:, 40:], seen[:, 38:14:-1])

    @pytest.mark.parametrize(
        ("shape", "seen_height", "seen_width"),
        [((200, 300), 85, 128), ((300, 200), 128, 85), ((64, 64), 128, 128), ((40, 2000), 3, 128)],
    )
    def test_a_fixed_size_holds_the_whole_photo_unsquashed(self, shape, seen_height, seen_width):
        engine = bound_to(128)
        height, width = shape
        # lightness rises along the width by the same step a pixel, whatever the height
        ramp = np.tile(np.linspace(0, 255, width), (height, 1)).astype(np.float32) / 255
        out = Colorizer(engine)(ramp)
        assert out.shape == (height, width, 3)
        (seen, _), *more = engine.seen
        assert not more
        assert seen.shape == (128, 128)
        expected = color.srgb_to_lab(
            np.repeat(np.linspace(0, 255, seen_width)[:, None], 3, 1).astype(np.float32) / 255
        )[:, 0]
        photo = seen[:seen_height, :seen_width]
        assert np.abs(photo - expected).max() < 2.5  # the photo at one scale, from end to end
        rows = np.pad(np.arange(seen_height), (0, 128 - seen_height), mode="reflect")
        columns = np.pad(np.arange(seen_width), (0, 128 - seen_width), mode="reflect")
        assert np.array_equal(seen, photo[rows][:, columns])

    @pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3), (5, 128), (128, 128)])
    def test_a_fixed_size_takes_any_shape(self, shape):
        engine = bound_to(128)
        out = Colorizer(engine)(np.full(shape, 128, np.uint8))
        assert out.shape == (*shape, 3)
        assert engine.seen[0][0].shape == (128, 128)

    def test_a_fixed_size_is_cropped_before_it_is_brought_back(self):
        """Only what the padding covers is painted: none of it may reach the photo."""
        engine = bound_to(128)
        run = engine.run

        def painted(l, hints):
            prediction = run(l, hints)
            prediction.ab[..., 64:, :] = 90  # the photo is the upper half of the square
            return prediction

        engine.run = painted
        ramp = np.tile(np.linspace(60, 190, 200).astype(np.uint8), (100, 1))
        ramp[40:60, 50:70] += 20  # shading without an edge would not be coloured
        assert mean_ab(Colorizer(engine)(ramp)[:90]) == pytest.approx((20, -10), abs=1.5)

    def test_a_fixed_size_allows_no_other(self, grey):
        colorizer = Colorizer(bound_to(128))
        assert colorizer(grey, size=128).shape == (90, 120, 3)
        for size in (64, 129, 256):
            with pytest.raises(OptionError, match=f"`size` is {size} but .* only works at 128"):
                colorizer(grey, size=size)

    def test_the_network_sees_no_faded_photo(self):
        engine = FakeEngine()
        ramp = np.tile(np.linspace(80, 160, 128), (64, 1)).astype(np.uint8)
        out = Colorizer(engine)(ramp)
        seen = engine.seen[0][0]
        assert seen.min() < 1
        assert seen.max() > 99
        kept = color.srgb_to_lab(out)[..., 0]
        assert np.abs(kept - color.grey_to_lightness(ramp)).max() < 1

    def test_what_is_nearly_blank_is_not_stretched_into_noise(self):
        engine = FakeEngine()
        grain = np.random.default_rng(0).integers(119, 125, (64, 64)).astype(np.uint8)
        Colorizer(engine)(grain)
        assert np.ptp(engine.seen[0][0]) < 4.01 * np.ptp(color.grey_to_lightness(grain))

    def test_the_network_sees_lightness(self):
        engine = FakeEngine()
        Colorizer(engine)(np.full((64, 64), 119, np.uint8))
        assert engine.seen[0][0] == pytest.approx(50.03, abs=0.05)

    def test_eight_and_sixteen_bits_and_color_agree(self, grey):
        engine = FakeEngine(size=32)
        colorizer = Colorizer(engine)
        for given in (grey, grey.astype(np.uint16) * 257, np.repeat(grey[..., None], 3, -1)):
            colorizer(given)
        first, *others = (l for l, _ in engine.seen)
        for other in others:
            assert np.abs(first - other).max() < 2.5  # different filters, no shift


class TestOptions:
    def test_vividness(self, grey):
        colorizer = Colorizer(FakeEngine((10.0, 5.0)))
        assert np.array_equal(colorizer(grey, vividness=0), np.repeat(grey[..., None], 3, -1))
        assert mean_ab(colorizer(grey, vividness=2)) == pytest.approx((20, 10), abs=1)

    @pytest.mark.parametrize("vividness", [-1, float("nan"), float("inf")])
    def test_vividness_must_make_sense(self, colorizer, grey, vividness):
        with pytest.raises(OptionError, match="vividness"):
            colorizer(grey, vividness=vividness)

    def test_hints_reach_the_network(self, grey):
        engine = FakeEngine()
        Colorizer(engine)(grey, hints=[Hint(60, 45, "#ff0000", 4)])
        assert engine.seen[0][1] is None  # what the hint does not reach is as without it
        hints = engine.seen[1][1]
        assert hints.shape[0] == 3
        assert hints[2, 32, 42] == 1
        assert 0 < hints[2].mean() < 0.05

    @pytest.mark.parametrize(("gain", "kept"), [(1.0, 1.0), (1.8, 0.94)])
    def test_hints_that_agree_take_off_nothing_but_the_gain_for_doubt(self, grey, gain, kept):
        engine = FakeEngine((20.0 / gain, -10.0 / gain))
        engine.info = dataclasses.replace(engine.info, chroma_gain=gain)
        colorizer = Colorizer(engine)
        height, width = grey.shape
        colour = color.lab_to_hex(np.float32([50, 20, -10]))
        around = [(x, y) for x in (0.1, 0.5, 0.9) for y in (0.1, 0.5, 0.9) if (x, y) != (0.5, 0.5)]
        hints = [Hint(x * width, y * height, colour, 1) for x, y in around]
        middle = np.s_[height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4, 1:]
        plain, made = (
            np.linalg.norm(color.srgb_to_lab(one)[middle], axis=-1).mean()
            for one in (colorizer(grey), colorizer(grey, hints=hints))
        )
        assert made / plain == pytest.approx(kept, abs=0.02)

    def test_no_hints_no_planes(self, grey):
        engine = FakeEngine()
        Colorizer(engine)(grey)
        assert engine.seen[0][1] is None

    def test_a_network_without_hints(self, grey):
        colorizer = Colorizer(FakeEngine(accepts_hints=False))
        with pytest.raises(OptionError, match="takes no hints"):
            colorizer(grey, hints=[Hint(1, 1, "#fff")])

    def test_a_field_that_is_unknown(self, colorizer, grey):
        with pytest.raises(OptionError, match=r"`warmht` is nothing .* did you mean `warmth`"):
            colorizer(grey, warmht=1)

    def test_a_field_given_twice(self, colorizer, grey):
        with pytest.raises(OptionError, match=r"`vividness` is given twice, as 2 .* and as 3"):
            colorizer(grey, Steering(vividness=2), vividness=3)
        palette = palette_of(np.dstack([grey] * 3))
        with pytest.raises(OptionError, match=r"^.{,300}$"):  # a palette has thousands of numbers
            colorizer(grey, Steering(reference=palette), reference=palette)

    def test_a_field_beside_steering_counts(self, colorizer, grey):
        both = colorizer(grey, Steering(warmth=0.5), vividness=3)
        assert np.array_equal(both, colorizer(grey, vividness=3, warmth=0.5))
        assert not np.array_equal(both, colorizer(grey, warmth=0.5))

    def test_size(self, colorizer, grey):
        with pytest.raises(OptionError, match="size"):
            colorizer(grey, size=0)


def test_several_threads(grey):
    colorizer = Colorizer(FakeEngine())
    expected = colorizer(grey)
    with ThreadPoolExecutor(8) as pool:
        for out in pool.map(colorizer, [grey] * 32):
            assert np.array_equal(out, expected)


@pytest.mark.parametrize("side", [16, 24, 32])
def test_a_tiny_photo_is_a_photo(side):
    blocks = np.random.default_rng(0).uniform(20, 235, (side // 4, side // 4))
    scene = np.asarray(Image.fromarray(blocks.astype(np.uint8)).resize((side, side)))
    look = Colorizer(FakeEngine()).look(Photo.read(scene), size=256)
    assert look.calm.max() > 0.9
    shading = np.add.outer(np.arange(side), np.arange(side)).astype(np.uint8) + 60
    assert Colorizer(FakeEngine()).look(Photo.read(shading), size=256).calm.max() < 0.5


class TestFiles:
    @pytest.mark.parametrize("pages", [1, 2])
    def test_what_shows_nothing_to_colour_says_so(self, colorizer, tmp_path, pages):
        source = tmp_path / "wall.tif"
        first, *others = [Image.fromarray(np.full((40, 50), 128, np.uint8))] * pages
        first.save(source, save_all=True, append_images=others)
        for layer in (False, True):
            (note,) = colorizer.file(source, layer=layer).notes
            assert note.startswith("it stays grey, since it shows nothing that could have a colour")
        asked = Steering(vividness=0)
        assert colorizer.file(source, steering=asked, overwrite=True).notes == ()
        hinted = Steering(hints=(Hint(9, 9, "#c03020"),))
        notes = colorizer.file(source, steering=hinted, overwrite=True).notes
        assert not any("grey" in note for note in notes)

    def test_a_layer_of_another_part_says_so(self, colorizer, grey, tmp_path):
        source, plain = tmp_path / "photo.png", tmp_path / "plain.png"
        Image.fromarray(grey).save(source)
        assert colorizer.file(source, plain, layer=True).notes == ()
        moved = Steering(turn=90, negative=True, crop=Crop(0, 0, 9, 8))
        notes = colorizer.file(source, tmp_path / "moved.png", moved, layer=True).notes
        said = "the layer fits the photo after --negative, --turn and --crop, not the file as it is"
        assert notes == (said,)

    @pytest.mark.parametrize("pages", [1, 2])
    def test_a_layer_that_shows_nothing_says_so(self, colorizer, grey, tmp_path, pages):
        source, plain = tmp_path / "photo.tif", tmp_path / "plain.tif"
        first, *others = [Image.fromarray(grey)] * pages
        first.save(source, save_all=True, append_images=others)
        (note,) = colorizer.file(source, steering=Steering(vividness=0), layer=True).notes
        assert note == "the layer is empty: nothing in the picture is coloured"
        assert colorizer.file(source, plain, layer=True).notes == ()

    def test_a_layer_needs_transparency(self, colorizer, grey, tmp_path):
        Image.fromarray(grey).save(tmp_path / "photo.png")
        with pytest.raises(OptionError, match=r"transparent .* which JPEG cannot hold"):
            colorizer.file(tmp_path / "photo.png", tmp_path / "layer.jpg", layer=True)
        assert not (tmp_path / "layer.jpg").exists()
        colorizer.file(tmp_path / "photo.png", tmp_path / "layer.webp", layer=True)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
    def test_a_pipe_is_not_waited_for(self, colorizer, tmp_path):
        os.mkfifo(tmp_path / "photo.jpg")
        with pytest.raises(PhotoError, match="is a pipe or a device but must be a file"):
            colorizer.file(tmp_path / "photo.jpg")

    @pytest.mark.parametrize(
        ("name", "said"),
        [("gone.jpg", "does not exist"), ("", "is a folder"), (".", "is a folder")],
    )
    def test_what_is_no_file(self, colorizer, tmp_path, monkeypatch, name, said):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(PhotoError, match=said):
            colorizer(name)


class TestPublicAPI:
    def test_names(self):
        for name in koalarize.__all__:
            assert getattr(koalarize, name) is not None
        assert set(koalarize.__all__) <= set(dir(koalarize))

    def test_unknown(self):
        with pytest.raises(AttributeError, match="no attribute `colour`"):
            _ = koalarize.colour
