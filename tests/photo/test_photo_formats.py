"""Photos: formats, modes, depths, orientation, profiles."""

import io
import struct

import numpy as np
import png
import pytest
import tifffile
from PIL import Image, ImageOps
from skimage import data

from koalarize import color
from koalarize.errors import PhotoError
from koalarize.photo.photo import Photo
from koalarize.photo.profiles import srgb_profile
from photo_parts import (
    ADOBE_FROM_XYZ,
    LOSSLESS,
    WITH_ALPHA,
    WITH_DPI,
    WITH_EXIF,
    WITH_PROFILE,
    WRITTEN,
    XYZ_FROM_SRGB,
    adobe_profile,
    colored,
    deep_photo,
    grey_profile,
    independent,
    opened,
    saved,
    smooth,
    some_exif,
)


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

    @pytest.mark.parametrize("exif", [some_exif(), b"Exif\0\0II*\0\xff\xff\0\0"])
    def test_a_jpeg_whose_exif_states_no_dpi_has_none(self, exif):
        assert Photo.read(saved(smooth(), "JPEG", exif=exif)).dpi is None

    def test_dpi_of_a_jpeg_s_exif(self):
        exif = Image.Exif()
        exif[282], exif[283], exif[296] = 100.0, 50.0, 3
        assert Photo.read(saved(smooth(), "JPEG", exif=exif)).dpi == (254, 127)

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

    def test_pillow_s_own_limit_on_webp_is_not_ours(self, monkeypatch):
        encoded = saved(smooth(channels=3), "WEBP")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        assert Photo.read(encoded).pixels.shape == (24, 36, 3)
        with pytest.raises(PhotoError, match="at most 50 are read"):
            Photo.read(encoded, max_pixels=50)

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
            (np.array([[0, 0]], np.int32), [0, 0]),
            (np.array([[0, 0.5]], np.float32), [0, 32768]),
            (np.array([[0, 255]], np.float32), [0, 65535]),
        ],
    )
    def test_wide_grey(self, values, expected):
        photo = Photo.read(Image.fromarray(values))
        assert photo.pixels.tolist() == [expected]
        assert photo.notes == ()

    def test_whole_numbers_up_to_255_are_8_bits_and_a_note_says_so(self):
        photo = Photo.read(Image.fromarray(np.array([[0, 100, 255]], np.int32)))
        assert photo.pixels.tolist() == [[0, 25700, 65535]]
        assert photo.notes == ("its levels reach 255: they are taken as 8 bits",)

    def test_a_dark_pgm_of_16_bits_stays_dark(self):
        levels = np.array([[0, 100, 200]], ">u2")
        photo = Photo.read(b"P5 3 1 65535\n" + levels.tobytes())
        assert photo.pixels.tolist() == [[0, 100, 200]]
        assert photo.notes == ()

    @pytest.mark.parametrize(
        "values", [np.array([[-10, 90]], np.int32), np.array([[1e6, 3e6]], np.float32)]
    )
    def test_wide_grey_without_a_known_white_is_stretched_and_a_note_says_so(self, values):
        photo = Photo.read(Image.fromarray(values))
        assert photo.pixels.tolist() == [[0, 65535]]
        (note,) = photo.notes
        assert note.endswith("are stretched from black to white")

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

    def test_damaged_exif_is_left_out_and_says_so(self):
        picture = Photo.read(saved(smooth(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\0\0"))
        assert picture.exif is None
        assert picture.notes == ("its damaged EXIF data is left out",)
        assert opened(picture.encode(colored(picture))).size == (36, 24)

    @pytest.mark.parametrize("start", [0, 4, 7])
    def test_exif_whose_directory_lies_in_its_head_is_damaged(self, start):
        # Taken as a directory, the head itself would be put right, and say something else.
        block = b"MM\0*" + struct.pack(">I", start) + b"\1\x0f\0\2\0\0\0\x08" * 40
        picture = Photo.read(saved(smooth(), "JPEG", exif=b"Exif\0\0" + block))
        assert picture.exif is None
        assert picture.notes == ("its damaged EXIF data is left out",)

    @pytest.mark.parametrize("head", [b"MM/*", b"II*/", b"MM\0+", b"II\0\0"])
    def test_exif_without_the_42_of_a_tiff_header_is_damaged(self, head):
        # Pillow says so of a JPEG file only when it is asked for the first time.
        block = head + b"\0\0\0\x08\0\0\0\0\0\0"
        picture = Photo.read(saved(smooth(), "JPEG", exif=b"Exif\0\0" + block))
        assert picture.exif is None
        assert picture.notes == ("its damaged EXIF data is left out",)


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
    def test_damaged_profile_is_ignored_and_a_note_says_so(self, mode, profile):
        image = Image.fromarray(smooth(channels=3)).convert(mode)
        picture = Photo.read(saved(image, "TIFF", icc_profile=profile))
        shown = np.atleast_3d(picture.pixels)
        assert np.array_equal(np.broadcast_to(shown, (24, 36, 3)), np.asarray(image.convert("RGB")))
        (note,) = picture.notes
        assert note.startswith("its colour profile cannot be used")

    @pytest.mark.parametrize("deep", [False, True])
    def test_profile_of_another_kind_of_picture_is_ignored_and_a_note_says_so(self, deep):
        picture = smooth(channels=3).astype(np.uint16) * 257 if deep else smooth(channels=3)
        stream = io.BytesIO()
        tifffile.imwrite(stream, picture, photometric="rgb", iccprofile=grey_profile(1.8))
        found = Photo.read(stream.getvalue())
        assert np.array_equal(found.pixels, picture)
        (note,) = found.notes
        assert note.startswith("its colour profile cannot be used")

    def test_cmyk_jpeg(self):
        image = Image.fromarray(smooth(channels=3)).convert("CMYK")  # Pillow writes Adobe's inverse
        source = saved(image, "JPEG", quality=98, subsampling=0)
        assert b"Adobe" in source
        difference = Photo.read(source).pixels.astype(int) - smooth(channels=3)
        assert np.abs(difference).max() <= 8
