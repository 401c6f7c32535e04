"""Tiny ONNX files as other people would give them, one of each contract."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: Contract -> (channels in, channels out).
CHANNELS = {"l-to-ab": (1, 2), "grey-to-ab": (3, 2), "grey-to-srgb": (3, 3)}
#: What they compute: out = weight @ in + bias at each pixel.
WEIGHTS = {
    "l-to-ab": ([[0.4], [-0.3]], [5.0, 12.0]),
    "grey-to-ab": ([[10.0, 20.0, 10.0], [-10.0, -20.0, 0.0]], [-8.0, 24.0]),
    "grey-to-srgb": ([[0.9, 0, 0], [0, 0.8, 0], [0, 0.2, 0.4]], [0.1, 0.0, 0.05]),
}


def tiny(path, kind, *, side=None, batch="B", dtype=TensorProto.FLOAT, weights=None):
    """Write a network of one layer; ``side`` binds it to one square size."""
    given, found = CHANNELS[kind]
    weight, bias = (np.float32(part) for part in weights or WEIGHTS[kind])
    kinds = {TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16}
    places = ["h", "w"] if side is None else [side, side]
    parts = {
        "weight": weight.reshape(found, given, 1, 1),
        "bias": bias,
    }
    graph = helper.make_graph(
        [helper.make_node("Conv", ["picture", "weight", "bias"], ["colours"])],
        "tiny",
        [helper.make_tensor_value_info("picture", dtype, [batch, given, *places])],
        [helper.make_tensor_value_info("colours", dtype, [batch, found, *places])],
        [numpy_helper.from_array(v.astype(kinds[dtype]), name) for name, v in parts.items()],
    )
    save(graph, path)
    return path


def save(graph, path):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def graph_of(inputs, outputs, nodes, weights=()):
    """Make a graph of {name: shape} in and out; float unless a shape begins with a type."""

    def infos(shapes):
        return [
            helper.make_tensor_value_info(
                name, *(shape if isinstance(shape, tuple) else (TensorProto.FLOAT, shape))
            )
            for name, shape in shapes.items()
        ]

    return helper.make_graph(nodes, "graph", infos(inputs), infos(outputs), list(weights))
