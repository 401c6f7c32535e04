"""Photoshop documents: 1 to 32 bits, channels beside the colors, and how they are packed."""

import struct

import numpy as np
import pytest
from PIL import Image

from koalarize.color import light_to_srgb
from koalarize.errors import PhotoError
from koalarize.photo.mend import DAMAGED
from koalarize.photo.photo import Photo
from koalarize.photo.samples import SPARE
from photo_parts import grey_profile

HEIGHT, WIDTH = 3, 200  # a row takes more than one run of bytes
BITMAP, GREY, RGB, CMYK, DUOTONE, LAB = 0, 1, 3, 4, 8, 9
LAYERS = struct.pack(">Ihxx", 4, -1)  # as many as without the sign, and the picture is clear
BLOCK = struct.pack(">II", 0, 0) + b"8BIMLr16" + struct.pack(">I", 2) + bytes(4)
CLEAR = BLOCK + b"8BIMMt16" + bytes(4)


def levels_of(channels, bits):
    rng = np.random.default_rng(channels)
    shape = (HEIGHT, WIDTH, channels)
    return rng.integers(0, 1 << bits, shape, np.uint8 if bits == 8 else np.uint16)


def psd(levels, mode, *, packed=True, layers=LAYERS, resources=b""):
    channels, bits = levels.shape[2], 1 if mode == BITMAP else 8 * levels.itemsize
    head = b"8BPS" + struct.pack(">H6xH2I2H", 1, channels, HEIGHT, WIDTH, bits, mode)
    head += struct.pack(">2I", 0, len(resources)) + resources
    head += struct.pack(">I", len(layers)) + layers
    whole = levels.astype(levels.dtype.newbyteorder(">"))
    rows = [whole[y, :, n].tobytes() for n in range(channels) for y in range(HEIGHT)]
    if not packed:
        return head + b"\0\0" + b"".join(rows)
    runs = [[row[at : at + 128] for at in range(0, len(row), 128)] for row in rows]
    lines = [b"".join(bytes([len(run) - 1]) + run for run in row) for row in runs]
    return head + b"\0\1" + struct.pack(f">{len(lines)}H", *map(len, lines)) + b"".join(lines)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("beside", [0, 1, 2])
@pytest.mark.parametrize("mode", [GREY, RGB, DUOTONE])
def test_its_picture_and_alpha(mode, beside, bits, packed):
    colors = 3 if mode == RGB else 1
    levels = levels_of(colors + beside, bits)
    photo = Photo.read(psd(levels, mode, packed=packed))
    assert photo.pixels.dtype == levels.dtype
    assert np.array_equal(photo.pixels, levels[..., :colors].squeeze())
    assert (photo.alpha is None) == (beside == 0)
    assert photo.alpha is None or np.array_equal(photo.alpha, levels[..., colors])
    assert photo.notes == (SPARE,) * (beside == 2)


@pytest.mark.parametrize(
    ("layers", "clear"),
    [
        (b"", False),
        (LAYERS, True),
        (struct.pack(">Ihxx", 4, 1), False),
        (BLOCK, False),
        (CLEAR, True),
    ],
)
def test_a_saved_selection_is_no_alpha(layers, clear):
    photo = Photo.read(psd(levels_of(2, 16), GREY, layers=layers))
    assert (photo.alpha is not None) == clear
    assert photo.notes == (() if clear else (SPARE,))


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_with_a_channel_more(bits):
    levels = levels_of(5, bits)
    photo = Photo.read(psd(levels, CMYK))
    inks = ((1 << bits) - 1 - levels[..., :4].astype(np.int64)) / (257 if bits == 16 else 1)
    plain = Image.frombytes("CMYK", (WIDTH, HEIGHT), np.rint(inks).astype(np.uint8).tobytes())
    assert np.array_equal(photo.pixels, np.asarray(plain.convert("RGB")))
    assert photo.alpha.dtype == np.uint8


