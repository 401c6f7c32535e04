import io
import logging
import os
import stat
import struct
import threading
from pathlib import Path

import numpy as np
import png
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms, ImageOps
from skimage import data

from koalarize import color
from koalarize.errors import OutputError, PhotoError
from koalarize.photo import photo
from koalarize.photo.photo import EXTENSIONS, FORMATS, Photo, output_path
from koalarize.photo.profiles import srgb_profile

WRITTEN = sorted(set(FORMATS.values()))
LOSSLESS = ["PNG", "TIFF", "BMP"]
WITH_EXIF = ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"]
WITH_PROFILE = WITH_EXIF
WITH_DPI = ["JPEG", "PNG", "TIFF", "BMP"]
WITH_ALPHA = ["PNG", "TIFF", "WEBP", "AVIF"]


def smooth(height=24, width=36, channels=1):
    """A picture that lossy formats keep: ramps that differ across, down and between channels."""
    down, across = np.mgrid[0:height, 0:width]
    ramps = [across * 160 / width + 20 + down * 60 / height, 200 - down * 150 / height, across + 90]
    picture = np.stack(ramps, axis=-1).astype(np.uint8)
    return picture[..., 0].copy() if channels == 1 else picture


def colored(picture):
    """What a colorizer would hand to ``encode``."""
    levels = np.iinfo(picture.pixels.dtype).max
    grey = picture.pixels if picture.is_grey else picture.pixels[..., 1]
    return np.stack([grey, levels - grey, grey // 2], axis=-1)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def some_exif(orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "A maker"
    exif[0x8769] = {0x9003: "1931:05:04 12:00:00", 0x927C: b"maker's own"}
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 1.0)}
    return exif.tobytes()


