"""Animated pictures are as steady as films, and keep their frames and times."""

from __future__ import annotations

import itertools
import os
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from fakes import OneByOne
from koalarize import color
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.film.animation import color_animation
from koalarize.film.encode import coding_of
from koalarize.film.facts import read_facts
from koalarize.film.options import FilmOptions
from koalarize.photo.photo import Photo
from koalarize.steering.steering import Steering

av = fp.av


class Wavering(OneByOne):
    """Answers with another colour each time."""

    info = ModelInfo("wavering", 16, False, 48)

    def __init__(self):
        self.runs = 0

    def one(self, lightness, hints):
        self.runs += 1
        a, b = np.random.default_rng(self.runs).normal(15, 10, 2)
        return Prediction(np.stack([np.full_like(lightness, a), np.full_like(lightness, b)]))


def animation(path, frames=20):
    images = [Image.fromarray(frame) for frame in fp.moved(frames)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=70, loop=0)
    return path


def change(path):
    with Image.open(path) as image:
        shown = []
        for number in range(image.n_frames):
            image.seek(number)
            shown.append(color.srgb_to_lab(np.asarray(image.convert("RGB")))[..., 1:].mean((0, 1)))
    return np.mean([np.abs(b - a).mean() for a, b in itertools.pairwise(shown)])


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png"])
def test_an_animation_is_steady(tmp_path, monkeypatch, ending):
    engine = Wavering()
    colorizer = Colorizer(engine)
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))
    source = animation(tmp_path / f"a{ending}")
    assert main([str(source), "-o", str(tmp_path / f"b{ending}")]) == 0
    assert engine.runs < 8
    with Image.open(tmp_path / f"b{ending}") as image:
        assert image.n_frames == 20
        image.load()
        assert image.info["duration"] == 70
    alone = colorizer.file(source, tmp_path / f"alone{ending}").written
    assert change(tmp_path / f"b{ending}") < change(alone) / 3


def test_a_still_picture_goes_the_usual_way(tmp_path, monkeypatch):
    engine = Wavering()
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: Colorizer(engine)))
    Image.fromarray(fp.moved(1)[0]).save(tmp_path / "a.png")
    assert main([str(tmp_path / "a.png")]) == 0
    assert engine.runs == 1


def test_faded_frames_are_restored_alike(tmp_path):
    grain = np.random.default_rng(0).integers(90, 170, (40, 60)).astype(np.uint8)
    bright = grain.copy()
    bright[5:15, 5:15], bright[25:35, 5:15] = 250, 5
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    images = [Image.fromarray(frame) for frame in (grain, bright)]
    images[0].save(source, save_all=True, append_images=images[1:])
    asked = Steering(faded=True, vividness=0)
    assert color_animation(Colorizer(Wavering()), source, target, asked) is not None
    one, other = (photo.pixels for photo in Photo.each(target))
    assert np.array_equal(one[bright == grain], other[bright == grain])


@pytest.mark.parametrize("ending", [".gif", ".png"])
def test_an_animation_becomes_a_film_where_one_is_named(command, tmp_path, capsys, ending):
    animation(tmp_path / f"a{ending}", frames=4)
    assert command([f"a{ending}", "-o", "a.mp4"]) == 0
    with av.open("a.mp4") as film:
        assert film.streams.video[0].pix_fmt.endswith("420p")  # browsers play no other
    assert fp.times_of(tmp_path / "a.mp4") == [Fraction(7 * n, 100) for n in range(4)]
    assert "transparency" not in capsys.readouterr().err


def test_transparency_of_an_animation_is_said(tmp_path):
    images = [Image.new("LA", (64, 48), (90, 40 * n)) for n in range(2)]
    images[0].save(tmp_path / "a.png", save_all=True, append_images=images[1:])
    coding = coding_of(read_facts(tmp_path / "a.png"), FilmOptions())
    assert "its transparency is not kept" in coding.losses


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("still.png", "`still.png` is a single picture: give the result the ending of a picture"),
        ("box", "`box` is a folder: name a film; docs/films.md shows how"),
        ("*.dpx", "`*.dpx` is no file"),
        ("a.webp", "an animation of WebP, which cannot become a film"),
    ],
)
def test_what_cannot_become_a_film_is_told(command, tmp_path, capsys, given, said):
    (tmp_path / "box").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "still.png")
    animation(tmp_path / "a.webp", frames=2)
    assert command([given, "-o", "x.mp4"]) != 0
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x.mp4").exists()


def test_a_folder_that_is_called_as_a_film_takes_pictures(command, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "still.png")
    assert command(["still.png", "-o", f"reel.dv{os.sep}"]) == 0
    assert (tmp_path / "reel.dv" / "still.color.png").exists()
