import dataclasses
import json
import re
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export_parts import FACTS, saved
from koalarize import color
from koalarize.engines.engine import METADATA_FORMAT, METADATA_KEY, Overview
from koalarize.engines.onnx import OnnxEngine
from koalarize.errors import ModelError, OptionError, OutputError
from koalarize.lab.evaluation.torch_engine import TorchEngine
from koalarize.lab.export.export import TOLERANCE, export, verify
from koalarize.lab.runs.checkpoint import load_checkpoint, save_checkpoint

SMALL = {"widths": [4, 6, 8]}


@pytest.fixture(scope="module")
def exported(whole_koala, tmp_path_factory):
    """Network name -> its checkpoint and the exported file."""
    unet = saved(tmp_path_factory.mktemp("export"), "unet-mini")
    koala = whole_koala, whole_koala.with_suffix(".onnx")
    return {"koala": koala, "unet-mini": (unet, export(unet))}


@pytest.mark.parametrize("name", ["koala", "unet-mini"])
@pytest.mark.parametrize(
    ("batch", "height", "width"), [(1, 1, 1), (1, 3, 5), (3, 5, 1), (1, 7, 9), (2, 4, 4)]
)
def test_parity_with_torch(exported, name, batch, height, width):
    checkpoint, path = exported[name]
    network = load_checkpoint(checkpoint).network
    rng = np.random.default_rng(batch + height)
    shape = (batch, 1, height * network.stride, width * network.stride)
    feed = {"l": rng.uniform(0, 100, shape).astype(np.float32)}
    if name == "koala":
        mask = (rng.random(shape) < 0.1).astype(np.float32)
        ab = rng.uniform(-90, 90, (batch, 2, *shape[2:])).astype(np.float32) * mask
        feed["hints"] = np.concatenate([ab, mask], axis=1)
    session = onnxruntime.InferenceSession(path)
    (found,) = session.run(None, feed)
    with torch.inference_mode():
        given = [torch.from_numpy(value) for value in feed.values()]
        run = network.logits if name == "koala" else network
        expected = run(*given).numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4
    assert expected.std() > 1e-3  # the comparison says something


def test_a_graph_of_training_mode_would_not_be_taken(exported):
    """`load_checkpoint` gives eval mode; dropout would otherwise be part of the graph."""
    graph = onnx.load(exported["unet-mini"][1]).graph
    assert not {node.op_type for node in graph.node} & {"Dropout", "RandomUniform", "Bernoulli"}
    strided = [
        node
        for node in onnx.load(exported["koala"][1]).graph.node
        if node.op_type == "Conv"
        and any(a.name == "strides" and list(a.ints) == [2, 2] for a in node.attribute)
    ]
    assert len(strided) == 5  # the encoder's own; its branch for training has one


@pytest.mark.parametrize("name", ["koala", "unet-mini"])
def test_it_describes_itself(exported, name):
    checkpoint, path = exported[name]
    model = onnx.load(path)
    assert [prop.key for prop in model.metadata_props] == [METADATA_KEY]
    facts = json.loads(model.metadata_props[0].value)
    classifies = name == "koala"
    assert facts["format"] == METADATA_FORMAT
    assert facts["name"] == f"my-{name}"
    assert facts["network"] == name
    assert facts["stride"] == (32 if classifies else 4)
    assert facts["accepts_hints"] is classifies
    assert facts["fixed_size"] is None
    assert facts["size"] == 192
    assert facts["temperature"] == 0.4
    assert facts["output"] == ("logits" if classifies else "ab")
    assert facts["parameters"] == (5_367_172 if classifies else 618_530)
    assert facts["facts"] == FACTS
    assert facts["recipe"]["batch"] == load_checkpoint(checkpoint).recipe.batch
    assert facts["recipe"]["network"]["encoder"] == "start.safetensors"
    assert facts["recipe"]["data"]["train"] == "photos"
    assert facts["recipe"]["data"]["validation"] == "val"
    assert ("bins" in facts) is classifies
    if classifies:
        assert facts["bins"] == color.ab_bins().tolist()


def test_a_file_does_not_say_how_far_violets_are_paled_and_so_they_are_as_ours(exported):
    _, path = exported["koala"]
    assert "violets" not in json.loads(onnx.load(path).metadata_props[0].value)
    assert OnnxEngine(path).info.violets == color.PALED


