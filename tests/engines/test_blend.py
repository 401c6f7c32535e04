"""Several networks as one: weights, limits on chroma, hints, sizes."""

import copy
import pickle

import numpy as np
import pytest

from fakes import ClassifyingEngine, FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.blend import BlendEngine, Part
from koalarize.errors import OptionError
from koalarize.steering.hints import Hint


def lightness(height=64, width=96):
    return np.linspace(5, 95, height * width, dtype=np.float32).reshape(1, height, width)


def blend(*parts, **limits):
    return BlendEngine([Part(engine, weight) for engine, weight in parts], **limits)


def ab_of(engine, hints=None):
    return engine.run(lightness(), hints).ab


def test_weights_are_shares():
    one, two = FakeEngine((30.0, 0.0)), FakeEngine((0.0, 20.0))
    assert np.allclose(ab_of(blend((one, 1), (two, 3), most_chroma=99))[0, :, 9, 9], [7.5, 15.0])
    assert np.allclose(ab_of(blend((one, 2), (two, 6), most_chroma=99))[0, :, 9, 9], [7.5, 15.0])


@pytest.mark.parametrize(
    ("other", "most", "expected"),
    [
        ((70.0, 0.0), 5.0, 25.0),  # mean 45: held to the first's 20 and 5
        ((70.0, 0.0), 50.0, 45.0),
        ((0.0, 0.0), 5.0, 15.0),  # mean 10
        ((0.0, 0.0), 50.0, 10.0),
        ((24.0, 0.0), 0.0, 20.0),
    ],
)
def test_chroma_stays_near_the_first(other, most, expected):
    made = blend((FakeEngine((20.0, 0.0)), 1), (FakeEngine(other), 1), most_chroma=most)
    assert np.allclose(ab_of(made)[0, 0], expected, atol=1e-3)


def test_opposite_hues_are_not_blown_up():
    made = blend((FakeEngine((40.0, 0.0)), 1), (FakeEngine((-39.0, 0.0)), 1), most_chroma=5)
    assert np.allclose(ab_of(made)[0, 0], 1.0, atol=1e-3)  # the mean is 0.5, at most doubled


def test_chroma_gain_is_that_of_each():
    ab = ab_of(blend((FakeEngine((10.0, 0)), 1), (ClassifyingEngine(), 1e-9), most_chroma=99))
    assert np.allclose(ab[0, 0], 10, atol=1e-3)
    left = ab_of(blend((ClassifyingEngine(), 1), (FakeEngine((0.0, 0)), 1e-9), most_chroma=99))
    alone = ClassifyingEngine().run(lightness(112, 168), None).ab
    assert np.allclose(left[0, :, 30, 2], 1.2 * alone[0, :, 14, 1], atol=0.05)


def test_the_gain_for_doubt_is_that_of_the_networks_that_answer_hints():
    sure, doubting = FakeEngine((10.0, 0)), ClassifyingEngine()
    deaf = FakeEngine((10.0, 0), accepts_hints=False)
    assert (sure.info.doubt_gain, doubting.info.doubt_gain) == (1.0, 1.2)
    made = blend((sure, 1), (doubting, 3))
    assert (made.info.chroma_gain, made.info.doubt_gain) == (1.0, pytest.approx(1.15))
    assert blend((deaf, 9), (doubting, 1)).info.doubt_gain == pytest.approx(1.2)
    assert blend((made, 1), (doubting, 1)).info.doubt_gain == pytest.approx(1.175)


def test_each_sees_the_picture_at_its_own_size():
    small, large = FakeEngine(size=64), FakeEngine(size=128, stride=8)
    made = blend((small, 1), (large, 1))
    assert (made.info.size, made.info.stride, made.info.fixed_size) == (128, 1, None)
    ab_of(made)
    assert small.seen[0][0].shape == (64, 96)
    assert large.seen[0][0].shape == (128, 192)


def test_a_network_of_one_size_gets_the_whole_picture():
    class Bound(FakeEngine):
        def __init__(self):
            super().__init__((5.0, 5.0), stride=1, accepts_hints=False)
            from dataclasses import replace

            self.info = replace(self.info, fixed_size=48, size=48)

    bound = Bound()
    found = ab_of(blend((bound, 1), (FakeEngine((5.0, 5.0)), 1)))
    assert bound.seen[0][0].shape == (48, 48)
    assert found.shape == (1, 2, 64, 96)
    assert np.allclose(found, 5)


class Obedient(FakeEngine):
    """Answers with the hints' colour wherever there is one."""

    def one(self, lightness, hints):
        found = super().one(lightness, hints)
        if hints is not None and hints[2].any():
            a, b = (plane[hints[2] > 0].mean() for plane in hints[:2])
            found.ab[:] = np.float32([a, b])[:, None, None]
        return found


def test_hints_move_the_blend_in_full():
    hinted, deaf = Obedient((10.0, 0.0)), FakeEngine((20.0, 0.0), accepts_hints=False)
    made = blend((hinted, 1), (deaf, 1))
    assert made.info.accepts_hints
    planes = np.zeros((1, 3, 64, 96), np.float32)
    planes[0, :, 10:20, 10:20] = np.float32([-40, 30, 1])[:, None, None]
    moved = ab_of(made, planes) - ab_of(made)
    assert np.allclose(moved[0, :, 40, 40], [-50, 30], atol=0.5)
    assert all(hints is None for _, hints in deaf.seen)


def test_through_the_colorizer():
    made = Colorizer(blend((Obedient((10.0, 0.0)), 1), (FakeEngine((20.0, 0.0)), 1)))
    rng = np.random.default_rng(0)
    grey = np.repeat(np.repeat(rng.integers(30, 220, (9, 13), dtype=np.uint8), 16, 0), 16, 1)
    plain = made(grey)
    asked = made(grey, hints=[Hint(60, 60, "#2040c0", 12)], best=True)
    assert plain.shape == (144, 208, 3)
    assert np.abs(asked[60, 60].astype(int) - plain[60, 60]).max() > 20
    with pytest.raises(OptionError, match="predicts colours, not how likely"):
        made(grey, alternative=1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: blend((FakeEngine(), 1)), "needs two models but has 1"),
        (lambda: blend((FakeEngine(), 1), (FakeEngine(), 0)), "weight of `fake` is 0"),
        (lambda: blend((FakeEngine(), 1), (FakeEngine(), float("nan"))), "must be above 0"),
        (
            lambda: blend((FakeEngine(), 1), (FakeEngine(), 1e6)),
            "must be above 0 and below",
        ),
        (
            lambda: blend((FakeEngine(), 1), (FakeEngine(), 1), most_chroma=-1),
            "is -1 but must be 0",
        ),
        (lambda: blend((FakeEngine(), 1), (FakeEngine(), 1), most_chroma=1e6), "to a million Lab"),
    ],
)
def test_what_is_no_blend(make, words):
    with pytest.raises(OptionError, match=words):
        make()


def test_a_copy_for_another_process_opens_its_files_again():
    colorizer = Colorizer.load("koala,koala-int8:2", threads=1)
    grey = np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))
    for again in (pickle.loads(pickle.dumps(colorizer)), copy.deepcopy(colorizer)):
        assert again.info == colorizer.info
        np.testing.assert_array_equal(again(grey), colorizer(grey))
