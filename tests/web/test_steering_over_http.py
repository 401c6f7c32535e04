"""Everything that may be asked of a colouring comes to the network as it was asked, by each way."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from fakes import ClassifyingEngine, FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.steering.fields import bounds_of, help_of
from koalarize.steering.hints import Hint
from koalarize.steering.session import Session
from koalarize.steering.steering import Steering
from rest import API, client, place_of, problem


class NotingEngine(ClassifyingEngine):
    """Notes the shorter side of each picture that it sees."""

    def __init__(self):
        super().__init__()
        self.sides = []

    def one(self, lightness, hints):
        self.sides.append(min(lightness.shape))
        return super().one(lightness, hints)


@pytest.fixture
def engine():
    return NotingEngine()


@pytest.fixture
def noting(engine):
    with client(models={"koala": lambda: Colorizer(engine)}) as opened:
        yield opened


@pytest.fixture(scope="module")
def grey():
    """A photo that shows something, so that it is coloured."""
    buffer = io.BytesIO()
    example = Image.open(Path(__file__).parents[2] / "examples/astronaut.jpg")
    example.convert("L").resize((120, 120)).save(buffer, "PNG")
    return buffer.getvalue()


def preview(opened, picture, **steering):
    place = place_of(opened.post(f"{API}/photos", content=picture))
    answer = opened.post(f"{place}/preview", json={"format": "png", "steering": steering})
    assert answer.status_code == 200, answer.text
    return answer.content


def render(opened, picture, **steering):
    place = place_of(opened.post(f"{API}/photos", content=picture))
    answer = opened.post(f"{place}/render", json={"steering": steering})
    assert answer.status_code == 200, answer.text
    return answer.content


def session(opened, picture, **steering):
    """Render what a saved session holds once it is opened."""
    place = place_of(opened.post(f"{API}/photos", content=picture))
    saved = opened.post(f"{place}/session", json={"steering": steering}).content
    return render(opened, picture, **opened.post(f"{place}/session/open", content=saved).json())


def colorize(opened, picture, **steering):
    query = {key: str(value).lower() for key, value in steering.items()}
    answer = opened.post(f"{API}/colorize", params=query, content=picture)
    assert answer.status_code == 200, answer.text
    return answer.content


WAYS = pytest.mark.parametrize("way", [preview, render, session, colorize])


@WAYS
def test_best_and_keep_color_are_not_confused(way, noting, grey):
    unmarked = {} if way is preview else {"mark": False}  # the mark names the settings
    plain = way(noting, grey, **unmarked)
    # A grey photo has no colours to keep.
    assert way(noting, grey, keep_color=True, **unmarked) == plain
    assert way(noting, grey, best=True, **unmarked) != plain


@pytest.mark.parametrize("way", [render, session, colorize])
def test_the_file_says_that_a_program_colored_it(way, noting, grey):
    digest = hashlib.sha256(grey).hexdigest().encode()
    assert b'koalarize:Source="%b"' % digest in way(noting, grey)
    assert b"koalarize:" not in way(noting, grey, mark=False)


@WAYS
def test_each_size_is_looked_at(way, noting, engine, grey):
    for size in (64, 96, 64):
        way(noting, grey, size=size)
    assert engine.sides[:2] == [64, 96]
    assert set(engine.sides) == {64, 96}


@WAYS
def test_vividness_0_is_grey_and_warmth_is_not_vividness(way, noting, grey):
    plain = way(noting, grey)
    dull, warm = way(noting, grey, vividness=0), way(noting, grey, warmth=0.5)
    assert len({plain, dull, warm}) == 3


def test_a_stand_in_that_takes_no_hints_says_so(grey):
    engine = FakeEngine(accepts_hints=False)
    with client(models={"koala": lambda: Colorizer(engine)}) as opened:
        query = {"hint": "20,25=#3050c0"}
        answer = opened.post(f"{API}/colorize", params=query, content=grey)
    assert answer.status_code == 422


FIELDS = {field.name: bounds_of(field) for field in dataclasses.fields(Steering)}
NUMBERS = {name: bounds for name, bounds in FIELDS.items() if bounds.kind in (float, int)}
ENDS = [(name, one.kind(end)) for name, one in NUMBERS.items() for end in (one.low, one.high)]
BEYOND = [
    (name, one.kind(end) + step)
    for name, one in NUMBERS.items()
    for end, step in ((one.low, -1), (one.high, 1))
]
BANDS = [[[-70.0, 30.0, 10_000]]] * 3


class TestOpeningASession:
    @pytest.fixture
    def open(self, service, photo):
        """Open a session of the photo whose steering has been written by hand."""
        saved = json.loads(service.post(f"{photo}/session", json={}).content)

        def open(steering):
            text = json.dumps({**saved, "steering": {**saved["steering"], **steering}})
            return service.post(f"{photo}/session/open", content=text)

        return open

    @pytest.mark.parametrize(
        "steering",
        [
            {"vividness": 4},
            {"vividness": 5},
            {"size": 16},
            {"size": 2048},
            {"reference": {"name": "n" * 301, "sha256": "0", "bands": BANDS}},
            {"reference": {"name": "n" * 9_999, "sha256": "0" * 999, "bands": BANDS}},
        ],
        ids=lambda steering: str(steering)[:40],
    )
    def test_what_a_session_may_hold_is_given_back(self, open, steering):
        answer = open(steering)
        assert answer.status_code == 200, answer.text
        ((name, value),) = steering.items()
        given = answer.json()[name]
        if name == "reference":
            given.pop("swatches")
        if name == "hints":
            given[0].pop("radius")
            given[0].pop("reach")
        assert given == value

    @pytest.mark.parametrize(
        "steering",
        [
            {"vividness": 10**400},
            {"vividness": 6},
            {"vividness": "1"},
            {"size": 15},
            {"size": 10**400},
            {"alternative": 10**400},
            {"hints": [{"x": 10**9, "y": 1, "color": "#fff"}]},
            {"hints": [{"x": 10**400, "y": 1, "color": "#fff"}]},
            {"hints": [{"x": 1, "y": 1, "color": "#fff", "radius": 10**400}]},
            {"reference": {"name": "n", "sha256": "0", "bands": []}},
            {"reference": {"name": 1, "sha256": "0", "bands": BANDS}},
            {"reference": {"name": "n", "sha256": "0", "bands": [[[10**400, 1]]] * 3}},
            {"model": ""},
            {"model": "m" * 101},
            {"color": "#fff"},
        ],
        ids=lambda steering: str(steering)[:40],
    )
    def test_what_it_may_not_hold_is_refused_with_a_sentence(self, open, steering):
        said = problem(open(steering), 422, "not-allowed")
        assert {next(iter(steering)), "palette"} & set(re.findall("[a-z]+", said["detail"]))
        assert len(said["detail"]) < 300

    @pytest.mark.parametrize(("name", "value"), ENDS)
    def test_the_ends_of_each_range_open(self, open, name, value):
        answer = open({name: value})
        assert answer.status_code == 200, answer.text
        assert answer.json()[name] == value

    @pytest.mark.parametrize(("name", "value"), BEYOND)
    def test_beyond_them_nothing_does(self, open, name, value):
        problem(open({name: value}), 422, "not-allowed", name)

    def test_a_session_written_in_python_opens(self, service, photo):
        """What ``Session`` accepts the service does, and the other way round."""
        info = service.get(photo).json()
        asked = Steering(5.0, -1.0, (Hint(1, 2, "#abc", 3), Hint(9, 9, "aabbcc")), 2048, 12)
        session = Session("p.jpg", info["sha256"], "koala", asked)
        answer = service.post(f"{photo}/session/open", content=session.dumps())
        assert answer.status_code == 200, answer.text
        again = service.post(f"{photo}/session", json={"steering": answer.json()})
        assert Session.loads(again.content).steering == asked


class TestQuery:
    def test_every_field_is_a_parameter_with_its_bounds_and_its_help(self, service):
        document = service.get(f"{API}/openapi.json").json()
        parameters = document["paths"][f"{API}/colorize"]["post"]["parameters"]
        described = {one["name"]: one for one in parameters}
        for field in dataclasses.fields(Steering):
            if field.name == "reference":  # comes as a part of the form
                assert field.name not in described
                continue
            help = help_of(field)
            one = described[(help.option or field.name).removeprefix("--")]
            assert one["description"] == help.text
            bounds = FIELDS[field.name]
            if bounds.low is not None:
                number = one["schema"].get("anyOf", [one["schema"]])[0]
                assert (number["minimum"], number["maximum"]) == (bounds.low, bounds.high)
        of_file = {"model", "format", "name", "tolerant"}
        assert set(described) - of_file - {"hint", "recolor"} <= set(FIELDS)

    @pytest.mark.parametrize(("name", "value"), ENDS)
    def test_the_ends_of_each_range(self, service, grey, name, value):
        # Of the largest size the bins of the other stand-in take seconds and a gigabyte.
        asked = {name: value, "model": "plain" if name == "size" else "koala"}
        answer = service.post(f"{API}/colorize", params=asked, content=grey)
        if name == "alternative" and value:
            problem(answer, 422, "not-allowed", "this photo has")  # not so many
        else:
            assert answer.status_code == 200, answer.text

    @pytest.mark.parametrize(("name", "value"), BEYOND)
    def test_beyond_them(self, service, grey, name, value):
        answer = service.post(f"{API}/colorize", params={name: value}, content=grey)
        problem(answer, 422, "not-allowed", name)

    def test_hints_may_be_repeated(self, service, grey):
        hints = ["20,25=#3050c0", "90,90,9=#c03020"]
        answers = [
            service.post(f"{API}/colorize", params={"hint": some}, content=grey).content
            for some in (hints, hints[:1], hints[1:])
        ]
        assert len(set(answers)) == 3

    @pytest.mark.parametrize(
        ("query", "word"),
        [({"vividnes": 2}, "`vividness`"), ({"hints": "1,1=#fff"}, "`hint`"), ({"q": 1}, "known")],
    )
    def test_what_is_no_parameter_is_not_passed_over(self, service, grey, query, word):
        answer = service.post(f"{API}/colorize", params=query, content=grey)
        problem(answer, 422, "not-allowed", word)


def test_the_service_says_what_may_be_asked(service):
    said = service.get(f"{API}/steering").json()
    assert set(said["properties"]) == {*FIELDS, "model"}
    for field in dataclasses.fields(Steering):
        one, bounds = said["properties"][field.name], FIELDS[field.name]
        assert one["description"] == help_of(field).text
        assert one["default"] == (list(field.default) if field.default == () else field.default)
        number = one.get("anyOf", [one])[0]
        assert (number.get("minimum"), number.get("maximum")) == (bounds.low, bounds.high)
