"""Fixtures of the tests of exports."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from torch import nn

from export_parts import saved
from koalarize.lab.export.export import export, graph_of
from koalarize.lab.networks import ColorNetwork
from samples import made_once


@pytest.fixture(scope="session")
def whole_koala(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the whole koala, untrained; its .onnx file stands beside it.

    No test changes them: the graph takes half a minute, and is made once in a run of all tests.
    """
    folder = made_once(tmp_path_factory, "koala", lambda made: export(saved(made, "koala")))
    return folder / "koala.safetensors"


@pytest.fixture(scope="module")
def graphs_once() -> Iterator[None]:
    """Trace a network's graph once, in seconds, and take it again where the weights are the same.

    For tests of what is done with an export. The export still compares each graph with the network.
    """
    traced: dict[bytes, bytes] = {}

    def once(network: ColorNetwork, wrapped: nn.Module, outputs: list[str]) -> onnx.ModelProto:
        state = network.state_dict()
        key = f"{type(network)} {outputs} {list(state)}".encode()
        key += b"".join(value.numpy().tobytes() for value in state.values())
        if key not in traced:
            traced[key] = graph_of(network, wrapped, outputs).SerializeToString()
        return onnx.load_from_string(traced[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module(export.__module__), "graph_of", once)
        yield
