"""Finding and colouring many pictures, with a stand-in for the network."""

from __future__ import annotations

import logging
import os
import struct
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import Marking
from koalarize.batch.compare import compare_path
from koalarize.batch.find import Job, find_pictures
from koalarize.batch.run import BatchOptions, Outcome, colorize_many
from koalarize.colorizer.colorizer import Colored
from koalarize.errors import OptionError, OutputError
from koalarize.photo.files import output_path
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN, Steering


class FakeColorizer(Marking):
    """Writes a reddish copy; a file whose name holds a known word raises what the word says."""

    def __init__(self) -> None:
        self.calls: list[dict] = []
        self.active = self.most_active = 0
        self._lock = threading.Lock()
        self.errors = {
            "memory": MemoryError(),
            "bug": RuntimeError("kaput"),
            "locked": PermissionError(13, "Permission denied", "locked.jpg"),
            "option": OptionError("`size` is 3 but must be at least 16."),
        }
        self.pause = 0.0

    def file(
        self, source, target=None, steering=PLAIN, *, overwrite=False, tolerant=False, layer=False
    ):
        with self._lock:
            self.calls.append({"picture": source, "output": target, "steering": steering})
            self.active += 1
            self.most_active = max(self.active, self.most_active)
        try:
            time.sleep(self.pause)
            for word, error in self.errors.items():
                if word in Path(source).name:
                    raise error
            photo = Photo.read(source, tolerant=tolerant)
            marked = self.marked(photo, steering)
            path = marked.write(redden(photo), target or output_path(source), overwrite=overwrite)
            return Colored(photo, path=path, notes=photo.notes_as(path.suffix))
        finally:
            with self._lock:
                self.active -= 1


