"""The compiled kernel gives NumPy's bytes, and without it nothing is lost but time."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from koalarize import color
from koalarize.colorizer import kernel, merge, strip

ROOT = Path(__file__).parents[2]
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_kernel = pytest.mark.skipif(
    COMPILER is None and not kernel.available(), reason="this machine has no C compiler"
)


@pytest.fixture(autouse=True)
def switched_on(monkeypatch):
    monkeypatch.delenv("KOALARIZE_KERNEL", raising=False)


def both(monkeypatch, pixels, guidance, **how):
    """Merge with the kernel, which gives the same without AVX2, and with NumPy alone."""
    compiled = merge.merge(pixels, guidance, **how)
    with monkeypatch.context() as patch:
        patch.setenv("KOALARIZE_KERNEL", "plain")
        np.testing.assert_array_equal(merge.merge(pixels, guidance, **how), compiled)
        patch.setenv("KOALARIZE_KERNEL", "off")
        return compiled, merge.merge(pixels, guidance, **how)


def same(monkeypatch, pixels, guidance, **how):
    compiled, interpreted = both(monkeypatch, pixels, guidance, **how)
    assert compiled.dtype == interpreted.dtype
    np.testing.assert_array_equal(compiled, interpreted)


def guidance(seed=0, height=12, width=16, strength=40.0, nearest=False):
    """Chroma of all hues, much of it outside sRGB."""
    rng = np.random.default_rng(seed)
    planes = rng.normal(0, strength, (4, height, width)).astype(np.float32)
    planes[::2] *= 0.02
    return merge.Guidance(planes, nearest)


def noise(shape, dtype, seed=1):
    most = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, most + 1, shape).astype(dtype)


KINDS = [
    pytest.param(dtype, channels, id=f"{'colour' if channels else 'grey'}-{np.dtype(dtype).name}")
    for dtype in (np.uint8, np.uint16)
    for channels in ((), (3,))
]


@needs_kernel
def test_the_library_is_built_from_this_source():
    """A developer who changes merge_rows.c builds it with `pip install -e .`."""
    assert kernel.available()


@needs_kernel
def test_plain_is_without_avx2(monkeypatch):
    seen = []
    library = kernel._library()

    class Library:
        def koalarize_merge_rows(self, tables, rows, wide):
            seen.append(wide.value)
            library.koalarize_merge_rows(tables, rows, wide)

        def __getattr__(self, name):
            return getattr(library, name)

    monkeypatch.setattr(kernel, "_library", Library)
    for value in ("", "plain"):
        monkeypatch.setenv("KOALARIZE_KERNEL", value)
        merge.merge(noise((9, 31), np.uint8), guidance())
    assert set(seen[: len(seen) // 2]) == {1}
    assert set(seen[len(seen) // 2 :]) == {0}


@needs_kernel
@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_bytes_are_those_of_numpy(monkeypatch, dtype, channels, threads):
    same(monkeypatch, noise((97, 1311, *channels), dtype), guidance(), threads=threads)


@needs_kernel
@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_every_level_and_every_hue(monkeypatch, dtype, channels):
    """Each grey level under 720 hues, from within sRGB to far outside."""
    levels = np.linspace(0, np.iinfo(dtype).max, 256).astype(dtype)
    pixels = np.repeat(levels[:, None], 720, 1)
    if channels:
        pixels = np.stack([pixels, pixels[::-1], pixels], axis=-1)
    hue = np.deg2rad(np.arange(720) / 2)
    for chroma in (0, 5, 60, 150):
        ab = np.stack([chroma * np.cos(hue), chroma * np.sin(hue)])[:, None].astype(np.float32)
        same(monkeypatch, pixels, merge.upsampled(ab, "nearest"))


@needs_kernel
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    grid=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    nearest=st.booleans(),
    kind=st.sampled_from([(np.uint8, ()), (np.uint8, (3,)), (np.uint16, ()), (np.uint16, (3,))]),
    seed=st.integers(0, 99),
)
def test_any_size_on_any_grid(height, width, grid, nearest, kind, seed):
    pixels = noise((height, width, *kind[1]), kind[0], seed)
    with pytest.MonkeyPatch.context() as patch:
        same(patch, pixels, guidance(seed, *grid, nearest=nearest))


@needs_kernel
def test_an_area_is_the_same_in_the_whole(monkeypatch):
    pixels = noise((60, 80), np.uint8)
    whole = merge.merge(pixels, guidance())
    area = (13, 7, 66, 41)
    part, interpreted = both(monkeypatch, pixels, guidance(), area=area)
    np.testing.assert_array_equal(part, whole[7:41, 13:66])
    np.testing.assert_array_equal(part, interpreted)


@needs_kernel
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_need_not_lie_side_by_side(monkeypatch, dtype):
    """As Pillow keeps them, turned, mirrored, and on odd addresses."""
    four = noise((30, 40, 4), dtype)
    odd = np.frombuffer(b"\0" + four.tobytes(), np.uint8)[1:].view(dtype).reshape(four.shape)
    for pixels in (four[..., :3], four[..., 2::-1], four[..., 1], four[::-1, ::2, :3], odd[..., 0]):
        same(monkeypatch, pixels, guidance())
    same(monkeypatch, four[..., :3].transpose(1, 0, 2), guidance())


@needs_kernel
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e37, -1e37])
def test_what_is_not_finite_stays_inside_the_tables(value):
    """A network of others may answer so: the colours are none, the memory is ours."""
    planes = guidance().planes.copy()
    planes[::2, ::3] = value
    for kind in (np.uint8, np.uint16):
        assert merge.merge(noise((300, 400), kind), merge.Guidance(planes)).shape == (300, 400, 3)


@needs_kernel
def test_the_kernel_is_what_merges(monkeypatch):
    def never(*_):
        raise AssertionError("NumPy was asked")

    monkeypatch.setattr(strip.Strip, "merge", never)
    merge.merge(noise((5, 5), np.uint8), guidance())


def test_switched_off_numpy_merges(monkeypatch):
    monkeypatch.setenv("KOALARIZE_KERNEL", "off")
    monkeypatch.setattr(kernel, "merge_rows", None)
    assert merge.merge(noise((5, 5), np.uint8), guidance()).shape == (5, 5, 3)


def test_fractions_and_foreign_byte_orders_are_numpys(monkeypatch):
    monkeypatch.setattr(kernel, "merge_rows", None)
    swapped = noise((5, 5), np.uint16).astype(np.dtype(np.uint16).newbyteorder())
    assert not kernel.takes(swapped)
    assert merge.merge(np.full((5, 5), 0.5, np.float32), guidance()).dtype == np.float32


@needs_kernel
@pytest.mark.parametrize(
    "change",
    [
        {"pixels": noise((4, 6), np.uint8)},
        {"pixels": noise((4, 5), np.uint16)},
        {"across": np.zeros((4, 3, 6), np.float32)},
        {"upper": np.zeros(3, np.int64)},
        {"upper": np.full(4, 2, np.int64), "lower": np.full(4, 3, np.int64)},
        {"lower": np.full(4, -1, np.int64)},
        {"out": np.empty((4, 5, 3), np.uint8)},
        {"out": np.empty((4, 10, 4), np.uint8)[:, ::2]},
    ],
)
def test_arrays_that_do_not_fit_are_refused(change):
    """The library would read or write beside them."""
    given = {
        "pixels": noise((4, 5), np.uint8),
        "across": np.zeros((4, 3, 5), np.float32),
        "upper": np.zeros(4, np.int64),
        "lower": np.ones(4, np.int64),
        "weights": np.zeros(4, np.float32),
        "out": np.empty((4, 5, 4), np.uint8),
    }
    kernel.merge_rows(**given)
    with pytest.raises(ValueError, match="fit"):
        kernel.merge_rows(**{**given, **change})


@needs_kernel
@pytest.mark.parametrize(("width", "wide"), [(1, 1), (1, 9), (7, 7), (7, 8), (300, 1000)])
def test_planes_are_widened_alike(monkeypatch, width, wide):
    planes = np.random.default_rng(2).normal(0, 9, (4, 5, width)).astype(np.float32)
    compiled = merge._widened(planes, wide)
    monkeypatch.setenv("KOALARIZE_KERNEL", "off")
    np.testing.assert_array_equal(compiled, merge._widened(planes, wide))
    if wide == width:
        np.testing.assert_allclose(compiled, planes, atol=1e-5)


@needs_kernel
@pytest.mark.parametrize("left", [[0, 3], [-1, 0], [0]])
def test_places_beside_the_planes_are_refused(left):
    right, weights = np.array([0, 2]), np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="fit"):
        kernel.widen(np.zeros((4, 2, 3), np.float32), np.array(left), right, weights)


@pytest.mark.skipif(COMPILER is None, reason="this machine has no C compiler")
@pytest.mark.parametrize("named", ["0123456789abcdef", None])
def test_a_library_of_other_sources_is_not_called(tmp_path, monkeypatch, named):
    source = tmp_path / "merge_rows.c"
    shutil.copy(kernel.SOURCE, source)
    library = source.with_suffix(kernel.SUFFIX)
    digits = named or hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    known = f'-DKOALARIZE_SOURCE="{digits}"'
    subprocess.run(
        [COMPILER, "-shared", "-fPIC", known, "-o", library, source], check=True, timeout=60
    )
    monkeypatch.setattr(kernel, "SOURCE", source)
    kernel._library.cache_clear()
    try:
        assert kernel.available() is (named is None)
        source.write_text(source.read_text() + "\n")
        kernel._library.cache_clear()
        assert not kernel.available()
        library.unlink()  # not written over: it is mapped
        library.write_bytes(b"of another machine")
        kernel._library.cache_clear()
        assert not kernel.available()
    finally:
        monkeypatch.undo()
        kernel._library.cache_clear()


def test_the_roots_of_luminance_are_those_of_cielab():
    """Grey in three equal channels has the L* of the table of greys, to 0.001."""
    grey = np.arange(65536, dtype=np.uint16)[None]
    fy = np.empty(65536, np.float32)
    strip.curve_of(np.repeat(grey[..., None], 3, -1), fy)
    lightness = 116 * fy - 16
    np.testing.assert_allclose(lightness, color.grey_to_lightness(grey[0]), atol=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="this machine has no C compiler")
@pytest.mark.parametrize("pure", [False, True])
def test_a_wheel_has_the_library_or_says_that_it_needs_none(tmp_path, pure, monkeypatch):
    if pure:
        monkeypatch.setenv("KOALARIZE_BUILD", "pure")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT]
    subprocess.run(pip, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl") is pure
    names = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", wheel], check=True, capture_output=True, text=True
    ).stdout
    assert (f"colorizer/merge_rows{kernel.SUFFIX}" in names) is not pure
