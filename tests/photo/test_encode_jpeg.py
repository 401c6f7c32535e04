"""Large JPEG files are packed in bands: the pixels of one piece, the same bytes on any threads."""

import io
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from koalarize.errors import OutputError
from koalarize.photo import encode8, encode_jpeg
from koalarize.photo.embed import Held
from koalarize.photo.encode8 import Packing, encode_by_pillow, saved
from koalarize.photo.metadata import Metadata
from koalarize.photo.photo import Photo

NOTHING = Held(None, None, Metadata())


@pytest.fixture
def small_bands(monkeypatch):
    monkeypatch.setattr(encode_jpeg, "_LARGE", 0)
    monkeypatch.setattr(encode_jpeg, "_BAND", 40 * 8 * 2)


def scene(height, width, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 9 + 2, width // 9 + 2, channels), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def decoded(data):
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        return np.asarray(image)


@pytest.mark.parametrize("size", [(1, 1), (8, 40), (17, 41), (16, 39), (203, 40), (150, 333)])
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("tables", [(), ((3,) * 64, (1,) * 64)])
def test_the_pixels_are_those_of_one_piece(small_bands, size, clear, tables):
    srgb = scene(*size)
    alpha = scene(*size, 3, seed=1)[..., 0] if clear else None
    packing = Packing(tables=tables)
    parts = encode_jpeg.encode_jpeg(srgb, alpha, NOTHING, packing)
    piece = encode_by_pillow(srgb, alpha, "JPEG", NOTHING, packing)
    np.testing.assert_array_equal(decoded(b"".join(parts)), decoded(piece))


@pytest.mark.parametrize("clear", [False, True])
def test_the_bytes_are_the_same_on_any_threads_and_of_any_making(small_bands, clear):
    class Made:
        """Rows as a merged picture gives them: four bytes apart, a band at a time."""

        shape, dtype = (203, 61, 3), np.dtype(np.uint8)

        def rows(self, top, bottom, *, threads=1):
            apart = np.zeros((bottom - top, 61, 4), np.uint8)
            apart[..., :3] = srgb[top:bottom]
            return apart[..., :3]

    srgb = scene(203, 61)
    alpha = scene(203, 61, 3, seed=1)[..., 0] if clear else None
    apart = np.zeros((203, 61, 4), np.uint8)
    apart[..., :3] = srgb
    files = [
        b"".join(encode_jpeg.encode_jpeg(given, alpha, NOTHING, Packing(), threads=threads))
        for given in (srgb, apart[..., :3], Made())
        for threads in (1, 3)
    ]
    assert len(set(files)) == 1


def test_restart_markers_count_to_eight(small_bands):
    """A decoder that loses its place finds it again by them."""
    data = b"".join(encode_jpeg.encode_jpeg(scene(400, 40), None, NOTHING, Packing()))
    code = data[data.rindex(b"\xff\xda") :]
    markers = [code[at + 1] for at in range(len(code) - 1) if code[at] == 0xFF and code[at + 1]]
    assert markers[1:-1] == [0xD0 + number % 8 for number in range(400 // 16 - 1)]
    assert markers[-1] == 0xD9


def test_all_that_goes_along_stands_once(small_bands):
    held = Held(
        b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0",
        (300, 300),
        Metadata(b"<x:xmpmeta/>", comments=(b"a comment",)),
    )
    data = b"".join(encode_jpeg.encode_jpeg(scene(60, 60), None, held, Packing()))
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (60, 60)
        assert image.info["exif"] == held.exif
        assert image.info["dpi"] == (300, 300)
        assert image.info["comment"] == b"a comment"
        assert image.info["icc_profile"]
    assert data.count(b"<x:xmpmeta/>") == data.count(b"a comment") == 1


def test_small_files_and_those_beyond_the_format_are_packed_whole():
    assert not encode_jpeg.in_bands(1023, 1024)
    assert encode_jpeg.in_bands(1024, 1024)
    assert encode_jpeg.in_bands(17, 65500)
    assert not encode_jpeg.in_bands(17, 65501)


def test_the_photo_encodes_so():
    """Only large JPEG files: a WebP file of that size is one piece."""
    photo = Photo(scene(1024, 1024)[..., 0], format="JPEG")
    assert len(photo.encode_parts(scene(1024, 1024))) > 4
    assert b"\xff\xdd\0\4" in photo.encode(scene(1024, 1024))
    assert len(photo.encode_parts(scene(1024, 1024), format="WEBP")) == 1
    assert b"\xff\xdd\0\4" not in Photo(scene(99, 99)[..., 0], format="JPEG").encode(scene(99, 99))


def forbidden(_):
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("memory", ["there", "forbidden", "unknown"])
def test_pillow_gets_a_file_that_the_system_knows(monkeypatch, memory):
    """Into others it encodes with the interpreter lock held: threads would wait for each other."""
    if memory == "unknown":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif memory == "forbidden":
        monkeypatch.setattr(os, "memfd_create", forbidden, raising=False)
    image = Image.new("RGB", (8, 8))
    given = []
    plain = Image.Image.save

    def save(self, stream, *how, **options):
        given.append(stream.fileno())
        plain(self, stream, *how, **options)

    monkeypatch.setattr(Image.Image, "save", save)
    data = encode8.saved(image, "JPEG", {})
    assert given
    assert decoded(data).shape == (8, 8, 3)


@pytest.mark.parametrize(
    "command",
    [
        ["ffmpeg", "-v", "error", "-i", "bands.jpg", "out.png"],
        ["convert", "bands.jpg", "out.png"],
        ["vips", "copy", "bands.jpg", "out.png"],
    ],
    ids=lambda command: command[0],
)
def test_other_programs_read_them(small_bands, tmp_path, command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not here")
    data = b"".join(encode_jpeg.encode_jpeg(scene(203, 141), None, NOTHING, Packing()))
    (tmp_path / "bands.jpg").write_bytes(data)
    told = subprocess.run(
        command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
    )
    assert told.stderr.strip() == ""
    with Image.open(tmp_path / "out.png") as image:
        off = np.abs(np.asarray(image.convert("RGB")).astype(int) - decoded(data))
    assert off.max() <= 4  # another transform, and ffmpeg's own colours


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
def test_a_file_that_has_no_room_for_all_is_an_error():
    """Pillow minds no write that was cut short: half a picture was a result."""
    import resource

    image = Image.effect_noise((64, 64), 60)
    whole = saved(image, "JPEG", {})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) - 1, before[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot be packed .*: raise the limit that `ulimit"):
            saved(image, "JPEG", {})
        assert len(saved(image, "BMP", {})) > 64 * 64  # packed in memory
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert saved(image, "JPEG", {}) == whole


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
def test_a_limit_on_files_is_no_fault_of_the_format(tmp_path):
    """It said that the photo cannot be written as JPEG, and to choose PNG or TIFF."""
    import resource

    noise = np.asarray(Image.effect_noise((512, 512), 90))
    photo, srgb = Photo.read(noise), np.repeat(noise[..., None], 3, axis=2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        for name in ("a.jpg", "a.png"):
            with pytest.raises(OutputError, match=r"\(File too large\): raise the limit that"):
                photo.write(srgb, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
