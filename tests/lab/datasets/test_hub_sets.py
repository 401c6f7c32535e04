"""Data sets of the Hugging Face hub, read by `datasets` from a local folder in the same layout."""

import io
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from koalarize.errors import DataError, DependencyError
from koalarize.lab.datasets.hub import HubName, is_on_hub
from koalarize.lab.datasets.kept import Reading, keep_pictures
from koalarize.lab.datasets.sources import named_pictures

datasets = pytest.importorskip("datasets")


def encoded(number):
    pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def write_set(folder, split, rows, column="image"):
    folder.mkdir(exist_ok=True)
    features = datasets.Features({column: datasets.Image(), "label": datasets.Value("string")})
    made = datasets.Dataset.from_dict({column: rows, "label": ["x"] * len(rows)}, features=features)
    made.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return folder


def test_all_pictures_of_a_split_in_order(tmp_path):
    pictures = [encoded(number) for number in range(3)]
    rows = [{"bytes": data, "path": None} for data in pictures]
    folder = write_set(tmp_path / "set", "train", rows)
    write_set(folder, "test", rows[:1])
    assert [data for _, data in named_pictures(Path(f"hf:{folder}"))] == pictures
    assert [data for _, data in named_pictures(Path(f"hf:{folder}:test"))] == pictures[:1]
    kept = keep_pictures(Path(f"hf:{folder}:train"), Reading(limit=2, memory=0))
    assert len(kept) == 2
    assert kept.arrays[1].shape == (24, 32, 3)
    assert kept.sha256 == keep_pictures(Path(f"hf:{folder}"), Reading(limit=2)).sha256


def test_the_column_of_pictures_is_found_by_its_kind(tmp_path):
    rows = [{"bytes": encoded(0), "path": "koala.png"}]
    folder = write_set(tmp_path / "set", "train", rows, column="photo")
    assert list(named_pictures(Path(f"hf:{folder}"))) == [(f"{folder}/koala.png", encoded(0))]


def test_a_row_without_a_picture_has_empty_bytes(tmp_path):
    rows = [{"bytes": encoded(0), "path": None}, None]
    folder = write_set(tmp_path / "set", "train", rows)
    assert [data for _, data in named_pictures(Path(f"hf:{folder}"))] == [encoded(0), b""]


def test_a_set_without_pictures(tmp_path):
    folder = tmp_path / "numbers"
    folder.mkdir()
    pq.write_table(pa.table({"n": [1, 2]}), folder / "train.parquet")
    with pytest.raises(DataError, match=r"has the columns \['n'\] but none of pictures"):
        list(named_pictures(Path(f"hf:{folder}")))


def test_a_split_that_is_not_there(tmp_path):
    folder = write_set(tmp_path / "set", "train", [{"bytes": encoded(0), "path": None}])
    with pytest.raises(DataError, match=r"cannot be loaded: .*tests.* Check the name"):
        list(named_pictures(Path(f"hf:{folder}:tests")))


def test_without_the_network(tmp_path):
    with pytest.raises(DataError, match="`hf:nobody/nothing` cannot be loaded"):
        list(named_pictures(Path("hf:nobody/nothing")))


@pytest.mark.parametrize(
    ("name", "said"), [("x.jsonl", "JSON parse error"), ("x.zip", "File is not a zip file")]
)
def test_damage_that_its_readers_tell_in_errors_of_their_own(tmp_path, name, said):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_text('{"a":')
    with pytest.raises(DataError, match=rf"cannot be loaded: {said}.*(?<!\.)\. Check the name"):
        list(named_pictures(Path(f"hf:{tmp_path / 'set'}")))


@pytest.mark.parametrize(
    ("source", "parsed"),
    [
        ("hf:cifar10", HubName("cifar10")),
        ("hf:a/b:test", HubName("a/b", "test")),
        ("hf:a/b:test:small", HubName("a/b", "test", "small")),
    ],
)
def test_names(source, parsed):
    assert is_on_hub(Path(source))
    assert HubName.parse(Path(source)) == parsed


@pytest.mark.parametrize("source", ["hf:", "hf:a/b:", "hf:a/b:train:small:more"])
def test_malformed_names(source):
    with pytest.raises(DataError, match="names no data set: write hf:OWNER/NAME"):
        list(named_pictures(Path(source)))


def test_a_folder_with_a_colon_is_a_folder(tmp_path):
    assert not is_on_hub(tmp_path / "a:b")


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DependencyError, match=r"pip install \"koalarize\[hub\]\""):
        list(named_pictures(Path("hf:a/b")))
