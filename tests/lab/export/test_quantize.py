"""Lighter exports: half the bits, the same colours, and a refusal where they are not."""

import dataclasses
import json
import re

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from fakes import ClassifyingEngine
from koalarize import Colorizer, color
from koalarize.cli import main
from koalarize.engines.engine import METADATA_KEY, Overview
from koalarize.errors import DataError, ModelError, OptionError, OutputError
from koalarize.lab.export.drift import Drift, Recorder, colored, drift_between
from koalarize.lab.export.export import export
from koalarize.lab.export.quantize import eight_bit, export_lighter, half
from koalarize.lab.runs.checkpoint import build_network, save_checkpoint
from koalarize.lab.runs.recipe import DataOptions, LossOptions, NetworkOptions, Recipe
from runs import make_photos


def saved(folder, name="unet-mini", loss="mse", size=32, **options):
    torch.manual_seed(3)
    recipe = Recipe(
        name=f"my-{name}",
        network=NetworkOptions(name, options),
        data=DataOptions(train="photos"),
        loss=LossOptions(loss),
        size=size,
    )
    network = build_network(recipe.network)
    with torch.no_grad():
        for parameter in network.head.parameters():  # else it begins with hardly any colour
            parameter.mul_(4)
    path = folder / f"{name}.safetensors"
    save_checkpoint(path, network.state_dict(), recipe, {"steps": 3})
    return path


@pytest.fixture(scope="module")
def made(graphs_once, tmp_path_factory):
    """A checkpoint, its fp32 file and photos."""
    folder = tmp_path_factory.mktemp("lighter")
    checkpoint = saved(folder, widths=[16, 24, 32])
    return checkpoint, export(checkpoint), make_photos(folder / "photos")


def facts_of(path):
    model = onnx.load(path)
    assert [entry.key for entry in model.metadata_props] == [METADATA_KEY]
    return json.loads(model.metadata_props[0].value)


def convolution_model(weights):
    """Return l -> ab by one 3x3 convolution."""
    channels = weights.shape[0]
    node = helper.make_node("Conv", ["l", "w"], ["ab"], pads=[1, 1, 1, 1])
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("l", TensorProto.FLOAT, ["B", 1, "h", "w"])],
        [helper.make_tensor_value_info("ab", TensorProto.FLOAT, ["B", channels, "h", "w"])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_lighter_model_is_small_near_and_says_so(made, tmp_path, precision):
    _, fp32, photos = made
    seen = []
    path, drift = export_lighter(
        fp32,
        tmp_path / "light.onnx",
        precision=precision,
        calibrate=photos,
        limit=5,
        most_delta_e=1.5,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert path == tmp_path / "light.onnx"
    assert [path.name for path in tmp_path.iterdir()] == ["light.onnx"]
    assert seen == [(number, 10) for number in range(1, 11)]
    assert drift.pictures == 5
    assert drift.mean <= (0.1 if precision == "fp16" else 1.5)
    facts, before = facts_of(path), facts_of(fp32)
    assert facts.pop("drift") == {
        "mean": drift.mean,
        "p95": drift.p95,
        "worst": drift.worst,
        "pictures": 5,
    }
    assert (before.pop("precision"), facts.pop("precision")) == ("fp32", precision)
    assert facts.pop("name") == f"{before.pop('name')}-{precision}"
    assert facts == before
    weights = onnx.load(path).graph.initializer
    stored = {TensorProto.DataType.Name(tensor.data_type) for tensor in weights}
    assert ("INT8" in stored) is (precision == "int8")
    assert not re.search(rb"/(home|root|usr|work|tmp|Users)/", path.read_bytes())
    # The colours are the network's, not grey's: the comparison says something.
    picture = np.asarray(Image.open(photos / "0.png"))
    ab = color.srgb_to_lab(Colorizer.load(path, threads=1)(picture))[..., 1:]
    assert np.abs(ab).mean() > 1


def test_half_computes_with_rounded_weights_in_half_the_file(made):
    full = onnx.load(made[1])
    lighter = half(full)
    assert onnx.load(made[1]) == full  # what was given is left alone
    large = [tensor for tensor in full.graph.initializer if np.prod(tensor.dims) >= 1024]
    assert large
    assert sum(node.op_type == "Cast" for node in lighter.graph.node) == len(large)
    sizes = [len(model.SerializeToString()) for model in (full, lighter)]
    saved_bytes = 2 * sum(int(np.prod(tensor.dims)) for tensor in large)
    assert sizes[0] - sizes[1] == pytest.approx(saved_bytes, rel=0.05)
    lightness = np.random.default_rng(1).uniform(0, 100, (2, 1, 8, 12)).astype(np.float32)
    expected, found = (
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"l": lightness})[0]
        for model in (full, lighter)
    )
    assert 0 < np.abs(expected - found).max() < 0.01 * np.abs(expected).max()


