"""Profiles in files whose readers look past them: JPEG 2000, GIF and BMP."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from koalarize.photo.embedded_profiles import profile_of_bmp, profile_of_gif
from koalarize.photo.photo import Photo
from photo_parts import adobe_profile, grey_profile, saved, smooth

LINEAR = grey_profile(1.0)


def box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content


def jpeg_2000(picture, profile, method=2):
    """A JPEG 2000 file whose color box holds a profile in place of a number."""
    data = saved(picture, "JPEG2000")
    place = data.index(b"jp2h")
    (size,) = struct.unpack(">I", data[place - 4 : place])
    color = data.index(b"colr")
    (length,) = struct.unpack(">I", data[color - 4 : color])
    inside = data[place + 4 : color - 4] + box(b"colr", bytes([method, 0, 0]) + profile)
    inside += data[color - 4 + length : place - 4 + size]
    return data[: place - 4] + box(b"jp2h", inside) + data[place - 4 + size :]


def gif(levels, profile, frames=1):
    """A GIF file with the extension that holds a profile."""
    stream = io.BytesIO()
    pictures = [Image.fromarray(np.roll(levels, number)) for number in range(frames)]
    pictures[0].save(stream, "GIF", save_all=True, append_images=pictures[1:])
    data = stream.getvalue()
    head = 13 + 3 * (2 << (data[10] & 7))
    parts = [profile[at : at + 255] for at in range(0, len(profile), 255)]
    blocks = b"".join(bytes([len(part)]) + part for part in parts)
    return data[:head] + b"\x21\xff\x0bICCRGBG1012" + blocks + b"\0" + data[head:]


def bmp(picture, profile):
    """A BMP file of version 5."""
    pixels = saved(picture, "BMP")[54:]
    height, width = picture.shape[:2]
    head = struct.pack("<I2i2H", 124, width, height, 1, 24) + struct.pack("<2I", 0, len(pixels))
    head = head.ljust(56, b"\0") + b"DEBM"
    head = head.ljust(112, b"\0") + struct.pack("<3I", 124 + len(pixels), len(profile), 0)
    start = 14 + len(head)
    whole = start + len(pixels) + len(profile)
    return b"BM" + struct.pack("<3I", whole, 0, start) + head + pixels + profile


@pytest.mark.parametrize("method", [2, 3])
@pytest.mark.parametrize("deep", [False, True])
def test_a_grey_profile_of_jpeg_2000_counts(deep, method):
    levels = smooth().astype(np.uint16) * 257 if deep else smooth()
    found = Photo.read(jpeg_2000(levels, LINEAR, method)).pixels
    assert found.dtype == levels.dtype
    assert np.array_equal(found, Photo.read(saved(levels, "PNG", icc_profile=LINEAR)).pixels)
    assert not np.array_equal(found, levels)


def test_a_color_profile_of_jpeg_2000_counts():
    picture = smooth(channels=3)
    found = Photo.read(jpeg_2000(picture, adobe_profile())).pixels
    expected = Photo.read(saved(picture, "PNG", icc_profile=adobe_profile())).pixels
    assert np.array_equal(found, expected)


def test_a_color_space_by_its_number_is_no_profile():
    plain = saved(smooth(), "JPEG2000")
    assert np.array_equal(Photo.read(plain).pixels, smooth())
    by_number = jpeg_2000(smooth(), struct.pack(">I", 17) + LINEAR, method=1)
    assert np.array_equal(Photo.read(by_number).pixels, smooth())


def test_a_profile_of_gif_counts_for_all_frames():
    levels = smooth()
    expected = Photo.read(saved(levels, "PNG", icc_profile=LINEAR)).pixels
    first, second = (one.pixels for one in Photo.each(gif(levels, LINEAR, frames=2)))
    assert np.array_equal(first, expected)
    assert np.array_equal(second, np.roll(expected, 1))


def test_a_profile_of_bmp_counts():
    picture = smooth(channels=3)
    found = Photo.read(bmp(picture, adobe_profile())).pixels
    expected = Photo.read(saved(picture, "PNG", icc_profile=adobe_profile())).pixels
    assert np.array_equal(found, expected)
    assert np.array_equal(Photo.read(saved(picture, "BMP")).pixels, picture)


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_places_that_are_cut_hold_no_profile(cut):
    assert profile_of_gif(gif(smooth(), b"")) is None
    assert profile_of_bmp(io.BytesIO(bmp(smooth(channels=3), b"")[:cut])) is None
