"""Degraded training crops, agreement over a grid, and going on from weights that exist."""

from __future__ import annotations

import dataclasses
import json
import logging

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from koalarize.engines.engine import METADATA_KEY
from koalarize.engines.onnx import OnnxEngine
from koalarize.errors import ModelError, OptionError
from koalarize.lab.datasets.batches import Batches, CropOptions, HintOptions
from koalarize.lab.datasets.degrade import DegradeOptions, degrade
from koalarize.lab.datasets.sources import Pictures
from koalarize.lab.export.quantize import half
from koalarize.lab.networks.koala import Agreement, Koala, KoalaConfig
from koalarize.lab.networks.norms import norms_as_text
from koalarize.lab.networks.unet import UNet, UNetConfig
from koalarize.lab.networks.unet_mini import UNetMini, UNetMiniConfig
from koalarize.lab.runs.checkpoint import build_network, load_checkpoint, save_checkpoint
from koalarize.lab.runs.recipe import LossOptions, NetworkOptions, Recipe, load_recipe
from koalarize.lab.training.initialise import start_from
from koalarize.lab.training.train import _with_steps, train_recipe
from koalarize.models.store import find_model
from runs import RECIPES, history_of, make_photos, tiny_recipe

FAULTS = [
    field.name
    for field in dataclasses.fields(DegradeOptions)
    if field.name not in ("share", "paired", "resize")
]
NO_FAULTS = dict.fromkeys(FAULTS, 0.0)
ALL_FAULTS = dict.fromkeys(FAULTS, 1.0)
NORM = ("running_mean", "running_var", "weight", "bias", "num_batches_tracked")
SMALL = {"context": 8, "widths": [[8, 8], [8, 8], [8, 8]], "slots": 0}


def lightness(seed=0, size=48):
    rows, columns = np.mgrid[:size, :size] / size
    picture = 50 + 40 * np.sin(7 * rows) * np.cos(5 * columns)
    return (picture + np.random.default_rng(seed).normal(0, 1, picture.shape)).astype(np.float32)


def save_folded(network, path, norms):
    """Write a network's parameters as an export names them, batch norms in the convolutions."""
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for name in [name for name in weights if name.endswith(".running_var")]:
        block, place, _ = name.rsplit(".", 2)
        own = [weights.pop(f"{block}.{place}.{part}") for part in NORM]
        before = f"{block}.{int(place) - 1}.weight"
        folded = fuse_conv_bn_weights(weights[before], None, *own[:2], 1e-5, *own[2:4])
        weights[before], weights[f"{before}_bias"] = (part.detach() for part in folded)
    tensors = [numpy_helper.from_array(w.numpy(), f"network.{name}") for name, w in weights.items()]
    model = helper.make_model(helper.make_graph([], "g", [], [], tensors))
    if norms is not None:
        helper.set_model_props(model, {METADATA_KEY: json.dumps({"norms": norms})})
    onnx.save(model, path)


def batches(degrading, **changes):
    noise = np.random.default_rng(5).integers(0, 256, (12, 20, 24, 3), dtype=np.uint8)
    options = {"batch": 8, "crop": CropOptions(sizes=(32,)), "hints": HintOptions(0), "seed": 1}
    return Batches(Pictures(list(noise)), degrading=degrading, **(options | changes))


