import gc

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from koalarize import color
from koalarize.errors import OptionError
from koalarize.lab.datasets.batches import (
    Batches,
    CropOptions,
    HintOptions,
    SegmentSampler,
    draw_hints,
    random_crop,
)
from koalarize.lab.datasets.sources import Pictures


def picture(seed, height=40, width=56):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def some_batches(**changes):
    options = {
        "batch": 3,
        "crop": CropOptions(sizes=(16, 24)),
        "hints": HintOptions(none=0.5),
        "seed": 7,
    }
    return Batches(Pictures([picture(i) for i in range(5)]), **(options | changes))


class TestBatches:
    def test_shapes_and_units(self):
        batches = some_batches()
        for number, size in ((0, 16), (1, 24), (2, 16)):
            lab, hints = batches[number]
            assert lab.shape == hints.shape == (3, 3, size, size)
            assert lab.dtype == hints.dtype == torch.float32
            assert lab[:, 0].min() >= -0.01
            assert 50 < lab[:, 0].max() <= 100.01
            assert 20 < lab[:, 1:].abs().max() < 128

    def test_the_workers_change_nothing(self):
        loaded = []
        gc.collect()  # as training does before it forks
        for workers in (0, 1, 2):
            loader = DataLoader(
                some_batches(),
                batch_size=None,
                sampler=SegmentSampler(6, 20, lambda: 0),
                num_workers=workers,
                multiprocessing_context="fork" if workers else None,
            )
            loaded.append(list(loader))
        for other in loaded[1:]:
            assert len(other) == 6
            for first, second in zip(loaded[0], other, strict=True):
                assert torch.equal(first[0], second[0])
                assert torch.equal(first[1], second[1])

    def test_a_batch_does_not_depend_on_those_before(self):
        batches = some_batches()
        in_order = [batches[number] for number in range(8)]
        assert torch.equal(some_batches()[7][0], in_order[7][0])
        assert not torch.equal(in_order[0][0], in_order[2][0])
        assert not torch.equal(some_batches(seed=8)[0][0], in_order[0][0])

    def test_every_picture_once_an_epoch(self):
        flat = [np.full((20, 20, 3), 40 * i, np.uint8) for i in range(6)]
        batches = some_batches()
        batches.pictures = Pictures(flat)
        seen = [float(v) for n in (0, 1, 2, 3) for v in batches[n][0][:, 0].mean(dim=(1, 2))]
        expected = color.grey_to_lightness(np.arange(0, 240, 40, dtype=np.uint8))
        assert np.allclose(sorted(seen[:6]), expected, atol=1e-3)
        assert np.allclose(sorted(seen[6:]), expected, atol=1e-3)
        assert seen[:6] != seen[6:]  # shuffled anew

    @pytest.mark.parametrize("batch", [1, 4, 5, 7])
    def test_an_epoch_of_any_batch_size_skips_no_picture(self, batch):
        flat = [np.full((20, 20, 3), 20 * i, np.uint8) for i in range(10)]
        batches = some_batches(batch=batch, hints=None)
        batches.pictures = Pictures(flat)
        seen = []
        for number in range(-(-20 // batch)):
            seen += batches[number][0][:, 0].mean(dim=(1, 2)).tolist()
        expected = color.grey_to_lightness(np.arange(0, 200, 20, dtype=np.uint8))
        for epoch in (seen[:10], seen[10:20]):
            assert np.allclose(sorted(epoch), expected, atol=1e-3)

    @pytest.mark.parametrize("world", [2, 3])
    def test_the_shares_of_processes_make_up_the_batch(self, world):
        whole = some_batches(batch=6)
        shares = [some_batches(batch=6, rank=rank, world=world) for rank in range(world)]
        for number in range(3):
            for part in (0, 1):
                joined = torch.cat([share[number][part] for share in shares])
                assert torch.equal(joined, whole[number][part])

    def test_without_hints_the_planes_are_empty(self):
        assert not some_batches(hints=None)[0][1].any()

    def test_hints_show_the_true_color(self):
        lab, hints = some_batches(hints=HintOptions(none=0, patch=(1, 1)))[0]
        where = hints[:, 2:].expand(-1, 2, -1, -1) > 0
        assert where.any()
        assert torch.equal(hints[:, :2][where], lab[:, 1:][where])


class TestSegmentSampler:
    def test_segments_follow_each_other_and_end(self):
        taken = 0
        sampler = SegmentSampler(4, 10, lambda: taken)
        numbers = []
        for _ in range(4):
            numbers.append(list(sampler))
            assert list(sampler) == numbers[-1]  # a pass that is not used has no effect
            taken += len(numbers[-1])
        assert numbers == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], []]

    def test_a_segment_begun_is_brought_to_its_end(self):
        assert list(SegmentSampler(4, 10, lambda: 5)) == [5, 6, 7]
        assert list(SegmentSampler(4, 6, lambda: 5)) == [5]

    def test_a_run_shorter_than_a_segment(self):
        assert list(SegmentSampler(100, 3, lambda: 0)) == [0, 1, 2]

    def test_a_step_may_learn_from_several_batches(self):
        taken = 0
        sampler = SegmentSampler(2, 5, lambda: taken, accumulate=3)
        numbers = []
        for _ in range(4):
            numbers.append(list(sampler))
            taken += len(numbers[-1]) // 3
        assert numbers == [[*range(6)], [*range(6, 12)], [*range(12, 15)], []]


