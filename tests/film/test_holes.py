"""Holes in films: a pause is none, and what a file holds and nobody can read is told."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import pytest

import film_parts as fp
from koalarize.film.facts import read_facts
from koalarize.film.holes import Spoilt
from koalarize.film.lost import Losses
from koalarize.film.read import Reading

PictureType = fp.av.video.frame.PictureType

#: Clusters of half a second, so that a reader finds its way back.
SHORT = {"cluster_time_limit": "500"}


def read(path):
    """Return what is damaged, and the times in seconds of the frames that can be read."""
    facts = read_facts(path)
    reading = Reading(facts)
    times = [float(frame.pts * facts.time_base) for frame in reading.frames()]
    return reading.damaged, times


@pytest.mark.parametrize("ending", [".mkv", ".ts", ".flv", ".webm"])
def test_a_pause_is_no_damage_where_the_file_lists_no_frames(tmp_path, ending):
    times = [40 * n for n in range(30)] + [2600 + 40 * n for n in range(20)]
    codec = "libvpx" if ending == ".webm" else "libx264"
    frames = fp.moved(50)
    options = {} if ending == ".webm" else {"preset": "ultrafast"}
    source = tmp_path / f"a{ending}"
    fp.write(source, frames, codec=codec, times=times, base=Fraction(1, 1000), options=options)
    damaged, found = read(source)
    assert len(found) == 50
    assert damaged == []


@pytest.mark.parametrize("ending", [".mkv", ".ts", ".flv"])
def test_what_cannot_be_read_is_no_pause(tmp_path, ending):
    options = {"g": "12", "crf": "10", "preset": "ultrafast"}
    source = tmp_path / f"a{ending}"
    container = SHORT if ending == ".mkv" else {}
    fp.write(source, fp.moved(75), options=options, audio=1, container=container)
    data = bytearray(source.read_bytes())
    begin, end = (len(data) * part // 10 // 188 * 188 for part in (4, 6))
    data[begin:end] = bytes(end - begin)
    source.write_bytes(data)
    damaged, found = read(source)
    assert len(found) < 70
    assert found[-1] - found[0] > 2.8
    assert any(stop - start > 0.2 for start, stop in damaged)


def test_an_end_that_cannot_be_read_is_told(tmp_path):
    """The file is all there, and its reader takes what it cannot read for the end."""
    source = fp.write(tmp_path / "a.mkv", fp.moved(75), options={"crf": "10", "g": "300"})
    data = bytearray(source.read_bytes())
    begin, end = (len(data) * part // 10 for part in (2, 4))
    data[begin:end] = bytes(end - begin)
    source.write_bytes(data)
    damaged, found = read(source)
    assert found[-1] < 2
    assert damaged[-1][1] == pytest.approx(3, abs=0.1)


def test_pictures_that_end_before_the_sound_are_whole(tmp_path):
    source = fp.write(tmp_path / "a.mkv", fp.moved(25), audio=1)
    facts = read_facts(source)
    with fp.av.open(str(source)) as film, fp.av.open(str(tmp_path / "b.mkv"), "w") as out:
        copies = {one.index: out.add_stream_from_template(one) for one in film.streams}
        for packet in film.demux():
            if packet.size:
                late = 3 / packet.time_base if packet.stream.type == "audio" else 0
                packet.pts += round(late)
                packet.dts = packet.pts if late else packet.dts
                packet.stream = copies[packet.stream_index]
                out.mux(packet)
    assert read_facts(tmp_path / "b.mkv").seconds > facts.seconds + 2
    assert read(tmp_path / "b.mkv")[0] == []


def test_a_frame_that_comes_late_does_not_move_those_behind_it(tmp_path, monkeypatch):
    source = fp.write(tmp_path / "a.mp4", fp.moved(30))
    whole = read(source)[1]
    decoded = Reading._decoded

    def stray(self, *about):
        for number, picture in enumerate(decoded(self, *about)):
            yield picture
            if number == 10:
                picture.pts -= 3 * self.step
                yield picture

    monkeypatch.setattr(Reading, "_decoded", stray)
    found = read(source)[1]
    assert found[10] < found[11] < found[12]
    assert found[:11] + found[12:] == whole


@pytest.mark.parametrize("packet", [24, 28])
def test_what_is_made_of_a_damaged_frame_is_damaged_too(tmp_path, packet):
    """A damaged key frame was told as a single frame; all up to the next one show it."""
    options = {"g": "24", "bf": "0", "crf": "10", "sc_threshold": "0", "preset": "ultrafast"}
    source = fp.write(tmp_path / "a.mp4", fp.moved(60), options=options)
    with fp.av.open(str(source)) as film:
        found = [one for one in film.demux(video=0) if one.size]
        place, size = found[packet].pos, found[packet].size
    data = bytearray(source.read_bytes())
    data[place + size // 2 : place + size] = bytes(size - size // 2)
    source.write_bytes(data)
    damaged, times = read(source)
    assert len(times) == 60
    assert damaged == [pytest.approx((packet / 25, 48 / 25))]


@pytest.mark.parametrize(
    ("kinds", "shown"),
    [("iPb!Pp", [2]), ("iP!bPip", [1, 2, 3]), ("iP!pIp", [1, 2]), ("i!pPip", [0, 1, 2])],
)
def test_which_frames_show_a_damaged_one(kinds, shown):
    """Frames between two are in none; what stands for itself ends it. `!` is damage before it."""
    pictures = [
        SimpleNamespace(
            is_corrupt=kinds[at + 1 : at + 2] == "!",
            key_frame=kind == "i",
            pict_type=PictureType[kind.upper()],
        )
        for at, kind in enumerate(kinds)
        if kind != "!"
    ]
    spoilt = Spoilt()
    assert [n for n, one in enumerate(pictures) if spoilt.is_shown(one)] == shown  # type: ignore[arg-type]


def motion_jpeg(path, spoilt):
    """Write 20 frames of Motion JPEG, of which some are spoilt behind their heads."""
    luma, fine = fp.moved(20, (96, 128)), {"qmax": "2"}
    fp.write(path, luma, codec="mjpeg", pixels="yuvj420p", options=fine)
    with fp.av.open(str(path)) as film:
        packets = [(one.pos, one.size) for one in film.demux(video=0) if one.size]
    data = bytearray(path.read_bytes())
    for number in spoilt:
        at, size = packets[number]
        data[at + size - 400 : at + size - 300] = b"\xfe" * 100  # no code
    path.write_bytes(data)
    return read(path)


@pytest.mark.parametrize("ending", [".avi", ".mov"])
def test_damage_in_motion_jpeg_is_told_and_shown_as_far_as_it_goes(tmp_path, ending):
    damaged, times = motion_jpeg(tmp_path / f"a{ending}", (9, 10))
    assert len(times) == 20
    assert damaged == [(pytest.approx(0.36), pytest.approx(0.44))]


def test_ways_of_a_camera_are_no_damage(tmp_path):
    damaged, times = motion_jpeg(tmp_path / "a.avi", range(20))
    assert (len(times), damaged) == (20, [])


def spoil(path, packet, begin, size=80, filled=b"\0"):
    """Overwrite bytes of a packet of the pictures, from a share of it on."""
    with fp.av.open(str(path)) as film:
        found = [one for one in film.demux(video=0) if one.size][packet]
        data = bytes(found)
    whole = bytearray(path.read_bytes())
    at = whole.index(data) + int(len(data) * begin)
    assert size < len(data) * (1 - begin)
    whole[at : at + size] = filled * size
    path.write_bytes(whole)


_H265 = {"crf": "4", "x265-params": "keyint=12:min-keyint=12:bframes=0"}
_FFV1 = {"level": "3", "g": "12", "slices": "4"}


@pytest.mark.parametrize(
    ("name", "codec", "options", "filled"),
    [
        ("a.mp4", "libx264", {"g": "12", "bf": "0", "crf": "4"}, b"\0"),
        ("a.mkv", "libx265", _H265, b"\0"),
        ("a.mkv", "ffv1", _FFV1, b"\0"),
        ("b.mkv", "ffv1", _FFV1, b"\x5a"),
    ],
)
def test_damage_of_which_the_decoder_says_nothing_is_told(tmp_path, name, codec, options, filled):
    """Up to the next key frame: in H.264 and H.265 lost bytes (zeros), in FFV1 any."""
    source = tmp_path / name
    fp.write(source, fp.moved(30, (144, 192)), codec=codec, options=options)
    assert read(source)[0] == []
    spoil(source, 17, 0.7, filled=filled)
    damaged, times = read(source)
    assert len(times) == 30
    assert damaged == [pytest.approx((0.68, 0.96), abs=1e-3)]


def test_zeros_between_units_are_no_damage(tmp_path):
    """Some encoders fill up their packets so."""
    mark = b"\0\0\0\1"
    source = fp.write(tmp_path / "a.h264", fp.moved(12), options={"crf": "10"})
    whole = source.read_bytes()
    filled = tmp_path / "b.h264"
    filled.write_bytes(whole.replace(mark, bytes(100) + mark) + bytes(100))
    losses = Losses("h264", None)
    assert not losses.are_in(filled.read_bytes())
    assert losses.are_in(whole + bytes(100) + b"\x77")


def test_ffv1_without_checksums_is_no_damage(tmp_path):
    options = {"level": "3", "slicecrc": "0"}
    source = fp.write(tmp_path / "a.mkv", fp.moved(4), codec="ffv1", options=options)
    assert read(source)[0] == []
