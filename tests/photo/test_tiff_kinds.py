"""TIFF files that Pillow lacks or reads wrongly: deep, planar, with alpha, with previews."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data

from koalarize.errors import PhotoError
from koalarize.photo.directories import Directory, Field, directory_bytes
from koalarize.photo.photo import Photo
from koalarize.photo.tiff_pixels import SPARE
from photo_parts import adobe_profile, saved, smooth


def tiff(values, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, metadata=None, **options)
    return buffer.getvalue()


def entry(source, tag):
    """Return where a field of the first directory of a little-endian TIFF stands."""
    (start,) = struct.unpack_from("<I", source, 4)
    (count,) = struct.unpack_from("<H", source, start)
    places = range(start + 2, start + 2 + 12 * count, 12)
    return next(at for at in places if struct.unpack_from("<H", source, at) == (tag,))


def deep(channels, dtype=np.uint16, height=20, width=33):
    """Noise of which no two channels are alike."""
    levels = np.iinfo(dtype).max
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(channels).integers(0, levels, shape, dtype, endpoint=True)


class TestPlanar:
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("tile", [None, (16, 16)])
    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_rgb_of_16_bits(self, compression, tile, order):
        levels = deep(3)
        planes = np.moveaxis(levels, -1, 0)
        source = tiff(
            planes,
            photometric="rgb",
            planarconfig="separate",
            tile=tile,
            compression=compression,
            byteorder=order,
        )
        photo = Photo.read(source)
        assert photo.pixels.dtype == np.uint16
        assert np.array_equal(photo.pixels, levels)

    def test_neutral_rgb_is_grey_of_16_bits(self):
        grey = deep(1)
        source = tiff(np.stack([grey] * 3), photometric="rgb", planarconfig="separate")
        assert np.array_equal(Photo.read(source).pixels, grey)

    def test_rgba_of_16_bits(self):
        levels = deep(4)
        source = tiff(
            np.moveaxis(levels, -1, 0),
            photometric="rgb",
            planarconfig="separate",
            extrasamples=["unassalpha"],
        )
        photo = Photo.read(source)
        assert np.array_equal(photo.pixels, levels[..., :3])
        assert np.array_equal(photo.alpha, levels[..., 3])

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_cmyk(self, dtype):
        levels = deep(4, dtype)
        source = tiff(np.moveaxis(levels, -1, 0), photometric="separated", planarconfig="separate")
        shrunk = np.rint(levels / (np.iinfo(dtype).max / 255)).astype(np.uint8)
        expected = Image.frombytes("CMYK", (33, 20), shrunk.tobytes()).convert("RGB")
        assert np.array_equal(Photo.read(source).pixels, np.asarray(expected))


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
@pytest.mark.parametrize(
    ("photometric", "planar", "samples"),
    [
        ("rgb", "separate", 4),
        ("minisblack", "separate", 2),
        ("miniswhite", "contig", 2),
        ("minisblack", "contig", 3),
    ],
)
def test_channels_of_8_bits_beside_the_colors(photometric, planar, samples, kind):
    levels = deep(samples, np.uint8)
    colors = 3 if photometric == "rgb" else 1
    levels[..., colors] = 255  # so that it does not matter whether colors are multiplied by it
    told = [kind, *["unspecified"] * (samples - colors - 1)]
    stored = levels if planar == "contig" else np.moveaxis(levels, -1, 0)
    source = tiff(stored, photometric=photometric, planarconfig=planar, extrasamples=told)
    photo = Photo.read(source)
    shown = levels[..., :colors].squeeze()
    assert np.array_equal(photo.pixels, 255 - shown if photometric == "miniswhite" else shown)
    assert (photo.alpha is None) == (kind == "unspecified")
    assert (SPARE in photo.notes) == ("unspecified" in told)


class TestDeep:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_grey_and_alpha(self, dtype):
        levels = deep(2, dtype)
        source = tiff(
            levels, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]
        )
        photo = Photo.read(source)
        assert photo.pixels.dtype == dtype
        assert np.array_equal(photo.pixels, levels[..., 0])
        assert np.array_equal(photo.alpha, levels[..., 1])
        srgb = np.dstack([photo.pixels] * 3)
        out = tifffile.imread(io.BytesIO(photo.encode(srgb)))
        assert np.array_equal(out, np.dstack([srgb, levels[..., 1]]))

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_cmyk_and_alpha(self, dtype):
        levels = deep(5, dtype)
        source = tiff(
            levels, photometric="separated", planarconfig="contig", extrasamples=["unassalpha"]
        )
        photo = Photo.read(source)
        shrunk = np.rint(levels / (np.iinfo(dtype).max / 255)).astype(np.uint8)
        plain = np.ascontiguousarray(shrunk[..., :4]).tobytes()
        expected = Image.frombytes("CMYK", (33, 20), plain).convert("RGB")
        assert np.array_equal(photo.pixels, np.asarray(expected))
        assert np.array_equal(photo.alpha, shrunk[..., 4])

    def test_alpha_that_the_colors_are_multiplied_by(self):
        levels = np.array([[[10_000, 32_768], [50_000, 65_535], [0, 0]]], np.uint16)
        source = tiff(
            levels, photometric="minisblack", planarconfig="contig", extrasamples=["assocalpha"]
        )
        photo = Photo.read(source)
        assert photo.pixels.tolist() == [[20_000, 50_000, 0]]
        assert photo.alpha.tolist() == [[32_768, 65_535, 0]]

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_a_spare_channel_is_left_out_and_says_so(self, dtype):
        levels = deep(4, dtype)
        source = tiff(
            levels, photometric="rgb", planarconfig="contig", extrasamples=["unspecified"]
        )
        photo = Photo.read(source)
        assert np.array_equal(photo.pixels, levels[..., :3])
        assert photo.alpha is None
        assert photo.notes == ("a channel beside the colors and the alpha is left out",)

    @pytest.mark.parametrize("predictor", [1, 2])
    @pytest.mark.parametrize("packer", ["tiff_lzw", "packbits"])
    def test_packed_by_libtiff(self, packer, predictor):
        levels = deep(3)
        assert np.array_equal(Photo.read(packed_tiff(levels, packer, predictor)).pixels, levels)

    @pytest.mark.parametrize("packer", ["tiff_lzw", "packbits"])
    def test_bits_that_stand_backwards_in_each_byte(self, packer):
        source = bytearray(packed_tiff(deep(3), packer, 1, fill_order=2))
        strip = slice(8, struct.unpack_from("<I", source, 4)[0])
        bits = np.unpackbits(np.frombuffer(source[strip], np.uint8), bitorder="little")
        source[strip] = np.packbits(bits).tobytes()
        assert np.array_equal(Photo.read(bytes(source)).pixels, deep(3))

    def test_a_strip_that_unpacks_to_more_than_its_rows_is_cut(self):
        levels = np.zeros((20, 33, 3), np.uint16)
        source = tiff(levels, photometric="rgb", compression="zlib")
        with tifffile.TiffFile(io.BytesIO(source)) as file:
            (at,), (count,) = file.pages[0].dataoffsets, file.pages[0].databytecounts
            place = file.pages[0].tags[279].valueoffset
        bomb = zlib.compress(bytes(50_000_000))
        assert len(bomb) > count
        grown = bytearray(source[:at] + bomb)
        grown[place : place + 4] = len(bomb).to_bytes(4, "little")
        tracemalloc.start()
        assert np.array_equal(Photo.read(bytes(grown)).pixels, levels[..., 0])
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
        tracemalloc.stop()

    def test_the_layers_of_photoshop_are_not_held(self):
        layers = (37724, 7, 8_000_000, bytes(8_000_000), True)
        source = tiff(deep(3), photometric="rgb", extratags=[layers])
        tracemalloc.start()
        assert np.array_equal(Photo.read(source).pixels, deep(3))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
        tracemalloc.stop()

    def test_a_damaged_strip_is_a_photo_error(self):
        source = bytearray(tiff(deep(3), photometric="rgb", compression="zlib"))
        source[-40:] = bytes(40)
        with pytest.raises(PhotoError, match="damaged"):
            Photo.read(bytes(source))

    def test_white_is_zero_in_either_byte_order(self):
        for order in "<>":
            source = tiff(deep(1), photometric="miniswhite", byteorder=order)
            assert np.array_equal(Photo.read(source).pixels, 65535 - deep(1))

    def test_unsigned_32_bits(self):
        levels = np.array([[0, 2**31, 2**32 - 1]], np.uint32)
        pixels = Photo.read(tiff(levels, photometric="minisblack")).pixels
        assert pixels.tolist() == [[0, 32768, 65535]]

    def test_signed_16_bits(self):
        levels = np.array([[-100, 0, 100]], np.int16)
        assert Photo.read(tiff(levels, photometric="minisblack")).pixels.tolist() == [
            [0, 32768, 65535]
        ]

    def test_color_in_a_profile_of_tables_keeps_8_bits_and_says_so(self, monkeypatch):
        monkeypatch.setattr("koalarize.photo.samples.wide_colors_to_srgb", lambda *_: None)
        source = tiff(deep(3), photometric="rgb", iccprofile=adobe_profile())
        photo = Photo.read(source)
        assert photo.pixels.dtype == np.uint8
        assert "16 bits of color are read as 8" in photo.notes[0]

    def test_orientation_and_resolution_turn(self):
        tag = (274, "H", 1, 6, True)
        source = tiff(
            deep(3),
            photometric="rgb",
            resolution=(300, 200),
            resolutionunit="inch",
            extratags=[tag],
        )
        photo = Photo.read(source)
        assert np.array_equal(photo.pixels, np.rot90(deep(3), -1))
        assert photo.dpi == (200, 300)

    def test_too_large_is_refused_before_decoding(self):
        with pytest.raises(PhotoError, match="at most 659 are read"):
            Photo.read(tiff(deep(3), photometric="rgb"), max_pixels=659)

    def test_what_only_other_libraries_unpack_is_named(self):
        source = bytearray(tiff(deep(3), photometric="rgb"))
        at = source.index(b"\x03\x01\x03\0\x01\0\0\0") + 8
        source[at : at + 2] = (50001).to_bytes(2, "little")
        with pytest.raises(PhotoError, match=r"16 bits packed by .*WEBP"):
            Photo.read(bytes(source))
        levels = tiff(deep(3, np.uint8), photometric="rgb", compression="zlib")
        source = bytearray(levels)
        at = entry(source, 259) + 8
        packers = {50001: "WebP", 33004: "JPEG 2000", 34887: "LERC", 52546: "JPEG XL"}
        for number, packer in packers.items():
            source[at : at + 2] = number.to_bytes(2, "little")
            with pytest.raises(PhotoError, match=f"packed by {packer}, which cannot be unpacked"):
                Photo.read(bytes(source))

    def test_a_predictor_of_floats_is_named(self):
        source = bytearray(packed_tiff(deep(3), "packbits", 2))
        at = entry(source, 317) + 8
        source[at : at + 2] = b"\3\0"
        with pytest.raises(PhotoError, match="with predictor 3, which is not read"):
            Photo.read(bytes(source))

    @pytest.mark.parametrize("part", [0.5, 0.95])
    def test_truncated(self, part):
        source = tiff(deep(3), photometric="rgb")
        with pytest.raises(PhotoError, match="damaged or cut short"):
            Photo.read(source[: int(len(source) * part)])

    def test_a_size_that_stands_twice(self):
        """The last one counts for us and the first for tifffile, which would take 9 GB of zeros."""
        source = bytearray(tiff(deep(3), photometric="rgb"))
        at = entry(source, 256)
        other = entry(source, 305)  # of a field that is not needed, the width again
        source[other : other + 12] = source[at : at + 12]
        source[at + 4 : at + 12] = struct.pack("<II", 1, 1_543_569_440)
        source[at + 2 : at + 4] = struct.pack("<H", 4)
        with pytest.raises(PhotoError, match=r"its sizes are \(33, 20\) and \(1543569440, 20\)"):
            Photo.read(bytes(source))

    def test_more_samples_than_a_pixel_may_have(self):
        source = bytearray(tiff(deep(3), photometric="rgb"))
        at = entry(source, 277)
        source[at + 8 : at + 10] = struct.pack("<H", 60_000)
        with pytest.raises(PhotoError, match=r"of a kind that is not read \(.*60000 × 16 bits\)"):
            Photo.read(bytes(source))


class TestPreviews:
    def test_the_full_picture_below_a_preview(self):
        full = deep(1)
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as file:
            preview = np.zeros((5, 8, 3), np.uint8)
            file.write(preview, photometric="rgb", subfiletype=1, subifds=1, metadata=None)
            file.write(full, photometric="minisblack", compression="zlib", metadata=None)
        assert np.array_equal(Photo.read(buffer.getvalue()).pixels, full)

    @pytest.mark.parametrize("bigtiff", [False, True])
    def test_the_full_picture_behind_a_preview(self, bigtiff):
        full = smooth(channels=3)
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer, bigtiff=bigtiff) as file:
            file.write(full[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
            file.write(full, photometric="rgb", metadata=None)
        assert np.array_equal(Photo.read(buffer.getvalue()).pixels, full)

    def test_a_lone_reduced_page_is_the_picture(self):
        source = tiff(smooth(), photometric="minisblack", subfiletype=1)
        assert np.array_equal(Photo.read(source).pixels, smooth())

    def test_raw_data_below_a_preview_are_refused_by_name(self):
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as file:
            preview = np.zeros((5, 8, 3), np.uint8)
            file.write(preview, photometric="rgb", subfiletype=1, subifds=1, metadata=None)
            file.write(deep(1), photometric=32803, metadata=None)
        with pytest.raises(PhotoError, match="camera's raw file"):
            Photo.read(buffer.getvalue())


@pytest.mark.parametrize("packer", [None, "zlib"])
@pytest.mark.parametrize("bits", [8, 16])
def test_what_a_sparse_file_leaves_out_is_black(bits, packer):
    levels = data.camera()[:64, :64].astype(f"u{bits // 8}")
    source = bytearray(tiff(levels, tile=(32, 32), compression=packer))
    with tifffile.TiffFile(io.BytesIO(source)) as file:
        starts, sizes = (file.pages[0].tags[tag] for tag in (324, 325))
        width = sizes.valuebytecount // 4
    for start, size in ((starts.valueoffset, 4), (sizes.valueoffset, width)):
        source[start + size : start + 2 * size] = bytes(size)  # of the second tile of four
    levels[:32, 32:] = 0
    assert np.array_equal(Photo.read(bytes(source)).pixels, levels)


@pytest.mark.parametrize("packer", [None, "zlib"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_bigtiff_of_big_ends(channels, packer):
    levels = data.astronaut()[:20, :30] if channels == 3 else data.camera()[:20, :30]
    kind = "rgb" if channels == 3 else "minisblack"
    source = tiff(levels, bigtiff=True, byteorder=">", photometric=kind, compression=packer)
    assert np.array_equal(Photo.read(source).pixels, levels)


def test_a_palette_in_a_bigtiff_of_big_ends():
    levels, ramp = data.camera()[:20, :30], np.arange(256, dtype=np.uint16)[::-1] * 257
    how = {"photometric": "palette", "colormap": np.stack([ramp] * 3)}
    source = tiff(levels, bigtiff=True, byteorder=">", **how)
    assert np.array_equal(Photo.read(source).pixels, 255 - levels)


def test_complex_numbers_are_no_damage():
    with pytest.raises(PhotoError, match=r"kind that is not read \(MINISBLACK, 1 × 64 bits\)"):
        Photo.read(tiff(np.ones((4, 4), np.complex64)))


def test_tiff_over_pillow_s_own_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert np.array_equal(Photo.read(saved(smooth(), "TIFF")).pixels, smooth())


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_a_palette_of_16_bits(tile, compression):
    palette = deep(3, height=1, width=1 << 16)[0]
    numbers = deep(1)
    options = {"photometric": "palette", "colormap": palette.T, "tile": tile}
    photo = Photo.read(tiff(numbers, compression=compression, **options))
    assert np.array_equal(photo.pixels, palette[numbers])


class TestMasks:
    def masked(self, *, alone):
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as file:
            if not alone:
                file.write(smooth(), metadata=None)
            options = {"photometric": 4, "subfiletype": 4, "metadata": None}
            file.write(smooth() > 99, **options)
        return buffer.getvalue()

    def test_one_beside_its_picture_is_said(self):
        photo = Photo.read(self.masked(alone=False))
        assert (photo.pages, photo.notes) == (1, ("its mask of transparency is left out",))

    def test_one_alone_is_named(self):
        with pytest.raises(PhotoError, match="is a mask of transparency, not a picture: give"):
            Photo.read(self.masked(alone=True))


def packed_tiff(levels, packer, predictor, fill_order=1):
    """Pack (H, W, 3) uint16 by Pillow as one wide strip of bytes, and write a header around it."""
    height, width, _ = levels.shape
    rows = levels.copy()
    if predictor == 2:
        rows[:, 1:] -= levels[:, :-1]
    wide = rows.astype("<u2").reshape(1, -1).view(np.uint8)
    with tifffile.TiffFile(io.BytesIO(saved(wide, "TIFF", compression=packer))) as file:
        page = file.pages[0]
        file.filehandle.seek(page.dataoffsets[0])
        (count,) = page.databytecounts
        strip = file.filehandle.read(count)
    numbers = {
        256: width,
        257: height,
        259: {"tiff_lzw": 5, "packbits": 32773}[packer],
        262: 2,
        273: 8,
        277: 3,
        278: height,
    }
    numbers |= {266: fill_order, 279: len(strip), 317: predictor}
    fields = {tag: Field(4, 1, value.to_bytes(4, "little")) for tag, value in numbers.items()}
    fields[258] = Field(3, 3, b"\x10\0" * 3)
    at = 8 + len(strip) + len(strip) % 2
    head = b"II*\0" + at.to_bytes(4, "little") + strip.ljust(at - 8, b"\0")
    return head + directory_bytes(Directory(fields), at)


LEVELS = np.arange(3 * 64, dtype=np.uint16).reshape(3, 8, 8) * 300
#: Descriptions of the layout, as programs write them, and whether they say more.
LAID_OUT = {
    "tifffile": ({}, False),
    "tifffile's words": ({"metadata": {"lens": "old"}}, True),
    "imagej": ({"imagej": True, "metadata": {"unit": "um"}}, False),
    "ome": ({"ome": True, "metadata": {"axes": "ZYX"}}, True),
}


def description_of(photo):
    tags = Image.Exif()
    tags.load(photo.exif)
    return tags.get(270, "")


@pytest.mark.parametrize("program", LAID_OUT)
def test_a_result_has_no_description_of_another_layout(program):
    options, more = LAID_OUT[program]
    file = io.BytesIO()
    tifffile.imwrite(file, LEVELS, photometric="minisblack", **options)
    photo = Photo.read(file.getvalue())
    assert any("how the file is laid out" in note for note in photo.notes) == more
    left = "ImageJ=1.11a\nunit=um" if program == "imagej" else ""
    assert description_of(photo).strip() == left


def test_a_description_before_that_of_tifffile_stays():
    file = io.BytesIO()
    tifffile.imwrite(file, smooth(), description="Grandmother, 1932")
    photo = Photo.read(file.getvalue())
    assert photo.notes == ()
    assert description_of(photo) == "Grandmother, 1932"


def test_other_descriptions_stay():
    for said in ("Grandma, 1931", '{"shape": a cat', "<!-- a -->" * 40):
        file = io.BytesIO()
        tifffile.imwrite(file, LEVELS[0], description=said, metadata=None)
        assert description_of(Photo.read(file.getvalue())) == said


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_slices_of_a_volume_are_named(dtype: str):
    """One was read in silence, and the result called itself a volume of three."""
    file = io.BytesIO()
    volume = np.stack([np.full((32, 48), level) for level in (10, 20, 30)]).astype(dtype)
    tifffile.imwrite(file, volume, volumetric=True, photometric="minisblack", metadata=None)
    photo = Photo.read(file.getvalue())
    assert "of a volume of 3 slices one is read: the others are left out" in photo.notes
    result = photo.encode(np.repeat(photo.pixels[..., None], 3, axis=-1), format="tif")
    with tifffile.TiffFile(io.BytesIO(result)) as read:
        assert read.pages[0].shape == (32, 48, 3)
