"""The pictures of an evaluation, one after the other."""

from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from koalarize.errors import DataError
from koalarize.lab.evaluation import pictures as room
from koalarize.lab.evaluation.pictures import UsablePictures
from samples import hash_of, photo


def made(folder: Path, *kinds: str) -> Path:
    """A folder of pictures, in this order; a kind is ``good``, ``small`` (20 px) or ``broken``."""
    sizes = {"good": (48, 40), "small": (48, 20)}
    for number, kind in enumerate(kinds):
        path = folder / f"{number:02}.png"
        if kind == "broken":
            path.write_bytes(b"broken")
        else:
            Image.fromarray(photo(number, sizes[kind])).save(path)
    return folder


def test_no_more_are_in_memory_than_are_in_work(tmp_path, monkeypatch):
    seen: list[weakref.ref[np.ndarray]] = []
    most = 0
    decode = room.decode_picture

    def watched(data, **how):
        nonlocal most
        pixels = decode(data, **how)
        seen.append(weakref.ref(pixels))
        most = max(most, sum(one() is not None for one in seen))
        return pixels

    monkeypatch.setattr(room, "decode_picture", watched)
    for number, _ in enumerate(UsablePictures(made(tmp_path, *["good"] * 20), 256, None)):
        assert number < 20
    assert 0 < most <= room._AHEAD + 2  # the one in work, and the one that was


@pytest.mark.parametrize(
    ("limit", "given", "left_out", "read"),
    [
        (None, [0, 3, 4], {"broken": 1, "tiny": 1}, 5),
        (3, [0, 3], {"broken": 1, "tiny": 1}, 4),  # the limit counts what is too small
        (2, [0], {"broken": 1, "tiny": 1}, 3),
    ],
)
def test_they_come_in_order_and_are_counted_and_hashed(tmp_path, limit, given, left_out, read):
    data = made(tmp_path, "good", "broken", "small", "good", "good")
    found = UsablePictures(data, 256, limit, least=1)
    most = len(found)
    assert [pixels.tobytes() for pixels in found] == [photo(n).tobytes() for n in given]
    assert most >= len(found) == len(given)
    assert found.names == [f"{number:02}.png" for number in given]
    assert found.left_out == left_out
    assert found.sha256 == hash_of(data, read)


def test_what_is_behind_the_limit_is_not_read(tmp_path, monkeypatch):
    data = made(tmp_path, "good", "good", "good")
    read: list[str] = []

    def watched(source):
        for path in sorted(source.iterdir()):
            read.append(path.name)
            yield path.name, path.read_bytes()

    monkeypatch.setattr(room, "named_pictures", watched)
    assert len(list(UsablePictures(data, 256, 2))) == 2
    assert set(read) == {"00.png", "01.png"}


def test_too_few_and_none(tmp_path):
    few = UsablePictures(made(tmp_path, "good", "small"), 256, None)
    with pytest.raises(DataError, match="has 1 usable of at least 32 px a side, but at least 2"):
        list(few)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no colour picture"):  # before any work
        UsablePictures(tmp_path / "none", 256, None)
    for path in tmp_path.glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"holds no colour picture \(2 broken\)"):
        list(UsablePictures(tmp_path, 256, None))
