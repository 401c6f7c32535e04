"""Pictures that stay encoded: the same arrays, wherever their bytes lie, in little memory."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from koalarize.errors import DataError
from koalarize.lab.datasets.kept import Chosen, Kept, Reading, keep_pictures
from koalarize.lab.datasets.places import Blocks, Place
from koalarize.lab.datasets.sources import load_pictures, located_pictures
from samples import hash_of


def encoded(count: int = 6) -> list[bytes]:
    files = []
    for number in range(count):
        rng = np.random.default_rng(number)
        small = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((60 + number, 40), Image.Resampling.BICUBIC)
        image.save(file := io.BytesIO(), "JPEG", quality=90)
        files.append(file.getvalue())
    return files


def as_files(folder: Path) -> Path:
    (folder / "files").mkdir()
    for number, data in enumerate(encoded()):
        (folder / "files" / f"{number}.jpg").write_bytes(data)
    return folder / "files"


def as_tar(folder: Path) -> Path:
    with tarfile.open(folder / "a.tar", "w") as tar:
        for number, data in enumerate(encoded()):
            member = tarfile.TarInfo(f"{number}.jpg")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return folder / "a.tar"


def as_squeezed_tar(folder: Path) -> Path:
    path = as_tar(folder)
    (folder / "b.tar").write_bytes(gzip.compress(path.read_bytes()))  # named as if it were plain
    return folder / "b.tar"


def as_parquet(folder: Path, **options) -> Path:
    images = [{"bytes": data, "path": None} for data in encoded()]
    table = pa.table({"image": images, "label": ["a"] * len(images)})
    pq.write_table(table, folder / "a.parquet", row_group_size=4, **options)
    return folder / "a.parquet"


def as_plain_parquet(folder: Path) -> Path:
    return as_parquet(folder, compression="none")


def as_packed_parquet(folder: Path) -> Path:
    return as_parquet(folder, compression="zstd")


SOURCES = [as_files, as_tar, as_squeezed_tar, as_plain_parquet, as_packed_parquet]
PLAIN = [as_files, as_tar, as_plain_parquet]


@pytest.mark.parametrize("make", SOURCES)
class TestEverySource:
    @pytest.mark.parametrize("memory", [0, 20_000, 1 << 20])
    def test_the_arrays_are_those_that_are_loaded(self, tmp_path, make, memory):
        source = make(tmp_path)
        wanted = load_pictures(source, max_side=30)
        found = keep_pictures(source, Reading(max_side=30, memory=memory))
        assert len(found) == 6
        for one, other in zip(wanted.arrays, found.arrays, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_a_place_gives_the_bytes_again(self, tmp_path, make):
        places = [one.place for one in located_pictures(make(tmp_path))]
        assert all(place is not None for place in places) == (make in PLAIN)
        if make in PLAIN:
            assert [place.read() for place in places] == encoded()


class TestKept:
    def test_only_so_much_stays_decoded(self, tmp_path):
        pictures = keep_pictures(as_files(tmp_path), Reading(memory=20_000)).arrays
        size = 40 * 60 * 3
        assert isinstance(pictures, Kept)
        assert size < pictures.pixels <= 20_000
        assert pictures[0] is pictures[0]
        assert pictures[5] is not pictures[5]

    def test_limit_chroma_and_reasons_are_as_in_loading(self, tmp_path):
        folder = as_files(tmp_path)
        Image.new("RGB", (40, 40), "gray").save(folder / "2a.png")
        (folder / "1a.jpg").write_bytes(b"no picture")
        found = keep_pictures(folder, Reading(limit=3, min_chroma=2))
        wanted = load_pictures(folder, limit=3, min_chroma=2)
        assert found.left_out == wanted.left_out == {"broken": 1}
        assert len(found) == 3
        assert keep_pictures(folder, Reading(min_chroma=2)).left_out == {"broken": 1, "grey": 1}

    def test_the_data_have_the_hash_of_an_evaluation(self, tmp_path):
        folder = as_files(tmp_path)
        assert keep_pictures(folder, Reading()).sha256 == hash_of(folder, 6)

    def test_a_file_that_is_gone_or_has_changed_is_named_as_such(self, tmp_path):
        folder = as_files(tmp_path)
        pictures = keep_pictures(folder, Reading()).arrays
        (folder / "1.jpg").unlink()
        (folder / "2.jpg").write_bytes(b"no picture")
        with pytest.raises(DataError, match=r"picture 1 of the run cannot be read any more"):
            pictures[1]
        with pytest.raises(DataError, match=r"picture 2 of the run is broken now"):
            pictures[2]

    def test_a_part_decodes_nothing_before_it_is_asked(self, tmp_path):
        folder = as_files(tmp_path)
        pictures = keep_pictures(folder, Reading()).arrays
        (folder / "1.jpg").unlink()
        part = pictures[1:]
        assert len(part) == 5
        np.testing.assert_array_equal(part[1], pictures[2])
        np.testing.assert_array_equal(Chosen(part, [4, 2])[1:][0], pictures[3])

    def test_nothing_usable_is_an_error(self, tmp_path):
        with pytest.raises(DataError, match=r"holds no colour picture \(nothing found\)"):
            keep_pictures(tmp_path, Reading())


class TestBlocks:
    def test_bytes_come_back(self, monkeypatch):
        from koalarize.lab.datasets import places

        monkeypatch.setattr(places, "_BLOCK", 10)
        blocks = Blocks()
        pieces = [bytes([n]) * (n * 3 % 8 + 1) for n in range(20)]
        assert [held.read() for held in [blocks.add(piece) for piece in pieces]] == pieces

    def test_a_place_is_a_part_of_a_file(self, tmp_path):
        (tmp_path / "a").write_bytes(b"0123456789")
        assert Place(tmp_path / "a", 3, 4).read() == b"3456"
        assert Place(tmp_path / "a").read() == b"0123456789"
