"""Large files are coloured in strips while they are written, and no pixel goes through BLAS."""

import ast
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import koalarize
from fakes import FakeEngine
from koalarize.colorizer import look, several
from koalarize.colorizer.colorizer import Colorizer
from koalarize.photo import rows
from koalarize.photo.photo import Photo
from koalarize.photo.provenance import read_mark
from koalarize.steering.crop import Crop
from koalarize.steering.steering import Steering

PIXEL_PATH = {
    "color": ("convert", "rows"),
    "colorizer": ("chroma", "kernel", "merge", "strip", "tables"),
    "photo": ("decode", "encode16", "encode8", "photo", "read", "rows", "samples", "white"),
}
MODULES = [f"{room}/{name}.py" for room, names in PIXEL_PATH.items() for name in names]
BLAS = {"dot", "einsum", "inner", "matmul", "matvec", "tensordot", "vdot", "vecmat"}


@pytest.mark.parametrize("module", MODULES)
def test_no_pixel_goes_through_blas(module):
    """Its threads would spin beside those that ``threads=`` allows."""
    tree = ast.parse((Path(koalarize.__file__).parent / module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.MatMult)
        assert not (isinstance(node, ast.Attribute) and node.attr in BLAS)


def pictures():
    rng = np.random.default_rng(0)
    grey = np.clip(
        np.linspace(0, 255, 90 * 70).reshape(90, 70) + rng.normal(0, 9, (90, 70)), 0, 255
    )
    eight, deep = grey.astype(np.uint8), (grey * 257).astype(np.uint16)
    toned = np.dstack([eight, (eight * 0.8).astype(np.uint8), (eight * 0.6).astype(np.uint8)])
    toned[20:40, 20:50] = (30, 60, 200)
    clear = np.dstack([eight, eight, eight, eight[::-1]])
    return {"grey": eight, "deep": deep, "toned": toned, "clear": clear}


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("name", pictures())
@pytest.mark.parametrize("keep_color", [False, True])
def test_strips_are_the_same_pixels(tmp_path, monkeypatch, ending, name, keep_color):
    source = tmp_path / f"scan.{ending}"
    Image.fromarray(pictures()[name]).save(source)
    colorizer = Colorizer(FakeEngine(), threads=2)
    steering = Steering(keep_color=keep_color)
    whole = colorizer.file(source, tmp_path / f"whole.{ending}", steering)
    monkeypatch.setattr(several, "IN_STRIPS", 0)
    monkeypatch.setattr(rows, "_BAND_PIXELS", 70 * 13)
    strips = colorizer.file(source, tmp_path / f"strips.{ending}", steering)
    a, b = Photo.read(whole.written), Photo.read(strips.written)
    assert np.array_equal(a.pixels, b.pixels)
    assert a.pixels.dtype == b.pixels.dtype
    assert (a.alpha is None and b.alpha is None) or np.array_equal(a.alpha, b.alpha)
    assert (whole.notes, whole.had_colors) == (strips.notes, strips.had_colors)
    assert np.array_equal(strips.photo.pixels, whole.photo.pixels)  # made again for who asks
    mark = read_mark(strips.written)
    assert mark is not None
    assert mark.untouched


def test_a_crop_is_not_made_in_strips(tmp_path, monkeypatch):
    monkeypatch.setattr(several, "IN_STRIPS", 0)
    Image.fromarray(pictures()["grey"]).save(tmp_path / "scan.png")
    crop = Crop(10, 20, 30, 40)
    made = Colorizer(FakeEngine()).file(tmp_path / "scan.png", steering=Steering(crop=crop))
    assert Image.open(made.written).size == (30, 40)


class Watched:
    """Rows that count how many bands of them are held."""

    shape, dtype = (640, 32, 3), np.dtype(np.uint8)

    def __init__(self):
        self.made, self.most, self.taken = 0, 0, 0
        self.lock = threading.Lock()

    def rows(self, top, bottom, *, threads=1):
        with self.lock:
            self.made += 1
            self.most = max(self.most, self.made - self.taken)
        return np.full((bottom - top, 32, 3), top // 10, np.uint8)


@pytest.mark.parametrize("threads", [1, 3])
def test_few_bands_are_held_and_they_come_in_order(threads):
    watched, found = Watched(), []
    for number in rows.packed_bands(watched, None, 10, lambda part: part[0, 0, 0], threads):
        watched.taken += 1
        found.append(number)
    assert found == list(range(64))
    assert watched.most <= threads + 1


def test_what_fails_in_a_band_is_handed_on():
    def fail(part):
        raise MemoryError

    with pytest.raises(MemoryError):
        list(rows.packed_bands(Watched(), None, 10, fail, 3))


def test_a_deep_photo_is_looked_at_in_bands(monkeypatch):
    down, across = np.mgrid[:630, :810]
    levels = 30000 + 20000 * np.sin(down / 90) * np.cos(across / 70)
    photo = Photo(levels.astype(np.uint16))
    whole = Colorizer(FakeEngine()).look(photo, size=60).lightness
    monkeypatch.setattr(look, "_BAND_PIXELS", 810 * 50)
    found = Colorizer(FakeEngine()).look(photo, size=60).lightness
    assert np.abs(found - whole).max() < 1e-4
