"""Colours of films whose numbers stand for other light than those of sRGB."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import film_parts as fp
from koalarize import color
from koalarize.film.encode import coding_of
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film
from koalarize.film.levels import Levels
from koalarize.film.light import light_of, signal_of
from koalarize.film.options import FilmOptions
from koalarize.film.paint import Painter
from koalarize.film.shown import shown_grey

av = fp.av
#: Linear red, green and blue to XYZ, D65: of ITU-R BT.709, ITU-R BT.2020 and SMPTE EG 432-1.
_TO_XYZ = {
    1: [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]],
    9: [[0.6370, 0.1446, 0.1689], [0.2627, 0.6780, 0.0593], [0.0000, 0.0281, 1.0610]],
    12: [[0.4866, 0.2657, 0.1982], [0.2290, 0.6917, 0.0793], [0.0000, 0.0451, 1.0439]],
}


def decoded(signal, transfer):
    """Return light, 1 at diffuse white, of numbers in [0, 1]: the standards, written once more."""
    if transfer == 16:
        power = signal ** (32 / 2523)
        light = np.maximum(power - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * power)
        return light ** (8192 / 1305) * 10000 / 203
    if transfer == 18:
        bright = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
        scene = np.where(signal <= 0.5, signal**2 / 3, bright)
        return scene * (scene @ [0.2627, 0.6780, 0.0593]) ** 0.2 * 1000 / 203
    return color.srgb_to_linear(signal.astype(np.float32))


@pytest.mark.parametrize(
    ("transfer", "primaries", "matrix", "level"),
    [
        (1, 1, 1, 500),
        (1, 9, 9, 500),
        (14, 2, 9, 500),
        (1, 12, 1, 500),
        (16, 9, 9, 430),
        (18, 9, 9, 500),
    ],
)
def test_the_colour_is_the_one_that_was_asked_in_the_light_of_the_film(
    transfer, primaries, matrix, level
):
    asked = (15.0, 20.0)
    kind = {"transfer": transfer, "primaries": primaries}
    levels = Levels.of(10, full=False, matrix=matrix, height=1080, **kind)
    painter = Painter(levels, (24, 32), interlaced=False)
    luma = np.full((48, 64), level, np.uint16)
    lightness = painter.lightness(luma, 48, 64)
    ab = np.stack([np.full((48, 64), one, np.float32) for one in asked])
    cb, cr = ((int(plane[9, 9]) - 512) / 896 for plane in painter.chroma(luma, ab, lightness))
    y = (level - 64) / 876
    red, blue = y + 2 * (1 - levels.kr) * cr, y + 2 * (1 - levels.kb) * cb
    green = (y - levels.kr * red - levels.kb * blue) / (1 - levels.kr - levels.kb)
    light = decoded(np.array([red, green, blue]), transfer)
    xyz = np.array(_TO_XYZ[9 if matrix == 9 else primaries]) @ light
    x, y, z = np.cbrt(xyz / [0.9505, 1, 1.089])
    assert (500 * (x - y), 200 * (y - z)) == pytest.approx(asked, abs=3)
    assert 116 * y - 16 == pytest.approx(float(lightness[9, 9]), abs=4)


@pytest.mark.parametrize("transfer", [1, 16, 18])
def test_curves_are_undone(transfer):
    signal = np.linspace(0, 1, 33)
    light = light_of(signal, transfer)
    grey = np.repeat(light[:, None], 3, axis=1)
    assert signal_of(grey, transfer)[:, 0] == pytest.approx(signal, abs=1e-5)
    assert np.all(np.diff(light) > 0)


def test_what_is_brighter_than_white_has_the_lightness_of_white():
    levels = Levels.of(10, full=False, matrix=9, height=1080, transfer=16, primaries=9)
    lightness = levels.lightness()
    assert lightness[64] == 0
    assert lightness[560] < 100  # 180 cd/m2
    assert lightness[700] == 100


@pytest.mark.parametrize("tags", [{"color_primaries": 9}, {"color_trc": 16}])
def test_a_film_is_coloured_by_its_own_tags(colorizer, tmp_path, tags):
    """The same colour differs less from grey in wider primaries, and in numbers of HDR."""

    def touch(stream, _):
        for name, number in tags.items():
            setattr(stream.codec_context, name, number)

    def chroma(name, touch):
        source = fp.write(tmp_path / name, fp.moved(2), codec="ffv1", touch=touch)
        with av.open(str(color_film(colorizer, source).path)) as film:
            frame = next(film.decode(video=0))
            return frame.to_ndarray()[60:].mean() - 128  # the rows of Cr

    assert chroma("a.mkv", touch) < 0.9 * chroma("b.mkv", None)


@pytest.mark.parametrize(("transfer", "shown"), [(1, 115), (16, 143)])  # 0.45 of PQ is 55 cd/m2
def test_a_frame_of_hdr_is_shown_in_its_own_light(tmp_path, transfer, shown):
    facts = read_facts(fp.write(tmp_path / "a.mkv", fp.moved(2), codec="ffv1"))
    frame = av.VideoFrame(64, 48, "yuv420p")
    np.frombuffer(frame.planes[0], np.uint8)[:] = round(16 + 219 * 0.45)
    frame.color_range = 1
    grey = shown_grey(dataclasses.replace(facts, transfer=transfer), frame)
    assert grey[0, 0] == pytest.approx(shown, abs=2)


@pytest.mark.parametrize(("pixels", "unit"), [("gray", 1), ("gray10le", 4)])
@pytest.mark.parametrize(
    ("full", "ends"), [(False, (0, 255)), (True, (16, 235)), (None, (16, 235))]
)
def test_a_film_of_luma_alone_has_the_range_that_it_says(tmp_path, pixels, unit, full, ends):
    """AV1 and HEVC may say 16 to 235 of it; FFmpeg takes luma alone for the full range."""
    facts = read_facts(fp.write(tmp_path / "a.mkv", fp.moved(2), codec="ffv1"))
    facts = dataclasses.replace(facts, pixel_format=pixels, full_range=full)
    frame = av.VideoFrame(64, 48, pixels)
    frame.color_range = {False: 1, True: 2, None: 0}[full]
    frame_numbers = np.frombuffer(frame.planes[0], np.uint8 if unit == 1 else np.uint16)
    frame_numbers[:] = 16 * unit
    frame_numbers[: len(frame_numbers) // 2] = 235 * unit
    shown = shown_grey(facts, frame)
    assert (shown.min(), shown.max()) == ends
    coding = coding_of(facts, FilmOptions(codec="ffv1"))
    levels = Levels.of(coding.target.depth, full=coding.full_range, matrix=2, height=48)
    lightness = levels.lightness()[[16 * unit, 235 * unit]]
    assert (lightness[0] == 0, lightness[1] == 100) == (full is False,) * 2
