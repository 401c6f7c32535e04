"""Parts of a film: what is whole after a power cut is known; those of other settings wait."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_resume import StopError, Wavering, color, film, listed, short_parts, stop_at

import film_parts as fp
from koalarize import Colorizer, Steering
from koalarize.batch.films import FilmWork, color_many_films
from koalarize.batch.find import Job
from koalarize.batch.plan import BatchOptions, Outcome, Planner
from koalarize.errors import OutputError
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film
from koalarize.film.key import key_of
from koalarize.film.names import work_folder
from koalarize.film.options import PLAIN_FILM, FilmOptions
from koalarize.film.store import Kind, Store, clear_finished

__all__ = ["short_parts"]


def parts_of(source: Path, ending: str) -> list[Path]:
    return sorted(work_folder(source.with_name("film.color.mp4")).rglob(f"*{ending}"))


@pytest.mark.parametrize("left", ["nothing", "no bytes", "half", "other bytes"])
def test_a_part_without_what_its_shot_carries_on_is_made_again(tmp_path, short_parts, left):
    whole = color(film(tmp_path / "a"))
    source = film(tmp_path / "b")
    stop_at(source, 38)
    state = parts_of(source, ".npz")[-1]
    assert state.stem == parts_of(source, ".json")[-2].stem  # `film.json` is the last
    data = state.read_bytes()
    if left == "nothing":
        state.unlink()
    else:
        changed = {"no bytes": b"", "half": data[: len(data) // 2], "other bytes": b"x" * 99}
        state.write_bytes(changed[left])
    again = color(source)
    assert 0 < again.resumed < 38
    fp.assert_same_film(again.path, whole.path)


def test_all_files_of_a_part_are_brought_to_the_disk(tmp_path, short_parts, monkeypatch):
    source = film(tmp_path)
    brought: set[int] = set()
    fsync = os.fsync

    def noting(file):
        brought.add(os.fstat(file).st_ino)
        fsync(file)

    monkeypatch.setattr(os, "fsync", noting)
    stop_at(source, 38)
    names = parts_of(source, ".json") + parts_of(source, ".npz") + parts_of(source, ".packets")
    done = {path.stem for path in parts_of(source, ".json")}
    assert any(path.suffix == ".npz" for path in names)
    kept = [path for path in names if path.stem in done]
    assert [path.name for path in kept if path.stat().st_ino not in brought] == []


def stopped(source: Path, told: list[str], **options) -> None:
    """Stop a run with other settings after its first part."""

    def stop(at):
        if at.done > 20:
            raise StopError

    made = FilmOptions(preset="ultrafast", **options)
    with pytest.raises(StopError):
        color_film(Colorizer(Wavering()), source, options=made, progress=stop, told=told.append)


def test_parts_of_other_settings_wait_until_a_run_is_finished(tmp_path, short_parts):
    whole = color(film(tmp_path / "a"))
    source = film(tmp_path / "b")
    told: list[str] = []
    stopped(source, told)
    assert told == []
    stopped(source, told, steadiness=0.5)
    assert [line.partition(" that")[0] for line in told] == ["15 frames"]
    again = color(source)
    assert again.resumed == 15
    fp.assert_same_film(again.path, whole.path)
    assert not work_folder(again.path).exists()


def test_a_trial_of_a_few_seconds_leaves_what_the_whole_film_has(tmp_path, short_parts):
    source = film(tmp_path / "b")
    stop_at(source, 38)
    options = FilmOptions(preset="ultrafast", stop=0.4)
    named = source.with_name("film.color.mp4")
    trial = color_film(Colorizer(Wavering()), source, named, options=options)
    (note,) = [note for note in trial.notes if "other runs" in note]
    assert note.startswith("31 frames")
    trial.path.unlink()
    assert color(source).resumed == 31
    assert not work_folder(trial.path).exists()


def killed_after_naming(source: Path, monkeypatch, **options) -> Path:
    """Colour a film in a run that ends before it clears up; return the film's own file."""
    with monkeypatch.context() as at:
        for name in ("remove", "keep"):
            at.setattr(Store, name, lambda *_: None)
        return color(source, **options).path


def test_parts_that_have_become_a_film_go_with_the_next_command(tmp_path, short_parts, monkeypatch):
    source = film(tmp_path / "b")
    result = killed_after_naming(source, monkeypatch)
    assert parts_of(source, ".packets")
    with pytest.raises(OutputError, match="exists already"):
        color(source)
    assert not work_folder(result).exists()


def test_parts_that_have_become_a_film_go_with_the_next_run_of_a_folder(
    tmp_path, short_parts, monkeypatch
):
    """There the journal knows the film, which is not made again."""
    source = film(tmp_path / "b")
    result = killed_after_naming(source, monkeypatch)
    job = Job(source, tmp_path / "b")
    done = Outcome(source, result, "skipped")
    monkeypatch.setattr(Planner, "decide", lambda *_: done)
    made = color_many_films(
        Colorizer(Wavering()), [job], Steering(), BatchOptions(), FilmWork(PLAIN_FILM)
    )
    assert list(made) == [done]
    assert not work_folder(result).exists()


@pytest.mark.parametrize("left", ["changed", "in use", "listed"])
def test_parts_that_may_be_of_use_stay(tmp_path, short_parts, monkeypatch, left):
    source, shots = listed(tmp_path / "b")
    result = killed_after_naming(
        source, monkeypatch, **{"shots": shots} if left == "listed" else {}
    )
    before = parts_of(source, ".packets")
    kind = Kind(listed=True)  # of a run at work, which has the lock
    at_work = Store(work_folder(result), "another", kind) if left == "in use" else None
    if left == "changed":
        os.utime(result, (1, 1))
    clear_finished(result)
    assert parts_of(source, ".packets") == before
    if at_work is not None:
        at_work.release()
        clear_finished(result)
        assert parts_of(source, ".packets") == []


def test_a_run_that_is_stopped_at_once_leaves_other_parts(tmp_path, short_parts):
    source = film(tmp_path / "b")
    stop_at(source, 38)
    folder = work_folder(tmp_path / "b" / "film.color.mp4")
    before = {path.name for path in folder.rglob("*.packets")}

    def at_once(_):
        raise StopError

    with pytest.raises(StopError):
        color(source, at_once, steadiness=0.5)
    assert before <= {path.name for path in folder.rglob("*.packets")}
    assert len(list(folder.glob("*/film.json"))) == 1


@pytest.mark.parametrize(
    "of", ["koalarize.film.key.__version__", "onnxruntime.__version__", "cv2.__version__"]
)
def test_another_version_does_not_go_on_with_what_one_began(tmp_path, monkeypatch, of):
    facts = read_facts(film(tmp_path))
    colorizer = Colorizer(Wavering())
    now = key_of(colorizer, facts, Steering(), PLAIN_FILM)
    assert key_of(colorizer, facts, Steering(mark=False), PLAIN_FILM) == now
    monkeypatch.setattr(of, "0.0")
    assert key_of(colorizer, facts, Steering(), PLAIN_FILM) != now


def test_shots_are_not_made_again_for_the_mark(tmp_path, short_parts):
    source, shots = listed(tmp_path / "a")
    color(source, shots=shots)
    options = FilmOptions(preset="ultrafast", shots=shots)
    unmarked = Steering(mark=False)
    again = color_film(Colorizer(Wavering()), source, None, unmarked, options, overwrite=True)
    assert again.resumed == again.frames
