"""Cuts found, colours steady between them and never across, and a person's list of shots."""

from __future__ import annotations

import itertools
import json
import weakref

import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from fakes import FakeEngine, OneByOne
from koalarize import color
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.errors import OptionError, OutputError, PhotoError
from koalarize.film import make
from koalarize.film.anchors import shots_of
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film, list_shots
from koalarize.film.flow import Flow, see
from koalarize.film.names import work_folder
from koalarize.film.options import FilmOptions
from koalarize.film.shot_list import TimedHint, read_shots, write_shots
from koalarize.film.shots import CutFinder, thumbnail
from koalarize.film.steady import Steady
from koalarize.film.track import track
from koalarize.steering.hints import Hint

av = fp.av


def cuts_of(frames) -> list[int]:
    finder = CutFinder()
    found = []
    for frame in frames:
        found += finder.push(thumbnail(np.asarray(frame, np.float32) / 2.55))
    found += finder.finish()
    assert len(found) == len(frames)
    return [number for number, cut in enumerate(found) if cut]


def shot(seed: int, frames: int) -> list:
    return fp.moved(frames, size=(72, 128), seed=seed)


def test_cuts_are_found():
    assert cuts_of(shot(1, 20) + shot(7, 14) + shot(9, 30)) == [0, 20, 34]


def test_flicker_is_no_cut():
    rng = np.random.default_rng(0)
    frames = [np.clip(frame * rng.uniform(0.8, 1.2), 0, 255) for frame in shot(1, 40)]
    assert cuts_of(frames) == [0]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_is_no_cut(length):
    frames = shot(1, 40)
    for number in range(20, 20 + length):
        frames[number] = np.full_like(frames[number], 250)
    assert cuts_of(frames) == [0]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_in_a_pan_is_no_cut_but_a_scene_behind_it_is(length):
    one, other = fp.scene(1, 72, 400), fp.scene(7, 72, 400)
    frames = [one[:, 4 * n : 4 * n + 128] for n in range(40)]
    for number in range(20, 20 + length):
        frames[number] = np.full_like(frames[number], 250)
    assert cuts_of(frames) == [0]
    assert len(cuts_of(frames[: 20 + length] + [other[:, :128]] * 20)) == 2


def test_a_dissolve_is_at_most_one_cut():
    one, other = shot(1, 30), shot(7, 30)
    shares = np.clip((np.arange(30) - 8) / 14, 0, 1)
    frames = [a * (1 - s) + b * s for a, b, s in zip(one, other, shares, strict=True)]
    assert len(cuts_of(frames)) <= 2


def test_a_fast_camera_is_no_cut():
    picture = fp.scene(1, 72, 800)
    assert cuts_of([picture[:, 9 * n : 9 * n + 128] for n in range(40)]) == [0]


def test_a_shot_has_six_frames_at_least():
    frames = shot(1, 20) + shot(7, 3) + shot(9, 20)
    assert all(
        later - one >= 6 for one, later in zip(cuts_of(frames), cuts_of(frames)[1:], strict=False)
    )


# Steady colours


def small(frames) -> list:
    return [see(np.asarray(frame, np.float32) / 2.55) for frame in frames]


def settled(frames, ask, steadiness=0.9, cuts=()):
    steady = Steady(ask, steadiness)
    found = []
    for number, seen in enumerate(small(frames)):
        found += steady.push(number, seen, cut=number in cuts)
    found += steady.finish()
    assert [one.number for one in found] == list(range(len(frames)))
    return [one.ab for one in found]


def wavering(number, lightness):
    """Answer with another colour each time."""
    rng = np.random.default_rng(number)
    return np.full((2, *lightness.shape), rng.normal(0, 10), np.float32) + np.float32(20)


def test_a_wavering_network_gives_steady_colours():
    frames = fp.moved(40, size=(96, 128))
    plain = settled(frames, wavering, 0.0)
    steady = settled(frames, wavering)

    def change(ab):
        return np.mean([np.abs(b - a).mean() for a, b in itertools.pairwise(ab)])

    assert change(steady) < change(plain) / 8
    assert change(settled(frames, wavering, 0.5)) < change(plain) / 3