class TestRandomCrop:
    @pytest.mark.parametrize("shape", [(40, 56), (16, 300), (300, 16), (16, 16)])
    def test_any_shape_gives_the_size_asked(self, shape):
        rng = np.random.default_rng(0)
        source = picture(0, *shape)
        for _ in range(20):
            crop = random_crop(source, 32, CropOptions(area=(0.05, 1.0)), rng)
            assert crop.shape == (32, 32, 3)
            assert crop.dtype == np.uint8

    def test_it_is_cut_out_of_the_picture(self):
        """Position is written into the colors: every crop is a window in range."""
        across = np.linspace(20, 220, 200).astype(np.uint8)
        source = np.stack(np.broadcast_arrays(across[None], across[:, None], np.uint8(99)), -1)
        rng = np.random.default_rng(1)
        shares, mirrored = [], 0
        for _ in range(200):
            crop = random_crop(source, 16, CropOptions(area=(0.25, 0.75)), rng).astype(int)
            assert crop[..., :2].min() >= 19
            assert crop[..., :2].max() <= 221
            width, height = crop[0, -1, 0] - crop[0, 0, 0], crop[-1, 0, 1] - crop[0, 0, 1]
            assert height > 0  # never upside down
            mirrored += width < 0
            shares.append(abs(width) * height / 200**2)
        assert 60 < mirrored < 140
        # The centres of 16 pixels span 15/16 of a side each.
        assert 0.25 * 0.8 < min(shares) < 0.35
        assert 0.55 < max(shares) < 0.75

    def test_no_flip(self):
        source = np.stack([np.tile(np.arange(0, 200, 5, dtype=np.uint8), (40, 1))] * 3, -1)
        rng = np.random.default_rng(1)
        for _ in range(20):
            crop = random_crop(source, 16, CropOptions(flip=False), rng).astype(int)
            assert crop[0, -1, 0] > crop[0, 0, 0]


class TestResizeCrop:
    """Position is written into the colors, so that a crop says where it was cut out."""

    def source(self, height=100, width=200):
        across, down = np.linspace(20, 220, width), np.linspace(20, 220, height)
        planes = np.broadcast_arrays(across[None], down[:, None], 99.0)
        return np.stack(planes, -1).astype(np.uint8)

    def crops(self, source, size, resize, count=60, **options):
        rng = np.random.default_rng(2)
        crop = CropOptions(mode="resize-crop", sizes=(size,), resize=resize, **options)
        return [random_crop(source, size, crop, rng).astype(int) for _ in range(count)]

    def test_the_shorter_side_is_resized_and_the_crop_is_of_one_scale(self):
        for crop in self.crops(self.source(), 32, 50, flip=False):
            assert crop.shape == (32, 32, 3)
            # 50 pixels down show levels 20..220, 100 across: 32 of them span 31 steps of each.
            assert abs((crop[-1, 0, 1] - crop[0, 0, 1]) - 31 * 200 / 50) <= 6
            assert abs((crop[0, -1, 0] - crop[0, 0, 0]) - 31 * 200 / 100) <= 6

    def test_crops_reach_every_edge(self):
        crops = np.stack(self.crops(self.source(), 32, 50, 400, flip=False))
        for channel in (0, 1):
            assert crops[:, 0, 0, channel].min() <= 24
            assert crops[:, -1, -1, channel].max() >= 216

    def test_it_equals_resizing_the_whole_picture(self):
        source = picture(3, 80, 120)
        options = CropOptions(mode="resize-crop", sizes=(40,), resize=40, flip=False)
        whole = Image.fromarray(source).resize((60, 40), Image.Resampling.BICUBIC)
        crop = random_crop(source, 40, options, np.random.default_rng(0))
        left = int(np.random.default_rng(0).integers(0, 21))
        assert np.array_equal(crop, np.asarray(whole)[:, left : left + 40])

    def test_small_pictures_are_enlarged(self):
        for crop in self.crops(self.source(16, 20), 32, 40, 5):
            assert crop.shape == (32, 32, 3)

    def test_half_are_mirrored(self):
        crops = self.crops(self.source(), 32, 50, 200)
        assert 60 < sum(crop[0, 0, 0] > crop[0, -1, 0] for crop in crops) < 140


