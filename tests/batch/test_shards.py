"""What shards have noted is known to a run without one: failures, and how long pictures took."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from fakes import Reddener
from koalarize.batch.find import find_pictures
from koalarize.batch.forecast import Forecast
from koalarize.batch.journal import JOURNAL, Journal
from koalarize.batch.plan import BatchOptions, Outcome, Planner, Task
from koalarize.batch.run import asked_of, colorize_many, plan_many
from koalarize.batch.shard import Shard
from koalarize.steering.steering import PLAIN


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that two shards have worked on, where two pictures could not be read."""
    monkeypatch.chdir(tmp_path)
    Path("box").mkdir()
    for number in range(8):
        Image.new("L", (8, 6), number).save(f"box/{number}.png")
    for name in ("bad.png", "worse.png"):
        Path("box", name).write_bytes(b"no picture")
    for number in (1, 2):
        run(shard=Shard(number, 2))
    return Path("box")


def run(**options: object) -> list[Outcome]:
    asked = BatchOptions(output=Path("out"), **options)  # type: ignore[arg-type]
    return list(colorize_many(Reddener(), find_pictures(["box"]), options=asked))  # type: ignore[arg-type]


def test_a_run_without_a_shard_tries_again_what_failed_in_shards(box: Path):
    """It passed over all, in silence."""
    Image.new("L", (8, 6), 99).save("box/bad.png")
    found = {outcome.source.name: outcome for outcome in run(retry_failed=True)}
    assert (found["bad.png"].status, found["worse.png"].status) == ("colored", "failed")
    assert {outcome.reason for outcome in found.values() if outcome.status == "skipped"} == {
        "did not fail before"
    }
    again = {outcome.source.name: outcome.reason for outcome in run(retry_failed=True)}
    assert again["bad.png"] == "already coloured"


def test_a_plan_without_a_shard_knows_failures_and_times_of_shards(box: Path):
    options = BatchOptions(output=Path("out"))
    planner = Planner(options, asked_of(Reddener(), PLAIN, options), plan_only=True)  # type: ignore[arg-type]
    forecast = Forecast(planner.model)
    decisions = [decided for _, decided in plan_many(find_pictures(["box"]), planner)]
    for decided in decisions:
        forecast.add(decided)
    said = [decided.said for decided in decisions if isinstance(decided, Task)]
    assert said == ["new, failed before"] * 2
    assert forecast.sentence(planner.journals, 1).endswith("by the journal")


def test_a_damaged_journal_of_a_shard_is_passed_over(box: Path):
    Path("out/.koalarize-1-of-2.sqlite").write_bytes(b"no journal")
    journal = Journal(Path("out", JOURNAL))
    assert not journal.failed("none")
    journal.close()