class TestDegrade:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_each_fault_alone_changes_the_crop_and_stays_a_lightness(self, fault):
        only = DegradeOptions(1, **{name: float(name == fault) for name in FAULTS})
        before, after = lightness(), lightness()
        for seed in range(4):
            after[...] = before
            degrade(after, only, np.random.default_rng(seed))
            assert np.abs(after - before).max() > 0.5
            assert after.min() >= 0
            assert after.max() <= 100
            assert np.corrcoef(after.ravel(), before.ravel())[0, 1] > 0.8  # still the same picture

    def test_without_a_fault_nothing_changes(self):
        after = lightness()
        degrade(after, DegradeOptions(1, **NO_FAULTS), np.random.default_rng(0))
        np.testing.assert_array_equal(after, lightness())

    def test_the_share_is_kept(self):
        plain = batches(None, batch=100)[0][0]
        some = batches(DegradeOptions(0.25, **ALL_FAULTS), batch=100)[0][0]
        changed = (plain != some).any(dim=(2, 3))  # (B, 3)
        assert 14 < int(changed[:, 0].sum()) < 38
        assert not changed[:, 1:].any()  # colours stay those of the original

    def test_the_same_seed_gives_the_same(self):
        first, second = lightness(), lightness()
        for crop in (first, second):
            degrade(crop, DegradeOptions(1, **ALL_FAULTS), np.random.default_rng(3))
        np.testing.assert_array_equal(first, second)

    def test_a_share_above_one_is_refused(self):
        with pytest.raises(OptionError, match=r"`degrade\.blur` is 1\.5 but must be a share"):
            DegradeOptions(blur=1.5)


class TestPairs:
    OPTIONS = DegradeOptions(0.25, paired=True, **ALL_FAULTS)

    def test_the_last_rows_are_those_before_them_with_faults_on_l_alone(self):
        lab, hints = batches(self.OPTIONS, batch=8)[3]
        np.testing.assert_array_equal(lab[6:, 1:], lab[4:6, 1:])
        np.testing.assert_array_equal(hints[6:], hints[4:6])
        assert (lab[6:, 0] - lab[4:6, 0]).abs().mean(dim=(1, 2)).min() > 0.5

    def test_the_other_rows_have_no_fault(self):
        plain, paired = batches(None, batch=6)[0][0], batches(self.OPTIONS, batch=8)[0][0]
        np.testing.assert_array_equal(paired[:6], plain)

    def test_every_picture_is_seen_once_before_any_is_seen_again(self):
        drawn = batches(self.OPTIONS, batch=8, crop=CropOptions(area=(1, 1), ratio=(1, 1)))
        seen = [row.tobytes() for number in range(2) for row in drawn[number][0][:6].numpy()]
        assert len(set(seen)) == 12

    def test_processes_share_the_batch(self):
        whole = {row.numpy().tobytes() for row in batches(self.OPTIONS, batch=16)[1][0]}
        parts = [batches(self.OPTIONS, batch=16, rank=rank, world=2)[1][0] for rank in range(2)]
        assert len(parts[0]) == len(parts[1]) == 8
        fresh = {row.numpy().tobytes() for part in parts for row in part[:6]}
        assert len(fresh) == 12
        assert fresh <= whole

    @pytest.mark.parametrize(("rows", "copies"), [(32, 8), (2, 1), (1, 0)])
    def test_at_most_half_of_a_batch_is_copies(self, rows, copies):
        assert DegradeOptions(0.25 if rows > 2 else 1.0, paired=True).copies(rows) == copies
        assert DegradeOptions(0.25).copies(rows) == 0

    def test_epochs_count_the_pictures_not_the_copies(self):
        recipe = Recipe(epochs=1, batch=8, degrade=self.OPTIONS)
        assert _with_steps(recipe, 60).steps == 10

    @pytest.mark.parametrize(
        "network_and_loss",
        [
            (NetworkOptions("koala", SMALL), LossOptions("rebalanced-cross-entropy")),
            (NetworkOptions("unet-mini", {"widths": [4, 6, 8]}), LossOptions("mse")),
        ],
    )
    def test_a_run_learns_from_both(self, tmp_path, network_and_loss):
        network, loss = network_and_loss
        recipe = tiny_recipe(make_photos(tmp_path / "photos"), batch=4, steps=4)
        recipe = dataclasses.replace(
            recipe, network=network, loss=loss, degrade=self.OPTIONS, crop=CropOptions(sizes=(32,))
        )
        train_recipe(recipe, tmp_path / "run")
        last = history_of(tmp_path / "run")[-1]
        assert float(last["loss"]) > 0
        assert float(last["samples"]) == 4 * 3


