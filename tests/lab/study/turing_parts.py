"""What the tests of turing share."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image

from koalarize.lab.study.session import ModelUsed, read_record
from koalarize.lab.study.study import Options

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


def pixels_of(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    assert image.info == {}
    return np.asarray(image)
