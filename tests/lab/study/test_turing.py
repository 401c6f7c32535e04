"""The test with people: plans, numbers, sessions, and the page, over HTTP and in a browser."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import zlib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fakes import FakeEngine
from koalarize import color
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import DataError, OptionError, OutputError
from koalarize.lab.study import session as sessions
from koalarize.lab.study.pictures import choose, fingerprint, images_of
from koalarize.lab.study.plan import PRACTICE, Trial, make_plan, make_practice
from koalarize.lab.study.pool import exclusion, make_report
from koalarize.lab.study.session import Answer, ModelUsed, Record, Settings, read_record
from koalarize.lab.study.statistics import (
    Share,
    binomial_p,
    bootstrap_people,
    sensitivity,
    wilson,
)
from koalarize.lab.study.study import Options, Study, begin_or_resume
from koalarize.web import server
from koalarize.web.study_page.app import create_app

MODELS = (ModelUsed(name="fake", sha256="ab" * 32),)
HOST = "http://127.0.0.1:8765"
SHORT = Options(trials=6, catch=1, size=96, seed=1)


def photo(path: Path, seed: int, size=(96, 80), *, grey: bool = False) -> Path:
    """Write a soft colourful picture that no other seed gives."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(30, 225, (5, 6, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    (image.convert("L") if grey else image).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve usable photos."""
    made = tmp_path / "photos"
    made.mkdir()
    for seed in range(12):
        photo(made / f"{seed:02}.png", seed)
    return made


@pytest.fixture
def colorizers() -> dict[str, Colorizer]:
    return {"fake": Colorizer(FakeEngine((25.0, -20.0)), threads=1)}


@pytest.fixture
def study(folder, colorizers, tmp_path):
    session = begin_or_resume(folder, MODELS, SHORT, tmp_path / "s.json")
    with contextlib.closing(Study(session, folder, colorizers)) as made:
        yield made


@pytest.fixture
def client(study):
    with TestClient(create_app(study), base_url=HOST) as made:
        yield made


def key_of(path: Path) -> list[str]:
    return [trial.truth for trial in read_record(path).plan]


def open_trial(client: TestClient, *, practice: bool = False) -> dict:
    for _ in range(50):
        response = client.post("/api/next", json={"practice": practice})
        if response.status_code != 202:
            assert response.status_code == 200, response.text
            return response.json()
    raise AssertionError("the pictures were never ready")


def give(client: TestClient, trial: str, answer: str, **more):
    body = {"trial": trial, "answer": answer, "shown_ms": 1000.0, "reaction_ms": 500.0, **more}
    return client.post("/api/answer", json=body)


# -- numbers ----------------------------------------------------------------------------------

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


# -- plans ------------------------------------------------------------------------------------


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


# -- photos -----------------------------------------------------------------------------------


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


def pixels_of(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    assert image.info == {}
    return np.asarray(image)


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
            lab = np.zeros((70, 90, 3), np.float32)
            lab[..., 0] = np.linspace(40, 60, 90, dtype=np.float32)
            lab[..., 1] = (-1) ** turn * 10
            images_of(
                Trial(picture="x", kind=kind, model=model),
                read=lambda _, lab=lab: color.lab_to_srgb(lab, dtype=np.uint8),
                colorizers={"fake": Colorizer(engine, threads=1)},
            )
        seen = [l for l, hints in engine.seen if hints is None]
        assert len(seen) == 2, kind
        assert np.abs(seen[0] - seen[1]).max() < 0.6  # one 8-bit level


# -- sessions ---------------------------------------------------------------------------------


def test_a_session_is_written_at_once_and_goes_on(folder, tmp_path):
    path = tmp_path / "s.json"
    session = begin_or_resume(folder, MODELS, SHORT, path)
    assert json.loads(path.read_text())["format"] == sessions.FORMAT
    session.opened()
    session.answered("real", shown_ms=1000.123, reaction_ms=400, interrupted=False)
    session.opened()  # ... and the program stops here
    again = begin_or_resume(folder, MODELS, SHORT, path)
    assert again.record == session.record
    assert again.record.answers[0].shown_ms == 1000.12
    again.opened()
    again.answered("real", shown_ms=1000, reaction_ms=400, interrupted=False)
    assert [answer.views for answer in read_record(path).answers] == [1, 2]
    assert again.next_trial == again.record.plan[2]
    assert not [other for other in tmp_path.iterdir() if other.suffix == ".part"]


def test_without_a_seed_one_is_drawn_and_kept(folder, tmp_path):
    options = Options(trials=6, catch=0, size=96)
    drawn = [begin_or_resume(folder, MODELS, options, tmp_path / f"{i}.json") for i in range(3)]
    assert len({session.record.settings.seed for session in drawn}) == 3
    again = begin_or_resume(folder, MODELS, options, tmp_path / "0.json")
    assert again.record == drawn[0].record


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"mode": "pair"}, "--mode"),
        ({"seconds": 0.5}, "--seconds"),
        ({"trials": 7}, "--trials"),
        ({"size": 128}, "--size"),
        ({"catch": 0}, "--catch"),
        ({"seed": 2}, "--seed"),
        ({"person": "Ada"}, "--person"),
    ],
)
def test_other_settings_do_not_touch_a_session(folder, tmp_path, change, option):
    path = tmp_path / "s.json"
    begin_or_resume(folder, MODELS, SHORT, path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=f"begun with `{option}` .* another `--session`"):
        begin_or_resume(folder, MODELS, Options(**{**vars(SHORT), **change}), path)
    assert path.read_bytes() == before


