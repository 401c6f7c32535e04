"""Checkpoints that describe themselves, and what is no checkpoint."""

from __future__ import annotations

import dataclasses
import errno
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from koalarize.errors import ModelError, OutputError
from koalarize.lab.networks import UNetMini
from koalarize.lab.networks.koala import Koala
from koalarize.lab.runs.checkpoint import build_network, load_checkpoint, save_checkpoint
from koalarize.lab.runs.recipe import NetworkOptions, Recipe, build
from koalarize.lab.training.initialise import start_from
from runs import TINY, differing


class TestCheckpoint:
    @pytest.fixture
    def recipe(self):
        return Recipe(network=build(NetworkOptions, TINY, ""), size=99, temperature=0.7)

    def test_it_describes_itself(self, recipe, tmp_path):
        network = build_network(recipe.network)
        save_checkpoint(tmp_path / "a.safetensors", network.state_dict(), recipe, {"steps": 3})
        loaded = load_checkpoint(tmp_path / "a.safetensors")
        assert isinstance(loaded.network, UNetMini)
        assert not loaded.network.training
        assert loaded.recipe == recipe
        assert loaded.facts == {"steps": 3}
        assert differing(loaded.network.state_dict(), network.state_dict()) == []

    def test_the_same_twice_is_the_same_file(self, recipe, tmp_path):
        state = build_network(recipe.network).state_dict()
        paths = [tmp_path / f"{number}.safetensors" for number in range(8)]
        for path in paths:
            save_checkpoint(path, state, recipe, {"steps": 3})
        assert len({path.read_bytes() for path in paths}) == 1

    def test_the_temperature_is_the_recipe_s(self, tmp_path):
        recipe = Recipe(temperature=0.7)
        state = build_network(recipe.network).state_dict()
        save_checkpoint(tmp_path / "a.safetensors", state, recipe, {})
        assert load_checkpoint(tmp_path / "a.safetensors").network.temperature == 0.7

    def test_numbers_that_were_kept_as_text(self, recipe, tmp_path):
        options = recipe.network.options | {"dropout": "1e-1"}
        earlier = dataclasses.replace(recipe, network=NetworkOptions("unet-mini", options))
        state = build_network(recipe.network).state_dict()
        save_checkpoint(tmp_path / "a.safetensors", state, earlier, {})
        loaded = load_checkpoint(tmp_path / "a.safetensors")
        assert loaded.recipe.network.options["dropout"] == 0.1

    def test_a_koala_of_up_to_0_4_has_its_third_level_and_no_blur(self, tmp_path):
        sizes = {"widths": [[320, 256], [160, 128], [128, 128]], "blur": 1}
        state = build_network(NetworkOptions("koala", sizes)).state_dict()
        save_checkpoint(tmp_path / "a.safetensors", state, Recipe(), {})
        network = load_checkpoint(tmp_path / "a.safetensors").network
        assert differing(network.state_dict(), state) == []
        assert isinstance(network, Koala)
        assert network.blur is None

    def test_weights_that_do_not_fit(self, recipe, tmp_path):
        path = tmp_path / "a.safetensors"
        state = build_network(recipe.network).state_dict()
        other = {name: value for name, value in state.items() if name != "head.bias"}
        save_checkpoint(path, other | {"tail": torch.zeros(1)}, recipe, {})
        with pytest.raises(ModelError, match=r"`head\.bias` is missing, `tail` is unknown"):
            load_checkpoint(path)
        save_checkpoint(path, state | {"head.bias": torch.zeros(3)}, recipe, {})
        with pytest.raises(ModelError, match=r"`head\.bias` has shape \(3,\) but must have \(2,\)"):
            load_checkpoint(path)
        wider = dataclasses.replace(recipe, network=NetworkOptions("unet-mini"))
        save_checkpoint(path, state, wider, {})
        with pytest.raises(ModelError, match=r"does not fit the network `unet-mini`: .* more"):
            load_checkpoint(path)

    def test_the_earlier_unet_mini_is_named(self, recipe, tmp_path):
        path = tmp_path / "a.safetensors"
        state = build_network(recipe.network).state_dict()
        up2 = {"up2.0.weight": (6, 14, 3, 3), "up2.0.bias": (6,), "up2.3.weight": (6, 6, 3, 3)}
        earlier = state | {name: torch.zeros(shape) for name, shape in up2.items()}
        save_checkpoint(path, earlier, recipe, {})
        with pytest.raises(ModelError, match=r"up to 0\.3, .* 14-6-6 .* has 14-8-6: train"):
            load_checkpoint(path)
        with pytest.raises(ModelError, match=r"the unet-mini of koalarize up to 0\.3"):
            start_from(build_network(recipe.network), str(path))

    def test_files_of_another_kind(self, recipe, tmp_path):
        path = tmp_path / "a.safetensors"
        with pytest.raises(ModelError, match="cannot be read as a checkpoint"):
            load_checkpoint(path)
        with pytest.raises(ModelError, match=r"is a folder: give the run's `.*model\.safeten"):
            load_checkpoint(tmp_path)
        path.write_bytes(b"text of some length")
        with pytest.raises(ModelError, match=r"as a checkpoint \(.*: it is cut short, or another"):
            load_checkpoint(path)
        state = tmp_path / "last.ckpt"
        torch.save({}, state)
        with pytest.raises(ModelError, match=r"one of torch, as .* give the run's `.*model\.safet"):
            load_checkpoint(state)
        save_file({"a": torch.zeros(1)}, path)
        with pytest.raises(ModelError, match="is not a checkpoint of koalarize"):
            load_checkpoint(path)
        metadata = {"format": "koalarize-checkpoint-1", "recipe": '{"later": 1}', "facts": "{}"}
        save_file({"a": torch.zeros(1)}, path, metadata)
        with pytest.raises(ModelError, match=r"`later` is not a key .* use the version that wrote"):
            load_checkpoint(path)
        save_file({"a": torch.zeros(1)}, path, metadata | {"recipe": "[]"})
        with pytest.raises(ModelError, match=r"must hold keys and values.* use the version"):
            load_checkpoint(path)

    def test_a_full_disk_leaves_the_earlier_one(self, recipe, tmp_path, monkeypatch):
        path = tmp_path / "a.safetensors"
        state = build_network(recipe.network).state_dict()
        save_checkpoint(path, state, recipe, {"steps": 1})
        monkeypatch.setattr(Path, "replace", no_space)
        with pytest.raises(OutputError, match="No space left"):
            save_checkpoint(path, state, recipe, {"steps": 2})
        monkeypatch.undo()
        assert load_checkpoint(path).facts == {"steps": 1}
        assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")
