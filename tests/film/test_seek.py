"""A span of a film is reached without decoding what is before it, and has the same frames."""

from __future__ import annotations

import pytest

import film_parts as fp
from koalarize.film import read
from koalarize.film.facts import read_facts
from koalarize.film.read import Reading, frame_index

_KEYS = {"g": "8", "bf": "2", "preset": "ultrafast"}


def frames_of(reading, start):
    return [(one.pts, one.picture.to_ndarray().tobytes()) for one in reading.between(start, None)]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("film.mp4", "libx264", _KEYS),
        ("open.mkv", "libx264", {"x264-params": "open-gop=1:keyint=8:bframes=3"}),
        ("intra.mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=8"}),
        ("film.ts", "mpeg2video", {"g": "6", "bf": "2"}),
        ("film.avi", "mpeg4", {"g": "8", "bf": "2"}),
    ],
)
def test_a_span_has_the_frames_of_the_whole(tmp_path, entries, name, codec, options):
    facts = read_facts(fp.write(tmp_path / name, fp.moved(60), codec=codec, options=options))
    whole = frames_of(Reading(facts), None)
    assert frame_index(facts).times == [pts for pts, _ in whole]
    start = float(whole[43][0] * facts.time_base)
    entries.clear()
    assert frames_of(Reading(facts), start) == whole[43:]
    assert entries[0] is not None
    assert entries[0] > whole[20][0]


@pytest.mark.parametrize("again", [1, 14, 40])
def test_frames_behind_known_ones_are_those_of_the_whole(tmp_path, entries, again):
    facts = read_facts(fp.write(tmp_path / "film.mp4", fp.moved(60), options=_KEYS))
    whole = list(Reading(facts).between(None, None))
    known = [one.pts for one in whole[:45]]
    entries.clear()
    reading = Reading(facts)
    frames = reading.going_on(known, again, None)
    place = 45 - again
    if frames is None:
        assert again == 40
        return
    found = [(one.number, one.pts, one.picture.to_ndarray().tobytes()) for one in frames]
    assert found == [(n.number, n.pts, n.picture.to_ndarray().tobytes()) for n in whole[place:]]
    assert entries[0] is not None
    assert Reading(facts).going_on([*known[:20], *known[21:]], 14, None) is None
    full = Reading(facts)
    list(full.between(None, None))
    assert (reading._even, reading._uneven) == (full._even, full._uneven)


def test_a_film_without_times_is_read_from_its_beginning(tmp_path, entries):
    facts = read_facts(fp.write(tmp_path / "film.h264", fp.moved(40), options=_KEYS))
    whole = frames_of(Reading(facts), None)
    entries.clear()
    start = float(whole[30][0] * facts.time_base)
    assert frames_of(Reading(facts), start) == whole[30:]
    assert entries == [None]
    assert frame_index(facts).times == [pts for pts, _ in whole]


def test_a_film_that_seeks_to_elsewhere_is_read_from_its_beginning(tmp_path, entries, monkeypatch):
    facts = read_facts(fp.write(tmp_path / "film.mp4", fp.moved(60), options=_KEYS))
    whole = frames_of(Reading(facts), None)
    index = read._index(facts)
    times = [time for time in index.times if time != whole[41][0]]  # a frame that nobody listed
    wrong = read.Index(times, index.keys)
    monkeypatch.setattr(read, "_index", lambda *_: wrong)
    entries.clear()
    start = float(whole[43][0] * facts.time_base)
    assert frames_of(Reading(facts), start) == whole[43:]
    assert len(entries) == 2
    assert entries[1] is None
