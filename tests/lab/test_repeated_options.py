"""An option that takes a list may be given more than once: all of it counts."""

from __future__ import annotations

import inspect

import pytest

from koalarize.cli import main
from koalarize.errors import OptionError
from koalarize.lab.evaluation import evaluate, fading, probe, showcase


class AskedError(OptionError):
    """Stands for the work: what was asked for is known."""


@pytest.fixture
def asked(monkeypatch):
    """What a command asks of the function behind it, which has its real signature."""
    found = {}
    places = (
        (evaluate, "evaluate"),
        (fading, "measure_fading"),
        (probe, "probe"),
        (showcase, "make_showcase"),
    )
    for module, name in places:
        signature = inspect.signature(getattr(module, name))

        def stand_in(*args, signature=signature, **options):
            found.update(signature.bind(*args, **options).arguments)
            raise AskedError("asked")

        monkeypatch.setattr(module, name, stand_in)
    return found


@pytest.mark.parametrize(
    ("words", "key", "expected"),
    [
        ("evaluate koala --data d --metrics psnr, --metrics ssim,fid", "metrics", "psnr ssim fid"),
        ("evaluate koala --data d --size 64 --size 96,128", "sizes", [64, 96, 128]),
        ("evaluate koala --data d --temperature 0.4 --temperature 1", "temperatures", [0.4, 1]),
        ("fade --data d --metrics ssim --metrics psnr", "metrics", "ssim psnr"),
        ("probe koala --data d --hints 0 --hints 5,10", "hints", [0, 5, 10]),
        ("showcase d --columns grey --columns models", "columns", "grey models"),
        ("probe koala --data d", "hints", [0, 1, 2, 5, 10, 50]),
        ("showcase d", "columns", "grey original models"),
    ],
)
def test_each_time_counts(asked, words, key, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    assert main(["lab", *words.split()]) == 2
    assert asked[key] == (expected.split() if isinstance(expected, str) else expected)


def test_the_default_metrics_are_those_of_the_library(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["lab", "evaluate", "koala", "--data", "d"])
    assert tuple(asked["metrics"]) == evaluate.DEFAULT_METRICS
