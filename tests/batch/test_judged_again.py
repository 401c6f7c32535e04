"""Results are judged again just before they are replaced, by bytes where size and time may lie."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_whose import DONE, picture, run, told

from fakes import FakeEngine, Reddener
from koalarize.batch.find import Search
from koalarize.batch.journal import JOURNAL, Journal, Stamp
from koalarize.batch.plan import BatchOptions
from koalarize.colorizer.colorizer import Colored, Colorizer, Making
from koalarize.photo.files import output_path, sha256_of
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN, Steering

VIVID = Steering(vividness=2)
CHANGED = ("failed", "changed by somebody")
AGAIN = ("colored", "other settings")


class Vivid(Reddener):
    """Tints as strongly as it is asked to, so that other settings give other bytes."""

    def file(
        self, source, target=None, steering=PLAIN, *, overwrite=False, tolerant=False, layer=False
    ):
        photo = Photo.read(source, tolerant=tolerant)
        self.made.append(Path(source).name)
        photo = self.marked(photo, steering, Making(sha256_of(Path(source)), layer))
        grey = photo.pixels if photo.pixels.ndim == 2 else photo.pixels[..., 0]
        rest = grey // round(2 * steering.vividness)
        tinted = np.dstack([grey, rest, rest])
        path = photo.write(tinted, target or output_path(source), overwrite=overwrite)
        return Colored(photo, path=path)


class Interrupting(Vivid):
    """Writes a person's file while one picture is coloured: before its work, or after it."""

    def __init__(self, name: str, place: Path, *, late: bool = False) -> None:
        super().__init__()
        self.name, self.place, self.late = name, place, late

    def file(self, source, *given, **named):
        here = Path(source).name == self.name
        if here and not self.late:
            self.place.write_bytes(b"work of a person")
        made = super().file(source, *given, **named)
        if here and self.late:
            self.place.write_bytes(b"work of a person")
        return made


