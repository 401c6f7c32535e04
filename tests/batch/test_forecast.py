"""What a plan says of time: by the model that is asked, whoever's times the journal knows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from koalarize.batch.forecast import Forecast
from koalarize.batch.journal import Journal, Made, Stamp


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Knows that `koala` takes a second for a kilobyte, and `slow` a hundred."""
    found = Journal(tmp_path / "j.sqlite")
    for model, seconds in (("koala", 1.0), ("slow", 100.0)):
        made = Made(model, f"{model} - {{}}", Stamp(1000, 0), Stamp(500, 0), seconds)
        found.finish(tmp_path / f"{model}.png", made)
    return found


def plan(model: str) -> Forecast:
    forecast = Forecast(model)
    for _ in range(10):
        forecast.add_task("new", 1000)
    return forecast


@pytest.mark.parametrize(("model", "seconds"), [("koala", 10.0), ("slow", 1000.0)])
def test_a_model_takes_the_time_that_it_took(journal: Journal, model: str, seconds: float):
    """One that is slower got the mean of both."""
    assert plan(model).cost([journal], 1).seconds == pytest.approx(seconds)
    assert plan(model).sentence([journal], 1).endswith("by the journal")


def test_pictures_of_another_size_take_no_time_by_the_byte_alone(journal: Journal):
    """Most of what a small one takes, the network's steps, each takes once, however large."""
    large, small = Forecast("koala"), Forecast("koala")
    large.add_task("new", 1_000_000)
    for _ in range(1000):
        small.add_task("new", 1)
    assert large.cost([journal], 1).seconds < 100  # 1000 s by the byte
    assert small.cost([journal], 1).seconds > 900  # 1 s by the byte


def test_a_name_that_begins_alike_is_another_model(journal: Journal):
    assert plan("slo").cost([journal], 1).usual


@pytest.mark.parametrize(
    ("model", "seconds"), [("koala", 1.0), ("ddcolor", 90.0), ("koala,ddcolor-tiny", 37.0)]
)
def test_without_a_journal_a_slow_model_takes_longer(model: str, seconds: float):
    assert plan(model).cost([], 1).seconds == pytest.approx(seconds, abs=0.01)
    assert plan(model).sentence([], 1).endswith("by the usual rates")


def test_of_a_model_that_nobody_measured_the_rates_are_said_to_be_of_another():
    assert plan("my").sentence([], 1).endswith("of `koala`; this model may take longer")


def test_a_plan_says_where_the_results_have_no_room(tmp_path: Path, monkeypatch, capsys):
    """A run found out picture by picture."""
    from koalarize.cli import main

    monkeypatch.chdir(tmp_path)
    Image.new("L", (64, 48), 99).save("a.bmp")
    for free, said in ((9_000_000, ""), (2_000, "about 5 kB but `out/new` has room for 2 kB: ")):
        usage = shutil._ntuple_diskusage(9_000_000, 0, free)
        monkeypatch.setattr("shutil.disk_usage", lambda _, usage=usage: usage)
        assert main(["a.bmp", "-o", "out/new/", "--plan"]) == 0
        err = capsys.readouterr().err
        assert said in err
        assert bool(err) == bool(said)
    assert not Path("out").exists()
