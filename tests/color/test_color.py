import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import color as reference

from koalarize import color

SEED = 20240521
GOLDEN_BINS = 260  # python -c 'from koalarize.color import ab_bins; print(len(ab_bins()))'
GOLDEN_COFFEE = 76.918  # color.colorfulness(skimage.data.coffee()), scikit-image 0.26


def some_srgb(shape=(37, 53, 3), dtype=np.uint8):
    rng = np.random.default_rng(SEED)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def lab_arrays(l_range=(0, 100), ab=128):
    unit = hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.just(3)),
        elements=st.floats(0, 1, width=32),
    )
    low = np.array([l_range[0], -ab, -ab], np.float32)
    span = np.array([l_range[1] - l_range[0], 2 * ab, 2 * ab], np.float32)
    return unit.map(lambda u: low + u * span)


class TestSrgbToLab:
    def test_smoke_known_colors(self):
        # From the definition: white and black, and the primaries as Bruce Lindbloom lists them.
        srgb = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
        expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]
        assert np.allclose(color.srgb_to_lab(srgb), expected, atol=0.02)

    @pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 1, 3), (7, 5, 3), (2, 3, 4, 3), (0, 3)])
    def test_shapes(self, shape):
        lab = color.srgb_to_lab(some_srgb(shape))
        assert lab.shape == shape
        assert lab.dtype == np.float32

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
    def test_dtypes_agree(self, dtype):
        levels = some_srgb((50, 3), np.uint8)
        scale = {np.uint8: 1, np.uint16: 257}.get(dtype)
        given = levels.astype(dtype) * scale if scale else (levels / 255).astype(dtype)
        assert np.allclose(
            color.srgb_to_lab(given.astype(dtype)), color.srgb_to_lab(levels), atol=1e-3
        )

    @pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), ()])
    def test_wrong_last_axis(self, shape):
        with pytest.raises(ValueError, match=r"`srgb` has shape .* last axis must be 3"):
            color.srgb_to_lab(np.zeros(shape, np.uint8))

    @pytest.mark.parametrize("dtype", [np.int32, np.int8, bool, np.uint32])
    def test_wrong_dtype(self, dtype):
        with pytest.raises(ValueError, match=r"`srgb` has dtype .* must be uint8, uint16 or float"):
            color.srgb_to_lab(np.zeros((2, 3), dtype))

    @pytest.mark.parametrize("dtype", [np.uint8, np.float64])
    def test_parity_with_scikit_image(self, dtype):
        srgb = some_srgb((101, 67, 3), dtype)
        assert np.abs(color.srgb_to_lab(srgb) - reference.rgb2lab(srgb)).max() <= 1e-3

    @pytest.mark.parametrize("threads", [0, 2, 3, 8])
    def test_threads_change_nothing(self, threads):
        srgb = some_srgb((211, 307, 3))
        assert np.array_equal(color.srgb_to_lab(srgb, threads=threads), color.srgb_to_lab(srgb))

    def test_views_and_read_only_input(self):
        srgb = some_srgb((20, 30, 3))
        srgb.setflags(write=False)
        expected = color.srgb_to_lab(np.ascontiguousarray(srgb[::2, ::-3]))
        assert np.array_equal(color.srgb_to_lab(srgb[::2, ::-3]), expected)


