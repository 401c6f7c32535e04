"""Films with letterbox or pillarbox over HTTP: a page steers what the network sees of the film."""

from __future__ import annotations

import dataclasses
import io
import json
import time
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="needs the extra `video`")
pytest.importorskip("cv2", reason="needs the extra `video`")

import av

from fakes import OneByOne
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.film.facts import read_facts
from koalarize.steering.hints import Hint
from koalarize.steering.steering import Steering
from koalarize.web.studio.film_store import Film
from koalarize.web.studio.film_work import frame_of, list_of, look
from rest import API, client, place_of

HEIGHT, WIDTH = 48, 80  # of the picture without bars
AT = (24.0, 18.0)  # of a hint in it


class Looker(OneByOne):
    """Answers with one colour; keeps what it has seen with hints, and those."""

    info = ModelInfo("looker", 16, True, HEIGHT)

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def one(self, lightness, hints):
        if hints is not None and hints[2].any():
            self.seen.append(np.concatenate([lightness[None], hints]))
        return Prediction(np.full((2, *lightness.shape), 20, np.float32))


def barred(path, sides, picture):
    luma = np.pad(picture, sides)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.height, stream.width = luma.shape
        stream.pix_fmt = "yuv420p"
        for _ in range(9):
            frame = av.VideoFrame.from_ndarray(luma, "gray")
            out.mux(stream.encode(frame.reformat(format="yuv420p", dst_color_range=1)))
        out.mux(stream.encode(None))
    return path


def opened(source, **known):
    facts = dataclasses.replace(read_facts(source), **known)
    film = Film("0" * 64, source.name, source, 0, facts)
    look(film, 9)
    return film


@pytest.mark.parametrize("sides", [((12, 12), (0, 0)), ((0, 0), (16, 24)), ((8, 8), (16, 16))])
def test_a_hint_on_the_frame_of_a_page_is_that_of_the_film(tmp_path, sides):
    engine = Looker()
    picture = np.random.default_rng(1).integers(40, 220, (HEIGHT, WIDTH)).astype(np.uint8)
    source = barred(tmp_path / "film.mkv", sides, picture)
    with client(models={"koala": lambda: Colorizer(engine)}) as service:
        at = place_of(service.post(f"{API}/films?name=film.mkv", content=source.read_bytes()))
        while service.get(at).json()["state"] == "looking":
            time.sleep(0.02)
        frame = service.get(f"{at}/shots/0/frame").content
        assert Image.open(io.BytesIO(frame)).size == (WIDTH, HEIGHT)
        hint = {"x": AT[0], "y": AT[1], "color": "#c03020", "radius": 3}
        steering = {"model": "koala", "hints": [hint]}
        photo = place_of(service.post(f"{API}/photos?name=shot.png", content=frame))
        assert service.post(f"{photo}/render", json={"steering": steering}).status_code == 200
        of_page = engine.seen.pop()
        engine.seen.clear()
        asked = {"shots": [{"number": 0, "steering": steering}]}
        (listed,) = service.post(f"{at}/list", json=asked).json()["shots"][0]["hints"]
        assert (listed["x"], listed["y"]) == (AT[0] + sides[1][0], AT[1] + sides[0][0])
        service.post(f"{at}/render", json=asked)
        while service.get(at).json()["render"]["state"] in ("waiting", "running"):
            time.sleep(0.02)
        assert service.get(at).json()["render"]["problem"] is None
    assert len(engine.seen) > 0
    of_film = engine.seen[-1]
    assert np.abs(of_page[0] - of_film[0]).max() < 1
    assert np.array_equal(of_page[1:], of_film[1:])


@pytest.mark.parametrize(("rotation", "mirrored"), [(90, False), (180, True), (270, False)])
@pytest.mark.parametrize("aspect", [None, Fraction(3, 2)])
def test_what_is_hinted_on_a_turned_frame_lies_there_in_the_film(
    tmp_path, rotation, mirrored, aspect
):
    picture = np.full((HEIGHT, WIDTH), 60, np.uint8)
    picture[::2, ::2], picture[::2, 1::2] = 110, 20  # nothing of it is a bar
    picture[30:33, 50:54] = 255
    source = barred(tmp_path / "film.mkv", ((6, 14), (10, 20)), picture)
    film = opened(source, rotation=rotation, mirrored=mirrored, aspect=aspect)
    shown = np.asarray(Image.open(io.BytesIO(frame_of(film, 0))))
    rows, columns = np.nonzero(shown > 200)
    hint = Hint(x=columns.mean() + 0.5, y=rows.mean() + 0.5, color="#c03020")
    (listed,) = json.loads(list_of(film, {0: Steering(hints=(hint,))}))["shots"][0]["hints"]
    assert abs(listed["x"] - 62) < 0.6
    assert abs(listed["y"] - 37.5) < 0.6
