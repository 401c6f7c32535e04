"""The fields of ``Steering`` are the only list of what can be asked: all else is made of it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from fakes import ClassifyingEngine
from koalarize.cli import main
from koalarize.cli.steering_options import option_names
from koalarize.colorizer.colorizer import Colored, Colorizer
from koalarize.colorizer.reference import palette_from_photo
from koalarize.errors import OptionError
from koalarize.photo.photo import Photo
from koalarize.steering.crop import Crop
from koalarize.steering.fields import bounds_of, help_of
from koalarize.steering.hints import Hint
from koalarize.steering.recolor import Recolor
from koalarize.steering.session import Session
from koalarize.steering.steering import PLAIN, Steering
from koalarize.steering.wire import SteeringAsked, steering_asked

FIELDS = dataclasses.fields(Steering)
#: One value a field, unlike the default and unlike each other, and its words on the command line.
VALUES = {
    "vividness": (1.5, ["--vividness", "1.5"]),
    "warmth": (-0.25, ["--warmth", "-0.25"]),
    "hints": ((Hint(1, 2, "#c03020", 3),), ["--hint", "1,2,3=#c03020"]),
    "size": (96, ["--size", "96"]),
    "alternative": (2, ["--alternative", "2"]),
    "best": (True, ["--best"]),
    "keep_color": (True, ["--keep-color"]),
    "reach": (0.25, ["--reach", "0.25"]),
    "tint": (-0.75, ["--tint", "-0.75"]),
    "recolors": ((Recolor("#3050c0", "#6f4a2c"),), ["--recolor", "#3050c0=#6f4a2c"]),
    "faded": (True, ["--faded"]),
    "negative": (True, ["--negative"]),
    "turn": (90, ["--turn", "90"]),
    "straighten": (-2.5, ["--straighten", "-2.5"]),
    "crop": (Crop(1, 2, 4, 3), ["--crop", "1,2,4,3"]),
    "mark": (False, ["--no-mark"]),
}
NUMBERS = [field for field in FIELDS if bounds_of(field).low is not None]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Run the command line on a picture and return the steering that reached the Colorizer."""
    photo = Photo.read(np.random.default_rng(0).integers(0, 255, (8, 6, 3), np.uint8))
    path = photo.write(photo.pixels, tmp_path / "photo.png")
    found: list[Steering] = []

    class Noting(Colorizer):
        def photo(self, photo: Photo, steering: Steering = PLAIN) -> Colored:
            found.append(steering)
            return Colored(photo)

    def load(
        model: str = "koala",
        *,
        threads: int = 0,
        faithful: bool = False,
        most_chroma: float = 20.0,
    ) -> Colorizer:
        return Noting(ClassifyingEngine())

    monkeypatch.setattr("koalarize.colorizer.colorizer.Colorizer.load", load)

    def run(*words: str) -> Steering:
        assert main([str(path), "--overwrite", *words]) == 0
        return found[-1]

    return run


def test_every_field_is_tried_here():
    assert {field.name for field in FIELDS} == {*VALUES, "reference"}


@pytest.mark.parametrize("name", VALUES)
def test_a_word_of_the_command_line_reaches_its_field_and_no_other(asked, name):
    value, words = VALUES[name]
    assert asked(*words) == dataclasses.replace(PLAIN, **{name: value})


@pytest.mark.parametrize("name", VALUES)
def test_a_key_of_json_reaches_its_field_and_no_other(name):
    steering = dataclasses.replace(PLAIN, **{name: VALUES[name][0]})
    document = steering_asked(steering, "koala").model_dump(mode="json")
    plain = steering_asked(PLAIN, "koala").model_dump(mode="json")
    assert {key for key in document if document[key] != plain[key]} == {name}
    assert SteeringAsked.model_validate(document).parse() == ("koala", steering)


@pytest.mark.parametrize("name", VALUES)
def test_a_keyword_of_python_reaches_its_field_and_no_other(name):
    value = VALUES[name][0]
    assert PLAIN.changed({name: value}) == dataclasses.replace(PLAIN, **{name: value})


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_help_is_that_of_the_field(field, capsys):
    assert main(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert option_names()[field.name] in shown
    assert help_of(field).text in shown
    schema = SteeringAsked.model_json_schema()["properties"][field.name]
    assert help_of(field).text == schema["description"]


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
def test_bounds_are_those_of_the_field(field, tmp_path, capsys):
    bounds = bounds_of(field)
    option = option_names()[field.name]
    for value, fair in (
        (bounds.low, True),
        (bounds.high, True),
        (bounds.low - 1, False),
        (bounds.high + 1, False),
    ):
        number = bounds.kind(value)
        text = json.dumps({field.name: number})
        if fair:
            Steering(**{field.name: number})
            SteeringAsked.model_validate_json(text)
            continue
        with pytest.raises(OptionError, match=f"`{field.name}` is"):
            Steering(**{field.name: number})
        with pytest.raises(ValueError, match=field.name):
            SteeringAsked.model_validate_json(text)
        assert main(["photo.jpg", option, str(number)]) == 2
        assert f"`{option}` is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vividness", 4),
        ("vividness", 5),
        ("size", 16),
        ("size", 2048),
        ("size", 96.0),
        ("hints", [{"x": 1e6, "y": 1e6, "color": "#fff"}]),
    ],
)
def test_a_session_takes_what_steering_takes(key, value):
    photo = {"name": "a", "sha256": "b"}
    document = {"format": "koalarize-session-1", "photo": photo, "weights": None}
    text = json.dumps({**document, "steering": {key: value}})
    session = Session.loads(text)
    assert Session.loads(session.dumps()) == session


@pytest.mark.parametrize(
    "steering",
    ['{"vividness": 1' + "0" * 400 + "}", '{"size": 1e400}', '{"hints": [{"x": 1e7, "y": 1}]}'],
)
def test_a_session_refuses_what_steering_refuses(steering):
    photo = '{"name": "a", "sha256": "b"}'
    text = f'{{"format": "koalarize-session-1", "photo": {photo}, "weights": null, '
    with pytest.raises(OptionError, match=r"`steering\."):
        Session.loads(text + f'"steering": {steering}}}')


def test_the_published_palette_is_ours():
    """Each colour of a palette that we make is of the kind and length that the schema states."""
    palette = palette_from_photo(Photo.read(np.full((8, 8, 3), (250, 90, 0), np.uint8)))
    published = SteeringAsked.model_json_schema()["properties"]["reference"]["anyOf"][0]
    bands = published["properties"]["bands"]
    facts = palette.to_json()
    assert set(facts) == set(published["properties"])
    assert bands["minItems"] == len(facts["bands"]) == bands["maxItems"]
    Draft202012Validator(published).validate(facts)
