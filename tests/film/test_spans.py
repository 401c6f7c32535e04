"""A part of a film bears a name of its own, so that the whole one is coloured after it."""

from __future__ import annotations

import pytest

import film_parts as fp
from koalarize.film.film import color_film, look_at
from koalarize.film.names import of_span, without_span
from koalarize.film.options import FilmOptions
from koalarize.film.shot_list import list_path
from koalarize.film.spread import preview_path


@pytest.mark.parametrize(
    ("span", "name"),
    [
        ((None, None), ""),
        ((70, 80.5), ".from-1m10s-to-1m20.5s"),
        ((3600, None), ".from-1h0m0s"),
        ((None, 59.9999), ".to-1m0s"),
        ((0, 1 / 3), ".from-0s-to-0.333s"),
    ],
)
def test_what_a_name_says_of_a_part(span, name):
    assert of_span(*span) == name
    assert without_span(f"a.b{name}") == "a.b"


def test_a_part_is_called_by_its_span_and_the_whole_film_comes_after_it(colorizer, tmp_path):
    source = fp.write(tmp_path / "a.mp4", fp.moved(6))
    part = FilmOptions(preset="ultrafast", start=0.08, stop=0.2)
    assert look_at(source, part).path == tmp_path / "a.from-0.08s-to-0.2s.color.mp4"
    assert color_film(colorizer, source, options=part).path == look_at(source, part).path
    assert color_film(colorizer, source).path.name == "a.color.mp4"
    named = color_film(colorizer, source, tmp_path / "b.mp4", options=part)
    assert named.path.name == "b.mp4"
    assert list_path(source, part).name == "a.from-0.08s-to-0.2s.shots.json"
    assert preview_path(source, part).name == "a.from-0.08s-to-0.2s.preview.jpg"
    other = fp.write(tmp_path / "c.avi", fp.moved(6), codec="mpeg4")
    assert look_at(other, part).path.name == "c.from-0.08s-to-0.2s.color.mkv"


def test_the_command_names_what_it_makes_of_a_part(command, tmp_path, capsys):
    fp.write(tmp_path / "a.mp4", fp.moved(6))
    part = ["a.mp4", "--to", "0.12"]
    assert command([*part, "--plan", "-o", "new/"]) == 0
    assert "new/a.to-0.12s.color.mp4 (3 frames" in capsys.readouterr().out
    assert command([*part, "--list-shots"]) == command([*part, "--preview", "1"]) == 0
    said = capsys.readouterr().out
    assert "a.to-0.12s.shots.json" in said
    assert "a.to-0.12s.preview.jpg" in said


def test_the_bar_counts_the_frames_of_a_part(colorizer, tmp_path):
    source = fp.write(tmp_path / "a.mp4", fp.moved(20))
    part = FilmOptions(preset="ultrafast", start=0.2, stop=0.4)
    told = []
    color_film(colorizer, source, options=part, progress=told.append)
    assert [(at.done, at.total) for at in told] == [(n, 5) for n in range(1, 6)]


def test_results_that_a_shell_names_beside_their_films_are_passed_over(command, tmp_path, capsys):
    names = ["a.mp4", "a.color.mkv", "a.from-1s-to-2s.color.mp4", "a.to-1m0.5s.color.mp4"]
    for name in (*names, "b.color.mp4"):  # whose film is elsewhere
        fp.write(tmp_path / name, fp.moved(2))
    assert command([*names, "b.color.mp4", "--plan", "--overwrite"]) == 0
    said = capsys.readouterr().out
    assert [line.split()[1] for line in said.splitlines()[:-1]] == ["a.mp4", "b.color.mp4"]
