"""A film from file to file: times, luma, sound, what is refused, how it is called."""

from __future__ import annotations

import os
import re
import shutil
import sys
from fractions import Fraction

import numpy as np
import pytest

import film_parts as fp
from fakes import FakeEngine
from koalarize.batch import forecast
from koalarize.batch.forecast import film_cost
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import FilmError, OptionError, OutputError
from koalarize.film.film import color_film, look_at
from koalarize.film.names import work_folder
from koalarize.film.options import CODECS, FilmOptions
from koalarize.steering.steering import Steering

av = fp.av


def planes(path, number):
    """Return one plane of every frame."""
    with av.open(str(path)) as film:
        return [_plane(frame, number) for frame in film.decode(video=0)]


def _plane(frame, number):
    plane = frame.planes[number]
    dtype = np.uint8 if frame.format.components[0].bits <= 8 else np.uint16
    rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return rows[:, : plane.width].copy()


def test_times_and_sound_are_those_of_the_film(colorizer, tmp_path):
    source = fp.write(tmp_path / "film.mp4", fp.moved(15), audio=2)
    result = color_film(colorizer, source)
    assert result.path == tmp_path / "film.color.mp4"
    assert fp.times_of(result.path) == fp.times_of(source)
    assert fp.packets_of(result.path) == fp.packets_of(source)
    assert len(fp.packets_of(result.path)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.color.mp4", "film.mp4"]


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"])
def test_luma_is_kept_to_the_bit_and_chroma_is_new(colorizer, tmp_path, pixels):
    source = fp.write(tmp_path / "film.mkv", fp.moved(5), codec="ffv1", pixels=pixels)
    result = color_film(colorizer, source, options=FilmOptions(codec="ffv1"))
    for before, after in zip(planes(source, 0), planes(result.path, 0), strict=True):
        assert np.array_equal(before, after)
    neutral = 512 if "10" in pixels else 128
    assert planes(result.path, 2)[0].mean() > neutral * 1.05  # red


def test_the_colour_that_is_shown_is_the_one_that_was_asked(tmp_path):
    """Of flat grey with L* 50 the network says (30, 20): so does the film, when it is shown."""
    source = fp.write(tmp_path / "a.mkv", [np.full((48, 64), 119, np.uint8)] * 3, codec="ffv1")
    colorizer = Colorizer(FakeEngine((30.0, 20.0)))
    from koalarize import color
    from koalarize.film.levels import Levels
    from koalarize.film.paint import Painter

    levels = Levels.of(8, full=False, matrix=2, height=48)
    luma = planes(source, 0)[0]
    painter = Painter(levels, (24, 32), interlaced=False)
    lightness = painter.lightness(luma, 48, 64)
    assert abs(float(lightness.mean()) - 50) < 1
    ab = np.stack([np.full((48, 64), 30, np.float32), np.full((48, 64), 20, np.float32)])
    cb, cr = painter.chroma(luma, ab, lightness)
    frame = av.VideoFrame(64, 48, "yuv420p")
    for plane, value in zip(frame.planes, (luma[0, 0], cb[0, 0], cr[0, 0]), strict=True):
        np.frombuffer(plane, np.uint8)[:] = value
    shown = frame.reformat(format="rgb24", src_colorspace="ITU601").to_ndarray()
    lab = color.srgb_to_lab(shown).reshape(-1, 3).mean(0)
    assert np.abs(lab - (50, 30, 20)).max() < 3
    del colorizer


def test_an_original_is_never_written_over(colorizer, tmp_path):
    source = fp.write(tmp_path / "film.mp4", fp.moved(3))
    before = source.read_bytes()
    with pytest.raises(OutputError, match="is the original"):
        color_film(colorizer, source, source, overwrite=True)
    assert source.read_bytes() == before


def test_what_is_there_is_kept_without_overwrite(colorizer, tmp_path):
    source = fp.write(tmp_path / "film.mp4", fp.moved(3))
    (tmp_path / "film.color.mp4").write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        color_film(colorizer, source)
    assert (tmp_path / "film.color.mp4").read_text() == "mine"
    assert color_film(colorizer, source, overwrite=True).frames == 3


def test_a_film_is_on_the_disk_before_its_parts_go(colorizer, tmp_path, monkeypatch):
    flushed: list[int] = []
    flush = os.fsync

    def noted(handle):
        flushed.append(os.fstat(handle).st_ino)
        flush(handle)

    monkeypatch.setattr(os, "fsync", noted)
    path = color_film(colorizer, fp.write(tmp_path / "film.mp4", fp.moved(3))).path
    assert path.stat().st_ino in flushed


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".avi"])
def test_a_film_without_a_frame_is_named(colorizer, tmp_path, ending):
    path = tmp_path / f"film{ending}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        out.start_encoding()
    with pytest.raises(FilmError, match=re.escape(str(path))):
        color_film(colorizer, path)


