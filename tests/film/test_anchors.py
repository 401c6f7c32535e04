"""Frames written out, coloured by a person, and their colours carried through their shots."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from fakes import FakeEngine, OneByOne
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.errors import OptionError, OutputError
from koalarize.film.anchors import Shots
from koalarize.film.film import color_film, export_film, list_shots
from koalarize.film.lead import ShotFrames
from koalarize.film.options import FilmOptions
from koalarize.film.shot_list import Shot

av = fp.av
BLUE, RED = (40, 60, 220), (220, 50, 40)


class Plain(OneByOne):
    """Answers with one weak colour."""

    info = ModelInfo("plain", 16, False, 48)

    def one(self, lightness, hints):
        return Prediction(np.full((2, *lightness.shape), 6, np.float32))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Two shots of 20 and 16 frames."""
    frames = fp.moved(20, seed=1) + fp.moved(16, seed=7)
    return fp.write(tmp_path_factory.mktemp("film") / "film.mp4", frames)


def painted(folder, number, color, size=(64, 48)):
    folder.mkdir(exist_ok=True)
    path = folder / f"ref_{number:06d}.png"
    Image.new("RGB", size, color).save(path)
    return path


def run(source, out, frames=None, **options):
    made = FilmOptions(preset="ultrafast", frames=frames, **options)
    return color_film(Colorizer(Plain()), source, out, options=made, overwrite=True)


def blueness(path):
    """Return blue minus red of each frame."""
    with av.open(str(path)) as film:
        shown = [frame.to_ndarray(format="rgb24").mean((0, 1)) for frame in film.decode(video=0)]
    return np.array([blue - red for red, _, blue in shown])


def test_one_frame_of_each_shot_is_written_by_its_number(source, tmp_path):
    paths = export_film(None, source, tmp_path / "refs").paths
    assert [path.name for path in paths] == ["ref_000010.png", "ref_000028.png"]
    with av.open(str(source)) as film:
        frames = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
    assert np.array_equal(np.asarray(Image.open(paths[1])), frames[28])
    with pytest.raises(OutputError, match="may have been coloured"):
        export_film(None, source, tmp_path / "refs")
    colored = export_film(Colorizer(FakeEngine()), source, tmp_path / "refs", overwrite=True)
    assert np.asarray(Image.open(colored.paths[0])).ndim == 3


def test_colours_go_through_their_shot_and_not_over_the_cut(source, tmp_path):
    painted(tmp_path / "refs", 10, BLUE)
    plain = blueness(run(source, tmp_path / "plain.mp4").path)
    led = blueness(run(source, tmp_path / "led.mp4", tmp_path / "refs").path)
    assert plain.max() < 0
    assert led[:20].min() > 40
    assert np.abs(led[20:] - plain[20:]).max() < 1


def test_several_frames_of_a_shot_rule_near_themselves(source, tmp_path):
    painted(tmp_path / "refs", 1, BLUE)
    painted(tmp_path / "refs", 18, RED)
    led = blueness(run(source, tmp_path / "led.mp4", tmp_path / "refs").path)[:20]
    assert led[1] > 40
    assert led[18] < -40
    assert np.all(np.diff(led) < 6)
    assert abs(led[9] + led[10]) / 2 < 0.5 * led[1]


def test_a_changed_frame_makes_only_its_shot_again(source, tmp_path):
    folder = tmp_path / "refs"
    painted(folder, 10, BLUE)
    painted(folder, 28, BLUE)
    first = run(source, tmp_path / "led.mp4", folder)
    before = first.path.read_bytes()
    again = run(source, tmp_path / "led.mp4", folder)
    assert (again.resumed, again.asked) == (36, 0)
    assert again.path.read_bytes() == before
    painted(folder, 28, RED)
    changed = run(source, tmp_path / "led.mp4", folder)
    assert changed.resumed == 20
    assert blueness(changed.path)[30] < -40
    assert blueness(changed.path)[5] > 40


def test_a_stopped_film_ends_as_one_that_was_not(source, tmp_path, monkeypatch):
    monkeypatch.setattr("koalarize.film.make.MOST_PART", 8)
    painted(tmp_path / "refs", 15, BLUE)
    options = FilmOptions(preset="ultrafast", frames=tmp_path / "refs")

    def color(name, progress=None):
        out = tmp_path / name
        return color_film(Colorizer(Plain()), source, out, options=options, progress=progress)

    def stop(at):
        if at.done == 14:
            raise KeyboardInterrupt

    whole = color("whole.mp4")
    with pytest.raises(KeyboardInterrupt):
        color("cut.mp4", stop)
    again = color("cut.mp4")
    assert 0 < again.resumed < 20
    fp.assert_same_film(again.path, whole.path)


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([(0, 1), (1, 2)], []),
        ([(1, 2)], ["0:00:00.000 to 0:00:01.000 is in no shot of the list: .* the first shot"]),
        ([(0, 1.5)], ["0:00:01.500 to 0:00:02.000 is in no shot of the list: .* the last shot"]),
        ([(0, 3)], []),
        ([(0, 2), (2, 3)], ["shot 2 of the list begins at 0:00:02.000, but .*: it is not used"]),
    ],
)
def test_what_of_a_film_is_outside_its_list_is_told(spans, said):
    """As where a person has deleted the first line, or the last."""
    listed = Shots([Shot(start, stop) for start, stop in spans])
    notes = listed.around(-0.04, 2, whole=True)
    assert len(notes) == len(said)
    assert all(re.match(one, note) for one, note in zip(said, notes, strict=True))
    assert not [note for note in listed.around(0, 2, whole=False) if "not used" in note]


