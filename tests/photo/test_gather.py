"""16-bit pictures are read band by band, and held once."""

import io
import tracemalloc

import numpy as np
import png
import pytest
import tifffile

from koalarize.errors import PhotoError
from koalarize.photo import gather
from koalarize.photo.photo import Photo

HEIGHT, WIDTH = 41, 23
TIFFS = {
    "one strip": {"rowsperstrip": HEIGHT},
    "strips": {"rowsperstrip": 6},
    "deflate": {"rowsperstrip": HEIGHT, "compression": "zlib"},
    "differences": {"rowsperstrip": 17, "compression": "zlib", "predictor": 2},
    "big end": {"byteorder": ">", "rowsperstrip": 9},
    "big end, differences": {"byteorder": ">", "compression": "zlib", "predictor": 2},
}


def scan(*, toned_from=0, height=HEIGHT, width=WIDTH):
    """Grey above a row, with a tone from there on."""
    grey = np.random.default_rng(0).integers(0, 65536, (height, width, 1)).astype(np.uint16)
    values = np.repeat(grey, 3, axis=2)
    values[toned_from:, :, 2] //= 2
    return values


def tiff(values, **how):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric="rgb", **how)
    return buffer.getvalue()


def deep_png(values):
    buffer = io.BytesIO()
    alpha = values.shape[2] == 4
    writer = png.Writer(values.shape[1], len(values), greyscale=False, alpha=alpha, bitdepth=16)
    writer.write(buffer, values.reshape(len(values), -1))
    return buffer.getvalue()


@pytest.fixture(params=[1, 7, 1000])
def rows(request, monkeypatch):
    """The rows of a band."""
    monkeypatch.setattr(gather, "_BAND_PIXELS", request.param * WIDTH)


@pytest.mark.parametrize("toned_from", [0, 8, HEIGHT - 1, HEIGHT])
@pytest.mark.parametrize("kind", [*TIFFS, "png"])
def test_bands_are_the_picture(rows, kind, toned_from):
    values = scan(toned_from=toned_from)
    data = deep_png(values) if kind == "png" else tiff(values, **TIFFS[kind])
    found = Photo.read(data).pixels
    assert found.dtype == np.uint16
    assert np.array_equal(found, values[..., 0] if toned_from == HEIGHT else values)


@pytest.mark.parametrize("toned_from", [0, 30, HEIGHT])
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_alpha_comes_apart(rows, kind, toned_from):
    values = np.dstack([scan(toned_from=toned_from), scan()[::-1, :, 0]])
    data = deep_png(values) if kind == "png" else tiff(values, extrasamples=["unassalpha"])
    photo = Photo.read(data)
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, values[..., 3])
    colors = values[..., :3]
    assert np.array_equal(photo.pixels, colors[..., 0] if toned_from == HEIGHT else colors)


def test_channels_that_differ_in_their_low_bytes_alone(rows):
    values = scan(toned_from=HEIGHT)
    values[20, 3, 1] ^= 1
    assert np.array_equal(Photo.read(deep_png(values)).pixels, values)


@pytest.mark.parametrize("kind", TIFFS)
def test_strips_that_end_too_early_are_damage(kind):
    values = scan()
    data = tiff(values, **TIFFS[kind])
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        last = file.pages[0].dataoffsets[-1]  # it ends in the last strip
    with pytest.raises(PhotoError, match="damaged"):
        Photo.read(data[: last + 9])


@pytest.mark.parametrize("kind", ["one strip", "deflate", "png"])
@pytest.mark.parametrize("toned", [False, True])
def test_a_picture_is_held_once(monkeypatch, kind, toned):
    """Of memory that NumPy knows: the pixels, a third of them if they are grey, and little more."""
    monkeypatch.setattr(gather, "_BAND_PIXELS", 1 << 14)
    values = scan(toned_from=0 if toned else 1000, height=1000, width=1000)
    how = {**TIFFS, "png": {}}[kind] | ({"rowsperstrip": 1000} if kind != "png" else {})
    data = deep_png(values) if kind == "png" else tiff(values, **how)
    Photo.read(deep_png(scan()) if kind == "png" else tiff(scan()))  # modules are loaded
    tracemalloc.start()
    try:
        Photo.read(data)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < values.nbytes * (1.0 if toned else 1 / 3) + (1 << 20)
