"""Animated pictures are as steady as films, and keep their frames and times."""

from __future__ import annotations

import itertools

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
from koalarize.photo.photo import Photo
from koalarize.steering.steering import Steering


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