class TestLabToSrgb:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_round_trip_of_random_colors_is_exact(self, dtype):
        srgb = some_srgb((300, 300, 3), dtype)
        back = color.lab_to_srgb(color.srgb_to_lab(srgb), dtype=dtype)
        assert back.dtype == dtype
        difference = np.abs(back.astype(int) - srgb).max()
        assert difference == 0 if dtype is np.uint8 else difference <= 2

    def test_round_trip_of_floats(self):
        srgb = some_srgb((64, 64, 3), np.float32)
        assert np.abs(color.lab_to_srgb(color.srgb_to_lab(srgb)) - srgb).max() < 2e-5

    @pytest.mark.slow
    def test_round_trip_of_all_colors_is_exact(self):
        green, blue = (v.ravel() for v in np.meshgrid(np.arange(256), np.arange(256)))
        plane = np.stack([np.zeros_like(green), green, blue], axis=-1).astype(np.uint8)
        for red in range(256):
            plane[:, 0] = red
            back = color.lab_to_srgb(color.srgb_to_lab(plane), dtype=np.uint8)
            assert np.array_equal(back, plane), f"red {red}"

    def test_parity_with_scikit_image(self):
        lab = color.srgb_to_lab(some_srgb((101, 67, 3)))
        expected = reference.lab2rgb(lab.astype(np.float64))
        assert np.abs(color.lab_to_srgb(lab) - expected).max() <= 1e-3

    def test_out_of_gamut_is_clipped(self):
        lab = np.array([[50, 127, -127], [100, 50, 0], [120, 0, 0], [-5, 0, 0]], np.float32)
        srgb = color.lab_to_srgb(lab)
        assert srgb.min() >= 0
        assert srgb.max() <= 1
        assert np.array_equal(color.lab_to_srgb(lab[2:], dtype=np.uint8)[:, 0], [255, 0])

    @pytest.mark.parametrize("dtype", [np.float64, np.int16, bool])
    def test_wrong_dtype(self, dtype):
        with pytest.raises(ValueError, match="must be float32, uint8 or uint16"):
            color.lab_to_srgb(np.zeros((1, 3), np.float32), dtype=dtype)

    def test_threads_change_nothing(self):
        lab = color.srgb_to_lab(some_srgb((211, 307, 3)))
        assert np.array_equal(color.lab_to_srgb(lab, threads=4), color.lab_to_srgb(lab))


class TestTransferCurve:
    def test_round_trip(self):
        v = np.linspace(0, 1, 4097, dtype=np.float32)
        assert np.abs(color.linear_to_srgb(color.srgb_to_linear(v)) - v).max() < 1e-5

    def test_the_two_pieces_meet(self):
        v = np.array([0.04045 - 1e-6, 0.04045 + 1e-6], np.float32)
        assert abs(np.diff(color.srgb_to_linear(v))[0]) < 1e-6


class TestGreyToLightness:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_equals_srgb_to_lab_of_all_levels(self, dtype):
        grey = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
        lab = color.srgb_to_lab(np.stack([grey] * 3, axis=-1))
        lightness = color.grey_to_lightness(grey)
        assert lightness.dtype == np.float32
        assert np.abs(lightness - lab[:, 0]).max() < 2e-4
        assert np.all(np.diff(lightness) > 0)
        assert np.abs(lab[:, 1:]).max() < 1e-2

    def test_ends(self):
        assert np.allclose(color.grey_to_lightness(np.array([0, 255], np.uint8)), [0, 100])

    def test_wrong_dtype(self):
        with pytest.raises(ValueError, match="`grey` has dtype float32"):
            color.grey_to_lightness(np.zeros(3, np.float32))


class TestGamut:
    def test_all_grey_and_all_primaries_are_inside(self):
        corners = np.array(np.meshgrid([0, 255], [0, 255], [0, 255])).reshape(3, -1).T
        grey = np.repeat(np.arange(256)[:, None], 3, axis=1)
        srgb = np.concatenate([corners, grey]).astype(np.uint8)
        assert color.in_gamut(color.srgb_to_lab(srgb)).all()

    @settings(max_examples=60, deadline=None)
    @given(lab_arrays())
    def test_mapping_keeps_lightness_and_hue_and_ends_inside(self, lab):
        mapped = color.map_to_gamut(lab)
        assert mapped.shape == lab.shape
        assert np.array_equal(mapped[:, 0], lab[:, 0])
        assert color.in_gamut(mapped).all()
        before, after = (np.hypot(v[:, 1], v[:, 2]) for v in (lab, mapped))
        assert np.all(after <= before * (1 + 1e-6))
        cross = mapped[:, 1] * lab[:, 2] - mapped[:, 2] * lab[:, 1]  # 0 for equal hue
        assert np.all(np.abs(cross) <= 1e-5 * np.maximum(before * after, 1e-6) + 1e-6)
        assert np.all(mapped[:, 1] * lab[:, 1] >= 0)

    @settings(max_examples=40, deadline=None)
    @given(lab_arrays())
    def test_mapping_is_tight(self, lab):
        """One bisection step more chroma would leave the gamut."""
        outside = lab[~color.in_gamut(lab)]
        wider = outside.copy()
        wider[:, 1:] *= (color.gamut_scale(outside) + 1 / 4096)[:, None]
        assert not color.in_gamut(wider).any()

    @settings(max_examples=40, deadline=None)
    @given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.just(3))))
    def test_colors_inside_stay_as_they_are(self, srgb):
        lab = color.srgb_to_lab(srgb)
        lab[:, 0] = np.clip(lab[:, 0], 0, 100)
        assert np.array_equal(color.map_to_gamut(lab), lab)

    def test_lightness_is_clipped(self):
        lab = np.array([[-3, 5, 5], [104, -5, 5]], np.float32)
        mapped = color.map_to_gamut(lab)
        assert np.array_equal(mapped[:, 0], [0, 100])
        assert color.in_gamut(mapped).all()

    def test_input_is_not_changed(self):
        lab = np.full((4, 3), 99, np.float32)
        color.map_to_gamut(lab)
        assert np.array_equal(lab, np.full((4, 3), 99))


