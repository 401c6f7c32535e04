"""Transparent parts over white."""

import numpy as np
import pytest
from PIL import Image

from koalarize.photo.white import over_white


def every_level() -> tuple[np.ndarray, np.ndarray]:
    """Every level of a pixel under every opacity."""
    level, opacity = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    return np.dstack([level, level, 255 - level]), opacity


def test_every_level_is_mixed_and_rounded_to_the_nearest():
    srgb, opacity = every_level()
    share = opacity[..., None].astype(np.int64)
    nearest = (srgb * share + 255 * (255 - share) + 127) // 255
    layered = Image.fromarray(np.dstack([srgb, opacity]))
    beside = over_white(Image.fromarray(srgb), Image.fromarray(opacity))
    for image in (over_white(layered), beside):
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), nearest)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "CMYK"])
def test_an_opaque_image_is_only_converted(mode):
    image = Image.new("RGB", (3, 2), (200, 100, 50)).convert(mode)
    assert over_white(image).tobytes() == image.convert("RGB").tobytes()


def test_a_palette_with_a_clear_entry_is_mixed():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.info["transparency"] = 1
    assert np.asarray(over_white(image)).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_grey_beside_its_opacity_becomes_rgb():
    made = over_white(Image.new("L", (1, 1), 0), Image.new("L", (1, 1), 51))
    assert made.getpixel((0, 0)) == (204, 204, 204)