def test_a_film_that_fails_leaves_no_file_under_its_name(colorizer, tmp_path, monkeypatch):
    source = fp.write(tmp_path / "film.mp4", fp.moved(3))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("koalarize.film.write._mux", full)
    with pytest.raises(OutputError, match="No space left"):
        color_film(colorizer, source)
    assert not (tmp_path / "film.color.mp4").exists()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("none.mp4", None, "does not exist"),
        ("empty.mp4", b"", "is empty"),
        ("._film.mp4", b"\0\5\26\7" * 40, "what macOS keeps"),
        ("text.mp4", b"this is no film at all\n" * 30, "cannot be read as a film"),
    ],
)
def test_what_is_no_film_is_named(colorizer, tmp_path, name, data, words):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(FilmError, match=words):
        color_film(colorizer, path)


def test_a_film_of_sound_alone_is_named(colorizer, tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=8000, layout="mono")
        for packet in fp._tone(stream, 0.5, 300):
            out.mux(packet)
    with pytest.raises(FilmError, match="no moving pictures"):
        color_film(colorizer, path)


def test_a_hint_without_a_shot_is_refused(colorizer, tmp_path):
    from koalarize.steering.hints import Hint

    source = fp.write(tmp_path / "film.mp4", fp.moved(3))
    with pytest.raises(OptionError, match="--list-shots"):
        color_film(colorizer, source, steering=Steering(hints=(Hint(1, 1, "#ff0000"),)))


def test_a_part_of_a_film(colorizer, tmp_path):
    source = fp.write(tmp_path / "film.mp4", fp.moved(25), audio=1)
    result = color_film(colorizer, source, options=FilmOptions(start=0.2, stop=0.6))
    assert fp.times_of(result.path) == [Fraction(n, 25) for n in range(10)]
    (sound,) = fp.packets_of(result.path)
    (whole,) = fp.packets_of(source)
    assert {data for *_, data in sound} <= {data for *_, data in whole}
    assert 0 <= sound[0][0] < 0.2
    assert sound[-1][0] < 0.4
    with pytest.raises(FilmError, match="--from"):
        color_film(colorizer, source, options=FilmOptions(start=99), overwrite=True)
    assert len(list(tmp_path.iterdir())) == 2  # no folder is left either


@pytest.fixture
def command(monkeypatch, colorizer):
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))
    return main


