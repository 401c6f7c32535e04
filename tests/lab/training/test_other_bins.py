"""A classifying network over bins of its own: trained, exported, and steered like any other."""

import numpy as np
import pytest
import torch

from koalarize import Colorizer, Hint, Photo, Steering, color
from koalarize.colorizer.plan import suggestions
from koalarize.errors import OptionError
from koalarize.lab.evaluation.torch_engine import TorchEngine
from koalarize.lab.export.export import describe
from koalarize.lab.networks import Koala
from koalarize.lab.networks.koala import KoalaConfig
from koalarize.lab.runs.checkpoint import load_checkpoint
from koalarize.lab.training import losses
from koalarize.lab.training.train import train_recipe
from runs import make_photos, tiny_recipe

COARSE = {"bin_step": 20, "widths": [[8, 8], [8, 8], [8, 8]], "context": 8, "slots": 4}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coarse")
    recipe = tiny_recipe(
        make_photos(folder / "photos"),
        network={"name": "koala", "options": COARSE},
        loss={"name": "rebalanced-cross-entropy"},
        crop={"sizes": [32]},
        steps=2,
    )
    return train_recipe(recipe, folder / "run")


def test_it_is_trained_on_them(checkpoint):
    loaded = load_checkpoint(checkpoint)
    bins = color.grid_bins(20)
    assert len(loaded.facts["bin_shares"]) == len(bins) == 74
    assert loaded.network.logits(torch.zeros(1, 1, 32, 32)).shape[1] == len(bins)
    assert TorchEngine(loaded.network, 32, 0.5).info.bins == bins


def test_an_exported_file_would_say_them(checkpoint):
    assert describe(load_checkpoint(checkpoint))["bins"] == color.grid_bins(20).centres.tolist()


def test_it_takes_all_steering(checkpoint):
    colorizer = Colorizer(TorchEngine(load_checkpoint(checkpoint).network, 32, 0.5))
    ramp = np.linspace(40, 220, 64, dtype=np.uint8)
    grey = np.broadcast_to(ramp, (48, 64)).copy()
    assert suggestions(colorizer.look(Photo(grey)), Steering(), (10, 10), 3)
    plain = colorizer(grey)
    assert not np.array_equal(colorizer(grey, hints=(Hint(10, 10, "#c03020"),)), plain)
    assert not np.array_equal(colorizer(grey, alternative=1), plain)


def test_the_loss_encodes_over_the_bins_given():
    bins = color.grid_bins(20)
    numbers, shares = losses.soft_bins(torch.tensor([[20.0, -40.0]]), bins)
    assert bins.centres[int(numbers[0, 0])].tolist() == [20, -40]
    assert float(shares.sum()) == pytest.approx(1)
    logits = torch.full((1, len(bins), 2, 2), -20.0)
    logits[:, int(numbers[0, 0])] = 20
    target = torch.tensor([20.0, -40.0])[None, :, None, None].expand(1, 2, 8, 8)
    weights = torch.ones(len(bins))
    right = losses.rebalanced_cross_entropy(logits, target, weights, bins)
    assert right < losses.rebalanced_cross_entropy(logits.roll(1, 1), target, weights, bins)


@pytest.mark.parametrize("step", [4, 41])
def test_a_step_out_of_bounds_is_an_error(step):
    with pytest.raises(OptionError, match=f"`bin_step` is {step} but must be from 5 to 40 Lab"):
        Koala(KoalaConfig(bin_step=step))
