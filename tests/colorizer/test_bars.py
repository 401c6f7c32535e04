"""Flat bars beside a picture: found in one picture, and in all frames of a film."""

import dataclasses
import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from fakes import FakeEngine
from koalarize.colorizer.bars import (
    BarFinder,
    Bars,
    bars_of,
    filled_in,
    filled_side,
    mirrored_over,
    plain_lines,
)
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import Prediction
from koalarize.photo.mend import FILLED
from koalarize.photo.photo import Photo

Float32 = npt.NDArray[np.float32]


def scene(number: int = 0, shape: tuple[int, int] = (96, 128)) -> Float32:
    """Return (h, w) L* that reaches from dark to bright, another one for each number."""
    rng = np.random.default_rng(number)
    coarse = rng.uniform(5, 95, (shape[0] // 8, shape[1] // 8))
    return np.kron(coarse, np.ones((8, 8))).astype(np.float32)


def barred(plane: Float32, top: int, bottom: int, left: int, right: int, tone: float) -> Float32:
    return np.pad(plane, ((top, bottom), (left, right)), constant_values=tone)


def found(frames: list[Float32]) -> Bars | None:
    finder = BarFinder()
    for frame in frames:
        finder.add(frame)
    return finder.bars()


@pytest.mark.parametrize("tone", [0.0, 12.0, 50.0, 100.0])
@pytest.mark.parametrize("sides", [(16, 16, 0, 0), (0, 0, 30, 30), (9, 9, 21, 20), (12, 14, 0, 0)])
def test_bars_are_found_to_the_line(sides: tuple[int, int, int, int], tone: float) -> None:
    frame = barred(scene(), *sides, tone)
    bars = bars_of(frame)
    assert bars is not None
    assert (bars.top, bars.bottom, bars.left, bars.right) == sides
    assert bars.tone == pytest.approx(tone, abs=0.5)
    assert np.array_equal(bars.inside(frame), scene())


@pytest.mark.parametrize("shape", [(1, 1), (2, 90), (3, 3), (96, 128)])
def test_what_has_no_bars_has_none(shape: tuple[int, int]) -> None:
    assert bars_of(np.full(shape, 40, np.float32)) is None
    assert bars_of(np.resize(scene(), shape)) is None


def test_one_plain_side_is_a_sky_and_no_bar() -> None:
    assert bars_of(barred(scene(), 20, 0, 0, 0, 100.0)) is None
    assert found([barred(scene(n), 20, 0, 0, 0, 100.0) for n in range(6)]) is None


def test_bars_of_a_picture_are_about_equally_wide() -> None:
    frame = barred(scene(), 6, 20, 0, 0, 0.0)
    assert bars_of(frame) is None
    assert found([frame, barred(scene(1), 6, 20, 0, 0, 0.0)]) is not None


def test_the_ground_around_a_thing_is_no_bar() -> None:
    ground = np.zeros((100, 120), np.float32)
    rows, columns = np.mgrid[:100, :120]
    ground[np.hypot(rows - 50, columns - 60) < 35] = 70
    assert bars_of(ground) is None
    assert found([ground] * 4) is None


def test_dark_scenes_make_the_bars_of_a_film_no_wider() -> None:
    night = scene(1)
    night[:40] = 0.5
    frames = [barred(one, 16, 16, 0, 0, 0.0) for one in (night, scene(2), night)]
    bars = found(frames)
    assert bars is not None
    assert (bars.top, bars.bottom) == (16, 16)


def test_a_frame_that_shows_nothing_decides_nothing() -> None:
    frames = [barred(scene(n), 16, 16, 0, 0, 20.0) for n in range(3)]
    black, white = np.zeros((128, 128), np.float32), np.full((128, 128), 100, np.float32)
    assert found([black, *frames, white]) == found(frames)
    assert found([black, white]) is None


def test_writing_in_a_bar_leaves_it_a_bar() -> None:
    frames = [barred(scene(n), 16, 16, 0, 0, 0.0) for n in range(4)]
    for frame in frames[:3]:  # subtitles; strokes cover a third of each line
        frame[116:122, 20:110:3] = 95
    for frame in frames:  # a timecode
        frame[2:8, 4:30:2] = 95
    bars = found(frames)
    assert bars is not None
    assert (bars.top, bars.bottom) == (16, 16)
    assert bars_of(frames[0]) is None


def test_a_single_picture_has_no_bars_with_something_in_them() -> None:
    frame = barred(scene(), 16, 16, 0, 0, 0.0)
    frame[:16, 40:48] = frame[-16:, 40:48] = 50  # a sixteenth of each line
    assert bars_of(frame) is None
    assert found([frame, frame]) is not None


def test_bars_above_and_below_a_narrow_picture_are_found() -> None:
    """Of a phone held upright: its lines take less than half of the frame's."""
    sides = (20, 20, 76, 76)
    bars = found([barred(scene(n), *sides, 0.0) for n in range(3)])
    assert bars == Bars(*sides, 0.0)


def test_what_one_frame_shows_is_no_bar() -> None:
    """A film of which a scene fills the frame, or whose mattes move, has the bars common to all."""
    wide = [barred(scene(n), 16, 16, 0, 0, 0.0) for n in range(5)]
    assert found([*wide, scene(9, (128, 128))]) is None
    narrow = barred(scene(7, (112, 128)), 8, 8, 0, 0, 0.0)
    bars = found([*wide, narrow])
    assert bars is not None
    assert (bars.top, bars.bottom) == (8, 8)


def test_bars_have_the_noise_of_a_tape() -> None:
    rng = np.random.default_rng(3)
    frames = [barred(scene(n), 16, 16, 0, 0, 4.0) for n in range(4)]
    noisy = [np.clip(one + rng.normal(0, 0.8, one.shape), 0, 100) for one in frames]
    bars = found([one.astype(np.float32) for one in noisy])
    assert bars is not None
    assert (bars.top, bars.bottom) == (16, 16)


def test_thin_lines_at_the_edges_are_left_alone() -> None:
    assert bars_of(barred(scene(), 0, 0, 1, 1, 0.0)) is None


def test_a_line_of_a_bar_is_plain_but_for_writing() -> None:
    lines = np.zeros((3, 20), np.float32)
    lines[1, :8], lines[2, :12] = 90, 90
    assert plain_lines(lines, 1.0).tolist() == [True, True, False]


@pytest.mark.parametrize("sides", [(0, 40, 0, 0), (5, 0, 0, 0), (0, 0, 60, 0), (0, 0, 0, 9)])
def test_what_is_filled_up_is_found_at_any_side(sides: tuple[int, int, int, int]) -> None:
    bars = filled_side(barred(scene(), *sides, 53.6))
    assert bars is not None
    assert (bars.top, bars.bottom, bars.left, bars.right) == sides
    assert bars.tone == pytest.approx(53.6)
    assert filled_side(scene() + np.linspace(0, 5, 128, dtype=np.float32)) is None
    assert filled_side(np.full((32, 32), 53.6, np.float32)) is None


@pytest.mark.parametrize("turns", range(4))
def test_a_row_that_is_filled_partly_goes_with_the_filled_side(turns: int) -> None:
    plane = barred(scene() / 2, 0, 40, 0, 0, 53.6)
    plane[88:96, 70:] = 53.6  # the last row of blocks
    plane[87, 70:] = 52.0  # a resize mixed it with the photo
    plane[40:48, 70:80] = 53.6  # of the photo's own
    turned = np.ascontiguousarray(np.rot90(plane, turns))
    side = filled_side(turned)
    assert side is not None
    missing = np.zeros(plane.shape, np.bool_)
    missing[96:], missing[87:, 70:] = True, True
    assert (np.rot90(filled_in(turned, side), -turns) == missing).all()
    seen = np.rot90(mirrored_over(turned, side), -turns)
    assert (seen[~missing] == plane[~missing]).all()
    assert (seen[87:, 70:] == plane[86:37:-1, 70:]).all()
    assert (seen[96:, :70] == plane[77:37:-1, :70]).all()


def test_what_is_missing_of_a_damaged_photo_stays_grey() -> None:
    file = io.BytesIO()
    Image.fromarray((scene() * 2.55).astype(np.uint8)).save(file, "JPEG")
    photo = Photo.read(file.getvalue()[: len(file.getvalue()) // 2], tolerant=True)
    colored = Colorizer(FakeEngine(), threads=1).photo(photo).photo.pixels
    chroma = np.ptp(colored.astype(int), axis=2).max(axis=1)
    assert chroma[:8].min() > 0
    assert chroma[-16:].max() == 0
    whole = dataclasses.replace(photo, notes=())
    assert np.ptp(Colorizer(FakeEngine(), threads=1).photo(whole).photo.pixels[-1], axis=1).max()


def test_a_network_is_not_shown_what_is_missing_of_a_damaged_photo() -> None:
    sound = (scene() * 2.55).astype(np.uint8)
    filled = np.pad(sound, ((0, 96), (0, 0)), constant_values=128)
    shown = []

    class Seeing(FakeEngine):
        def run(self, lightness: Float32, hints: Float32 | None = None) -> Prediction:
            shown.append(lightness[0])
            return super().run(lightness, hints)

    for notes in ((), (FILLED,)):
        Colorizer(Seeing(), threads=1).photo(Photo(filled, notes=notes))
    plain, mirrored = shown
    assert np.ptp(plain[-8:, :]) < 1 < np.ptp(mirrored[-8:, :])
