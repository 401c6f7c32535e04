"""Values of a wrong type end in one sentence that names the field, the type and the next step."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from koalarize.errors import OptionError
from koalarize.steering.crop import Crop
from koalarize.steering.hints import Hint
from koalarize.steering.recolor import Recolor
from koalarize.steering.settings import settings_text
from koalarize.steering.steering import Steering


@pytest.mark.parametrize(
    ("field", "value", "kind", "step"),
    [
        ("hints", None, "NoneType", "Hint.parse"),
        ("hints", Hint(1, 1, "#f00"), "Hint", "Hint.parse"),
        ("hints", "5,5=#f00", "str", "Hint.parse"),
        ("hints", ["5,5=#f00"], "str", "Hint.parse"),
        ("hints", [(1, 1, "#f00")], "tuple", "Hint.parse"),
        ("hints", [None], "NoneType", "Hint.parse"),
        ("recolors", None, "NoneType", "Recolor.parse"),
        ("recolors", ["#f00=#0f0"], "str", "Recolor.parse"),
        ("crop", (1, 1, 5, 5), "tuple", "Crop.parse"),
        ("crop", "1,1,5,5", "str", "Crop.parse"),
    ],
)
def test_parts(field, value, kind, step):
    with pytest.raises(OptionError, match=rf"^`{field}` .* of type {kind} but must .*{step}"):
        Steering(**{field: value})
    with pytest.raises(OptionError, match=f"of type {kind}"):
        Steering().changed({field: value})


@pytest.mark.parametrize(("field", "value"), [("crop", 5), ("hints", [5]), ("recolors", [5])])
def test_the_next_step_can_be_taken(field, value):
    with pytest.raises(OptionError) as caught:
        Steering(**{field: value})
    name, home = str(caught.value).rsplit(" by ", 1)[1].split(".parse(TEXT), from ")
    assert callable(getattr(importlib.import_module(home), name).parse)


@pytest.mark.parametrize("color", [None, 5, (255, 0, 0)])
def test_colors(color):
    kind = type(color).__name__
    with pytest.raises(OptionError, match=f"the hint's colour is of type {kind} but must be a tex"):
        Hint(1, 1, color)
    with pytest.raises(OptionError, match=f"`becomes` of a recolouring is of type {kind}"):
        Recolor("#f00", color)


def test_what_is_allowed_stays_so():
    hints = (Hint(1, 1, "#f00"),)
    asked = Steering(hints=list(hints), recolors=iter([]), crop=Crop(1, 1, 5, 5))
    assert (asked.hints, asked.recolors) == (hints, ())
    assert Steering(hints=[], crop=None) == Steering()


def test_numbers_of_numpy_are_held_as_those_of_python():
    """JSON, which sessions and the mark of a result are, holds no others."""
    hint = Hint(np.int64(3), np.float32(4.5), "#f00", radius=np.int32(2), reach=np.float64(0.5))
    whole = Crop(*np.array([1, 2, 3, 4]))
    steering = Steering(vividness=np.float32(1.5), hints=[hint], crop=whole)
    assert settings_text(steering) == settings_text(
        Steering(vividness=1.5, hints=[Hint(3, 4.5, "#f00", 2, 0.5)], crop=Crop(1, 2, 3, 4))
    )
    assert {type(hint.x), type(whole.x)} == {int}
    assert {type(hint.y), type(hint.reach), type(steering.vividness)} == {float}