class TestBins:
    def test_golden(self):
        # Zhang et al. (2016) have 313, counted over another conversion and with a margin.
        bins = color.ab_bins()
        assert bins.shape == (GOLDEN_BINS, 2)
        assert bins.dtype == np.float32

    def test_contents(self):
        bins = color.ab_bins()
        assert [0, 0] in bins.tolist()
        assert np.all(bins % color.AB_GRID == 0)
        assert np.array_equal(np.unique(bins, axis=0), bins)  # unique, and ordered by a, then b
        assert not np.signbit(bins[bins == 0]).any()

    def test_every_color_lies_in_the_cell_of_a_bin(self):
        ab = color.srgb_to_lab(some_srgb((4000, 3)))[:, 1:]
        nearest = color.ab_bins()[color.encode_ab(ab)[0][:, 0]]
        assert np.linalg.norm(nearest - ab, axis=1).max() <= 50**0.5 + 1e-4
        assert np.abs(nearest - ab).max() <= color.AB_GRID / 2 + 1e-4

    def test_the_corners_of_the_gamut_too(self):
        corners = np.array(np.meshgrid([0, 255], [0, 255], [0, 255])).reshape(3, -1).T
        ab = color.srgb_to_lab(corners.astype(np.uint8))[:, 1:]
        nearest = color.ab_bins()[color.encode_ab(ab)[0][:, 0]]
        assert np.abs(nearest - ab).max() <= color.AB_GRID / 2 + 1e-4

    def test_every_bin_is_the_nearest_of_some_color(self):
        levels = np.arange(0, 256, 5, dtype=np.uint8)
        srgb = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
        ab = color.srgb_to_lab(srgb)[..., 1:].reshape(-1, 2)
        for center in color.ab_bins():
            assert np.abs(ab - center).max(axis=1).min() <= color.AB_GRID / 2 + 1e-4, center

    def test_is_read_only(self):
        with pytest.raises(ValueError, match="read-only"):
            color.ab_bins()[0] = 1

    @pytest.mark.parametrize(("step", "count"), [(5, 961), (10, GOLDEN_BINS), (20, 74), (40, 23)])
    def test_a_grid_of_another_step(self, step, count):
        bins = color.grid_bins(step)
        assert len(bins) == count
        ab = color.srgb_to_lab(some_srgb((500, 3)))[:, 1:]
        assert np.abs(bins.centres[bins.nearest(ab)] - ab).max() <= step / 2 + 1e-4
        assert (bins == color.default_bins()) is (step == color.AB_GRID)

    @pytest.mark.parametrize("step", [4, 41])
    def test_steps_have_bounds(self, step):
        with pytest.raises(ValueError, match=f"`step` is {step} but must be from 5 to 40"):
            color.grid_bins(step)


