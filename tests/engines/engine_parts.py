"""What tests of engines share: a small graph that describes itself as an exported model."""

import json

import numpy as np
import pytest

from koalarize.engines.engine import METADATA_FORMAT, METADATA_KEY

onnx = pytest.importorskip("onnx")
CENTRES = [[0.0, 0.0], [60.0, 40.0], [-40.0, 40.0]]


def written(
    path, *, centres=None, logits=None, takes_hints=False, output="logits", said=None, **more
):
    """Write a network that multiplies lightness, or sums a lightness and hints, by channel.

    It says of itself ``more`` too, or ``said`` alone.
    """
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
    helper.set_model_props(model, {METADATA_KEY: said or json.dumps(facts | more)})
    onnx.save(model, path)
    return path
