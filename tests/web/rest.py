"""What tests of the REST service share: a client, a stand-in for the network, checks."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from fakes import ClassifyingEngine, FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.web.studio.app import create_app
from koalarize.web.studio.settings import Settings

API = "/api/v1"
HOST = "http://127.0.0.1:8765"
MODELS = {
    "koala": lambda: Colorizer(ClassifyingEngine()),
    "plain": lambda: Colorizer(FakeEngine()),
}


def client(**limits):
    models = limits.pop("models", MODELS)
    raising = limits.pop("raising", True)
    app = create_app(Settings(**limits), models=models)
    return TestClient(app, base_url=HOST, raise_server_exceptions=raising)


def studio_of(app):
    """What the endpoints of an application share, behind all that stands before them."""
    while not hasattr(app, "state"):
        app = app._app
    return app.state.studio


def picture(width=70, height=50, kind="JPEG", **options):
    grain = np.random.default_rng(0).integers(60, 200, (height, width)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grain).save(buffer, kind, **options)
    return buffer.getvalue()


def image_of(answer):
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def place_of(answer):
    """Where an upload lies: `Location` is relative to the address that was asked."""
    return str(answer.url.join(answer.headers["location"]))


def problem(answer, status, slug, word=""):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["type"] == f"urn:koalarize:problem:{slug}"
    assert said["status"] == status
    assert said["title"]
    assert word in said["detail"]
    assert "Traceback" not in answer.text
    return said


HINTED = {"hints": [{"x": 20, "y": 25, "color": "#3050c0"}]}


class SlowEngine(ClassifyingEngine):
    """Waits until it is let go."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()
        self.began = threading.Event()

    def one(self, lightness, hints):
        self.began.set()
        assert self.go.wait(10)
        return super().one(lightness, hints)


def film_of(path: Path, shots=((3, 16), (8, 12))) -> bytes:
    """Code a film of shots of drawn pictures, each a seed and a number of frames."""
    import av
    import cv2

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for seed, count in shots:
            rng = np.random.default_rng(seed)
            small = rng.integers(20, 235, (5, 6)).astype(np.uint8)
            picture = cv2.resize(small, (110, 48), interpolation=cv2.INTER_CUBIC)
            for n in range(count):
                frame = av.VideoFrame.from_ndarray(picture[:, n : n + 64].copy(), "gray")
                out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    return path.read_bytes()