def redden(photo: Photo) -> np.ndarray:
    grey = photo.pixels if photo.pixels.ndim == 2 else photo.pixels[..., 0]
    return np.dstack([grey, grey // 2, grey // 2])


def picture(path: Path, size=(8, 6), mode="L", color=128) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)
    return path


@pytest.fixture
def fake() -> FakeColorizer:
    return FakeColorizer()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A folder with pictures at two depths and everything that must be passed over."""
    root = tmp_path / "box"
    picture(root / "b.jpg")
    picture(root / "a.png")
    picture(root / "1950" / "B.JPG")
    picture(root / "a.color.png", mode="RGB", color=(200, 100, 100))
    picture(root / "a.compare.png", mode="RGB", color=(200, 100, 100))
    picture(root / ".hidden.jpg")
    picture(root / ".cache" / "c.jpg")
    (root / "notes.txt").write_text("not a picture")
    return root


def sources(jobs: list[Job]) -> list[str]:
    return [job.source.name for job in jobs]


def run(fake: FakeColorizer, jobs: list[Job], **options) -> list[Outcome]:
    steering = options.pop("steering", PLAIN)
    return list(colorize_many(fake, jobs, steering, BatchOptions(**options)))  # type: ignore[arg-type]


# -- finding ----------------------------------------------------------------------------------


def test_folder_is_searched_in_order_and_passes_over_what_is_no_original(box: Path):
    jobs = find_pictures([box])
    assert [job.relative for job in jobs] == [Path("a.png"), Path("b.jpg"), Path("1950/B.JPG")]
    assert all(job.found and job.problem is None for job in jobs)


def test_named_file_is_taken_whatever_its_name(box: Path):
    for name in (".hidden.jpg", "notes.txt", "a.color.png"):
        (job,) = find_pictures([box / name])
        assert (job.source, job.relative, job.found) == (box / name, Path(name), False)


def test_earlier_results_named_beside_their_originals_are_passed_over(box: Path):
    named = sorted(path for path in box.glob("*.png"))  # as a shell expands *.png
    assert sources(find_pictures(named)) == ["a.png"]


def test_each_picture_comes_once(box: Path):
    inputs = [box, box / "a.png", f"{box}/../box/b.jpg", str(box / "*.png")]
    assert sources(find_pictures(inputs)) == ["a.png", "b.jpg", "B.JPG"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a.png"]),
        ("**/*", ["B.JPG", "a.png", "b.jpg"]),
        ("19*", ["B.JPG"]),
        ("[ab].*", ["a.png", "b.jpg"]),
    ],
)
def test_globs_are_expanded(box: Path, pattern: str, expected: list[str]):
    assert sources(find_pictures([f"{box}/{pattern}"])) == expected


def test_glob_keeps_the_structure_below_its_fixed_part(box: Path):
    jobs = find_pictures([str(box / "**" / "*.[jJ]*")])
    assert [job.relative.as_posix() for job in jobs] == ["1950/B.JPG", "b.jpg"]


def test_relative_glob(box: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(box)
    assert [job.relative for job in find_pictures(["1*/*.JPG"])] == [Path("1950/B.JPG")]


def test_file_with_brackets_in_its_name_is_no_glob(tmp_path: Path):
    path = picture(tmp_path / "photo[1].jpg")
    (job,) = find_pictures([path])
    assert job.source == path
    assert not job.found


@pytest.mark.parametrize("name", ["empty", "*.jpg"])
def test_input_without_pictures_is_a_job_with_a_problem(tmp_path: Path, name: str):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    (job,) = find_pictures([tmp_path / name])
    assert job.problem is not None
    assert "no picture" in job.problem
    assert ".jpg" in job.problem


def test_missing_file_is_a_job_of_its_own(tmp_path: Path):
    assert find_pictures([tmp_path / "gone.jpg"])[0].problem is None


def test_impossible_name_is_a_problem():
    (job,) = find_pictures(["x" * 5000 + ".jpg"])
    assert job.problem is None or "cannot be looked up" in job.problem


# -- colouring --------------------------------------------------------------------------------


def test_results_stand_beside_their_pictures_in_the_order_of_the_jobs(box: Path, fake):
    jobs = find_pictures([box])
    outcomes = run(fake, jobs, overwrite=True)
    assert [outcome.source for outcome in outcomes] == [job.source for job in jobs]
    assert [outcome.status for outcome in outcomes] == ["colored"] * 3
    assert outcomes[2].output == box / "1950" / "B.color.JPG"
    assert all(outcome.output and outcome.output.exists() for outcome in outcomes)
    assert all(outcome.seconds > 0 for outcome in outcomes)


def test_output_folder_keeps_the_structure(box: Path, fake, tmp_path: Path):
    before = sorted(box.rglob("*"))
    run(fake, find_pictures([box]), output=tmp_path / "out")
    out = tmp_path / "out"
    made = [path.relative_to(out).as_posix() for path in out.rglob("[!.]*")]
    assert sorted(made) == ["1950", "1950/B.color.JPG", "a.color.png", "b.color.jpg"]
    assert sorted(box.rglob("*")) == before


def test_options_reach_the_colorizer(tmp_path: Path, fake):
    steering = Steering(vividness=1.5, size=96)
    run(fake, [Job(picture(tmp_path / "a.jpg"), Path("a.jpg"))], steering=steering)
    assert fake.calls[0]["steering"] == steering


def test_bad_files_do_not_stop_the_rest(tmp_path: Path, fake, caplog: pytest.LogCaptureFixture):
    for name in ("1", "memory", "bug", "locked", "2"):
        picture(tmp_path / f"{name}.jpg")
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "zero.jpg").write_bytes(b"")
    with caplog.at_level(logging.ERROR):
        outcomes = {out.source.stem: out for out in run(fake, find_pictures([tmp_path]))}
    failed = {name: out.error for name, out in outcomes.items() if out.status == "failed"}
    assert sorted(failed) == ["bug", "locked", "memory", "text", "zero"]
    assert "memory" in failed["memory"]
    assert "ermission denied" in failed["locked"]
    assert "report" in failed["bug"]
    assert [record.exc_info is not None for record in caplog.records] == [True]  # the bug only
    assert sorted(path.name for path in tmp_path.glob("*.color.*")) == [
        "1.color.jpg",
        "2.color.jpg",
    ]


def test_wrong_option_ends_the_run(tmp_path: Path, fake):
    for name in ("a", "b", "option"):
        picture(tmp_path / f"{name}.jpg")
    with pytest.raises(OptionError, match="size"):
        run(fake, find_pictures([tmp_path]))


def test_a_result_is_done_whatever_its_time(box: Path, fake):
    (box / "a.color.png").unlink()
    assert [out.status for out in run(fake, find_pictures([box]))] == ["colored"] * 3
    os.utime(box / "b.color.jpg", (1, 1))
    outcomes = run(fake, find_pictures([box]))
    assert [out.status for out in outcomes] == ["skipped"] * 3
    assert outcomes[0].output == box / "a.color.png"
    again = run(fake, find_pictures([box]), overwrite=True)
    assert [out.status for out in again] == ["colored"] * 3


def test_missing_comparison_is_not_done(box: Path, fake):
    (box / "a.color.png").unlink()
    run(fake, find_pictures([box]))
    (box / "a.compare.png").unlink()
    outcomes = run(fake, find_pictures([box]), compare=True)
    assert [out.status for out in outcomes] == ["colored"] * 3
    assert [out.status for out in run(fake, find_pictures([box]), compare=True)] == ["skipped"] * 3


def test_named_picture_is_colored_again(tmp_path: Path, fake):
    path = picture(tmp_path / "a.jpg")
    for _ in range(2):
        assert run(fake, find_pictures([path]))[0].status == "colored"


def test_existing_target_is_only_replaced_with_overwrite(tmp_path: Path, fake):
    source, target = picture(tmp_path / "a.jpg"), picture(tmp_path / "mine.png")
    before = target.read_bytes()
    job = Job(source, Path("a.jpg"), target=target)
    (outcome,) = run(fake, [job])
    assert outcome.status == "failed"
    assert "exists" in (outcome.error or "")
    assert target.read_bytes() == before
    assert run(fake, [job], overwrite=True)[0].status == "colored"
    assert target.read_bytes() != before


def test_target_in_a_missing_folder_fails(tmp_path: Path, fake):
    job = Job(picture(tmp_path / "a.jpg"), Path("a.jpg"), target=tmp_path / "none" / "a.png")
    assert run(fake, [job])[0].status == "failed"
    assert not (tmp_path / "none").exists()


def test_two_pictures_never_share_a_result(tmp_path: Path, fake):
    picture(tmp_path / "one" / "a.jpg", color=10)
    picture(tmp_path / "two" / "a.jpg", color=200)
    jobs = find_pictures([tmp_path / "one", tmp_path / "two"])
    for status in ("colored", "skipped"):
        first, second = run(fake, jobs, output=tmp_path / "out", workers=2)
        assert (first.status, second.status) == (status, status)
        assert second.output == tmp_path / "out" / "a.color-2.jpg"
        assert str(tmp_path / "one" / "a.jpg") in second.notes[0]
        assert Photo.read(tmp_path / "out" / "a.color.jpg").pixels.max() < 50
        assert Photo.read(tmp_path / "out" / "a.color-2.jpg").pixels.max() > 150


def test_work_overlaps_but_stays_bounded(tmp_path: Path, fake):
    for index in range(12):
        picture(tmp_path / f"{index:02}.png")
    fake.pause = 0.02
    outcomes = run(fake, find_pictures([tmp_path]), workers=3)
    assert [out.source.stem for out in outcomes] == [f"{index:02}" for index in range(12)]
    assert 2 <= fake.most_active <= 3


def test_stopping_early_starts_no_more(tmp_path: Path, fake):
    for index in range(40):
        picture(tmp_path / f"{index:02}.png")
    fake.pause = 0.05
    outcomes = colorize_many(fake, find_pictures([tmp_path]), options=BatchOptions(workers=2))
    next(outcomes)
    outcomes.close()  # as a KeyboardInterrupt does
    assert len(fake.calls) < 12
    assert len(list(tmp_path.glob("*.color.png"))) == len(fake.calls)
    assert not list(tmp_path.glob("*.part"))


def test_no_jobs_no_outcomes(fake):
    assert run(fake, []) == []


@pytest.mark.skipif(
    sys.platform == "win32" or (hasattr(os, "geteuid") and os.geteuid() == 0),
    reason="needs permissions that bind",
)
def test_unwritable_folder_fails(tmp_path: Path, fake):
    source = picture(tmp_path / "a.jpg")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    (outcome,) = run(fake, find_pictures([source]), output=locked)
    assert outcome.status == "failed"


def test_file_where_a_folder_is_needed_fails(tmp_path: Path, fake):
    source = picture(tmp_path / "a.jpg")
    with pytest.raises(OutputError, match="Not a directory") as caught:
        run(fake, find_pictures([source]), output=source / "out")
    assert "\n" not in str(caught.value)


# -- comparisons ------------------------------------------------------------------------------


def test_compare_path():
    assert compare_path(Path("d/a.color.jpg")) == Path("d/a.compare.jpg")
    assert compare_path(Path("d/new.png")) == Path("d/new.compare.png")


@pytest.mark.parametrize("size", [(100, 60), (1, 1), (3, 40)])
def test_comparison_is_grey_then_a_gap_then_color(tmp_path: Path, fake, size):
    source = picture(tmp_path / "a.png", size=size, color=150)
    run(fake, find_pictures([source]), compare=True)
    color = np.asarray(Image.open(tmp_path / "a.color.png").convert("RGB"))
    sheet = np.asarray(Image.open(tmp_path / "a.compare.png").convert("RGB"))
    width, height = size
    assert sheet.shape[0] == height
    assert sheet.shape[1] >= 2 * width + 2
    grey, gap = sheet[:, :width], sheet[:, width:-width]
    assert np.ptp(grey.astype(int), axis=2).max() <= 1
    assert (gap == 255).all()
    assert (sheet[:, -width:] == color).all()


def test_a_panorama_stands_above_its_colours(tmp_path: Path, fake):
    source = picture(tmp_path / "a.png", mode="LA", size=(90, 40), color=(150, 40))
    run(fake, find_pictures([source]), compare=True)
    color = np.asarray(Image.open(tmp_path / "a.color.png"))
    sheet = np.asarray(Image.open(tmp_path / "a.compare.png"))
    assert sheet.shape == (82, 90, 4)
    assert np.ptp(sheet[:40, :, :3].astype(int), axis=2).max() <= 1
    assert (sheet[40:42] == (255, 255, 255, 0)).all()
    assert (sheet[42:] == color).all()


def test_comparison_keeps_alpha(tmp_path: Path, fake):
    source = picture(tmp_path / "a.png", mode="LA", color=(150, 40))
    assert run(fake, find_pictures([source]), compare=True)[0].error is None
    sheet = Image.open(tmp_path / "a.compare.png")
    assert sheet.mode == "RGBA"
    assert sorted(set(np.asarray(sheet)[..., 3].ravel().tolist())) == [0, 40]


def test_existing_comparison_of_a_named_target_is_kept(tmp_path: Path, fake):
    source, taken = picture(tmp_path / "a.jpg"), picture(tmp_path / "new.compare.jpg")
    before = taken.read_bytes()
    job = Job(source, Path("a.jpg"), target=tmp_path / "new.jpg")
    (outcome,) = run(fake, [job], compare=True)
    assert outcome.status == "failed"
    assert taken.read_bytes() == before
    assert not (tmp_path / "new.jpg").exists()


def test_a_large_file_of_no_known_kind_is_refused_before_it_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("koalarize.batch.run.LARGE", 40)
    monkeypatch.setattr("koalarize.batch.journal.sha256_of", lambda path: pytest.fail("read whole"))
    (tmp_path / "a.jpg").write_bytes(b"?" * 40)
    (tmp_path / "b.tif").write_bytes(b"PK\3\4" + bytes(40))
    found = list(colorize_many(FakeColorizer(), find_pictures([tmp_path])))
    assert [one.reason for one in found] == ["no readable picture"] * 2
    assert "its beginning is damaged: give" in str(found[0].error)
    assert "but a ZIP archive: unpack it" in str(found[1].error)


def test_a_large_file_that_only_our_own_reader_reads_is_coloured(tmp_path, monkeypatch):
    monkeypatch.setattr("koalarize.batch.run.LARGE", 40)
    head = struct.pack(">4sH6xHIIHHIIIH", b"8BPS", 1, 1, 3, 4, 16, 1, 0, 0, 0, 0)  # grey, 16 bits
    (tmp_path / "a.psd").write_bytes(head + struct.pack(">12H", *[30000] * 12))
    (found,) = colorize_many(FakeColorizer(), find_pictures([tmp_path]))
    assert found.status == "colored", found.error
