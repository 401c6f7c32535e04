"""A hint on a small thing of a film reaches as far in each frame as where it was set."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from fakes import FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.film.ask import Asker
from koalarize.film.film import color_film
from koalarize.film.flow import see
from koalarize.film.options import FilmOptions
from koalarize.film.shot_list import TimedHint
from koalarize.film.track import track
from koalarize.steering.hints import Hint


def eyes(frames):
    """Draw a dark spot on a bright ground, with the grain of a film."""
    rows, columns = np.mgrid[:96, :128].astype(np.float32)
    share = np.clip(3 - np.hypot(rows - 48, columns - 50), 0, 1)
    grain = np.random.default_rng(4)
    for _ in range(frames):
        frame = 70 + share * (25 - 70) + grain.normal(0, 1, share.shape)
        yield see(frame.astype(np.float32))


def reaches(hint, at=0.04):
    seen, times = list(eyes(5)), [n / 25 for n in range(5)]
    found = track(seen, times, [TimedHint(at, hint)], (96, 128), 0.5)
    assert all(len(one) == 1 for one in found)
    return {one.reach for (one,) in found}


def test_it_is_as_far_in_all_frames():
    (reach,) = reaches(Hint(51, 48, "#2050d0"))
    assert reach < 0.1


def test_a_hint_beside_it_reaches_as_far_as_is_asked():
    assert reaches(Hint(90, 48, "#2050d0")) == {0.5}


def test_a_reach_of_its_own_is_kept():
    assert reaches(Hint(51, 48, "#2050d0", reach=0.8)) == {0.8}


@pytest.mark.parametrize(("asked", "reach"), [({}, 0.5), ({"reach": 0.2}, 0.2)])
def test_what_a_coloured_frame_tells_the_network_reaches_as_the_film_asks(
    tmp_path, monkeypatch, asked, reach
):
    """A frame says colours everywhere: none of them is of a small thing alone."""
    red = np.zeros((48, 64, 3), np.uint8)
    red[:, :32], red[:, 32:] = (200, 60, 50), (40, 60, 220)
    Image.fromarray(red).save(tmp_path / "ref_000003.png")
    shot = {"from": 0, "to": 1, "frames": ["ref_000003.png"], **asked}
    listed = tmp_path / "film.shots.json"
    listed.write_text(json.dumps({"film": "film.mkv", "shots": [shot]}))
    found = []
    ask = Asker.ask

    def noted(self, lightness, steering):
        found.extend(steering.hints)
        return ask(self, lightness, steering)

    monkeypatch.setattr(Asker, "ask", noted)
    source = fp.write(tmp_path / "film.mkv", fp.moved(12))
    color_film(Colorizer(FakeEngine((30.0, 20.0))), source, options=FilmOptions(shots=listed))
    assert len(found) > 10
    assert {one.reach for one in found} == {reach}
