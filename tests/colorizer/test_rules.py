"""Rules of steering, one test each, seen in the coloured picture alone."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from fakes import ClassifyingEngine, FakeEngine
from golden.standin import StandIn
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.steering.hints import Hint

#: The side of every picture here is that at which the stand-in looks: a pixel is a working pixel.
SIDE = 64
RED, BLUE = "#b06050", "#3050c0"


def flat(width: int = SIDE):
    """A picture of one grey: it shows nothing to colour, and all of it looks alike."""
    return np.full((SIDE, width), 120, np.uint8)


def scene(height: int, width: int):
    """A grey picture with things in it, each about 12 pixels wide."""
    cells = (height // 12 + 1, width // 12 + 1)
    coarse = np.random.default_rng(3).integers(20, 150, cells, dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST))


def ab_of(srgb):
    return color.srgb_to_lab(np.asarray(srgb))[..., 1:]


def chroma_of(srgb):
    return np.linalg.norm(ab_of(srgb), axis=-1)


class NotingEngine(ClassifyingEngine):
    """Keeps the hint planes that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.planes: list[np.ndarray] = []

    def one(self, lightness, hints):
        if hints is not None:
            self.planes.append(hints)
        return super().one(lightness, hints)


class TestHints:
    def test_around_a_hint_the_gain_is_taken_back(self):
        """A network that followed the hint has said the colour itself: no gain on top of it."""
        hint = Hint(32, 32, RED)
        engine = FakeEngine(hint.ab, size=SIDE)
        engine.info = dataclasses.replace(engine.info, chroma_gain=1.5)
        coarse = np.random.default_rng(1).integers(95, 140, (6, 32), np.uint8)
        picture = np.kron(coarse, np.ones((12, 12), np.uint8))[:SIDE, : 6 * SIDE]
        wide = Colorizer(engine)(picture, hints=[hint], reach=3)
        chroma = chroma_of(wide)[32]
        asked = float(np.hypot(*hint.ab))
        assert chroma[32] == pytest.approx(asked, rel=0.03)
        assert chroma[32 + int(0.4 * SIDE)] < 1.27 * asked  # 1.37 where only the place is right
        assert chroma[-20] == pytest.approx(1.5 * asked, rel=0.03)

    def test_a_hint_rules_alone_where_it_is_the_nearest(self):
        hints = [Hint(20, 32, RED), Hint(20 + 0.4 * SIDE, 32, BLUE)]
        ab = ab_of(Colorizer(FakeEngine((0, 0), size=SIDE))(flat(), hints=hints))
        apart = np.linalg.norm(np.subtract(hints[0].ab, hints[1].ab))
        for hint in hints:
            off = np.linalg.norm(ab[32, int(hint.x)] - hint.ab)
            assert off < 0.13 * apart  # 0.22 where both have a say by their distance

    def test_a_reference_leads_no_place_that_a_hint_has_spoken_for(self):
        colorizer = Colorizer(StandIn())
        picture = scene(SIDE, 2 * SIDE)
        orange = np.full((20, 30, 3), (240, 130, 40), np.uint8)
        hint = Hint(44, 32, BLUE)
        hinted = ab_of(colorizer(picture, hints=[hint], reach=3))
        led = ab_of(colorizer(picture, hints=[hint], reference=orange, reach=3))
        moved = np.linalg.norm(led - hinted, axis=-1)
        down, across = np.mgrid[:SIDE, : 2 * SIDE]
        near = np.hypot(down - hint.y, across - hint.x) < 10
        assert moved[near].mean() < 0.5  # 0.7 where the reference leads hinted places, too
        assert moved[:, 100:].mean() > 20  # elsewhere it leads


class TestAlternatives:
    def test_its_points_leave_room_for_a_hint(self):
        engine = NotingEngine()
        colorizer = Colorizer(engine)
        picture = scene(112, 112)
        colorizer(picture, alternative=1)
        rows, columns = np.nonzero(engine.planes[-1][2][:112, :112])
        row, column = int(rows[0]) + 8, int(columns[0]) + 2  # near a point, not on it
        hint = Hint(column, row, "#20c040")
        colorizer(picture, alternative=1, hints=[hint])
        planes = engine.planes[-1][:, :112, :112]
        down, across = np.nonzero(planes[2])
        near = np.hypot(down - row, across - column) < 0.12 * 112
        assert near.any()
        given = planes[:2, down[near], across[near]].T
        assert np.abs(given - np.float32(hint.ab)).max() < 1e-3
        assert (~near).any()  # its other points stay


class TestBlank:
    def test_nothing_to_colour_stays_grey_until_colours_are_asked_for(self):
        colorizer = Colorizer(FakeEngine((20, -10), size=SIDE))
        wide = flat(10 * SIDE)
        assert chroma_of(colorizer(wide)).max() < 1
        hinted = chroma_of(colorizer(wide, hints=[Hint(5, 5, RED)]))
        assert hinted[5, 5] > 20
        assert hinted[:, -SIDE:].max() < 1  # out of reach it is as it was

    @pytest.mark.parametrize("sides", [((16, 16), (0, 0)), ((0, 0), (16, 16))])
    def test_bars_at_two_sides_stay_grey(self, sides):
        picture = np.pad(scene(SIDE, SIDE), sides, constant_values=128)
        chroma = chroma_of(Colorizer(FakeEngine((20, -10), size=SIDE))(picture))
        (top, _), (left, _) = sides
        photo = chroma[top : top + SIDE, left : left + SIDE]
        assert photo[8:-8, 8:-8].min() > 15
        outer = chroma[: top // 2] if top else chroma[:, : left // 2]
        assert outer.max() < 1

    def test_an_alternative_asks_for_colours_too(self):
        colorizer = Colorizer(ClassifyingEngine())
        picture = np.full((112, 112), 120, np.uint8)
        assert chroma_of(colorizer(picture)).max() < 1
        assert chroma_of(colorizer(picture, alternative=1)).mean() > 10

    def test_a_strip_in_which_no_thing_is_seen_whole_is_fainter(self):
        colorizer = Colorizer(FakeEngine((20, -10), size=SIDE))
        whole = chroma_of(colorizer(scene(64, 96))).mean()
        panorama = chroma_of(colorizer(scene(40, 400))).mean()
        strip = chroma_of(colorizer(scene(20, 1000))).mean()
        assert panorama == pytest.approx(whole, rel=0.1)
        assert strip < 0.35 * whole


class TestKinds:
    def test_a_picture_of_a_stereo_camera_becomes_a_jpeg(self):
        """MPO is JPEG with a second picture behind the first: no reason for a PNG."""
        buffer = io.BytesIO()
        first, second = (Image.fromarray(scene(40, 60 + i)) for i in range(2))
        first.save(buffer, "MPO", save_all=True, append_images=[second])
        assert Image.open(io.BytesIO(buffer.getvalue())).format == "MPO"
        out = Colorizer(FakeEngine())(buffer.getvalue())
        colored = Image.open(io.BytesIO(out))
        assert (colored.format, colored.size) == ("JPEG", (60, 40))
