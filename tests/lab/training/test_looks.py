"""Training crops looked at as a trained model looks at pictures: twice, copies at other sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from koalarize import color
from koalarize.engines.engine import Overview
from koalarize.engines.sized import shown_at
from koalarize.errors import OptionError
from koalarize.lab.datasets.batches import CropOptions, HintOptions, draw_hints
from koalarize.lab.datasets.degrade import DegradeOptions
from koalarize.lab.evaluation.torch_engine import TorchEngine
from koalarize.lab.networks.koala import Koala, KoalaConfig
from koalarize.lab.runs.overviews import overview_of_crop
from koalarize.lab.runs.recipe import LossOptions, NetworkOptions, Recipe
from koalarize.lab.training.looks import (
    joined_logits,
    other_sides,
    resized_hints,
    resized_planes,
)
from koalarize.lab.training.module import ColorizationModule
from koalarize.lab.training.shrink import shrink

SMALL = {"context": 8, "widths": [[8, 8], [8, 8]], "slots": 0}
OVERVIEW = Overview(32, 0.7)


@pytest.fixture(scope="module")
def network() -> Koala:
    torch.manual_seed(0)
    network = Koala(KoalaConfig(context=8, widths=((8, 8), (8, 8)), slots=4)).eval()
    torch.nn.init.normal_(network.head.weight)
    return network


@pytest.fixture(scope="module")
def lab() -> np.ndarray:
    """Two smooth pictures (2, 3, 64, 64) of Lab."""
    small = np.random.default_rng(1).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
    planes = color.srgb_to_lab(small).transpose(0, 3, 1, 2)
    return np.stack([color.resize(np.ascontiguousarray(one), 64, 64) for one in planes])


@pytest.fixture(scope="module")
def hints(lab: np.ndarray) -> np.ndarray:
    planes = np.zeros_like(lab)
    for row in range(2):
        options = HintOptions(none=0, most=6, patch=(1, 7))
        draw_hints(lab[row, 1:], planes[row], options, np.random.default_rng(row))
    return planes


class TestJoined:
    @pytest.mark.parametrize("hinted", [False, True])
    def test_it_is_what_a_trained_model_says_at_both_looks(self, network, lab, hints, hinted):
        engine = TorchEngine(network, 64, 0.5, overview=OVERVIEW)
        wanted = engine.run(lab[:, 0], hints if hinted else None).logits
        given = torch.from_numpy(hints) if hinted else None
        with torch.no_grad():
            found = joined_logits(network, torch.from_numpy(lab[:, :1]), given, OVERVIEW)
            once = joined_logits(network, torch.from_numpy(lab[:, :1]), given, None)
        np.testing.assert_allclose(found.numpy(), wanted, atol=2e-3)
        assert float((found - once).abs().max()) > 0.1

    def test_both_looks_have_a_gradient(self, network, lab):
        asked: list[torch.Tensor] = []
        ask = network.logits

        def logits(l, hints=None):
            asked.append(ask(l, hints))
            asked[-1].retain_grad()
            return asked[-1]

        network.logits = logits
        try:
            joined_logits(network, torch.from_numpy(lab[:, :1]), None, OVERVIEW).sum().backward()
        finally:
            del network.logits
        first, second = (found.grad for found in asked)
        assert first is not None
        assert second is not None
        torch.testing.assert_close(first, torch.full_like(first, 1 / 1.7))
        # Each place of the smaller grid stands for four of the larger.
        assert float(second.mean()) == pytest.approx(4 * 0.7 / 1.7, rel=1e-5)

    def test_planes_and_hints_are_those_of_the_second_look(self, network, lab, hints):
        info = TorchEngine(network, 64, 0.5).info
        planes, given = shown_at(lab[:, 0], hints, (32, 32), info)
        found = resized_planes(torch.from_numpy(lab[:, :1]), 32)
        np.testing.assert_allclose(found[:, 0].numpy(), planes, atol=1e-3)
        np.testing.assert_allclose(
            resized_hints(torch.from_numpy(hints), 32).numpy(), given, atol=1e-3
        )


class TestSides:
    @pytest.mark.parametrize(
        ("side", "stride", "others"),
        [
            (256, 32, [192, 224, 288, 320, 352]),
            (128, 32, [96, 160]),
            (64, 32, []),
            (10, 1, [8, 9, 11, 12, 13]),
        ],
    )
    def test_three_quarters_to_eleven_eighths(self, side, stride, others):
        assert other_sides(side, stride) == others

    def test_the_overview_of_a_crop_is_its_share(self):
        assert overview_of_crop(Overview(128, 0.7), 256, 128) == Overview(64, 0.7)


class LooksAt:
    """Notes the sides at which a network is shown batches, and how many rows each has."""

    def __init__(self, network: Koala, patch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[int, int]] = []
        ask = network.logits

        def logits(l, hints=None):
            assert hints is not None
            assert hints.shape == (len(l), 3, *l.shape[-2:])
            self.seen.append((len(l), l.shape[-1]))
            return ask(l, hints)

        patch.setattr(network, "logits", logits)


def module_of(network: Koala, **changes) -> ColorizationModule:
    recipe = Recipe(network=NetworkOptions("koala", None, SMALL), size=128, **changes)
    return ColorizationModule(network, recipe, torch.ones(len(network.ab_bins)))


class TestSteps:
    def test_crops_get_one_look_unless_asked(self, network, lab, hints, monkeypatch):
        looks = LooksAt(network, monkeypatch)
        module_of(network, overview=Overview(64))._logits(*planes(lab, hints), copies=0)
        assert looks.seen == [(2, 128)]
        looks.seen.clear()
        made = module_of(
            network, overview=Overview(64), train_overview=True, degrade=DegradeOptions(paired=True)
        )
        asked = made._logits(*planes(lab, hints), copies=1)
        assert looks.seen == [(2, 128), (2, 64)]
        assert [tuple(part.shape[2:]) for part in asked] == [(16, 16)] * 2

    def test_copies_are_seen_at_other_sizes_on_the_same_grid(
        self, network, lab, hints, monkeypatch
    ):
        looks = LooksAt(network, monkeypatch)
        degrading = DegradeOptions(0.5, paired=True, resize=1.0)
        made = module_of(network, degrade=degrading, overview=Overview(64), train_overview=True)
        sides = set()
        for seed in range(8):
            looks.seen.clear()
            torch.manual_seed(seed)
            logits, copies = made._logits(*planes(lab, hints), copies=1)
            (fresh, second), (side, third) = looks.seen[:2], looks.seen[2:]
            assert (fresh, second, third) == ((1, 128), (1, 64), (1, 64))
            assert copies.shape == logits.shape
            assert side[0] == 1
            sides.add(side[1])
        assert sides == {96, 160}

    def test_a_copy_seen_larger_lies_where_the_crop_lies(self, network, lab, hints):
        """Its logits are nearer to the crop's than they are where they lie mirrored."""
        degrading = DegradeOptions(0.5, paired=True, resize=1.0)
        made = module_of(network, degrade=degrading)
        lightness, given = planes(lab, np.zeros_like(hints))
        lightness[1] = lightness[0]
        with torch.no_grad():
            logits, copies = made._logits(lightness, given, copies=1)
        apart = float((copies - logits).abs().mean())
        for axes in ((-1,), (-2,), (-1, -2)):
            assert apart < 0.75 * float((copies.flip(axes) - logits).abs().mean())


