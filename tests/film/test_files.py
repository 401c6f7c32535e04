"""What real films are like, each property in a small file: read right, and written right."""

from __future__ import annotations

import io
import itertools
import re
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from fakes import FakeEngine
from koalarize import __version__
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OutputError
from koalarize.film.container import FORMATS
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film
from koalarize.film.mark import NO_COMMENT
from koalarize.film.options import FilmOptions
from koalarize.film.spread import _spread
from koalarize.photo.provenance import SOURCE_TYPE
from koalarize.steering.steering import Steering

av = fp.av
MS = Fraction(1, 1000)


def stream_of(path):
    film = av.open(str(path))
    stream = film.streams.video[0]
    return film, stream, next(film.decode(stream))


def is_colored(path) -> bool:
    with av.open(str(path)) as film:
        best = max(film.streams.video, key=lambda stream: stream.frames or 1)
        return all(
            np.ptp(frame.to_ndarray(format="rgb24").astype(int), axis=-1).mean() > 10
            for frame in film.decode(best)
        )


def test_a_start_that_is_not_zero(colorizer, tmp_path):
    times = [12 + n for n in range(8)]
    source = fp.write(tmp_path / "a.mp4", fp.moved(8), times=times, audio=1)
    assert fp.times_of(source)[0] == Fraction(12, 25)
    result = color_film(colorizer, source)
    assert fp.times_of(result.path) == fp.times_of(source)
    assert fp.packets_of(result.path) == fp.packets_of(source)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_a_variable_rate(colorizer, tmp_path, ending):
    times = [0, 33, 90, 91, 400, 433, 1000, 1003, 1500]
    source = fp.write(tmp_path / f"a{ending}", fp.moved(9), times=times, base=MS, audio=1)
    result = color_film(colorizer, source)
    assert fp.times_of(result.path) == [time * MS for time in times]
    assert fp.packets_of(result.path) == fp.packets_of(source)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_the_last_frame_lasts_as_long(colorizer, tmp_path, ending):
    source = fp.write(tmp_path / f"a{ending}", fp.moved(8), rate=10, options={"bf": "2"})
    result = color_film(colorizer, source)
    for path in (source, result.path):
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            *_, last = film.decode(stream)
            length = film.duration / av.time_base
            assert last.duration * stream.time_base == Fraction(1, 10), path
            assert length == pytest.approx(0.8, abs=0.002), path


def test_an_edit_list_that_trims(colorizer, tmp_path):
    times = list(range(-4, 8))
    source = fp.write(tmp_path / "a.mp4", fp.moved(12), times=times, audio=1, options={"bf": "0"})
    assert fp.times_of(source)[0] == 0
    assert len(fp.times_of(source)) < 12
    result = color_film(colorizer, source)
    assert fp.times_of(result.path) == fp.times_of(source)
    assert fp.packets_of(result.path) == fp.packets_of(source)


def test_a_transport_stream_whose_clock_jumps(colorizer, tmp_path):
    one = fp.write(tmp_path / "1.ts", fp.moved(10, seed=1), audio=1)
    two = fp.write(tmp_path / "2.ts", fp.moved(10, seed=3), audio=1)
    source = tmp_path / "a.ts"
    source.write_bytes(one.read_bytes() + two.read_bytes())
    result = color_film(colorizer, source)
    assert result.path.suffix == ".mkv"
    times = fp.times_of(result.path)
    assert len(times) == len(list(av.open(str(source)).decode(video=0))) >= 19
    assert times == sorted(set(times))
    assert times[-1] - times[0] < 3
    assert is_colored(result.path)


def test_an_avi_with_b_frames_has_no_times(colorizer, tmp_path):
    source = fp.write(tmp_path / "a.avi", fp.moved(12), codec="mpeg4", options={"bf": "2"})
    result = color_film(colorizer, source)
    times = fp.times_of(result.path)
    assert len(times) == 12
    assert [later - one for one, later in itertools.pairwise(times)] == [Fraction(1, 25)] * 11