class TestFormats:
    @pytest.mark.parametrize("kind", WRITTEN)
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_in_and_out(self, kind, mode):
        source = Image.fromarray(smooth(channels=3)).convert(mode)
        picture = Photo.read(saved(source, kind, **({"quality": 98} if kind == "JPEG" else {})))
        assert picture.format == kind
        assert (picture.height, picture.width) == (24, 36)
        assert picture.pixels.dtype == np.uint8
        assert picture.is_grey == (mode == "L") or kind == "WEBP"  # WebP stores grey as YUV
        if not picture.is_grey and mode == "L":
            assert np.ptp(picture.pixels.astype(int), axis=-1).max() <= 4
        expected = np.asarray(source.convert("RGB")).astype(int)
        grown = np.broadcast_to(np.atleast_3d(picture.pixels), expected.shape)
        assert np.abs(grown - expected).max() <= (0 if kind in LOSSLESS else 24)
        out = opened(picture.encode(colored(picture)))
        assert (out.format, out.mode, out.size) == (kind, "RGB", (36, 24))
        assert np.abs(np.asarray(out).astype(int) - colored(picture)).mean() < 4

    @pytest.mark.parametrize("kind", LOSSLESS)
    def test_lossless_output_is_exact(self, kind):
        picture = Photo.read(data.camera()[:50, :70])
        srgb = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
        assert np.array_equal(np.asarray(opened(picture.encode(srgb, format=kind))), srgb)

    @pytest.mark.parametrize("kind", WITH_PROFILE)
    def test_srgb_profile_is_embedded(self, kind):
        picture = Photo.read(smooth())
        assert opened(picture.encode(colored(picture), format=kind)).info["icc_profile"] == (
            srgb_profile()
        )

    @pytest.mark.parametrize("kind", WITH_EXIF)
    def test_exif_is_kept(self, kind):
        picture = Photo.read(saved(smooth(), kind, exif=some_exif(6)))
        out = opened(picture.encode(colored(picture)))
        exif = out.getexif()
        assert exif[0x010F] == "A maker"
        assert exif.get(0x0112, 1) == 1
        assert exif.get_ifd(0x8769)[0x9003] == "1931:05:04 12:00:00"
        assert exif.get_ifd(0x8769)[0x927C] == b"maker's own"
        assert exif.get_ifd(0x8825)[2] == (52.0, 30.0, 1.0)
        assert out.size == (24, 36)

    @pytest.mark.parametrize("kind", WITH_DPI)
    def test_dpi_is_kept(self, kind):
        picture = Photo.read(saved(smooth(), kind, dpi=(300, 200)))
        assert picture.dpi == pytest.approx((300, 200), abs=0.02)
        out = opened(picture.encode(colored(picture)))
        assert out.info["dpi"] == pytest.approx((300, 200), abs=0.02)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
    def test_dpi_turns_with_the_picture(self, kind):
        source = saved(smooth(), kind, dpi=(300, 200), exif=some_exif(8))
        assert Photo.read(source).dpi == pytest.approx((200, 300), abs=0.02)

    def test_a_tiff_without_a_unit_has_no_dpi(self):
        assert Photo.read(saved(smooth(), "TIFF")).dpi is None

    @pytest.mark.parametrize("kind", WITH_ALPHA)
    @pytest.mark.parametrize("mode", ["LA", "RGBA"])
    def test_alpha_is_kept(self, kind, mode):
        image = Image.fromarray(smooth(channels=3)).convert(mode)
        alpha = smooth()[:, ::-1].copy()
        image.putalpha(Image.fromarray(alpha))
        picture = Photo.read(saved(image, kind))
        out = opened(picture.encode(colored(picture)))
        assert out.mode == "RGBA"
        tolerance = 0 if kind in LOSSLESS else 6
        assert np.abs(np.asarray(out)[..., 3].astype(int) - alpha).max() <= tolerance

    @pytest.mark.parametrize("kind", ["JPEG", "BMP"])
    def test_alpha_becomes_white_where_it_cannot_be_kept(self, kind):
        alpha = np.zeros((16, 32), np.uint8)
        alpha[:, 16:] = 255
        picture = Photo.read(np.dstack([np.full((16, 32), 40, np.uint8), alpha]))
        out = np.asarray(opened(picture.encode(colored(picture), format=kind))).astype(int)
        assert out.shape == (16, 32, 3)
        assert np.abs(out[:, :14] - 255).max() <= 3
        assert np.abs(out[:, 18:] - [40, 215, 20]).max() <= 3

    def test_gif_shows_its_first_frame_and_becomes_png(self):
        frames = [Image.fromarray(np.full((9, 11), v, np.uint8)) for v in (10, 200)]
        picture = Photo.read(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
        assert np.all(picture.pixels == 10)
        assert opened(picture.encode(colored(picture))).format == "PNG"

    def test_jpeg_chroma_is_not_subsampled(self):
        picture = Photo.read(saved(smooth(), "JPEG"))
        assert opened(picture.encode(colored(picture))).layer[0][1:3] == (1, 1)

    def test_equal_pictures_are_equal_files(self):
        picture = Photo.read(smooth())
        for kind in WRITTEN:
            assert picture.encode(colored(picture), format=kind) == (
                picture.encode(colored(picture), format=kind)
            )
        assert srgb_profile()[24:36] == struct.pack(">6H", 2000, 1, 1, 0, 0, 0)

    @pytest.mark.parametrize("format", ["jpg", ".JPG", "jpeg", "JPEG"])
    def test_format_by_name_or_extension(self, format):
        picture = Photo.read(smooth())
        assert opened(picture.encode(colored(picture), format=format)).format == "JPEG"


class TestModes:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "RGBX"])
    def test_read_as_pillow_shows_it(self, mode):
        image = Image.fromarray(smooth(channels=3)).convert(mode)
        picture = Photo.read(image)
        expected = np.asarray(image.convert("RGB"))
        shown = np.broadcast_to(np.atleast_3d(picture.pixels), expected.shape)
        assert np.array_equal(shown, expected)
        assert picture.is_grey == (mode in ("1", "L"))

    def test_neutral_color_is_grey(self):
        grey = data.camera()[:40, :50]
        picture = Photo.read(saved(np.dstack([grey] * 3), "PNG"))
        assert picture.is_grey
        assert np.array_equal(picture.pixels, grey)

    @pytest.mark.parametrize("at", [(0, 0), (599, 899)])
    def test_one_colored_pixel_is_color(self, at):
        srgb = np.full((600, 900, 3), 90, np.uint8)  # several bands high
        srgb[at] = (90, 90, 91)
        picture = Photo.read(saved(srgb, "PNG", compress_level=1))
        assert np.array_equal(picture.pixels, srgb)
        assert np.array_equal(Photo.read(srgb).pixels, srgb)

    def test_palette_with_transparency(self):
        image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "P")
        image.putpalette([0, 0, 0, 255, 0, 0, 9, 9, 9])
        picture = Photo.read(saved(image, "PNG", transparency=1))
        assert np.array_equal(picture.alpha, [[255, 0], [255, 0]])
        assert np.array_equal(picture.pixels[:, 0], [[0, 0, 0], [9, 9, 9]])

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_transparent_grey_level(self, dtype):
        levels = np.array([[3, 7, 3]], dtype) * (np.iinfo(dtype).max // 255)
        source = saved(levels, "PNG", transparency=int(levels[0, 0]))
        white = np.iinfo(dtype).max
        picture = Photo.read(source)
        assert np.array_equal(picture.pixels, levels)
        assert np.array_equal(picture.alpha, [[0, white, 0]])

    def test_lab(self):
        lab = np.zeros((8, 8, 3), np.uint8)
        lab[..., 0] = np.linspace(0, 255, 8).astype(np.uint8)
        picture = Photo.read(Image.frombytes("LAB", (8, 8), lab.tobytes()))
        expected = np.linspace(0, 100, 8)
        grown = np.broadcast_to(np.atleast_3d(picture.pixels), (8, 8, 3))
        assert np.abs(color.srgb_to_lab(grown)[0, :, 0] - expected).max() < 1

    @pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B"])
    def test_deep_grey_of_each_byte_order(self, mode):
        levels = np.arange(600, dtype=np.uint16).reshape(20, 30) * 109
        order = ">u2" if mode.endswith("B") else "<u2"
        image = Image.frombytes(mode, (30, 20), levels.astype(order).tobytes())
        for source in (image, saved(image, "TIFF")):
            picture = Photo.read(source)
            assert picture.pixels.dtype == np.uint16
            assert picture.pixels.dtype.isnative
            assert np.array_equal(picture.pixels, levels)

    def test_white_is_zero(self):
        levels = np.arange(60, dtype=np.uint16).reshape(6, 10) * 1000
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, levels, photometric="miniswhite", byteorder="<")
        assert np.array_equal(Photo.read(buffer.getvalue()).pixels, 65535 - levels)

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (np.array([[0, 65535]], np.int32), [0, 65535]),
            (np.array([[0, 300]], np.int32), [0, 300]),
            (np.array([[0, 0.5]], np.float32), [0, 32768]),
            (np.array([[0, 255]], np.float32), [0, 65535]),
        ],
    )
    def test_wide_grey(self, values, expected, caplog):
        assert Photo.read(Image.fromarray(values)).pixels.tolist() == [expected]
        assert not caplog.records

    @pytest.mark.parametrize(
        "values", [np.array([[-10, 90]], np.int32), np.array([[1e6, 3e6]], np.float32)]
    )
    def test_wide_grey_without_a_known_white_is_stretched_and_says_so(self, values, caplog):
        assert Photo.read(Image.fromarray(values)).pixels.tolist() == [[0, 65535]]
        assert "stretched" in caplog.text

    def test_float_picture_with_nan(self):
        values = np.array([[0, np.nan]], np.float32)
        with pytest.raises(PhotoError, match="not finite"):
            Photo.read(Image.fromarray(values))