class TestEncodeDecode:
    @settings(max_examples=30, deadline=None)
    @given(hnp.arrays(np.float32, (6, 2), elements=st.floats(-110, 110, width=32)))
    def test_weights_are_a_distribution_over_the_nearest(self, ab):
        numbers, weights = color.encode_ab(ab)
        assert numbers.shape == weights.shape == (6, 5)
        assert np.allclose(weights.sum(-1), 1, atol=1e-5)
        assert np.all(np.diff(weights, axis=-1) <= 1e-7)
        distance = np.linalg.norm(color.ab_bins() - ab[:, None], axis=-1)
        assert np.allclose(
            np.take_along_axis(distance, numbers[:, :1].astype(int), 1)[:, 0], distance.min(1)
        )

    @pytest.mark.parametrize("neighbours", [1, 5, 400])
    def test_of_bins_equally_far_the_first_comes_first(self, neighbours):
        steps = np.arange(-110, 111, 5, dtype=np.float32)  # every second lies between two bins
        ab = np.stack(np.meshgrid(steps, steps), axis=-1)
        squared = np.square(ab[..., None, :] - color.ab_bins()).sum(-1)
        numbers, _ = color.encode_ab(ab, neighbours=neighbours)
        assert np.array_equal(numbers, squared.argsort(-1, kind="stable")[..., :neighbours])
        nearest = color.default_bins().nearest(ab.reshape(-1, 2))
        assert np.array_equal(nearest, squared.argmin(-1).ravel())

    def test_shapes(self):
        numbers, weights = color.encode_ab(np.zeros((2, 3, 4, 2), np.float32), neighbours=7)
        assert numbers.shape == weights.shape == (2, 3, 4, 7)

    def test_fewer_bins_than_neighbours(self):
        few = color.Bins(np.float32([(0, 0), (60, 40)]))
        numbers, weights = few.encode(np.float32([(58, 40), (0, 1)]))
        assert numbers.tolist() == [[1, 0], [0, 1]]
        assert np.allclose(weights.sum(1), 1)

    def test_a_bin_is_its_own_nearest(self):
        numbers, _ = color.encode_ab(color.ab_bins())
        assert np.array_equal(numbers[:, 0], np.arange(len(color.ab_bins())))

    def test_soft_encoding_decodes_to_the_color(self):
        ab = some_ab_inside_the_grid()
        decoded = color.decode_ab(logits_of(ab), temperature=1)[:, 0]
        # Five neighbours of a 10-unit grid blur a little: measured 0.6 at most.
        assert np.abs(decoded.T - ab).max() < 1

    def test_low_temperature_gives_the_nearest_bin(self):
        ab = some_ab_inside_the_grid()
        _, weights = color.encode_ab(ab)
        ab = ab[weights[:, 0] > 1.05 * weights[:, 1]]  # without the ties
        assert len(ab) > 100
        decoded = color.decode_ab(logits_of(ab), temperature=0.001)[:, 0]
        nearest = color.ab_bins()[color.encode_ab(ab)[0][:, 0]]
        assert np.allclose(decoded.T, nearest, atol=1e-2)

    def test_shapes_of_decoding_and_no_overflow(self):
        bins = len(color.ab_bins())
        logits = np.full((2, bins, 3, 4), 1e4, np.float32)
        logits[:, 7] += 500
        decoded = color.decode_ab(logits)
        assert decoded.shape == (2, 2, 3, 4)
        assert np.allclose(decoded[0, :, 0, 0], color.ab_bins()[7])
        assert color.decode_ab(logits[0]).shape == (2, 3, 4)

    def test_input_is_not_changed(self):
        logits = np.random.default_rng(SEED).normal(size=(len(color.ab_bins()), 2, 2))
        logits = logits.astype(np.float32)
        before = logits.copy()
        color.decode_ab(logits, temperature=1)
        assert np.array_equal(logits, before)

    @pytest.mark.parametrize("temperature", [0, -1, float("nan")])
    def test_wrong_temperature(self, temperature):
        with pytest.raises(ValueError, match=r"`temperature` is .* must be above 0"):
            color.decode_ab(np.zeros((3, 1, 1), np.float32), temperature=temperature)