def test_the_network_is_asked_about_few_frames():
    asked = []

    def ask(number, lightness):
        asked.append(number)
        return np.zeros((2, *lightness.shape), np.float32)

    settled(fp.moved(41, size=(96, 128)), ask)
    assert asked == [0, 8, 16, 24, 32, 40]
    asked.clear()
    settled(fp.moved(10, size=(96, 128)), ask, 0.0)
    assert asked == list(range(10))


def test_nothing_smears_across_a_cut():
    frames = fp.moved(12, (96, 128), 1) + fp.moved(12, (96, 128), 7)

    def ask(number, lightness):
        return np.full((2, *lightness.shape), 40 if number < 12 else -40, np.float32)

    ab = settled(frames, ask, 1.0, cuts=(0, 12))
    assert np.abs(ab[11] - 40).max() < 1e-4
    assert np.abs(ab[12] + 40).max() < 1e-4


def test_what_is_not_trusted_is_asked_again():
    """Without a cut being told, another scene takes nothing over either."""
    frames = fp.moved(10, (96, 128), 1) + fp.moved(10, (96, 128), 7)

    def ask(number, lightness):
        return np.full((2, *lightness.shape), 40 if number < 10 else -40, np.float32)

    ab = settled(frames, ask)
    assert ab[9].mean() > 30
    assert ab[11].mean() < -25


@pytest.mark.parametrize("flash", [False, True])
def test_colours_do_not_outlast_a_dissolve_but_a_flash(flash):
    """The network says 20 before and -20 behind; a flash ends nothing."""
    one, other = shot(1, 46), shot(7, 46)
    shares = np.clip((np.arange(46) - 20) / 14, 0, 1)
    frames = [a * (1 - s) + b * s for a, b, s in zip(one, other, shares, strict=True)]
    if flash:
        shares = (np.arange(46) > 19) * 0.5 + (np.arange(46) > 21) * 0.5
        frames = [a * 0.1 + 225 if s == 0.5 else a for a, s in zip(one, shares, strict=True)]

    def ask(number, lightness):
        return np.full((2, *lightness.shape), 20 - 40 * shares[number], np.float32)

    colors = [float(ab.mean()) for ab in settled(frames, ask)]
    assert colors[24] > -10 if flash else colors[44] < -13


def test_what_is_seen_in_the_dark_counts_less():
    """The network says 40 of frames that are nearly black, where it sees noise, else 0."""
    shares = [0] * 6 + [(n + 1) / 24 for n in range(24)] + [1] * 7

    def ask(number, lightness):
        return np.full((2, *lightness.shape), 40 * (lightness.std() < 6), np.float32)

    frames = [a * share for a, share in zip(shot(3, len(shares)), shares, strict=True)]
    ab = settled(frames, ask)
    assert ab[-1].mean() < 4  # of the mean
    assert ab[12].mean() < 20  # between two key frames


def test_nothing_is_carried_through_black():
    shares = [1] * 9 + [1 - (n + 1) / 8 for n in range(8)] + [0] * 8 + [1] * 8

    def ask(number, lightness):
        return np.full((2, *lightness.shape), 40 if number < 25 else -40, np.float32)

    frames = [a * share for a, share in zip(shot(3, 33), shares, strict=True)]
    assert settled(frames, ask)[32].mean() == pytest.approx(-40, abs=0.1)


def test_colours_move_with_things():
    frames = fp.moved(17, size=(96, 128))

    def ask(number, lightness):
        ab = np.zeros((2, *lightness.shape), np.float32)
        ab[0, :, max(0, 64 - number) :] = 40  # the picture moves a column to the left a frame
        return ab

    ab = settled(frames, ask)
    for number, one in enumerate(ab):
        edge = float((one[0, 20:76] < 20).sum(1).mean())
        assert edge == pytest.approx(64 - number, abs=2.5)


