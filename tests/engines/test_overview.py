"""The second look at a picture: what it sees, where its answer lands, what it changes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from engine_parts import onnx, written

from koalarize.engines.engine import METADATA_KEY, ModelInfo, Overview
from koalarize.engines.onnx import OnnxEngine
from koalarize.engines.overview import logits_of, overview_of
from koalarize.errors import ModelError, OptionError

CELL = 4  # pixels of a cell of the networks below


def info(size=16, weight=1.0, stride=8):
    return ModelInfo("fake", stride, True, 32, output="logits", overview=Overview(size, weight))


class Cells:
    """A network of one logit: the mean L* of each cell. It keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, lightness, hints):
        self.asked.append((lightness, hints))
        batch, height, width = lightness.shape
        cells = lightness.reshape(batch, height // CELL, CELL, width // CELL, CELL)
        return cells.mean(axis=(2, 4), dtype=np.float32)[:, None]


def ramp(height, width, axis):
    shape = [1, 1, 1]
    shape[axis] = -1
    steps = np.arange((height, width)[axis - 1], dtype=np.float32).reshape(shape)
    return np.ascontiguousarray(np.broadcast_to(steps, (1, height, width)))


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("shape", [(32, 32), (32, 40), (72, 32)])
def test_both_looks_lie_on_the_same_places(shape, axis):
    lightness = ramp(*shape, axis)
    network = Cells()
    found = logits_of(network, lightness, None, info())
    expected = Cells()(lightness, None)
    seen = network.asked[1][0].shape[1:]
    assert min(seen) == 16  # what is longer is padded to the stride
    assert all(side % 8 == 0 for side in seen)
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # places beyond keep the end's
    assert np.abs(found - expected)[inside].max() < 0.3


def test_the_weight_is_of_the_second_look_beside_1_of_the_first():
    lightness = np.zeros((1, 32, 32), np.float32)
    answers = iter([np.float32([[[[0, 0], [0, 0]]]]), np.float32([[[[6]]]])])
    found = logits_of(lambda *_: next(answers), lightness, None, info(weight=0.5))
    assert found == pytest.approx(np.full((1, 1, 2, 2), 2), abs=1e-6)


@pytest.mark.parametrize("shape", [(16, 32), (8, 8)])
def test_a_picture_no_larger_than_it_gets_one_look(shape):
    network, lightness = Cells(), ramp(*shape, 1)
    assert overview_of(lightness, None, info()) is None
    assert np.array_equal(logits_of(network, lightness, None, info()), Cells()(lightness, None))
    assert len(network.asked) == 1


def test_without_an_overview_there_is_one_look():
    network, lightness = Cells(), ramp(32, 32, 1)
    logits_of(network, lightness, None, replace(info(), overview=None))
    assert len(network.asked) == 1


def test_a_hint_of_one_pixel_is_there_in_the_second_look():
    hints = np.zeros((2, 3, 32, 48), np.float32)
    hints[1, :, 9, 30] = (40, -20, 1)
    network = Cells()
    logits_of(network, np.concatenate([ramp(32, 48, 1)] * 2), hints, info())
    small = network.asked[1][1]
    assert not small[0].any()
    there = np.argwhere(small[1, 2] == 1)
    assert len(there) >= 1
    assert (abs(there - [4, 15]) <= 1).all()
    for row, column in there:
        assert small[1, :2, row, column] == pytest.approx((40, -20), abs=0.01)
    assert (small[1, :, small[1, 2] == 0] == 0).all()


def with_overview(tmp_path, overview):
    path = written(tmp_path / "a.onnx")
    model = onnx.load(path)
    facts = json.loads(model.metadata_props[0].value) | {"overview": overview}
    model.metadata_props[0].key, model.metadata_props[0].value = METADATA_KEY, json.dumps(facts)
    onnx.save(model, path)
    return path


def test_a_file_says_that_it_takes_one(tmp_path):
    engine = OnnxEngine(with_overview(tmp_path, {"size": 4, "weight": 0.5}))
    assert engine.info.overview == Overview(4, 0.5)
    one_look = OnnxEngine(with_overview(tmp_path, None))
    assert one_look.info.overview is None
    lightness = np.random.default_rng(0).uniform(0, 100, (2, 8, 12)).astype(np.float32)
    both, single = engine.run(lightness, None), one_look.run(lightness, None)
    assert both.logits is not None
    assert single.logits is not None
    assert not np.allclose(both.logits, single.logits)
    decoded = engine.info.bins.decode(both.logits, temperature=engine.info.temperature)
    assert np.array_equal(both.ab, decoded)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"size": 4, "weight": -1}, {"side": 4}])
def test_one_that_cannot_be_is_refused(tmp_path, wrong):
    with pytest.raises(ModelError, match="does not describe itself"):
        OnnxEngine(with_overview(tmp_path, wrong))


@pytest.mark.parametrize(("values", "words"), [((0, 1.0), "size"), ((4, 0.0), "weight")])
def test_an_overview_s_values_are_checked(values, words):
    with pytest.raises(OptionError, match=f"`overview.{words}` is 0"):
        Overview(*values)