def test_a_header_that_counts_wrong(colorizer, tmp_path):
    source = fp.write(tmp_path / "a.avi", fp.moved(12), codec="mpeg4")
    data = bytearray(source.read_bytes())
    for name, place in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        at = data.index(name) + place
        assert int.from_bytes(data[at : at + 4], "little") == 12
        data[at : at + 4] = (3).to_bytes(4, "little")
    source.write_bytes(data)
    assert color_film(colorizer, source).frames == 12


@pytest.mark.parametrize("targets", [["a.color.mp4"], ["b.mkv", "c.mkv"]])
def test_a_cover_is_no_film(colorizer, tmp_path, targets):
    """In Matroska it is an attachment, and stays one."""
    source = tmp_path / "a.mp4"
    plain = fp.write(tmp_path / "plain.mp4", fp.moved(6))
    with av.open(str(source), "w") as out, av.open(str(plain)) as film:
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover_mark = cover.disposition = av.stream.Disposition.attached_pic
        copy = out.add_stream_from_template(film.streams.video[0])
        frame = av.VideoFrame.from_ndarray(np.full((32, 32), 90, np.uint8), "gray")
        out.mux(cover.encode(frame.reformat(format="yuvj420p")))
        out.mux(cover.encode(None))
        for packet in film.demux(video=0):
            if packet.size:
                packet.stream = copy
                out.mux(packet)
    for target in (tmp_path / name for name in targets):
        result = color_film(colorizer, source, None if target.suffix == ".mp4" else target)
        assert (result.path, result.frames) == (target, 6)
        source = target
    with av.open(str(result.path)) as film:
        attached = ["mimetype" in stream.metadata for stream in film.streams]
        assert sum(attached) == (target.suffix == ".mkv")
        sizes = [(stream.width, stream.height) for stream in film.streams.video]
        covers = [bool(stream.disposition & cover_mark) for stream in film.streams.video]
    assert sorted(zip(sizes, covers, strict=True)) == [((32, 32), True), ((64, 48), False)]
    (data,) = [one[0][2] for one in fp.packets_of(result.path, "video") if len(one) == 1]
    assert data[:3] == b"\xff\xd8\xff"


def test_mp4_keeps_a_cover_rather_than_unusual_tags_and_mov_says_that_it_has_none(
    colorizer, tmp_path
):
    """FFmpeg writes either covers or tags of any name into MP4, and no cover into MOV."""
    jpeg = io.BytesIO()
    Image.new("L", (32, 32), 90).save(jpeg, "JPEG")

    def touch(_, out):
        out.metadata.update(title="Oma", director="Opa", timecode="01:00:00:00")
        out.add_attachment("cover.jpg", "image/jpeg", jpeg.getvalue())

    source = fp.write(tmp_path / "a.mkv", fp.moved(2), touch=touch)
    said = {}
    for ending in (".mp4", ".mov"):
        result = color_film(colorizer, source, tmp_path / f"b{ending}")
        with av.open(str(result.path)) as film:
            said[ending] = len(film.streams.video), "DIRECTOR" in film.metadata, result.notes
    assert said == {
        ".mp4": (2, False, ("the tag DIRECTOR cannot be held by .mp4",)),
        ".mov": (1, True, ("a cover (mjpeg) cannot be held by .mov",)),
    }


def test_a_timecode_track_is_no_film(colorizer, tmp_path):
    source = fp.write(
        tmp_path / "a.mov",
        fp.moved(6),
        touch=lambda stream, _: stream.metadata.update(timecode="01:00:00:00"),
    )
    with av.open(str(source)) as film:
        assert [stream.type for stream in film.streams] == ["video", "data"]
    result = color_film(colorizer, source)
    assert result.notes == ()
    assert fp.times_of(result.path) == fp.times_of(source)
    with av.open(str(result.path)) as film:
        assert film.streams.video[0].metadata.get("timecode") == "01:00:00:00"


