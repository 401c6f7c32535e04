"""Animations and stereo pairs: all pictures in and out, in the same kind of file."""

import dataclasses
import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageSequence
from skimage import data

from fakes import ClassifyingEngine, FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import PhotoError
from koalarize.photo.containers import Encoded, join_png
from koalarize.photo.files import output_path
from koalarize.photo.frames import Frame
from koalarize.photo.photo import Photo
from koalarize.photo.png_chunks import chunk
from koalarize.steering.hints import Hint
from koalarize.steering.steering import PLAIN, Steering
from photo_parts import saved, smooth, some_exif

KINDS = ["GIF", "WEBP", "PNG"]
ALL_KINDS = [*KINDS, "AVIF"]
TIMES = [100, 200, 350]


def scene(shift=0, mode="L"):
    return Image.fromarray(np.roll(data.camera()[60:160, 150:270], shift, 1)).convert(mode)


def moving(kind, mode="L", loop=0, **options):
    frames = [scene(shift, mode) for shift in (0, 9, 18)]
    given = {"lossless": True} if kind == "WEBP" else {}
    if kind == "AVIF":
        given = {"quality": 95}
    return saved(
        frames[0],
        kind,
        save_all=True,
        append_images=frames[1:],
        duration=TIMES,
        loop=loop,
        **given,
        **options,
    )


def frames_of(encoded):
    with Image.open(io.BytesIO(encoded)) as image:
        return [
            (np.asarray(frame.convert("RGBA")), frame.info.get("duration"))
            for frame in ImageSequence.Iterator(image)
        ]


def grey_of(rgba):
    return Photo.read(np.ascontiguousarray(rgba[..., :3])).lightness()


@pytest.fixture
def colorizer():
    return Colorizer(FakeEngine())


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_all_frames_come_back_with_their_times(colorizer, kind):
    colored = colorizer.data(moving(kind))
    before, after = frames_of(moving(kind)), frames_of(colored.data)
    assert Image.open(io.BytesIO(colored.data)).format == kind
    assert [time for _, time in after] == TIMES
    off = 8 if kind == "GIF" else 3  # a frame of GIF has 256 colours
    for (old, _), (new, _) in zip(before, after, strict=True):
        assert old.shape == new.shape
        assert np.abs(grey_of(old) - grey_of(new)).mean() < off
        assert np.ptp(new[..., :3].astype(int), axis=-1).max() > 9
    assert colored.notes == ("frames 1 to 3: GIF holds 256 colours a frame",) * (kind == "GIF")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loop", [0, 1, 5])
def test_loops_come_back(colorizer, kind, loop):
    colored = colorizer.data(moving(kind, loop=loop)).data
    assert Image.open(io.BytesIO(colored)).info["loop"] == loop


def test_a_gif_that_plays_once(colorizer):
    frames = [scene(0), scene(5)]
    once = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=70)
    assert "loop" not in Image.open(io.BytesIO(colorizer.data(once).data)).info
    assert Image.open(io.BytesIO(colorizer.data(once, format="webp").data)).info["loop"] == 1


def test_equal_frames_are_not_put_together(colorizer):
    single = saved(scene(mode="RGB"), "PNG")
    equal = join_png([Encoded(single, Frame(50), (120, 100))] * 4)
    for format in ("webp", "gif", "png"):
        assert len(frames_of(colorizer.data(equal, format=format).data)) == 4


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_what_is_transparent_stays_so(colorizer, kind):
    frames = []
    for left in (10, 40, 70):
        clear = Image.new("L", (120, 100), 0)
        clear.paste(255, (left, 20, left + 30, 80))
        frame = scene(mode="RGB")
        frame.putalpha(clear)
        frames.append(frame)
    given = {"lossless": True, "exact": True} if kind == "WEBP" else {"disposal": 1}
    if kind == "GIF":
        given = {"disposal": 2}
    whole = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=90, **given)
    before, after = frames_of(whole), frames_of(colorizer.data(whole).data)
    for (old, _), (new, _) in zip(before, after, strict=True):
        assert np.array_equal(old[..., 3] > 127, new[..., 3] > 127)


def test_frames_between_the_kinds(colorizer):
    for kind in ALL_KINDS:
        for format in ("gif", "webp", "png", *(["avif"] if kind == "GIF" else [])):
            after = frames_of(colorizer.data(moving(kind), format=format).data)
            assert [time for _, time in after] == TIMES
    pages = colorizer.data(moving("GIF"), format="tiff")
    assert Image.open(io.BytesIO(pages.data)).n_frames == 3
    assert pages.notes == ("frames 1 to 3: TIFF cannot hold its timing",)


