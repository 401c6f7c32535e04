"""Broken files of every kind, cut and changed all over: a picture or a sentence, never a bug."""

import importlib.util
import io
import random
import struct
import sys
import zlib
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from koalarize.errors import KoalarizeError, PhotoError
from koalarize.photo import png_chunks
from koalarize.photo.directories import TiffReader
from koalarize.photo.photo import Photo
from koalarize.photo.png_chunks import chunk
from photo_parts import saved, smooth

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz.py"


def all_pictures(data, tolerant):
    try:
        return [photo.pixels.shape for photo in islice(Photo.each(data, tolerant=tolerant), 5)]
    except PhotoError:
        return []


def moving(kind):
    frames = [Image.fromarray(np.roll(smooth(12, 16), shift, 1)) for shift in (0, 3, 6)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_cut_at_every_place(kind):
    whole = moving(kind)
    assert len(all_pictures(whole, False)) == 3
    for at in range(0, len(whole), max(1, len(whole) // 150)):
        for tolerant in (False, True):
            all_pictures(whole[:at], tolerant)


def test_the_first_picture_is_read_where_one_asks_for_it():
    whole = moving("GIF")
    found = [all_pictures(whole[:at], True) for at in range(len(whole) // 2, len(whole), 11)]
    assert all((12, 16) in shapes for shapes in found)


def test_each_field_of_a_second_page_missing():
    whole = moving("TIFF")
    (first,) = struct.unpack_from("<I", whole, 4)
    (count,) = struct.unpack_from("<H", whole, first)
    (second,) = struct.unpack_from("<I", whole, first + 2 + 12 * count)
    (count,) = struct.unpack_from("<H", whole, second)
    for number in range(count):
        for value in (b"\0\0", b"\xff\xff"):
            at = second + 2 + 12 * number
            broken = whole[:at] + value + whole[at + 2 :]
            for tolerant in (False, True):
                all_pictures(broken, tolerant)


def test_directories_that_overlap_are_not_all_read(monkeypatch):
    """86 kB of ten thousand directories, each of thousands of fields, took 95 seconds."""
    directories, fields = 2000, 3855  # 0x0f0f of them, whichever even place one looks at
    last = 2 + 12 * fields
    data = bytearray(b"\x0f\x0f" * (8 + 4 * directories + last))
    data[:8] = b"II*\0\x08\0\0\0"
    for at in range(8, 8 + 4 * directories, 4):
        struct.pack_into("<I", data, at + last, at + 4)
    read = TiffReader._bytes
    asked = []
    monkeypatch.setattr(TiffReader, "_bytes", lambda *how: asked.append(1) or read(*how))
    assert all_pictures(bytes(data), False) == []
    assert len(asked) < 400_000


def packed_text(name, data):
    text = b"\n%b\n%8d\n%b\n" % (name, len(data), data.hex().encode())
    return chunk(b"zTXt", b"Raw profile type " + name + b"\0\0" + zlib.compress(text))


def test_texts_of_a_png_share_what_they_may_take_unpacked(monkeypatch):
    """1.7 MB of texts that unpack to 60 MB each took eight seconds, 60 MB minutes."""
    plain = saved(Image.new("L", (4, 4)), "PNG")
    texts = packed_text(b"iptc", b"8BIM\4\4\0\0\0\0\1\x88" + bytes(392)) + packed_text(
        b"xmp", b"<x/>" + bytes(400)
    )
    data = plain[:33] + texts + plain[33:]
    metadata = Photo.read(data).metadata
    assert (len(metadata.photoshop), len(metadata.xmp), metadata.texts) == (404, 404, ())
    monkeypatch.setattr(png_chunks, "_MOST_BYTES", 1000)
    metadata = Photo.read(data).metadata
    assert (len(metadata.photoshop), metadata.xmp) == (404, None)
    assert [kind for kind, _ in metadata.texts] == [b"zTXt"]


def test_chunks_without_number_are_not_looked_at(monkeypatch):
    monkeypatch.setattr(png_chunks, "_MOST_CHUNKS", 50)
    plain = saved(Image.new("L", (4, 4)), "PNG")
    few, many = (plain[:-12] + chunk(b"tEXt", b"") * n + plain[-12:] for n in (20, 2000))
    assert len(Photo.read(few).metadata.texts) == 20
    photo = Photo.read(many)
    assert photo.notes == ("the mark of its end is missing",)
    assert len(photo.metadata.texts) < 50


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.syspath_prepend(SCRIPT.parent)
    found = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


MUTATED = {"photo": 250, "metadata": 100, "session": 60, "hint": 200, "shots": 200, "journal": 60}


@pytest.mark.filterwarnings("ignore")
def test_mutated_files_of_every_kind(tmp_path, fuzz):
    for name, runs in MUTATED.items():
        rng = random.Random(5)
        fuzzer, seeds = fuzz.Fuzzer(fuzz.TARGETS[name](), tmp_path / name), fuzz.seeds_of(name)
        for seed in seeds:
            fuzzer(seed)
        for _ in range(runs):
            fuzzer(fuzz.mutated(rng.choice(seeds), seeds, rng))
        assert fuzzer.found == set()
        assert 0 <= fuzzer.refused < fuzzer.runs == runs + len(seeds)


def test_the_fuzzer_finds_what_is_no_answer(tmp_path, fuzz):
    def target(data):
        if data:
            raise KoalarizeError("refused")
        raise ZeroDivisionError

    fuzzer = fuzz.Fuzzer(target, tmp_path)
    for data in (b"a", b"", b"", b"b"):
        fuzzer(data)
    assert (fuzzer.runs, fuzzer.refused, len(fuzzer.found)) == (4, 2, 1)
    assert len(list(tmp_path.glob("*.txt"))) == 1
    assert io.BytesIO(next(tmp_path.glob("*.bin")).read_bytes()).read() == b""