class TestSquashCrop:
    """The first article's: PIL's bilinear resize to a square, a random crop, a flip."""

    def test_a_crop_is_a_part_of_the_squashed_picture(self):
        source = np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)
        options = CropOptions(mode="squash-crop", sizes=(12,), resize=20, flip=False)
        squashed = Image.fromarray(source).resize((20, 20), Image.Resampling.BILINEAR)
        parts = np.lib.stride_tricks.sliding_window_view(np.asarray(squashed), (12, 12, 3))
        parts = parts.reshape(81, 12, 12, 3)
        rng = np.random.default_rng(0)
        found = set()
        for _ in range(400):
            same = (parts == random_crop(source, 12, options, rng)).all(axis=(1, 2, 3))
            assert same.sum() == 1
            found.add(int(same.argmax()))
        assert len(found) > 75  # of 81 places

    def test_it_equals_torchvision(self):
        from torchvision.transforms import Resize

        source = Image.fromarray(np.random.default_rng(1).integers(0, 256, (48, 80, 3), np.uint8))
        options = CropOptions(mode="squash-crop", sizes=(20,), resize=20, flip=False)
        crop = random_crop(np.asarray(source), 20, options, np.random.default_rng(0))
        assert np.array_equal(crop, np.asarray(Resize((20, 20))(source)))

    def test_it_needs_room_for_the_crop(self):
        with pytest.raises(OptionError, match=r"`crop\.resize` is 9 but must be at least"):
            CropOptions(mode="squash-crop", sizes=(12,), resize=9)


class TestSquashArea:
    options = CropOptions(mode="squash-area", sizes=(16,), flip=False)

    def squashed(self, source, size=16):
        return random_crop(source, size, self.options, np.random.default_rng(0))

    @pytest.mark.parametrize("shape", [(64, 48), (30, 17), (16, 100), (300, 200)])
    def test_a_pixel_is_the_mean_of_the_area_it_covers(self, shape):
        source = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
        finer = source.repeat(16, axis=0).repeat(16, axis=1)  # whole pixels of it lie in each area
        means = finer.reshape(16, shape[0], 16, shape[1], 3).mean(axis=(1, 3))
        assert np.abs(self.squashed(source) - means).max() <= 0.501  # rounded once

    def test_the_whole_picture_is_shown_each_time(self):
        rng = np.random.default_rng(0)
        crops = [random_crop(picture(1), 16, self.options, rng) for _ in range(5)]
        assert all(np.array_equal(crop, crops[0]) for crop in crops)

    @pytest.mark.parametrize(
        ("row", "expected"),
        [
            ([0, 90, 210], [0, 0, 30, 90, 90, 170, 210, 210]),
            ([10, 20, 60, 80, 10, 250, 30, 40, 90], [11, 29, 67, 49, 143, 103, 38, 84]),
        ],
    )
    def test_small_pictures_are_enlarged_as_opencv_does(self, row, expected):
        """As cv2.resize(..., interpolation=cv2.INTER_AREA) of OpenCV 5.0.0; one row of each."""
        source = np.repeat(np.uint8(row)[None, :, None], 3, axis=2)
        crop = self.squashed(source, size=8)
        assert np.abs(crop.astype(int) - np.int64(expected)[None, :, None]).max() <= 1

    @pytest.mark.parametrize("shape", [(8, 60), (60, 8), (1, 1), (16, 16)])
    def test_small_pictures_become_squares(self, shape):
        source = np.linspace(0, 255, shape[0] * shape[1] * 3).reshape(*shape, 3).astype(np.uint8)
        crop = self.squashed(source)
        assert crop.shape == (16, 16, 3)
        if shape == (16, 16):
            assert np.array_equal(crop, source)