class TestAgreement:
    def test_it_begins_as_the_identity(self):
        grid = torch.randn(2, 8, 5, 7)
        torch.testing.assert_close(Agreement(8, 4)(grid), grid)

    def test_each_place_hears_of_every_other(self):
        block = Agreement(8, 4)
        nn.init.normal_(block.out.weight)
        grid = torch.randn(1, 8, 6, 6)
        changed = grid.clone()
        changed[..., 0, 0] += 5
        assert (block(changed) - block(grid))[0, :, -1, -1].abs().max() > 1e-4

    def test_it_does_not_care_where_things_are(self):
        block = Agreement(8, 4)
        nn.init.normal_(block.out.weight)
        grid = torch.randn(1, 8, 4, 6)
        torch.testing.assert_close(block(grid.flip(-1)), block(grid).flip(-1))


class TestStart:
    @pytest.fixture
    def saved(self, tmp_path):
        torch.manual_seed(1)
        recipe = Recipe(network=NetworkOptions("koala", SMALL))
        network = Koala(KoalaConfig(8, ((8, 8), (8, 8), (8, 8)), 0))
        save_checkpoint(tmp_path / "model.safetensors", network.state_dict(), recipe, {})
        return tmp_path / "model.safetensors"

    def test_whole_parts_may_be_fresh_and_are_named(self, saved, caplog):
        network = Koala(KoalaConfig(8, ((8, 8), (8, 8), (8, 8)), 4))
        with caplog.at_level(logging.INFO):
            start_from(network, str(saved))
        assert "fresh parts: agreements" in caplog.text
        torch.manual_seed(0)
        crop = torch.rand(1, 1, 32, 32) * 100
        old = load_checkpoint(saved).network
        assert isinstance(old, Koala)
        torch.testing.assert_close(network.logits(crop), old.logits(crop))

    def test_a_coarser_grid_begins_with_what_it_has_in_common(self, saved, caplog):
        network = Koala(KoalaConfig(8, ((8, 8), (8, 8)), 0))
        head = network.head.weight.clone()
        with caplog.at_level(logging.INFO):
            start_from(network, str(saved))
        assert "fresh parts: head" in caplog.text
        old = load_checkpoint(saved).network.state_dict()
        new = network.state_dict()
        joining = new.pop("levels.1.first.weight")
        channels = old["levels.1.first.weight"].shape[1]
        torch.testing.assert_close(joining[:, :channels], old["levels.1.first.weight"])
        assert not joining[:, channels:].any()  # of the hint planes
        torch.testing.assert_close(new["head.weight"], head)
        assert all(torch.equal(new[n], old[n]) for n in new if not n.startswith("head."))

    def test_another_backbone_begins_with_the_rest(self, saved, caplog):
        network = Koala(KoalaConfig(8, ((8, 8), (8, 8), (8, 8)), 0, "tf_efficientnet_lite1"))
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        with caplog.at_level(logging.INFO):
            start_from(network, str(saved))
        assert "fresh parts: context, deepest, encoder" in caplog.text
        old = load_checkpoint(saved).network.state_dict()
        new = network.state_dict()
        for name in new:
            if name.startswith(("encoder.", "context.", "deepest.")):
                assert torch.equal(new[name], before[name])
            elif ".first.weight" in name:
                near = 8 if name.startswith("levels.2.") else 0
                assert torch.equal(new[name][:, :8], old[name][:, :8])  # of the level below
                grid = new[name].shape[1] - near
                assert torch.equal(new[name][:, 8:grid], before[name][:, 8:grid])  # the encoder's
                assert torch.equal(new[name][:, grid:], old[name][:, -near or len(old[name][0]) :])
            else:
                assert torch.equal(new[name], old[name])

    @pytest.mark.parametrize("side", [1, 5])
    def test_the_blur_is_its_own(self, saved, side):
        network = Koala(KoalaConfig(8, ((8, 8), (8, 8), (8, 8)), 0, blur=side))
        start_from(network, str(saved))
        assert (network.blur is None) == (side == 1)
        assert network.blur is None or network.blur.shape[-1] == side
        old = load_checkpoint(saved).network.state_dict()
        assert torch.equal(network.head.weight, old["head.weight"])

    def test_an_unknown_backbone_is_an_error(self):
        with pytest.raises(OptionError, match=r"one of .*did you mean `mobilenetv2_100`"):
            KoalaConfig(backbone="mobilenetv2")

    def test_the_shipped_model_is_a_start(self):
        network = Koala()
        before = network.head.weight.clone()
        start_from(network, "koala")
        assert not torch.equal(network.head.weight, before)

    def test_the_recipe_that_fits_the_shipped_model_is_named_where_another_does_not(self):
        (path,) = (path for path in RECIPES if path.name == "koala-finetune.yaml")
        recipe = load_recipe(path)
        start_from(build_network(recipe.network), "koala")
        shipped = OnnxEngine(find_model("koala")).info  # so that the two can be compared
        told = ("size", "temperature", "chroma_gain", "overview")
        assert [getattr(recipe, name) for name in told] == [getattr(shipped, name) for name in told]
        with pytest.raises(ModelError, match=f"weights of the same, or take recipes/{path.name}"):
            start_from(Koala(KoalaConfig(slots=0)), "koala")

    def test_weights_of_16_bits_are_a_start(self, tmp_path):
        weights = UNetMini(UNetMiniConfig(widths=(4, 8, 16))).state_dict()
        tensors = [
            numpy_helper.from_array(tensor.numpy(), f"network.{name}")
            for name, tensor in weights.items()
        ]
        graph = helper.make_graph([], "g", [], [], tensors)
        path = tmp_path / "half.onnx"
        onnx.save(half(helper.make_model(graph)), path)
        network = UNetMini(UNetMiniConfig(widths=(4, 8, 16)))
        start_from(network, str(path))
        for name, found in network.state_dict().items():
            assert torch.equal(
                found, weights[name].half().float() if found.numel() >= 1024 else weights[name]
            )

    def test_a_folded_graph_is_unfolded_by_the_norms_that_it_describes(self, tmp_path):
        torch.manual_seed(4)
        network, fresh = (UNet(UNetConfig(init_features=1)) for _ in range(2))
        for norm in (part for part in network.modules() if isinstance(part, nn.BatchNorm2d)):
            for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                nn.init.uniform_(values, 0.5, 2)
        weights = network.state_dict()
        path = tmp_path / "folded.onnx"
        save_folded(network, path, norms_as_text(network))
        start_from(fresh, str(path))
        for name, found in fresh.state_dict().items():
            torch.testing.assert_close(found, weights[name])
        save_folded(network, path, norms_as_text(UNet(UNetConfig(init_features=2))))
        with pytest.raises(ModelError, match=r"does not fit this network: its batch norm `.*`"):
            start_from(fresh, str(path))
        save_folded(network, path, None)
        with pytest.raises(ModelError, match=r"up to 0\.4.*give the run's model\.safetensors"):
            start_from(fresh, str(path))

    def test_another_networks_weights_are_refused(self, saved):
        with pytest.raises(ModelError, match=r"does not fit this network: .*is unknown"):
            start_from(UNetMini(), str(saved))

    def test_another_size_is_refused(self, saved):
        network = Koala(KoalaConfig(8, ((8, 8), (8, 8), (8, 16)), 0))
        with pytest.raises(ModelError, match=r"has shape \(8, 40, 3, 3\)|has shape .* must have"):
            start_from(network, str(saved))

    @pytest.mark.parametrize("name", ["absent.safetensors", "absent.onnx"])
    def test_missing_weights_are_an_error(self, tmp_path, name):
        with pytest.raises(ModelError):
            start_from(Koala(), str(tmp_path / name))

    @pytest.mark.parametrize("name", ["broken.safetensors", "broken.onnx"])
    def test_damaged_weights_are_an_error(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(ModelError, match=r"cannot be read as|does not fit"):
            start_from(Koala(), str(tmp_path / name))
