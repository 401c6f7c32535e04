"""Colours of frames that are dark or white as a whole: they go with the light."""

from __future__ import annotations

import av
import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from fakes import FakeEngine
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.film.animation import steady_frames
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film, export_film
from koalarize.film.options import PLAIN_FILM, FilmOptions
from koalarize.film.spread import preview
from koalarize.film.steady import dimmed
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN


def test_a_dark_frame_has_less_of_its_colours_and_a_bright_one_all():
    ab = np.full((2, 10, 10), 20, np.float32)
    lightness = np.full((10, 10), 10, np.float32)
    assert dimmed(ab, lightness)[0, 0, 0] == pytest.approx(4)
    lightness[0, :5] = 80  # a lamp in the night
    assert dimmed(ab, lightness) is ab


def test_a_white_frame_has_none_of_its_colours_and_one_that_fades_to_white_less():
    ab = np.full((2, 10, 10), 20, np.float32)
    lightness = np.full((10, 10), 92, np.float32)
    assert not dimmed(ab, lightness).any()  # a flash
    lightness[:] = 75
    assert dimmed(ab, lightness)[0, 0, 0] == pytest.approx(10)
    lightness[0, :5] = 40  # a hut in the snow
    assert dimmed(ab, lightness) is ab


def test_what_a_person_says_of_a_dark_frame_stays():
    ab = np.full((2, 10, 10), 20, np.float32)
    held = np.zeros((10, 10), np.float32)
    held[3, 3] = 1
    found = dimmed(ab, np.full((10, 10), 5, np.float32), held)
    assert found[0, 3, 3] == pytest.approx(20)
    assert found[0, 4, 4] == pytest.approx(2)


def faded() -> list[fp.UInt8]:
    frames = fp.moved(24)
    return [(frame * min(1, n / 16)).astype(np.uint8) for n, frame in enumerate(frames)]


def chroma(srgb: fp.UInt8) -> float:
    lab = color.srgb_to_lab(srgb)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def test_a_film_that_fades_in_gets_its_colours_with_its_light(colorizer, tmp_path):
    source = fp.write(tmp_path / "film.mp4", faded(), options={"crf": "8"})
    path = color_film(colorizer, source, options=FilmOptions(crf=8, preset="ultrafast")).path
    with av.open(str(path)) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert chroma(frames[5]) < 0.65 * chroma(frames[-1])


def test_a_preview_and_an_exported_frame_are_as_dark_as_the_film(tmp_path):
    colorizer = Colorizer(FakeEngine((9.0, 6.0)))  # exist in any light
    frames = [fp.moved(1, seed=3)[0] // 3] * 6
    source = fp.write(tmp_path / "film.mkv", frames, codec="ffv1")
    path = color_film(colorizer, source, options=FilmOptions(codec="ffv1")).path
    with av.open(str(path)) as film:
        wanted = chroma(next(film.decode(video=0)).to_ndarray(format="rgb24"))
    sheet = preview(colorizer, read_facts(source), PLAIN, PLAIN_FILM, 1).pixels
    assert chroma(sheet) == pytest.approx(wanted, rel=0.2)
    (exported,) = export_film(colorizer, source, tmp_path).paths
    assert chroma(np.asarray(Image.open(exported))) == pytest.approx(wanted, rel=0.2)


def test_an_animation_that_fades_in_gets_its_colours_with_its_light(colorizer):
    photos = (Photo(np.asarray(Image.fromarray(frame))) for frame in faded())
    made = [photo.pixels for photo in steady_frames(colorizer, photos, PLAIN)]
    assert chroma(made[5]) < 0.65 * chroma(made[-1])


def test_a_dark_frame_that_a_person_has_coloured_has_those_colours(colorizer, tmp_path):
    dark = [(frame // 4).astype(np.uint8) for frame in fp.moved(4, seed=3)]
    source = fp.write(tmp_path / "film.mp4", dark, options={"crf": "4"})
    own = np.stack([dark[1], dark[1] // 4, dark[1] // 4], axis=-1)
    Image.fromarray(own).save(tmp_path / "ref_000001.png")
    options = FilmOptions(frames=tmp_path, crf=4, preset="ultrafast")
    path = color_film(colorizer, source, options=options).path
    with av.open(str(path)) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert chroma(frames[1]) > 0.7 * chroma(own)