class TestHex:
    @pytest.mark.parametrize(
        ("text", "levels"),
        [("#1f4a27", (31, 74, 39)), ("1F4A27", (31, 74, 39)), ("#fa0", (255, 170, 0))],
    )
    def test_levels(self, text, levels):
        assert tuple(color.hex_to_srgb(text)) == levels

    @pytest.mark.parametrize("text", ["", "#", "#12", "#12345", "red", "#gggggg"])
    def test_what_is_none(self, text):
        with pytest.raises(ValueError, match=r"."):
            color.hex_to_srgb(text)

    @given(hnp.arrays(np.uint8, 3))
    def test_there_and_back(self, srgb):
        text = color.srgb_to_hex(srgb)
        assert np.array_equal(color.hex_to_srgb(text), srgb)
        assert color.lab_to_hex(color.srgb_to_lab(srgb[None])[0]) == text

    def test_what_srgb_has_not_keeps_its_lightness(self):
        fitted = color.srgb_to_lab(
            color.hex_to_srgb(color.lab_to_hex(np.float32([40, 0, 200])))[None]
        )
        assert fitted[0, 0] == pytest.approx(40, abs=0.5)


class TestColorfulness:
    def test_grey_has_none(self):
        assert color.colorfulness(np.full((8, 8, 3), 77, np.uint8)) == 0

    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_equals_the_formula(self, dtype):
        srgb = some_srgb((40, 60, 3), dtype)
        r, g, b = np.moveaxis(srgb.astype(np.float64) * (1 if dtype is np.uint8 else 255), -1, 0)
        rg, yb = r - g, (r + g) / 2 - b
        expected = np.sqrt(rg.var() + yb.var()) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
        assert color.colorfulness(srgb) == pytest.approx(expected, rel=1e-5)

    def test_golden(self):
        from skimage import data

        assert color.colorfulness(data.coffee()) == pytest.approx(GOLDEN_COFFEE, abs=0.01)


def test_by_rows_covers_each_row_once():
    for threads in (1, 3):
        seen = np.zeros(103, int)

        def work(start, stop, seen=seen):
            seen[start:stop] += 1

        color.by_rows(work, 103, 10, threads)
        assert np.all(seen == 1)


def test_by_rows_hands_errors_on():
    def work(start, stop):
        raise RuntimeError("of a thread")

    with pytest.raises(RuntimeError, match="of a thread"):
        color.by_rows(work, 10, 1, 4)


def some_ab_inside_the_grid():
    rng = np.random.default_rng(SEED)
    return rng.uniform(-30, 30, (200, 2)).astype(np.float32)


def logits_of(ab):
    numbers, weights = color.encode_ab(ab)
    logits = np.full((len(color.ab_bins()), 1, len(ab)), -1e4, np.float32)
    for i in range(len(ab)):
        logits[numbers[i], 0, i] = np.log(weights[i])
    return logits


def test_threads_are_those_asked_for_or_the_cores_we_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert [color.thread_count(asked) for asked in (0, 1, 7)] == [3, 1, 7]
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert color.thread_count(0) == 6


@pytest.mark.parametrize("shape", [(1, 1), (1, 12), (5, 3), (9, 9), (21, 14), (3, 21, 14)])
def test_box_means_are_of_the_window_that_is_inside(shape):
    planes = np.random.default_rng(0).uniform(0, 100, shape)
    expected = np.empty(shape)
    for row in range(shape[-2]):
        for column in range(shape[-1]):
            window = planes[..., max(0, row - 4) : row + 5, max(0, column - 4) : column + 5]
            expected[..., row, column] = window.mean((-2, -1))
    np.testing.assert_allclose(color.box_mean(planes), expected, rtol=1e-5)


class TestCurve:
    def test_all_precisions_have_the_same(self):
        light = np.linspace(0, 1, 1001)
        shallow = color.light_to_srgb(light.astype(np.float32))
        assert shallow.dtype == np.float32
        assert np.abs(shallow - color.light_to_srgb(light)).max() < 1e-6
        assert np.array_equal(shallow, color.linear_to_srgb(light))
        assert np.abs(color.srgb_to_light(color.light_to_srgb(light)) - light).max() < 1e-4

    def test_it_is_declared_once_but_for_networks_of_torch(self):
        rooms = Path(color.__file__).parents[1]
        found = [path for path in rooms.rglob("*.py") if "0.0031308" in path.read_text("utf-8")]
        ours = [path.relative_to(rooms).as_posix() for path in found if "lab" not in path.parts]
        assert ours == ["color/curve.py"]
