"""What learns or judges beside a network: the perceptual loss and the PatchGAN."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from koalarize import color
from koalarize.errors import DependencyError, OptionError
from koalarize.lab.runs.recipe import AdversarialOptions
from koalarize.lab.training.adversary import Adversary, FeatureDiscriminator, PatchDiscriminator
from koalarize.lab.training.module import ColorizationModule
from koalarize.lab.training.network import network_of
from koalarize.lab.training.perceptual import FEATURES, PerceptualLoss, lab_to_srgb
from koalarize.lab.training.train import train_recipe
from runs import (
    KilledError,
    assert_same_run,
    differing,
    history_of,
    kill_run_after,
    state_of,
)
from samples import empty_hub, stand_in_lpips


@pytest.fixture
def hub(tmp_path, monkeypatch):
    return empty_hub(tmp_path, monkeypatch)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    stand_in_lpips(tmp_path, monkeypatch)


def crops(seed: int = 0, count: int = 2) -> torch.Tensor:
    """Return the Lab of smooth colour pictures (B, 3, 64, 64)."""
    coarse = np.random.default_rng(seed).integers(30, 226, (count, 4, 4, 3), dtype=np.uint8)
    lab = torch.from_numpy(color.srgb_to_lab(coarse).transpose(0, 3, 1, 2).copy())
    return torch.nn.functional.interpolate(lab, size=(64, 64), mode="bilinear")


class TestSrgb:
    def test_parity_with_color(self):
        rng = np.random.default_rng(0)
        lab = rng.uniform((0, -90, -90), (100, 90, 90), (8, 9, 3)).astype(np.float32)
        found = lab_to_srgb(torch.from_numpy(lab.transpose(2, 0, 1)[None].copy()))
        srgb = color.linear_to_srgb(np.clip(color.lab_to_linear(lab), 0, 1))
        np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), srgb, atol=2e-4)

    def test_black_has_a_finite_gradient(self):
        lab = torch.zeros(1, 3, 2, 2, requires_grad=True)
        lab_to_srgb(lab).sum().backward()
        assert lab.grad is not None
        assert torch.isfinite(lab.grad).all()


class TestPerceptual:
    def test_it_is_zero_for_the_same_colours_and_pulls_others_there(self, weights):
        loss = PerceptualLoss()
        lab = crops()
        ab = (0.3 * lab[:, 1:]).requires_grad_()
        real = loss.features(lab[:, :1], lab[:, 1:])
        assert float(loss.distance(real, real)) == pytest.approx(0, abs=1e-6)
        distance = loss.distance(loss.features(lab[:, :1], ab), real)
        distance.backward()
        assert float(distance.detach()) > 0
        assert ab.grad is not None
        assert ab.grad.abs().max() > 0

    def test_it_is_lpips_as_torchmetrics_has_it(self, weights):
        loss = PerceptualLoss()
        lab = crops()
        ab = 0.3 * lab[:, 1:]
        features, wanted = (loss.features(lab[:, :1], part) for part in (ab, lab[:, 1:]))
        made, real = (
            lab_to_srgb(torch.cat([lab[:, :1], part], dim=1)) for part in (ab, lab[:, 1:])
        )
        torch.testing.assert_close(
            loss.distance(features, wanted), loss._net(made, real, normalize=True).mean()
        )
        assert tuple(part.shape[1] for part in features) == FEATURES

    def test_its_gradient_is_that_of_lpips_as_torchmetrics_has_it(self, weights):
        loss = PerceptualLoss()
        lab = crops()
        ours, theirs = ((0.3 * lab[:, 1:]).requires_grad_() for _ in range(2))
        wanted = loss.features(lab[:, :1], lab[:, 1:])
        loss.distance(loss.features(lab[:, :1], ours), wanted).backward()
        made, real = (
            lab_to_srgb(torch.cat([lab[:, :1], part], dim=1)) for part in (theirs, lab[:, 1:])
        )
        loss._net(made, real, normalize=True).mean().backward()
        assert ours.grad is not None
        assert theirs.grad is not None
        largest = float(theirs.grad.abs().max())
        torch.testing.assert_close(ours.grad / largest, theirs.grad / largest, rtol=0, atol=1e-4)

    def test_it_takes_the_precision_of_the_run(self, weights):
        loss = PerceptualLoss()
        lab = crops()

        def distance() -> tuple[torch.dtype, float]:
            made, real = (loss.features(lab[:, :1], share * lab[:, 1:]) for share in (0.3, 1.0))
            return made[0].dtype, float(loss.distance(made, real))

        exact = distance()
        with torch.autocast("cpu", torch.bfloat16):
            rounded = distance()
        assert (exact[0], rounded[0]) == (torch.float32, torch.bfloat16)
        assert rounded[1] == pytest.approx(exact[1], rel=0.03)

    def test_a_run_learns_from_it_and_keeps_nothing_of_it(self, tiny, tmp_path, weights):
        loss = {"name": "mse", "perceptual": 0.5}
        path = train_recipe(tiny(loss=loss, crop={"sizes": [32]}, steps=4), tmp_path / "run")
        train_recipe(tiny(crop={"sizes": [32]}, steps=4), tmp_path / "plain")
        assert load_file(path).keys() == load_file(tmp_path / "plain/model.safetensors").keys()
        first, plain = (float(history_of(tmp_path / n)[0]["loss"]) for n in ("run", "plain"))
        assert first > plain

    def test_missing_weights_are_told_before_the_work(self, tiny, tmp_path, hub):
        loss = {"name": "mse", "perceptual": 0.5}
        words = r"`loss\.perceptual` compares by LPIPS: .* needs `.*squeezenet1_1"
        with pytest.raises(DependencyError, match=words):
            train_recipe(tiny(loss=loss), tmp_path / "run")
        assert not (tmp_path / "run").exists()


SMALL = {"name": "koala", "options": {"context": 16, "widths": [[16, 8]] * 2}}


class TestBins:
    """A network that classifies has colours too: those that a picture of the model will have."""

    @pytest.mark.parametrize(
        "more",
        [
            {"loss": {"perceptual": 0.5}},
            {"adversarial": {"width": 4}},
            {"loss": {"perceptual": 0.5}, "adversarial": {"width": 4, "sees": "features"}},
        ],
    )
    def test_a_run_learns_from_them(self, tiny, tmp_path, weights, more):
        same = {"network": SMALL, "crop": {"sizes": [32]}, "steps": 2, "loss": {}}
        train_recipe(tiny(**same | more), tmp_path / "run")
        train_recipe(tiny(**same), tmp_path / "plain")
        first, plain = (float(history_of(tmp_path / n)[0]["loss"]) for n in ("run", "plain"))
        assert first > plain
        made = [load_file(tmp_path / n / "model.safetensors") for n in ("run", "plain")]
        assert made[0].keys() == made[1].keys()
        assert differing(*made)

    def test_the_colours_are_those_that_a_picture_will_have(self, tiny, weights, monkeypatch):
        values = {"network": SMALL, "crop": {"sizes": [32]}, "loss": {"perceptual": 1.0}}
        recipe = tiny(**values, temperature=0.4, chroma_gain=1.5)
        network = network_of(recipe)
        module = ColorizationModule(network, recipe, torch.ones(len(network.ab_bins)))
        module.log = lambda *_, **__: None
        monkeypatch.setattr(ColorizationModule, "learning_rate", 0.0)  # asks a trainer
        seen = []
        module._beside = lambda lightness, found, ab: seen.append(found) or 0.0
        lab = crops()
        module.training_step((lab, torch.zeros_like(lab)), 0)
        chances = torch.softmax(network.logits(lab[:, :1]) / 0.4, dim=1)
        ab = 1.5 * torch.einsum("bqhw,qc->bchw", chances, network.bins)
        ab = torch.nn.functional.interpolate(ab, size=(64, 64), mode="bilinear")
        torch.testing.assert_close(seen[0], ab)


@pytest.fixture(params=["patches", "features"])
def adversary(request, weights):
    """Yield an adversary, and what makes a picture for it of L* and ab."""
    seen = PerceptualLoss().features if request.param == "features" else lambda *parts: list(parts)
    options = AdversarialOptions(sees=request.param, width=8, learning_rate=2e-3)
    return Adversary(options, seed=1), seen


class TestAdversary:
    def test_it_learns_to_tell_colours_apart(self, adversary):
        adversary, seen = adversary
        lab = crops(count=4)
        real, grey = seen(lab[:, :1], lab[:, 1:]), seen(lab[:, :1], 0 * lab[:, 1:])
        losses = [float(adversary.learn(grey, real)) for _ in range(40)]
        assert losses[-1] < 0.3 * losses[0]
        assert float(adversary.fooled(real)) < 0.5 * float(adversary.fooled(grey))

    def test_passing_for_real_moves_the_colours_not_the_adversary(self, adversary):
        adversary, seen = adversary
        lab = crops()
        ab = (0.5 * lab[:, 1:]).requires_grad_()
        adversary.fooled(seen(lab[:, :1], ab)).backward()
        assert ab.grad is not None
        assert ab.grad.abs().max() > 0
        assert all(p.grad is None and p.requires_grad for p in adversary.network.parameters())

    def test_features_are_scored_place_by_place(self, weights):
        lab = crops()
        features = PerceptualLoss().features(lab[:, :1], lab[:, 1:])
        scores = FeatureDiscriminator(4)(features)
        assert [part.shape for part in scores] == [(2, 1, *part.shape[2:]) for part in features[1:]]

    def test_its_patches_are_of_34_pixels(self):
        network = PatchDiscriminator(4)
        lightness = torch.randn(1, 1, 96, 96, requires_grad=True)
        # Instance norm looks everywhere; what a patch itself sees is what is left without it.
        for layer in network.layers:
            if isinstance(layer, torch.nn.InstanceNorm2d):
                layer.forward = lambda planes: planes
        (scores,) = network([lightness, torch.zeros(1, 2, 96, 96)])
        scores[0, 0, 10, 10].backward()
        assert lightness.grad is not None
        seen = lightness.grad[0, 0].abs().sum(0).nonzero().flatten()
        assert int(seen.max() - seen.min()) + 1 == 34

    @pytest.mark.parametrize("sees", ["patches", "features"])
    def test_stopped_and_resumed_equals_straight(self, tiny, tmp_path, weights, sees):
        options = {"sees": sees, "width": 4, "start": 3, "weight": 0.1}
        loss = {"name": "mse", "perceptual": 0.5}
        recipe = tiny(adversarial=options, crop={"sizes": [32]}, loss=loss)
        train_recipe(recipe, tmp_path / "straight")
        with pytest.MonkeyPatch.context() as patch:
            kill_run_after(patch, 6)
            with pytest.raises(KilledError):
                train_recipe(recipe, tmp_path / "stopped")
        train_recipe(recipe, tmp_path / "stopped", resume=True)
        assert_same_run(tmp_path / "straight", tmp_path / "stopped")
        states = [state_of(tmp_path / n)["koalarize_adversary"] for n in ("straight", "stopped")]
        assert differing(*states) == []
        assert not any("adversary" in name for name in state_of(tmp_path / "stopped")["state_dict"])

    def test_it_changes_nothing_before_its_start(self, tiny, tmp_path):
        late = tiny(adversarial={"width": 4, "start": 4}, crop={"sizes": [32]}, steps=4)
        train_recipe(late, tmp_path / "late")
        train_recipe(tiny(crop={"sizes": [32]}, steps=4), tmp_path / "plain")
        early = tiny(adversarial={"width": 4, "start": 3}, crop={"sizes": [32]}, steps=4)
        train_recipe(early, tmp_path / "early")
        late, plain, early = (
            load_file(tmp_path / name / "model.safetensors") for name in ("late", "plain", "early")
        )
        assert differing(late, plain) == []
        assert differing(early, plain)

    def test_bad_values(self, tiny):
        for changes, words in (({"weight": 0.0}, "above 0"), ({"start": -1}, "0 or more")):
            with pytest.raises(OptionError, match=rf"`adversarial\.\w+` is .* but must be {words}"):
                tiny(adversarial=changes)
        with pytest.raises(OptionError, match=r"`adversarial\.sees` is 'all' but must be one of"):
            tiny(adversarial={"sees": "all"})
        with pytest.raises(OptionError, match=r"'features' but `loss\.perceptual`.* is 0"):
            tiny(adversarial={"sees": "features"})
