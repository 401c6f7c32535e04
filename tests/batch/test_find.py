"""Finding pictures: what is passed over is counted, what is linked is found once."""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from koalarize.batch.find import Job, Search, find_all, find_pictures
from koalarize.batch.forecast import Forecast
from koalarize.batch.plan import BatchOptions, Planner
from koalarize.batch.run import plan_many
from koalarize.batch.spill import Seen
from koalarize.cli import main
from koalarize.errors import OutputError
from koalarize.photo import files
from koalarize.photo.photo import Photo
from koalarize.photo.provenance import Provenance

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 3), 128).save(path, "PNG")
    return path


def names(jobs: list[Job]) -> list[str]:
    return [job.relative.as_posix() for job in jobs]


def test_files_of_other_kinds_are_counted(tmp_path: Path):
    for name in ("a.png", "b.heic", "c.HEIC", "sub/d.xcf", "README", ".hidden", "a.color.png"):
        picture(tmp_path / name)
    found = find_all([tmp_path, tmp_path / "*"])
    assert names(found.jobs) == ["a.png"]
    assert found.unread == {".heic": 2, ".xcf": 1, "": 1}


def test_heic_is_found_where_the_extra_is_installed(tmp_path: Path, monkeypatch):
    picture(tmp_path / "b.heic")
    monkeypatch.setattr(files.importlib.util, "find_spec", lambda name: name == "pillow_heif")
    assert names(find_pictures([tmp_path])) == ["b.heic"]


@pytest.mark.parametrize("name", ["layers.psd", "old.pcx", "moving.apng"])
def test_kinds_that_pillow_reads_are_found(tmp_path: Path, name: str):
    picture(tmp_path / name)
    assert names(find_pictures([tmp_path])) == [name]


@pytest.mark.parametrize("how", ["folder", "glob"])
def test_a_photo_called_like_a_result_is_a_photo(tmp_path: Path, how: str):
    picture(tmp_path / "anna.color.png")
    picture(tmp_path / "bert.png")
    picture(tmp_path / "bert.color.png")
    picture(tmp_path / "bert.compare.png")
    given = tmp_path if how == "folder" else tmp_path / "*.png"
    assert names(find_pictures([given])) == ["anna.color.png", "bert.png"]


def test_the_original_of_a_result_may_be_of_another_format(tmp_path: Path):
    picture(tmp_path / "a.gif")
    picture(tmp_path / "a.color.png")
    assert names(find_pictures([tmp_path])) == ["a.gif"]


def test_folders_of_other_programs_that_a_shell_names_are_passed_over(tmp_path: Path):
    """As `box/*` does; each thumbnail of a Synology was coloured."""
    for name in (
        "@eaDir/a.png/small.png",
        "1950/b.png",
        "c.png",
        "A.photoslibrary/resources/d.png",
    ):
        picture(tmp_path / name)
    picture(tmp_path / "A.photoslibrary" / "originals" / "e.png")
    assert names(find_pictures(sorted(tmp_path.iterdir()))) == ["b.png", "originals/e.png", "c.png"]
    assert names(find_pictures(sorted((tmp_path / "A.photoslibrary").iterdir()))) == ["e.png"]
    assert names(find_pictures([tmp_path / "@eaDir"])) == ["a.png/small.png"]


@pytest.mark.parametrize("folder", ["@eaDir", "#recycle", "@Recycle", "#snapshot", "$RECYCLE.BIN"])
def test_folders_of_other_programs_are_passed_over(tmp_path: Path, folder: str):
    picture(tmp_path / folder / "a.png")
    picture(tmp_path / "b.png")
    assert names(find_pictures([tmp_path])) == ["b.png"]
    assert names(find_pictures([tmp_path / "**" / "*.png"])) == ["b.png"]