def test_another_model_or_other_photos_do_not_touch_a_session(folder, tmp_path):
    path = tmp_path / "s.json"
    session = begin_or_resume(folder, MODELS, SHORT, path)
    other = (ModelUsed(name="fake", sha256="cd" * 32),)
    with pytest.raises(
        DataError, match=r"begun with `--model` `fake` \(abababab\), not .*cdcdcdcd"
    ):
        begin_or_resume(folder, other, SHORT, path)
    photo(folder / "new.png", 200)  # one more photo changes nothing
    begin_or_resume(folder, MODELS, SHORT, path)
    photo(folder / session.record.plan[0].picture, 201)
    with pytest.raises(DataError, match="not as they were"):
        begin_or_resume(folder, MODELS, SHORT, path)


def broken_records() -> list:
    def other(**change):
        return lambda record: {**record, **change}

    def settings_of(**change):
        return lambda record: {**record, "settings": {**record["settings"], **change}}

    answer = {"trial": 0, "answer": "real", "shown_ms": 1, "reaction_ms": 1, "at": "now"}
    return [
        other(format="koalarize-turing-9"),
        other(extra=1),
        other(plan=[]),
        other(answers=[{**answer, "trial": 1}]),
        other(answers=[{**answer, "answer": "left"}]),
        other(answers=[{**answer, "answer": "perhaps"}]),
        other(answers=[{**answer, "shown_ms": -1}]),
        settings_of(mode="pair"),
        settings_of(trials=5),
        settings_of(models=[]),
        settings_of(models=[{"name": "elsewhere", "sha256": ""}]),
        lambda record: [record],
    ]


@pytest.mark.parametrize("change", broken_records())
def test_a_damaged_session_is_refused_and_left_alone(folder, tmp_path, change):
    path = tmp_path / "s.json"
    begin_or_resume(folder, MODELS, SHORT, path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    before = path.read_bytes()
    with pytest.raises(DataError, match="is no session of `koalarize lab turing`, or damaged"):
        begin_or_resume(folder, MODELS, SHORT, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"null", b"[]"])
def test_what_is_no_session(folder, tmp_path, content):
    path = tmp_path / "s.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match="no session"):
        begin_or_resume(folder, MODELS, SHORT, path)
    assert path.read_bytes() == content


def test_a_session_changed_by_another_program(folder, tmp_path):
    path = tmp_path / "s.json"
    one = begin_or_resume(folder, MODELS, SHORT, path)
    two = begin_or_resume(folder, MODELS, SHORT, path)
    one.answered("real", shown_ms=1000, reaction_ms=400, interrupted=False)
    with pytest.raises(DataError, match="changed by another program"):
        two.answered("recoloured", shown_ms=1000, reaction_ms=400, interrupted=False)
    assert two.record.answers == ()
    assert [answer.answer for answer in read_record(path).answers] == ["real"]


