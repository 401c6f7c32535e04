"""Negatives, and layers of colour: files that are not simply coloured copies."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fakes import ClassifyingEngine, FakeEngine
from koalarize.batch.find import find_pictures
from koalarize.batch.run import BatchOptions, colorize_many
from koalarize.batch.series import palette_of_series
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.layer import layer_path
from koalarize.errors import OptionError
from koalarize.photo.negative import inverted, looks_like_color_negative
from koalarize.photo.photo import Photo
from koalarize.steering.steering import Steering
from photo_parts import smooth


@pytest.fixture
def colorizer():
    return Colorizer(FakeEngine())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_inverting_twice_changes_nothing(dtype):
    most = 1 if dtype == np.float32 else np.iinfo(dtype).max
    levels = (smooth().astype(np.float64) / 255 * most).astype(dtype)
    once = inverted(Photo(levels))
    assert once.pixels.dtype == dtype
    assert np.allclose(once.pixels, most - levels, atol=1e-6)
    assert np.allclose(inverted(once).pixels, levels, atol=1e-6)


def test_a_negative_is_inverted_first(tmp_path, colorizer):
    Image.fromarray(255 - data.camera()[:90, :120]).save(tmp_path / "film.png")
    colored = colorizer.file(tmp_path / "film.png", steering=Steering(negative=True))
    found = Photo.read(colored.written).lightness()
    assert np.abs(found - Photo.read(data.camera()[:90, :120]).lightness()).max() < 1.5
    content = (tmp_path / "film.png").read_bytes()
    assert colorizer.data(content, Steering(negative=True)).data == colored.written.read_bytes()


def test_color_film_gets_a_note(tmp_path, colorizer):
    film = ((255 - data.astronaut()[:120, :160].astype(float)) * [0.9, 0.58, 0.36]).astype(np.uint8)
    assert looks_like_color_negative(Photo.read(film))
    Image.fromarray(film).save(tmp_path / "film.png")
    note = "it looks like a colour negative: --negative (in Python negative=True) inverts it first"
    assert colorizer.file(tmp_path / "film.png").notes == (note,)
    asked = Steering(negative=True)
    assert colorizer.file(tmp_path / "film.png", steering=asked, overwrite=True).notes == ()
    kept = colorizer.file(
        tmp_path / "film.png", tmp_path / "kept.png", Steering(negative=True, keep_color=True)
    )
    assert kept.notes == (
        "it looks like a colour negative: --keep-color (in Python keep_color=True) keeps what its "
        "mask leaves",
    )


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_photos_and_toned_prints_get_none(name):
    picture = getattr(data, name)()
    assert not looks_like_color_negative(Photo.read(picture))
    grey = np.asarray(Image.fromarray(picture).convert("L"), float)[..., None]
    sepia = np.clip(grey * [1.351, 1.203, 0.937], 0, 255).astype(np.uint8)
    assert not looks_like_color_negative(Photo.read(sepia))


class TestLayers:
    def test_only_what_is_colored_is_opaque(self, tmp_path):
        grey = np.full((60, 80), 150, np.uint8)
        grey[:, :20] = 255  # white takes no colour
        Image.fromarray(grey).save(tmp_path / "photo.png")
        made = Colorizer(FakeEngine()).file(tmp_path / "photo.png", layer=True)
        assert made.written == tmp_path / "photo.layer.png"
        layer = np.asarray(Image.open(made.written))
        assert layer.shape == (60, 80, 4)
        assert (layer[:, 40:, 3] == 255).all()
        assert (layer[:, :5, 3] == 0).all()
        whole = Colorizer(FakeEngine()).file(tmp_path / "photo.png")
        assert np.array_equal(layer[..., :3], np.asarray(Image.open(whole.written)))

    def test_a_toned_original_is_covered(self, tmp_path):
        levels = np.full((60, 80, 3), (180, 150, 110), np.uint8)
        levels[:, :20] = (255, 250, 240)
        path, dull = tmp_path / "photo.png", Steering(vividness=0)
        Image.fromarray(levels).save(path)
        made = Colorizer(FakeEngine()).file(path, steering=dull, layer=True)
        layer = Image.open(made.written).convert("RGBA")
        laid = Image.alpha_composite(Image.open(path).convert("RGBA"), layer).convert("RGB")
        whole = Image.open(Colorizer(FakeEngine()).file(path, steering=dull).written)
        assert np.array_equal(np.asarray(laid), np.asarray(whole))

    def test_what_was_transparent_stays_so(self, tmp_path, colorizer):
        image = Image.fromarray(data.camera()[:60, :80])
        image.putalpha(Image.linear_gradient("L").resize((80, 60)))
        image.save(tmp_path / "photo.png")
        layer = np.asarray(Image.open(colorizer.file(tmp_path / "photo.png", layer=True).written))
        assert (layer[..., 3] <= np.asarray(image)[..., 1]).all()

    def test_names(self):
        from pathlib import Path

        assert layer_path(Path("a/b.jpg")) == Path("a/b.layer.png")
        assert layer_path(Path("b.TIF")) == Path("b.layer.TIF")
        assert layer_path(Path("b.webp")) == Path("b.layer.png")
        assert layer_path(Path("J. Smith 1923")) == Path("J. Smith 1923.layer.png")

    def test_in_a_batch(self, tmp_path, colorizer):
        for name in ("a.jpg", "b.tif"):
            Image.fromarray(data.camera()[:60, :80]).save(tmp_path / name)
        options = BatchOptions(layer=True)
        made = colorize_many(colorizer, find_pictures([tmp_path]), options=options)
        assert [outcome.output.name for outcome in made] == ["a.layer.png", "b.layer.tif"]
        assert len(find_pictures([tmp_path])) == 2


class TestSeries:
    def test_one_palette_for_all(self, tmp_path):
        for number in range(3):
            Image.fromarray(np.roll(data.camera(), 40 * number)[:120, :200]).save(
                tmp_path / f"{number}.png"
            )
        (tmp_path / "broken.png").write_bytes(b"no picture")
        colorizer = Colorizer(ClassifyingEngine())
        palette = palette_of_series(colorizer, find_pictures([tmp_path]))
        assert palette == palette_of_series(colorizer, find_pictures([tmp_path]))
        assert palette.name == "series"

    def test_where_there_is_none(self, tmp_path, colorizer):
        with pytest.raises(OptionError, match="needs a model that palettes lead"):
            palette_of_series(colorizer, [])
        with pytest.raises(OptionError, match="holds no picture"):
            palette_of_series(Colorizer(ClassifyingEngine()), find_pictures([tmp_path]))
