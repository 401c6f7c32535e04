"""Films of television, cameras and the web: closed captions, chapters, endings of names."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import pytest

import film_parts as fp
import koalarize
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film, look_at
from koalarize.film.names import FILM_EXTENSIONS
from koalarize.film.options import FilmOptions

#: CEA-608's code to begin a caption, as ATSC A/53 puts it into H.264.
_CAPTION = b"\xb5\x00\x31GA94\x03\xc1\xff\xfc\x14\x20\xff"


def captioned(folder: Path, pixels: str) -> Path:
    """Write a film of two frames, both with a caption."""
    source = fp.write(folder / "plain.h264", fp.moved(2), pixels=pixels, form="h264")
    note = b"\0\0\1\x06\x04" + bytes([len(_CAPTION)]) + _CAPTION + b"\x80"
    pieces = re.split(b"(?=\0\0\1)", source.read_bytes())
    slices = (1, 5)  # kinds of what holds a picture
    path = folder / "film.h264"
    path.write_bytes(
        b"".join(note + one if len(one) > 3 and one[3] & 31 in slices else one for one in pieces)
    )
    return path


@pytest.mark.parametrize(
    ("codec", "pixels", "held"),
    [
        ("x264", "yuv420p", True),
        ("x264", "yuvj420p", True),
        ("x265", "yuv420p", True),
        ("ffv1", "yuv420p", False),
    ],
)
def test_closed_captions_stay_or_are_named(colorizer, tmp_path, codec, pixels, held):
    source = captioned(tmp_path, pixels)
    assert read_facts(source).captioned
    result = color_film(colorizer, source, options=FilmOptions(codec=codec))
    assert read_facts(result.path).captioned == held
    lost = f"its closed captions cannot be held by {codec}"
    assert (lost in result.notes) == (not held)


def test_chapters_that_stay_are_not_called_lost(colorizer, tmp_path):
    chapter = {"id": 0, "start": 0, "end": 400, "time_base": Fraction(1, 1000)}
    source = fp.write(
        tmp_path / "film.mp4",
        fp.moved(10),
        touch=lambda _, out: out.set_chapters([chapter | {"metadata": {"title": "One"}}]),
    )
    with av.open(str(source)) as film:
        assert [stream.type for stream in film.streams] == ["video", "data"]
    assert look_at(source).lost == ()
    result = color_film(colorizer, source)
    assert result.notes == ()
    with av.open(str(result.path)) as film:
        assert [one["metadata"]["title"] for one in film.chapters()] == ["One"]


@pytest.mark.parametrize("ending", [".m2t", ".264", ".qt", ".mod"])
def test_films_of_cameras_and_recorders_are_films(command, tmp_path, ending):
    kinds = {".m2t": ("mpeg2video", "mpegts"), ".264": ("libx264", "h264")}
    codec, form = kinds.get(ending, ("mpeg2video", "mpegts" if ending == ".mod" else "mov"))
    fp.write(tmp_path / f"a{ending}", fp.moved(3), codec=codec, form=form)
    assert command([f"a{ending}", "--preset", "ultrafast"]) == 0
    assert (tmp_path / "a.color.mkv").exists()


def test_the_studio_takes_the_same_films():
    script = Path(koalarize.__file__).parent / "web/studio/static/js/films.js"
    found = re.search(r"/(\\\.\(mp4.*\)\$)/i", script.read_text(encoding="utf-8"))
    assert found is not None
    assert [one for one in sorted(FILM_EXTENSIONS) if not re.fullmatch(found[1], one)] == []
