"""Films from Python: as the document shows it, and told in one sentence where a type is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import film_parts as fp
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import FilmError, OptionError, OutputError
from koalarize.film.film import color_film, export_film, list_shots, look_at, preview_film
from koalarize.film.options import PLAIN_FILM, FilmOptions
from koalarize.steering.steering import PLAIN

DOCUMENT = Path(__file__).parents[2] / "docs" / "films.md"


def test_the_example_of_the_document_runs(colorizer, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))
    fp.write(tmp_path / "film.mp4", fp.moved(4), rate=1)
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(code, str(DOCUMENT), "exec"), {})
    said = capsys.readouterr().out
    assert "2 of 2 frames" in said
    assert "film.from-1s-to-3s.color.mp4" in said


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda c: color_film(c, 5), FilmError, "`source` is of type int but must be a path"),
        (lambda c: list_shots(None), FilmError, "`source` is of type NoneType"),
        (lambda c: color_film(c, "a.mp4", 5), OutputError, "`target` is of type int"),
        (lambda c: export_film(c, "a.mp4", 5), OutputError, "`folder` is of type int"),
        (lambda c: color_film(c, "a.mp4", options=5), OptionError, "must be of type FilmOptions"),
        (lambda c: look_at("a.mp4", {"crf": 3}), OptionError, "must be of type FilmOptions"),
        (lambda c: color_film(c, "a.mp4", steering=PLAIN_FILM), OptionError, "of type Steering"),
        (lambda c: color_film(c, "a.mp4", overwrite="no"), OptionError, "must be true or false"),
        (lambda c: preview_film(c, "a.mp4", PLAIN, PLAIN_FILM, 2, None, 1), OptionError, "is 1"),
        (lambda c: preview_film(c, "a.mp4", PLAIN, PLAIN_FILM, 0), OptionError, "`count` is 0 but"),
        (lambda c: preview_film(c, "a.mp4", PLAIN, PLAIN_FILM, 2.5), OptionError, "a whole num"),
        (lambda c: FilmOptions(start="1:10"), OptionError, "`start` is '1:10' but must be a num"),
        (lambda c: FilmOptions(stop=float("nan")), OptionError, "`stop` is nan but must be a time"),
        (lambda c: FilmOptions(shots=5), OptionError, "`shots` is of type int"),
    ],
)
def test_a_wrong_type_is_told_in_one_sentence(colorizer, tmp_path, monkeypatch, call, error, said):
    monkeypatch.chdir(tmp_path)
    fp.write(tmp_path / "a.mp4", fp.moved(2))
    with pytest.raises(error, match=said):
        call(colorizer)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_film_is_named_by_text(colorizer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fp.write(tmp_path / "a.mp4", fp.moved(2))
    assert color_film(colorizer, "a.mp4", "b.mkv").path == Path("b.mkv")
