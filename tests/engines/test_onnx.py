"""Networks in ONNX files: batches, bins of their own, providers."""

import json

import numpy as np
import pytest

from koalarize.color import Bins, default_bins
from koalarize.engines.engine import METADATA_FORMAT, METADATA_KEY
from koalarize.engines.onnx import OnnxEngine
from koalarize.errors import ModelError, OptionError

onnx = pytest.importorskip("onnx")
CENTRES = [[0.0, 0.0], [60.0, 40.0], [-40.0, 40.0]]


def written(path, *, centres=None, logits=None, takes_hints=False, output="logits"):
    """Write a network that multiplies lightness, or sums a lightness and hints, by channel."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    centres = CENTRES if centres is None else centres
    count = 2 if output == "ab" else logits or len(centres)
    factors = np.linspace(-0.1, 0.1, count, dtype=np.float32).reshape(1, count, 1, 1)
    inputs = [helper.make_tensor_value_info("l", kind, ["B", 1, "h", "w"])]
    nodes = [helper.make_node("Mul", ["l", "factors"], [output])]
    if takes_hints:
        inputs.append(helper.make_tensor_value_info("hints", kind, ["B", 3, "h", "w"]))
        nodes = [
            helper.make_node("ReduceSum", ["hints", "axis"], ["sum"]),
            helper.make_node("Add", ["l", "sum"], ["seen"]),
            helper.make_node("Mul", ["seen", "factors"], [output]),
        ]
    graph = helper.make_graph(
        nodes,
        "small",
        inputs,
        [helper.make_tensor_value_info(output, kind, ["B", count, "h", "w"])],
        [
            onnx.numpy_helper.from_array(factors, "factors"),
            onnx.numpy_helper.from_array(np.array([1]), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    facts = {
        **{"format": METADATA_FORMAT, "name": "small", "stride": 4, "accepts_hints": takes_hints},
        **{"size": 16, "temperature": 0.5, "output": output, "chroma_gain": 1.0},
    }
    if output == "logits":
        facts["bins"] = centres
    helper.set_model_props(model, {METADATA_KEY: json.dumps(facts)})
    onnx.save(model, path)
    return path


def lightness(batch):
    return np.random.default_rng(0).uniform(0, 100, (batch, 8, 12)).astype(np.float32)


@pytest.mark.parametrize("takes_hints", [False, True])
@pytest.mark.parametrize("output", ["logits", "ab"])
def test_a_batch_is_its_pictures_one_by_one(tmp_path, takes_hints, output):
    engine = OnnxEngine(written(tmp_path / "a.onnx", takes_hints=takes_hints, output=output))
    given = lightness(3)
    hints = np.random.default_rng(1).uniform(-50, 50, (3, 3, 8, 12)).astype(np.float32)
    together = engine.run(given, hints)
    assert together.ab.shape == (3, 2, 8, 12)
    assert (together.logits is None) == (output == "ab")
    for number in range(3):
        alone = engine.run(given[number : number + 1], hints[number : number + 1]).of(0)
        assert np.allclose(together.of(number).ab, alone.ab, atol=1e-4)
    changed = not np.array_equal(engine.run(given, None).ab, together.ab)
    assert changed == takes_hints


class TestBins:
    def test_a_file_s_own_are_taken(self, tmp_path):
        engine = OnnxEngine(written(tmp_path / "a.onnx"))
        assert engine.info.bins == Bins(np.float32(CENTRES))
        found = engine.run(lightness(1), None)
        assert found.logits is not None
        assert found.logits.shape[1] == len(CENTRES)
        expected = Bins(np.float32(CENTRES)).decode(found.logits, temperature=0.5)
        assert np.array_equal(found.ab, expected)

    def test_those_of_koalarize_are_shared(self, tmp_path):
        path = written(tmp_path / "a.onnx", centres=default_bins().centres.tolist())
        assert OnnxEngine(path).info.bins is default_bins()

    @pytest.mark.parametrize("centres", [[], [1.0, 2.0], [[1.0, 2.0, 3.0]], [[float("nan"), 0.0]]])
    def test_what_is_no_list_of_colours_is_refused(self, tmp_path, centres):
        path = written(tmp_path / "a.onnx", centres=centres, logits=3)
        with pytest.raises(ModelError, match="does not describe itself"):
            OnnxEngine(path)

    def test_there_is_one_logit_for_each(self, tmp_path):
        path = written(tmp_path / "a.onnx", logits=5)
        with pytest.raises(ModelError, match="names 3 ab bins but has 5 logits"):
            OnnxEngine(path)


class TestProviders:
    def test_one_that_is_not_there(self, tmp_path):
        path = written(tmp_path / "a.onnx")
        with pytest.raises(OptionError, match=r"`Abacus` is not there.*CPUExecutionProvider"):
            OnnxEngine(path, provider="Abacus")

    @pytest.mark.filterwarnings("ignore:Specified provider")
    def test_another_one_never_takes_its_place_in_silence(self, tmp_path, monkeypatch):
        import onnxruntime

        known = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            pytest.skip("this ONNX Runtime knows the provider")
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: known)
        with pytest.raises(OptionError, match="cannot be used on this machine"):
            OnnxEngine(written(tmp_path / "a.onnx"), provider="CUDAExecutionProvider")
