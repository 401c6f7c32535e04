"""Photos: what they are read from, and bad input."""

import io
import mmap
import struct
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from fakes import FakeEngine
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import PhotoError
from koalarize.photo.photo import Photo
from koalarize.photo.profiles import srgb_profile
from photo_parts import (
    WRITTEN,
    OneWay,
    colored,
    independent,
    opened,
    png_chunk,
    saved,
    smooth,
    some_exif,
)


class TestSources:
    def test_all_kinds_of_sources_agree(self, tmp_path):
        encoded = saved(smooth(), "PNG")
        path = tmp_path / "a photo é.png"
        path.write_bytes(encoded)
        with path.open("rb") as file:
            sources = [
                path,
                str(path),
                encoded,
                bytearray(encoded),
                io.BytesIO(encoded),
                file,
                OneWay(encoded),
                opened(encoded),
                smooth(),
            ]
            pictures = [Photo.read(source) for source in sources]
        for picture in pictures:
            assert np.array_equal(picture.pixels, smooth())
            assert picture.format == "PNG"
        assert pictures[0].source == path
        assert pictures[2].source is None

    def test_what_has_no_more_than_read(self, tmp_path):
        path = tmp_path / "photo.png"
        path.write_bytes(saved(smooth(), "PNG"))
        bare = SimpleNamespace(read=path.open("rb").read)
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        for source in (bare, mapped):
            assert np.array_equal(Photo.read(source).pixels, smooth())

    @pytest.mark.parametrize("read_before", [False, True])
    def test_a_closed_image_is_called_so(self, tmp_path, read_before):
        (tmp_path / "photo.png").write_bytes(saved(smooth(), "PNG"))
        with Image.open(tmp_path / "photo.png") as image:
            if read_before:
                image.load()
        if read_before:
            assert np.array_equal(Photo.read(image).pixels, smooth())
            image.close()
        with pytest.raises(PhotoError, match=r"^the given image is closed.*`with`"):
            Photo.read(image)

    def test_a_given_image_stays_usable(self):
        image = opened(saved(smooth(), "PNG"))
        Photo.read(image)
        assert image.getpixel((0, 0)) == smooth()[0, 0]

    @pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4"])
    def test_arrays_of_either_byte_order(self, dtype):
        values = np.array([[0.25, 0.5]]) if dtype == ">f4" else np.array([[300, 500]])
        picture = Photo.read(values.astype(dtype))
        assert picture.pixels.tolist() == values.tolist()
        assert picture.pixels.dtype.isnative
        assert Colorizer(FakeEngine())(values.astype(dtype)).dtype == dtype

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_arrays(self, dtype):
        white = 1 if dtype == np.float32 else np.iinfo(dtype).max
        values = (np.random.default_rng(3).random((5, 7, 4)) * white).astype(dtype)
        for channels in (1, 2, 3, 4):
            picture = Photo.read(values[..., :channels])
            assert picture.pixels.dtype == dtype
            assert picture.pixels.shape == ((5, 7) if channels < 3 else (5, 7, 3))
            assert (picture.alpha is None) == (channels in (1, 3))
            if picture.alpha is not None:
                assert np.array_equal(picture.alpha, values[..., channels - 1])

    def test_grey_array_is_not_copied(self):
        grey = smooth()
        assert Photo.read(grey).pixels is grey or np.shares_memory(Photo.read(grey).pixels, grey)

    def test_float64_becomes_float32_and_is_written_with_16_bits(self):
        values = np.linspace(0, 1, 20).reshape(4, 5)
        picture = Photo.read(values)
        assert picture.pixels.dtype == np.float32
        encoded = picture.encode(np.dstack([picture.pixels] * 3))
        assert np.array_equal(independent(encoded, "PNG")[..., 0], np.rint(values * 65535))

    @pytest.mark.parametrize(
        "srgb", [data.astronaut()[:40, :60], data.astronaut()[:40, :60] / np.float32(255)]
    )
    def test_lightness(self, srgb):
        assert np.array_equal(Photo.read(srgb).lightness(), color.srgb_to_lab(srgb)[..., 0])
        grey = np.ascontiguousarray(srgb[..., 1])
        expected = color.srgb_to_lab(np.dstack([grey] * 3))[..., 0]
        assert np.allclose(Photo.read(grey).lightness(threads=2), expected, atol=2e-4)

    def test_to_image(self):
        alpha = smooth()
        picture = Photo.read(
            saved(np.dstack([smooth(), alpha]), "PNG", dpi=(300, 300), exif=some_exif())
        )
        image = picture.to_image(colored(picture))
        assert image.mode == "RGBA"
        assert np.array_equal(np.asarray(image)[..., 3], alpha)
        assert image.info["icc_profile"] == srgb_profile()
        assert image.info["dpi"] == picture.dpi
        assert image.getexif()[0x010F] == "A maker"

    def test_threads(self):
        encoded = saved(data.astronaut(), "JPEG")
        expected = Photo.read(encoded).pixels
        results = []
        workers = [
            threading.Thread(target=lambda: results.append(Photo.read(encoded).pixels))
            for _ in range(6)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(results) == 6
        assert all(np.array_equal(result, expected) for result in results)


class TestBadInput:
    def test_missing(self, tmp_path):
        with pytest.raises(PhotoError, match=r"`.*no\.jpg` does not exist: check"):
            Photo.read(tmp_path / "no.jpg")

    @pytest.mark.parametrize("name", ["https://example.org/a.jpg", "s3://box/a.tif"])
    def test_an_address(self, name):
        with pytest.raises(PhotoError, match="is an address, from which nothing is fetched: save"):
            Photo.read(name)

    def test_a_pattern_of_numbered_frames(self, tmp_path):
        with pytest.raises(PhotoError, match=r"ffmpeg .*-i .*scan%05d\.png .*colour that"):
            Photo.read(tmp_path / "scan%05d.png")
        with pytest.raises(PhotoError, match=r"or make a film of a scan's frames"):
            Photo.read(b"SDPX" + bytes(60))

    def test_folder(self, tmp_path):
        with pytest.raises(PhotoError, match="is a folder but must be a picture"):
            Photo.read(tmp_path)

    def test_empty(self, tmp_path):
        (tmp_path / "a.jpg").touch()
        with pytest.raises(PhotoError, match=r"`.*a\.jpg` is empty \(0 bytes\)"):
            Photo.read(tmp_path / "a.jpg")

    @pytest.mark.parametrize(
        "content", [b"hello, world, this is text", b"\0" * 100, b"x", b"%PDF-"]
    )
    def test_not_a_picture(self, content):
        with pytest.raises(PhotoError, match="the given data is not a picture in a known format"):
            Photo.read(content)

    @pytest.mark.parametrize(
        ("head", "kind"),
        [
            (b"SDPX\0\0", "a DPX picture"),
            (b"\xff\x0a", "a JPEG XL picture"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
            (b"\0\0\0\x18ftypcrx ", "a camera's raw file"),
            (b"%PDF-1.4", "a PDF document"),
            (b"8BPS\0\2", r"a large Photoshop document \(PSB\)"),
            (b"\xff\xd8\xff\xf7", "a JPEG-LS picture"),
            (b"P7\nWIDTH 4\n", "a PAM picture"),
            (b" <svg xmlns='", "an SVG drawing"),
            (b"gimp xcf v011\0", r"a GIMP document \(XCF\)"),
            (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
            (bytes(128) + b"DICM", "a DICOM picture"),
        ],
    )
    def test_what_is_known_but_not_read_is_named(self, head, kind):
        with pytest.raises(PhotoError, match=f"known format but {kind}: save it as PNG or TIFF"):
            Photo.read(head + bytes(60))

    @pytest.mark.parametrize(
        ("head", "told"),
        [
            (b"\0\0\0\x18ftypisom", "a film: give it as a file"),
            (b"RIFF\0\0\0\0AVI LIST", "a film: give it as a file"),
            (b"PK\3\4", "a ZIP archive: unpack it"),
            (b"\n<!DOCTYPE html>", "a web page: download the picture itself"),
            (b"<!-- saved from -->", "a web page: download the picture itself"),
            (b"<?xml version='1.0'", "an XML document: save it as PNG"),
            (b"\x1f\x8b\x08", "a gzip archive: unpack it"),
            (b"Rar!\x1a\x07\x01", "a RAR archive: unpack it"),
            (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
            (b"\0\5\x16\7\0\2\0\0Mac OS X", r".* \(AppleDouble\): give the file named so"),
            (b"version https://git-lfs", "a pointer of Git LFS: fetch .* `git lfs pull`"),
            (b"data:image/jpeg;base64,", "a data address: save the picture"),
            (b"/9j/4AAQSkZJRg", "a picture as text .* `base64 -d`"),
            (b"\0\0\1\xb3\x16\0\xf0", "a film: give it as a file"),
            (bytes(2000), "zeros, as broken disks .*: copy it again from where it came from"),
        ],
    )
    def test_what_no_program_saves_as_a_picture_gets_another_step(self, head, told):
        with pytest.raises(PhotoError, match=f"known format but {told}"):
            Photo.read(head + bytes(60))

    def test_a_name_that_is_too_long(self, tmp_path):
        with pytest.raises(PhotoError, match="is too long for a file's name"):
            Photo.read(tmp_path / ("n" * 256 + ".png"))

    def test_a_kind_of_tiff_that_pillow_lacks(self):
        buffer = io.BytesIO()
        levels = np.zeros((4, 4, 3), np.uint16)
        tifffile.imwrite(buffer, levels, photometric=10)  # ITU-T T.42
        with pytest.raises(PhotoError, match=r"cannot be read as TIFF \(unknown pixel mode\)"):
            Photo.read(buffer.getvalue())

    @pytest.mark.parametrize("brand", [b"heic", b"hevx", b"hevm", b"hevs"])
    def test_heic_says_what_it_is(self, monkeypatch, brand):
        monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
        monkeypatch.setattr(Image, "ID", [kind for kind in Image.ID if kind != "HEIF"])
        with pytest.raises(PhotoError, match="HEIC"):
            Photo.read(b"\0\0\0\x18ftyp" + brand + b"\0" * 50)

    def test_postscript_is_never_run(self):
        with pytest.raises(PhotoError, match="not a picture"):
            Photo.read(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")

    @pytest.mark.parametrize("kind", WRITTEN)
    @pytest.mark.parametrize("part", [0.5, 0.95])
    def test_truncated(self, kind, part):
        encoded = saved(data.camera()[:200, :200], kind)
        with pytest.raises(PhotoError, match=r"copy it again|known format"):
            Photo.read(encoded[: int(len(encoded) * part)])

    def test_too_large_is_refused_before_decoding(self):
        header = struct.pack(">2I5B", 100_000, 100_000, 8, 0, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"\0" * 9)
        with pytest.raises(PhotoError, match=r"100000 × 100000 = 10,000,000,000 .* 500,000,000"):
            Photo.read(bomb)
        with pytest.raises(PhotoError, match="at most 863 are read"):
            Photo.read(saved(smooth(), "PNG"), max_pixels=863)
        Photo.read(saved(smooth(), "PNG"), max_pixels=864)

    def test_pillow_s_own_limit_neither_applies_nor_changes(self, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        assert Photo.read(saved(smooth(), "JPEG")).width == 36
        assert Image.MAX_IMAGE_PIXELS == 10

    @pytest.mark.parametrize("size", [(0, 5), (5, 0)])
    def test_no_pixels(self, size):
        with pytest.raises(PhotoError):
            Photo.read(Image.new("L", size))
        with pytest.raises(PhotoError, match="at least one pixel"):
            Photo.read(np.zeros(size, np.uint8))

    @pytest.mark.parametrize("shape", [(4,), (4, 4, 5), (2, 4, 4, 3)])
    def test_array_shape(self, shape):
        with pytest.raises(PhotoError, match=r"the array has shape .* must be \(H, W\)"):
            Photo.read(np.zeros(shape, np.uint8))

    @pytest.mark.parametrize("dtype", [np.int64, bool, np.uint32, complex, object])
    def test_array_dtype(self, dtype):
        with pytest.raises(PhotoError, match=r"dtype .* must be uint8, uint16 or floating"):
            Photo.read(np.zeros((4, 4), dtype))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_array_not_finite(self, bad):
        with pytest.raises(PhotoError, match="not finite"):
            Photo.read(np.array([[0, bad]]))

    def test_array_out_of_range(self):
        with pytest.raises(PhotoError, match=r"from 0 to 255 but they must be in \[0, 1\]"):
            Photo.read(np.array([[0.0, 255.0]]))
        with pytest.raises(PhotoError, match=r"take \(array - black\) / \(white - black\)"):
            Photo.read(np.array([[-1.0, 1.0]]))

    def test_text_file_object(self):
        with pytest.raises(PhotoError, match="must be binary"):
            Photo.read(io.StringIO("text"))

    def test_a_file_that_is_written(self, tmp_path):
        with (
            (tmp_path / "a.png").open("wb") as stream,
            pytest.raises(PhotoError, match="is open for writing only: open it with `rb`"),
        ):
            Photo.read(stream)

    @pytest.mark.parametrize("source", [None, 3, [1, 2]])
    def test_wrong_type(self, source):
        with pytest.raises(PhotoError, match=r"the picture is of type .* must be a path"):
            Photo.read(source)
        with pytest.raises(PhotoError, match=r"the picture is of type .* must be a path"):
            next(Photo.each(source))

    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from(WRITTEN), st.data())
    def test_damaged_bytes_give_a_picture_or_a_photo_error(self, kind, draw):
        encoded = bytearray(
            saved(smooth(), kind, exif=some_exif(3)) if kind != "BMP" else saved(smooth(), kind)
        )
        for _ in range(draw.draw(st.integers(1, 4))):
            encoded[draw.draw(st.integers(0, len(encoded) - 1))] = draw.draw(st.integers(0, 255))
        encoded = encoded[: draw.draw(st.integers(1, len(encoded)))]
        try:
            picture = Photo.read(bytes(encoded), max_pixels=1_000_000)
        except PhotoError as error:
            assert str(error).startswith("the given data")
        else:
            assert picture.pixels.dtype in (np.uint8, np.uint16)