def test_an_animated_avif_keeps_what_its_file_says(colorizer):
    exif = Image.Exif()
    exif[0x013B] = "Oma"
    once = colorizer.data(moving("WEBP", loop=1, exif=exif), format="avif")
    assert "frames 1 to 3: AVIF cannot hold its number of plays" in once.notes
    with Image.open(io.BytesIO(once.data)) as image:
        assert image.getexif()[0x013B] == "Oma"
        assert b"compositeWithTrainedAlgorithmicMedia" in image.info["xmp"]
        assert image.info["icc_profile"]
    assert colorizer.data(moving("WEBP"), format="avif").notes == ()


def test_other_formats_take_the_first_and_say_so(colorizer):
    colored = colorizer.data(moving("GIF"), format="jpg")
    assert colored.notes == ("frame 1 of 3: the others are left out",)


def test_names(tmp_path, colorizer):
    (tmp_path / "moving.gif").write_bytes(moving("GIF"))
    scene().save(tmp_path / "still.gif")
    assert output_path(tmp_path / "moving.gif").name == "moving.color.gif"
    assert output_path(tmp_path / "still.gif").name == "still.color.png"
    colored = colorizer.file(tmp_path / "moving.gif")
    assert Image.open(colored.written).n_frames == 3


def test_a_default_image_stays_aside(colorizer):
    frames = [scene(0), scene(9)]
    apng = saved(
        scene(50), "PNG", save_all=True, append_images=frames, default_image=True, duration=80
    )
    after = Image.open(io.BytesIO(colorizer.data(apng).data))
    assert after.default_image
    assert after.n_frames == 3


def test_metadata_stands_once(colorizer):
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    colored = colorizer.data(moving("WEBP", mode="RGB", xmp=xmp)).data
    assert colored.count(xmp) == 1
    assert Image.open(io.BytesIO(colored)).info["xmp"] == xmp
    assert colored.count(b"ICCP") == 1


def test_long_comments_of_a_gif_come_back_whole(colorizer):
    comment = b"Grandmother 1923 " * 40
    colored = colorizer.data(moving("GIF", comment=comment)).data
    assert Image.open(io.BytesIO(colored)).info["comment"] == comment


def test_xmp_of_a_gif_is_kept_or_named(colorizer):
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><x tiff:Orientation=\"6\"/></x:xmpmeta>"
    whole = moving("GIF")
    place = whole.index(b"\x21")  # the first extension
    tail = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    whole = whole[:place] + b"\x21\xff\x0bXMP DataXMP" + xmp + tail + whole[place:]
    frames = list(Photo.each(whole))
    assert [(frame.height, frame.width) for frame in frames] == [(120, 100)] * 3
    assert frames[0].metadata.xmp == xmp.replace(b'"6"', b'"1"')
    assert any("GIF cannot hold its XMP" in note for note in colorizer.data(whole).notes)


def test_hints_act_on_the_first_frame(colorizer):
    hint = Hint.parse("20,20,5=#c03020")
    colored = colorizer.data(moving("WEBP"), Steering(hints=(hint,)))
    assert colored.notes == ("hints act on frame 1 only",)


def test_a_sixteen_bit_animation_says_that_it_loses_bits():
    deep = np.dstack([smooth(40, 50).astype(np.uint16) * 257] * 3)
    photo = Photo(deep[..., 0])
    single = photo.encode(deep, format="png")
    apng = join_png([Encoded(single, Frame(50), (50, 40))] * 2)
    found = Photo.read(apng)
    assert (found.pages, found.pixels.dtype) == (2, np.uint8)
    assert found.notes == ("16 bits of an animation are read as 8",)


@pytest.mark.parametrize(
    "said",
    [
        chunk(b"eXIf", some_exif(6).removeprefix(b"Exif\0\0")),
        chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'),
        chunk(b"gAMA", struct.pack(">I", 100_000)),
    ],
)
def test_what_a_png_says_is_true_of_all_its_frames(said):
    single = saved(smooth(), "PNG")
    still = Photo.read(single[:33] + said + single[33:]).pixels
    apng = join_png([Encoded(single, Frame(50), (36, 24))] * 3)
    frames = list(Photo.each(apng[:33] + said + apng[33:]))
    assert not np.array_equal(still, smooth())
    assert all(np.array_equal(frame.pixels, still) for frame in frames)
    assert len(frames) == 3


def test_a_grey_sixteen_bit_animation_says_so_where_it_loses_bits(colorizer):
    frames = [Image.fromarray(smooth().astype(np.uint16) * level) for level in (250, 257)]
    apng = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    said = colorizer.data(apng).notes
    assert said == ("frames 1 to 2: 16 bits of an animation are written as 8",)
    assert colorizer.data(apng, format="tiff").notes == ()


