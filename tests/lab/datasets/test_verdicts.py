"""Notes of which pictures are usable: a later run decodes less and gets the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from koalarize.lab.datasets import kept as room
from koalarize.lab.datasets.kept import Reading, keep_pictures
from koalarize.lab.datasets.verdicts import Verdicts, note, noted


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KOALARIZE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Seven files: five colour pictures, a grey and a broken one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    Image.new("RGB", (40, 50), "gray").save(folder / "3a.png")
    (folder / "1a.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Fill with what is decoded."""
    seen: list[bytes] = []
    inner = room.decode_picture

    def noting(data: bytes, **options):
        seen.append(data)
        return inner(data, **options)

    monkeypatch.setattr(room, "decode_picture", noting)
    monkeypatch.setattr(room, "_CHUNK", 2)
    return seen


def reading(**changes) -> Reading:
    return Reading(**{"min_chroma": 2.0, "memory": 40 * 50 * 3} | changes)


def test_a_later_run_decodes_only_what_stays_decoded(photos, decoded):
    first = keep_pictures(photos, reading())
    assert len(decoded) == 7
    decoded.clear()
    second = keep_pictures(photos, reading())
    assert len(decoded) == 2  # the first chunk, whose second picture the memory does not hold
    assert second.left_out == first.left_out == {"grey": 1, "broken": 1}
    assert second.sha256 == first.sha256
    assert len(second) == len(first) == 5
    for one, other in zip(first.arrays, second.arrays, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_has_changed_is_looked_at_again(photos, decoded, caplog):
    keep_pictures(photos, reading())
    Image.new("RGB", (40, 50), "gray").save(photos / "4.png")  # beyond the memory
    with caplog.at_level("INFO"):
        found = keep_pictures(photos, reading())
    assert "has changed since a run looked at it" in caplog.text
    assert found.left_out == {"grey": 2, "broken": 1}
    assert len(found) == 4
    decoded.clear()
    assert keep_pictures(photos, reading()).left_out == {"grey": 2, "broken": 1}
    assert len(decoded) < 7


@pytest.mark.parametrize("changes", [{"min_chroma": 0.0}, {"max_side": 30}, {"limit": 4}])
def test_a_note_holds_for_its_own_rules_only(photos, decoded, changes):
    keep_pictures(photos, reading())
    decoded.clear()
    found = keep_pictures(photos, reading(**changes))
    assert len(decoded) >= 5
    again = keep_pictures(photos, reading(**changes))
    assert (len(again), again.left_out) == (len(found), found.left_out)


def test_what_stays_decoded_is_no_rule(photos, decoded):
    keep_pictures(photos, reading())
    decoded.clear()
    assert len(keep_pictures(photos, reading(memory=0))) == 5
    assert len(decoded) == 2  # the first chunk, of which it does not hold the first


@pytest.mark.parametrize(
    "version",
    ["koalarize.__version__", "PIL.__version__", "koalarize.lab.datasets.verdicts._DECODING"],
)
def test_another_version_looks_again(photos, decoded, monkeypatch, version):
    keep_pictures(photos, reading())
    decoded.clear()
    monkeypatch.setattr(version, "0")
    keep_pictures(photos, reading())
    assert len(decoded) == 7


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": "a", "left_out": {"x": "grey"}}'])
def test_a_damaged_note_is_as_none(photos, home, text):
    keep_pictures(photos, reading())
    (place,) = (home / "pictures").iterdir()
    assert set(json.loads(place.read_bytes())) == {"sha256", "left_out"}
    place.write_text(text)
    assert noted(photos, reading().rules) is None
    assert len(keep_pictures(photos, reading())) == 5


def test_a_note_that_cannot_be_written_stops_nothing(photos, home, caplog):
    home.write_text("a file where the folder should be")
    with caplog.at_level("INFO"):
        assert len(keep_pictures(photos, reading())) == 5
    assert "the next run will decode every picture again" in caplog.text


def test_a_note_comes_back_as_it_was(photos):
    verdicts = Verdicts("ab", {3: "grey", 10: "huge"})
    note(photos, {"limit": 1}, verdicts)
    assert noted(photos, {"limit": 1}) == verdicts
    assert noted(photos, {"limit": 2}) is None
    assert noted(photos.parent, {"limit": 1}) is None