@pytest.mark.parametrize("how", ["folder", "glob", "deep glob"])
def test_copies_in_a_library_of_photos_are_passed_over(tmp_path: Path, how: str):
    library = tmp_path / "Photos Library.photoslibrary"
    picture(library / "originals" / "0" / "a.png")
    picture(library / "resources" / "derivatives" / "a_1_105_c.png")
    picture(tmp_path / "resources" / "b.png")
    given = {"folder": tmp_path, "glob": tmp_path / "*", "deep glob": tmp_path / "**/*.png"}[how]
    assert [job.source.name for job in find_pictures([given])] == ["a.png", "b.png"]
    assert [job.source.name for job in find_pictures([library / "*"])] == ["a.png"]


def test_too_little_room_for_the_names_of_an_archive_is_an_error():
    seen = Seen()
    seen._database.execute("PRAGMA max_page_count = 3")
    with pytest.raises(OutputError, match=r"find no room in a temporary file .* SQLITE_TMPDIR"):
        for number in range(1000):
            seen.add(f"{number} {'x' * 100}")


@POSIX
def test_linked_folders_are_searched_once(tmp_path: Path):
    box = tmp_path / "box"
    picture(tmp_path / "elsewhere" / "a.png")
    picture(box / "sub" / "b.png")
    (box / "linked").symlink_to(tmp_path / "elsewhere")
    (box / "sub" / "up").symlink_to(box)
    (box / "sub" / "again").symlink_to(tmp_path / "elsewhere")
    assert names(find_pictures([box])) == ["linked/a.png", "sub/b.png"]
    assert names(find_pictures([box / "**" / "*.png"])) == ["linked/a.png", "sub/b.png"]


@POSIX
@pytest.mark.parametrize("pattern", ["**/*.png", "**/**/*.png", "s*/**/*.png", "**"])
def test_links_that_lead_up_end_a_glob_too(tmp_path: Path, pattern: str):
    """Two of them double the ways to a picture at each level: who follows all never ends."""
    picture(tmp_path / "a.png")
    picture(tmp_path / "s" / "b.png")
    (tmp_path / "s" / "up").symlink_to(tmp_path)
    (tmp_path / "s" / "loop").symlink_to(tmp_path / "s")
    found = find_pictures([f"{tmp_path}/{pattern}"])
    assert sorted(job.source.name for job in found) == ["a.png", "b.png"]


