"""Levels of other depths and spaces than Pillow reads: TIFF packed by bits, floats, Lab."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from koalarize.errors import PhotoError
from koalarize.photo.directories import Directory, Field, directory_bytes
from koalarize.photo.photo import Photo

HEIGHT, WIDTH = 5, 11


def tiff(values, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, metadata=None, **options)
    return buffer.getvalue()


def by_hand(rows, bits, samples, photometric, order=b"II*\0", **further):
    """A TIFF file of one strip of bytes; ``further`` are fields of 16 bits by ``t`` and tag."""
    numbers = {256: WIDTH, 257: HEIGHT, 259: 1, 262: photometric, 273: 8, 277: samples}
    numbers |= {278: HEIGHT, 279: len(rows)}
    numbers |= {int(tag[1:]): value for tag, value in further.items()}
    fields = {tag: Field(4, 1, value.to_bytes(4, "little")) for tag, value in numbers.items()}
    fields[258] = Field(3, samples, struct.pack("<H", bits) * samples)
    at = 8 + len(rows) + len(rows) % 2
    head = order + at.to_bytes(4, "little") + rows.ljust(at - 8, b"\0")
    return head + directory_bytes(Directory(fields), at)


def packed(levels, bits):
    """Rows of (H, n) levels, the highest bit of each first."""
    each = (levels[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(each.reshape(len(levels), -1).astype(np.uint8), axis=1).tobytes()


@pytest.mark.parametrize(
    ("samples", "photometric"), [(1, 1), (1, 0), (2, 1), (3, 2), (4, 2)], ids=str
)
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 9, 10, 12, 14, 15, 20])
def test_levels_of_any_bits(bits, samples, photometric):
    white, most = (1 << bits) - 1, 255 if bits <= 8 else 65535
    rng = np.random.default_rng(bits)
    levels = rng.integers(0, white, (HEIGHT, WIDTH * samples), np.int64, endpoint=True)
    extra = {"t338": 2} if samples in (2, 4) else {}
    photo = Photo.read(by_hand(packed(levels, bits), bits, samples, photometric, **extra))
    shown = ((levels * most + white // 2) // white).reshape(HEIGHT, WIDTH, samples)
    colors = shown[..., : 3 if samples > 2 else 1].squeeze()
    colors = most - colors if photometric == 0 else colors
    assert photo.pixels.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert np.array_equal(photo.pixels, colors)
    assert (photo.alpha is None) == (not extra)
    assert photo.alpha is None or np.array_equal(photo.alpha, shown[..., -1])


def test_24_bits_stand_in_the_order_of_the_file():
    levels = np.arange(HEIGHT * WIDTH, dtype="<u4").reshape(HEIGHT, WIDTH) * 300_000
    rows = levels.view(np.uint8).reshape(HEIGHT, WIDTH, 4)[..., :3].tobytes()
    expected = (levels.astype(np.int64) * 65535 + (1 << 23)) // ((1 << 24) - 1)
    assert np.array_equal(Photo.read(by_hand(rows, 24, 1, 1)).pixels, expected)


def test_levels_packed_by_bits_that_are_cut_short():
    source = by_hand(packed(np.zeros((HEIGHT - 1, WIDTH), np.int64), 10), 10, 1, 1)
    with pytest.raises(PhotoError, match="damaged or cut short"):
        Photo.read(source)


@pytest.mark.parametrize("form", [2, 3])
def test_12_bits_that_are_signed_or_floats_are_refused_by_name(form):
    source = by_hand(packed(np.zeros((HEIGHT, WIDTH), np.int64), 12), 12, 1, 1, t339=form)
    with pytest.raises(PhotoError, match=r"of a kind that is not read .*12 bits"):
        Photo.read(source)


@pytest.mark.parametrize("tiled", [False, True])
def test_tiles_and_planes_packed_by_bits(tiled):
    levels = np.random.default_rng(1).integers(0, 1024, (3, 16, 32), np.int64)
    part = [packed(plane, 10) for plane in levels]
    if tiled:
        halves = [plane[:, half] for plane in levels for half in (slice(16), slice(16, 32))]
        part = [packed(half, 10) for half in halves]
    starts = 8 + np.cumsum([0, *map(len, part)])
    fields = {256: 32, 257: 16, 259: 1, 262: 2, 277: 3, 284: 2}
    fields |= {322: 16, 323: 16} if tiled else {278: 16}
    made = {tag: Field(4, 1, value.to_bytes(4, "little")) for tag, value in fields.items()}
    made[258] = Field(3, 3, b"\x0a\0" * 3)
    offsets, sizes = (324, 325) if tiled else (273, 279)
    made[offsets] = Field(4, len(part), struct.pack(f"<{len(part)}I", *starts[:-1]))
    made[sizes] = Field(4, len(part), struct.pack(f"<{len(part)}I", *map(len, part)))
    at = int(starts[-1])
    source = b"II*\0" + at.to_bytes(4, "little") + b"".join(part)
    pixels = Photo.read(source + directory_bytes(Directory(made), at)).pixels
    assert np.array_equal(pixels, np.moveaxis((levels * 65535 + 511) // 1023, 0, -1))


class TestFloats:
    @pytest.mark.parametrize("size", [2, 4, 8])
    @pytest.mark.parametrize("samples", [1, 3])
    def test_their_predictor(self, samples, size):
        values = np.random.default_rng(size).random((HEIGHT, WIDTH, samples)).astype(f">f{size}")
        apart = values.view(np.uint8).reshape(HEIGHT, -1, size).swapaxes(1, 2)
        apart = np.ascontiguousarray(apart).reshape(HEIGHT, -1, samples)
        steps = zlib.compress(np.diff(apart, axis=1, prepend=np.uint8(0)).tobytes())
        kind = {"t259": 8, "t317": 3, "t339": 3}
        photo = Photo.read(by_hand(steps, 8 * size, samples, 2 if samples == 3 else 1, **kind))
        expected = (values.astype(np.float64).squeeze() * 65535 + 0.5).astype(np.uint16)
        assert np.array_equal(photo.pixels, expected)

    def test_the_predictor_as_libtiff_writes_it(self):
        values = np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
        buffer = io.BytesIO()
        options = {"compression": "tiff_adobe_deflate", "tiffinfo": {317: 3}}
        Image.fromarray(1 - values).save(buffer, "TIFF", **options)
        source = buffer.getvalue()
        with tifffile.TiffFile(io.BytesIO(source)) as file:
            assert file.pages[0].predictor == 3
            place = file.pages[0].tags[262].valueoffset
        turned = source[:place] + b"\0\0" + source[place + 2 :]  # so that it is read by us
        expected = np.rint(values * 65535)
        assert np.abs(Photo.read(turned).pixels - expected).max() <= 1

    @pytest.mark.parametrize("kind", ["minisblack", "rgb"])
    def test_what_is_brighter_than_white_is_white(self, kind):
        values = np.array([[-0.01, 0.25, 1, 1.02, 9]], np.float32)
        shown = np.dstack([values] * 3) if kind == "rgb" else values
        photo = Photo.read(tiff(shown, photometric=kind))
        assert photo.pixels.tolist() == [[0, 16384, 65535, 65535, 65535]]
        assert photo.notes == ("its levels, -0.01 to 9, are cut to 0 to 1",)

    def test_halves_beyond_255(self):
        values = np.array([[0, 1000]], np.float16)
        assert Photo.read(tiff(values, photometric="minisblack")).pixels.tolist() == [[0, 1000]]

    @pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
    def test_alpha(self, kind):
        values = np.array([[[0.25, 0.5, 0.125, 0.5], [0, 0, 0, 0], [1, 1, 1, 1]]], np.float32)
        photo = Photo.read(tiff(values, photometric="rgb", extrasamples=[kind]))
        first = [32768, 65535, 16384] if kind == "assocalpha" else [16384, 32768, 8192]
        assert photo.pixels.tolist() == [[first, [0] * 3, [65535] * 3]]
        assert photo.alpha.tolist() == [[32768, 0, 65535]]


class TestWide:
    @pytest.mark.parametrize(
        ("dtype", "white"), [(np.float32, 1), (np.int16, 32767), (np.uint32, 2**32 - 1)]
    )
    def test_white_is_zero(self, dtype, white):
        values = (np.array([[0, 0.25, 1]]) * white).astype(dtype)
        pixels = Photo.read(tiff(values, photometric="miniswhite")).pixels
        assert np.abs(pixels.astype(int) - [[65535, 49151, 0]]).max() <= 2

    @pytest.mark.parametrize("value", [3 << 30, (1 << 32) - 1])
    def test_one_level_of_32_bits_everywhere(self, value):
        photo = Photo.read(tiff(np.full((2, 3), value, np.uint32), photometric="minisblack"))
        assert photo.pixels.tolist() == [[round(value / 65537)] * 3] * 2

    def test_one_negative_level_everywhere(self):
        values = np.full((2, 3), -70_000, np.int32)
        assert not Photo.read(tiff(values, photometric="minisblack")).pixels.any()

    def test_alpha_is_not_stretched(self):
        values = np.full((1, 3, 4), 1 << 31, np.uint32)
        values[0, :, 3] = [1 << 31, (1 << 32) - 1, (1 << 32) - 1]
        photo = Photo.read(tiff(values, photometric="rgb", extrasamples=["unassalpha"]))
        assert photo.alpha.tolist() == [[32768, 65535, 65535]]


def lab_of(kind):
    """Lightness from black to white, a* of 20 and b* of -30 in the middle; and as a file has it."""
    lab = np.zeros((1, 201, 3), np.float32)
    lab[0, :, 0] = np.linspace(0, 100, 201)
    lab[0, 80:120, 1:] = (20, -30)
    if kind == "f4":
        return lab, lab
    size = np.dtype(kind.removeprefix("icc ")).itemsize
    white, unit = (65280, 256) if kind == "icc u2" else ((1 << 8 * size) - 1, 1 << 8 * (size - 1))
    first = 128 * unit if kind.startswith("icc") else 0
    starts, units = np.array([0, first, first]), np.array([white / 100, unit, unit])
    whole = np.rint(lab * units).astype(np.int64) + starts
    exact = (whole - starts) / units
    return exact, whole.astype(f"u{size}").view(kind.removeprefix("icc "))


@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "f4", "icc u1", "icc u2"])
def test_the_lightness_of_lab_is_kept(kind):
    lab, values = lab_of(kind)
    photo = Photo.read(tiff(values, photometric="icclab" if "icc" in kind else "cielab"))
    shallow = kind in ("u1", "icc u1")
    assert photo.pixels.dtype == (np.uint8 if shallow else np.uint16)
    off = np.abs(photo.lightness() - lab[..., 0])
    assert off.max() < (0.26 if shallow else 0.02)  # half a level where the curve is steepest
    neutral = np.r_[0:80, 120:201]
    assert np.ptp(photo.pixels[0, neutral].astype(int), axis=-1).max() == 0
    assert photo.pixels[0, -1].tolist() == [255 if shallow else 65535] * 3


def test_lab_of_one_number_everywhere_is_no_grey():
    photo = Photo.read(tiff(np.full((4, 4, 3), 2560, np.uint16), photometric="cielab"))
    assert photo.pixels.shape == (4, 4, 3)
    assert np.abs(photo.lightness() - 100 * 2560 / 65535).max() < 0.02


@pytest.mark.parametrize("value", [np.uint32(7), np.float32(np.nan)])
def test_lab_that_is_not_read(value):
    with pytest.raises(PhotoError, match=r"Lab of 32 bits, which is not read|not finite numbers"):
        Photo.read(tiff(np.full((4, 4, 3), value), photometric="cielab"))