def test_grey_frames_say_nothing_and_are_counted(source, tmp_path):
    folder = tmp_path / "refs"
    export_film(None, source, folder)
    with pytest.raises(OptionError, match="none of the 2 reference frames"):
        run(source, tmp_path / "led.mp4", folder)
    Image.new("RGB", (640, 480), BLUE).save(folder / "ref_000010.color.jpg")
    result = run(source, tmp_path / "led.mp4", folder)
    assert result.notes == ("1 of 2 reference frames are grey and say nothing",)
    assert blueness(result.path)[:20].min() > 40


@pytest.mark.parametrize(
    ("number", "size", "options", "said"),
    [
        (36, (64, 48), {}, "is frame 36 but the film has frames 0 to 35"),
        (30, (64, 48), {"stop": 1.0}, "in no shot of what is coloured"),
        (10, (48, 64), {}, "must show the whole frame"),
    ],
)
def test_frames_that_cannot_be_used(source, tmp_path, number, size, options, said):
    painted(tmp_path / "refs", number, BLUE, size)
    with pytest.raises(OptionError, match=said):
        run(source, tmp_path / "led.mp4", tmp_path / "refs", **options)
    assert not (tmp_path / "led.mp4").exists()


def test_folders_that_cannot_be_used(source, tmp_path):
    with pytest.raises(OptionError, match="is no folder"):
        run(source, tmp_path / "led.mp4", tmp_path / "refs")
    painted(tmp_path / "refs", 10, BLUE).rename(tmp_path / "refs" / "blue.png")
    with pytest.raises(OptionError, match="no picture called as"):
        run(source, tmp_path / "led.mp4", tmp_path / "refs")
    one = painted(tmp_path / "refs", 10, BLUE)
    Image.open(one).save(tmp_path / "refs" / "ref_000010.color.png")
    with pytest.raises(OptionError, match="are both frame 10"):
        run(source, tmp_path / "led.mp4", tmp_path / "refs")


def test_a_list_names_frames_that_lie_beside_it(source, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes(source.read_bytes())
    shots, _ = list_shots(film)
    painted(tmp_path, 28, BLUE)
    data = json.loads(shots.read_text())
    data["shots"][1]["frames"] = ["ref_000028.png"]
    shots.write_text(json.dumps(data))
    led = blueness(run(film, tmp_path / "led.mp4", shots=shots).path)
    assert led[:20].max() < 0
    assert led[20:].min() > 40
    data["shots"][1]["frames"] = "ref_000028.png"
    shots.write_text(json.dumps(data))
    with pytest.raises(OptionError, match="`frames` is a list of names"):
        run(film, tmp_path / "led.mp4", shots=shots)


def test_a_turned_film_is_coloured_upright(tmp_path):
    turned = fp.write(
        tmp_path / "film.mp4",
        fp.moved(8),
        touch=lambda stream, _: stream.set_display_rotation(90),
    )
    (path,) = export_film(None, turned, tmp_path / "refs").paths
    image = Image.open(path)
    assert image.size == (48, 64)
    halves = np.zeros((64, 48, 3), np.uint8)
    halves[:32], halves[32:] = BLUE, RED
    Image.fromarray(halves).save(path)
    led = run(turned, tmp_path / "led.mp4", tmp_path / "refs").path
    with av.open(str(led)) as film:
        frame = next(film.decode(video=0))
        shown = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
    blue = shown[..., 2].astype(int) - shown[..., 0]
    assert blue[:24].mean() > 30
    assert blue[40:].mean() < -30


def test_carried_colours_move_with_things(tmp_path):
    frames = fp.moved(17, size=(96, 128))
    shot = ShotFrames(100, (96, 128), tmp_path)
    for frame in frames:
        shot.looks.add(frame / np.float32(2.55))
    ab = np.zeros((2, 96, 128), np.float32)
    ab[0, :, 56:] = 40  # at the ninth frame; the picture moves a column to the left a frame
    shot.lead({108: ab})
    assert shot.held == {108}
    for number in range(17):
        led = shot.at(100 + number)
        edge = float((led.ab[0, 20:76] < 20).sum(1).mean())
        assert edge == pytest.approx(64 - number, abs=2)
        assert led.share[20:76, 20:108].mean() > 0.9
    shot.close()


def test_what_was_not_there_says_nothing(tmp_path):
    shot = ShotFrames(0, (96, 128), tmp_path)
    for frame in fp.moved(3, (96, 128), 1) + fp.moved(3, (96, 128), 9):
        shot.looks.add(frame / np.float32(2.55))
    shot.lead({0: np.full((2, 96, 128), 40, np.float32)})
    assert shot.at(2).share.mean() > 0.9
    assert shot.at(5).share.mean() < 0.3
    shot.close()


def test_the_command_writes_frames_and_takes_them(source, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: Colorizer(Plain())))
    folder = str(tmp_path / "refs")
    assert main([str(source), "--export-frames", folder, "--in-color"]) == 0
    caught = capsys.readouterr()
    assert len(caught.out.splitlines()) == 2
    assert f"--frames {folder}" in caught.err
    out = str(tmp_path / "led.mp4")
    assert main([str(source), "--frames", folder, "-o", out, "--preset", "ultrafast"]) == 0
    assert main([str(source), "--in-color"]) == 2
    other = str(tmp_path / "led.mp4")
    assert main([str(source), other, "--export-frames", folder]) == 2
    said = capsys.readouterr().err
    assert "goes with `--export-frames`" in said
    assert "`--export-frames` is for one film but 2 are given" in said
