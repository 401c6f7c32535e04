"""Whose result it is: nothing of another picture's, of a person's or of unknown origin is lost."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import Reddener
from koalarize.batch import naming
from koalarize.batch.find import Job, find_pictures
from koalarize.batch.journal import JOURNAL
from koalarize.batch.run import BatchOptions, Outcome, colorize_many
from koalarize.batch.spill import Claims
from koalarize.colorizer.colorizer import Making
from koalarize.errors import OptionError, OutputError
from koalarize.photo.files import output_path
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN, Steering


def picture(path: Path, level: int = 128) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = Image.registered_extensions().get(path.suffix.lower(), "PNG")
    Image.new("L", (8, 6), level).save(path, kind)
    return path


def level_of(path: Path) -> int:
    return int(Photo.read(path).pixels[0, 0, 0])


@pytest.fixture
def red() -> Reddener:
    return Reddener()


@pytest.fixture(params=["journal", "no journal"])
def lost(request):
    """Call it between two runs: the journal is kept, or lost."""

    def lose(folder: Path) -> None:
        if request.param == "no journal":
            for path in folder.rglob(".koalarize*"):
                path.unlink()

    return lose


def run(red: Reddener, *inputs: Path, steering=PLAIN, **options) -> list[Outcome]:
    jobs = find_pictures(inputs)
    return list(colorize_many(red, jobs, steering, BatchOptions(**options)))  # type: ignore[arg-type]


def told(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return [(outcome.status, outcome.reason) for outcome in outcomes]


DONE = ("skipped", "already coloured")


def test_two_boxes_one_after_the_other_keep_both(tmp_path: Path, red, lost):
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    picture(one / "IMG_0001.jpg", 50)
    picture(two / "IMG_0001.jpg", 200)
    assert told(run(red, one, output=out)) == [("colored", "new")]
    lost(out)
    (second,) = run(red, two, output=out)
    assert second.output == out / "IMG_0001.color-2.jpg"
    assert "IMG_0001.color.jpg" in second.notes[0]
    lost(out)
    assert told(run(red, two, one, output=out)) == [DONE, DONE]
    assert abs(level_of(out / "IMG_0001.color.jpg") - 50) < 5
    assert abs(level_of(out / "IMG_0001.color-2.jpg") - 200) < 5


@pytest.mark.parametrize(
    "given",
    [
        "folder",
        "folder into itself",
        "folder into another",
        "files",
        "file by a link",
        "and folder",
    ],
)
def test_a_picture_of_the_run_is_never_written_over(tmp_path: Path, red, given: str):
    box, out, link = tmp_path / "box", tmp_path / "out", tmp_path / "link"
    another = given == "folder into another"
    one = picture((tmp_path / "b" if another else box) / "a.png", 50)
    other = picture(box / "ax.png", 200)
    before = other.read_bytes()
    link.symlink_to(box)
    inputs = {
        "folder into another": [one.parent, box],
        "files": [one, other],
        "file by a link": [link / one.name, other],
        "and folder": [one, box],
    }.get(given, [box])
    options = {"name": "{stem}x", "overwrite": True}
    output = box if "into" in given else None
    found = run(red, *inputs, output=output, **options)
    assert told(found) == [("failed", "not ours"), ("colored", "new")]
    assert "another picture to colour and is never written over" in (found[0].error or "")
    assert other.read_bytes() == before
    picture(out / "ax.png")  # is none of this run
    assert told(run(red, *inputs, output=out, **options))[0] == ("colored", "not ours")


def test_a_named_picture_takes_no_other_one_s_result(tmp_path: Path, red, lost):
    out = tmp_path / "out"
    picture(tmp_path / "one" / "IMG.jpg", 50)
    run(red, tmp_path / "one", output=out)
    lost(out)
    (second,) = run(red, picture(tmp_path / "two" / "IMG.jpg", 200), output=out)
    assert second.output == out / "IMG.color-2.jpg"
    assert abs(level_of(out / "IMG.color.jpg") - 50) < 5


@pytest.mark.parametrize("changed", ["the picture", "the settings", "nothing"])
@pytest.mark.parametrize("named", [False, True])
def test_a_retouched_result_stays(tmp_path: Path, red, lost, changed: str, named: bool):
    source = picture(tmp_path / "box" / "oma.jpg")
    given = source if named else tmp_path / "box"
    run(red, given)
    result = source.with_name("oma.color.jpg")
    with Image.open(result) as image:
        image.rotate(180).save(result, xmp=image.info["xmp"])
    before = result.read_bytes()
    if changed == "the picture":
        source.write_bytes(source.read_bytes() + b"a caption")
    lost(tmp_path)
    steering = Steering(vividness=2) if changed == "the settings" else PLAIN
    (outcome,) = run(red, given, steering=steering)
    assert told([outcome]) == [("failed", "changed by somebody")]
    assert str(result) in (outcome.error or "")
    assert "--overwrite" in (outcome.error or "")
    assert result.read_bytes() == before
    assert told(run(red, given, steering=steering, overwrite=True))[0][0] == "colored"
    assert result.read_bytes() != before


@pytest.mark.parametrize("named", [False, True])
def test_a_foreign_file_stays(tmp_path: Path, red, named: bool):
    source = picture(tmp_path / "smith.jpg")
    foreign = picture(tmp_path / "smith.color.jpg", 3)
    before = foreign.read_bytes()
    (outcome,) = run(red, source if named else tmp_path)
    assert told([outcome]) == [("failed", "not ours")]
    assert str(foreign) in (outcome.error or "")
    assert foreign.read_bytes() == before


def test_names_without_an_ending_stay_apart(tmp_path: Path, red):
    named = [picture(tmp_path / f"J. Smith {year}", year - 1900) for year in (1923, 1924)]
    outcomes = run(red, *named)
    assert [outcome.output for outcome in outcomes] == [
        tmp_path / "J. Smith 1923.color.png",
        tmp_path / "J. Smith 1924.color.png",
    ]


def test_pictures_of_one_name_get_a_second_by_rule(tmp_path: Path, red, lost):
    for name, level in (("a.gif", 50), ("a.png", 100), ("a.pgm", 150)):
        picture(tmp_path / name, level)
    for _ in range(2):
        outcomes = run(red, tmp_path)
        assert [outcome.output and outcome.output.name for outcome in outcomes] == [
            "a.color.png",
            "a.color-2.png",
            "a.color-3.png",
        ]
        lost(tmp_path)
    assert told(outcomes) == [DONE] * 3
    assert "a.gif" in outcomes[1].notes[0]
    assert [level_of(outcome.output) for outcome in outcomes] == [50, 150, 100]


def test_case_folding_targets(tmp_path: Path, red, monkeypatch):
    picture(tmp_path / "box" / "A.png", 50)
    picture(tmp_path / "box" / "a.png", 100)
    monkeypatch.setattr("koalarize.batch.naming._folds", lambda folder: folder.name == "out")
    (tmp_path / "out").mkdir()
    outcomes = run(red, tmp_path / "box", output=tmp_path / "out")
    names = [outcome.output and outcome.output.name for outcome in outcomes]
    assert names == ["A.color.png", "a.color-2.png"]


def test_same_source_and_settings_are_done_others_are_made_again(tmp_path: Path, red, lost):
    source = picture(tmp_path / "a.png")
    run(red, tmp_path)
    lost(tmp_path)
    assert told(run(red, tmp_path)) == [DONE]
    lost(tmp_path)
    vivid = Steering(vividness=2)
    assert told(run(red, tmp_path, steering=vivid)) == [("colored", "other settings")]
    lost(tmp_path)
    assert told(run(red, tmp_path, steering=vivid)) == [DONE]
    picture(source, 77)
    lost(tmp_path)
    assert told(run(red, tmp_path, steering=vivid)) == [("colored", "picture changed")]
    assert level_of(tmp_path / "a.color.png") == 77
    os.utime(source)
    lost(tmp_path)
    assert told(run(red, tmp_path, steering=vivid)) == [DONE]


def test_results_of_other_weights_are_made_again_and_called_so(tmp_path: Path, red, lost):
    """As after an update of koalarize, where nobody has given other settings."""
    picture(tmp_path / "a.png")
    run(red, tmp_path)
    lost(tmp_path)
    weights = "weights of another day"
    red.provenance = lambda *how: dataclasses.replace(Reddener().provenance(*how), weights=weights)
    assert told(run(red, tmp_path)) == [("colored", "other model or weights")]
    lost(tmp_path)
    assert told(run(red, tmp_path)) == [DONE]
    lost(tmp_path)
    assert told(run(red, tmp_path, steering=Steering(vividness=2))) == [
        ("colored", "other settings")
    ]


def test_results_of_other_weights_stay_if_that_is_asked(tmp_path: Path, red, lost):
    picture(tmp_path / "a.png")
    run(red, tmp_path)
    lost(tmp_path)
    made = output_path(tmp_path / "a.png").read_bytes()
    red.provenance = lambda *how: dataclasses.replace(Reddener().provenance(*how), weights="b")
    assert told(run(red, tmp_path, keep_earlier=True)) == [("skipped", "other model or weights")]
    assert output_path(tmp_path / "a.png").read_bytes() == made


@pytest.mark.parametrize(("name", "mark"), [("a.bmp", True), ("a.png", False)])
def test_results_without_a_mark_are_known_by_the_journal(tmp_path: Path, red, name, mark):
    source = picture(tmp_path / name)
    steering = Steering(mark=mark)
    run(red, tmp_path, steering=steering)
    assert told(run(red, tmp_path, steering=steering)) == [DONE]
    picture(source, 9)
    assert told(run(red, tmp_path, steering=steering)) == [("colored", "picture changed")]
    result = output_path(source)
    picture(result, 5)
    assert told(run(red, tmp_path, steering=steering)) == [("failed", "changed by somebody")]


def test_results_of_earlier_versions_stay(tmp_path: Path, red):
    source = picture(tmp_path / "a.png")
    photo = Photo.read(source)
    photo.write(np.dstack([photo.pixels] * 3), tmp_path / "a.color.png")
    assert told(run(red, tmp_path)) == [("skipped", "made by an earlier version")]
    assert told(run(red, source)) == [("failed", "made by an earlier version")]
    os.utime(tmp_path / "a.color.png", (1, 1))
    assert told(run(red, tmp_path)) == [("failed", "not ours")]


def test_the_journal_stands_where_it_is_asked(tmp_path: Path, red):
    picture(tmp_path / "box" / "a.png")
    run(red, tmp_path / "box", journal=tmp_path / "own.sqlite")
    assert sorted(path.name for path in tmp_path.rglob("*.sqlite")) == ["own.sqlite"]
    run(red, tmp_path / "box", output=tmp_path / "out")
    assert (tmp_path / "out" / JOURNAL).is_file()


def test_a_journal_of_all_pictures_that_cannot_be_used_ends_the_run(tmp_path: Path, red):
    """One error says so, not one a picture."""
    for name in ("a.png", "b.png"):
        picture(tmp_path / "box" / name)
    run(red, tmp_path / "box", journal=tmp_path / "own.sqlite")
    odd = tmp_path / "odd"
    odd.write_text("no journal")
    with pytest.raises(OutputError, match=r"cannot be opened .* name another with --journal"):
        run(red, tmp_path / "box", journal=odd)
    data = (tmp_path / "own.sqlite").read_bytes()  # with what is no text where its tables are named
    odd.write_bytes(data.replace(b"CREATE TABLE", b"CREATE\xa3TABLE"))
    with pytest.raises(OutputError, match="cannot be opened"):
        run(red, tmp_path / "box", journal=odd)
    made = r"cannot be made .* name a folder for the results with -o"  # as where nobody may write
    with pytest.raises(OutputError, match=made):
        run(red, tmp_path / "box", journal=odd / "own.sqlite")
    (tmp_path / "out" / JOURNAL).mkdir(parents=True)
    with pytest.raises(OutputError, match="a folder has its name"):
        run(red, tmp_path / "box", output=tmp_path / "out")
    (tmp_path / "box" / JOURNAL).unlink(missing_ok=True)
    (tmp_path / "box" / JOURNAL).mkdir()
    with pytest.raises(OutputError, match="a folder has its name"):
        run(red, tmp_path / "box")
    picture(tmp_path / "other" / "c.png")  # another folder has another journal
    assert {outcome.status for outcome in run(red, tmp_path / "box", tmp_path / "other")} == {
        "failed",
        "colored",
    }


def test_names_of_any_bytes_are_no_trouble_for_the_journal(tmp_path: Path, red):
    """Errors name them too."""
    picture(tmp_path / "b.png")
    broken = tmp_path / os.fsdecode(b"a\xff.png")
    try:
        broken.write_bytes(b"no picture")
    except OSError:
        pytest.skip("names are UTF-8 here")
    failed = ("failed", "no readable picture")
    assert told(run(red, tmp_path)) == [failed, ("colored", "new")]
    assert told(run(red, tmp_path, retry_failed=True))[0] == failed
    name = str(broken) + "\udcc3\udca9"  # UTF-8 that the language of the system does not read
    assert Claims().claim(name, name) == name


def test_a_moved_box_is_still_known(tmp_path: Path, red, lost):
    picture(tmp_path / "box" / "a.bmp")
    picture(tmp_path / "box" / "b.png")
    run(red, tmp_path / "box")
    (tmp_path / "box").rename(tmp_path / "moved")
    assert told(run(red, tmp_path / "moved")) == [DONE] * 2


def test_a_name_of_one_s_own(tmp_path: Path, red):
    picture(tmp_path / "a.png")
    for status in ("colored", "skipped"):
        jobs = find_pictures([tmp_path / "a.png"])
        jobs = [dataclasses.replace(job, found=True) for job in jobs]
        options = BatchOptions(name="{stem} (color)")
        (outcome,) = colorize_many(red, jobs, PLAIN, options)  # type: ignore[arg-type]
        assert outcome.output == tmp_path / "a (color).png"
        assert outcome.status == status


@pytest.mark.parametrize("when", [1e9, 1e10])  # the latter in nanoseconds has more than 64 bits
def test_times_of_the_pictures(tmp_path: Path, red, when: float):
    source = picture(tmp_path / "a.png")
    os.utime(source, (when, when))
    run(red, tmp_path, keep_times=True)
    assert (tmp_path / "a.color.png").stat().st_mtime == source.stat().st_mtime
    assert when > 1e9 or source.stat().st_mtime == when
    assert told(run(red, tmp_path)) == [DONE]


def test_shards_share_the_work_and_never_a_name(tmp_path: Path, red):
    from koalarize.batch.shard import Shard

    share = tmp_path / "share"
    for number in range(20):
        picture(share / "box" / f"{number}.png")
        picture(share / "box" / f"{number}.gif")
        picture(share / "box" / f"{number}.bmp")
    found: list[str] = []
    for text in ("1/3", "2/3", "3/3"):
        share = share.rename(f"{share}d")  # each machine has it under a name of its own
        for outcome in run(red, share / "box", output=share / "o", shard=Shard.parse(text)):
            assert outcome.status == "colored"
            found.append(Path(outcome.output or "").name)
    assert len(found) == len(set(found)) == len(red.made) == 60
    assert told(run(red, share / "box", output=share / "o")) == [DONE] * 60  # without marks, too
    for text in ("0/3", "4/3", "x", "1/0", "1"):
        with pytest.raises(OptionError, match="shard"):
            Shard.parse(text)


def test_only_what_failed_is_tried_again(tmp_path: Path, red):
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    run(red, tmp_path)
    picture(tmp_path / "b.png")
    picture(tmp_path / "c.png")
    again = run(red, tmp_path, retry_failed=True)
    assert [outcome.status for outcome in again] == ["skipped", "colored", "skipped"]
    assert told(run(red, tmp_path, retry_failed=True)) == [("skipped", "did not fail before")] * 3


def test_an_exact_target_is_for_one_picture(tmp_path: Path, red):
    sources = [picture(tmp_path / name) for name in ("a.png", "b.png")]
    jobs = [Job(source, Path(source.name), target=tmp_path / "x.png") for source in sources]
    first, second = colorize_many(red, jobs)  # type: ignore[arg-type]
    assert (first.status, second.status) == ("colored", "failed")


def test_what_is_asked_of_files_counts_as_settings(tmp_path):
    """A layer is not what is asked otherwise."""
    source = picture(tmp_path / "box" / "a.png")
    plain = Reddener().provenance()
    other = Reddener().provenance(making=Making(layer=True))
    assert not plain.is_like(other)
    jobs = find_pictures([source.parent])
    out = tmp_path / "out"
    for options, status in (
        (BatchOptions(output=out), "colored"),
        (BatchOptions(output=out), "skipped"),
        (BatchOptions(output=out, layer=True), "colored"),
        (BatchOptions(output=out, layer=True), "skipped"),
    ):
        assert [one.status for one in colorize_many(Reddener(), jobs, options=options)] == [status]


def test_a_folder_that_is_only_read_can_be_asked_how_it_folds(tmp_path: Path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    assert naming._folds(tmp_path) is (os.name == "nt")