@pytest.mark.parametrize(
    ("ending", "codec"), [(".mp4", "x264"), (".mkv", "x264"), (".mov", "prores")]
)
def test_wide_pixels(colorizer, tmp_path, ending, codec):
    def touch(stream, _):
        stream.codec_context.sample_aspect_ratio = Fraction(16, 15)

    source = fp.write(tmp_path / f"a{ending}", fp.moved(4), touch=touch)
    result = color_film(colorizer, source, options=FilmOptions(codec=codec))
    with av.open(str(result.path)) as film:
        assert film.streams.video[0].sample_aspect_ratio == Fraction(16, 15)
    (previewed,) = _spread(read_facts(source), FilmOptions(), 1)
    assert previewed.shape == (48, 68)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_turned_film_is_turned_once(colorizer, tmp_path, ending, degrees):
    source = fp.write(
        tmp_path / f"a{ending}",
        fp.moved(3),
        touch=lambda stream, _: stream.set_display_rotation(degrees),
    )
    _, _, before = stream_of(source)
    result = color_film(colorizer, source)
    _, _, after = stream_of(result.path)
    assert abs(before.rotation) == abs(degrees)
    assert (after.rotation, after.width, after.height) == (before.rotation, 64, 48)


def test_the_network_sees_a_turned_film_upright(tmp_path):
    engine = FakeEngine((30.0, 20.0), size=64)
    bright_top = [np.repeat(np.linspace(230, 20, 48), 64).reshape(48, 64).astype(np.uint8)] * 3
    source = fp.write(
        tmp_path / "a.mp4", bright_top, touch=lambda stream, _: stream.set_display_rotation(90)
    )
    color_film(Colorizer(engine), source)
    seen = engine.seen[0][0][:, :64]
    assert seen.shape[0] > seen.shape[1]
    left, right = float(seen[20:60, :16].mean()), float(seen[20:60, -16:].mean())
    assert left > right + 30  # a quarter turn to the left brings the top to the left


def test_fields_are_coloured_each_in_its_place(colorizer, tmp_path):
    """Every second pair of rows belongs to the other field, one dark and one bright."""

    def touch(stream, _):
        from av.codec.context import Flags

        stream.codec_context.flags |= Flags.interlaced_dct | Flags.interlaced_me

    luma = [frame // 2 + 100 for frame in fp.moved(4)]
    for frame in luma:
        frame[1::2] = frame[1::2] // 3
    source = fp.write(
        tmp_path / "a.mkv", luma, codec="mpeg2video", touch=touch, options={"qscale": "2"}
    )
    _, _, before = stream_of(source)
    assert before.interlaced_frame
    result = color_film(colorizer, source)
    _, stream, after = stream_of(result.path)
    assert after.interlaced_frame
    assert stream.codec_context.name == "h264"
    cr = np.frombuffer(after.planes[2], np.uint8).reshape(24, -1)[:, :32].astype(int)
    even, odd = cr[0::2].mean(), cr[1::2].mean()
    assert abs(even - odd) > 3  # one field's colour does not depend on the other's luma
    luma_of = [
        np.frombuffer(f.planes[0], np.uint8).reshape(48, -1)[:, :64] for f in (before, after)
    ]
    assert np.abs(luma_of[0].astype(int) - luma_of[1]).mean() < 1  # not combed


def test_dv_with_chroma_of_every_fourth_column(colorizer, tmp_path):
    luma = [np.kron(frame, np.ones((10, 12), np.uint8))[:, :720] for frame in fp.moved(2)]
    source = fp.write(
        tmp_path / "a.avi", luma, codec="dvvideo", pixels="yuv411p", rate=Fraction(30000, 1001)
    )
    result = color_film(colorizer, source, options=FilmOptions(preset="ultrafast"))
    assert result.frames == 2
    _, stream, _ = stream_of(result.path)
    assert stream.format.name == "yuv422p"
    assert is_colored(result.path)


@pytest.mark.parametrize("size", [(49, 65), (48, 65), (49, 64), (1, 1), (5, 3), (100, 3)])
def test_odd_and_tiny_sizes(colorizer, tmp_path, size):
    luma = [np.full(size, 60 + 10 * n, np.uint8) for n in range(3)]
    source = fp.write(tmp_path / "a.mkv", luma, codec="ffv1", pixels="yuv444p")
    result = color_film(colorizer, source)
    _, stream, frame = stream_of(result.path)
    assert (frame.height, frame.width) == size
    assert stream.format.name == "yuv444p"


def test_what_an_encoder_does_not_take_is_a_sentence(colorizer, tmp_path):
    luma = [np.full((5, 3), 60, np.uint8)] * 3
    source = fp.write(tmp_path / "a.mkv", luma, codec="ffv1", pixels="yuv444p")
    with pytest.raises(OutputError, match=r"x265 takes no film of 3x5 .* `--codec ffv1`"):
        color_film(colorizer, source, options=FilmOptions(codec="x265"))


def test_a_size_that_changes(colorizer, tmp_path):
    one = fp.write(tmp_path / "1.ts", fp.moved(6))
    two = fp.write(tmp_path / "2.ts", fp.moved(6, size=(64, 96)), times=list(range(6, 12)))
    source = tmp_path / "a.ts"
    source.write_bytes(one.read_bytes() + two.read_bytes())
    result = color_film(colorizer, source)
    assert result.frames >= 11
    assert any("another size" in note for note in result.notes)


@pytest.mark.parametrize("codec", ["x264", "x265", "prores", "ffv1"])
@pytest.mark.parametrize("tags", [None, (1, 1, 1, 1), (9, 16, 9, 1), (5, 6, 5, 2)])
def test_colour_tags_stay(colorizer, tmp_path, codec, tags):
    def touch(stream, _):
        if tags is not None:
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace = tags[:3]
            context.color_range = tags[3]

    source = fp.write(tmp_path / "a.mov", fp.moved(3), touch=touch)
    options = FilmOptions(codec=codec, preset="medium")
    result = color_film(colorizer, source, tmp_path / "b.mkv", options=options)
    _, _, before = stream_of(source)
    _, _, after = stream_of(result.path)
    names = ("color_primaries", "color_trc", "colorspace")
    assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]
    if tags is not None:
        assert after.color_range == (1 if codec == "prores" else tags[3])  # it has no full range


