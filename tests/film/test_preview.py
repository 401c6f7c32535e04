"""A sheet of frames before hours of work: coloured as the film will be."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from koalarize.errors import OptionError
from koalarize.film import spread
from koalarize.film.facts import read_facts
from koalarize.film.options import FilmOptions
from koalarize.film.spread import preview
from koalarize.steering.steering import PLAIN

HINT = {"x": 5, "y": 5, "color": "#ff0000"}


@pytest.fixture
def source(tmp_path):
    return fp.write(tmp_path / "film.mp4", fp.moved(20, seed=1) + fp.moved(20, seed=7))


def listed(folder, **of_second):
    path = folder / "film.shots.json"
    second = {"from": 0.8, "to": 1.6} | of_second
    path.write_text(json.dumps({"film": "film.mp4", "shots": [{"from": 0, "to": 0.8}, second]}))
    return path


def test_the_command_shows_each_frame_by_its_shot(command, source, tmp_path):
    shots = listed(tmp_path, vividness=0)
    assert command([str(source), "--preview", "4", "--shots", str(shots)]) == 0
    sheet = np.asarray(Image.open(tmp_path / "film.preview.jpg")).astype(int)
    first, second = np.split(np.ptp(sheet, axis=-1), 2)
    assert first.mean() > 8
    assert second.mean() < 2


@pytest.mark.parametrize("changes", [{"hints": [HINT]}, {"frames": ["ref_000025.png"]}])
def test_what_is_followed_from_frame_to_frame_is_refused(colorizer, source, tmp_path, changes):
    options = FilmOptions(shots=listed(tmp_path, **changes))
    with pytest.raises(OptionError, match=r"shot 2 of .* has `(hints|frames)`, which are followed"):
        preview(colorizer, read_facts(source), PLAIN, options, 2)


def test_one_palette_leads_the_sheet_too(colorizer, source, monkeypatch):
    asked = []
    monkeypatch.setattr(spread, "pooled_palette", lambda *given: asked.append(given))
    preview(colorizer, read_facts(source), PLAIN, FilmOptions(one_palette=True), 2)
    assert len(asked) == 1
