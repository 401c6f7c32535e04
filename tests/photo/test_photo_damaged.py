"""Good pictures in files with faults beside the pixels; pictures that are really cut short."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data

from koalarize.errors import PhotoError
from koalarize.photo.mend import DAMAGED
from koalarize.photo.photo import Photo
from photo_parts import png_chunk, saved, smooth


def png_with(extra, at=33):
    encoded = saved(smooth(), "PNG")
    return encoded[:at] + extra + encoded[at:]


def bmp_of_runs(levels):
    """Return a BMP file whose pixels are packed, each as a run of one."""
    height, width = levels.shape
    runs = b"".join(b"".join(b"\1%c" % one for one in row) + b"\0\0" for row in levels[::-1])
    colors = b"".join(bytes((level, level, level, 0)) for level in range(256))
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 2835, 2835, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(runs), 0, 0, 1078) + head + colors + runs


class TestBesideThePixels:
    @pytest.mark.parametrize("size", [3_000_000, 80_000_000])
    def test_png_with_a_huge_text(self, size):
        text = b"Raw\0\0" + zlib.compress(b"a" * size)
        photo = Photo.read(png_with(png_chunk(b"zTXt", text)))
        assert np.array_equal(photo.pixels, smooth())
        assert photo.metadata.texts == ((b"zTXt", text),)

    def test_png_with_a_huge_profile(self):
        profile = b"p" * 2_000_000
        photo = Photo.read(png_with(png_chunk(b"iCCP", b"name\0\0" + zlib.compress(profile))))
        assert np.array_equal(photo.pixels, smooth())

    @pytest.mark.parametrize("kind", [b"tEXt", b"iTXt", b"eXIf", b"pHYs", b"zzZz", b"iCCP"])
    def test_png_with_a_wrong_checksum_beside_the_pixels(self, kind):
        wrong = png_chunk(kind, b"Title\0words")[:-1] + b"\0"
        photo = Photo.read(png_with(wrong))
        assert np.array_equal(photo.pixels, smooth())
        assert photo.notes == (f"the damaged chunk {kind.decode()} is left out",)

    def test_png_without_its_end_mark(self):
        photo = Photo.read(saved(smooth(), "PNG")[:-12])
        assert np.array_equal(photo.pixels, smooth())
        assert photo.notes == ("the mark of its end is missing",)

    @pytest.mark.parametrize("missing", [1, 2])
    @pytest.mark.parametrize("progressive", [False, True])
    def test_jpeg_without_its_end_mark(self, missing, progressive):
        encoded = saved(data.camera()[:100, :123], "JPEG", progressive=progressive)
        photo = Photo.read(encoded[:-missing])
        assert np.array_equal(photo.pixels, Photo.read(encoded).pixels)
        assert photo.notes == ("the mark of its end is missing; all its pixels are there",)


class TestCutShort:
    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("missing", [6, 40, 2000])
    def test_jpeg(self, missing, progressive):
        whole = saved(data.camera()[:200, :200], "JPEG", progressive=progressive)
        with pytest.raises(PhotoError, match=r"copy it again .*--tolerant"):
            Photo.read(whole[:-missing])
        photo = Photo.read(whole[:-missing], tolerant=True)
        assert "cut short" in photo.notes[-1]
        if not progressive:
            assert np.array_equal(photo.pixels[:80], Photo.read(whole).pixels[:80])

    @pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P"])
    def test_png(self, mode):
        whole = saved(Image.fromarray(data.astronaut()[:99, :99]).convert(mode), "PNG")
        cut = whole[: int(len(whole) * 0.7)]
        with pytest.raises(PhotoError, match="--tolerant"):
            Photo.read(cut)
        photo = Photo.read(cut, tolerant=True)
        assert np.array_equal(photo.pixels[:40], Photo.read(whole).pixels[:40])
        assert "cut short" in photo.notes[-1]

    @pytest.mark.parametrize("place", [100, 120, 129])
    def test_png_whose_damage_unpacks_to_enough_bytes(self, place):
        whole = saved(Image.fromarray(data.astronaut()[:160, :160]).convert("RGBA"), "PNG")
        assert whole.count(b"IDAT") == 1
        bad = whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :]
        with pytest.raises(PhotoError, match=r"checksum of its pixels is wrong.*--tolerant"):
            Photo.read(bad)
        if place > 100:  # of which its decoder says nothing
            assert Photo.read(bad, tolerant=True).notes == (DAMAGED,)

    def test_png_of_sound_pixels_whose_chunk_has_a_wrong_checksum(self):
        whole = saved(smooth(), "PNG")
        at = whole.rindex(b"IEND") - 8
        photo = Photo.read(whole[:at] + b"abcd" + whole[at + 4 :])
        assert np.array_equal(photo.pixels, smooth())
        assert photo.notes == ()

    @pytest.mark.parametrize("at", [5, 20, -400])
    def test_tiff_that_ends_before_what_says_where_its_picture_lies(self, at):
        whole = saved(data.camera()[:99, :99], "TIFF", compression="tiff_lzw")
        with pytest.raises(PhotoError, match=r"before what says where its .* came from\.$"):
            Photo.read(whole[:at])

    @pytest.mark.parametrize("share", [0.1, 0.6])
    def test_tiff_of_floats_in_colour(self, share):
        file, levels = io.BytesIO(), data.astronaut()[:64, :64] / np.float32(255)
        tifffile.imwrite(file, levels, photometric="rgb")
        whole = file.getvalue()
        photo = Photo.read(whole[: int(len(whole) * share)], tolerant=True)
        assert photo.notes == ("it is cut short: what is missing of it is filled up",)
        rows = slice(int(64 * share))
        assert np.array_equal(photo.pixels[rows], Photo.read(whole).pixels[rows])

    @pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM"])
    def test_uncompressed(self, kind):
        whole = saved(Image.fromarray(data.camera()[:99, :99]), kind)
        photo = Photo.read(whole[:8000], tolerant=True)
        rows = slice(60, None) if kind == "BMP" else slice(40)
        assert np.array_equal(photo.pixels[rows], data.camera()[:99, :99][rows])

    @pytest.mark.parametrize("interlace", [0, 1])
    @pytest.mark.parametrize("missing", [6, 50, 2000])
    def test_gif(self, missing, interlace):
        whole = saved(data.camera()[:99, :99], "GIF", interlace=interlace, comment="a cat")
        with pytest.raises(PhotoError, match="--tolerant"):
            Photo.read(whole[:-missing])
        photo = Photo.read(whole[:-missing], tolerant=True)
        assert photo.notes == ("it is cut short: what is missing of it is filled up",)
        rows = slice(0, 60, 8) if interlace else slice(30)
        assert np.array_equal(photo.pixels[rows], Photo.read(whole).pixels[rows])

    def test_pnm_of_digits(self):
        levels = data.camera()[:50, :50]
        whole = b"P2 50 50 255\n" + b" ".join(b"%d" % level for level in levels.flat)
        photo = Photo.read(whole[: len(whole) * 2 // 3], tolerant=True)
        assert np.array_equal(photo.pixels[:30], levels[:30])

    @pytest.mark.parametrize("bad", [b" x7 ", b" 999 ", b" 123456789012 "])
    def test_pnm_of_digits_with_words_that_are_no_levels(self, bad):
        levels = data.camera()[:50, :50]
        text = [b"%d" % level for level in levels.flat]
        text[1250] = bad.strip()
        whole = b"P2 50 50 255\n# a cat\n" + b" ".join(text)
        with pytest.raises(PhotoError, match="--tolerant"):
            Photo.read(whole)
        photo = Photo.read(whole, tolerant=True)
        assert np.array_equal(photo.pixels != levels, np.arange(2500).reshape(50, 50) == 1250)

    @pytest.mark.parametrize("at", [1800, 1801, 2800])
    @pytest.mark.parametrize("early", [b"", b"\0\1"])
    def test_bmp_packed_by_runs(self, at, early):
        levels = data.camera()[100:300:4, 100:300:4]
        whole = bmp_of_runs(levels)
        bad = whole[:at] + (early + whole[at + 2 :] if early and not at % 2 else b"")
        with pytest.raises(PhotoError, match="--tolerant"):
            Photo.read(bad)
        photo = Photo.read(bad, tolerant=True)
        rows = (at - 1078) // 102 - 1
        assert np.array_equal(photo.pixels[-rows:], levels[-rows:])  # it begins at the bottom
        assert not photo.pixels[:5].any()
        assert "cut short" in photo.notes[-1]

    def test_psd_within_its_layers(self):
        layers = bytes(400)
        head = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 1, 50, 50, 8, 1) + bytes(8)
        whole = head + struct.pack(">I", 400) + layers + b"\0\0" + bytes(range(250)) * 10
        assert Photo.read(whole).pixels.shape == (50, 50)
        for tolerant in (False, True):
            with pytest.raises(PhotoError, match=r"before its picture .*came from\.$"):
                Photo.read(whole[:300], tolerant=tolerant)

    @pytest.mark.parametrize("kind", ["BMP", "PPM", "SGI"])
    def test_a_head_without_any_pixel_is_no_picture(self, kind):
        whole = saved(data.camera()[:300, :300], kind)
        head = whole[: len(whole) - 300 * 300]
        with pytest.raises(PhotoError, match="damaged or cut short"):
            Photo.read(head, tolerant=True)

    @pytest.mark.parametrize("kind", ["GIF", "PCX", "TGA", "JPEG"])
    def test_bad_data_within_are_read_as_far_as_they_go(self, kind):
        options = {"compression": "tga_rle"} if kind == "TGA" else {"interlace": False}
        whole = saved(data.camera()[:200, :200], kind, **options)
        middle = len(whole) // 2
        bad = whole[:middle] + (b"\xff\xc1" if kind == "JPEG" else b"\xff\xfe") * 150
        bad += whole[middle + 300 :]
        with pytest.raises(PhotoError, match="--tolerant"):
            Photo.read(bad)
        photo = Photo.read(bad, tolerant=True)
        assert photo.notes == (DAMAGED,)
        rows = slice(130, None) if kind == "TGA" else slice(70)  # which begins at the bottom
        assert np.array_equal(photo.pixels[rows], Photo.read(whole).pixels[rows])

    def test_a_whole_picture_has_no_note(self):
        for kind in ("JPEG", "PNG", "TIFF"):
            assert Photo.read(saved(smooth(), kind), tolerant=True).notes == ()

    def test_reading_a_part_is_not_offered_of_damaged_icns(self):
        whole = saved(data.camera()[:32, :32], "ICNS", sizes=[(32, 32)])
        bad = whole.replace(b"IDAT", b"I\xfeAT")
        for tolerant in (False, True):
            with pytest.raises(PhotoError, match=r"copy it again from where it came from\.$"):
                Photo.read(bad, tolerant=tolerant)

    def test_reading_a_part_is_not_offered_where_the_head_is_cut(self):
        for tolerant in (False, True):
            with pytest.raises(PhotoError, match=r"copy it again from where it came from\.$"):
                Photo.read(b"SIMPLE  =                    T".ljust(80), tolerant=tolerant)

    @pytest.mark.parametrize("kind", ["WEBP", "JPEG2000", "ICO", "XBM"])
    def test_reading_a_part_is_not_offered_where_there_is_none(self, kind):
        image = Image.fromarray(data.camera()[:64, :64])
        whole = saved(image.convert("1") if kind == "XBM" else image, kind)
        cut = whole[: len(whole) * 2 // 3]
        for tolerant in (False, True):
            with pytest.raises(PhotoError, match=r"copy it again from where it came from\.$"):
                Photo.read(cut, tolerant=tolerant)

    def test_reading_a_part_is_not_offered_to_whom_asks_for_it(self):
        cut = saved(data.camera()[:99, :99], "GIF")[:120]  # all before its pixels
        with pytest.raises(PhotoError, match=r"--tolerant"):
            Photo.read(cut)
        with pytest.raises(PhotoError, match=r"copy it again from where it came from\.$"):
            Photo.read(cut, tolerant=True)

    def test_nothing_but_a_header_is_no_picture(self):
        with pytest.raises(PhotoError):
            Photo.read(saved(smooth(), "JPEG")[:40], tolerant=True)

    def test_a_cut_bomb_is_refused(self):
        cut = saved(np.zeros((300, 300), np.uint8), "PNG")[:-30]
        with pytest.raises(PhotoError):
            Photo.read(cut, tolerant=True, max_pixels=1000)


def cut_between_scans(whole, scan):
    """A progressive JPEG file without its scans from one on, and without an end."""
    starts = [at for at in range(len(whole) - 1) if whole[at : at + 2] == b"\xff\xda"]
    tables = whole.rfind(b"\xff\xc4", starts[scan - 1], starts[scan])
    return whole[: tables if tables > 0 else starts[scan]]


class TestCutBetweenScans:
    @pytest.mark.parametrize("scan", [1, 2, 4, -1])
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_it_is_a_cut_picture(self, scan, mode):
        image = Image.fromarray(data.camera()[:200, :200]).convert(mode)
        whole = saved(image, "JPEG", progressive=True)
        scan = scan if scan > 0 else whole.count(b"\xff\xda") - 1
        cut = cut_between_scans(whole, scan)
        with pytest.raises(PhotoError, match="--tolerant"):
            Photo.read(cut)
        assert "cut short" in Photo.read(cut, tolerant=True).notes[-1]


def test_a_damaged_file_that_is_no_jpeg_is_not_read_whole(monkeypatch):
    import io

    class Watched(io.BytesIO):
        most = 0

        def read(self, size=-1):
            data = super().read(size)
            Watched.most = max(Watched.most, len(data))
            return data

    whole = saved(data.camera(), "PNG", compress_level=0)
    assert len(whole) > 200_000
    for content in (whole[:200_000], b"\0" * 300_000):
        Watched.most = 0
        with pytest.raises(PhotoError):
            Photo.read(Watched(content))
        assert Watched.most < 100_000