def test_an_answer_that_cannot_be_written_is_not_taken(folder, tmp_path, monkeypatch):
    path = tmp_path / "s.json"
    session = begin_or_resume(folder, MODELS, SHORT, path)

    def full(*_, **__):
        raise OutputError("`s.json` cannot be written (No space left on device): make room")

    monkeypatch.setattr(sessions, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        session.answered("real", shown_ms=1000, reaction_ms=400, interrupted=False)
    assert session.record.answers == ()
    monkeypatch.undo()
    session.answered("real", shown_ms=1000, reaction_ms=400, interrupted=False)
    assert len(read_record(path).answers) == 1


def test_a_session_needs_a_folder_to_stand_in(folder, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        begin_or_resume(folder, MODELS, SHORT, tmp_path / "nowhere" / "s.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mode": "triple"}, "`--mode` is `triple`"),
        ({"seconds": 0}, "`--seconds` is 0"),
        ({"seconds": float("nan")}, "`--seconds` is nan"),
        ({"seconds": 61}, "`--seconds` is 61"),
        ({"trials": 0}, "`--trials` is 0"),
        ({"trials": 1001}, "`--trials` is 1001"),
        ({"catch": -1}, "`--catch` is -1"),
        ({"catch": 7}, "`--catch` is 7"),
        ({"size": 63}, "`--size` is 63"),
        ({"size": 5000}, "`--size` is 5000"),
        ({"person": " "}, "`--person` is empty"),
    ],
)
def test_options_that_make_no_test(change, words):
    with pytest.raises(OptionError, match=re.escape(words)):
        Options(**{**vars(SHORT), **change}).check()


# -- reports ----------------------------------------------------------------------------------


def record(plan: list[Trial], answers: list, *, mode="single", ident="1", person=None, **more):
    """Make a record; an answer is a word, or a word and what is special about it."""
    given = []
    for index, answer in enumerate(answers):
        word, special = answer if isinstance(answer, tuple) else (answer, {})
        facts = {"shown_ms": 1000.0, "reaction_ms": 600.0, "at": "now", **special}
        given.append(Answer(trial=index, answer=word, **facts))
    catch = sum(trial.kind == "catch" for trial in plan)
    chosen = Settings(
        **{
            "mode": mode,
            "seconds": 1.0,
            "size": 96,
            "trials": len(plan) - catch,
            "catch": catch,
            "seed": 0,
            "person": person,
            "models": MODELS,
            "data_sha256": "d",
            **more,
        }
    )
    return Record(
        format=sessions.FORMAT,
        koalarize="0",
        id=ident,
        settings=chosen,
        left_out={},
        practice=tuple(plan[:1]),
        plan=tuple(plan),
        answers=tuple(given),
    )


REAL = Trial(picture="a", kind="real")
FAKE = Trial(picture="b", kind="recoloured", model="fake")
CHECK = Trial(picture="c", kind="catch")
LEFT = Trial(picture="d", kind="pair", model="fake", side="left")
RIGHT = Trial(picture="e", kind="pair", model="fake", side="right")


def test_single_mode_in_numbers():
    plan = [REAL, REAL, REAL, FAKE, FAKE, FAKE, FAKE, CHECK]
    words = ["real", "real", "recoloured", "real", "recoloured", "recoloured", "recoloured"]
    report = make_report([("s", record(plan, [*words, "recoloured"]))])
    (row,) = report.models
    assert (row.fooled.count, row.fooled.n) == (1, 4)
    assert (report.real.count, report.real.n) == (2, 3)
    assert (report.catch.count, report.catch.n) == (1, 1)
    assert row.d_prime == pytest.approx(sensitivity(Share(2, 3), Share(1, 4))[0])
    assert row.p_value is None
    assert row.people is None
    text = report.to_markdown()
    assert "| fake | 4 | 25.0 % | 4.6 % to 69.9 % |" in text
    assert "Real pictures judged real: 66.7 % (2 of 3;" in text
    assert "Excluded answers: none." in text
    plain = json.loads(report.to_json())
    assert plain["models"][0]["fooled"]["rate"] == 0.25
    assert plain["models"][0]["fooled"]["interval"] == pytest.approx(wilson(1, 4))


