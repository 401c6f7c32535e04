"""What numbers mean as colours: gAMA and cHRM of PNG, 16 bits through profiles of a matrix."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from koalarize.errors import PhotoError
from koalarize.photo.matrix_profiles import HDR, profile_of_gamma, wide_colors_to_srgb
from koalarize.photo.photo import Photo
from koalarize.photo.png_chunks import SIGNATURE
from koalarize.photo.profiles import srgb_profile
from photo_parts import ADOBE_FROM_XYZ, XYZ_FROM_SRGB, adobe_profile, png_chunk, saved, smooth

ADOBE_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
LIGHT = np.linspace(0, 1, 4096)
SRGB_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)


def gama(value):
    return png_chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def chrm(points):
    return png_chunk(b"cHRM", struct.pack(">8I", *(round(v * 100_000) for v in points)))


def png_with(picture, *chunks):
    encoded = saved(picture, "PNG")
    return encoded[:33] + b"".join(chunks) + encoded[33:]


def srgb_of_light(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


class TestGamma:
    @pytest.mark.parametrize("gamma", [1.0, 1 / 1.8])
    def test_grey(self, gamma):
        levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
        found = Photo.read(png_with(levels, gama(gamma))).pixels
        expected = 255 * srgb_of_light((levels / 255) ** (1 / gamma))
        assert np.abs(found - expected).max() <= 1

    def test_sixteen_bits_of_grey(self):
        levels = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
        found = Photo.read(png_with(Image.fromarray(levels), gama(1.0))).pixels
        assert found.dtype == np.uint16
        expected = 65535 * srgb_of_light(levels / 65535)
        assert np.abs(found - expected)[1:].max() < 100

    def test_color(self):
        picture = smooth(channels=3)
        found = Photo.read(png_with(picture, gama(1.0))).pixels
        expected = 255 * srgb_of_light(picture / 255)
        assert np.abs(found - expected).max() <= 2

    @pytest.mark.parametrize(
        "beside",
        [
            (gama(0.45455),),
            (gama(0.45455), chrm(SRGB_POINTS)),
            (gama(1.0), png_chunk(b"sRGB", b"\0")),
            (gama(0.0),),
            (chrm(ADOBE_POINTS),),
        ],
    )
    def test_where_it_says_nothing_else(self, beside):
        picture = smooth(channels=3)
        assert np.array_equal(Photo.read(png_with(picture, *beside)).pixels, picture)

    def test_a_file_that_is_nothing_else_is_refused(self):
        with pytest.raises(PhotoError, match="the given data"):
            Photo.read(SIGNATURE + gama(1.0))

    def test_a_profile_goes_before_it(self):
        encoded = saved(smooth(), "PNG", icc_profile=srgb_profile())
        encoded = encoded[:33] + gama(1.0) + encoded[33:]
        assert np.array_equal(Photo.read(encoded).pixels, smooth())

    def test_primaries(self):
        picture = smooth(channels=3)
        by_numbers = Photo.read(png_with(picture, gama(256 / 563), chrm(ADOBE_POINTS))).pixels
        by_profile = Photo.read(saved(picture, "PNG", icc_profile=adobe_profile())).pixels
        assert np.abs(by_numbers.astype(int) - by_profile).max() <= 2

    @pytest.mark.parametrize("points", [(0,) * 8, (0.3, 0.3) * 4])
    def test_impossible_primaries_are_those_of_srgb(self, points):
        icc = profile_of_gamma(1.0, points, grey=False)
        assert icc == profile_of_gamma(1.0, None, grey=False)

    def test_the_profile_is_one(self):
        for grey in (True, False):
            icc = profile_of_gamma(1.0, ADOBE_POINTS, grey=grey)
            assert ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.version == 4.4


class TestNumbersOfH273:
    """Those of PNG's cICP and of AVIF's nclx, which mean the same."""

    def written(self, kind, picture, primaries, transfer):
        if kind == "PNG":
            return png_with(picture, png_chunk(b"cICP", bytes([primaries, transfer, 0, 1])))
        whole = bytearray(saved(picture, kind, quality=100, subsampling="4:4:4"))
        at = whole.index(b"colrnclx") + 8
        whole[at : at + 4] = struct.pack(">2H", primaries, transfer)
        return bytes(whole)

    @pytest.mark.parametrize("kind", ["PNG", "AVIF"])
    def test_linear_light(self, kind):
        levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
        found = Photo.read(self.written(kind, levels, 1, 8)).pixels
        expected = 255 * srgb_of_light(levels / 255)
        assert np.abs(found - expected)[1:].max() <= (1 if kind == "PNG" else 4)

    def test_display_p3(self):
        # SMPTE EG 432-1's primaries and the white of D65, as IEC 61966-2-1 has it.
        p3 = np.array([[0.4866, 0.2657, 0.1982], [0.2290, 0.6917, 0.0793], [0, 0.0451, 1.0439]])
        picture = smooth(channels=3) // 4 + 90  # whose colors sRGB holds
        light = np.interp(picture / 255, srgb_of_light(LIGHT), LIGHT)
        expected = 255 * srgb_of_light(light @ (np.linalg.inv(XYZ_FROM_SRGB) @ p3).T)
        found = Photo.read(self.written("PNG", picture, 12, 13)).pixels
        assert np.abs(found - picture).max() > 5
        assert np.abs(found - expected).max() <= 1.5

    @pytest.mark.parametrize("kind", ["PNG", "AVIF"])
    @pytest.mark.parametrize("transfer", [16, 18])
    def test_hdr_is_named(self, kind, transfer):
        assert Photo.read(self.written(kind, smooth(), 9, transfer)).notes == (HDR,)
        assert Photo.read(self.written(kind, smooth(), 1, 13)).notes == ()

    def test_they_go_before_a_profile(self):
        encoded = saved(smooth(channels=3), "PNG", icc_profile=adobe_profile())
        said = png_chunk(b"cICP", bytes([1, 13, 0, 1]))
        pixels = Photo.read(encoded[:33] + said + encoded[33:]).pixels
        assert np.array_equal(pixels, smooth(channels=3))


class TestSixteenBitsThroughProfiles:
    def colors(self):
        rng = np.random.default_rng(0)
        light = rng.uniform(0.02, 0.9, (30, 40, 3))  # inside sRGB
        adobe = np.clip(light @ (ADOBE_FROM_XYZ @ XYZ_FROM_SRGB).T, 0, 1) ** (256 / 563)
        return np.rint(65535 * srgb_of_light(light)), np.rint(65535 * adobe).astype(np.uint16)

    @pytest.mark.parametrize("kind", ["png", "tiff"])
    def test_they_stay_sixteen(self, tmp_path, kind):
        expected, adobe = self.colors()
        path = tmp_path / f"deep.{kind}"
        if kind == "tiff":
            tifffile.imwrite(path, adobe, photometric="rgb", iccprofile=adobe_profile())
        else:
            plain = Photo(np.zeros(adobe.shape[:2], np.uint16)).encode(adobe, format="png")
            at = plain.index(b"iCCP") - 4
            (size,) = struct.unpack(">I", plain[at : at + 4])
            packed = b"name\0\0" + zlib.compress(adobe_profile())
            path.write_bytes(plain[:at] + png_chunk(b"iCCP", packed) + plain[at + size + 12 :])
        photo = Photo.read(path)
        assert photo.pixels.dtype == np.uint16
        assert photo.notes == ()
        assert np.abs(photo.pixels - expected).max() < 120  # of 65535: less than half a level of 8

    def test_it_is_what_little_cms_says(self):
        _, adobe = self.colors()
        eight = (adobe // 257).astype(np.uint8)
        found = wide_colors_to_srgb(eight.astype(np.uint16) * 257, adobe_profile())
        expected = Photo.read(saved(eight, "PNG", icc_profile=adobe_profile())).pixels
        assert np.abs(found / 257 - expected).max() <= 1.6

    def test_srgb_is_not_touched(self):
        values = (smooth(channels=3).astype(np.uint16) * 257) ^ 0x55
        assert wide_colors_to_srgb(values, srgb_profile()) is values

    @pytest.mark.parametrize("cut", [0, 40, 140, 200, 300])
    def test_a_damaged_profile_is_none(self, cut):
        values = smooth(channels=3).astype(np.uint16) * 257
        assert wide_colors_to_srgb(values, adobe_profile()[:cut]) is None