class TestCutShort:
    def test_a_gif_is_refused_and_read_as_far_as_it_goes(self, colorizer):
        whole = moving("GIF")
        cut = whole[: len(whole) * 5 // 6]
        with pytest.raises(PhotoError, match="frame 3 of"):
            colorizer.data(cut)
        colored = colorizer.data(cut, tolerant=True)
        assert colored.notes[-1] == "it is cut short: frames from 3 to 3 are missing"
        assert len(frames_of(colored.data)) == 2

    def test_a_gif_without_its_end_says_so(self, colorizer):
        colored = colorizer.data(moving("GIF")[:-1])
        assert "frame 1: the mark of its end is missing" in colored.notes

    def test_a_png_whose_frames_are_missing(self, colorizer):
        whole = moving("PNG")
        cut = whole[: whole.rindex(b"fcTL") - 4]
        with pytest.raises(PhotoError, match="frame 3 of"):
            colorizer.data(cut)


class TestStereo:
    def pair(self, **options):
        return saved(scene(0), "MPO", save_all=True, append_images=[scene(6)], **options)

    def test_both_come_back(self, colorizer):
        colored = colorizer.data(self.pair())
        with Image.open(io.BytesIO(colored.data)) as image:
            assert (image.format, image.n_frames) == ("MPO", 2)
            for number, shift in enumerate((0, 6)):
                image.seek(number)
                grey = grey_of(np.asarray(image.convert("RGB")))
                assert np.abs(grey - Photo.read(scene(shift)).lightness()).mean() < 2
        assert colored.notes == ()

    def test_their_kinds_stay(self, colorizer):
        def second(data):
            return data.index(b"MPF\0") + 4 + 8 + 2 + 3 * 12 + 4 + 16

        pair = bytearray(self.pair())
        struct.pack_into("<I", pair, second(pair), 0x020002)  # disparity
        colored = colorizer.data(bytes(pair)).data
        assert struct.unpack_from("<I", colored, second(colored)) == (0x020002,)

    def test_a_smaller_picture_in_it_is_left_out_and_named(self, colorizer):
        other = saved(scene(0), "MPO", save_all=True, append_images=[scene(0).resize((60, 50))])
        colored = colorizer.data(other)
        assert Image.open(io.BytesIO(colored.data)).format == "JPEG"
        assert colored.notes == (
            "a further picture in it (a preview or a map of brightness) is left out",
        )

    def test_into_png_goes_the_first(self, colorizer):
        assert colorizer.data(self.pair(), format="png").notes == (
            "picture 1 of 2: the others are left out",
        )

    def test_a_damaged_list_is_no_bug(self, colorizer):
        pair = bytearray(self.pair())
        at = pair.index(b"MPF\0") + 4
        pair[at : at + 2] = b"XX"
        colored = colorizer.data(bytes(pair))
        assert "its list of further pictures is damaged and left out" in colored.notes


def test_frames_keep_the_colors_of_the_first():
    seen = []

    class Watched(Colorizer):
        def photo(self, photo, steering=PLAIN):
            seen.append(steering)
            return super().photo(photo, dataclasses.replace(steering, reference=None))

    Watched(ClassifyingEngine()).data(moving("PNG"))
    led = [one.reference is not None for one in seen]
    assert led == [False, True, True, True]


def gif_of_a_ramp(numbers, palette, clear, disposal):
    """A GIF of the same numbers twice: of a global ramp of greys, and of a palette."""
    codes = [256, *numbers.ravel().tolist(), 257]
    bits = sum(code << 9 * at for at, code in enumerate(codes))
    packed = bits.to_bytes(-(-9 * len(codes) // 8), "little")
    pixels = b"\x08" + bytes([len(packed)]) + packed + b"\0"
    size = struct.pack("<HH", *numbers.shape[::-1])
    flags = disposal << 2 | (clear is not None)
    told = b"\x21\xf9\x04" + struct.pack("<BHBx", flags, 5, clear or 0)
    place = b"\x2c" + bytes(4) + size
    ramp = bytes(level for level in range(256) for _ in range(3))
    first, second = told + place + b"\0", told + place + b"\x87" + palette.tobytes()
    return b"GIF89a" + size + b"\xf7\0\0" + ramp + first + pixels + second + pixels + b"\x3b"


@pytest.mark.parametrize("disposal", [0, 2, 3])
@pytest.mark.parametrize("clear", [None, 7])
def test_frames_of_a_gif_behind_one_of_a_grey_ramp_keep_their_palettes(clear, disposal):
    """Pillow takes a palette that is a ramp for none, and the numbers of the next for levels."""
    numbers = np.arange(12, dtype=np.uint8).reshape(3, 4)
    palette = np.random.default_rng(1).integers(0, 256, (256, 3), np.uint8)
    first, second = Photo.each(gif_of_a_ramp(numbers, palette, clear, disposal))
    seen = numbers != clear
    assert np.array_equal(first.pixels[seen], numbers[seen])
    assert np.array_equal(second.pixels[seen], palette[numbers][seen])
    for photo in (first, second):
        assert photo.alpha is None if clear is None else np.array_equal(photo.alpha > 0, seen)