def test_a_relative_glob_of_all_depths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("a.png", "s/b.png", "s/t/c.png", "x/[t]/d.png", ".hidden/e.png"):
        picture(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    every = ["a.png", "s/b.png", "s/t/c.png", "x/[t]/d.png"]
    assert [job.source.as_posix() for job in find_pictures(["**/*.png"])] == every
    assert [job.source.as_posix() for job in find_pictures(["*/**/t/**/*.png"])] == ["s/t/c.png"]


@POSIX
@pytest.mark.parametrize("how", ["folder", "glob"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, how: str):
    os.mkfifo(tmp_path / "x.jpg")
    picture(tmp_path / "b.png")
    given = tmp_path if how == "folder" else tmp_path / "*"
    assert names(find_pictures([given])) == ["b.png"]


@POSIX
@pytest.mark.parametrize("how", ["", "*", "**"])
def test_a_link_to_nothing_is_named(tmp_path: Path, how: str):
    """As where a share is away, or git-annex has not fetched a photo."""
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("gone.png")
    (tmp_path / "away").symlink_to("/nowhere/share")
    found = find_all([tmp_path / how])
    problems = {job.source.name: job.problem for job in found.jobs}
    assert problems.pop("a.png") is None
    assert "link to a file that is not there" in (problems.pop("b.png") or "")
    assert not problems
    assert found.unread == {"": 1}


@pytest.mark.parametrize("how", ["", "*", "**"])
def test_a_file_that_cannot_be_looked_up_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
):
    """As in a folder that may be listed but not entered; the search ended there."""
    for name in ("a.png", "b.png", "c.png"):
        picture(tmp_path / name)
    stat = Path.stat

    def locked(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if self.name == "b.png":
            raise PermissionError(13, "Permission denied", str(self))
        return stat(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", locked)
    problems = {job.source.name: job.problem for job in find_pictures([tmp_path / how])}
    denied = "cannot be read: permission denied"
    assert problems == {"a.png": None, "b.png": denied, "c.png": None}


@POSIX
def test_a_link_that_cannot_be_followed_hides_no_folder_beside_it(tmp_path: Path):
    (tmp_path / "a").symlink_to("a")
    picture(tmp_path / "sub" / "b.png")
    assert names(find_pictures([f"{tmp_path}/**/*.png"])) == ["sub/b.png"]


@POSIX
def test_a_film_behind_a_lost_link_is_named_where_films_are_wanted(tmp_path: Path):
    (tmp_path / "a.mp4").symlink_to("gone.mp4")
    search = Search([tmp_path], films=True)
    assert [job.source.name for job in search if job.problem] == ["a.mp4"]
    assert not search.films


def result(path: Path) -> Path:
    """A file as koalarize writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return Photo(np.zeros((3, 4, 3), np.uint8)).write(np.zeros((3, 4, 3), np.uint8), path)


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
def test_results_below_the_input_are_no_pictures(tmp_path: Path, kind: str):
    picture(tmp_path / "a.png")
    result(tmp_path / "out" / f"a.color.{kind}")
    picture(tmp_path / "out" / f"anna.color.{kind}")
    assert names(find_pictures([tmp_path])) == ["a.png", f"out/anna.color.{kind}"]


def test_a_folder_of_results_says_so(tmp_path: Path):
    result(tmp_path / "a.color.png")
    (job,) = find_pictures([tmp_path])
    assert "only earlier results" in (job.problem or "")


def test_a_glob_of_films_passes_over_numbered_results_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The plan names each film that the glob has found, though none can be read."""
    pytest.importorskip("av")
    monkeypatch.chdir(tmp_path)
    for name in ("a", "a.color", "a.color-2", "b.Color-13", "b.colors", "c-2"):
        Path(f"{name}.mp4").write_bytes(b"no film")
    assert main(["*.mp4", "--plan"]) == 1
    told = capsys.readouterr().out
    named = [line.split(": ")[1] for line in told.splitlines() if line.startswith("failed: ")]
    assert named == ["a.mp4", "b.colors.mp4", "c-2.mp4"]


def most_memory(box, out):
    """Plan a folder; return how many files there are, and the most memory that Python held."""
    asked = Provenance("koalarize", "koala", None, "{}")
    planner = Planner(BatchOptions(output=out), asked, plan_only=True)
    forecast = Forecast("koala")
    gc.collect()
    tracemalloc.start()
    try:
        for _, decided in plan_many(Search([box]), planner):
            forecast.add(decided)
        return forecast.counts["colored"], tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_plan_holds_no_file_of_another_folder(tmp_path):
    """A million empty files: 158 MB at the peak of the process (2026-11-29)."""
    for folder in range(40):
        (tmp_path / "large" / f"{folder:02}").mkdir(parents=True)
        for number in range(50):
            (tmp_path / "large" / f"{folder:02}" / f"{number:02}.jpg").touch()
    small = tmp_path / "large" / "00"
    most_memory(small, tmp_path / "out")  # what is made once
    few, less = most_memory(small, tmp_path / "out")
    many, more = most_memory(tmp_path / "large", tmp_path / "out")
    assert (few, many) == (50, 2000)
    assert (more - less) / (many - few) < 20  # bytes a file; a path alone takes a hundred


def test_without_a_journal_small_pictures_take_time_too():
    forecast = Forecast("koala")
    for _ in range(300):
        forecast.add_task("new", 10_000)
    assert forecast.cost([], workers=1).seconds == pytest.approx(30.5, abs=0.1)
    assert forecast.cost([], workers=2).seconds == pytest.approx(15.3, abs=0.1)
