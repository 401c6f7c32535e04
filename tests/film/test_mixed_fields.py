"""Films of whole frames and of fields, as recordings and DVDs are; what new pictures do not say."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

import film_parts as fp
from koalarize.film import facts as facts_room
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film
from koalarize.film.options import FilmOptions
from koalarize.film.read import Reading

av = fp.av


@pytest.fixture
def mixed(tmp_path):
    """Twelve whole frames, then twelve of two fields."""
    graph = av.filter.Graph()
    form = av.VideoFormat("yuv420p")
    entry = graph.add_buffer(width=64, height=48, format=form, time_base=Fraction(1, 25))
    graph.link_nodes(entry, graph.add("setfield", "tff"), graph.add("buffersink")).configure()
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, plane in enumerate(fp.moved(24)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(plane), "gray")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            if number >= 12:
                graph.push(frame)
                frame = graph.pull()
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_fields_behind_a_beginning_of_whole_frames_stay(colorizer, mixed):
    assert read_facts(mixed).interlaced
    result = color_film(colorizer, mixed, options=FilmOptions(preset="ultrafast"))
    with av.open(str(result.path)) as film:
        shown = [frame.interlaced_frame for frame in film.decode(video=0)]
    assert all(shown[12:])


def test_fields_that_nobody_saw_before_are_told(colorizer, mixed, monkeypatch):
    monkeypatch.setattr(facts_room, "_PLACES", ())
    facts = read_facts(mixed)
    assert not facts.interlaced
    reading = Reading(facts)
    assert sum(1 for _ in reading.frames()) == 24
    assert reading.fields == 12
    whole = Reading(dataclasses.replace(facts, interlaced=True))
    assert sum(1 for _ in whole.frames()) == 24
    assert whole.fields == 0
    result = color_film(colorizer, mixed, options=FilmOptions(preset="ultrafast"))
    assert "12 frames are two fields, which it no longer says" in result.notes


@pytest.mark.parametrize(("stop", "counted"), [(None, True), (0.2, False)])
def test_what_a_film_says_of_its_coding_is_not_said_of_new_pictures(
    colorizer, tmp_path, stop, counted
):
    def touch(stream, out):
        tags = {"ENCODER": "x", "ENCODER_OPTIONS": "x", "BPS-eng": "9", "_STATISTICS_TAGS": "BPS"}
        stream.metadata.update(tags | {"title": "Reel 2"})
        out.streams.audio[0].metadata.update({"NUMBER_OF_FRAMES": "9", "title": "Piano"})

    source = fp.write(tmp_path / "a.mkv", fp.moved(10), audio=1, touch=touch)
    result = color_film(colorizer, source, options=FilmOptions(preset="ultrafast", stop=stop))
    with av.open(str(result.path)) as film:
        video, audio = (set(stream.metadata) for stream in film.streams)
    assert video <= {"title", "DURATION"}
    assert "title" in video & audio
    assert ("NUMBER_OF_FRAMES" in audio) == counted


@pytest.mark.parametrize(
    ("codec", "name"), [("prores", "b.mov"), ("prores", "b.mkv"), ("ffv1", "b.mkv")]
)
@pytest.mark.parametrize("order", [1, 3, 4])
def test_which_field_comes_first_stands_in_the_container(colorizer, tmp_path, codec, name, order):
    """Codecs that say it of each frame alone left it open there, where editing programs look."""

    def touch(stream, _):
        flags = av.codec.context.Flags
        stream.codec_context.field_order = order
        if order > 1:
            stream.codec_context.flags |= flags.interlaced_dct | flags.interlaced_me

    pixels = {"codec": "prores_ks", "pixels": "yuv422p10le"}
    source = fp.write(tmp_path / "a.mov", fp.moved(2), touch=touch, **pixels)
    made = color_film(colorizer, source, tmp_path / name, options=FilmOptions(codec=codec)).path
    with av.open(str(source)) as film, av.open(str(made)) as result:
        before, after = (one.streams.video[0].codec_context for one in (film, result))
        assert (before.field_order, after.field_order) == (order, order)