def test_sound_and_subtitles_that_mp4_cannot_hold(colorizer, tmp_path, capsys, monkeypatch):
    source = tmp_path / "a.mkv"
    plain = fp.write(tmp_path / "plain.mp4", fp.moved(25), audio=3)
    with av.open(str(source), "w") as out, av.open(str(plain)) as film:
        copies = {s.index: out.add_stream_from_template(s) for s in film.streams}
        for number, copy in copies.items():
            copy.metadata["language"] = "dut" if number == 2 else "eng"
        texts = out.add_mux_stream("subrip")
        out.add_attachment("note.txt", "text/plain", b"of 1931")
        out.set_chapters(
            [
                {"id": 1, "start": 0, "end": 500, "time_base": MS, "metadata": {"title": "One"}},
                {"id": 2, "start": 500, "end": 1000, "time_base": MS, "metadata": {"title": "Two"}},
            ]
        )
        for packet in film.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                out.mux(packet)
        packet = av.Packet(b"They arrive.")
        packet.stream, packet.time_base = texts, MS
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = 100, 100, 500, True
        out.mux(packet)
    result = color_film(colorizer, source)
    assert result.notes == ()
    kinds = ("audio", "subtitle")
    for kind in kinds:
        assert fp.packets_of(result.path, kind) == fp.packets_of(source, kind)
    with av.open(str(result.path)) as film:
        assert [stream.metadata.get("language") for stream in film.streams.audio][1] == "dut"
        assert [one["metadata"]["title"] for one in film.chapters()] == ["One", "Two"]
        (attached,) = [stream for stream in film.streams if stream.type == "attachment"]
        assert attached.data == b"of 1931"
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))
    assert main([str(source), "-o", str(tmp_path / "b.mp4")]) == 0
    assert "subtitles (srt) cannot be held by .mp4" in capsys.readouterr().err


def test_ten_sound_tracks(colorizer, tmp_path):
    source = fp.write(tmp_path / "a.mp4", fp.moved(5), audio=10)
    result = color_film(colorizer, source)
    assert len(fp.packets_of(result.path)) == 10
    assert fp.packets_of(result.path) == fp.packets_of(source)


