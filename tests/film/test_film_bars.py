"""Letterbox and pillarbox: the network sees the picture without them, and they stay grey."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from fakes import OneByOne
from koalarize.colorizer.bars import Bars
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.film.anchors import shots_of
from koalarize.film.bars import bars_of_film, part_shown, within
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film
from koalarize.film.key import key_of
from koalarize.film.options import PLAIN_FILM, FilmOptions
from koalarize.film.spread import find_shots, pooled_palette, preview
from koalarize.steering.steering import PLAIN, Steering

av = fp.av
HEIGHT, WIDTH, BAR = 48, 80, 12  # of the picture, and of each bar
WIDE = Bars(BAR, BAR, 0, 0, 0.0)


class Looker(OneByOne):
    """Answers with one colour; keeps what it has seen."""

    info = ModelInfo("looker", 16, True, HEIGHT)

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []
        self.hinted: list[np.ndarray] = []

    def one(self, lightness, hints):
        self.seen.append(lightness)
        if hints is not None:
            self.hinted.append(hints)
        return Prediction(np.full((2, *lightness.shape), 20, np.float32))


def barred(count=10, sides=((BAR, BAR), (0, 0)), value=0, seed=1):
    frames = fp.moved(count, (HEIGHT, WIDTH), seed)
    return [np.pad(one, sides, constant_values=value) for one in frames]


def film(folder, frames=None, name="film.mkv", **how):
    return fp.write(folder / name, barred() if frames is None else frames, codec="ffv1", **how)


def colored(source, engine=None, **options):
    made = FilmOptions(codec="ffv1", **options)
    path = color_film(Colorizer(engine or Looker()), source, options=made, overwrite=True).path
    with av.open(str(path)) as opened:
        return [
            [
                np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : plane.width]
                for plane in frame.planes
            ]
            for frame in opened.decode(video=0)
        ]


@pytest.mark.parametrize("value", [0, 20, 255])
@pytest.mark.parametrize("sides", [((BAR, BAR), (0, 0)), ((0, 0), (16, 16)), ((8, 8), (16, 16))])
def test_bars_are_found_and_stay_grey(tmp_path, sides, value):
    source = film(tmp_path, barred(sides=sides, value=value))
    (top, bottom), (left, right) = sides
    bars = bars_of_film(read_facts(source))
    assert bars is not None
    assert (bars.top, bars.bottom, bars.left, bars.right) == (top, bottom, left, right)
    inside = (slice(top // 2, top // 2 + HEIGHT // 2), slice(left // 2, left // 2 + WIDTH // 2))
    for _, cb, cr in colored(source):
        for plane in (cb, cr):
            outside = plane.copy()
            outside[inside] = 128
            assert (outside == 128).all()
        assert (cr[inside] > 128).mean() > 0.98


def test_the_network_sees_the_picture_alone(tmp_path):
    engine, plain = Looker(), Looker()
    chroma = colored(film(tmp_path), engine)
    frames = [one[BAR:-BAR] for one in barred()]
    without = colored(film(tmp_path, frames, name="plain.mkv"), plain)
    assert [one.shape for one in engine.seen] == [one.shape for one in plain.seen]
    for seen, as_plain in zip(engine.seen, plain.seen, strict=True):
        assert np.abs(seen - as_plain).max() < 1
    for one, other in zip(chroma, without, strict=True):
        assert np.array_equal(one[1][BAR // 2 : -BAR // 2], other[1])


def test_a_film_without_bars_is_made_as_ever(tmp_path):
    facts = read_facts(film(tmp_path, fp.moved(4)))
    assert bars_of_film(facts) is None
    assert within(facts, None) is facts
    colorizer = Colorizer(Looker())
    key = key_of(colorizer, facts, PLAIN, PLAIN_FILM)
    assert key == key_of(colorizer, facts, PLAIN, PLAIN_FILM, None)
    assert key != key_of(colorizer, facts, PLAIN, PLAIN_FILM, WIDE)


def test_a_fade_to_black_decides_nothing(tmp_path):
    black = [np.zeros((HEIGHT + 2 * BAR, WIDTH), np.uint8)] * 3
    facts = read_facts(film(tmp_path, black + barred(value=30) + black))
    bars = bars_of_film(facts)
    assert bars is not None
    assert (bars.top, bars.bottom) == (BAR, BAR)
    assert bars_of_film(read_facts(film(tmp_path, black, name="black.mkv"))) is None


def test_a_part_of_a_film_has_the_bars_of_the_whole(tmp_path):
    """A part whose own pictures are dark at their edges is coloured as the whole film is."""
    dark = barred()
    for one in dark[5:]:
        one[: 2 * BAR] = 0
    source, engine = film(tmp_path, dark), Looker()
    colored(source, engine, start=0.2)
    assert engine.seen[0].shape == (HEIGHT, WIDTH)


def test_a_scene_that_fills_the_frame_is_coloured_to_its_edges(tmp_path):
    """Frames between those that were looked at may show something where the others have bars."""
    frames = barred(60)
    frames[1] = fp.moved(1, (HEIGHT + 2 * BAR, WIDTH), 7)[0]
    source = film(tmp_path, frames)
    assert bars_of_film(read_facts(source)) is not None
    chroma = colored(source)
    assert (chroma[1][2][: BAR // 2] > 128).mean() > 0.9
    assert (chroma[2][2][: BAR // 2] == 128).all()


@pytest.mark.parametrize("sides", [((BAR, BAR), (0, 0)), ((0, 0), (16, 16))])
@pytest.mark.parametrize(("others", "has"), [(12, True), (20, False)])
def test_a_title_that_fills_the_frame_hides_no_bars(tmp_path, sides, others, has):
    """One full frame of those looked at let the network see the bars of the whole film."""
    shape = np.pad(np.zeros((HEIGHT, WIDTH), np.uint8), sides).shape
    frames = fp.moved(others, shape, 7) + barred(108 - others, sides)
    bars = bars_of_film(read_facts(film(tmp_path, frames)))
    assert (bars is not None) == has
    if bars is not None:
        assert ((bars.top, bars.bottom), (bars.left, bars.right)) == sides


def test_subtitles_in_a_bar_stay_grey(tmp_path):
    frames = barred()
    for one in frames[2:8]:
        one[-8:-4, 10:70:3] = 240
    for _, cb, cr in colored(film(tmp_path, frames)):
        assert (cb[-BAR // 2 :] == 128).all()
        assert (cr[-BAR // 2 :] == 128).all()


def test_a_film_of_many_minutes_is_looked_at_at_its_key_frames(tmp_path, monkeypatch):
    source = film(tmp_path, barred(96))
    facts = read_facts(source)
    monkeypatch.setattr("koalarize.film.bars._READ_ON", 0.01)
    assert bars_of_film(dataclasses.replace(facts, cut_short=True)) == bars_of_film(facts)
    assert bars_of_film(facts) is not None


@pytest.mark.parametrize("name", ["film.mkv", "film.h264"])
def test_a_film_without_key_frames_or_length_is_looked_at_to_its_end(tmp_path, monkeypatch, name):
    """Its beginning, a title in wider bars, says nothing of what follows."""
    monkeypatch.setattr("koalarize.film.bars._READ_ON", 0.01)
    monkeypatch.setattr("koalarize.film.bars._NEAR", 0.5)
    frames = barred(30) + fp.moved(66, (HEIGHT + 2 * BAR, WIDTH), 7)
    how = {"g": "999", "keyint_min": "999", "sc_threshold": "0"}
    source = fp.write(tmp_path / name, frames, options=how)
    assert bars_of_film(read_facts(source)) is None
    same = fp.write(tmp_path / f"barred_{name}", barred(96), options=how)
    assert bars_of_film(read_facts(same)) is not None


def test_a_hint_lies_where_it_was_set(tmp_path):
    hint = {"time": 0.2, "x": 40, "y": BAR + 20, "color": "#c03020"}
    path = tmp_path / "film.shots.json"
    path.write_text(
        json.dumps({"film": "film.mkv", "shots": [{"from": 0, "to": 2, "hints": [hint]}]})
    )
    engine = Looker()
    colored(film(tmp_path), engine, shots=path)
    rows, columns = np.nonzero(engine.hinted[-1][2])
    assert abs(rows.mean() - 20) < 3
    assert abs(columns.mean() - 40) < 12


def test_a_hint_in_a_bar_is_named_as_unused(tmp_path):
    hint = {"time": 0.2, "x": 40, "y": 3, "color": "#c03020"}
    path = tmp_path / "film.shots.json"
    path.write_text(
        json.dumps({"film": "film.mkv", "shots": [{"from": 0, "to": 2, "hints": [hint]}]})
    )
    source, engine = film(tmp_path), Looker()
    listed = shots_of(read_facts(source), FilmOptions(shots=path))
    assert listed is not None
    assert listed.notes == ("a hint of shot 1 is in the film's bars: it is not used",)
    colored(source, engine, shots=path)
    assert not any(one[2].any() for one in engine.hinted[1:])


def test_frames_of_a_person_hold_where_they_show_it(tmp_path):
    folder = tmp_path / "refs"
    folder.mkdir()
    red = np.zeros((HEIGHT + 2 * BAR, WIDTH, 3), np.uint8)
    red[BAR:-BAR, : WIDTH // 2], red[BAR:-BAR, WIDTH // 2 :] = (200, 60, 50), (40, 60, 220)
    Image.fromarray(red).save(folder / "ref_000003.png")
    _, cb, cr = colored(film(tmp_path), frames=folder)[3]
    inside = slice(BAR // 2, -BAR // 2)
    assert (cr[inside, : WIDTH // 4 - 4].mean(axis=1) > 135).all()
    assert (cb[inside, WIDTH // 4 + 4 :].mean(axis=1) > 135).all()


def test_a_preview_and_a_palette_leave_bars_out(tmp_path):
    facts, engine = read_facts(film(tmp_path)), Looker()
    sheet = preview(Colorizer(engine), facts, PLAIN, PLAIN_FILM, 1).pixels
    assert engine.seen[0].shape == (HEIGHT, WIDTH)
    assert (np.ptp(sheet.astype(int), axis=-1)[: BAR - 2] <= 2).all()
    assert np.ptp(sheet.astype(int), axis=-1)[BAR + 2 : -BAR - 2].mean() > 10
    palette = pooled_palette(Colorizer(Looker()), facts, Steering(), PLAIN_FILM)
    without = film(tmp_path, [one[BAR:-BAR] for one in barred()], name="plain.mkv")
    same = pooled_palette(Colorizer(Looker()), read_facts(without), Steering(), PLAIN_FILM)
    assert dataclasses.replace(palette, name="", sha256="") == dataclasses.replace(
        same, name="", sha256=""
    )


def test_a_cut_is_one_also_between_wide_bars(tmp_path):
    frames = barred(20) + barred(20, seed=7)
    assert len(find_shots(read_facts(film(tmp_path, frames)), PLAIN_FILM)) == 2


@pytest.mark.parametrize(
    ("rotation", "mirrored"), [(0, False), (90, False), (180, True), (270, True)]
)
def test_the_part_that_is_shown_turns_with_the_film(tmp_path, rotation, mirrored):
    facts = dataclasses.replace(read_facts(film(tmp_path)), rotation=rotation, mirrored=mirrored)
    bars = Bars(6, 12, 10, 20, 0.0)
    plane = np.zeros((facts.height, facts.width), np.uint8)
    plane[bars.parts(*plane.shape)] = 1
    shown = facts.upright(plane)
    part = part_shown(facts, bars, *shown.shape)
    assert shown[part].all()
    assert shown[part].sum() == plane.sum()


def test_a_film_that_cannot_be_read_has_no_bars(tmp_path):
    facts = read_facts(film(tmp_path))
    facts.path.unlink()
    assert bars_of_film(facts) is None