@pytest.mark.parametrize("value", [1e5, float("inf"), float("nan")])
def test_half_refuses_what_16_bits_cannot_hold(value):
    weights = np.ones((128, 1, 3, 3), np.float32)
    weights[5, 0, 1, 1] = value
    with pytest.raises(ModelError, match=r"the weight `w` reaches .* export fp32"):
        half(convolution_model(weights))


def test_eight_bit_needs_something_to_quantise():
    model = convolution_model(np.ones((2, 1, 3, 3), np.float32))
    with pytest.raises(ModelError, match="has no dense convolution"):
        eight_bit(model, [{"l": np.ones((1, 1, 8, 8), np.float32)}])


def test_eight_bit_leaves_the_first_and_the_last_convolution(made):
    full = onnx.load(made[1])
    feeds = [{"l": np.random.default_rng(2).uniform(0, 100, (1, 1, 16, 16)).astype(np.float32)}]
    quantized = eight_bit(full, feeds)
    makers = {name: node for node in quantized.graph.node for name in node.output}
    convolutions = [node for node in quantized.graph.node if node.op_type == "Conv"]
    bits = [makers[node.input[1]].op_type == "DequantizeLinear" for node in convolutions[1:-1]]
    assert any(bits)
    for node in (convolutions[0], convolutions[-1]):
        maker = makers.get(node.input[1])
        assert maker is None or maker.op_type == "Cast"


class TestDrift:
    def test_by_hand(self):
        """Greys one ΔE2000 apart, by the formula: dL' / S_L."""
        one, other = (np.full((4, 4, 3), level, np.uint8) for level in (118, 120))
        first, second = (float(color.srgb_to_lab(picture)[0, 0, 0]) for picture in (one, other))
        middle = ((first + second) / 2 - 50) ** 2
        expected = (second - first) / (1 + 0.015 * middle / (20 + middle) ** 0.5)
        drift = drift_between([one, one], [one, other])
        assert drift.mean == pytest.approx(expected / 2, abs=1e-3)
        assert drift.worst == pytest.approx(expected, abs=1e-3)
        assert drift.p95 == pytest.approx(expected, abs=1e-3)
        assert drift.pictures == 2
        assert drift_between([one], [one]) == Drift(0, 0, 0, 1)

    def test_errors(self):
        picture = np.zeros((2, 2, 3), np.uint8)
        with pytest.raises(ValueError, match="no pictures"):
            drift_between([], [])
        with pytest.raises(ValueError, match="shorter"):
            drift_between([picture, picture], [picture])


def test_every_fourth_picture_has_hints_and_always_the_same():
    from fakes import FakeEngine

    pictures = [np.random.default_rng(n).integers(0, 256, (64, 64, 3), np.uint8) for n in range(8)]
    engines = FakeEngine(), FakeEngine(), FakeEngine(accepts_hints=False)
    for engine in engines:
        colored(engine, pictures)
    hinted = [hints is not None for _, hints in engines[0].seen]
    # Every fourth is asked twice: without its hints, as it is out of their reach, and with them.
    assert hinted == [False, False, False, False, True] * 2
    for (_, first), (_, second) in zip(engines[0].seen, engines[1].seen, strict=True):
        assert first is second is None or np.array_equal(first, second)
    assert not any(hints is not None for _, hints in engines[2].seen)


def test_what_is_noted_of_an_engine_are_both_looks():
    class Engine(ClassifyingEngine):
        info = dataclasses.replace(ClassifyingEngine.info, overview=Overview(64))

    recorder = Recorder(Engine())
    colored(recorder, [np.full((100, 100, 3), 128, np.uint8)])
    assert [feed["l"].shape for feed in recorder.feeds] == [(1, 1, 112, 112), (1, 1, 64, 64)]
    assert all(feed["hints"].shape == (1, 3, *feed["l"].shape[2:]) for feed in recorder.feeds)