@pytest.mark.parametrize("name", ["koala", "unet-mini"])
def test_names_and_free_sides(exported, name):
    graph = onnx.load(exported[name][1]).graph
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    if name == "koala":
        assert shapes == {
            "l": ["B", 1, "32*h", "32*w"],
            "hints": ["B", 3, "32*h", "32*w"],
            "logits": ["B", len(color.ab_bins()), "4*h", "4*w"],
        }
    else:
        assert shapes == {"l": ["B", 1, "4*h", "4*w"], "ab": ["B", 2, "4*h", "4*w"]}


@pytest.mark.parametrize("name", ["koala", "unet-mini"])
def test_the_file_is_whole_and_modest_and_tells_nothing_of_the_machine(exported, name):
    _, path = exported[name]
    data = path.read_bytes()
    model = onnx.load_from_string(data)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] <= 20
    assert model.ir_version <= 10
    assert not [tensor for tensor in model.graph.initializer if tensor.external_data]
    assert len(data) < 1.02 * 4 * json.loads(model.metadata_props[0].value)["parameters"] + 40_000
    for trace in (
        rb"/(home|root|usr|work|tmp|Users)/",
        rb"site-packages",
        rb"stack_trace",
        rb"\w{4,}\.py",
    ):
        assert not re.search(trace, data)
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)


def test_the_engine_takes_it(exported):
    for name, (_, path) in exported.items():
        engine = OnnxEngine(path, threads=1)
        prediction = engine.run(np.full((1, 64, 96), 50, np.float32), None).of(0)
        assert engine.info.size == 192
        assert prediction.ab.shape == ((2, 8, 12) if name == "koala" else (2, 64, 96))


def test_a_model_of_an_earlier_version_is_taken(exported, tmp_path):
    """It does not mention that it takes any size."""
    model = onnx.load(exported["unet-mini"][1])
    facts = json.loads(model.metadata_props[0].value)
    for written, expected in ((None, None), (16, 16)):
        facts.pop("fixed_size", None)
        if written:
            facts["fixed_size"] = written
        model.metadata_props[0].value = json.dumps(facts)
        onnx.save(model, tmp_path / "a.onnx")
        assert OnnxEngine(tmp_path / "a.onnx").info.fixed_size == expected
    facts["fixed_size"] = "any"
    model.metadata_props[0].value = json.dumps(facts)
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(ModelError, match="does not describe itself"):
        OnnxEngine(tmp_path / "a.onnx")


def test_a_graph_is_traced_without_gradients(tmp_path, monkeypatch):
    """They are no part of it, and cost a sixth of the time."""
    seen = []

    def traced(*_, **__):
        seen.append(torch.is_grad_enabled())
        raise InterruptedError

    monkeypatch.setattr(torch.onnx, "export", traced)
    with pytest.raises(InterruptedError):
        export(saved(tmp_path, "unet-mini", **SMALL))
    assert seen == [False]
    assert torch.is_grad_enabled()