class TestDeep:
    @pytest.mark.parametrize("alpha", [False, True])
    @pytest.mark.parametrize("height", [1, 3, 300])
    def test_png_read_by_pypng(self, alpha, height):
        picture, srgb = deep_photo(height, alpha)
        width, rows, lines, info = png.Reader(bytes=picture.encode(srgb, format="PNG")).asDirect()
        values = np.vstack([np.asarray(line) for line in lines]).reshape(rows, width, -1)
        assert info["bitdepth"] == 16
        assert np.array_equal(values[..., :3], srgb)
        assert values.shape[2] == (4 if alpha else 3)
        if alpha:
            assert np.array_equal(values[..., 3], picture.alpha)
        assert info["physical"][:2] == (11811, 7874)

    @pytest.mark.parametrize("alpha", [False, True])
    @pytest.mark.parametrize("height", [1, 3, 300])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_tiff_read_by_tifffile(self, alpha, height, dtype):
        picture, srgb = deep_photo(height, alpha, dtype)
        with tifffile.TiffFile(io.BytesIO(picture.encode(srgb, format="TIFF"))) as file:
            page = file.pages[0]
            values = page.asarray()
            assert values.dtype == dtype
            assert np.array_equal(values[..., :3], srgb)
            if alpha:
                assert np.array_equal(values[..., 3], picture.alpha)
                assert page.extrasamples == (tifffile.EXTRASAMPLE.UNASSALPHA,)
            assert page.get_resolution() == (300, 200)
            assert page.tags[34675].value == srgb_profile()
            assert page.tags["Make"].value == "A maker"

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_sixteen_bits_in_sixteen_bits_out(self, kind):
        grey = np.random.default_rng(1).integers(0, 65536, (21, 13), dtype=np.uint16)
        picture = Photo.read(saved(grey, kind))
        assert np.array_equal(picture.pixels, grey)
        encoded = picture.encode(np.dstack([grey, grey, grey]))
        assert np.array_equal(independent(encoded, kind), np.dstack([grey, grey, grey]))

    @pytest.mark.parametrize("kind", ["JPEG", "BMP", "WEBP"])
    def test_elsewhere_rounded_to_eight_bits(self, kind):
        grey = np.full((16, 16), 128 * 257 + 128, np.uint16)  # rounds to 128
        out = opened(Photo.read(grey).encode(np.dstack([grey] * 3), format=kind))
        assert np.abs(np.asarray(out).astype(int) - 128).max() <= (0 if kind == "BMP" else 1)

    def test_rounding_to_eight_bits_is_to_the_nearest(self):
        levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        image = Photo.read(levels).to_image(np.dstack([levels] * 3))
        assert np.array_equal(np.asarray(image)[..., 0], np.rint(levels / 257).astype(np.uint8))


