"""The small set for a first look: usable, the same every time, without a network."""

from __future__ import annotations

import numpy as np
import pytest

from koalarize import color
from koalarize.cli import main
from koalarize.errors import OutputError
from koalarize.lab.datasets.sample import draw_scene, make_sample
from koalarize.lab.datasets.sources import load_pictures


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "sample"
    assert make_sample(folder) == 80
    return folder


@pytest.mark.parametrize(("part", "count"), [("train", 64), ("test", 16)])
def test_every_picture_is_usable(sample, part, count):
    pictures = load_pictures(sample / part, min_chroma=2)
    assert len(pictures) == count
    assert not pictures.left_out
    assert all(min(pixels.shape[:2]) >= 200 for pixels in pictures.arrays)


def test_no_photo_is_in_both_parts(sample):
    names = [
        {path.name.split("-")[0] for path in (sample / p).iterdir()} for p in ("train", "test")
    ]
    assert names[0] & names[1] == {"scene"}
    assert len(names[0]) == 5


def test_scenes_differ_and_are_the_same_every_time():
    scenes = [draw_scene(seed) for seed in range(4)]
    np.testing.assert_array_equal(draw_scene(2), scenes[2])
    assert not np.array_equal(scenes[0], scenes[1])
    assert all(color.mean_chroma(scene) > 10 for scene in scenes)


def test_a_folder_with_files_is_left_alone(tmp_path):
    for name in ("mine.jpg", "train/mine.jpg", "train"):
        folder = tmp_path / name.replace("/", "-")
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
        with pytest.raises(OutputError, match="holds more than a sample: choose another folder"):
            make_sample(folder)
        assert [path for path in folder.rglob("*") if path.is_file()] == [folder / name]
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be filled \(.*\): choose another folder"):
        make_sample(tmp_path / "file")


def test_one_that_was_stopped_goes_on_and_one_that_is_whole_stays(sample, tmp_path):
    """Two pages of the documents begin with this command."""
    few = tmp_path / "few"
    for name in ("train/coffee-03.jpg", "test/scene-01.jpg"):
        (few / name).parent.mkdir(parents=True)
        (few / name).write_bytes(b"made before")
    (few / ".DS_Store").touch()
    assert make_sample(few) == 80
    same = [path.relative_to(sample) for path in sample.rglob("*.jpg")]
    others = [path for path in same if (few / path).read_bytes() != (sample / path).read_bytes()]
    assert sorted(map(str, others)) == ["test/scene-01.jpg", "train/coffee-03.jpg"]


def test_the_command(sample, capsys):
    for _ in range(2):
        assert main(["lab", "data", "sample", str(sample)]) == 0
        assert "80 pictures in `train` and `test`" in capsys.readouterr().out
