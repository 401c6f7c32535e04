"""Films among the files of a folder: coloured when they are asked for, once, and resumed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import film_parts as fp
from fakes import FakeEngine
from koalarize.batch.find import Search
from koalarize.batch.journal import Journal, Made, Stamp
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OutputError
from koalarize.film.options import FilmOptions
from koalarize.film.result import FilmResult

FAST = ["--preset", "ultrafast"]

#: A script that colours the films of a folder slowly, to be killed.
_SCRIPT = """
import sys, time
sys.path[:0] = {paths!r}
from pathlib import Path
import koalarize.film.make as make
make.MOST_PART, make.LEAST_PART = 12, 8
import test_folders_of_films
def slowly(path, at):
    time.sleep(0.01)
    print(at.done, flush=True)
test_folders_of_films.color(sys.argv[1], sys.argv[2], slowly)
"""


@pytest.fixture
def box(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a photo and two films, one of them below."""
    monkeypatch.chdir(tmp_path)
    colorizer = Colorizer(FakeEngine((30.0, 20.0)))
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))
    Path("box/1950").mkdir(parents=True)
    Image.fromarray(fp.scene(3)).save("box/p.png")
    fp.write(Path("box/a.mp4"), fp.moved(6), audio=1)
    fp.write(Path("box/1950/b.avi"), fp.moved(6, seed=4), codec="mpeg4")
    return Path("box")


def color(box, out, progress):
    """Colour the films of a folder as the command does."""
    from koalarize.batch.films import FilmWork, color_many_films
    from koalarize.batch.plan import BatchOptions
    from koalarize.steering.steering import PLAIN

    search = Search([box], films=True)
    assert list(search) == []
    work = FilmWork(FilmOptions(preset="ultrafast"), progress=progress)
    options = BatchOptions(output=Path(out))
    colorizer = Colorizer(FakeEngine((30.0, 20.0)))
    return list(color_many_films(colorizer, search.films, PLAIN, options, work))


def results() -> list[str]:
    return sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.color*"))


def lines() -> list[dict]:
    return [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]


def test_films_are_left_alone_unless_they_are_asked_for(box, capsys):
    assert main(["box", "-o", "out"]) == 0
    assert results() == ["p.color.png"]
    assert "note: 2 films left alone: --films colours them\n" in capsys.readouterr().err
    Path("box/p.png").unlink()
    assert main(["box", "-o", "out"]) == 1
    said = capsys.readouterr().err
    assert "box: holds no picture, only 2 films\n" in said
    assert "note: 2 films left alone: --films colours them\n" in said


def test_globs_find_films_too(box, capsys):
    assert main(["box/*4", "box/*/*", "-o", "out", "--films", *FAST]) == 0
    assert results() == ["1950/b.color.mkv", "a.color.mp4"]
    assert main(["box/*4", "box/*.tif", "-o", "out", "--films", *FAST]) == 1
    assert "box/*.tif: matches no picture" in capsys.readouterr().err