@pytest.mark.parametrize("bits", [8, 16])
def test_lab(bits):
    levels = np.zeros((HEIGHT, WIDTH, 3), np.uint8 if bits == 8 else np.uint16)
    most = (1 << bits) - 1
    levels[..., 0] = np.linspace(0, most, WIDTH)
    levels[..., 1:] = 1 << (bits - 1)
    photo = Photo.read(psd(levels, LAB))
    assert photo.is_grey
    off = photo.lightness() - levels[..., 0] * (100 / most)
    assert np.abs(off).max() < (0.26 if bits == 8 else 0.02)


@pytest.mark.parametrize("packed", [False, True])
def test_black_of_a_bitmap_is_black(packed):
    white = np.random.default_rng(1).integers(0, 2, (HEIGHT, WIDTH), np.uint8)
    bits = np.packbits(1 - white, axis=1)[..., None]  # as Photoshop and ImageMagick have it
    photo = Photo.read(psd(bits, BITMAP, packed=packed, layers=b""))
    assert np.array_equal(photo.pixels, 255 * white)


@pytest.mark.parametrize("mode", [GREY, RGB])
def test_floats_are_light(mode):
    light = np.repeat(np.linspace(0, 1.5, WIDTH, dtype=np.float32)[None], HEIGHT, axis=0)
    light = np.stack([light] * (3 if mode == RGB else 1), axis=-1)
    photo = Photo.read(psd(light, mode, layers=b""))
    wanted = np.minimum(light_to_srgb(light[..., 0]), 1)
    assert np.abs(photo.pixels / 65535 - wanted).max() < 2e-5
    assert photo.notes == (f"its levels, 0 to {light_to_srgb(light).max():g}, are cut to 0 to 1",)


def test_a_profile_says_what_floats_are():
    profile = grey_profile(1.0)
    held = b"8BIM" + struct.pack(">HHI", 1039, 0, len(profile)) + profile
    held += bytes(len(profile) % 2)
    light = np.full((HEIGHT, WIDTH, 1), 0.5, np.float32)
    photo = Photo.read(psd(light, GREY, layers=b"", resources=held))
    assert np.abs(photo.pixels / 65535 - light_to_srgb(light[..., 0])).max() < 0.002


@pytest.mark.parametrize("packed", [False, True])
def test_one_that_is_cut_short(packed):
    whole = psd(levels_of(3, 16), RGB, packed=packed)
    for size in (len(whole) - 1, 60):
        with pytest.raises(PhotoError, match="damaged or cut short"):
            Photo.read(whole[:size])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("bits", "missing"), [(8, 90), (16, 90), (16, 500)])
def test_one_that_is_cut_short_is_read_as_far_as_it_goes(bits, missing, packed):
    levels = levels_of(3, bits)
    photo = Photo.read(psd(levels, RGB, packed=packed)[:-missing], tolerant=True)
    assert photo.notes == ("it is cut short: what is missing of it is filled up",)
    assert np.array_equal(photo.pixels[..., :2], levels[..., :2])
    assert not photo.pixels[-1, -40:, 2].any()


def test_damaged_rows_leave_the_others():
    levels = levels_of(1, 8)
    whole = psd(levels, GREY)
    row = WIDTH + 2
    bad = whole[: -2 * row] + b"\x80" * row + whole[-row:]  # which stands for nothing
    with pytest.raises(PhotoError, match="--tolerant"):
        Photo.read(bad)
    photo = Photo.read(bad, tolerant=True)
    assert photo.notes == (DAMAGED,)
    assert np.array_equal(photo.pixels[[0, 2]], levels[[0, 2], :, 0])


@pytest.mark.parametrize("bit", [4, 6])
def test_a_run_of_a_wrong_length_is_damage_though_enough_bytes_come(bit):
    levels = levels_of(1, 8)
    whole = psd(levels, GREY)
    first = len(whole) - HEIGHT * (WIDTH + 2)  # the length of the first row's first run
    bad = whole[:first] + bytes([whole[first] ^ 1 << bit]) + whole[first + 1 :]
    with pytest.raises(PhotoError, match="its runs do not fill its rows"):
        Photo.read(bad)
    photo = Photo.read(bad, tolerant=True)
    assert photo.notes == (DAMAGED,)
    assert np.array_equal(photo.pixels[1:], levels[1:, :, 0])
