"""What a result would lack without a word: a file cut short, what a container does not hold."""

from __future__ import annotations

import dataclasses
import os
import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from koalarize.film.container import held_by
from koalarize.film.encode import Encoder, coding_of
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film, look_at
from koalarize.film.levels import Levels
from koalarize.film.options import CODECS, FilmOptions
from koalarize.film.read import FilmFrame, Reading
from koalarize.film.shown import shown_grey
from koalarize.film.timecode import later

av = fp.av

FAST = FilmOptions(preset="ultrafast")
NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".avi"])
def test_a_file_that_breaks_off_is_told(tmp_path, ending):
    source = fp.write(
        tmp_path / f"a{ending}",
        fp.moved(12),
        codec="mpeg4",
        options={"g": "1"},
        container={"movflags": "faststart"} if ending == ".mp4" else None,
    )
    assert not read_facts(source).cut_short
    os.truncate(source, source.stat().st_size * 3 // 5)
    reading = Reading(read_facts(source))
    frames = list(reading.frames())
    assert 0 < len(frames) < 12
    assert reading.damaged[-1] == pytest.approx((len(frames) / 25, 0.48), abs=0.05)


@pytest.mark.parametrize("ending", [".mp4", ".flv", ".wmv"])
def test_a_file_that_breaks_off_between_frames_is_told(tmp_path, ending):
    """Fragments, FLV and ASF have no table of frames: nothing looks damaged."""
    source = tmp_path / f"a{ending}"
    codec = {".mp4": "libx264", ".flv": "flv", ".wmv": "wmv2"}[ending]
    flags = {"movflags": "frag_keyframe+empty_moov"} if ending == ".mp4" else None
    fp.write(source, fp.moved(12), codec=codec, audio=ending == ".mp4", container=flags)
    assert not read_facts(source).cut_short
    os.truncate(source, source.stat().st_size - (400 if ending == ".mp4" else 90))
    assert read_facts(source).cut_short


@pytest.mark.parametrize("pixels", ["bgr0", "yuv444p"])
def test_colours_of_every_kind_are_told(tmp_path, pixels):
    """Red, green and blue have no planes of chroma; of one tint, chroma is the same all over."""

    def tint(frame):
        plane = np.frombuffer(frame.planes[pixels != "bgr0"], np.uint8)
        plane[0::4] = 255
        plane[:] = plane if pixels == "bgr0" else 138

    plain = fp.write(tmp_path / "a.mkv", fp.moved(2), codec="ffv1", pixels=pixels)
    tinted = fp.write(tmp_path / "b.mkv", fp.moved(2), codec="ffv1", pixels=pixels, mark=tint)
    assert [read_facts(one).colored for one in (plain, tinted)] == [False, True]
    losses = coding_of(read_facts(plain), FilmOptions()).losses
    assert any("of the range 16 to 235" in one for one in losses) == (pixels == "bgr0")


@pytest.mark.parametrize(
    ("matrix", "height", "written"),
    [(8, 576, 6), (8, 720, 1), (14, 720, 9), (10, 720, 9), (7, 720, 7), (2, 720, 2), (0, 720, 2)],
)
def test_chroma_is_written_in_the_matrix_that_is_named(tmp_path, matrix, height, written):
    facts = read_facts(fp.write(tmp_path / "a.mkv", fp.moved(2), codec="ffv1"))
    coding = coding_of(dataclasses.replace(facts, matrix=matrix, height=height), FilmOptions())
    assert coding.matrix == written
    frame = av.VideoFrame(64, 48, "yuv444p")
    for plane, number in zip(frame.planes, (126, 60, 200), strict=True):
        np.frombuffer(plane, np.uint8)[:] = number
    frame.colorspace = matrix
    assert set(shown_grey(facts, frame).flat) == {128}  # whatever its chroma
    assert frame.colorspace == matrix
    levels = Levels.of(8, full=False, matrix=coding.matrix, height=height)
    assert levels == Levels.of(8, full=False, matrix=matrix, height=height)


@pytest.mark.parametrize(
    ("pixels", "codec", "ends"),
    [("yuvj444p", "prores", (64, 940)), ("gray9le", "ffv1", (0, 1023))],
)
def test_white_of_the_full_range_is_white(tmp_path, pixels, codec, ends):
    facts = read_facts(fp.write(tmp_path / "a.mkv", fp.moved(2), codec="ffv1"))
    facts = dataclasses.replace(facts, pixel_format=pixels, full_range=True)
    frame = av.VideoFrame(64, 48, pixels)
    kind, top = (np.uint16, 511) if "9" in pixels else (np.uint8, 255)
    np.frombuffer(frame.planes[0], kind)[:2] = 0, top
    coded = Encoder(coding_of(facts, FilmOptions(codec=codec))).luma(FilmFrame(0, 0, 1, frame))[1]
    assert tuple(coded[0, :2]) == ends


@pytest.mark.parametrize(
    ("start", "stop", "shown"),
    [(0.4, 0.8, [(0, 300), (300, 100)]), (0.8, None, [(0, 900)])],
)
def test_subtitles_of_a_part_are_those_that_it_shows(colorizer, tmp_path, start, stop, shown):
    plain = fp.write(tmp_path / "a.mp4", fp.moved(25))
    with av.open(str(tmp_path / "b.mkv"), "w") as out, av.open(str(plain)) as film:
        copy = out.add_stream_from_template(film.streams.video[0])
        texts = out.add_mux_stream("subrip")
        for packet in film.demux():
            if packet.size:
                packet.stream = copy
                out.mux(packet)
        for begin, duration in ((100, 600), (700, 1000)):
            packet = av.Packet(b"They arrive.")
            packet.stream, packet.time_base = texts, Fraction(1, 1000)
            packet.pts = packet.dts = begin
            packet.duration, packet.is_keyframe = duration, True
            out.mux(packet)
    options = FilmOptions(preset="ultrafast", start=start, stop=stop)
    path = color_film(colorizer, tmp_path / "b.mkv", options=options).path
    (found,) = fp.packets_of(path, "subtitle")
    assert [(time * 1000, duration * 1000) for time, duration, _ in found] == shown


def turned(stream, _):
    stream.set_display_rotation(90)


def wide(stream, _):
    stream.codec_context.sample_aspect_ratio = Fraction(16, 15)


def tagged(stream, _):
    stream.codec_context.colorspace = 1


def chaptered(_, out):
    one = {"id": 1, "start": 0, "end": 1, "time_base": Fraction(1), "metadata": {}}
    out.set_chapters([one])


@pytest.mark.parametrize(
    ("touch", "codec", "lost"),
    [
        (turned, "x264", {".avi", ".ts", ".nut"}),
        (wide, "ffv1", {".mkv", ".avi", ".nut"}),
        (wide, "x264", set()),
        (tagged, "ffv1", {".avi"}),
        (chaptered, "x264", {".avi", ".ts"}),
    ],
)
def test_what_a_container_drops_without_a_word_is_told(tmp_path, touch, codec, lost):
    source = fp.write(tmp_path / "a.mkv", fp.moved(2), touch=touch)
    coding = coding_of(read_facts(source), FilmOptions(codec=codec))
    held = {ending: held_by(ending, coding) for ending in (".mp4", ".mkv", ".avi", ".ts", ".nut")}
    assert {ending for ending, one in held.items() if one.lost and one.fits} == lost


@pytest.mark.parametrize(
    ("late", "lost"), [(0, ()), (8000, ("that sound (aac) begins 1.00 s late",))]
)
def test_sound_that_avi_would_begin_at_once_is_told(tmp_path, late, lost):
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as out:
        stream, sound = out.add_stream("mpeg4", rate=25), out.add_stream("aac", rate=8000)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        out.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        out.mux(stream.encode(None))
        for packet in fp._tone(sound, 0.5, 200):
            packet.pts = packet.dts = packet.pts + late
            out.mux(packet)
    coding = coding_of(read_facts(source), FAST)
    assert held_by(".avi", coding).lost == lost
    assert held_by(".mkv", coding).lost == ()


def test_what_nobody_would_play_is_told(tmp_path):
    """Transport streams take every codec, and what they have no number for as mere data."""
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w") as out:
        streams = [out.add_stream(codec, rate=25) for codec in ("mpeg4", "mjpeg")]
        streams[1].disposition = av.stream.Disposition.attached_pic
        for stream, pixels in zip(streams, ("yuv420p", "yuvj420p"), strict=True):
            stream.width, stream.height, stream.pix_fmt = 16, 16, pixels
        sound = out.add_stream("flac", rate=8000, layout="mono")
        for stream in streams:
            out.mux(stream.encode(av.VideoFrame(16, 16, stream.pix_fmt)))
            out.mux(stream.encode(None))
        for packet in fp._tone(sound, 0.2, 200):
            out.mux(packet)
    facts = read_facts(source)
    coding = coding_of(facts, FAST)
    cover = "a cover (mjpeg)"
    assert held_by(".ts", coding).lost == ("sound (flac)", cover)
    assert held_by(".avi", coding).lost == (cover,)
    fits = {
        codec: held_by(".ts", coding_of(facts, FilmOptions(codec=codec))).fits for codec in CODECS
    }
    assert fits == {"x264": True, "x265": True, "prores": False, "ffv1": False}


def test_what_an_edit_list_trims_of_the_sound_is_not_heard_elsewhere(colorizer, tmp_path):
    whole = fp.write(tmp_path / "a.mp4", fp.moved(20), audio=1, options={"g": "50"})
    source = tmp_path / "b.mp4"
    with av.open(str(whole)) as film, av.open(str(source), "w") as out:
        copies = {one.index: out.add_stream_from_template(one) for one in film.streams}
        for packet in film.demux():
            if packet.size:  # 0.6 s earlier: what is shown before 0 is trimmed
                early = round(Fraction(3, 5) / packet.time_base)
                packet.pts, packet.dts = packet.pts - early, packet.dts - early
                packet.stream = copies[packet.stream_index]
                out.mux(packet)
    assert [round(float(time), 2) for time in fp.times_of(source)[:2]] == [0, 0.04]
    path = color_film(colorizer, source, tmp_path / "b.mkv", options=FAST).path
    (sound,) = fp.packets_of(path)
    assert sound[0][0] >= 0
    assert fp.times_of(path)[0] <= Fraction(13, 100)
    assert len(sound) < 6


@pytest.mark.parametrize(
    ("code", "frames", "rate", "moved"),
    [
        ("01:00:00:00", 30, Fraction(25), "01:00:01:05"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("00:00:59;29", 1, NTSC, "00:01:00;02"),
        ("00:09:59;29", 1, NTSC, "00:10:00;00"),
        ("01:00:00;00", 17982 * 6, NTSC, "02:00:00;00"),
        ("00:00:00:25", 1, Fraction(25), None),
        ("noon", 1, Fraction(25), None),
    ],
)
def test_a_timecode_goes_on(code, frames, rate, moved):
    assert later(code, frames, rate) == moved


def test_a_part_of_a_film_has_its_own_timecode(colorizer, tmp_path):
    def touch(stream, _):
        stream.metadata.update(timecode="10:00:00:00")

    source = fp.write(tmp_path / "a.mov", fp.moved(12), touch=touch)
    options = FilmOptions(preset="ultrafast", start=0.2, stop=0.4)
    path = color_film(colorizer, source, options=options).path
    with av.open(str(path)) as film:
        tags = {key.lower(): text for key, text in film.streams.video[0].metadata.items()}
    assert tags["timecode"] == "10:00:00:05"


def test_which_program_wrote_the_film_is_no_loss(tmp_path):
    """Matroska writes it in capitals."""
    source = fp.write(tmp_path / "a.mkv", fp.moved(2))
    with av.open(str(source)) as film:
        assert "ENCODER" in film.metadata
    assert look_at(source, target=tmp_path / "b.ts").lost == ()


@pytest.mark.parametrize("frames", [2, 4])  # shorter than the steps in which frames are looked at
def test_colours_behind_a_black_beginning_are_told(colorizer, tmp_path, frames):
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        for number in range(frames):
            planes = np.full((3, 48, 64), 128, np.uint8)
            planes[1, :, :32] += 60 * (number >= frames / 2)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuv444p")))
        out.mux(stream.encode(None))
    notes = color_film(colorizer, tmp_path / "a.mkv", options=FAST).notes
    assert notes == (
        "it has colours already, which new ones replaced; shots of a list can keep them "
        "(`keep_color`)",
    )


def test_a_film_that_begins_late_in_matroska_is_not_longer_for_it(tmp_path):
    source = fp.write(tmp_path / "a.mkv", fp.moved(25), times=[2500 + n for n in range(25)])
    found = look_at(source)
    assert found.seconds == pytest.approx(1, abs=0.05)
    assert found.frames == 25


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--list-shots", "-o", "x.json"], "`--list-shots` writes beside the film"),
        (["--export-frames", "x", "-o", "y"], "`--export-frames` writes into the folder"),
        (["--export-frames", "x", "--frames", "y"], "`--export-frames` carries no colours"),
        (["--list-shots", "--shots", "x.json"], "`--list-shots` looks at no list of shots"),
    ],
)
def test_what_a_job_would_ignore_is_refused(command, capsys, words, said):
    assert command(["a.mp4", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "name"),
    [(["--preview", "2"], "a.preview.jpg"), (["--codec", "prores"], "a.color.mkv")],
)
def test_a_folder_takes_what_would_stand_beside_the_film(command, tmp_path, words, name):
    fp.write(tmp_path / "a.mp4", fp.moved(2))
    if "--codec" in words:
        assert command(["a.mp4", "-o", "out/", *words, "--plan"]) == 0
        assert not (tmp_path / "out").exists()
    assert command(["a.mp4", "-o", "out/", *words]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_the_still_of_an_avif_animation_is_no_second_picture(tmp_path):
    """FFmpeg has it as a stream beside the frames; photo viewers show it."""
    frames = [Image.fromarray(plane) for plane in fp.moved(3)]
    source = tmp_path / "a.avif"
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=100, speed=10)
    facts = read_facts(source)
    with av.open(str(source)) as opened:
        assert len(opened.streams.video) == 2
    assert held_by(".mp4", coding_of(facts, FilmOptions())).lost == ()