def test_flow_finds_the_motion_in_spite_of_flicker():
    one, other = fp.moved(4, size=(96, 128))[0::3]
    flow = Flow(96, 128)
    a, b = see(one / np.float32(2.55)), see(other / np.float32(3.2))
    way = flow.on(b, a, a, flow.start())
    inside = (slice(16, 80), slice(16, 100))
    assert np.median((way.x - flow.start().x)[inside]) == pytest.approx(3, abs=0.3)
    assert way.trust[inside].mean() > 0.8


def test_a_hint_is_followed_to_both_sides():
    seen = small(fp.moved(13, size=(96, 128)))
    times = [n / 25 for n in range(13)]
    hints = [TimedHint(6 / 25, Hint(128, 100, "#ff0000", 4))]
    found = track(seen, times, hints, (192, 256), 0.5)
    assert all(len(one) == 1 for one in found)
    for number, (hint,) in enumerate(found):
        assert hint.x == pytest.approx(128 - 2 * (number - 6), abs=3)
        assert hint.y == pytest.approx(100, abs=3)


# The list


class Toned(OneByOne):
    """Answers with one colour, and the hints' where there are some; counts."""

    info = ModelInfo("toned", 16, True, 48)

    def __init__(self):
        self.runs = 0
        self.hinted = 0

    def one(self, lightness, hints):
        self.runs += 1
        ab = np.full((2, *lightness.shape), 10, np.float32)
        if hints is not None and hints[2].any():
            self.hinted += 1
            ab[:] = hints[:2][:, hints[2] > 0].mean(1)[:, None, None]
        return Prediction(ab)


def film(folder):
    return fp.write(folder / "film.mp4", fp.moved(20, seed=1) + fp.moved(16, seed=7))


def edited(path, number, **changes):
    data = json.loads(path.read_text())
    data["shots"][number] |= changes
    path.write_text(json.dumps(data))
    return path


def color_of(path, frames):
    with av.open(str(path)) as film:
        shown = [frame.to_ndarray(format="rgb24").mean((0, 1)) for frame in film.decode(video=0)]
    return np.mean(shown[frames], axis=0)


def test_the_list_names_the_shots(tmp_path):
    path, count = list_shots(film(tmp_path))
    assert (path.name, count) == ("film.shots.json", 2)
    shots = read_shots(path)
    assert [(one.start, one.stop) for one in shots] == [(0, 0.8), (0.8, 1.44)]
    with pytest.raises(OutputError, match="may have been edited"):
        list_shots(tmp_path / "film.mp4")


@pytest.mark.parametrize(
    ("found", "written"),
    [
        ([(-0.04, 1.5), (1.5, 3)], [(0, 1.5), (1.5, 3)]),
        ([(-2, -1), (-1, 0.0001), (0.0001, 3)], [(0, 3)]),
    ],
)
def test_a_film_that_begins_before_0_has_a_list_that_is_read(tmp_path, found, written):
    path = write_shots(found, tmp_path / "film.mp4", tmp_path / "list.json", overwrite=False)
    assert [(shot.start, shot.stop) for shot in read_shots(path)] == written


def test_a_run_with_the_list_makes_only_what_changed(tmp_path):
    source = film(tmp_path)
    shots, _ = list_shots(source)
    behind = '\n ,{"from": "0:00:01.440", "to": "0:00:02"}]}'
    shots.write_text(shots.read_text().rpartition("]")[0] + behind)
    engine = Toned()

    def run():
        engine.runs = 0
        options = FilmOptions(shots=shots, preset="ultrafast")
        return color_film(Colorizer(engine), source, options=options, overwrite=True)

    first = run()
    before = first.path.read_bytes()
    assert (first.resumed, first.frames) == (0, 36)
    said = "shot 3 of the list begins at 0:00:01.440, but the film ends at 0:00:01.440: "
    assert first.notes[-1] == f"{said}it is not used"
    assert run().resumed == 36
    assert engine.runs == 0
    assert first.path.read_bytes() == before
    edited(shots, 1, vividness=0)
    again = run()
    assert again.resumed == 20
    assert fp.times_of(again.path) == fp.times_of(source)
    assert np.ptp(color_of(again.path, slice(22, 36))) < 4
    assert np.ptp(color_of(again.path, slice(0, 18))) > 8
    edited(shots, 1, vividness=1.0)
    edited(shots, 0, warmth=0.5)
    assert run().resumed == 0  # the second one was thrown away when it was changed
    assert work_folder(again.path).is_dir()