class TestOrientation:
    @pytest.mark.parametrize("kind", WITH_EXIF)
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_upright(self, kind, orientation):
        image = Image.fromarray(smooth(channels=3))
        source = saved(image, kind, exif=some_exif(orientation))
        expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(source))))
        picture = Photo.read(source)
        assert np.array_equal(picture.pixels, expected)
        assert picture.pixels.shape[:2] == ((36, 24) if orientation >= 5 else (24, 36))
        assert picture.pixels.flags.c_contiguous

    def test_alpha_turns_too(self):
        alpha = smooth()
        source = saved(np.dstack([smooth(), alpha]), "PNG", exif=some_exif(6))
        assert np.array_equal(Photo.read(source).alpha, np.rot90(alpha, -1))

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_thumbnail_is_unhooked_and_all_else_keeps_its_place(self, order):
        mark = b"II*\0" if order == "<" else b"MM\0*"
        entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, 6, 0)
        tail = b"a maker note with offsets"
        block = mark + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 26) + tail
        picture = Photo.read(saved(smooth(), "JPEG", exif=b"Exif\0\0" + block))
        assert picture.pixels.shape == (36, 24)
        fixed = mark + struct.pack(order + "IH", 8, 1)
        fixed += struct.pack(order + "HHIHH", 0x0112, 3, 1, 1, 0) + b"\0\0\0\0" + tail
        assert picture.exif == b"Exif\0\0" + fixed

    def test_damaged_exif_is_left_out_and_says_so(self, caplog):
        picture = Photo.read(saved(smooth(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\0\0"))
        assert picture.exif is None
        assert "EXIF" in caplog.text
        assert opened(picture.encode(colored(picture))).size == (36, 24)


class TestProfiles:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_grey_with_a_gamma(self, dtype, kind):
        white = np.iinfo(dtype).max
        grey = np.linspace(0, white, 512).astype(dtype).reshape(16, 32)
        picture = Photo.read(saved(grey, kind, icc_profile=grey_profile(1.8)))
        expected = color.linear_to_srgb((grey / white) ** 1.8) * white
        assert picture.pixels.dtype == dtype
        assert np.abs(picture.pixels - expected).max() <= (0.8 if dtype == np.uint8 else 20)

    def test_rgb_with_another_gamut(self):
        srgb = np.array([[[120, 90, 60], [30, 140, 90], [77, 77, 77]]], np.uint8)
        linear_adobe = color.srgb_to_linear(srgb / 255) @ (ADOBE_FROM_XYZ @ XYZ_FROM_SRGB).T
        adobe = np.rint(linear_adobe ** (1 / (563 / 256)) * 255).astype(np.uint8)
        picture = Photo.read(saved(adobe, "PNG", icc_profile=adobe_profile()))
        assert np.abs(adobe.astype(int) - srgb).max() > 5
        assert np.abs(picture.pixels.astype(int) - srgb).max() <= 2

    def test_neutral_picture_with_an_rgb_profile_stays_grey(self):
        grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
        for source in (grey, np.dstack([grey] * 3)):
            picture = Photo.read(saved(source, "PNG", icc_profile=adobe_profile()))
            expected = color.linear_to_srgb((grey / 255) ** (563 / 256)) * 255
            assert picture.is_grey
            assert np.abs(picture.pixels - expected).max() <= 1

    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_srgb_changes_nothing(self, mode):
        image = Image.fromarray(smooth(channels=3)).convert(mode)
        picture = Photo.read(saved(image, "PNG", icc_profile=srgb_profile()))
        assert np.array_equal(picture.pixels, np.asarray(image))

    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    @pytest.mark.parametrize("profile", [b"nonsense", srgb_profile()[:200]])
    def test_damaged_profile_is_ignored_and_says_so(self, mode, profile, caplog):
        image = Image.fromarray(smooth(channels=3)).convert(mode)
        source = saved(image, "TIFF", icc_profile=profile)
        with caplog.at_level(logging.WARNING):
            picture = Photo.read(source)
        shown = np.atleast_3d(picture.pixels)
        assert np.array_equal(np.broadcast_to(shown, (24, 36, 3)), np.asarray(image.convert("RGB")))
        assert "color profile of the given data" in caplog.text

    def test_profile_of_another_kind_of_picture_is_ignored(self, caplog):
        source = saved(smooth(channels=3), "PNG", icc_profile=grey_profile(1.8))
        assert np.array_equal(Photo.read(source).pixels, smooth(channels=3))
        assert "color profile" in caplog.text

    def test_cmyk_jpeg(self):
        image = Image.fromarray(smooth(channels=3)).convert("CMYK")  # Pillow writes Adobe's inverse
        source = saved(image, "JPEG", quality=98, subsampling=0)
        assert b"Adobe" in source
        difference = Photo.read(source).pixels.astype(int) - smooth(channels=3)
        assert np.abs(difference).max() <= 8


class TestSources:
    def test_all_kinds_of_sources_agree(self, tmp_path):
        encoded = saved(smooth(), "PNG")
        path = tmp_path / "a photo é.png"
        path.write_bytes(encoded)
        with path.open("rb") as file:
            sources = [
                path,
                str(path),
                encoded,
                bytearray(encoded),
                io.BytesIO(encoded),
                file,
                OneWay(encoded),
                opened(encoded),
                smooth(),
            ]
            pictures = [Photo.read(source) for source in sources]
        for picture in pictures:
            assert np.array_equal(picture.pixels, smooth())
            assert picture.format == "PNG"
        assert pictures[0].source == path
        assert pictures[2].source is None

    def test_a_given_image_stays_usable(self):
        image = opened(saved(smooth(), "PNG"))
        Photo.read(image)
        assert image.getpixel((0, 0)) == smooth()[0, 0]

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_arrays(self, dtype):
        white = 1 if dtype == np.float32 else np.iinfo(dtype).max
        values = (np.random.default_rng(3).random((5, 7, 4)) * white).astype(dtype)
        for channels in (1, 2, 3, 4):
            picture = Photo.read(values[..., :channels])
            assert picture.pixels.dtype == dtype
            assert picture.pixels.shape == ((5, 7) if channels < 3 else (5, 7, 3))
            assert (picture.alpha is None) == (channels in (1, 3))
            if picture.alpha is not None:
                assert np.array_equal(picture.alpha, values[..., channels - 1])

    def test_grey_array_is_not_copied(self):
        grey = smooth()
        assert Photo.read(grey).pixels is grey or np.shares_memory(Photo.read(grey).pixels, grey)

    def test_float64_becomes_float32_and_is_written_with_16_bits(self):
        values = np.linspace(0, 1, 20).reshape(4, 5)
        picture = Photo.read(values)
        assert picture.pixels.dtype == np.float32
        encoded = picture.encode(np.dstack([picture.pixels] * 3))
        assert np.array_equal(independent(encoded, "PNG")[..., 0], np.rint(values * 65535))

    @pytest.mark.parametrize(
        "srgb", [data.astronaut()[:40, :60], data.astronaut()[:40, :60] / np.float32(255)]
    )
    def test_lightness(self, srgb):
        assert np.array_equal(Photo.read(srgb).lightness(), color.srgb_to_lab(srgb)[..., 0])
        grey = np.ascontiguousarray(srgb[..., 1])
        expected = color.srgb_to_lab(np.dstack([grey] * 3))[..., 0]
        assert np.allclose(Photo.read(grey).lightness(threads=2), expected, atol=2e-4)

    def test_to_image(self):
        alpha = smooth()
        picture = Photo.read(
            saved(np.dstack([smooth(), alpha]), "PNG", dpi=(300, 300), exif=some_exif())
        )
        image = picture.to_image(colored(picture))
        assert image.mode == "RGBA"
        assert np.array_equal(np.asarray(image)[..., 3], alpha)
        assert image.info["icc_profile"] == srgb_profile()
        assert image.info["dpi"] == picture.dpi
        assert image.getexif()[0x010F] == "A maker"

    def test_threads(self):
        encoded = saved(data.astronaut(), "JPEG")
        expected = Photo.read(encoded).pixels
        results = []
        workers = [
            threading.Thread(target=lambda: results.append(Photo.read(encoded).pixels))
            for _ in range(6)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(results) == 6
        assert all(np.array_equal(result, expected) for result in results)


class TestBadInput:
    def test_missing(self, tmp_path):
        with pytest.raises(PhotoError, match=r"`.*no\.jpg` does not exist: check"):
            Photo.read(tmp_path / "no.jpg")

    def test_folder(self, tmp_path):
        with pytest.raises(PhotoError, match="is a folder but must be a picture"):
            Photo.read(tmp_path)

    def test_empty(self, tmp_path):
        (tmp_path / "a.jpg").touch()
        with pytest.raises(PhotoError, match=r"`.*a\.jpg` is empty \(0 bytes\)"):
            Photo.read(tmp_path / "a.jpg")

    @pytest.mark.parametrize(
        "content", [b"hello, world, this is text", b"\0" * 100, b"x", b"%PDF-"]
    )
    def test_not_a_picture(self, content):
        with pytest.raises(PhotoError, match="the given data is not a picture in a known format"):
            Photo.read(content)

    def test_a_kind_of_tiff_that_pillow_lacks(self):
        buffer = io.BytesIO()
        levels = np.zeros((4, 4), np.uint16)
        tifffile.imwrite(buffer, levels, photometric="miniswhite", byteorder=">")
        with pytest.raises(PhotoError, match=r"cannot be read as TIFF \(unknown pixel mode\)"):
            Photo.read(buffer.getvalue())

    def test_heic_says_what_it_is(self):
        with pytest.raises(PhotoError, match="HEIC"):
            Photo.read(b"\0\0\0\x18ftypheic" + b"\0" * 50)

    def test_postscript_is_never_run(self):
        with pytest.raises(PhotoError, match="not a picture"):
            Photo.read(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")

    @pytest.mark.parametrize("kind", WRITTEN)
    @pytest.mark.parametrize("part", [0.5, 0.95])
    def test_truncated(self, kind, part):
        encoded = saved(data.camera()[:200, :200], kind)
        with pytest.raises(PhotoError, match=r"copy it again|known format"):
            Photo.read(encoded[: int(len(encoded) * part)])

    def test_too_large_is_refused_before_decoding(self):
        header = struct.pack(">2I5B", 100_000, 100_000, 8, 0, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"\0" * 9)
        with pytest.raises(PhotoError, match=r"100000 × 100000 = 10,000,000,000 .* 500,000,000"):
            Photo.read(bomb)
        with pytest.raises(PhotoError, match="at most 863 are read"):
            Photo.read(saved(smooth(), "PNG"), max_pixels=863)
        Photo.read(saved(smooth(), "PNG"), max_pixels=864)

    def test_pillow_s_own_limit_neither_applies_nor_changes(self, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        assert Photo.read(saved(smooth(), "JPEG")).width == 36
        assert Image.MAX_IMAGE_PIXELS == 10

    @pytest.mark.parametrize("size", [(0, 5), (5, 0)])
    def test_no_pixels(self, size):
        with pytest.raises(PhotoError):
            Photo.read(Image.new("L", size))
        with pytest.raises(PhotoError, match="at least one pixel"):
            Photo.read(np.zeros(size, np.uint8))

    @pytest.mark.parametrize("shape", [(4,), (4, 4, 5), (2, 4, 4, 3)])
    def test_array_shape(self, shape):
        with pytest.raises(PhotoError, match=r"the array has shape .* must be \(H, W\)"):
            Photo.read(np.zeros(shape, np.uint8))

    @pytest.mark.parametrize("dtype", [np.int64, bool, np.uint32, complex, object])
    def test_array_dtype(self, dtype):
        with pytest.raises(PhotoError, match=r"dtype .* must be uint8, uint16 or floating"):
            Photo.read(np.zeros((4, 4), dtype))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_array_not_finite(self, bad):
        with pytest.raises(PhotoError, match="not finite"):
            Photo.read(np.array([[0, bad]]))

    def test_array_out_of_range(self):
        with pytest.raises(PhotoError, match=r"from 0 to 255 but they must be in \[0, 1\]"):
            Photo.read(np.array([[0.0, 255.0]]))

    def test_text_file_object(self):
        with pytest.raises(PhotoError, match="must be binary"):
            Photo.read(io.StringIO("text"))

    @pytest.mark.parametrize("source", [None, 3, [1, 2]])
    def test_wrong_type(self, source):
        with pytest.raises(PhotoError, match=r"`source` is a .* must be a path"):
            Photo.read(source)

    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from(WRITTEN), st.data())
    def test_damaged_bytes_give_a_picture_or_a_photo_error(self, kind, draw):
        encoded = bytearray(
            saved(smooth(), kind, exif=some_exif(3)) if kind != "BMP" else saved(smooth(), kind)
        )
        for _ in range(draw.draw(st.integers(1, 4))):
            encoded[draw.draw(st.integers(0, len(encoded) - 1))] = draw.draw(st.integers(0, 255))
        encoded = encoded[: draw.draw(st.integers(1, len(encoded)))]
        try:
            picture = Photo.read(bytes(encoded), max_pixels=1_000_000)
        except PhotoError as error:
            assert str(error).startswith("the given data")
        else:
            assert picture.pixels.dtype in (np.uint8, np.uint16)


class TestWrite:
    def test_written_with_the_umask(self, tmp_path):
        picture = Photo.read(smooth())
        path = picture.write(colored(picture), tmp_path / "a.PNG")
        assert path == tmp_path / "a.PNG"
        assert opened(path.read_bytes()).format == "PNG"
        plain = tmp_path / "plain"
        plain.touch()
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.PNG", "plain"]

    @pytest.mark.parametrize("name", ["out.xyz", "out", "out.gif", "out.jpgg"])
    def test_unknown_extension(self, tmp_path, name):
        with pytest.raises(OutputError, match=r"which is not written.*: use one of \.jpg"):
            Photo.read(smooth()).write(smooth(channels=3), tmp_path / name)

    def test_missing_folder(self, tmp_path):
        with pytest.raises(OutputError, match=r"the folder .* does not exist: make it first"):
            Photo.read(smooth()).write(smooth(channels=3), tmp_path / "no" / "a.png")

    def test_folder_in_place_of_a_file(self, tmp_path):
        (tmp_path / "a.png").mkdir()
        with pytest.raises(OutputError, match="is a folder but must be a file"):
            Photo.read(smooth()).write(smooth(channels=3), tmp_path / "a.png", overwrite=True)

    def test_existing_file(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(b"mine")
        picture = Photo.read(smooth())
        with pytest.raises(OutputError, match="exists already"):
            picture.write(smooth(channels=3), path)
        assert path.read_bytes() == b"mine"
        picture.write(smooth(channels=3), path, overwrite=True)
        assert opened(path.read_bytes()).size == (36, 24)

    @pytest.mark.parametrize("link", [False, True])
    def test_the_original_is_never_written_over(self, tmp_path, link):
        original = tmp_path / "a.png"
        original.write_bytes(saved(smooth(), "PNG"))
        target = original
        if link:
            target = tmp_path / "b.png"
            target.symlink_to(original)
        before = original.read_bytes()
        with pytest.raises(OutputError, match="is the original and is never written over"):
            Photo.read(original).write(smooth(channels=3), target, overwrite=True)
        assert original.read_bytes() == before

    @pytest.mark.parametrize("step", ["write", "replace"])
    def test_failure_leaves_nothing_behind(self, tmp_path, monkeypatch, step):
        old = tmp_path / "a.png"
        old.write_bytes(b"old")

        def full(*_):
            raise OSError(28, "No space left on device")

        if step == "replace":
            monkeypatch.setattr(Path, "replace", full)
        else:
            monkeypatch.setattr(Path, "open", lambda path, mode: FullFile(path, mode))
        with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
            Photo.read(smooth()).write(smooth(channels=3), old, overwrite=True)
        monkeypatch.undo()
        assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
        assert old.read_bytes() == b"old"

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
    def test_folder_without_permission(self, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(OutputError, match="cannot be written"):
            Photo.read(smooth()).write(smooth(channels=3), tmp_path / "a.png")

    @pytest.mark.parametrize("srgb", [smooth(), smooth(12, 36, 3), smooth(channels=3).astype(int)])
    def test_wrong_pixels(self, srgb):
        with pytest.raises(OutputError, match=r"`srgb` is .* must be .* \(24, 36, 3\)"):
            Photo.read(smooth()).encode(srgb)

    def test_unknown_format(self):
        with pytest.raises(OutputError, match=r"`format` is pgn.*did you mean `PNG`"):
            Photo.read(smooth()).encode(smooth(channels=3), format="pgn")

    def test_size_the_format_cannot_hold(self):
        wide = np.zeros((1, 17_000), np.uint8)
        with pytest.raises(OutputError, match="17000 × 1 pixels cannot be written as WEBP"):
            Photo.read(wide).encode(np.dstack([wide] * 3), format="WEBP")

    def test_exif_too_large_for_jpeg_is_left_out_and_says_so(self, caplog):
        picture = Photo(smooth(), exif=some_exif() + b"\0" * 70_000)
        assert not opened(picture.encode(smooth(channels=3), format="JPEG")).getexif()
        assert "do not fit" in caplog.text

    @pytest.mark.parametrize(
        ("source", "target"),
        [
            ("dir/photo.jpg", "dir/photo.color.jpg"),
            ("A.B.TIFF", "A.B.color.TIFF"),
            ("scan.gif", "scan.color.png"),
            ("scan", "scan.color.png"),
        ],
    )
    def test_output_path(self, source, target):
        assert output_path(source) == Path(target)
        assert output_path("a.png", suffix="-new") == Path("a-new.png")

    def test_tables(self):
        assert set(FORMATS) <= set(EXTENSIONS)
        Image.init()
        assert set(FORMATS.values()) <= set(Image.SAVE)
        assert set(EXTENSIONS.values()) <= {"MPO", *Image.OPEN}  # MPO is opened as JPEG
        assert all(key == key.lower() and key.startswith(".") for key in EXTENSIONS)
        assert set(photo.__all__) <= set(vars(photo))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([3, 4])),
    )
)
def test_png_round_trip_of_any_array(values):
    picture = Photo.read(values)
    encoded = picture.encode(np.ascontiguousarray(values[..., :3]))
    assert np.array_equal(independent(encoded, "PNG"), values)


def deep_photo(height, alpha, dtype=np.uint16):
    rng = np.random.default_rng(height)
    shape = (height, 701)  # 300 rows are more than one chunk, and do not divide evenly
    levels = np.iinfo(dtype).max + 1
    picture = Photo(
        rng.integers(0, levels, shape, dtype=dtype),
        alpha=rng.integers(0, levels, shape, dtype=dtype) if alpha else None,
        exif=some_exif(),
        dpi=(300.0, 200.0),
    )
    return picture, rng.integers(0, levels, (*shape, 3), dtype=dtype)


def independent(encoded, kind):
    """Decode without Pillow."""
    if kind == "TIFF":
        return tifffile.imread(io.BytesIO(encoded))
    width, height, lines, _ = png.Reader(bytes=encoded).asDirect()
    return np.vstack([np.asarray(line) for line in lines]).reshape(height, width, -1)


class OneWay(io.RawIOBase):
    """A stream that cannot seek, as a pipe."""

    def __init__(self, content):
        self._left = content

    def readable(self):
        return True

    def readinto(self, buffer):
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


class FullFile(io.FileIO):
    def write(self, data):
        super().write(data[:10])
        raise OSError(28, "No space left on device")


def png_chunk(kind, content):
    import zlib

    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


# Adobe RGB (1998), section 4.3.5, and sRGB of IEC 61966-2-1; both D65.
XYZ_FROM_SRGB = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
XYZ_FROM_ADOBE = np.array(
    [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
)
ADOBE_FROM_XYZ = np.linalg.inv(XYZ_FROM_ADOBE)


def icc(space, tags):
    """Build a version 2 ICC profile; an independent builder to that of the package."""
    start = 132 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        table += struct.pack(">4sII", tag, start + len(body), len(value))
        body += value.ljust(-(-len(value) // 4) * 4, b"\0")
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x02100000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28 + xyz(D50)[8:]
    return header.ljust(128, b"\0") + table + body


def xyz(values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))


def gamma(exponent):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))


def description(words):
    ascii_words = words.encode() + b"\0"
    head = b"desc\0\0\0\0" + struct.pack(">I", len(ascii_words)) + ascii_words
    return head + b"\0" * (4 + 4 + 2 + 1 + 67)


D50 = (0.9642, 1.0, 0.8249)


def grey_profile(exponent):
    tags = {b"desc": description("grey"), b"wtpt": xyz(D50), b"kTRC": gamma(exponent)}
    return icc(b"GRAY", tags)


def adobe_profile():
    # The colorants of Adobe RGB (1998) adapted to D50, as in Adobe's own profile.
    tags = {
        b"desc": description("like Adobe RGB"),
        b"wtpt": xyz(D50),
        b"rXYZ": xyz((0.60974, 0.31111, 0.01947)),
        b"gXYZ": xyz((0.20528, 0.62567, 0.06087)),
        b"bXYZ": xyz((0.14919, 0.06322, 0.74457)),
        **{name: gamma(563 / 256) for name in (b"rTRC", b"gTRC", b"bTRC")},
    }
    return icc(b"RGB ", tags)


def test_the_hand_built_profiles_are_valid():
    for profile in (grey_profile(1.8), adobe_profile()):
        assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.version == 2.1
