"""Files that would reach outside their folder, or fill the memory, before anything loads them."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from foreign_parts import graph_of, save, tiny
from koalarize.engines.onnx_file import MOST_VALUES, check_file
from koalarize.errors import ModelError
from koalarize.models.open import open_model
from koalarize.models.store import find_model
from koalarize.photo.files import sha256_of


def external(path, location, *, place="initializer", **more):
    """Write a model whose weight lies in another file."""
    tensor = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[2, 1, 1, 1])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=str(value))
    nodes = [helper.make_node("Conv", ["x", "weight"], ["y"])]
    weights = [tensor]
    if place == "constant":
        nodes.insert(0, helper.make_node("Constant", [], ["weight"], value=tensor))
        weights = []
    if place == "branch":
        inner = helper.make_graph([], "inner", [], [], [tensor])
        nodes.append(helper.make_node("If", ["x"], [], then_branch=inner, else_branch=inner))
    shapes = ({"x": ["B", 1, "h", "w"]}, {"y": ["B", 2, "h", "w"]})
    model = helper.make_model(
        graph_of(*shapes, nodes, weights if place != "branch" else []),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_beside_the_model_are_read(tmp_path):
    (tmp_path / "weights.bin").write_bytes(np.float32([0.5, -0.5]).tobytes())
    path = external(tmp_path / "a.onnx", "weights.bin", offset=0, length=8)
    ab = open_model(path).run(np.full((1, 8, 8), 40, np.float32), None).ab
    assert np.allclose(ab[0, :, 0, 0], [20, -20])


def test_weights_beside_the_model_tell_it_from_others(tmp_path):
    """Else what a network trained further makes had counted as already coloured."""
    weights = tmp_path / "weights.bin"
    path = external(tmp_path / "a.onnx", "weights.bin", offset=0, length=8)
    found: set[str | None] = set()
    for level in (0.5, 0.25, 0.5):
        weights.write_bytes(np.float32([level, -0.5]).tobytes())
        found.add(open_model(path).info.identity)
    assert len(found) == 2
    assert sha256_of(path) not in found


@pytest.mark.parametrize("place", ["initializer", "constant", "branch"])
@pytest.mark.parametrize("location", ["../secret.bin", "{up}/secret.bin", "x/../../secret.bin"])
def test_weights_outside_the_folder(tmp_path, location, place):
    (tmp_path / "secret.bin").write_bytes(bytes(8))
    (tmp_path / "sub").mkdir()
    path = external(tmp_path / "sub" / "a.onnx", location.format(up=tmp_path), place=place)
    with pytest.raises(ModelError, match=r"keeps the weights `weight` in .*outside its own folder"):
        open_model(path)


def test_a_link_out_of_the_folder(tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(8))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(ModelError, match="outside its own folder"):
        check_file(external(tmp_path / "sub" / "a.onnx", "w.bin"))


@pytest.mark.parametrize(
    ("size", "more", "words"),
    [
        (None, {}, "which is not beside it"),
        (8, {"offset": 4, "length": 8}, "beyond the end of"),
        (8, {"offset": "x"}, "beyond the end of"),
        (8, {"offset": -4}, "beyond the end of"),
        (0, {}, r"declares 2 values in `weight` but holds 0 bytes"),
    ],
)
def test_weights_that_are_not_there(tmp_path, size, more, words):
    if size is not None:
        (tmp_path / "w.bin").write_bytes(bytes(size))
    with pytest.raises(ModelError, match=words):
        check_file(external(tmp_path / "a.onnx", "w.bin", **more))


def huge(path, dims):
    tensor = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=dims, raw_data=bytes(64))
    nodes = [helper.make_node("Conv", ["x", "weight"], ["y"])]
    save(graph_of({"x": ["B", 1, "h", "w"]}, {"y": ["B", 2, "h", "w"]}, nodes, [tensor]), path)
    return path


def test_more_weights_than_the_file_holds(tmp_path):
    with pytest.raises(ModelError, match=r"declares 2,000 values in `weight` but holds"):
        check_file(huge(tmp_path / "a.onnx", [2, 1000]))


def test_more_weights_than_a_machine_has_room_for(tmp_path):
    words = rf"declares weights of 16,000,000,000 values .* at most {MOST_VALUES:,} are taken"
    with pytest.raises(ModelError, match=words):
        check_file(huge(tmp_path / "a.onnx", [4000, 4000, 1000]))


def test_graphs_inside_graphs(tmp_path):
    graph = helper.make_graph([], "g", [], [], [])
    for _ in range(20):
        graph = helper.make_graph(
            [helper.make_node("If", ["x"], [], then_branch=graph)], "g", [], []
        )
    save(graph, tmp_path / "a.onnx")
    with pytest.raises(ModelError, match="graphs inside graphs"):
        check_file(tmp_path / "a.onnx")


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x0a\xff\xff\xff\xff\x7f", b"\x08\x08"])
def test_no_models(tmp_path, data):
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(ModelError, match="cannot be loaded as an ONNX model"):
        open_model(tmp_path / "a.onnx")


def test_what_is_in_the_package_passes():
    check_file(find_model("koala"))
    check_file(find_model("koala-int8"))


def test_quantized_weights_pass(tmp_path):
    packed = numpy_helper.from_array(np.zeros((64, 3), np.int8), "w")
    save(graph_of({"x": ["B"]}, {"y": ["B"]}, [], [packed]), tmp_path / "a.onnx")
    check_file(tmp_path / "a.onnx")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_never_anything_but_an_error_of_ours(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("d") / "a.onnx"
    whole = bytearray(tiny(path, "grey-to-ab").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    with contextlib.suppress(ModelError):
        check_file(path)
