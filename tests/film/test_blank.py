"""Frames that show nothing, in the middle of a shot: a flash, a missing frame."""

from __future__ import annotations

import numpy as np
import pytest

import film_parts as fp
from koalarize.film.flow import see
from koalarize.film.steady import Steady


def settled(frames: list[fp.UInt8], *, turn: int) -> list[float]:
    """Return the mean colour of each frame where the network says 20, and -20 from ``turn`` on."""

    def ask(number: int, lightness: np.ndarray) -> np.ndarray:
        return np.full((2, *lightness.shape), 20 if number < turn else -20, np.float32)

    steady = Steady(ask, 0.9)
    found = []
    for number, frame in enumerate(frames):
        found += steady.push(number, see(np.asarray(frame, np.float32) / 2.55), cut=False)
    found += steady.finish()
    assert [one.number for one in found] == list(range(len(frames)))
    return [float(one.ab.mean()) for one in found]


def blank(shown: int, frames: int) -> list[fp.UInt8]:
    return [np.full((72, 128), shown, np.uint8)] * frames


@pytest.mark.parametrize(("shown", "frames"), [(255, 1), (255, 3), (0, 1), (0, 3)])
def test_colours_are_carried_over_frames_that_show_nothing(shown: int, frames: int):
    whole = fp.moved(24, size=(72, 128), seed=1)
    broken = [*whole[:12], *blank(shown, frames), *whole[12 + frames :]]
    assert settled(broken, turn=12) == pytest.approx(settled(whole, turn=12), abs=1)


def test_frames_washed_out_as_a_whole_are_passed_over():
    whole = fp.moved(24, size=(72, 128), seed=1)
    washed = (whole[12] * 0.1 + 225).astype(np.uint8)
    rough = np.random.default_rng(1).normal(0, 6, washed.shape)
    broken = [*whole[:12], np.clip(washed + rough, 215, 255).astype(np.uint8), *whole[13:]]
    assert settled(broken, turn=12) == pytest.approx(settled(whole, turn=12), abs=1)


def test_nothing_is_carried_over_white_to_another_scene():
    one, other = fp.moved(12, size=(72, 128), seed=1), fp.moved(12, size=(72, 128), seed=7)
    found = settled([*one, *blank(255, 2), *other], turn=12)
    assert found[11] > 15
    assert found[15] < -17


def test_a_frame_after_longer_white_is_seen_alone():
    whole = fp.moved(30, size=(72, 128), seed=1)
    found = settled([*whole[:12], *blank(255, 12), *whole[24:]], turn=12)
    assert found[-1] < -19


def test_nothing_is_carried_over_white_to_a_scene_that_is_half_the_same():
    one, other = fp.moved(12, size=(72, 128), seed=1), fp.moved(12, size=(72, 128), seed=7)
    other = [np.hstack([one[11][:, :56], frame[:, 56:]]) for frame in other]
    assert settled([*one, *blank(255, 2), *other], turn=12)[15] < -17


def test_grain_is_averaged_over_a_frame_that_shows_nothing():
    clean = np.asarray(fp.moved(1, size=(72, 128), seed=1)[0], np.float32) / 2.55
    grain = np.random.default_rng(1).normal(0, 2, (9, *clean.shape)).astype(np.float32)
    frames = [clean + one for one in grain]
    frames[7] = np.full_like(clean, 100)
    asked: dict[int, np.ndarray] = {}

    def ask(number: int, lightness: np.ndarray) -> np.ndarray:
        asked[number] = lightness
        return np.zeros((2, *lightness.shape), np.float32)

    steady = Steady(ask, 0.9)
    for number, frame in enumerate(frames):
        steady.push(number, see(frame), cut=False)
    assert (asked[8] - clean).std() < 0.7 * grain[8].std()
