"""What is said of a picture that is a palette for others."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fakes import ClassifyingEngine, logits_of
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.reference import palette_of, read_reference
from koalarize.engines.engine import Prediction
from koalarize.errors import PhotoError

ORANGE = Image.new("RGB", (8, 6), (200, 90, 20))


def saved(path, image=ORANGE, **options):
    image.save(path, **options)
    return path


def test_what_its_colours_lack_is_said(tmp_path):
    broken = saved(tmp_path / "a.png", icc_profile=b"no profile at all")
    _, notes = read_reference(broken)
    assert len(notes) == 1
    assert notes[0].startswith("the reference `a.png`: ")
    assert "profile" in notes[0]


def test_further_pages_are_not_looked_at_and_said(tmp_path):
    pages = saved(tmp_path / "a.tif", save_all=True, append_images=[ORANGE])
    assert read_reference(pages)[1] == ("the reference `a.tif`: only page 1 of 2 is looked at",)


def test_one_of_which_nothing_is_seen_is_refused():
    clear = np.full((8, 8, 4), (250, 0, 0, 0), np.uint8)
    with pytest.raises(PhotoError, match="transparent all over"):
        palette_of(clear)
    clear[0, 0, 3] = 1
    assert palette_of(clear) is not None


def test_what_stands_beside_its_colours_does_not_matter():
    buffer = io.BytesIO()
    ORANGE.save(buffer, "JPEG")
    assert read_reference(buffer.getvalue() + b"SEFT" * 100)[1] == ()


def test_python_logs_what_is_said(caplog: pytest.LogCaptureFixture):
    palette_of(np.full((6, 8), 128, np.uint8))
    assert caplog.messages == ["the reference has next to no colours: it asks for grey"]
    assert palette_of(ORANGE) is not None
    assert len(caplog.messages) == 1


class Violet(ClassifyingEngine):
    """Holds violet likely everywhere, and shows it as its facts say."""

    def one(self, lightness, hints):
        logits = logits_of({(30, -27): 0.9, (0, 0): 0.1}, *(side // 4 for side in lightness.shape))
        ab = self.info.decoded(logits[None], lightness[None], None)[0]
        return Prediction(ab, logits)


def test_the_colours_of_a_reference_are_not_paled_where_they_are_dark_violets():
    dark = np.random.default_rng(4).integers(20, 110, (6, 6), dtype=np.uint8)
    pixels = np.kron(dark, np.ones((16, 16), np.uint8))
    violet = palette_of(np.full((9, 9, 3), (90, 50, 130), np.uint8))
    plain, led = [], []
    for share in (0.0, 1.0):
        engine = Violet()
        engine.info = replace(engine.info, violets=share)
        colorizer = Colorizer(engine)
        plain.append(colorizer(pixels).astype(int))
        led.append(colorizer(pixels, reference=violet))
    assert np.abs(plain[0] - plain[1]).max() > 10
    assert np.ptp(led[0].astype(int), axis=-1).max() > 10
    np.testing.assert_array_equal(*led)