def apertured(data, width, height):
    """Return an MP4 file with its table behind its pictures, given a clean aperture."""
    clap = struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, 0, 1, 0, 1)
    at, heads = 0, []
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        while data[at + 4 : at + 8] != name:
            at += int.from_bytes(data[at : at + 4])
        heads.append(at)
        end = at + int.from_bytes(data[at : at + 4])
        at += 16 if name == b"stsd" else 8
    out = bytearray(data[:end] + clap + data[end:])
    for head in heads:
        out[head : head + 4] = (int.from_bytes(out[head : head + 4]) + len(clap)).to_bytes(4)
    return bytes(out)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize(("size", "shown"), [((48, 40), (48, 40)), ((64, 48), None)])
def test_a_clean_aperture_is_told(tmp_path, ending, size, shown):
    source = fp.write(tmp_path / "a.mp4", fp.moved(2))
    source.write_bytes(apertured(source.read_bytes(), *size))
    film = tmp_path / f"b{ending}"
    with av.open(str(source)) as read, av.open(str(film), "w") as out:
        stream = out.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    facts = read_facts(film)
    assert facts.aperture == shown
    losses = [one for one in coding_of(facts, FilmOptions()).losses if "aperture" in one]
    assert len(losses) == (shown is not None)
    assert all("48 x 40 of 64 x 48" in one for one in losses)
