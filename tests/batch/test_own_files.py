"""Results without a mark are no pictures in later runs; comparisons show the colours of today."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PIL import Image
from test_judged_again import AGAIN, CHANGED, VIVID, Interrupting, Vivid, killed_at
from test_whose import DONE, picture, run, told

from koalarize.batch.find import Search, find_pictures
from koalarize.batch.journal import JOURNAL
from koalarize.batch.plan import BatchOptions, Outcome, Planner
from koalarize.batch.run import asked_of, colorize_many, plan_many
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN, Steering

OWN = ("skipped", "result of koalarize")


def searched(box: Path, options: BatchOptions) -> list[tuple[str, str]]:
    """Plan a run, do it, and tell what both say."""
    planner = Planner(options, asked_of(Vivid(), PLAIN, options), plan_only=True)  # type: ignore[arg-type]
    planned = [one for _, one in plan_many(Search([box], name=options.name), planner)]
    for journal in planner.journals:
        journal.close()
    found = Search([box], name=options.name)
    outcomes = told(list(colorize_many(Vivid(), found, PLAIN, options)))  # type: ignore[arg-type]
    as_run = [
        (one.status, one.reason) if isinstance(one, Outcome) else ("colored", one.why.value)
        for one in planned
    ]
    assert as_run == outcomes
    return outcomes


def files(box: Path) -> list[str]:
    return sorted(path.relative_to(box).as_posix() for path in box.rglob("*.*") if path.is_file())


# -- results without a mark -------------------------------------------------------------------


@pytest.mark.parametrize("journal", ["kept", "lost"])
def test_the_output_folder_in_the_searched_one_is_passed_over(tmp_path: Path, journal: str):
    box = picture(tmp_path / "box" / "a.bmp").parent
    options = BatchOptions(output=box / "out")
    assert searched(box, options) == [("colored", "new")]
    if journal == "lost":
        (box / "out" / JOURNAL).unlink()
        (box / "out" / "a.color.bmp").rename(box / "out" / "b.bmp")
    passed = ("skipped", "in the output folder")
    assert searched(box, options) == [DONE if journal == "kept" else ("colored", "new"), passed]
    assert not (box / "out" / "out").exists()


def test_what_is_searched_in_the_output_folder_is_coloured(tmp_path: Path):
    """The folder itself, or one in it, is named as what is to be coloured."""
    box = picture(tmp_path / "out" / "new" / "a.bmp").parent
    for given, output in ((box, box.parent), (box.parent, box.parent)):
        assert ("colored", "new") in searched(given, BatchOptions(output=output))


def test_results_without_a_mark_beside_their_pictures_are_no_pictures(tmp_path: Path):
    box = picture(tmp_path / "box" / "a.bmp").parent
    options = BatchOptions(name="{stem}_c")
    assert searched(box, options) == [("colored", "new")]
    assert searched(box, options) == [DONE, OWN]
    assert files(box) == [JOURNAL, "a.bmp", "a_c.bmp"]


def test_a_result_that_only_was_announced_is_no_picture(tmp_path: Path, monkeypatch):
    box = picture(tmp_path / "box" / "a.bmp").parent
    options = BatchOptions(name="{stem}_c")
    with killed_at(monkeypatch, "koalarize.batch.run._noted"):
        list(colorize_many(Vivid(), Search([box]), PLAIN, options))  # type: ignore[arg-type]
    assert searched(box, options) == [DONE, OWN]


def test_a_result_of_another_name_is_no_picture_though_the_journal_is_lost(tmp_path: Path):
    """Its mark tells; one that is named itself is coloured all the same."""
    box = picture(tmp_path / "box" / "a.png").parent
    red = Vivid()
    assert told(run(red, box, name="{stem} (color)")) == [("colored", "new")]
    (box / JOURNAL).unlink()
    assert told(run(red, box)) == [OWN, ("colored", "new")]
    assert files(box) == [JOURNAL, "a (color).png", "a.color.png", "a.png"]
    assert told(run(red, box / "a (color).png")) == [("colored", "new")]


def test_a_result_that_is_named_itself_is_coloured(tmp_path: Path):
    box = picture(tmp_path / "box" / "a.bmp").parent
    journal = tmp_path / "own.sqlite"
    run(Vivid(), box, name="{stem}_c", journal=journal)
    assert told(run(Vivid(), box / "a_c.bmp", journal=journal)) == [("colored", "new")]


# -- comparisons ------------------------------------------------------------------------------


def side(box: Path, ending: str = "png") -> int:
    """Return how much green the coloured half of the comparison has."""
    return int(Photo.read(box / f"a.compare.{ending}").pixels[0, -1, 1])


@pytest.fixture(params=["png", "bmp", "no mark"])
def kind(request) -> tuple[str, bool]:
    """The ending of a picture, and whether its results are marked if they can be."""
    return ("png", False) if request.param == "no mark" else (request.param, True)


def test_a_comparison_is_made_again_with_its_result(tmp_path: Path, kind):
    ending, mark = kind
    box = picture(tmp_path / "box" / f"a.{ending}").parent
    plain, vivid = (dataclasses.replace(one, mark=mark) for one in (PLAIN, VIVID))
    run(Vivid(), box, steering=plain, compare=True)
    assert side(box, ending) == 64
    assert told(run(Vivid(), box, steering=vivid)) == [AGAIN]  # not asked for, but it is there
    assert side(box, ending) == 32
    assert told(run(Vivid(), box, steering=vivid, compare=True)) == [DONE]
    assert told(run(Vivid(), box, steering=plain, compare=True)) == [AGAIN]
    assert side(box, ending) == 64
    (box / f"a.color.{ending}").unlink()
    run(Vivid(), box, steering=vivid)
    assert side(box, ending) == 32


def test_a_comparison_of_an_earlier_result_is_not_done(tmp_path: Path):
    """Earlier versions left it where they made its result again."""
    box = picture(tmp_path / "box" / "a.png").parent
    run(Vivid(), box, compare=True)
    old = (box / "a.compare.png").read_bytes()
    run(Vivid(), box, steering=VIVID, compare=True)
    (box / "a.compare.png").write_bytes(old)
    (box / JOURNAL).unlink()
    assert told(run(Vivid(), box, steering=VIVID, compare=True)) == [AGAIN]
    assert side(box) == 32


def test_a_killed_run_leaves_no_result_with_an_older_comparison(tmp_path, monkeypatch, kind):
    from koalarize.batch import stage

    ending, mark = kind
    box = picture(tmp_path / "box" / f"a.{ending}").parent
    plain, vivid = (dataclasses.replace(one, mark=mark) for one in (PLAIN, VIVID))
    run(Vivid(), box, steering=plain, compare=True)
    named = stage.put_in_place

    def once(path: Path, name: Path) -> None:
        named(path, name)
        raise KeyboardInterrupt

    with monkeypatch.context() as ending_run, pytest.raises(KeyboardInterrupt):
        ending_run.setattr(stage, "put_in_place", once)
        run(Vivid(), box, steering=vivid, compare=True)
    assert (side(box, ending), told(run(Vivid(), box, steering=vivid))) == (32, [AGAIN])
    assert told(run(Vivid(), box, steering=vivid, compare=True)) == [DONE]


def retouched(path: Path) -> bytes:
    """Change a pixel as an image program does, which keeps the XMP and the profile."""
    with Image.open(path) as image:
        image.load()
        image.putpixel((0, 0), (1, 2, 3))
        image.save(
            path, **{key: image.info[key] for key in ("xmp", "icc_profile") if key in image.info}
        )
    return path.read_bytes()


@pytest.mark.parametrize("lost", [False, True])
def test_a_comparison_that_a_person_changed_is_kept(tmp_path: Path, lost: bool):
    box = picture(tmp_path / "box" / "a.jpg").parent
    run(Vivid(), box, compare=True)
    place = box / "a.compare.jpg"
    own = retouched(place)
    if lost:
        (box / JOURNAL).unlink()
    for steering in (VIVID, PLAIN):
        (outcome,) = run(Vivid(), box, steering=steering, compare=True)
        assert told([outcome]) == [CHANGED]
        assert str(place) in (outcome.error or "")
    assert told(run(Vivid(), box, steering=VIVID)) == [AGAIN]  # and it is no matter without it
    assert place.read_bytes() == own
    assert told(run(Vivid(), box, compare=True, overwrite=True))[0][0] == "colored"
    assert place.read_bytes() != own


@pytest.mark.parametrize("compare", [False, True])
def test_a_comparison_changed_while_its_picture_is_coloured_is_kept(tmp_path: Path, compare: bool):
    box = picture(tmp_path / "box" / "a.png").parent
    run(Vivid(), box, compare=True)
    result, place = box / "a.color.png", box / "a.compare.png"
    before = result.read_bytes()
    red = Interrupting("a.png", place, late=True)
    outcomes = told(run(red, box, steering=VIVID, compare=compare))
    assert outcomes == [CHANGED if compare else AGAIN]
    assert place.read_bytes() == b"work of a person"
    assert (result.read_bytes() == before) is compare


def test_a_result_of_an_earlier_version_is_kept_though_a_comparison_is_missing(tmp_path: Path):
    box = picture(tmp_path / "box" / "a.png").parent
    run(Vivid(), box, steering=Steering(mark=False))
    (box / JOURNAL).unlink()
    own = retouched(box / "a.color.png")
    outcomes = told(run(Vivid(), box, compare=True))
    assert outcomes == [("skipped", "made by an earlier version")]
    assert (box / "a.color.png").read_bytes() == own


def test_a_comparison_of_nobody_knows_whom_is_kept(tmp_path: Path):
    box = picture(tmp_path / "box" / "a.png").parent
    own = picture(box / "a.compare.png", 3).read_bytes()
    assert searched(box, BatchOptions(compare=True)) == [("failed", "not ours")]
    assert told(run(Vivid(), box)) == [("colored", "new")]
    assert (box / "a.compare.png").read_bytes() == own


@pytest.mark.parametrize("changed", [False, True])
def test_a_comparison_of_an_earlier_picture_is_replaced_unless_changed(tmp_path, changed: bool):
    """Its result was deleted, and no journal knows it."""
    box, out = picture(tmp_path / "box" / "a.jpg").parent, tmp_path / "out"
    run(Vivid(), box, output=out, compare=True)
    (out / "a.color.jpg").unlink()
    (out / JOURNAL).unlink()
    place = out / "a.compare.jpg"
    before = retouched(place) if changed else place.read_bytes()
    picture(box / "a.jpg", 40)
    outcomes = searched(box, BatchOptions(output=out, compare=True))
    assert outcomes == [("failed", "not ours") if changed else ("colored", "new")]
    assert (place.read_bytes() == before) is changed


def test_a_named_picture_gets_its_comparison_again(tmp_path: Path):
    source = picture(tmp_path / "a.png")
    for steering, green in ((PLAIN, 64), (VIVID, 32)):
        (outcome,) = colorize_many(  # type: ignore[arg-type]
            Vivid(), find_pictures([source]), steering, BatchOptions(compare=True)
        )
        assert outcome.status == "colored"
        assert side(tmp_path) == green
