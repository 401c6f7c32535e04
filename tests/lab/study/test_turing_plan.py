"""Whether a person can tell: plan."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import FakeEngine
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import DataError
from koalarize.lab.study.pictures import choose, fingerprint, images_of
from koalarize.lab.study.plan import PRACTICE, Trial, make_plan, make_practice
from koalarize.lab.study.statistics import (
    Share,
    binomial_p,
    bootstrap_people,
    sensitivity,
    wilson,
)
from turing_parts import photo, pixels_of

# scipy.stats.binomtest(k, n).proportion_ci(method="wilson") and .pvalue, SciPy 1.17.1
GOLDEN = [
    (10, 20, 0.299298, 0.700702, 1.0),
    (0, 10, 0.0, 0.277533, 0.001953125),
    (10, 10, 0.722467, 1.0, 0.001953125),
    (7, 50, 0.069508, 0.261862, 2.098677427397888e-07),
    (45, 100, 0.356145, 0.547554, 0.36820161732669615),
    (1, 1, 0.206549, 1.0, 1.0),
]


@pytest.mark.parametrize(("count", "n", "low", "high", "p_value"), GOLDEN)
def test_wilson_and_binomial_agree_with_scipy(count, n, low, high, p_value):
    assert wilson(count, n) == pytest.approx((low, high), abs=1e-6)
    assert binomial_p(count, n) == pytest.approx(p_value, rel=1e-9)


def test_wilson_by_hand():
    # k = 0: the upper bound is z² / (n + z²), with z² = 3.8415
    assert wilson(0, 10) == pytest.approx((0, 3.841459 / 13.841459), abs=1e-6)
    low, high = wilson(0, 10, confidence=0.5)
    assert low == 0
    assert high < wilson(0, 10)[1]


def test_binomial_p_of_many_trials_neither_overflows_nor_leaves_its_range():
    assert 0 < binomial_p(4800, 10_000) < 1e-4
    assert binomial_p(5000, 10_000) == 1.0


def test_sensitivity():
    # scipy.stats.norm.ppf(18.5 / 21) - norm.ppf(8.5 / 21), and minus half their sum
    assert sensitivity(Share(18, 20), Share(8, 20)) == pytest.approx((1.4208015, -0.4693604))
    assert sensitivity(Share(5, 10), Share(5, 10)) == pytest.approx((0, 0), abs=1e-12)
    perfect, _ = sensitivity(Share(10, 10), Share(0, 10))
    assert perfect == pytest.approx(3.3812433)
    d_prime, yes_sayer = sensitivity(Share(19, 20), Share(19, 20))
    assert d_prime == pytest.approx(0)
    assert yes_sayer < 0


def test_bootstrap_over_people():
    assert bootstrap_people([Share(3, 10)]) is None
    assert bootstrap_people([Share(3, 10), Share(0, 0)]) is None
    assert bootstrap_people([Share(3, 10), Share(3, 10)]) == (0.3, 0.3)
    # two people: both bounds are the people themselves, each drawn twice a quarter of the time
    assert bootstrap_people([Share(2, 10), Share(8, 10)]) == (0.2, 0.8)
    many = [Share(count, 20) for count in (5, 9, 12, 6, 10, 8, 11, 7)]
    low, high = bootstrap_people(many)
    assert 0.3 < low < 0.425 < high < 0.55
    assert bootstrap_people(many) == (low, high)


@settings(max_examples=60, deadline=None)
@given(
    mode=st.sampled_from(["single", "pair"]),
    models=st.integers(1, 4),
    trials=st.integers(1, 40),
    checks=st.integers(0, 5),
    photos=st.integers(4, 60),
    seed=st.integers(0, 2**31),
)
def test_a_plan_is_balanced_whatever_is_asked(mode, models, trials, checks, photos, seed):
    checks = min(checks, trials)
    names = [f"m{index}" for index in range(models)]
    pictures = [f"{index}.jpg" for index in range(photos)]
    asked = {"mode": mode, "trials": trials, "catch": checks, "seed": seed}
    plan = make_plan(pictures, names, **asked)
    assert plan == make_plan(pictures, names, **asked)
    kinds = Counter(trial.kind for trial in plan)
    assert len(plan) == trials + checks
    assert kinds["catch"] == checks
    of_model = Counter(trial.model for trial in plan if trial.model)
    if kinds["recoloured"] + kinds["pair"] >= models:
        assert set(of_model) == set(names)
        assert max(of_model.values()) - min(of_model.values()) <= 1
    if mode == "single":
        assert abs(kinds["real"] - kinds["recoloured"]) <= 1
        assert all(trial.side is None for trial in plan)
    else:
        for some in (None, *names):
            sides = Counter(
                trial.side for trial in plan if trial.kind == "pair" and some in (None, trial.model)
            )
            assert abs(sides["left"] - sides["right"]) <= 1
        checked = Counter(trial.side for trial in plan if trial.kind == "catch")
        assert abs(checked["left"] - checked["right"]) <= 1
    shown = Counter(trial.picture for trial in plan)
    assert max(shown.values()) == -(-len(plan) // photos)
    assert all(one.picture != two.picture for one, two in pairwise(plan))


def test_another_seed_gives_another_plan():
    pictures = [f"{index}.jpg" for index in range(50)]
    plans = {
        tuple(make_plan(pictures, ["m"], mode="single", trials=20, catch=2, seed=seed))
        for seed in range(20)
    }
    assert len(plans) == 20
    starts = Counter(plan[0].truth for plan in plans)
    assert min(starts["real"], starts["recoloured"]) >= 3


@pytest.mark.parametrize("seed", range(10))
def test_a_photo_that_must_come_again_comes_in_another_condition(seed):
    pictures = [f"{index}.jpg" for index in range(6)]
    plan = make_plan(pictures, ["a", "b"], mode="single", trials=12, catch=0, seed=seed)
    assert len({(trial.picture, trial.kind, trial.model) for trial in plan}) == 12


def test_attention_checks_are_spread():
    pictures = [f"{index}.jpg" for index in range(60)]
    for seed in range(10):
        plan = make_plan(pictures, ["m"], mode="pair", trials=40, catch=4, seed=seed)
        places = [index for index, trial in enumerate(plan) if trial.kind == "catch"]
        assert [place // 11 for place in places] == [0, 1, 2, 3]


def test_practice_takes_spare_photos_first():
    pictures = [f"{index}.jpg" for index in range(12)]
    plan = make_plan(pictures, ["m"], mode="single", trials=8, catch=0, seed=0)
    practice = make_practice(plan, pictures, ["m"], "single", 0)
    assert len(practice) == PRACTICE
    assert not {trial.picture for trial in practice} & {trial.picture for trial in plan}
    assert Counter(trial.kind for trial in practice) == {"real": 2, "recoloured": 2}
    plan = make_plan(pictures, ["m"], mode="single", trials=12, catch=0, seed=0)
    practice = make_practice(plan, pictures, ["m"], "single", 0)
    assert {trial.picture for trial in practice} == {trial.picture for trial in plan[-4:]}


@pytest.mark.parametrize(
    ("kind", "side", "truth"),
    [
        ("real", None, "real"),
        ("recoloured", None, "recoloured"),
        ("catch", None, "recoloured"),
        ("pair", "left", "left"),
        ("catch", "right", "right"),
    ],
)
def test_what_is_right(kind, side, truth):
    assert Trial(picture="a", kind=kind, side=side).truth == truth


def test_unusable_files_are_counted_by_reason(folder):
    (folder / "broken.jpg").write_bytes(b"not a picture")
    (folder / "empty.png").write_bytes(b"")
    photo(folder / "grey.png", 50, grey=True)
    photo(folder / "tiny.png", 51, size=(63, 200))
    photo(folder / "thin.png", 52, size=(900, 130))  # 64 px high only before it is brought down
    shutil.copy(folder / "00.png", folder / "again.png")
    photo(folder / "01.color.png", 53)  # an earlier result of ours is no photo
    (folder / "notes.txt").write_text("hello")
    chosen = choose(folder, count=100, size=256, seed=0)
    assert chosen.left_out == {"broken": 2, "grey": 1, "tiny": 2, "duplicate": 1}
    assert len(chosen.names) == 12
    assert "01.color.png" not in chosen.names


def test_photos_below_subfolders_are_found_and_drawn_by_the_seed(folder):
    (folder / "deep").mkdir()
    photo(folder / "deep" / "one.png", 99)
    every = choose(folder, count=100, size=96, seed=0).names
    assert "deep/one.png" in every
    drawn = [tuple(choose(folder, count=5, size=96, seed=seed).names) for seed in (1, 1, 2)]
    assert len(drawn[0]) == 5
    assert drawn[0] == drawn[1] != drawn[2]


def test_too_few_photos(tmp_path):
    for seed in range(3):
        photo(tmp_path / f"{seed}.png", seed)
    photo(tmp_path / "grey.png", 9, grey=True)
    with pytest.raises(DataError, match=r"holds 3 usable colour photos \(1 grey left out\).* 4"):
        choose(tmp_path, count=10, size=96, seed=0)
    with pytest.raises(DataError, match="is no folder"):
        choose(tmp_path / "nowhere", count=10, size=96, seed=0)


def test_the_fingerprint_follows_names_and_contents(folder):
    names = ["00.png", "01.png"]
    first = fingerprint(folder, names)
    assert first == fingerprint(folder, [*reversed(names), "00.png"])
    assert first != fingerprint(folder, ["00.png", "02.png"])
    photo(folder / "01.png", 77)
    assert first != fingerprint(folder, names)
    (folder / "01.png").unlink()
    with pytest.raises(DataError, match=r"`01\.png` of this session cannot be read"):
        fingerprint(folder, names)


def original(name: str) -> np.ndarray:
    draw = np.random.default_rng(int(name))
    return draw.integers(0, 256, (70, 90, 3), dtype=np.uint8)


def test_every_version_differs_in_colours_only(colorizers):
    kinds = [
        Trial(picture="3", kind="real"),
        Trial(picture="3", kind="recoloured", model="fake"),
        Trial(picture="3", kind="catch"),
    ]
    files = [images_of(trial, read=original, colorizers=colorizers) for trial in kinds]
    real, recoloured, check = (pixels_of(data) for (data,) in files)
    assert np.array_equal(real, original("3"))
    assert len({len(data) for (data,) in files}) == 1
    labs = [color.srgb_to_lab(pixels) for pixels in (real, recoloured, check)]
    for lab in labs[1:]:
        assert np.abs(lab[..., 0] - labs[0][..., 0]).mean() < 0.5
        assert np.hypot(*(lab - labs[0])[..., 1:].transpose(2, 0, 1)).mean() > 10
    middle = (labs[2][..., 0] > 40) & (labs[2][..., 0] < 80)
    hues = np.degrees(np.arctan2(labs[2][..., 2], labs[2][..., 1]))[middle]
    assert np.histogram(hues, bins=6, range=(-180, 180))[0].min() > 50  # every hue is there


def test_the_sides_of_a_pair(colorizers):
    for kind, model in (("pair", "fake"), ("catch", None)):
        left, right = (
            images_of(
                Trial(picture="3", kind=kind, model=model, side=side),
                read=original,
                colorizers=colorizers,
            )
            for side in ("left", "right")
        )
        assert left == tuple(reversed(right))
        assert np.array_equal(pixels_of(left[0]), original("3"))
        assert not np.array_equal(pixels_of(left[1]), original("3"))


def test_a_file_is_a_valid_png_whose_length_tells_the_size_only(colorizers):
    lengths = set()
    for name in ("1", "2"):
        (data,) = images_of(Trial(picture=name, kind="real"), read=original, colorizers=colorizers)
        lengths.add(len(data))
        place, seen = 8, []
        while place < len(data):
            (size,) = struct.unpack(">I", data[place : place + 4])
            chunk = data[place + 4 : place + 8 + size]
            assert struct.unpack(">I", data[place + 8 + size :][:4])[0] == zlib.crc32(chunk)
            seen.append(chunk[:4])
            place += 12 + size
        assert seen[-2:] == [b"paDd", b"IEND"]
        assert set(seen) == {b"IHDR", b"IDAT", b"paDd", b"IEND"}
    assert len(lengths) == 1


def test_the_model_sees_lightness_only_and_works_for_every_trial():
    for kind, model in (("real", None), ("recoloured", "fake"), ("catch", None)):
        engine = FakeEngine()
        seen = []
        for turn in (0, 1):  # hues turned round at the same lightness
            lab = np.zeros((210, 270, 3), np.float32)  # shrunk, so that rounding evens out
            lab[..., 0] = np.linspace(40, 60, 270, dtype=np.float32)
            lab[..., 1] = (-1) ** turn * 10
            images_of(
                Trial(picture="x", kind=kind, model=model),
                read=lambda _, lab=lab: color.lab_to_srgb(lab, dtype=np.uint8),
                colorizers={"fake": Colorizer(engine, threads=1)},
            )
        seen = [l for l, hints in engine.seen if hints is None]
        assert len(seen) == 2, kind
        assert np.abs(seen[0] - seen[1]).max() < 0.9  # one 8-bit level, stretched