def test_pair_mode_in_numbers():
    # fooled where the side chosen is not that of the original
    answers = ["left", "right", "right", "left", "left", "right"]
    plan = [LEFT, LEFT, RIGHT, RIGHT, RIGHT, LEFT]
    report = make_report([("s", record(plan, answers, mode="pair"))])
    (row,) = report.models
    assert (row.fooled.count, row.fooled.n) == (4, 6)
    assert row.p_value == pytest.approx(binomial_p(4, 6))
    assert row.d_prime is None
    assert "p against chance" in report.to_markdown()
    assert json.loads(report.to_json())["real_judged_real"] is None


@pytest.mark.parametrize(
    ("special", "why"),
    [
        ({}, None),
        ({"interrupted": True}, "interrupted"),
        ({"views": 2}, "shown more than once"),
        ({"shown_ms": 899.0}, "shown for another time"),
        ({"shown_ms": 1101.0}, "shown for another time"),
        ({"shown_ms": 901.0}, None),
        ({"reaction_ms": 99.0}, "answered too quickly"),
        ({"reaction_ms": 100.0}, None),
        ({"reaction_ms": 60_000.0}, None),
    ],
)
def test_exclusions(special, why):
    facts = {"trial": 0, "answer": "real", "shown_ms": 1000.0, "reaction_ms": 600.0, "at": "now"}
    assert exclusion(Answer(**{**facts, **special}), 1.0) == why
    report = make_report([("s", record([FAKE, FAKE], [("real", special), "recoloured"]))])
    assert report.models[0].fooled == (Share(1, 2) if why is None else Share(0, 1))
    assert report.excluded == ({} if why is None else {why: 1})


def test_short_times_are_allowed_a_few_frames():
    facts = {"trial": 0, "answer": "real", "reaction_ms": 600.0, "at": "now"}
    assert exclusion(Answer(shown_ms=145.0, **facts), 0.1) is None
    assert exclusion(Answer(shown_ms=155.0, **facts), 0.1) == "shown for another time"


def test_several_people():
    plan = [FAKE] * 4 + [REAL]
    ada = record(plan, ["real"] * 3 + ["recoloured", "real"], ident="1", person="Ada")
    bob = record(plan, ["recoloured"] * 4 + ["real"], ident="2", person="Bob")
    more = record(plan, ["real"] * 2, ident="3", person="Ada")
    report = make_report([("x", ada), ("y", bob), ("z", more)])
    assert [(row.person, row.fooled, row.answered, row.planned) for row in report.people] == [
        ("Ada", Share(5, 6), 7, 10),
        ("Bob", Share(0, 4), 5, 5),
    ]
    assert report.models[0].fooled == Share(5, 10)
    assert report.models[0].people == bootstrap_people([Share(5, 6), Share(0, 4)])
    text = report.to_markdown()
    assert "95 % over people" in text
    assert "2 people drawn anew" in text
    assert "Ada has answered 7 of 10 trials so far" in text


def test_people_without_a_name_are_those_of_their_files():
    plan = [FAKE, REAL]
    pair = [(name, record(plan, ["real", "real"], ident=name)) for name in ("one", "two")]
    assert [row.person for row in make_report(pair).people] == ["one", "two"]


def test_inattentive_people_are_named():
    plan = [FAKE, CHECK, CHECK, CHECK, CHECK]
    words = ["real", "real", "real", "recoloured", "recoloured"]
    report = make_report([("s", record(plan, words, person="Eve"))])
    assert any("Eve answered 2 of 4 attention checks right" in note for note in report.notes())
    attentive = make_report([("s", record(plan, ["real", *["recoloured"] * 4], person="Eve"))])
    assert not any("Eve" in note for note in attentive.notes())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seconds": 2.0}, "differ in `seconds`"),
        ({"size": 128}, "differ in `size`"),
        ({"ident": "1"}, "are the same session"),
        ({"models": (ModelUsed(name="fake", sha256="cd"),)}, "another file for the model `fake`"),
    ],
)
def test_what_cannot_be_pooled(change, words):
    one = record([FAKE], ["real"], ident="1")
    two = record([FAKE], ["real"], **{"ident": "2", **change})
    with pytest.raises(DataError, match=words):
        make_report([("one", one), ("two", two)])


def test_modes_cannot_be_pooled():
    one = record([FAKE], ["real"], ident="1")
    two = record([LEFT], ["left"], ident="2", mode="pair")
    with pytest.raises(DataError, match="differ in `mode`"):
        make_report([("one", one), ("two", two)])


