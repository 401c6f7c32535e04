"""Other people's networks: each contract against its own arithmetic, and what is refused."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from foreign_parts import CHANNELS, WEIGHTS, graph_of, save, tiny
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.contracts import Contract, ContractEngine, contract_file, read_contract
from koalarize.engines.session import open_session
from koalarize.errors import ModelError, OptionError
from koalarize.models.open import open_model

KINDS = list(CHANNELS)


def lightness(batch=2, side=32):
    ramp = np.linspace(2, 98, side * side, dtype=np.float32).reshape(side, side)
    return np.stack([np.roll(ramp, n, axis=0) for n in range(batch)])


def by_hand(kind, l):
    """What the contract gives, by scikit-image and plain arithmetic."""
    from skimage.color import lab2rgb, rgb2lab

    weight, bias = (np.float64(part) for part in WEIGHTS[kind])
    shown = l[..., None].astype(np.float64)
    if kind != "l-to-ab":
        shown = lab2rgb(np.concatenate([shown, np.zeros_like(shown).repeat(2, -1)], -1))
    out = shown @ weight.T + bias
    if kind == "grey-to-srgb":
        out = rgb2lab(np.clip(out, 0, 1))[..., 1:]
    return np.moveaxis(out, -1, 1)


@pytest.mark.parametrize("kind", KINDS)
class TestEachContract:
    def test_parity(self, tmp_path, kind):
        engine = open_model(tiny(tmp_path / "a.onnx", kind))
        assert engine.contract.kind == kind
        assert not engine.info.accepts_hints
        found = engine.run(lightness(), None).ab
        assert found.dtype == np.float32
        assert np.abs(found - by_hand(kind, lightness())).max() < 5e-3

    def test_a_batch_that_is_fixed(self, tmp_path, kind):
        free = open_model(tiny(tmp_path / "a.onnx", kind)).run(lightness(3), None).ab
        for batch in (1, 2):
            one = open_model(tiny(tmp_path / "b.onnx", kind, batch=batch))
            assert np.allclose(one.run(lightness(3), None).ab, free, atol=1e-5)

    def test_half_precision(self, tmp_path, kind):
        engine = open_model(tiny(tmp_path / "a.onnx", kind, dtype=TensorProto.FLOAT16))
        found = engine.run(lightness(), None).ab
        assert np.abs(found - by_hand(kind, lightness())).max() < 0.6

    @pytest.mark.parametrize("side", [None, 64])
    def test_a_coloured_photo_gives_what_its_grey_gives(self, tmp_path, kind, side):
        rng = np.random.default_rng(5)
        lab = np.empty((48, 80, 3), np.float32)
        lab[..., 0] = color.resize(rng.uniform(20, 90, (1, 6, 10)).astype(np.float32), 48, 80)[0]
        lab[..., 1:] = rng.uniform(-15, 15, 2)
        grey = lab * np.float32([1, 0, 0])
        colorizer = Colorizer(open_model(tiny(tmp_path / "a.onnx", kind, side=side)))
        seen, plain = (colorizer(color.lab_to_srgb(lab), size=side or 32) for lab in (lab, grey))
        assert np.abs(seen - plain).max() < 2e-3
        assert color.colorfulness(plain) > 5

    def test_only_chroma_is_taken(self, tmp_path, kind):
        grey = np.linspace(60, 180, 96 * 96, dtype=np.uint8).reshape(96, 96)
        out = Colorizer(open_model(tiny(tmp_path / "a.onnx", kind, side=64)))(grey)
        found = color.srgb_to_lab(out)[..., 0]
        assert np.abs(found - color.grey_to_lightness(grey)).max() < 0.8

    def test_values_that_are_no_numbers(self, tmp_path, kind):
        given, found = CHANNELS[kind]
        weights = (np.full((found, given), np.inf), np.full(found, -np.inf))
        engine = open_model(tiny(tmp_path / "a.onnx", kind, weights=weights))
        with pytest.raises(ModelError, match=r"model `a` gives values that are no numbers"):
            engine.run(lightness(), None)

    def test_chroma_has_bounds(self, tmp_path, kind):
        given, found = CHANNELS[kind]
        weights = (np.zeros((found, given)), np.full(found, 9e4))
        ab = open_model(tiny(tmp_path / "a.onnx", kind, weights=weights)).run(lightness(), None).ab
        assert np.abs(ab).max() <= 128


class TestSaid:
    """What a contract says, beside what the shapes tell."""

    def test_white_and_unit(self, tmp_path):
        path = tiny(tmp_path / "a.onnx", "grey-to-srgb", weights=(np.eye(3), [0, 0, 51]))
        contract_file(path).write_text(json.dumps({"kind": "grey-to-srgb", "white": 255}))
        l = np.full((1, 32, 32), 50, np.float32)
        grey = color.lab_to_srgb(np.float32([[50, 0, 0]]))
        expected = color.srgb_to_lab(grey + np.float32([0, 0, 0.2]))[0, 1:]
        assert np.allclose(open_model(path).run(l, None).ab[0, :, 0, 0], expected, atol=0.05)
        contract_file(path).unlink()
        assert not np.allclose(open_model(path).run(l, None).ab[0, :, 0, 0], expected, atol=1)

    def test_lab_units(self, tmp_path):
        path = tiny(tmp_path / "a.onnx", "l-to-ab", weights=([[0.5], [-0.25]], [0, 0]))
        contract = Contract("l-to-ab", white=1.0, unit=110.0, size=48, stride=8)
        engine = ContractEngine(open_session(path), contract)
        ab = engine.run(np.full((1, 8, 8), 40, np.float32), None).ab
        assert np.allclose(ab[0, :, 0, 0], [0.4 * 0.5 * 110, -0.4 * 0.25 * 110], atol=1e-3)
        assert (engine.info.size, engine.info.stride) == (48, 8)

    def test_a_file_of_one_size_keeps_it(self, tmp_path):
        engine = open_model(tiny(tmp_path / "a.onnx", "grey-to-ab", side=64))
        assert (engine.info.fixed_size, engine.info.size) == (64, 64)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{", "cannot be read as JSON"),
            ("[1]", "must hold a kind"),
            ('{"kind": "grey-ab"}', "did you mean `grey-to-ab`"),
            ('{"kind": "l-to-ab", "sizes": 3}', "did you mean `size`"),
            ("[" * 100_000, "cannot be read as JSON"),
            ('{"kind": "l-to-ab", "size": 0}', "must be a whole number above 0"),
            ('{"kind": "l-to-ab", "stride": true}', "must be a whole number above 0"),
            ('{"kind": "l-to-ab", "white": "x"}', "must be a number above 0"),
            ('{"kind": "l-to-ab", "upsampling": "best"}', "must be nearest or bilinear"),
        ],
    )
    def test_what_cannot_be_said(self, tmp_path, text, words):
        path = tmp_path / "a.contract.json"
        path.write_text(text)
        with pytest.raises(ModelError, match=words):
            read_contract(path)
        assert issubclass(OptionError, Exception)

    def test_another_than_the_file_s(self, tmp_path):
        path = tiny(tmp_path / "a.onnx", "grey-to-ab")
        contract_file(path).write_text('{"kind": "l-to-ab"}')
        with pytest.raises(ModelError, match=r"takes 3 channels and gives 2 but `l-to-ab` is 1"):
            open_model(path)


def node(given="x", found="y"):
    return helper.make_node("Identity", [given], [found])


SQUARE = ["B", 3, "h", "w"]
BYTES = (TensorProto.UINT8, SQUARE)


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        (
            {"x": SQUARE, "mask": SQUARE},
            {"y": SQUARE},
            r"takes 2 inputs \(`x` B x 3 x h x w, `mask",
        ),
        ({"x": ["B", 3, "h"]}, {"y": ["B", 3, "h"]}, r"takes `x` B x 3 x h and gives"),
        (
            {"x": BYTES},
            {"y": BYTES},
            r"tensor\(uint8\)",
        ),
        ({"x": ["B", 4, "h", "w"]}, {"y": ["B", 4, "h", "w"]}, "which is not one of l-to-ab"),
        ({"x": ["B", 3, 32, 64]}, {"y": ["B", 3, 32, 64]}, "of 32 x 64 only but must take squares"),
        (
            {"x": ["B", 64, 64, 3]},
            {"y": ["B", 64, 64, 3]},
            "B x 64 x 64 x 3, channels last, but",
        ),
        ({"x": ["B", "c", "h", "w"]}, {"y": ["B", "c", "h", "w"]}, "which is more than one of"),
    ],
)
def test_graphs_that_are_no_colorizers(tmp_path, inputs, outputs, words):
    save(graph_of(inputs, outputs, [node()]), tmp_path / "a.onnx")
    with pytest.raises(ModelError, match=words):
        open_model(tmp_path / "a.onnx")


def test_a_graph_of_two_inputs_where_one_has_a_default(tmp_path):
    weight = numpy_helper.from_array(np.ones((2, 1, 1, 1), np.float32), "weight")
    nodes = [helper.make_node("Conv", ["x", "weight"], ["y"])]
    given = {"x": ["B", 1, "h", "w"], "weight": [2, 1, 1, 1]}
    save(graph_of(given, {"y": ["B", 2, "h", "w"]}, nodes, [weight]), tmp_path / "a.onnx")
    assert open_model(tmp_path / "a.onnx").contract.kind == "l-to-ab"


def test_free_channels_are_checked_when_they_are_seen(tmp_path):
    path = tmp_path / "a.onnx"
    free = ["B", "c", "h", "w"]
    save(graph_of({"x": free}, {"y": free}, [node()]), path)
    contract_file(path).write_text('{"kind": "grey-to-ab"}')
    with pytest.raises(ModelError, match=r"gives 1 x 3 x 8 x 8 but a `grey-to-ab` model gives"):
        open_model(path).run(np.zeros((1, 8, 8), np.float32), None)


def test_a_size_that_the_graph_does_not_take(tmp_path):
    path = tmp_path / "a.onnx"
    shape = numpy_helper.from_array(np.array([1, 3, 5, 5]), "shape")
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    save(graph_of({"x": SQUARE}, {"y": SQUARE}, nodes, [shape]), path)
    with pytest.raises(ModelError, match=r"fails on x \(1, 3, 8, 8\).*given in its contract"):
        open_model(path).run(np.zeros((1, 8, 8), np.float32), None)
