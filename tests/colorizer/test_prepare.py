"""What is done to the photo itself: turned, cropped, faded prints restored."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fakes import ClassifyingEngine, FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.merge import Merger
from koalarize.errors import OptionError
from koalarize.photo.photo import Photo
from koalarize.steering.crop import Crop
from koalarize.steering.hints import Hint
from koalarize.steering.steering import Steering

GRAIN = np.random.default_rng(0).integers(40, 220, (60, 100)).astype(np.uint8)


@pytest.fixture
def colorizer():
    return Colorizer(ClassifyingEngine())


class TestTurn:
    @pytest.mark.parametrize(("degrees", "quarters"), [(90, -1), (180, 2), (270, 1)])
    def test_as_if_the_photo_had_been_scanned_so(self, colorizer, degrees, quarters):
        hint = Hint(10, 20, "#c03020")
        asked = Steering(turn=degrees, hints=[hint])
        turned = colorizer.photo(Photo(GRAIN), asked).photo.pixels
        scanned = np.ascontiguousarray(np.rot90(GRAIN, quarters))
        wanted = colorizer.photo(Photo(scanned), Steering(hints=[hint])).photo.pixels
        assert np.array_equal(turned, wanted)

    def test_only_quarters(self):
        with pytest.raises(OptionError, match="`turn` is 45 but must be a multiple of 90"):
            Steering(turn=45)


class TestCrop:
    def test_the_part_has_the_colours_of_the_whole(self, colorizer):
        whole = colorizer(GRAIN)
        part = colorizer(GRAIN, crop=Crop(11, 7, 40, 30))
        assert np.array_equal(part, whole[7:37, 11:51])

    def test_after_turning(self, colorizer):
        out = colorizer(GRAIN, turn=90, crop=Crop(0, 50, 60, 50))
        assert out.shape == (50, 60, 3)
        assert np.array_equal(out, colorizer(GRAIN, turn=90)[50:])

    @pytest.mark.parametrize("crop", [Crop(61, 0, 40, 10), Crop(0, 31, 10, 30)])
    def test_beyond_the_photo(self, colorizer, crop):
        with pytest.raises(OptionError, match="reaches beyond the photo, which is 100 x 60"):
            colorizer(GRAIN, crop=crop)

    def test_only_its_own_pixels_are_coloured(self, monkeypatch):
        merged = []

        def rows(self, top, bottom, *, threads=1):
            merged.append((bottom - top, *self.shape[1:]))
            return rows_before(self, top, bottom, threads=threads)

        rows_before = Merger.rows
        monkeypatch.setattr(Merger, "rows", rows)
        Colorizer(FakeEngine())(GRAIN, crop=Crop(11, 7, 40, 30))
        assert merged == [(30, 40, 3)]

    def test_one_that_does_not_fit_is_said_before_the_network_runs(self):
        engine = FakeEngine()
        with pytest.raises(OptionError, match="reaches beyond the photo"):
            Colorizer(engine)(GRAIN, crop=Crop(61, 0, 40, 10))
        assert not engine.seen

    @pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1,2,0,4", "-1,2,3,4", "a,b,c,d"])
    def test_texts_that_are_refused(self, text):
        with pytest.raises(OptionError, match="crop"):
            Crop.parse(text)
        assert Crop.parse(" 1, 2,3 ,4") == Crop(1, 2, 3, 4)

    def test_alpha_comes_along(self, colorizer):
        both = np.stack([GRAIN, GRAIN], -1)
        out = colorizer(both, turn=180, crop=Crop(5, 6, 7, 8))
        assert out.shape == (8, 7, 4)
        assert np.array_equal(out[..., 3], GRAIN[::-1, ::-1][6:14, 5:12])


class TestFiles:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
    def test_sizes_in_the_metadata_are_those_of_the_result(self, colorizer, tmp_path, kind):
        exif = Image.Exif()
        exif.get_ifd(0x8769).update({0xA002: 100, 0xA003: 60, 0x9003: "1931:05:17 12:00:00"})
        source = tmp_path / f"photo.{kind.lower()}"
        Image.fromarray(GRAIN).save(source, exif=exif.tobytes(), dpi=(300, 150))
        target = tmp_path / f"out.{kind.lower()}"
        colorizer.file(source, target, Steering(turn=90, crop=Crop(10, 20, 30, 40)))
        with Image.open(target) as out:
            assert out.size == (30, 40)
            inner = out.getexif().get_ifd(0x8769)
            assert inner[0x9003] == "1931:05:17 12:00:00"
            assert (inner[0xA002], inner[0xA003]) == (30, 40)
            assert [round(float(value)) for value in out.info["dpi"]] == [150, 300]

    def test_sizes_in_xmp(self, colorizer):
        xmp = b'<x exif:PixelXDimension="100" exif:PixelYDimension="60" tiff:ImageWidth="100"/>'
        buffer = io.BytesIO()
        Image.fromarray(GRAIN).save(buffer, "JPEG", xmp=xmp)
        out = colorizer(buffer.getvalue(), crop=Crop(0, 0, 30, 40))
        said = Image.open(io.BytesIO(out)).info["xmp"]
        assert b'exif:PixelXDimension="30" exif:PixelYDimension="40" tiff:ImageWidth="30"' in said

    def test_damaged_exif_is_no_reason_to_fail(self, colorizer):
        photo = Photo(GRAIN, exif=b"Exif\0\0XX")
        out = colorizer.photo(photo, Steering(turn=90, crop=Crop(0, 0, 9, 9))).photo
        assert out.exif == photo.exif
        beyond = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\xff\xff\0\0\0\0\0\0"
        photo = Photo(GRAIN, exif=beyond)
        assert colorizer.photo(photo, Steering(crop=Crop(0, 0, 9, 9))).photo.exif == beyond


class TestFaded:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_it_reaches_from_black_to_white(self, colorizer, dtype):
        ramp = np.linspace(0.4, 0.7, 6000).reshape(60, 100)
        most = 1 if dtype is np.float32 else np.iinfo(dtype).max
        pixels = (ramp * most).astype(dtype)
        plain = Photo(colorizer(pixels)).lightness()
        out = Photo(colorizer(pixels, faded=True)).lightness()
        assert plain.max() - plain.min() < 35
        assert out.min() < 3
        assert out.max() > 97
        assert (np.diff(out.ravel()[::200]) > 0).all()

    def test_what_is_not_faded_stays(self, colorizer):
        ramp = np.linspace(0, 255, 6000).reshape(60, 100).astype(np.uint8)
        change = colorizer(ramp, faded=True).astype(int) - colorizer(ramp).astype(int)
        assert np.abs(change).max() <= 3

    def test_nearly_blank_is_no_noise(self, colorizer):
        blank = (128 + (GRAIN > 130)).astype(np.uint8)
        assert np.ptp(Photo(colorizer(blank, faded=True)).lightness()) < 4

    def test_colours_of_its_own_are_stretched_alike(self, colorizer):
        pixels = np.repeat((100 + GRAIN // 4)[..., None], 3, axis=2).astype(np.uint8)
        pixels[20:50, 20:80, 0] += 60
        out = colorizer(pixels, faded=True, keep_color=True).astype(int)
        assert (out[25:45, 30:70, 0] > out[25:45, 30:70, 1] + 40).all()
