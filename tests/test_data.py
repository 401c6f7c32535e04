import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from koalarize import color
from koalarize.data.batches import (
    Batches,
    CropOptions,
    HintOptions,
    SegmentSampler,
    draw_hints,
    random_crop,
)
from koalarize.data.sources import Pictures, load_pictures
from koalarize.errors import DataError, OptionError


def picture(seed, height=40, width=56):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def contents():
    """Two pictures to keep, and one of each kind that is left out."""
    grey = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None], 40, axis=1).repeat(3, axis=2)
    return {
        "a.png": encoded(picture(0)),
        "b.png": encoded(picture(1))[:200],
        "c.png": encoded(picture(2, height=15)),
        "d.png": encoded(grey),
        "deep/e.jpg": encoded(picture(3), "JPEG", quality=95),
        "f.png": b"",
    }


def folder_of(files, where):
    for name, data in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(data)
    return where


def parquet_of(files, path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    rows = [{"bytes": data, "path": name} for name, data in files.items()]
    pq.write_table(pa.table({"image": rows, "label": list(range(len(rows)))}), path)
    return path


class TestLoadPictures:
    @pytest.mark.parametrize("kind", ["folder", "parquet", "folder of parquet"])
    def test_what_cannot_be_used_is_counted(self, kind, tmp_path):
        if kind == "folder":
            source = folder_of(contents(), tmp_path)
            (tmp_path / "notes.txt").write_text("not a picture, and not taken for one")
        else:
            parquet_of(contents(), tmp_path / "part-0.parquet")
            source = tmp_path / "part-0.parquet" if kind == "parquet" else tmp_path
        pictures = load_pictures(source, min_chroma=2)
        assert pictures.left_out == {"broken": 2, "tiny": 1, "grey": 1}
        assert len(pictures) == 2
        assert np.array_equal(pictures.arrays[0], picture(0))
        assert pictures.arrays[1].shape == picture(3).shape
        assert all(array.dtype == np.uint8 for array in pictures.arrays)

    def test_limit_is_of_usable_pictures_in_order(self, tmp_path):
        source = folder_of(contents(), tmp_path)
        assert len(load_pictures(source, limit=1)) == 1
        two = load_pictures(source, limit=2, min_chroma=2)
        assert np.array_equal(two.arrays[0], picture(0))
        assert two.arrays[1].shape == picture(3).shape
        assert len(load_pictures(source, limit=99, min_chroma=2)) == 2

    def test_grey_is_kept_unless_asked(self, tmp_path):
        assert load_pictures(folder_of(contents(), tmp_path)).left_out["grey"] == 0

    def test_short_side_is_brought_down(self, tmp_path):
        source = folder_of({"a.png": encoded(picture(0, 60, 120))}, tmp_path)
        assert load_pictures(source, max_side=20).arrays[0].shape == (20, 40, 3)
        assert load_pictures(source, max_side=60).arrays[0].shape == (60, 120, 3)
        assert load_pictures(source, max_side=500).arrays[0].shape == (60, 120, 3)

    def test_orientation_is_applied(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        source = folder_of({"a.jpg": encoded(picture(0), "JPEG", exif=exif)}, tmp_path)
        assert load_pictures(source).arrays[0].shape == (56, 40, 3)

    def test_progress_counts_what_was_looked_at(self, tmp_path):
        seen = []
        load_pictures(folder_of(contents(), tmp_path), progress=seen.append)
        assert seen[-1] == len(contents())

    def test_errors(self, tmp_path):
        with pytest.raises(DataError, match="does not exist: give a folder"):
            load_pictures(tmp_path / "no")
        with pytest.raises(DataError, match=r"holds no colour picture \(nothing found\)"):
            load_pictures(tmp_path)
        (tmp_path / "a.png").write_bytes(b"text")
        with pytest.raises(DataError, match=r"holds no colour picture \(1 broken\)"):
            load_pictures(tmp_path)
        with pytest.raises(DataError, match=r"is not a folder or a \.parquet file"):
            load_pictures(tmp_path / "a.png")
        (tmp_path / "a.parquet").write_bytes(b"text" * 9)
        with pytest.raises(DataError, match="cannot be read as Parquet"):
            load_pictures(tmp_path / "a.parquet")

    def test_a_table_of_something_else(self, tmp_path):
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
        with pytest.raises(DataError, match=r"has the columns \['text'\] but needs `image`"):
            load_pictures(tmp_path / "a.parquet")

    def test_rows_without_bytes_are_broken(self, tmp_path):
        files = {"a": encoded(picture(0)), "b": None}
        pictures = load_pictures(parquet_of(files, tmp_path / "a.parquet"))
        assert len(pictures) == 1
        assert pictures.left_out == {"broken": 1}


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
        assert len(sampler) == 4

    def test_a_segment_begun_is_brought_to_its_end(self):
        assert list(SegmentSampler(4, 10, lambda: 5)) == [5, 6, 7]
        assert list(SegmentSampler(4, 6, lambda: 5)) == [5]

    def test_a_run_shorter_than_a_segment(self):
        sampler = SegmentSampler(100, 3, lambda: 0)
        assert len(sampler) == 3
        assert list(sampler) == [0, 1, 2]


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