def test_a_hint_holds_through_its_shot_and_no_further(tmp_path, monkeypatch):
    """The frames of a shot wait on the disk meanwhile, for it may be long."""
    made, waiting = [], []

    def noted_look(lightness):
        made.append(weakref.ref(seen := see(lightness)))
        return seen

    def noted_track(*about):
        waiting.append(sum(one() is not None for one in made))
        return track(*about)

    monkeypatch.setattr(make, "see", noted_look)
    monkeypatch.setattr(make, "track", noted_track)
    source = film(tmp_path)
    shots, _ = list_shots(source)
    edited(shots, 0, hints=[{"time": "0:00:00.400", "x": 30, "y": 24, "color": "#2040ff"}])
    engine = Toned()
    options = FilmOptions(shots=shots, preset="ultrafast")
    path = color_film(Colorizer(engine), source, options=options).path
    red, _, blue = color_of(path, slice(0, 20))
    assert blue > red + 15
    red, _, blue = color_of(path, slice(21, 36))
    assert blue < red
    assert engine.hinted >= 3
    assert waiting[0] <= 2


def test_a_reference_for_one_shot(tmp_path):
    from fakes import ClassifyingEngine

    source = film(tmp_path)
    shots, _ = list_shots(source)
    blue = color.lab_to_srgb(np.array([50, 10, -40], np.float32), dtype=np.uint8)
    Image.new("RGB", (32, 32), tuple(blue.tolist())).save(tmp_path / "blue.png")
    colorizer = Colorizer(ClassifyingEngine())
    options = FilmOptions(shots=shots, preset="ultrafast")
    path = color_film(colorizer, source, options=options).path
    before = [color_of(path, part) for part in (slice(0, 18), slice(22, 36))]
    edited(shots, 0, reference="blue.png")
    color_film(colorizer, source, options=options, overwrite=True)
    after = [color_of(path, part) for part in (slice(0, 18), slice(22, 36))]
    assert after[0][2] > before[0][2] + 3
    assert np.abs(after[1] - before[1]).max() < 0.1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hint": []}, "did you mean `hints`"),
        ({"vividness": 9}, "must be from 0 to 5"),
        ({"hints": [{"x": 1, "y": 1}]}, "`x`, `y` and `color`"),
        ({"hints": [{"x": 1, "y": 1, "color": "red"}]}, "must be #rrggbb"),
        ({"hints": [{"time": "0:00:09", "x": 1, "y": 1, "color": "#f00"}]}, "a time within"),
        ({"hints": [5]}, "--list-shots writes it: it needs"),  # and no word of Python's
        ({"recolors": [{"a": 1}]}, "--list-shots writes it: it needs"),
        ({"from": "yesterday"}, "H:MM:SS"),
        ({"from": "0:00:00.9"}, "in order"),
        ({"to": "0"}, "let it end later"),
        ({"to": "0:00:00.9"}, "give both the same time"),
    ],
)
def test_what_cannot_stand_in_a_list(tmp_path, changes, said):
    shots, _ = list_shots(film(tmp_path))
    with pytest.raises(OptionError, match=said.replace("(", "\\(")):
        read_shots(edited(shots, 0, **changes))


def test_a_hint_outside_the_film_is_refused(tmp_path):
    source = film(tmp_path)
    shots, _ = list_shots(source)
    edited(shots, 0, hints=[{"x": 600, "y": 1, "color": "#f00"}])
    with pytest.raises(OptionError, match="at 600, 1, but the film is coded at 64x48 pixels"):
        shots_of(read_facts(source), FilmOptions(shots=shots))