def planes(lab: np.ndarray, hints: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return L* and hints at 128 pixels."""
    larger = (
        torch.from_numpy(part).repeat_interleave(2, -1).repeat_interleave(2, -2)
        for part in (lab[:, :1], hints)
    )
    lightness, given = larger
    return lightness, given


def crop_of(side: int) -> CropOptions:
    return CropOptions(sizes=(side,))


class TestRecipes:
    def test_a_second_look_that_is_not_there(self):
        with pytest.raises(OptionError, match="`train_overview` is true but there is no"):
            Recipe(train_overview=True)

    def test_a_second_look_that_does_not_fit_a_crop(self):
        with pytest.raises(OptionError, match=r"a crop of 160 at 80 pixels.* multiple of 32"):
            Recipe(size=256, crop=crop_of(160), overview=Overview(128), train_overview=True)

    def test_other_sizes_are_for_pairs_and_for_logits(self):
        with pytest.raises(OptionError, match=r"`degrade\.resize` is 0\.5 but only copies"):
            DegradeOptions(resize=0.5)
        with pytest.raises(OptionError, match=r"`degrade\.resize` is set but the network `unet"):
            Recipe(
                network=NetworkOptions("unet-mini"),
                loss=LossOptions("mse"),
                degrade=DegradeOptions(paired=True, resize=0.5),
            )

    def test_a_smaller_recipe_has_a_smaller_second_look(self):
        recipe = Recipe(size=256, crop=crop_of(256), overview=Overview(128), train_overview=True)
        assert shrink(recipe, size=128).overview == Overview(64)
        assert shrink(recipe, limit=8).overview == Overview(128)