@pytest.mark.usefixtures("graphs_once")
class TestOptions:
    @pytest.fixture
    def checkpoint(self, tmp_path):
        return saved(tmp_path, "unet-mini", **SMALL)

    def facts(self, path):
        return json.loads(onnx.load(path).metadata_props[0].value)

    def test_what_is_asked_wins_over_the_recipe(self, checkpoint, tmp_path):
        path = export(checkpoint, tmp_path / "other.onnx", size=128, chroma_gain=0.9)
        assert path == tmp_path / "other.onnx"
        facts = self.facts(path)
        assert (facts["size"], facts["chroma_gain"]) == (128, 0.9)
        assert (facts["recipe"]["size"], facts["recipe"]["chroma_gain"]) == (128, 0.9)

    def test_an_overview_is_written_and_used(self, exported, tmp_path, monkeypatch):
        checkpoint, earlier = exported["koala"]

        def traced(*_):  # which takes ten seconds, and is the same
            model = onnx.load(earlier)
            del model.metadata_props[:]
            return model

        monkeypatch.setattr(sys.modules[export.__module__], "graph_of", traced)
        path = export(checkpoint, tmp_path / "a.onnx", overview=Overview(96, 0.4), temperature=0.9)
        facts = self.facts(path)
        assert facts["temperature"] == facts["recipe"]["temperature"] == 0.9
        assert facts["overview"] == facts["recipe"]["overview"] == {"size": 96, "weight": 0.4}
        engine = OnnxEngine(path)
        assert engine.info.overview == Overview(96, 0.4)
        loaded = load_checkpoint(checkpoint)
        recipe = dataclasses.replace(loaded.recipe, overview=Overview(96, 0.4))
        lightness = np.random.default_rng(0).uniform(0, 100, (1, 128, 160)).astype(np.float32)
        expected = TorchEngine.of(loaded.network, recipe).run(lightness, None).logits
        once = TorchEngine.of(loaded.network, loaded.recipe).run(lightness, None).logits
        found = engine.run(lightness, None).logits
        assert found is not None
        assert np.abs(found - expected).max() < 1e-4
        assert np.abs(found - once).max() > 1e-3

    def test_only_logits_are_joined(self, checkpoint, tmp_path):
        with pytest.raises(OptionError, match="`overview` is set but the network `unet-mini`"):
            export(checkpoint, tmp_path / "a.onnx", overview=Overview(96))

    def test_only_logits_have_a_temperature(self, checkpoint, tmp_path):
        with pytest.raises(OptionError, match=r"`temperature` is 0\.9 but the network `unet-mini`"):
            export(checkpoint, tmp_path / "a.onnx", temperature=0.9)

    def test_an_earlier_export_is_replaced(self, checkpoint):
        target = checkpoint.with_suffix(".onnx")
        target.write_bytes(b"old")
        assert export(checkpoint) == target
        assert self.facts(target)["size"] == 192
        assert sorted(path.suffix for path in target.parent.iterdir()) == [".onnx", ".safetensors"]

    def test_errors(self, checkpoint, tmp_path):
        with pytest.raises(OptionError, match="`size` is 0"):
            export(checkpoint, size=0)
        with pytest.raises(OptionError, match="`temperature` is -1"):
            export(checkpoint, temperature=-1)
        for name in ("temperature", "chroma_gain"):
            with pytest.raises(OptionError, match=f"`{name}` is inf but must be above 0, and fini"):
                export(checkpoint, **{name: float("inf")})
        with pytest.raises(OptionError, match="is the source itself"):
            export(checkpoint, checkpoint)
        with pytest.raises(ModelError, match="cannot be read as a checkpoint"):
            export(tmp_path / "no.safetensors")
        with pytest.raises(OutputError, match=r"`.*no` of `a.onnx` does not exist"):
            export(tmp_path / "no.safetensors", tmp_path / "no" / "a.onnx")  # before it is read
        assert [path.name for path in tmp_path.iterdir()] == ["unet-mini.safetensors"]

    def test_only_a_model_is_replaced(self, checkpoint, tmp_path):
        (tmp_path / "thesis.docx").write_bytes(b"years")
        (tmp_path / "same.onnx").hardlink_to(checkpoint)
        for name, kind, words in (
            ("thesis.docx", OutputError, r"exists and is no \.onnx file"),
            ("same.onnx", OptionError, "is the source itself"),
        ):
            with pytest.raises(kind, match=words):
                export(checkpoint, tmp_path / name)
        assert (tmp_path / "thesis.docx").read_bytes() == b"years"

    def test_a_graph_that_differs_is_refused(self, exported):
        checkpoint, path = exported["unet-mini"]
        data = path.read_bytes()
        network = load_checkpoint(checkpoint).network
        assert verify(data, network) <= TOLERANCE
        with torch.no_grad():
            network.head.bias += 1e-3
        with pytest.raises(ModelError, match=r"differs from the network by 0\.13 but must be"):
            verify(data, network)
        with torch.no_grad():
            network.head.bias.fill_(float("nan"))
        with pytest.raises(ModelError, match="differs from the network by nan"):
            verify(data, network)

    def test_weights_that_are_not_finite_are_never_written(self, tmp_path):
        checkpoint = saved(tmp_path, "unet-mini", **SMALL)
        loaded = load_checkpoint(checkpoint)
        state = loaded.network.state_dict()
        state["head.bias"][0] = float("nan")
        save_checkpoint(checkpoint, state, loaded.recipe, {})
        with pytest.raises(ModelError, match="may be damaged"):
            export(checkpoint)
        assert not checkpoint.with_suffix(".onnx").exists()