def test_films_are_coloured_after_the_pictures_and_once(box, capsys):
    assert main(["box", "-o", "out", "--films", *FAST, "--report", "r.jsonl"]) == 0
    assert results() == ["1950/b.color.mkv", "a.color.mp4", "p.color.png"]
    assert [Path(line["source"]).name for line in lines()[:-1]] == ["p.png", "a.mp4", "b.avi"]
    assert lines()[-1]["summary"]["colored"] == {"new": 3}
    assert fp.packets_of(Path("out/a.color.mp4")) == fp.packets_of(Path("box/a.mp4"))
    said = capsys.readouterr().err
    assert "note: 2 films to colour (new); the films last " in said
    assert "left alone" not in said
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.color*")}
    assert main(["box", "-o", "out", "--films", *FAST, "--report", "r.jsonl"]) == 0
    assert lines()[-1]["summary"]["skipped"] == {"already coloured": 3}
    assert before == {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.color*")}
    assert main(["box", "-o", "out", "--films", *FAST, "--crf", "30", "--report", "r.jsonl"]) == 0
    assert lines()[-1]["summary"]["colored"] == {"other settings": 2}


def test_results_beside_their_films_are_no_films(box):
    for _ in range(2):
        assert main(["box", "--films", *FAST, "--report", "r.jsonl"]) == 0
    assert lines()[-1]["summary"]["earlier_results"] == 3
    assert sorted(path.name for path in box.glob("*.mp4")) == ["a.color.mp4", "a.mp4"]


def test_a_film_that_is_not_ours_is_left_alone(box, capsys):
    Path("box/a.color.mp4").write_text("mine")
    assert main(["box", "--films", *FAST]) == 1
    assert "a.color.mp4` exists and is not known as koalarize's result" in capsys.readouterr().err
    assert Path("box/a.color.mp4").read_text() == "mine"


def test_two_films_that_want_one_name_get_two(box):
    fp.write(Path("box/1950/b.mkv"), fp.moved(6, seed=5))
    assert main(["box", "-o", "out", "--films", *FAST]) == 0
    assert results() == ["1950/b.color-2.mkv", "1950/b.color.mkv", "a.color.mp4", "p.color.png"]


def test_a_plan_counts_films_and_changes_nothing(box, capsys):
    before = sorted(Path().rglob("*"))
    assert main(["box", "-o", "out", "--films", "--plan"]) == 0
    told = capsys.readouterr().out
    assert f"new: {Path('box/1950/b.avi')} -> {Path('out/1950/b.color.mkv')}\n" in told
    assert "2 films to colour (new), 1 to colour (new); the films last 1 s; about " in told
    assert sorted(Path().rglob("*")) == before


def test_films_that_may_want_one_name_are_of_one_shard(tmp_path):
    from koalarize.batch.films import film_planner
    from koalarize.batch.find import Job
    from koalarize.batch.plan import BatchOptions
    from koalarize.batch.shard import Shard
    from koalarize.steering.steering import PLAIN

    colorizer = Colorizer(FakeEngine((30.0, 20.0)))
    planners = [
        film_planner(
            colorizer,
            PLAIN,
            BatchOptions(tmp_path, shard=Shard(part, 2)),
            FilmOptions(),
            plan_only=True,
        )
        for part in (1, 2)
    ]
    for number in range(16):
        ours = [
            [planner.decide(Job(Path(name), Path(name), found=True)) for planner in planners]
            for name in (f"{number}.avi", f"{number}.mp4")
        ]
        assert [one is None for one in ours[0]] == [other is None for other in ours[1]]
        assert ours[0].count(None) == 1


def test_shards_make_each_film_once(box):
    for part in ("1/2", "2/2"):
        assert main(["box", "-o", "out", "--films", *FAST, "--shard", part]) == 0
    assert results() == ["1950/b.color.mkv", "a.color.mp4", "p.color.png"]


def test_a_film_that_cannot_be_read_is_named_and_tried_again(box, capsys):
    bad = Path("box/bad.mov")
    bad.write_bytes(b"nothing")
    assert main(["box", "-o", "out", "--films", *FAST]) == 1
    assert f"{bad}: cannot be read as a film" in capsys.readouterr().err
    assert len(results()) == 3
    bad.write_bytes(Path("box/a.mp4").read_bytes())
    fp.write(Path("box/new.mp4"), fp.moved(6))
    assert main(["box", "-o", "out", "--films", *FAST, "--retry-failed"]) == 0
    assert Path("out/bad.color.mov").exists()
    assert not Path("out/new.color.mp4").exists()


def test_a_film_damaged_in_part_is_whole_elsewhere_and_ends_with_1(box, capsys, monkeypatch):
    from koalarize.film.read import Reading

    real = Reading.frames

    def damaged(self, entry=None):
        self.damaged.append((0.1, 0.2))
        return real(self, entry)

    monkeypatch.setattr(Reading, "frames", damaged)
    Path("box/1950/b.avi").unlink()
    words = ["box", "-o", "out", "--films", *FAST, "--report", "r.jsonl"]
    assert main(words) == 1
    assert Path("out/a.color.mp4").exists()
    assert "a.mp4: 0:00:00.100 to 0:00:00.200 is damaged" in capsys.readouterr().err
    assert (lines()[1]["status"], lines()[1]["output"]) == ("colored", str(Path("out/a.color.mp4")))
    assert "is damaged and could not be read whole" in lines()[1]["error"]
    assert main(words) == 0  # told once, and not made again
    assert lines()[-1]["summary"]["skipped"] == {"already coloured": 2}
    with_journal = Journal(Path("out/.koalarize.sqlite"), readonly=True)
    assert with_journal.failed(str(Path("box/a.mp4").absolute()))


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_run_goes_on_within_its_film(tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / name).mkdir()
    film = fp.write(tmp_path / "a" / "film.mp4", fp.moved(60), audio=1)
    (tmp_path / "b" / "film.mp4").write_bytes(film.read_bytes())
    monkeypatch.setattr("koalarize.film.make.MOST_PART", 12)
    monkeypatch.setattr("koalarize.film.make.LEAST_PART", 8)
    color(tmp_path / "a", tmp_path / "whole", lambda *_: None)
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), *sys.path]
    script = tmp_path / "run.py"
    script.write_text(_SCRIPT.format(paths=paths))
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "b"), str(out)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if int(line) >= 30:
                break
        run.send_signal(signal.SIGKILL)
    assert not (out / "film.color.mp4").exists()
    done: list[int] = []
    (outcome,) = color(tmp_path / "b", out, lambda _, at: done.append(at.done))
    assert outcome.status == "colored"
    assert done[0] > 12  # what had been made was not made again
    fp.assert_same_film(outcome.output, tmp_path / "whole" / "film.color.mp4")
    assert color(tmp_path / "b", out, None)[0].status == "skipped"