def test_a_report_of_nothing_answered_yet():
    text = make_report([("s", record([FAKE, REAL, CHECK], []))]).to_markdown()
    assert "| fake | 0 | – | – | – |" in text
    assert "Real pictures judged real: none asked." in text


# -- over HTTP --------------------------------------------------------------------------------


def test_a_whole_session(client, study, tmp_path):
    assert client.get("/api/state").json() == {
        "mode": "single",
        "seconds": 1.0,
        "size": 96,
        "person": None,
        "practice": 4,
        "answered": 0,
        "total": 7,
        "finished": False,
        "file": "s.json",
    }
    for index, trial in enumerate(read_record(tmp_path / "s.json").practice):
        opened = open_trial(client, practice=True)
        wrong = {"real": "recoloured", "recoloured": "real"}[trial.truth]
        told = give(client, opened["trial"], wrong if index == 2 else trial.truth).json()
        assert told["correct"] is (index != 2)
        assert told["truth"] == trial.truth
        assert told["answered"] == 0
    for index, truth in enumerate(key_of(tmp_path / "s.json")):
        assert client.get("/api/results").status_code == 409
        opened = open_trial(client)
        answer = "real" if index == 0 else truth
        told = give(client, opened["trial"], answer).json()
        assert told == {**client.get("/api/state").json(), "answered": index + 1}
    assert told["finished"] is True
    assert client.post("/api/next", json={}).status_code == 409
    results = client.get("/api/results").json()
    assert results == study.results().to_dict() | {
        "models": results["models"],
        "people": results["people"],
        "real_judged_real": results["real_judged_real"],
        "catch": results["catch"],
    }
    assert results["catch"]["rate"] == 1.0
    assert results["real_judged_real"]["n"] == 3
    assert [answer.reaction_ms for answer in read_record(tmp_path / "s.json").answers] == [500] * 7


def test_nothing_tells_the_answer_before_it_is_given(client, tmp_path):
    words = ("real", "recoloured", "catch", "fake", ".png", "ab" * 8)
    headers = {"real": set(), "recoloured": set()}
    tokens = set()
    for truth in key_of(tmp_path / "s.json"):
        opened = open_trial(client)
        assert set(opened) == {"trial", "pictures"}
        assert all(re.fullmatch(r"[\w-]{22}", t) for t in (opened["trial"], *opened["pictures"]))
        tokens |= {opened["trial"], *opened["pictures"]}
        state = client.get("/api/state")
        picture = client.get(f"/picture/{opened['pictures'][0]}")
        assert picture.status_code == 200
        headers[truth].add(tuple(sorted(picture.headers.items())))
        for response in (state, picture):
            told = str(response.headers).lower() + (response.text if response is state else "")
            assert not [word for word in words if word in told.replace("image/png", "")]
        assert not [word.encode() for word in words if word.encode() in picture.content]
        told = give(client, opened["trial"], "real")
        assert "correct" not in told.json()
        assert "truth" not in told.text
    assert len(tokens) == 14
    assert headers["real"] == headers["recoloured"]
    assert len(headers["real"]) == 1  # ... among them the length and `no-store`
    assert ("cache-control", "no-store") in next(iter(headers["real"]))


def test_the_page_itself_holds_no_key_and_loads_nothing_from_elsewhere(client):
    for address in ("/", "/page.css", "/page.js"):
        response = client.get(address)
        assert response.status_code == 200
        assert response.headers["content-security-policy"] == server.CONTENT_POLICY
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        outside = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", response.text)
        assert [address for address in outside if "www.w3.org" not in address] == []
    for address in ("/docs", "/openapi.json", "/s.json", "/../s.json", "/picture/", "/plan.py"):
        assert client.get(address).status_code == 404


def test_a_picture_is_given_once_and_only_while_its_trial_is_open(client):
    first = open_trial(client)
    address = f"/picture/{first['pictures'][0]}"
    assert client.get(address).status_code == 200
    assert client.get(address).status_code == 404
    second = open_trial(client)
    third = open_trial(client)
    assert client.get(f"/picture/{second['pictures'][0]}").status_code == 404
    assert client.get(f"/picture/{third['pictures'][0]}").status_code == 200


