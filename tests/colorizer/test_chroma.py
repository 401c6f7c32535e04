import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from koalarize import color
from koalarize.colorizer import merge as chroma

GREYS = color.grey_to_lightness(np.arange(256, dtype=np.uint8))


def random_photo(seed, height=60, width=80):
    """Smooth areas, hard edges and noise."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.integers(0, 256, (6, 8)), np.ones((height // 6, width // 8)))
    noise = rng.normal(0, rng.uniform(0, 25), blocks.shape)
    return np.clip(blocks + noise, 0, 255).astype(np.uint8)


def random_guidance(seed, height, width, strength):
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, strength, (2, 3, 4)).astype(np.float32)
    ab = color.resize(coarse, height, width)
    lightness = rng.uniform(0, 100, (height, width)).astype(np.float32)
    return chroma.guide(ab, lightness)


class TestLightnessIsSacred:
    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), strength=st.floats(0, 120))
    def test_within_a_grey_level(self, seed, strength):
        grey = random_photo(seed)
        srgb = chroma.merge(grey, random_guidance(seed, 20, 27, strength))
        levels = np.interp(color.srgb_to_lab(srgb)[..., 0], GREYS, np.arange(256))
        off = np.abs(levels - grey)
        assert (off <= 1).mean() >= 0.999
        assert off.max() <= 2

    def test_sixteen_bits(self):
        grey = (np.linspace(0, 65535, 64 * 64).reshape(64, 64)).astype(np.uint16)
        srgb = chroma.merge(grey, random_guidance(1, 16, 16, 30))
        assert srgb.dtype == np.uint16
        off = np.abs(color.srgb_to_lab(srgb)[..., 0] - color.grey_to_lightness(grey))
        assert off.max() < 0.2  # of 100; one 8-bit level is about 0.4

    def test_color_pictures_keep_theirs(self):
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
        srgb = chroma.merge(pixels, random_guidance(2, 10, 8, 25))
        off = color.srgb_to_lab(srgb)[..., 0] - color.srgb_to_lab(pixels)[..., 0]
        assert np.abs(off).max() < 1


class TestMerge:
    def test_no_chroma_gives_the_grey_itself(self):
        grey = random_photo(3)
        srgb = chroma.merge(grey, chroma.Guidance(np.zeros((4, 5, 7), np.float32)))
        assert np.array_equal(srgb, np.repeat(grey[..., None], 3, axis=-1))

    def test_constant_chroma_is_reached(self):
        grey = np.full((33, 47), 128, np.uint8)
        planes = np.zeros((4, 6, 9), np.float32)
        planes[1], planes[3] = 20, -15
        lab = color.srgb_to_lab(chroma.merge(grey, chroma.Guidance(planes)))
        assert np.allclose(lab[..., 1], 20, atol=1)
        assert np.allclose(lab[..., 2], -15, atol=1)

    def test_slope_follows_lightness(self):
        grey = np.array([[60, 180]], np.uint8).repeat(8, 0)
        planes = np.zeros((4, 1, 1), np.float32)
        planes[0] = 0.2
        lab = color.srgb_to_lab(chroma.merge(grey, chroma.Guidance(planes)))
        assert np.allclose(lab[..., 1], 0.2 * lab[..., 0], atol=1)

    def test_hue_is_kept_where_the_gamut_ends(self):
        grey = np.full((8, 8), 230, np.uint8)
        planes = np.zeros((4, 1, 1), np.float32)
        planes[1], planes[3] = 60, -80  # no such light violet exists
        lab = color.srgb_to_lab(chroma.merge(grey, chroma.Guidance(planes)))
        hue = np.arctan2(lab[..., 2], lab[..., 1])
        assert np.allclose(hue, np.arctan2(-80, 60), atol=0.06)
        assert np.hypot(lab[..., 1], lab[..., 2]).max() < 60

    @pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (3, 2), (257, 129)])
    def test_shapes(self, shape):
        grey = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        srgb = chroma.merge(grey, random_guidance(0, 7, 5, 20))
        assert srgb.shape == (*shape, 3)

    def test_threads_do_not_matter(self):
        grey = random_photo(5, 600, 800)
        guidance = random_guidance(5, 30, 40, 25)
        assert np.array_equal(
            chroma.merge(grey, guidance, threads=1), chroma.merge(grey, guidance, threads=4)
        )

    def test_dtypes_agree(self):
        grey = random_photo(6)
        guidance = random_guidance(6, 20, 20, 20)
        eight = chroma.merge(grey, guidance).astype(np.float64) / 255
        deep = chroma.merge(grey.astype(np.uint16) * 257, guidance).astype(np.float64) / 65535
        real = chroma.merge((grey / 255).astype(np.float32), guidance)
        assert real.dtype == np.float32
        assert np.abs(eight - deep).max() < 0.004
        assert np.abs(real - deep).max() < 0.001


class TestGuide:
    def test_a_flat_field_stays(self):
        rng = np.random.default_rng(0)
        ab = np.broadcast_to(np.float32([[[12]], [[-7]]]), (2, 20, 30)).copy()
        lightness = rng.uniform(0, 100, (20, 30)).astype(np.float32)
        slope_a, offset_a, slope_b, offset_b = chroma.guide(ab, lightness).planes
        assert np.allclose(slope_a * lightness + offset_a, 12, atol=1e-2)
        assert np.allclose(slope_b * lightness + offset_b, -7, atol=1e-2)

    def test_a_blurred_edge_becomes_sharp(self):
        lightness = np.full((24, 48), 30, np.float32)
        lightness[:, 24:] = 80
        true = np.where(lightness > 50, 40, -10).astype(np.float32)
        blurred = color.resize(color.resize(true[None], 6, 12), 24, 48)[0]
        slope, offset, *_ = chroma.guide(np.stack([blurred, blurred]), lightness).planes
        sharp = slope * lightness + offset
        assert np.abs(sharp - true)[:, 22:26].mean() < 0.7 * np.abs(blurred - true)[:, 22:26].mean()

    def test_scaled(self):
        guidance = chroma.Guidance(np.ones((4, 2, 2), np.float32))
        assert np.all(guidance.scaled(1.5).planes == 1.5)
