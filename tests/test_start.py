"""Degraded training crops, agreement over a grid, and going on from weights that exist."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
import torch

from koalarize.data.degrade import DegradeOptions, degrade
from koalarize.errors import ModelError, OptionError
from koalarize.models.koala import Agreement, Koala, KoalaConfig
from koalarize.models.unet_mini import UNetMini
from koalarize.training.checkpoint import load_checkpoint, save_checkpoint
from koalarize.training.initialise import start_from
from koalarize.training.recipe import NetworkOptions, Recipe

FAULTS = [field.name for field in dataclasses.fields(DegradeOptions) if field.name != "share"]
SMALL = {"context": 8, "widths": [[8, 8], [8, 8], [8, 8]], "slots": 0}


def lightness(seed=0, size=48):
    rows, columns = np.mgrid[:size, :size] / size
    picture = 50 + 40 * np.sin(7 * rows) * np.cos(5 * columns)
    return (picture + np.random.default_rng(seed).normal(0, 1, picture.shape)).astype(np.float32)


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

    @pytest.mark.parametrize("options", [DegradeOptions(0), DegradeOptions(1, 0, 0, 0, 0, 0)])
    def test_without_a_share_or_a_fault_nothing_changes(self, options):
        after = lightness()
        degrade(after, options, np.random.default_rng(0))
        np.testing.assert_array_equal(after, lightness())

    def test_the_share_is_kept(self):
        options, changed = DegradeOptions(0.25, 1, 0, 0, 0, 0), 0
        for seed in range(400):
            crop = lightness(size=8)
            degrade(crop, options, np.random.default_rng(seed))
            changed += not np.array_equal(crop, lightness(size=8))
        assert 70 < changed < 130

    def test_the_same_seed_gives_the_same(self):
        first, second = lightness(), lightness()
        for crop in (first, second):
            degrade(crop, DegradeOptions(1, 1, 1, 1, 1, 1), np.random.default_rng(3))
        np.testing.assert_array_equal(first, second)

    def test_a_share_above_one_is_refused(self):
        with pytest.raises(OptionError, match=r"`degrade\.blur` is 1\.5 but must be a share"):
            DegradeOptions(blur=1.5)


class TestAgreement:
    def test_it_begins_as_the_identity(self):
        grid = torch.randn(2, 8, 5, 7)
        torch.testing.assert_close(Agreement(8, 4)(grid), grid)

    def test_each_place_hears_of_every_other(self):
        block = Agreement(8, 4)
        torch.nn.init.normal_(block.out.weight)
        grid = torch.randn(1, 8, 6, 6)
        changed = grid.clone()
        changed[..., 0, 0] += 5
        assert (block(changed) - block(grid))[0, :, -1, -1].abs().max() > 1e-4

    def test_it_does_not_care_where_things_are(self):
        block = Agreement(8, 4)
        torch.nn.init.normal_(block.out.weight)
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

    def test_the_shipped_model_is_a_start(self):
        network = Koala()
        before = network.head.weight.clone()
        start_from(network, "koala")
        assert not torch.equal(network.head.weight, before)

    def test_another_networks_weights_are_refused(self, saved):
        with pytest.raises(ModelError, match=r"does not fit this network: .*unknown to the net"):
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