def test_the_command_writes_beside_the_film_and_names_the_file(command, tmp_path, capsys):
    source = fp.write(tmp_path / "film.mp4", fp.moved(4))
    assert command([str(source), "--crf", "30", "--preset", "fast"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'film.color.mp4'}\n"
    assert command([str(source)]) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_the_command_colours_many(command, tmp_path, capsys):
    fp.write(tmp_path / "a.mp4", fp.moved(3))
    shutil.copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    (tmp_path / "._a.mp4").write_bytes(b"\0\5\26\7")
    (tmp_path / "c.mp4").write_bytes(b"nothing")
    assert command([str(tmp_path / "*.mp4"), "-o", f"{tmp_path / 'out'}/"]) == 1
    caught = capsys.readouterr()
    assert len(caught.out.splitlines()) == 2
    assert "c.mp4" in caught.err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.color.mp4", "b.color.mp4"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--codec", "prorez"], "did you mean `prores`"),
        (["--preset", "quick"], "known are"),
        (["--codec", "ffv1", "--crf", "3"], "has none"),
        (["--crf", "99"], "must be from 0 to 51"),
        (["--from", "3", "--to", "2"], "before it begins"),
        (["--from", "1:99"], "H:MM:SS"),
        (["-o", "-"], "cannot be written to stdout"),
        (["--compare"], "is for pictures"),
        (["--keep-color"], "is for pictures"),
        (["--turn", "90"], "is for pictures"),
        (["--alternative", "2"], "is for pictures"),
        (["-o", "film.jpg"], "no film that is written"),
        (["--list-shots", "other.jpg"], "is no film but"),
    ],
)
def test_what_cannot_be_asked_of_a_film(command, tmp_path, capsys, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    fp.write(tmp_path / "film.mp4", fp.moved(3))
    assert command(["film.mp4", *words]) in (1, 2)
    assert said in capsys.readouterr().err


def test_what_is_for_films_is_refused_for_pictures(command, tmp_path, capsys):
    assert command([str(tmp_path / "a.jpg"), "--crf", "20"]) == 2
    assert "`--crf` is for films" in capsys.readouterr().err


def test_a_long_work_is_told_before(command, tmp_path, capsys, monkeypatch):
    source = fp.write(tmp_path / "film.mp4", fp.moved(50))
    assert command([str(source)]) == 0
    assert "by the usual rates" not in capsys.readouterr().err
    monkeypatch.setattr("koalarize.cli.films._LONG", 0)
    assert command([str(source), "--overwrite"]) == 0
    said = capsys.readouterr().err
    assert "note: film.mp4 takes about 1 s and 12 kB, by the usual rates; " in said
    assert "50 of 50 frames\n" in said
    work_folder(tmp_path / "begun.mp4").mkdir()
    assert command([str(source), "-o", str(tmp_path / "begun.mp4")]) == 0
    assert "the usual rates, less what is coloured already; " in capsys.readouterr().err
    assert command([str(source), "--overwrite", "--from", "1.6"]) == 0
    assert "about 1 s and 2 kB" in capsys.readouterr().err


def test_a_plan_of_named_films_colours_nothing(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fp.write(tmp_path / "a.mp4", fp.moved(50), audio=1)
    fp.write(tmp_path / "b.mp4", fp.moved(3))
    work_folder(tmp_path / "b.color.mp4").mkdir()
    assert command(["a.mp4", "b.mp4", "--plan"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "new: a.mp4 -> a.color.mp4 (50 frames, 2 s)",
        "parts are there: b.mp4 -> b.color.mp4 (3 frames, 1 s)",
        "2 films to colour; the films last 2 s; about 1 s and 13 kB, by the usual rates",
    ]
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["a.mp4", "b.mp4"]


def test_a_plan_of_a_named_film_says_what_stands_in_its_way(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fp.write(tmp_path / "a.mkv", fp.moved(3), pixels="yuv420p12le", codec="ffv1")
    assert command(["a.mkv", "--plan"]) == 0
    assert "note: a.mkv: 12 bits become 10" in capsys.readouterr().err
    (tmp_path / "no.mp4").write_bytes(b"no film")
    (tmp_path / "a.color.mkv").write_bytes(b"")
    assert command(["a.mkv", "no.mp4", "--plan"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("failed: a.mkv: `a.color.mkv` exists already: ")
    assert told[1].startswith("failed: no.mp4: ")
    assert told[2] == "2 failed"


def test_a_plan_says_of_a_film_that_it_was_coloured_before(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mkv"):
        fp.write(tmp_path / name, fp.moved(3))
    assert command(["a.mp4", "b.mkv"]) == 0
    capsys.readouterr()
    (tmp_path / "b.color.mkv").replace(tmp_path / "c.mkv")
    assert command(["a.mp4", "b.mkv", "--plan"]) == 0
    told = capsys.readouterr().out.splitlines()
    again = "add --overwrite to colour it again"
    assert told[0] == f"coloured before: a.mp4 -> a.color.mp4 ({again})"
    assert told[2].startswith("1 film to colour, 1 coloured before; ")
    assert command(["a.mp4", "--plan", "--overwrite"]) == 0
    assert capsys.readouterr().out.startswith("new: a.mp4 -> a.color.mp4")
    fp.write(tmp_path / "a.mp4", fp.moved(60))
    assert command(["a.mp4", "--plan"]) == 0
    assert f"a.color.mp4 (lasts 1 s of 2 s; {again})" in capsys.readouterr().out
    assert command(["a.color.mp4", "-o", "a.color.mp4", "--plan"]) == 1
    assert "is the original" in capsys.readouterr().out


def test_a_missing_extra_is_a_sentence(command, tmp_path, capsys, monkeypatch):
    source = fp.write(tmp_path / "film.mp4", fp.moved(3))
    monkeypatch.setitem(sys.modules, "av", None)
    assert command([str(source)]) == 1
    assert 'pip install "koalarize[video]"' in capsys.readouterr().err


def test_an_encoder_that_is_not_here_is_named_with_those_that_are(colorizer, tmp_path, monkeypatch):
    """As with PyAV built against an FFmpeg without GPL parts."""
    for codec in ("x264", "x265"):
        monkeypatch.setitem(CODECS, codec, "none")
    source = fp.write(tmp_path / "film.mp4", fp.moved(3))
    said = "`x264`, which this installation of FFmpeg cannot encode: use `--codec prores or ffv1`"
    with pytest.raises(OptionError, match=said):
        color_film(colorizer, source)
    assert color_film(colorizer, source, options=FilmOptions(codec="ffv1")).frames == 3


def test_an_encrypted_film_is_named(colorizer, tmp_path):
    key = "00112233445566778899aabbccddeeff"
    source = fp.write(
        tmp_path / "film.mp4",
        fp.moved(12),
        container={"encryption_scheme": "cenc-aes-ctr", "encryption_key": key}
        | {"encryption_kid": key},
    )
    with pytest.raises(FilmError, match="is encrypted: decrypt it first"):
        color_film(colorizer, source)


def test_chroma_that_does_not_fit_is_made_paler_and_luma_stays():
    from koalarize.film.levels import Levels
    from koalarize.film.paint import Painter

    levels = Levels.of(8, full=False, matrix=1, height=720)
    painter = Painter(levels, (32, 32), interlaced=False)
    ab = np.stack([np.full((32, 32), 90, np.float32), np.full((32, 32), -90, np.float32)])
    for number in (16, 24, 120, 225, 235):
        luma = np.full((32, 32), number, np.uint8)
        cb, cr = painter.chroma(luma, ab, painter.lightness(luma, 32, 32))
        y, cb, cr = (number - 16) / 219, (int(cb[8, 8]) - 128) / 224, (int(cr[8, 8]) - 128) / 224
        red, blue = y + 1.5748 * cr, y + 1.8556 * cb
        green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
        assert min(red, green, blue) > -0.015
        assert max(red, green, blue) < 1.015
        assert (abs(cb) + abs(cr) < 0.01) == (number in (16, 235))


def test_dolby_vision_is_named():
    """No encoder here writes it, so that its frames are played."""
    from types import SimpleNamespace

    from koalarize.film.facts import _dynamic

    kinds = ("DOVI_METADATA", "DOVI_RPU_BUFFER", "DYNAMIC_HDR_PLUS", "CONTENT_LIGHT_LEVEL")
    side_data = [SimpleNamespace(type=SimpleNamespace(name=name)) for name in kinds]
    assert _dynamic(SimpleNamespace(side_data=side_data)) == (
        "Dolby Vision",
        "HDR10 light level",
        "HDR10+",
    )


def test_what_screens_are_told_is_a_note(colorizer, tmp_path, monkeypatch):
    monkeypatch.setattr("koalarize.film.facts._dynamic", lambda _: ("Dolby Vision",))
    result = color_film(colorizer, fp.write(tmp_path / "film.mp4", fp.moved(3)))
    assert result.notes == ("its Dolby Vision is not kept",)


@pytest.mark.parametrize(("codec", "share"), [("prores", 8), ("ffv1", 7), ("x265", 0.5)])
def test_the_plan_tells_the_room_of_the_codec(tmp_path, codec, share):
    """ProRes and FFV1 were announced with an eighth of what they take."""
    assert set(forecast._USUAL_ROOM) == set(CODECS)
    source = fp.write(tmp_path / "film.mkv", fp.moved(10))
    _, usual = film_cost(look_at(source))
    _, room = film_cost(look_at(source, FilmOptions(codec=codec)))
    assert share <= room / usual < 1.2 * share