def test_a_trial_shown_again_is_counted_as_such(client, tmp_path):
    old = open_trial(client)
    new = open_trial(client)
    refused = give(client, old["trial"], "real")
    assert refused.status_code == 409
    assert "not open any more" in refused.json()["error"]
    assert give(client, new["trial"], "real").status_code == 200
    assert give(client, new["trial"], "real").status_code == 409  # sent twice
    (answer,) = read_record(tmp_path / "s.json").answers
    assert answer.views == 2


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "left"},
        {"answer": ""},
        {"shown_ms": -1},
        {"shown_ms": 1e12},
        {"shown_ms": "soon"},
        {"reaction_ms": None},
        {"interrupted": "perhaps"},
        {"extra": 1},
    ],
)
def test_answers_that_are_none(client, tmp_path, change):
    opened = open_trial(client)
    assert give(client, opened["trial"], **{"answer": "real", **change}).status_code in (409, 422)
    assert read_record(tmp_path / "s.json").answers == ()
    assert give(client, opened["trial"], "real").status_code == 200


def test_pairs_over_http(folder, colorizers, tmp_path):
    options = Options(**{**vars(SHORT), "mode": "pair"})
    session = begin_or_resume(folder, MODELS, options, tmp_path / "p.json")
    with contextlib.closing(Study(session, folder, colorizers)) as study:
        client = TestClient(create_app(study), base_url=HOST)
        for trial in read_record(tmp_path / "p.json").plan:
            opened = open_trial(client)
            left, right = (client.get(f"/picture/{token}").content for token in opened["pictures"])
            assert len(left) == len(right)
            real = np.asarray(Image.open(folder / trial.picture))
            shown = {"left": left, "right": right}
            assert np.array_equal(pixels_of(shown[trial.side]), real)
            assert give(client, opened["trial"], "real").status_code == 409
            give(client, opened["trial"], trial.side)
        assert client.get("/api/results").json()["models"][0]["fooled"]["count"] == 0


def test_a_photo_that_goes_missing(folder, colorizers, tmp_path):
    session = begin_or_resume(folder, MODELS, SHORT, tmp_path / "s.json")
    name = session.record.plan[-1].picture
    backup = (folder / name).read_bytes()
    (folder / name).unlink()
    with contextlib.closing(Study(session, folder, colorizers)) as study:
        client = TestClient(create_app(study), base_url=HOST)
        for _ in session.record.plan[:-1]:
            give(client, open_trial(client)["trial"], "real")
        response = client.post("/api/next", json={})
        assert response.status_code == 500
        assert "does not exist" in response.json()["error"]
        (folder / name).write_bytes(backup)
        assert give(client, open_trial(client)["trial"], "real").json()["finished"]


def test_a_full_disk_keeps_the_trial_open(client, tmp_path, monkeypatch):
    opened = open_trial(client)

    def full(*_, **__):
        raise OutputError("no space left")

    monkeypatch.setattr(sessions, "write_bytes", full)
    response = give(client, opened["trial"], "real")
    assert (response.status_code, response.json()) == (500, {"error": "no space left"})
    monkeypatch.undo()
    assert give(client, opened["trial"], "real").json()["answered"] == 1


# -- the server -------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"])
def test_a_rebound_name_is_refused(study, host):
    client = TestClient(create_app(study), base_url=HOST)
    for address in ("/", "/api/state", "/page.js"):
        assert client.get(address, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "LOCALHOST:80", "[::1]:8765"])
def test_this_machine_by_its_names(study, host):
    client = TestClient(create_app(study), base_url=HOST)
    assert client.get("/api/state", headers={"Host": host}).status_code == 200


def test_other_pages_cannot_answer(client):
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        refused = client.post("/api/next", json={}, headers={"Origin": origin})
        assert refused.status_code == 403
    assert client.post("/api/next", json={}, headers={"Origin": HOST}).status_code in (200, 202)


async def echo(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"etag", b"1")]})
    await send({"type": "http.response.body", "body": b"inside"})


