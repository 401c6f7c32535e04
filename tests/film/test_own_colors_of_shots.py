"""Shots that keep the colours that they have: tinted ones, and those of a film of several kinds."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from koalarize.errors import OptionError
from koalarize.film.encode import Encoder, coding_of
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film, export_film, list_shots
from koalarize.film.options import FilmOptions
from koalarize.film.planes import chroma_planes
from koalarize.film.read import Reading
from koalarize.film.shot_list import read_shots
from koalarize.film.spread import preview
from koalarize.steering.steering import PLAIN

av = fp.av
BLUE = 170  # Cb of the second shot


def tinted(path, **how):
    """Write a film of two shots of 20 and 16 frames, the second of one blue."""

    def mark(frame):
        if frame.pts >= 20:
            np.frombuffer(frame.planes[1], np.uint8)[:] = BLUE

    frames = fp.moved(20, seed=1) + fp.moved(16, seed=7)
    return fp.write(path, frames, mark=mark, options={"crf": "4"}, **how)


def listed(source, **of_second):
    path, _ = list_shots(source, overwrite=True)
    data = json.loads(path.read_text())
    data["shots"][1] |= of_second
    path.write_text(json.dumps(data))
    return path


def chroma(path):
    """Return the mean of Cb and Cr of each frame."""
    with av.open(str(path)) as film:
        return np.array(
            [
                [np.frombuffer(frame.planes[n], np.uint8).mean() for n in (1, 2)]
                for frame in film.decode(video=0)
            ]
        )


@pytest.fixture
def source(tmp_path):
    return tinted(tmp_path / "film.mp4")


def test_the_list_names_shots_that_may_keep_their_colours(source):
    path, _ = list_shots(source)
    lines = path.read_text().splitlines()
    assert ["keep_color" in line for line in lines[2:4]] == [False, True]
    assert [shot.keeps_color for shot in read_shots(path)] == [False, False]


def test_a_shot_keeps_its_colours_and_is_not_asked_about(colorizer, source, tmp_path):
    options = FilmOptions(shots=listed(source, keep_color=True), preset="ultrafast")
    result = color_film(colorizer, source, options=options)
    was, now = chroma(source), chroma(result.path)
    assert np.abs(now[20:] - was[20:]).max() < 1.5
    assert np.abs(now[:20] - was[:20]).min() > 3
    assert result.asked == 4  # of the first shot: frames 0, 8, 16 and 19
    (note,) = result.notes
    assert note.startswith("it has colours, which shots with `keep_color` keep")


@pytest.mark.parametrize(
    "other", [{"warmth": 0.2}, {"hints": [{"x": 1, "y": 1, "color": "#f00"}]}, {"frames": ["a"]}]
)
def test_what_a_kept_shot_would_ignore_is_refused(source, other):
    path = listed(source, keep_color=True, **other)
    (name,) = other
    with pytest.raises(OptionError, match=f"leaves the shot as it is: leave `{name}` out"):
        read_shots(path)


def test_the_sheet_shows_a_kept_shot_as_it_is(colorizer, source):
    options = FilmOptions(shots=listed(source, keep_color=True))
    sheet = preview(colorizer, read_facts(source), PLAIN, options, 4).pixels
    red, _, blue = (sheet[:48, ..., n].astype(int) for n in range(3))  # of the first shot
    assert (red - blue).mean() > 10
    red, _, blue = (sheet[48:, ..., n].astype(int) for n in range(3))
    assert (blue - red).mean() > 40


def test_frames_of_kept_shots_are_neither_written_nor_taken(colorizer, source, tmp_path):
    options = FilmOptions(shots=listed(source, keep_color=True))
    written = export_film(None, source, tmp_path / "refs", options=options)
    assert [path.name for path in written.paths] == ["ref_000010.png"]
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "refs" / "ref_000028.png")
    options = dataclasses.replace(options, frames=tmp_path / "refs")
    with pytest.raises(OptionError, match=r"for shot 2, which keeps its own \(`keep_color`\)"):
        color_film(colorizer, source, options=options)


def test_chroma_of_a_matrix_that_is_not_written_is_not_kept(colorizer, source, monkeypatch):
    facts = dataclasses.replace(read_facts(source), matrix=8)  # YCgCo
    monkeypatch.setattr("koalarize.film.film.read_facts", lambda _: facts)
    options = FilmOptions(shots=listed(source, keep_color=True))
    with pytest.raises(OptionError, match=r"whose matrix is not written \(number 8"):
        color_film(colorizer, source, options=options)


@pytest.mark.parametrize(("depth", "pixels"), [(8, "yuvj422p"), (10, "yuv422p10le")])
def test_full_range_becomes_the_usual_one_in_prores(tmp_path, depth, pixels):
    facts = read_facts(fp.write(tmp_path / "a.mkv", fp.moved(2), codec="ffv1", pixels="yuv422p"))
    facts = dataclasses.replace(facts, pixel_format=pixels, full_range=True)
    frame = next(Reading(dataclasses.replace(facts, pixel_format="yuv422p")).frames())
    picture = av.VideoFrame(64, 48, pixels)
    picture.color_range = 2
    kind, top = (np.uint8, 255) if depth == 8 else (np.uint16, 1023)
    for plane in picture.planes:
        np.frombuffer(plane, kind)[:] = top
    coding = coding_of(facts, FilmOptions(codec="prores"))
    encoder, coded = Encoder(coding), []
    frame = dataclasses.replace(frame, picture=picture)
    encoder._context = type("Context", (), {"encode": lambda _, out: coded.append(out) or []})()
    list(encoder.encode(frame, encoder.luma(frame), None))
    (out,) = coded
    assert np.frombuffer(out.planes[0], np.uint16)[0] == 940
    assert all(abs(int(plane[0, 0]) - 960) <= 2 for plane in chroma_planes(out, coding.target))


def test_keep_color_of_a_whole_film_names_the_way(command, source, capsys):
    assert command([str(source), "--keep-color"]) == 2
    assert "by `keep_color` in what --list-shots writes" in capsys.readouterr().err
