"""What a figure calls its runs and scores: names as they are, told apart, numbers to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from koalarize.cli import main
from koalarize.lab.evaluation import plots
from koalarize.lab.evaluation.history import History, Series, read_histories
from koalarize.lab.evaluation.plots import plot_histories


def history(name: str, *losses: float, **scores: Series) -> History:
    steps = [float(step) for step in range(1, 1 + len(losses))]
    return History(name, Series(steps, steps, list(losses)), scores)


@pytest.fixture
def drawn(monkeypatch) -> list[Any]:
    """The figures that are drawn, not encoded."""
    figures: list[Any] = []
    monkeypatch.setattr(plots, "_encode", lambda figure, _: figures.append(figure) or b"")
    return figures


def test_runs_in_folders_of_one_name_have_as_many_folders_as_differ(tmp_path: Path):
    for place in ("mse/seed-1", "l1/seed-1", "l1/seed-2", "old/l1/seed-1"):
        folder = tmp_path / "runs" / place
        folder.mkdir(parents=True)
        (folder / "history.csv").write_text("step,samples,loss\n1,8,3\n")
    runs = [tmp_path / "runs" / place for place in ("mse/seed-1", "l1/seed-1", "l1/seed-2")]
    assert [one.name for one in read_histories(runs)] == ["mse/seed-1", "l1/seed-1", "seed-2"]
    assert [one.name for one in read_histories([runs[0], runs[0] / "history.csv"])] == [
        "seed-1"
    ] * 2
    deep = [runs[1], tmp_path / "runs" / "old" / "l1" / "seed-1"]
    assert [one.name for one in read_histories(deep)] == ["runs/l1/seed-1", "old/l1/seed-1"]


@pytest.mark.parametrize("name", ["_old", "cost$5_$x", "a$b$c"])
def test_a_name_stands_in_the_legend_as_it_is(drawn, name):
    plot_histories([history(name, 3, 2), history("other", 3, 1)])
    texts = drawn[0].axes[0].get_legend().get_texts()
    assert [text.get_text() for text in texts] == [name, "other"]
    drawn[0].canvas.draw()  # where a formula that is none ended in a traceback


def test_scores_that_hardly_differ_are_numbered_without_a_sum(drawn):
    close = Series([1.0, 2.0], [1.0, 2.0], [0.17785189, 0.17785175])
    plot_histories([history("run", 3, 2, ssim=close)])
    drawn[0].canvas.draw()
    assert [panel.yaxis.get_offset_text().get_text() for panel in drawn[0].axes] == ["", ""]


def test_letters_that_the_font_has_not_are_told_in_one_line(tmp_path, capsys, recwarn, caplog):
    folder = tmp_path / "日本"
    folder.mkdir()
    (folder / "history.csv").write_text("step,samples,loss\n1,8,3\n")
    assert main(["lab", "plot", str(folder), "-o", str(tmp_path / "curve.png")]) == 0
    assert [record.getMessage() for record in caplog.records] == [
        "the figure shows `日本` as boxes, as its font has no such letters: a folder of another "
        "name is drawn with its name"
    ]
    assert not recwarn.list
