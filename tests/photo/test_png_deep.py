"""PNG files of 16 bits a channel: 16 bits in, 16 bits out."""

import io

import numpy as np
import png
import pytest
from PIL import Image

from koalarize.errors import PhotoError
from koalarize.photo.photo import Photo
from photo_parts import adobe_profile, independent, png_chunk


def deep_png(levels, **options):
    """Write by pypng, which knows every depth."""
    height, width, channels = levels.shape
    buffer = io.BytesIO()
    writer = png.Writer(
        width, height, greyscale=channels < 3, alpha=channels in (2, 4), bitdepth=16, **options
    )
    writer.write(buffer, levels.reshape(height, -1).tolist())
    return buffer.getvalue()


def noise(channels):
    return np.random.default_rng(channels).integers(0, 65536, (21, 34, channels), np.uint16)


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_every_bit_is_read(channels, interlace):
    levels = noise(channels)
    photo = Photo.read(deep_png(levels, interlace=interlace))
    colors = 1 if channels == 2 else 3
    assert photo.pixels.dtype == np.uint16
    assert np.array_equal(np.atleast_3d(photo.pixels), levels[..., :colors])
    if channels in (2, 4):
        assert np.array_equal(photo.alpha, levels[..., -1])
    else:
        assert photo.alpha is None


def test_grey_and_alpha_are_written_with_every_bit():
    levels = noise(2)
    photo = Photo.read(deep_png(levels))
    out = independent(photo.encode(np.dstack([photo.pixels] * 3)), "PNG")
    assert np.array_equal(out, levels[..., [0, 0, 0, 1]])


def test_neutral_rgb_is_grey_of_16_bits():
    grey = noise(2)[..., :1]
    photo = Photo.read(deep_png(np.repeat(grey, 3, axis=2)))
    assert np.array_equal(photo.pixels, grey[..., 0])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_one_transparent_level_of_few_bits(bits):
    levels = np.arange(32).reshape(4, 8) % (1 << bits)
    buffer = io.BytesIO()
    png.Writer(8, 4, greyscale=True, bitdepth=bits, transparent=1).write(buffer, levels.tolist())
    photo = Photo.read(buffer.getvalue())
    assert np.array_equal(photo.pixels, levels * (255 // ((1 << bits) - 1)))
    assert np.array_equal(photo.alpha, np.where(levels == 1, 0, 255))


def test_one_transparent_color():
    levels = noise(3)
    clear = tuple(int(level) for level in levels[4, 5])
    photo = Photo.read(deep_png(levels, transparent=clear))
    assert photo.alpha[4, 5] == 0
    assert (photo.alpha == 65535).sum() == 21 * 34 - 1


def test_color_in_another_profile_keeps_16_bits():
    import zlib

    source = deep_png(noise(3))
    profile = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(adobe_profile()))
    photo = Photo.read(source[:33] + profile + source[33:])
    assert photo.pixels.dtype == np.uint16
    assert photo.notes == ()


def test_cut_short():
    levels = noise(3)
    photo = Photo.read(deep_png(levels)[:2500], tolerant=True)
    assert np.array_equal(photo.pixels[:8], levels[:8])


class TestPnm:
    """Colours of 16 bits in PPM, which Pillow reads with 8, and whites that it reads slowly."""

    @pytest.mark.parametrize("head", [b"P6\n34 21\n65535\n", b"P6 # words\n34\t21 #\n65535\n"])
    def test_its_bits_stay(self, head):
        levels = noise(3)
        photo = Photo.read(head + levels.astype(">u2").tobytes())
        assert np.array_equal(photo.pixels, levels)
        assert photo.format == "PPM"

    @pytest.mark.parametrize("white", [4095, 1000, 256, 100, 85, 1])
    @pytest.mark.parametrize("kind", [b"P5", b"P6"])
    def test_another_white(self, kind, white):
        """Pillow reads them number by number, a second and more a megapixel."""
        levels = noise(3) % (white + 1)
        levels = levels if kind == b"P6" else levels[..., 0]
        data = levels.astype(">u2" if white > 255 else np.uint8).tobytes()
        photo = Photo.read(kind + b"\n34 21\n%d\n" % white + data)
        most = 65535 if white > 255 else 255
        assert photo.pixels.dtype == (np.uint16 if white > 255 else np.uint8)
        assert np.abs(photo.pixels - levels / white * most).max() <= 0.5

    def test_levels_above_white_are_white(self):
        photo = Photo.read(b"P5\n2 1\n100\n" + bytes([100, 255]))
        assert photo.pixels.tolist() == [[255, 255]]

    def test_pillow_does_not_decode_them(self, monkeypatch):
        monkeypatch.delitem(Image.DECODERS, "ppm")
        assert Photo.read(b"P5\n2 1\n100\n" + bytes([0, 100])).pixels.tolist() == [[0, 255]]

    def test_cut_short(self):
        whole = b"P6\n34 21\n65535\n" + noise(3).astype(">u2").tobytes()
        with pytest.raises(PhotoError, match="cut short"):
            Photo.read(whole[:-5])
        assert "cut short" in Photo.read(whole[:-5], tolerant=True).notes[0]