def test_a_film_that_was_not_noted_any_more_is_known(tmp_path, monkeypatch):
    """The process ends between the film's name and its note."""
    (tmp_path / "box").mkdir()
    fp.write(tmp_path / "box" / "film.mp4", fp.moved(6))

    def never(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as ending, pytest.raises(KeyboardInterrupt):
        ending.setattr("koalarize.batch.films._note", never)
        color(tmp_path / "box", tmp_path / "out", lambda *_: None)
    assert (tmp_path / "out" / "film.color.mp4").exists()
    for _ in range(2):
        (outcome,) = color(tmp_path / "box", tmp_path / "out", None)
        assert (outcome.status, outcome.reason) == ("skipped", "already coloured")


@pytest.mark.parametrize("ending", [OSError, KeyboardInterrupt])
def test_a_film_of_a_person_is_kept_after_a_run_that_made_none(tmp_path, monkeypatch, ending):
    (tmp_path / "box").mkdir()
    fp.write(tmp_path / "box" / "film.mp4", fp.moved(6))

    def end(*_, **__):
        raise ending("stopped")

    with monkeypatch.context() as stopped, contextlib.suppress(KeyboardInterrupt):
        stopped.setattr("koalarize.film.film.write_film", end)
        color(tmp_path / "box", tmp_path / "out", lambda *_: None)
    own = tmp_path / "out" / "film.color.mp4"
    own.write_bytes(b"mine")
    (outcome,) = color(tmp_path / "box", tmp_path / "out", None)
    assert (outcome.status, outcome.reason) == ("failed", "not ours")
    assert own.read_bytes() == b"mine"


def test_what_should_be_known_of_a_film_is_said_before_it_is_made(box, capsys, monkeypatch):
    def made(colorizer, source, target, steering, options, *, told, **how):
        told("12 frames that an earlier run coloured are not used")
        assert f"note: {source.name}: 12 frames that" in capsys.readouterr().err
        target.write_bytes(b"film")
        return FilmResult(target, 6)

    monkeypatch.setattr("koalarize.film.film.color_film", made)
    assert main([str(box), "-o", "out", "--films"]) == 0
    assert len(results()) == 3


def test_a_watch_takes_films_that_arrive(box, monkeypatch):
    def once(search, seconds, before, again):
        assert sorted(Path(name).name for name in before) == ["a.mp4", "b.avi", "p.png"]
        fp.write(Path("box/late.mp4"), fp.moved(6))
        yield [job for job in search() if job.source.name == "late.mp4"]

    monkeypatch.setattr("koalarize.cli.folders.watch", once)
    assert main(["box", "-o", "out", "--films", *FAST, "--watch", "1"]) == 0
    assert "late.color.mp4" in results()


def test_films_and_pictures_have_rates_of_their_own(tmp_path):
    source = tmp_path / "x"
    source.write_bytes(b"1234")
    journal = Journal(tmp_path / "j.sqlite")
    of = Stamp.of(source)
    journal.finish(tmp_path / "a.png", Made("a", "", of, Stamp(8, 0), 2.0))
    journal.finish(tmp_path / "b.color.MKV", Made("b", "", of, Stamp(4, 0), 400.0))
    assert journal.rates()[:2] == (0.5, 2.0)
    assert journal.rates(films=True)[:2] == (100.0, 1.0)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["box", "--films", "--from", "3"], "`--from` is for one film"),
        (["box", "--films", "--shots", "x"], "`--shots` is for one film"),
        (["box", "--films", "--preview", "3"], "`--preview` is for one film"),
        (["box", "--films", "--compare"], "`--compare` is for pictures alone"),
        (["box", "--films", "--keep-color"], "`--keep-color` is for pictures"),
        (["box", "--films", "--hint", "1,2=#ff0000"], "`--hint` is for one picture but 3"),
        (["box/a.mp4", "--films"], "`--films` is for folders"),
        (["box", "--crf", "20"], "add --films"),
    ],
)
def test_what_has_no_place_is_refused_before_any_work(box, capsys, words, named):
    assert main([*words, "-o", "out"]) == 2
    assert named in capsys.readouterr().err
    assert not list(Path("out").glob("*.color*"))


@pytest.mark.usefixtures("interrupts")
@pytest.mark.skipif(os.name != "posix", reason="sends SIGTERM")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_says_what_is_kept_of_a_film_in_a_folder(box, monkeypatch, capsys, sent):
    """SIGTERM ended it in silence; Ctrl-C said nothing of the film."""

    class Signalling(FakeEngine):
        def run(self, lightness, hints=None):
            if Path("out/p.color.png").exists():  # pictures are first
                os.kill(os.getpid(), sent)
            return super().run(lightness, hints)

    colorizer = Colorizer(Signalling((30.0, 20.0)))
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))
    assert main(["box", "-o", "out", "--films", *FAST]) == 130
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert "of a.mp4 was whole; the same command begins again" in capsys.readouterr().err
    assert results() == ["p.color.png"]


def test_a_full_disk_ends_a_run_with_what_is_kept_of_the_film(box, capsys, monkeypatch):
    asked: list[str] = []

    def full(colorizer, source, *given, **named):
        asked.append(source.name)
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise OutputError("no space; what is coloured already is kept") from error

    monkeypatch.setattr("koalarize.film.film.color_film", full)
    assert main(["box", "-o", "out", "--films", *FAST]) == 1
    assert asked == ["a.mp4"]
    assert "error: no space; what is coloured already is kept\n" in capsys.readouterr().err