class TestHints:
    def drawn(self, options, number, seed=0):
        rng = np.random.default_rng(seed)
        ab = rng.normal(0, 30, (2, 32, 32)).astype(np.float32)
        drawn = []
        for _ in range(number):
            planes = np.zeros((3, 32, 32), np.float32)
            draw_hints(ab, planes, options, rng)
            drawn.append(planes)
        return ab, np.stack(drawn)

    def test_a_single_hint_lies_at_a_saturated_place(self):
        ab, drawn = self.drawn(HintOptions(none=0, single=1, patch=(3, 3)), 200)
        assert all(planes[2].sum() == 9 for planes in drawn)
        many = self.drawn(HintOptions(none=0, most=1, patch=(3, 3)), 200)[1]
        chroma = [np.hypot(*planes[:2, planes[2] > 0].T[0]) for planes in drawn]
        anywhere = [np.hypot(*planes[:2, planes[2] > 0].T[0]) for planes in many]
        assert np.mean(chroma) > 1.3 * np.mean(anywhere)
        for planes in drawn[:5]:
            part = planes[2] > 0
            assert planes[:2, part].T[0] == pytest.approx(ab[:, part].mean(1), abs=1e-4)

    def test_without_single_ones_the_drawing_is_as_before(self):
        _, before = self.drawn(HintOptions(), 20)
        _, after = self.drawn(HintOptions(single=0.0), 20)
        assert np.array_equal(before, after)

    @pytest.mark.parametrize("none", [0.0, 0.6, 1.0])
    def test_share_without(self, none):
        _, drawn = self.drawn(HintOptions(none=none), 800)
        share = np.mean([not planes.any() for planes in drawn])
        assert abs(share - none) < 0.06

    def test_mask_and_color(self):
        _, drawn = self.drawn(HintOptions(none=0), 100)
        masks = drawn[:, 2]
        assert set(np.unique(masks)) == {0, 1}
        assert not drawn[:, :2][np.repeat(masks[:, None] == 0, 2, axis=1)].any()

    def test_a_hint_is_the_mean_of_its_patch(self):
        ab, drawn = self.drawn(HintOptions(none=0, most=1, patch=(3, 7)), 50)
        for planes in drawn:
            rows, columns = np.nonzero(planes[2])
            patch = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
            side = rows.max() - rows.min() + 1
            assert 3 <= side <= 7
            assert planes[2].sum() == side**2
            expected = ab[(slice(None), *patch)].mean(axis=(1, 2))
            assert np.allclose(planes[(slice(2), *patch)], expected[:, None, None], atol=1e-4)

    def test_most(self):
        _, drawn = self.drawn(HintOptions(none=0, most=2, patch=(1, 1)), 100)
        assert {int(planes[2].sum()) for planes in drawn} == {1, 2}


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (CropOptions, {"sizes": ()}, r"`crop\.sizes` is \(\)"),
        (CropOptions, {"sizes": (0,)}, r"`crop\.sizes`"),
        (CropOptions, {"area": (0.0, 1.0)}, r"`crop\.area`"),
        (CropOptions, {"area": (0.9, 0.5)}, r"`crop\.area`"),
        (CropOptions, {"ratio": (2.0, 0.5)}, r"`crop\.ratio`"),
        (HintOptions, {"none": 1.2}, r"`hints\.none` is 1\.2 but must be a share"),
        (HintOptions, {"most": 0}, r"`hints\.most`"),
        (HintOptions, {"patch": (0, 3)}, r"`hints\.patch`"),
        (HintOptions, {"patch": (5, 3)}, r"`hints\.patch`"),
    ],
)
def test_options_are_checked(kind, values, message):
    with pytest.raises(OptionError, match=message):
        kind(**values)
