"""What is said of a picture that is a palette for others."""

import io

import numpy as np
import pytest
from PIL import Image

from koalarize.colorizer.reference import palette_of, read_reference

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


def test_what_stands_beside_its_colours_does_not_matter():
    buffer = io.BytesIO()
    ORANGE.save(buffer, "JPEG")
    assert read_reference(buffer.getvalue() + b"SEFT" * 100)[1] == ()


def test_python_logs_what_is_said(caplog: pytest.LogCaptureFixture):
    palette_of(np.full((6, 8), 128, np.uint8))
    assert caplog.messages == ["the reference has next to no colours: it asks for grey"]
    assert palette_of(ORANGE) is not None
    assert len(caplog.messages) == 1
