"""Subtitles that are pictures (PGS of Blu-rays): those of a part, and what holds them."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np
import pytest

import film_parts as fp
from koalarize.film.container import held_by
from koalarize.film.encode import coding_of
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film
from koalarize.film.options import FilmOptions

av = fp.av


def segment(kind: int, body: bytes) -> bytes:
    return struct.pack(">BH", kind, len(body)) + body


def shown(number: int, *, goes_on: bool = False, objects: int = 1) -> bytes:
    """Return a picture of PGS; one without objects takes away what is there."""
    state = 0 if goes_on or not objects else 0x80
    head = struct.pack(">HHBHBBBB", 64, 48, 16, number, state, 0, 0, objects)
    head += struct.pack(">HBBHH", 0, 0, 0, 8, 8) * objects
    window = struct.pack(">BBHHHH", 1, 0, 8, 8, 8, 2)
    return segment(0x16, head) + segment(0x17, window) + segment(0x80, b"")


def subtitled(path, sound: str, times: list[tuple[int, bytes]]):
    """Write a film of two seconds with sound, and subtitles at some milliseconds."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream(sound, rate=48000, layout="stereo")
        words = out.add_data_stream("pgssub")
        for number, plane in enumerate(fp.moved(20)):
            frame = av.VideoFrame.from_ndarray(plane.copy(), "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for time, data in times:
            packet = av.Packet(data)
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts = packet.dts = time
            out.mux(packet)
        wave = np.zeros((1, 2 * 4608), np.int16)
        for number in range(10):
            frame = av.AudioFrame.from_ndarray(wave, "s16", "stereo")
            frame.sample_rate, frame.pts = 48000, 4608 * number
            frame.time_base = Fraction(1, 48000)
            out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    return path


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([(100, shown(0)), (1500, shown(1, objects=0))], [0, 900]),
        ([(100, shown(0)), (300, shown(1, objects=0))], []),
        ([(100, shown(0)), (200, shown(1)), (300, shown(2, goes_on=True))], [0, 1]),
        ([(100, shown(0)), (600, shown(1))], [0]),
        ([(100, shown(0))], [0]),
    ],
)
def test_what_stays_on_the_screen_is_shown_in_a_part_too(colorizer, tmp_path, times, expected):
    source = subtitled(tmp_path / "a.mkv", "aac", times)
    options = FilmOptions(start=0.6, stop=1.8, preset="ultrafast")
    (found,) = fp.packets_of(color_film(colorizer, source, options=options).path, "subtitle")
    assert [round(time * 1000) for time, *_ in found] == expected
    assert [data for *_, data in found] == [data for _, data in times][len(times) - len(expected) :]


@pytest.mark.parametrize(
    ("sound", "ending", "blu_ray"),
    [("ac3", ".m2ts", True), ("ac3", ".ts", False), ("aac", ".mts", False)],
)
def test_streams_of_blu_rays_hold_what_others_do_not(colorizer, tmp_path, sound, ending, blu_ray):
    source = subtitled(tmp_path / "a.mkv", sound, [(100, shown(0))])
    held = held_by(ending, coding_of(read_facts(source), FilmOptions()))
    assert held.blu_ray == blu_ray
    assert ("subtitles (pgssub)" in held.lost) == (not blu_ray)
    if blu_ray:
        color_film(colorizer, source, tmp_path / "b.m2ts", options=FilmOptions(preset="ultrafast"))
        assert (tmp_path / "b.m2ts").read_bytes()[4] == 0x47  # packets of 192 bytes
        with av.open(str(tmp_path / "b.m2ts")) as film:
            assert [stream.type for stream in film.streams] == ["video", "audio", "subtitle"]
