"""Everything that may be asked of a colouring comes to the network as it was asked, by each way."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from fakes import ClassifyingEngine, FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from rest import API, client


class NotingEngine(ClassifyingEngine):
    """Notes the shorter side of each picture that it sees."""

    def __init__(self):
        super().__init__()
        self.sides = []

    def run(self, l, hints):  # noqa: E741
        self.sides.append(min(l.shape))
        return super().run(l, hints)


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
    place = opened.post(f"{API}/photos", content=picture).headers["location"]
    answer = opened.post(f"{place}/preview", json={"format": "png", "steering": steering})
    assert answer.status_code == 200, answer.text
    return answer.content


def render(opened, picture, **steering):
    place = opened.post(f"{API}/photos", content=picture).headers["location"]
    answer = opened.post(f"{place}/render", json={"steering": steering})
    assert answer.status_code == 200, answer.text
    return answer.content


def session(opened, picture, **steering):
    """Render what a saved session holds once it is opened."""
    place = opened.post(f"{API}/photos", content=picture).headers["location"]
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
    plain = way(noting, grey)
    assert way(noting, grey, keep_color=True) == plain  # a grey photo has no colours to keep
    assert way(noting, grey, best=True) != plain


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
