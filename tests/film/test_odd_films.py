"""Films that lost something in silence, each in a small file: names, joints, mirrors, fields."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from fakes import OneByOne
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.film import film
from koalarize.film.anchors import Anchor, anchor_ab, coded_place
from koalarize.film.ask import Asker
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film, export_film, look_at
from koalarize.film.names import work_folder
from koalarize.film.options import FilmOptions
from koalarize.film.read import Reading
from koalarize.film.spread import _spread
from koalarize.steering.hints import Hint
from koalarize.steering.steering import Steering

av = fp.av


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["s.avi", "s.mkv"],
            "`s.avi` and `s.mkv` would both become `s.color.mkv`: colour them one by one with -o",
        ),
        (["c/x.mp4", "d/x.mp4", "-o", "out/"], "both become `out/x.color.mp4`: colour them"),
        (["c/x.mp4", "d/x.mp4", "-o", "out/", "--plan"], "both become `out/x.color.mp4`"),
        (["s.avi", "s.mkv", "--plan"], "both become `s.color.mkv`"),
        (["s.avi", "s.mkv", "--preview", "1"], "both become `s.preview.jpg`: colour them"),
        (["s.avi", "s.mkv", "--list-shots"], "both become `s.shots.json`: rename one"),
    ],
)
def test_two_films_of_one_name_are_refused(command, tmp_path, capsys, words, said):
    fp.write(tmp_path / "s.avi", fp.moved(2), codec="mpeg4")
    fp.write(tmp_path / "s.mkv", fp.moved(2))
    for name in ("c", "d"):
        (tmp_path / name).mkdir()
        shutil.copy(tmp_path / "s.mkv", tmp_path / name / "x.mp4")
    before = sorted(path.name for path in tmp_path.rglob("*.*"))
    assert command([*words, "--overwrite"]) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == before


def test_films_of_one_stem_with_two_results_are_coloured(command, tmp_path):
    fp.write(tmp_path / "s.mp4", fp.moved(2))
    fp.write(tmp_path / "s.mkv", fp.moved(2))
    assert command(["s.mp4", "s.mkv", "no.mp4"]) == 1
    assert {path.name for path in tmp_path.glob("*.color.*")} == {"s.color.mp4", "s.color.mkv"}


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_sound_goes_on_with_the_pictures_behind_a_joint(colorizer, tmp_path, ending):
    parts = []
    for seed, length in ((1, 40), (3, 30), (5, 10)):
        path = fp.write(tmp_path / f"{seed}.ts", fp.moved(length, seed=seed), audio=1)
        parts.append(path.read_bytes())
    source = tmp_path / "a.ts"
    source.write_bytes(b"".join(parts))
    result = color_film(colorizer, source, tmp_path / f"b{ending}")
    (before,), (after,) = fp.packets_of(source), fp.packets_of(result.path)
    assert len(after) == len(before)
    sound, pictures = [time for time, *_ in after], fp.times_of(result.path)
    steps = [float(later - one) for one, later in itertools.pairwise(sound)]
    assert all(step > 0 for step in steps)
    falls = [n for n, (one, later) in enumerate(itertools.pairwise(before)) if later[0] < one[0]]
    assert len(falls) == 2
    for fall, cut in zip(falls, (40, 70), strict=True):  # as far from the pictures as at first
        lag = (sound[fall + 3] - pictures[cut]) - (sound[2] - pictures[0])
        assert float(lag) == pytest.approx(0, abs=0.002)


def matrix_of(path) -> bytes:
    """Return the numbers by which players turn and mirror a film."""
    with av.open(str(path)) as film:
        blocks = next(film.decode(video=0)).side_data
        return next((bytes(one) for one in blocks if one.type.name == "DISPLAYMATRIX"), b"")


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_a_mirrored_film_stays_as_it_is_shown(colorizer, tmp_path, ending, degrees):
    def touch(stream, _):
        stream.set_display_rotation(degrees, hflip=True)

    source = fp.write(tmp_path / f"a{ending}", fp.moved(3), touch=touch)
    result = color_film(colorizer, source)
    assert matrix_of(source)
    assert matrix_of(result.path) == matrix_of(source)


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_frames_of_a_mirrored_film_are_as_players_show_them(tmp_path, degrees):
    """The places are those where the command ``ffmpeg`` 5.1.9 shows the quarter."""
    bright = np.zeros((48, 64), np.uint8)
    bright[:24, :32] = 200  # above, on the left
    source = fp.write(
        tmp_path / "a.mp4",
        [bright] * 3,
        touch=lambda stream, _: stream.set_display_rotation(degrees, hflip=True),
    )
    facts = read_facts(source)
    (path,) = export_film(None, source, tmp_path / "refs").paths
    with Image.open(path) as image:
        seen = np.asarray(image.convert("L"))
    places = {0: (0, 1), 90: (1, 1), 180: (1, 0), -90: (0, 0)}  # of the bright quarter, turned
    down, across = places[degrees]
    rows, columns = (size // 2 for size in seen.shape)
    quarter = seen[down * rows :, across * columns :][:rows, :columns]
    assert quarter.mean() > 150
    assert seen.mean() < 80
    x, y = (across + 0.5) * columns, (down + 0.5) * rows
    assert coded_place(facts, x, y) == (16, 12)
    assert np.array_equal(next(_spread(facts, FilmOptions(), 1)), seen)
    srgb = np.zeros((*seen.shape, 3), np.uint8)
    srgb[down * rows :, across * columns :][:rows, :columns] = (220, 40, 40)
    Image.fromarray(srgb).save(path)
    ab = anchor_ab(Anchor(0, 1, path, ""), facts, (48, 64))
    assert ab[0, :20, :28].min() > 30
    assert abs(ab[:, 28:]).max() < 5


@pytest.mark.parametrize(
    ("bad", "names"),
    [
        (range(9, 12), ["ref_000008.png", "ref_000030.png"]),
        (range(10, 12), ["ref_000009.png", "ref_000030.png"]),
        (range(8, 11), ["ref_000011.png", "ref_000030.png"]),
        (range(20), ["ref_000030.png"]),
    ],
)
def test_a_frame_that_cannot_be_decoded_has_a_neighbour(command, tmp_path, capsys, bad, names):
    frames = fp.moved(20, seed=1) + fp.moved(20, seed=7)
    source = fp.write(tmp_path / "a.mkv", frames, codec="mjpeg", pixels="yuvj420p")
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as film:
        packets = [bytes(packet) for packet in film.demux(video=0) if packet.size]
    for number in bad:
        at = data.index(packets[number])
        data[at : at + len(packets[number])] = bytes(len(packets[number]))
    source.write_bytes(data)
    shots = '{"film": "a.mkv", "shots": [{"from": "0:00", "to": "0:00.8"}, '
    shots += '{"from": "0:00.8", "to": "0:01.6"}]}'
    (tmp_path / "a.shots.json").write_text(shots)
    assert command(["a.mkv", "--export-frames", "refs", "--shots", "a.shots.json"]) == 0
    assert sorted(path.name for path in (tmp_path / "refs").iterdir()) == names
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == len(names)
    left = "no frame from 0:00:00.000 to 0:00:00.800 can be decoded: that shot is left out"
    assert (left in said.err) == (len(names) == 1)


class OnTheLeft(OneByOne):
    """Answers red on the left half of what it sees."""

    info = ModelInfo("left", 16, False, 48)

    def one(self, lightness, hints):
        ab = np.zeros((2, *lightness.shape), np.float32)
        ab[0, :, : lightness.shape[1] // 2] = 40
        self.seen = lightness
        return Prediction(ab)


@pytest.mark.parametrize(
    ("degrees", "half"),
    [(0, np.s_[:, 36:]), (180, np.s_[:, :28]), (90, np.s_[28:]), (-90, np.s_[:20])],
)
def test_the_network_sees_a_mirrored_film_as_players_show_it(tmp_path, degrees, half):
    source = fp.write(
        tmp_path / "a.mp4",
        fp.moved(2),
        touch=lambda stream, _: stream.set_display_rotation(degrees, hflip=True),
    )
    engine, picture = OnTheLeft(), fp.moved(1)[0] / np.float32(2.55)
    asker = Asker(Colorizer(engine), read_facts(source))
    ab = asker.ask(picture, Steering())[0]
    shown = np.fliplr(np.rot90(picture, degrees // 90))
    assert np.corrcoef(engine.seen.ravel(), shown.ravel())[0, 1] > 0.99
    assert ab[half].min() > 30
    assert ab.mean() == pytest.approx(20, abs=3)
    hint = asker._placed(Hint(16, 12, "#ff0000"), (48, 64))
    x, y = coded_place(read_facts(source), hint.x, hint.y)
    assert (x, y) == (16, 12)


@pytest.mark.parametrize("codec", ["x264", "x265", "ffv1"])
@pytest.mark.parametrize("first", ["tff", "bff"])
@pytest.mark.parametrize("pixels", ["gray", "yuv411p", "yuv420p"])
def test_the_order_of_fields_stays(colorizer, tmp_path, codec, first, pixels):
    def fielded(path, luma):
        graph = av.filter.Graph()
        entry = graph.add_buffer(
            width=64, height=48, format=av.VideoFormat(pixels), time_base=Fraction(1, 25)
        )
        graph.link_nodes(entry, graph.add("setfield", first), graph.add("buffersink")).configure()
        with av.open(str(path), "w") as out:
            stream = out.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
            for number, plane in enumerate(luma):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(plane), "gray")
                frame = frame.reformat(format=pixels)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                graph.push(frame)
                out.mux(stream.encode(graph.pull()))
            out.mux(stream.encode(None))
        return path

    source = fielded(tmp_path / "a.mkv", fp.moved(4))
    result = color_film(colorizer, source, options=FilmOptions(codec=codec))
    said = "its frames no longer say that they are two fields"
    assert any(note.startswith(said) for note in result.notes) == (codec == "x265")
    if codec == "x265":
        with av.open(str(result.path)) as film:  # the note tells what the container does
            order = film.streams.video[0].codec_context.field_order
        assert any("say it of the whole film" in note for note in result.notes) == (order > 1)
        return
    assert first_field(result.path) == first


def first_field(path) -> str:
    """Return which field of a film FFmpeg takes for the first: "tff" moves the others a line."""
    graph = av.filter.Graph()
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        form = av.VideoFormat("yuv422p")
        entry = graph.add_buffer(width=64, height=48, format=form, time_base=stream.time_base)
        nodes = [graph.add("fieldorder", "tff"), graph.add("buffersink")]
        graph.link_nodes(entry, *nodes).configure()
        frame = next(film.decode(stream))
        assert frame.interlaced_frame
        frame = frame.reformat(format="yuv422p")
        before = frame.to_ndarray()[0]
        graph.push(frame)
        return "tff" if np.array_equal(graph.pull().to_ndarray()[0], before) else "bff"


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_a_pause_is_no_damage(command, tmp_path, capsys, ending):
    times = [40 * n for n in range(30)] + [2600 + 40 * n for n in range(20)]
    source = fp.write(tmp_path / f"a{ending}", fp.moved(50), times=times, base=Fraction(1, 1000))
    assert command([source.name, "-o", "b.mkv", "--preset", "fast"]) == 0
    assert "damaged" not in capsys.readouterr().err
    assert fp.times_of(tmp_path / "b.mkv") == [Fraction(time, 1000) for time in times]


def test_packets_without_a_frame_are_damage(tmp_path, monkeypatch):
    """A decoder may pass over in silence what it cannot read."""
    source = fp.write(tmp_path / "a.mp4", fp.moved(50))
    decoded = Reading._decoded

    def some(self, container, stream, decoder):
        frames = enumerate(decoded(self, container, stream, decoder))
        return (frame for number, frame in frames if not 30 <= number < 40)

    monkeypatch.setattr(Reading, "_decoded", some)
    reading = Reading(read_facts(source))
    assert len(list(reading.frames())) == 40
    assert reading.damaged == [pytest.approx((1.2, 1.6))]


@pytest.mark.parametrize("ending", [".mov", ".mp4"])
def test_tags_of_any_name_stay(colorizer, tmp_path, ending):
    tags = {
        "title": "Sea",
        "creation_time": "2020-01-01T00:00:00.000000Z",
        "com.apple.quicktime.make": "Apple",
        "my own": "word",
    }
    source = fp.write(
        tmp_path / f"a{ending}",
        fp.moved(3),
        touch=lambda _, out: out.metadata.update(tags),
        container={"movflags": "+use_metadata_tags"},
    )
    result = color_film(colorizer, source)
    assert result.notes == ()
    with av.open(str(result.path)) as film:
        held = dict(film.metadata)
    assert {key: held[key][:19] for key in tags} == {key: tags[key][:19] for key in tags}
    assert held["comment"].startswith("Coloured by a program")
    result = color_film(colorizer, source, tmp_path / "b.avi")
    lost = "the tags creation_time, com.apple.quicktime.make, my own cannot be held by .avi"
    assert result.notes == (lost,)
    assert look_at(source, target=tmp_path / "c.avi").lost == (lost,)


def test_usual_tags_are_written_as_players_know_them(colorizer, tmp_path):
    source = fp.write(
        tmp_path / "a.mp4", fp.moved(3), touch=lambda _, out: out.metadata.update(title="Sea")
    )
    path = color_film(colorizer, source).path
    assert b"mdirappl" in path.read_bytes()  # the list of tags that iTunes reads
    with av.open(str(path)) as film:
        assert film.metadata["title"] == "Sea"


def test_transparency_beside_the_pictures_is_told(colorizer, tmp_path):
    def touch(stream, _):
        stream.metadata["alpha_mode"] = "1"

    source = fp.write(tmp_path / "a.mkv", fp.moved(3), touch=touch)
    result = color_film(colorizer, source)
    assert result.notes == ("its transparency is not kept",)
    with av.open(str(result.path)) as film:
        assert "alpha_mode" not in {key.lower() for key in film.streams.video[0].metadata}


def test_a_timecode_that_a_container_does_not_make_is_told(colorizer, tmp_path):
    source = fp.write(
        tmp_path / "a.mov",
        fp.moved(3),
        touch=lambda stream, _: stream.metadata.update(timecode="01:00:00:00"),
    )
    result = color_film(colorizer, source, tmp_path / "b.ts", Steering(mark=False))
    assert result.notes == ("the timecode track cannot be held by .ts",)


@pytest.mark.parametrize("options", [["--from", "5"], ["--to", "0.4"]])
def test_a_plan_of_nothing_fails_as_the_run_does(command, tmp_path, capsys, options):
    fp.write(tmp_path / "a.mp4", fp.moved(25), times=[25 + n for n in range(25)])
    assert command(["a.mp4", "--plan", *options]) == 1
    said = "`a.mp4` has no frame in what is asked for: check --from and --to; it has frames from "
    said += "0:00:01.000 to 0:00:02.000, by its own clock"  # which often begins at hours
    assert f"failed: a.mp4: {said}" in capsys.readouterr().out
    assert command(["a.mp4", *options]) == 1
    assert said in capsys.readouterr().err


def test_a_plan_counts_from_the_start_of_the_film(command, tmp_path, capsys):
    fp.write(tmp_path / "a.mp4", fp.moved(25), times=[50 + n for n in range(25)])
    assert command(["a.mp4", "--plan", "--from", "2.2", "--to", "2.8"]) == 0
    assert "(15 frames, " in capsys.readouterr().out
    assert command(["a.mp4", "--plan", "--from", "1"]) == 0
    assert "(25 frames, " in capsys.readouterr().out


def test_a_plan_does_not_trust_a_header_that_counts_wrong(monkeypatch, tmp_path):
    source = fp.write(tmp_path / "a.mp4", fp.moved(25))
    wrong = dataclasses.replace(read_facts(source), seconds=0.2)
    monkeypatch.setattr(film, "read_facts", lambda _: wrong)
    assert look_at(source, FilmOptions(start=0.5)).path.name == "a.from-0.5s.color.mp4"


@pytest.mark.parametrize("name", ["12:30.mp4", "12:30.mkv", "a,b%03d 'x'.mp4"])
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_look_like_addresses(command, tmp_path, name):
    fp.write(tmp_path / "a.mp4", fp.moved(3))
    (tmp_path / "a.mp4").rename(tmp_path / name)
    assert command([name, "--preset", "fast"]) == 0
    stem, ending = name[:-4], name[-4:]
    assert len(fp.times_of(tmp_path / f"{stem}.color{ending}")) == 3


def test_a_name_that_leaves_no_room_for_more_is_cut(command, tmp_path, capsys):
    name = "\u0416" * 125 + ".mp4"  # 254 bytes
    fp.write(tmp_path / name, fp.moved(2))
    for job in (["--preview", "1"], ["--list-shots"], []):
        assert command([name, *job]) == 0
    capsys.readouterr()
    found = [path.name for path in tmp_path.iterdir() if path.name != name]
    assert sorted(path[path.index("~") + 9 :] for path in found) == [
        ".color.mp4",
        ".preview.jpg",
        ".shots.json",
    ]
    assert len(work_folder(tmp_path / name).name.encode()) <= 255


def test_a_second_film_beside_the_first_keeps_its_times_and_is_named(colorizer, tmp_path):
    """Matroska leaves out when the first frames of a stream are decoded."""
    one = fp.write(tmp_path / "one.mp4", fp.moved(9), options={"bf": "3"})
    with av.open(str(one)) as film, av.open(str(tmp_path / "two.mkv"), "w") as out:
        again = av.open(str(one))
        streams = [out.add_stream_from_template(film.streams.video[0]) for _ in range(2)]
        for packets in zip(film.demux(video=0), again.demux(video=0), strict=True):
            for packet, stream in zip(packets, streams, strict=True):
                packet.stream = stream
                if packet.size:
                    out.mux(packet)
        again.close()
    made = color_film(colorizer, tmp_path / "two.mkv")
    second = fp.packets_of(tmp_path / "two.mkv", "video")[1]
    assert [one[0] for one in second] != sorted(one[0] for one in second)
    assert second in fp.packets_of(made.path, "video")
    assert made.notes == ("a second film in the same file stays as it is: one is coloured",)


def test_sound_whose_times_avi_would_make_equal_is_written(colorizer, tmp_path):
    """Matroska rounds times to milliseconds, AVI to packets of 34.83 milliseconds."""

    def add_sound(_, out) -> None:
        sound = out.add_stream("ac3", rate=44100, layout="mono")
        for start in range(0, 44100, 1536):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1536), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 44100, start + 1020  # late by half a packet
            frame.time_base = Fraction(1, 44100)
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))

    source = fp.write(tmp_path / "a.mkv", fp.moved(25), touch=add_sound)
    result = color_film(colorizer, source, tmp_path / "a.avi").path
    before, after = fp.packets_of(source)[0], fp.packets_of(result)[0]
    assert [one[2] for one in after] == [one[2] for one in before]
