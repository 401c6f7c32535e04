"""Whether a person can tell: sessions."""

from __future__ import annotations

import json
import re

import pytest

from koalarize.errors import DataError, OptionError, OutputError
from koalarize.lab.study import session as sessions
from koalarize.lab.study.plan import Trial
from koalarize.lab.study.pool import exclusion, make_report
from koalarize.lab.study.session import Answer, ModelUsed, Record, Settings, read_record
from koalarize.lab.study.statistics import (
    Share,
    binomial_p,
    bootstrap_people,
    sensitivity,
    wilson,
)
from koalarize.lab.study.study import Options, begin_or_resume
from turing_parts import MODELS, SHORT, photo


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
    assert "2 people resampled" in text
    assert "Ada has answered 7 of 10 trials so far" in text


def test_people_without_a_name_are_those_of_their_files():
    plan = [FAKE, REAL]
    pair = [(name, record(plan, ["real", "real"], ident=name)) for name in ("one", "two")]
    assert [row.person for row in make_report(pair).people] == ["one", "two"]


def test_a_report_over_several_sets_of_photos_says_what_draws_them():
    one = record([REAL, FAKE], ["real"] * 2, ident="1", person="Ada")
    two = record([REAL, FAKE], ["real"] * 2, ident="2", person="Bob", seed=1, data_sha256="other")
    (note,) = (n for n in make_report([("x", one), ("y", two)]).notes() if "sets of photos" in n)
    assert note.startswith("The sessions showed 2 different sets of photos: ")
    assert "each `--seed` draws its own" in note


def test_a_model_is_judged_beside_the_real_pictures_of_who_saw_it():
    # Ada calls all real, Bob nothing: neither can tell, whatever the other says.
    other = FAKE.model_copy(update={"model": "other"})
    models = tuple(ModelUsed(name=name, sha256="ab") for name in ("fake", "other"))
    ada = record([REAL, FAKE], ["real"] * 2, ident="1", person="Ada")
    bob = record([REAL, other], ["recoloured"] * 2, ident="2", person="Bob", models=(models[1],))
    report = make_report([("x", ada), ("y", bob)])
    assert [(row.name, row.d_prime) for row in report.models] == [("fake", 0.0), ("other", 0.0)]
    assert any("showed different models" in note for note in report.notes())
    both = record([REAL, FAKE], ["real"] * 2, ident="2", person="Bob")
    assert not any(
        "different models" in one for one in make_report([("x", ada), ("y", both)]).notes()
    )


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
    assert "- A fooling rate is read against the share of real pictures judged real.\n" in text