def test_a_token_is_asked_for_once():
    token = server.new_token()
    client = TestClient(server.Guard(echo, token=token), base_url=HOST)
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    assert client.get("/", headers={"Cookie": "koalarize=wrong"}).status_code == 401
    assert client.get("/", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/", headers={"Authorization": f"Bearer {token}"}).text == "inside"
    moved = client.get(f"/?token={token}", follow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (303, "/")
    assert "HttpOnly; SameSite=Strict" in moved.headers["set-cookie"]
    assert client.get("/").text == "inside"
    away = client.get(f"http://127.0.0.1:8765//evil.example?token={token}", follow_redirects=False)
    assert away.headers["location"] == "/evil.example"
    assert server.new_token() != token


def test_all_network_cards_take_addresses_but_no_names():
    client = TestClient(server.Guard(echo, hosts=["0.0.0.0"]), base_url=HOST)
    assert client.get("/", headers={"Host": "192.168.1.7:8765"}).status_code == 200
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
    named = TestClient(server.Guard(echo, hosts=["Studio.local"]), base_url=HOST)
    assert named.get("/", headers={"Host": "studio.local:1"}).status_code == 200


def test_a_taken_port(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(OptionError, match=f"port {number} of 127.0.0.1 cannot be used"):
            server.open_socket("127.0.0.1", number)
        monkeypatch.setattr(server, "DEFAULT_PORT", number)
        with server.open_socket("127.0.0.1", None) as free:
            assert free.getsockname()[1] not in (0, number)


@pytest.mark.parametrize("port", [-1, 65536])
def test_no_port(port):
    with pytest.raises(OptionError, match="0 to 65535"):
        server.open_socket("127.0.0.1", port)


def test_no_address_of_this_machine():
    with pytest.raises(OptionError, match=r"use 127\.0\.0\.1|cannot be used"):
        server.open_socket("192.0.2.1", 0)  # a network for documentation, RFC 5737


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_serving_says_where_and_ends_in_order():
    code = (
        "from koalarize.web.server import serve\n"
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 204, 'headers': []})\n"
        "    await send({'type': 'http.response.body'})\n"
        "serve(app, port=0, open_browser=False, announce=lambda a: print(a, flush=True))\n"
        "print('ended')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        address = run.stdout.readline().strip()
        port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", address)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
            line.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"204" in line.recv(100)
        run.send_signal(signal.SIGINT)
        assert run.stdout.read() == "ended\n"
        assert run.wait(timeout=20) == 0


# -- the command ------------------------------------------------------------------------------


@pytest.fixture
def here(folder, colorizers, tmp_path, monkeypatch):
    """A working directory; `serve` is a person who answers as many trials as the list says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Colorizer, "load", lambda *_, **__: colorizers["fake"])
    answers: list[str] = []

    def serve(app, *, port, open_browser, announce):
        announce("http://127.0.0.1:1/")
        client = TestClient(app, base_url=HOST)
        while answers and not client.get("/api/state").json()["finished"]:
            give(client, open_trial(client)["trial"], answers.pop(0))

    monkeypatch.setattr(server, "serve", serve)
    return answers


WORDS = ["lab", "turing", "photos", "--trials", "4", "--catch", "0", "--size", "96", "--no-browser"]


def test_the_command_stops_goes_on_and_reports(here, capsys):
    here += ["real"] * 2
    assert main(WORDS) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "http://127.0.0.1:1/" in said.err
    assert "2 of 4 answered; the same command goes on" in said.err
    here += ["real"] * 2
    assert main([*WORDS, "-o", "report.json"]) == 0
    said = capsys.readouterr()
    assert "going on with turing.json: 2 of 4 answered" in said.err
    assert "| koala | 2 | 100.0 % | 34.2 % to 100.0 % |" in said.out
    assert json.loads(Path("report.json").read_text())["models"][0]["name"] == "koala"


def test_reports_of_several_people(here, capsys):
    for person in ("Ada L", "Bob"):
        here += ["recoloured"] * 4
        assert main([*WORDS, "--person", person]) == 0
    capsys.readouterr()
    files = ["turing-Ada-L.json", "turing-Bob.json"]
    for flag in ("--report", "--summary"):
        assert main(["lab", "turing", flag, *files]) == 0
        out = capsys.readouterr().out
        assert "2 people" in out
        assert "| Ada L | 4 of 4 |" in out
    assert main(["lab", "turing", "--report", files[0], files[0]]) == 1
    assert "the same session" in capsys.readouterr().err


def test_few_photos_come_again_and_the_command_says_so(here, capsys):
    assert main(["lab", "turing", "photos", "--trials", "20", "--no-browser"]) == 0
    assert "only 12 photos for 24 trials" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["photos", "--mode", "both"], 2, "`--mode` is `both`"),
        (["photos", "photos"], 2, "2 folders are given"),
        (["photos", "--model", "a.onnx", "--model", "b/a.onnx"], 2, "two models are called `a`"),
        (["nowhere"], 1, "`nowhere` is no folder"),
        (["--report", "nowhere.json"], 1, "the session `nowhere.json` cannot be read"),
        (["--report", "photos"], 1, "the session `photos` cannot be read"),
        (["photos", "-o", "nowhere/r.json"], 1, "`--output` is `nowhere/r.json`"),
        ([], 2, "missing"),
    ],
)
def test_wrong_commands(here, monkeypatch, capsys, words, code, text):
    monkeypatch.setattr("koalarize.models.store.find_model", lambda _: Path("photos/00.png"))
    assert main(["lab", "turing", *words]) == code
    error = capsys.readouterr().err
    assert text in error.lower() if text == "missing" else text in error
    assert not Path("turing.json").exists()


# -- in a browser -----------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"


@contextlib.contextmanager
def running(folder: Path, *words: str):
    """Run the whole program and yield its address; Ctrl-C ends it."""
    command = [
        sys.executable,
        "-m",
        "koalarize",
        "lab",
        "turing",
        str(folder),
        "--no-browser",
        *words,
    ]
    with subprocess.Popen(
        [*command, "--port", "0"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        try:
            for line in run.stderr:
                if found := re.search(r"http://\S+", line):
                    yield found[0], run
                    break
            else:
                raise AssertionError("the program ended before it served")
        finally:
            if run.poll() is None:
                run.send_signal(signal.SIGINT)


def judge(page, key: str) -> None:
    page.wait_for_selector("#question:not([hidden])")
    page.wait_for_timeout(150)  # sooner would be excluded
    page.keyboard.press(key)
    page.wait_for_selector("#question", state="hidden")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize(("mode", "width"), [("single", 1200), ("pair", 390)])
def test_a_person_in_a_browser(folder, tmp_path, mode, width):
    playwright = pytest.importorskip("playwright.sync_api")
    file = tmp_path / "s.json"
    words = ["--mode", mode, "--trials", "4", "--catch", "1", "--seconds", "0.3"]
    with (
        running(folder, *words, "--session", str(file)) as (address, run),
        playwright.sync_playwright() as driver,
    ):
        options = [*FLAGS.split(), "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page(viewport={"width": width, "height": 800})
        troubles, requests = [], []
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        page.click("#practise")
        for _ in range(PRACTICE):
            judge(page, "ArrowLeft")
            page.wait_for_selector("#feedback:not([hidden])")
            page.keyboard.press("Space")
        page.keyboard.press("Enter")
        judge(page, "ArrowLeft")
        page.wait_for_selector("#question:not([hidden])")
        page.reload()  # in the middle of a trial, which then counts as shown twice
        page.wait_for_selector("#resume:not([hidden])")
        page.click("#start")
        for key in ("ArrowRight", "ArrowLeft", "ArrowRight"):
            judge(page, key)
        page.wait_for_selector("#question:not([hidden])")
        page.wait_for_timeout(150)
        page.click("#second")  # by touch
        page.wait_for_selector("#results:not([hidden])")
        assert "shown more than once" in page.inner_text("#facts")
        assert page.locator("#chart circle").count() >= 1
        narrow = "document.documentElement.scrollWidth <= innerWidth"
        assert page.evaluate(narrow)
        browser.close()
        assert troubles == []
        assert all(url.startswith((address, f"blob:{address}", "data:")) for url in requests)
        run.send_signal(signal.SIGINT)
        report, _ = run.communicate(timeout=30)
        assert run.returncode == 0
    assert "| koala |" in report
    answers = read_record(file).answers
    assert [answer.views for answer in answers] == [1, 2, 1, 1, 1]
    assert all(abs(answer.shown_ms - 300) < 60 for answer in answers)
    assert all(answer.reaction_ms > 100 for answer in answers)
