"""Sessions: saved, read back strictly, and replayed by the command line to the same pixels."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from fakes import ClassifyingEngine
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.reference import palette_from_photo
from koalarize.errors import OptionError
from koalarize.photo.metadata import Metadata
from koalarize.photo.photo import Photo
from koalarize.steering.hints import Hint
from koalarize.steering.session import OtherPhotoError, Session
from koalarize.steering.steering import Steering
from koalarize.steering.wire import SteeringAsked


@pytest.fixture
def steering():
    reference = palette_from_photo(
        Photo.read(np.full((9, 9, 3), (240, 130, 40), np.uint8)), name="sun.jpg"
    )
    hints = (Hint(30.5, 20, "#3050c0"), Hint(3, 4, "#808080", 7.25))
    return Steering(1.25, -0.3, hints, 96, 1, reference)


@pytest.fixture
def session(steering):
    return Session("photo.png", "ab" * 32, "koala", steering, "cd" * 32)


def test_there_and_back(session):
    assert Session.loads(session.dumps()) == session
    assert Session.loads(session.dumps().encode()) == session
    assert Session.loads(session.dumps().encode("utf-8-sig")) == session  # as Notepad saves it
    assert Session.loads("\ufeff" + session.dumps()) == session


def test_names_that_are_no_text(session):
    palette = dataclasses.replace(session.steering.reference, name="\udcff\x1b.jpg")
    steering = dataclasses.replace(session.steering, reference=palette)
    named = dataclasses.replace(session, photo="\udcff.png", steering=steering)
    read = Session.loads(named.dumps())
    assert (read.photo, read.steering) == (r"\udcff.png", steering)
    assert palette.name == r"\udcff\x1b.jpg"
    engine = ClassifyingEngine()
    engine.info = dataclasses.replace(engine.info, name="\udcfe\x1b")
    mark = Colorizer(engine).provenance(steering)
    assert mark.model == r"\udcfe\x1b"
    assert mark.mark(None) is not None


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"photo": 3}, "`photo` is of type int but must be a text: give Session"),
        ({"photo": ""}, "`photo` is '' but must be"),
        ({"sha256": b"ab"}, "`sha256` is of type bytes but must be a text"),
        ({"model": None}, "`model` is of type NoneType but must be a text"),
        ({"steering": {"vividness": 2}}, "`steering` is of type dict but must be a Steering"),
        ({"weights": 1}, "`weights` is of type int but must be a text"),
        ({"pixels": ""}, "`pixels` is '' but must be"),
    ],
)
def test_a_session_of_wrong_types_is_refused_when_it_is_made(session, change, match):
    with pytest.raises(OptionError, match=match):
        dataclasses.replace(session, **change)


def test_defaults():
    assert SteeringAsked.model_validate({}).parse() == ("koala", Steering())


def test_the_layout_stays(session):
    document = json.loads(session.dumps())
    assert document["format"] == "koalarize-session-1"
    assert list(document) == ["format", "photo", "weights", "steering"]
    assert document["steering"]["hints"][0] == {
        "x": 30.5,
        "y": 20,
        "color": "#3050c0",
        "radius": None,
        "reach": None,
    }


def broken(session, *path, value):
    document = json.loads(session.dumps())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        (("format",), "koalarize-session-2", "of another version of koalarize"),
        (("format",), 99, "`format` is 99 but must be 'koalarize-session-1'"),
        (("model",), "koala", "has the key `model`, which belongs in another place"),
        (("colour",), 1, "unknown key `colour`"),
        (("photo", "sha256"), 5, "sha256"),
        (("photo",), None, "photo"),
        (("weights",), 5, "weights"),
        (("steering",), [], "steering"),
        (("steering", "warmht"), 0.1, "did you mean `warmth`"),
        (("steering", "warmth"), 2, "warmth"),
        (("steering", "warmth"), True, "number"),
        (("steering", "size"), 96.5, "whole number"),
        (("steering", "alternative"), "1", "whole number"),
        (("steering", "hints"), {}, "list"),
        (("steering", "hints"), [{}] * 201, "at most 200"),
        (("steering", "hints", 0, "color"), "red", "#rrggbb"),
        (("steering", "hints", 0, "x"), -1, "`steering.hints.0.x` is -1 but must be greater"),
        (("steering", "hints", 0, "z"), 1, "unknown key `z`"),
        (("steering", "reference"), "sun.jpg", "palette"),
        (("steering", "model"), "", "model"),
    ],
)
def test_anything_wrong_is_an_error(session, path, value, match):
    with pytest.raises(OptionError, match=match):
        Session.loads(broken(session, *path, value=value))


@pytest.mark.parametrize("text", ["", "{", b"\xff\xd8\xff\xe0"])
def test_a_file_of_another_kind(text):
    with pytest.raises(OptionError, match=r"^the session is no JSON: give a file that .* saved$"):
        Session.loads(text)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, b"\xff\xfe"])
def test_no_json(text):
    with pytest.raises(OptionError, match="session"):
        Session.loads(text)


def test_a_file(session, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(session.dumps(), encoding="utf-8")
    assert Session.read(path) == session
    with pytest.raises(OptionError, match=r"none\.json"):
        Session.read(tmp_path / "none.json")


def test_another_photo(session):
    def unasked() -> str:
        raise AssertionError("the picture is not decoded for nothing")

    own = Session("a.png", "12" * 32, "koala", Steering(), pixels="34" * 32)
    assert own.check("12" * 32, "a.png", unasked)
    assert not own.check("56" * 32, "a.png", lambda: "34" * 32)
    with pytest.raises(OtherPhotoError, match=r"belongs to `a\.png`.*`b\.png` is another"):
        own.check("56" * 32, "b.png", lambda: "78" * 32)
    old = Session("a.png", "12" * 32, "koala", Steering())
    with pytest.raises(OtherPhotoError):
        old.check("56" * 32, "a.png", unasked)


def test_the_pixels_are_in_the_file():
    own = Session("a.png", "12" * 32, "koala", Steering(), pixels="34" * 32)
    assert Session.loads(own.dumps()) == own
    document = json.loads(own.dumps())
    del document["photo"]["pixels"]  # as 0.4 wrote it
    assert Session.loads(json.dumps(document)).pixels is None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    def load(model="koala", **_):
        return Colorizer(ClassifyingEngine())

    monkeypatch.setattr("koalarize.colorizer.colorizer.Colorizer.load", load)
    grain = np.random.default_rng(0).integers(60, 200, (50, 70)).astype(np.uint8)
    Image.fromarray(grain).save(tmp_path / "photo.png")
    return tmp_path


def save(folder, steering, **change):
    data = (folder / "photo.png").read_bytes()
    facts = {"weights": None, "sha256": hashlib.sha256(data).hexdigest(), **change}
    pixels = Photo.read(data).digest()
    session = Session(
        "photo.png",
        facts["sha256"],
        "koala",
        steering,
        facts["weights"],
        facts.get("pixels", pixels),
    )
    (folder / "a.json").write_text(session.dumps())
    return Colorizer(ClassifyingEngine())(data, steering)


def test_the_command_line_replays_it(folder, steering, capsys):
    expected = save(folder, steering)
    assert main([str(folder / "photo.png"), "--session", str(folder / "a.json")]) == 0
    assert (folder / "photo.color.png").read_bytes() == expected
    assert "warning" not in capsys.readouterr().err


def test_other_weights_are_said(folder, steering, capsys):
    save(folder, steering, weights="00" * 32)
    assert main([str(folder / "photo.png"), "--session", str(folder / "a.json")]) == 0
    assert "other weights" in capsys.readouterr().err


def test_a_rating_in_the_photo_s_file_is_no_other_photo(folder, steering, capsys):
    expected = save(folder, steering)
    photo = Photo.read(folder / "photo.png")
    texts = ((b"tEXt", b"Rating\x005"),)
    rated = dataclasses.replace(photo, metadata=Metadata(texts=texts))
    grey = np.dstack([photo.pixels] * 3)
    (folder / "photo.png").write_bytes(rated.encode(grey))
    assert main([str(folder / "photo.png"), "--session", str(folder / "a.json")]) == 0
    assert "its picture is the same" in capsys.readouterr().err
    made = Photo.read(folder / "photo.color.png")
    assert np.array_equal(made.pixels, Photo.read(expected).pixels)
    assert made.metadata.texts == texts


def test_the_digest_is_of_the_picture():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    digests = {
        Photo(grey).digest(),
        Photo(grey.reshape(4, 3)).digest(),
        Photo(grey.astype(np.uint16)).digest(),
        Photo(grey, grey).digest(),
        Photo(grey + 1).digest(),
    }
    assert len(digests) == 5
    assert Photo(grey, format="JPEG", dpi=(3, 4)).digest() in digests


def test_the_command_line_refuses_another_photo(folder, steering, capsys):
    save(folder, steering, sha256="00" * 32, pixels="00" * 32)
    assert main([str(folder / "photo.png"), "--session", str(folder / "a.json")]) == 2
    assert "another picture" in capsys.readouterr().err
    assert not (folder / "photo.color.png").exists()


@pytest.mark.parametrize(
    "extra",
    [["--warmth", "0"], ["--model", "koala"], ["--hint", "1,1=#fff"], ["--vividness", "1"]],
)
def test_nothing_beside_a_session(folder, steering, capsys, extra):
    save(folder, steering)
    assert main([str(folder / "photo.png"), "--session", str(folder / "a.json"), *extra]) == 2
    assert f"`{extra[0]}` has no place" in capsys.readouterr().err


def test_one_picture_only(folder, steering, capsys):
    save(folder, steering)
    Image.new("L", (9, 9)).save(folder / "other.png")
    words = [str(folder / "photo.png"), str(folder / "other.png")]
    assert main([*words, "--session", str(folder / "a.json")]) == 2
    assert "one picture" in capsys.readouterr().err


def test_warmth_and_reference_on_the_command_line(folder):
    Image.new("RGB", (9, 9), (240, 130, 40)).save(folder / "sun.png")
    photo, out = str(folder / "photo.png"), folder / "new.png"
    words = ["--warmth", "0.5", "--reference", str(folder / "sun.png"), "--alternative", "1"]
    assert main([photo, "-o", str(out), *words]) == 0
    expected = Colorizer(ClassifyingEngine())(
        (folder / "photo.png").read_bytes(),
        warmth=0.5,
        reference=folder / "sun.png",
        alternative=1,
    )
    assert out.read_bytes() == expected


def test_a_reference_that_is_none(folder, capsys):
    assert main([str(folder / "photo.png"), "--reference", str(folder / "no.png")]) == 2
    assert "no.png" in capsys.readouterr().err


def test_warmth_out_of_range(folder, capsys):
    assert main([str(folder / "photo.png"), "--warmth", "2"]) == 2
    assert "warmth" in capsys.readouterr().err