@pytest.mark.parametrize("ending", [".mkv", ".ts", ".mp4"])
def test_a_corrupt_middle(colorizer, tmp_path, ending, capsys, monkeypatch):
    source = fp.write(
        tmp_path / f"a{ending}", fp.moved(75), audio=1, options={"g": "12", "crf": "10"}
    )
    data = bytearray(source.read_bytes())
    middle = len(data) * 45 // 100
    noise = np.random.default_rng(1).integers(0, 256, len(data) // 20, dtype=np.uint8)
    data[middle : middle + len(noise)] = noise.tobytes()
    source.write_bytes(data)
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))
    target = tmp_path / "b.mkv"
    assert main([str(source), "-o", str(target), "--preset", "fast"]) == 1
    said = capsys.readouterr().err
    assert re.search(r"0:00:01\.\d{3} to 0:00:01\.\d{3} is damaged", said)  # as folders say it
    times = fp.times_of(target)
    assert len(times) > 55
    assert times[-1] > 2.8


def test_a_film_with_colours_is_told(colorizer, tmp_path):
    def red_left(frame):
        np.frombuffer(frame.planes[2], np.uint8).reshape(24, -1)[:, :16] = 190

    plain = fp.write(tmp_path / "a.mp4", fp.moved(4))
    tinted = fp.write(tmp_path / "b.mp4", fp.moved(4), mark=red_left)
    assert color_film(colorizer, plain).notes == ()
    assert color_film(colorizer, tinted).notes == (
        "it has colours already, which new ones replaced; shots of a list can keep them "
        "(`keep_color`)",
    )


def test_data_that_shows_late_that_it_cannot_be_held_is_left_out(colorizer, tmp_path, monkeypatch):
    from av.error import ArgumentError

    from koalarize.film import write

    source = fp.write(tmp_path / "a.mov", fp.moved(4), audio=1)
    real = write._mux

    def mux(out, film, store, parts, coding, around):
        if len(around.held.streams) == 1:
            raise ArgumentError(22, "Invalid argument")
        real(out, film, store, parts, coding, around)

    monkeypatch.setattr(write, "_mux", mux)
    monkeypatch.setattr(
        write, "_without_data", lambda held, _: (write.Held((), (), True), ("data (gpmd)",))
    )
    result = color_film(colorizer, source)
    assert result.notes == ("data (gpmd) cannot be held by .mov",)
    assert fp.times_of(result.path) == fp.times_of(source)


def comment_of(path) -> str:
    with av.open(str(path)) as film:
        return next((film.metadata[k] for k in film.metadata if k.lower() == "comment"), "")


@pytest.mark.parametrize("ending", sorted(set(FORMATS) - {".webm"}))  # holds none of our codecs
def test_the_file_says_that_a_program_coloured_it(colorizer, tmp_path, ending):
    source = fp.write(tmp_path / "a.mp4", fp.moved(4))
    result = color_film(colorizer, source, tmp_path / f"b{ending}")
    said, about = comment_of(result.path), [note for note in result.notes if "mark" in note]
    if ending in NO_COMMENT:
        assert not said
        assert about == [f"the mark that a program coloured it cannot be held by {ending}"]
    else:
        begin = f"Coloured by a program, koalarize {__version__}, with the model fake"
        assert (said[: len(begin)], said[-len(SOURCE_TYPE) :]) == (begin, SOURCE_TYPE)
        assert not about
    bare = color_film(colorizer, source, tmp_path / f"c{ending}", Steering(mark=False))
    assert not comment_of(bare.path)
    assert not [note for note in bare.notes if "mark" in note]


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".avi"])
def test_the_mark_joins_what_the_comment_says_and_is_not_written_twice(colorizer, tmp_path, ending):
    def say(_, container):
        container.metadata["comment"] = "Found in the attic\nof aunt Mary"

    source = fp.write(tmp_path / f"a{ending}", fp.moved(4), touch=say)
    once = color_film(colorizer, source)
    twice = color_film(colorizer, once.path, tmp_path / f"b{ending}")
    for path in (once.path, twice.path):
        lines = comment_of(path).splitlines()
        assert lines[:2] == ["Found in the attic", "of aunt Mary"]
        assert len(lines) == 3
        assert lines[2].endswith(SOURCE_TYPE)