@contextlib.contextmanager
def killed_at(monkeypatch, what: str):
    """End the run as a killed process does, where a function is called."""

    def never(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as ending, contextlib.suppress(KeyboardInterrupt):
        ending.setattr(what, never)
        yield


@pytest.mark.parametrize("ending", ["png", "bmp"])
def test_a_result_changed_before_its_turn_is_kept(tmp_path: Path, ending: str):
    box, out = tmp_path / "box", tmp_path / "out"
    for name in "abc":
        picture(box / f"{name}.{ending}")
    run(Vivid(), box, output=out)
    last = out / f"c.color.{ending}"
    red = Interrupting(f"a.{ending}", last)
    outcomes = run(red, box, steering=VIVID, output=out, workers=1)
    assert told(outcomes) == [AGAIN, AGAIN, CHANGED]
    assert str(last) in (outcomes[2].error or "")
    assert last.read_bytes() == b"work of a person"
    assert red.made == [f"a.{ending}", f"b.{ending}"]  # and no work is done for it


def test_a_result_changed_while_its_picture_is_coloured_is_kept(tmp_path: Path):
    box = picture(tmp_path / "box" / "a.png").parent
    run(Vivid(), box)
    place = box / "a.color.png"
    red = Interrupting("a.png", place, late=True)
    assert told(run(red, box, steering=VIVID)) == [CHANGED]
    assert place.read_bytes() == b"work of a person"
    assert told(run(red, box, steering=VIVID, overwrite=True)) == [("colored", CHANGED[1])]
    assert place.read_bytes() != b"work of a person"


def test_a_result_of_a_named_picture_changed_meanwhile_is_kept(tmp_path: Path):
    """No journal knows it."""
    source = picture(tmp_path / "a.png")
    run(Vivid(), source)
    place = tmp_path / "a.color.png"
    red = Interrupting("a.png", place, late=True)
    assert told(run(red, source, steering=VIVID)) == [("failed", "not ours")]
    assert place.read_bytes() == b"work of a person"


def test_a_result_of_another_picture_that_came_meanwhile_is_kept(tmp_path: Path):
    box, out = picture(tmp_path / "box" / "a.png").parent, tmp_path / "out"
    run(Vivid(), box, output=out)
    (out / JOURNAL).unlink()
    place = out / "a.color.png"

    class Elsewhere(Vivid):
        def file(self, *given, **named):
            made = super().file(*given, **named)
            other = picture(tmp_path / "other" / "a.png", 9)
            super().file(other, place, overwrite=True)
            return made

    assert told(run(Elsewhere(), box, steering=VIVID, output=out)) == [("failed", "not ours")]
    assert Photo.read(place).pixels[0, 0, 0] == 9


@pytest.mark.parametrize("ending", ["png", "bmp"])
def test_what_another_run_has_made_meanwhile_is_done(tmp_path: Path, ending: str):
    box = picture(tmp_path / "box" / f"a.{ending}").parent

    class Late(Vivid):
        def file(self, *given, **named):
            assert given[2] is steering
            run(Vivid(), box, steering=steering)
            return super().file(*given, **named)

    steering = PLAIN
    assert told(run(Late(), box)) == [DONE]
    steering = VIVID  # where both replace something, each has a folder of its own to work in
    assert told(run(Late(), box, steering=VIVID)) == [AGAIN]
    assert told(run(Vivid(), box, steering=VIVID)) == [DONE]


def film(path: Path, level: int) -> None:
    av = pytest.importorskip("av", reason="needs the extra `video`")
    pytest.importorskip("cv2", reason="needs the extra `video`")
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(4):
            shown = np.full((48, 64, 3), 40 * number + level, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def films(box: Path, steering: Steering, progress=lambda *_: None, **options):
    from koalarize.batch.films import FilmWork, color_many_films
    from koalarize.film.options import FilmOptions

    search = Search([box], films=True)
    list(search)
    work = FilmWork(FilmOptions(preset="ultrafast"), progress=progress)
    colorizer = Colorizer(FakeEngine((30.0, 20.0)))
    return list(color_many_films(colorizer, search.films, steering, BatchOptions(**options), work))


@pytest.mark.parametrize("which", ["a.mp4", "b.mp4"])
def test_a_film_changed_before_it_is_replaced_is_kept(tmp_path: Path, which: str):
    """While another one is made (then nothing is done for it), or it itself."""
    box, out = tmp_path / "box", tmp_path / "out"
    film(box / "a.mp4", 0)
    film(box / "b.mp4", 60)
    assert [one.status for one in films(box, PLAIN, output=out)] == ["colored"] * 2
    place, shown = out / "b.color.mp4", set()

    def cut(path: Path, _):
        shown.add(path.name)
        if path.name == which:
            place.write_bytes(b"cut by a person")

    outcomes = films(box, VIVID, cut, output=out)
    assert told(outcomes) == [AGAIN, CHANGED]
    assert place.read_bytes() == b"cut by a person"
    assert shown == {"a.mp4", which}


def test_a_film_of_the_run_is_never_written_over(tmp_path: Path):
    film(tmp_path / "a.mp4", 10)
    (tmp_path / "ax.mp4").write_bytes(b"no film")
    found = films(tmp_path, PLAIN, name="{stem}x", overwrite=True)
    assert told(found) == [("failed", "not ours"), ("failed", "no readable film")]
    assert (tmp_path / "ax.mp4").read_bytes() == b"no film"


def test_films_have_no_comparisons_to_miss(tmp_path: Path):
    film(tmp_path / "box" / "a.mp4", 0)
    films(tmp_path / "box", PLAIN, compare=True)
    assert told(films(tmp_path / "box", PLAIN, compare=True)) == [DONE]


def test_results_that_were_deleted_and_made_by_a_killed_run_are_known(tmp_path, monkeypatch):
    box, out = tmp_path / "box", tmp_path / "out"
    for name in "abc":
        picture(box / f"{name}.png")
    run(Vivid(), box, output=out)
    for path in out.glob("*.png"):
        path.unlink()
    with killed_at(monkeypatch, "koalarize.batch.run._noted"):
        run(Vivid(), box, steering=VIVID, output=out)
    assert list(out.glob("*.png"))
    outcomes = told(run(Vivid(), box, steering=VIVID, output=out))
    assert set(outcomes) <= {DONE, ("colored", "new")}


def test_a_picture_of_equal_size_and_time_is_another_one(tmp_path: Path):
    out = tmp_path / "out"
    for folder, level in (("x", 50), ("y", 200)):
        os.utime(picture(tmp_path / folder / "a.bmp", level), (1e9, 1e9))
    run(Vivid(), tmp_path / "x", output=out)
    (outcome,) = run(Vivid(), tmp_path / "y", output=out)
    assert (outcome.status, outcome.output) == ("colored", out / "a.color-2.bmp")


def test_pictures_that_were_moved_are_hashed_once(tmp_path: Path, monkeypatch):
    box, hashed = picture(tmp_path / "box" / "a.bmp").parent, []
    run(Vivid(), box)
    box = box.rename(tmp_path / "moved")

    def counting(path: Path) -> str:
        hashed.append(path.name)
        return sha256_of(path)

    monkeypatch.setattr("koalarize.batch.journal.sha256_of", counting)
    for _ in range(3):
        assert told(run(Vivid(), box)) == [DONE]
    assert hashed == ["a.bmp"]


def test_an_earlier_result_with_the_time_of_its_picture_is_no_announced_one(tmp_path, monkeypatch):
    """A run is killed before the new result, of equal size and time, gets its name."""
    box = picture(tmp_path / "box" / "a.bmp").parent
    run(Vivid(), box, keep_times=True)
    result = box / "a.color.bmp"
    before = result.read_bytes()
    with killed_at(monkeypatch, "koalarize.batch.stage.put_in_place"):
        run(Vivid(), box, steering=VIVID, keep_times=True)
    journal = Journal(box / JOURNAL, readonly=True)
    announced = journal.announced(result)
    journal.close()
    assert announced is not None
    assert result.read_bytes() == before
    facts = Stamp.of(result)
    assert (announced.result.size, announced.result.time) == (facts.size, facts.time)
    assert told(run(Vivid(), box, steering=VIVID, keep_times=True)) == [AGAIN]
    with Image.open(result) as image:
        assert image.getpixel((0, 0)) == (128, 32, 32)