class TestErrors:
    def light(self, made, tmp_path, source=None, **options):
        defaults = {"precision": "fp16", "calibrate": made[2], "limit": 2}
        return export_lighter(source or made[1], tmp_path / "a.onnx", **(defaults | options))

    def test_colours_too_far_off_are_refused(self, made, tmp_path):
        with pytest.raises(ModelError, match=r"are \d\.\d\d ΔE2000 .* must be within 0\.001"):
            self.light(made, tmp_path, precision="int8", most_delta_e=0.001)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"precision": "int4"}, OptionError, "`precision` is `int4` .* fp32, fp16, int8"),
            ({"precision": "fp32"}, OptionError, "`precision` is `fp32`"),
            ({"calibrate": None}, OptionError, "--calibrate photos"),
            ({"limit": 0}, OptionError, "`limit` is 0"),
            ({"most_delta_e": 0}, OptionError, "`max-delta-e` is 0"),
            ({"most_delta_e": float("nan")}, OptionError, "`max-delta-e` is nan"),
            ({"chroma_gain": 1.2}, OptionError, "`--chroma-gain` is set but"),
            ({"source": "kaola"}, ModelError, "did you mean `koala`"),
            ({"source": "no.safetensors"}, ModelError, "cannot be read as a checkpoint"),
            ({"source": "no.onnx"}, ModelError, "does not exist"),
        ],
    )
    def test_options(self, made, tmp_path, options, error, text):
        with pytest.raises(error, match=text):
            self.light(made, tmp_path, **options)
        assert not list(tmp_path.iterdir())

    def test_sources_and_pictures(self, made, tmp_path):
        with pytest.raises(OptionError, match="is the source itself"):
            export_lighter(made[1], made[1], precision="fp16", calibrate=made[2])
        with pytest.raises(OutputError, match=r"`.*no` of `a.onnx` does not exist"):
            export_lighter("no.safetensors", tmp_path / "no" / "a.onnx", precision="fp16",
                           calibrate=made[2])  # fmt: skip
        path, _ = self.light(made, tmp_path)
        with pytest.raises(ModelError, match="is fp16 already"):
            export_lighter(path, precision="int8", calibrate=made[2])
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match="holds no colour picture"):
            self.light(made, tmp_path, calibrate=tmp_path / "empty")


class TestCommand:
    def test_from_a_checkpoint(self, made, capsys):
        checkpoint, _, photos = made
        words = [
            "lab",
            "export",
            str(checkpoint),
            "--precision",
            "fp16",
            "--calibrate",
            str(photos),
        ]
        assert main([*words, "--limit", "3", "--size", "16"]) == 0
        printed = capsys.readouterr()
        target = checkpoint.with_name("unet-mini-fp16.onnx")
        assert printed.out == f"{target}\n"
        assert re.search(r"mean ΔE2000 from fp32 0\.\d\d over 3 pictures", printed.err)
        assert facts_of(target)["size"] == 16

    def test_pictures_without_a_lighter_model_are_an_error(self, made, capsys):
        assert main(["lab", "export", str(made[0]), "--limit", "3"]) == 2
        assert "--precision int8" in capsys.readouterr().err


@pytest.mark.slow
def test_koala_with_its_agreements(whole_koala, tmp_path):
    model = onnx.load(whole_koala.with_suffix(".onnx"))
    head = [weights for weights in model.graph.initializer if ".head." in weights.name]
    assert [tuple(weights.dims)[:1] for weights in head] == [(len(color.ab_bins()),)] * 2
    for weights in head:  # else it has hardly any colour
        weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * 4, weights.name))
    facts = json.loads(model.metadata_props[0].value)
    model.metadata_props[0].value = json.dumps(facts | {"size": 64})
    fp32 = tmp_path / "koala.onnx"
    onnx.save(model, fp32)
    photos = make_photos(tmp_path / "photos", 5)
    path, drift = export_lighter(fp32, precision="int8", calibrate=photos, most_delta_e=9)
    assert 0 < drift.mean < 2
    assert path.stat().st_size < 0.45 * fp32.stat().st_size
    graph = onnx.load(path).graph
    assert [node.op_type for node in graph.node].count("Softmax") == 4
    makers = {name: node for node in graph.node for name in node.output}
    blur, stem, *others = (node for node in graph.node if node.op_type == "Conv")
    for node in (blur, stem):
        maker = makers.get(node.input[1])
        assert maker is None or maker.op_type == "Cast"
    kinds = [makers[name].op_type for node in others if (name := node.input[1]) in makers]
    assert "DequantizeLinear" in kinds