def test_what_no_shot_of_a_list_names_is_told(tmp_path):
    source = film(tmp_path)
    shots, _ = list_shots(source)
    text = edited(shots, 0, to="0:00:00.5").read_text()
    shots.write_text(text, encoding="utf-8-sig")  # as editors of Windows write it
    listed = shots_of(read_facts(source), FilmOptions(shots=shots))
    assert listed is not None
    (note,) = listed.notes
    assert note.startswith("0:00:00.500 to 0:00:00.800 is in no shot of the list")


def test_what_is_no_list(tmp_path):
    path = tmp_path / "a.json"
    for text in ("[]", '{"shots": 5}', '{"shots": "ab"}', "[" * 100_000):
        path.write_text(text)
        with pytest.raises(OptionError, match="no list of shots"):
            read_shots(path)
    with pytest.raises(OptionError, match="list"):
        read_shots(tmp_path / "none.json")
    path.write_text('{"shots": [{"from": 0, "to": 1, "reference": "a\\u0000"}]}')
    with pytest.raises(PhotoError, match="NUL"):
        read_shots(path)


def test_the_command_lists_and_previews(tmp_path, monkeypatch, capsys):
    colorizer = Colorizer(FakeEngine((30.0, 20.0)))
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))
    source = film(tmp_path)
    assert main([str(source), "--list-shots"]) == 0
    caught = capsys.readouterr()
    assert caught.out.strip().endswith("film.shots.json")
    assert "2 shots" in caught.err
    shots = tmp_path / "film.shots.json"
    listed = [str(source), "--shots", str(shots)]
    for name in ("film.mp4", "b.mp4"):
        shots.write_text(shots.read_text().replace("film.mp4", name))
        said = "film.shots.json was written for b.mp4, not for film.mp4: "
        for job in (["--preview", "1"], ["--export-frames", str(tmp_path / name[0])]):
            assert main([*listed, *job]) == 0
            assert capsys.readouterr().err.count(said) == (name == "b.mp4")
    assert main([str(source), "--preview", "4"]) == 0
    sheet = Image.open(tmp_path / "film.preview.jpg")
    assert sheet.size == (128, 96)
    assert np.ptp(np.asarray(sheet).astype(int), axis=-1).mean() > 8
    assert not (tmp_path / "film.color.mp4").exists()
    assert main([str(source), "--preview", "0"]) == 2
    assert main([str(source), "--preview", "1"]) == 0  # nobody has changed the sheet
    Image.open(tmp_path / "film.preview.jpg").convert("L").save(tmp_path / "film.preview.jpg")
    before = (tmp_path / "film.preview.jpg").read_bytes()
    assert main([str(source), "--preview", "1"]) == 1
    assert (tmp_path / "film.preview.jpg").read_bytes() == before


def test_one_palette_leads_every_shot(tmp_path):
    from fakes import ClassifyingEngine

    source = film(tmp_path)
    colorizer = Colorizer(ClassifyingEngine())

    def apart(**options):
        made = FilmOptions(preset="ultrafast", **options)
        path = color_film(colorizer, source, options=made, overwrite=True).path
        return color_of(path, slice(0, 36))

    assert not np.allclose(apart(), apart(one_palette=True), atol=0.05)
    with pytest.raises(OptionError, match="reference"):
        color_film(
            Colorizer(Toned()), source, options=FilmOptions(one_palette=True), overwrite=True
        )


def test_a_finder_that_goes_on_decides_as_one_that_never_stopped():
    thumbs = [
        thumbnail(np.asarray(frame, np.float32) / 2.55)
        for frame in shot(1, 20) + shot(7, 9) + shot(9, 22)
    ]
    whole = CutFinder()
    decided = [cut for thumb in thumbs for cut in whole.push(thumb)] + whole.finish()
    assert decided.count(True) == 3
    for first in range(15, 45):
        last = max(n for n in range(first) if decided[n])
        finder = CutFinder(since=first - last)
        for thumb in thumbs[first - 14 : first]:
            finder.warm(thumb)
        found = [cut for thumb in thumbs[first:] for cut in finder.push(thumb)]
        assert found + finder.finish() == decided[first:], first
